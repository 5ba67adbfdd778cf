//! The documentation says of the ID registers what the table does.

use classic::id::{Policy, TABLE};
use devices::idregs;

/// The rows of docs/internals/features.md, "Under the classic engine".
fn rows() -> String {
    let shown = |policy| match policy {
        Policy::Is(0) => "hide".to_string(),
        Policy::Is(value) => format!("{value}"),
        Policy::AtMost(most) => format!("≤ {most}"),
        Policy::AtMostSigned(most) => format!("≤ {most} (signed)"),
    };
    let row = |field: &classic::id::Override| {
        let register = idregs::name(field.register).unwrap();
        format!("| {register} | {} | {} | {} | {} |\n", field.name, field.lsb, shown(field.policy), field.reason)
    };
    TABLE.iter().map(row).collect()
}

#[test]
fn features_of_the_classic_engine_are_documented_as_they_are() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/internals/features.md")).unwrap();

    assert!(text.contains(&rows()), "docs/internals/features.md should have these rows:\n{}", rows());
}
