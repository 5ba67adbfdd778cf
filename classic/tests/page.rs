//! The tables of docs/lecture/instruction-classes.md are those of the code: the test fails when the page is out of date, and
//! writes it anew when the environment variable `UPDATE_DOCS` is set.

use classic::table::{
    A32, Direction, Gate, Handling, INSTRUCTIONS, Model, Outcome, Outcomes, REGISTERS, Register, Sensitivity,
};
use std::fmt::Write;

/// A row: an instruction, or one or both accesses of a register.
struct Row {
    name: String,
    sensitivity: Sensitivity,
    el0: Outcomes,
    handled: &'static str,
}

fn rows() -> Vec<Row> {
    let instructions = INSTRUCTIONS.iter().map(|instruction| Row {
        name: instruction.name.into(),
        sensitivity: instruction.sensitivity,
        el0: instruction.el0,
        handled: handled(instruction.handling),
    });
    REGISTERS.iter().flat_map(accesses).chain(instructions).collect()
}

/// One row if both accesses are of one kind.
fn accesses(register: &Register) -> Vec<Row> {
    let name = register.name;
    let row = |name: String, sensitivity, el0| Row { name, sensitivity, el0, handled: handled(register.handling) };
    let read = || row(format!("MRS {name}"), only(register, Sensitivity::BEHAVIOUR), register.read);
    let write = || row(format!("MSR {name}"), only(register, Sensitivity::CONTROL), register.write);
    match register.direction {
        _ if register.register >> 14 == 1 => vec![row(name.into(), register.sensitivity, register.write)],
        Direction::ReadOnly => vec![read()],
        Direction::WriteOnly => vec![write()],
        Direction::ReadWrite if register.read == register.write => {
            vec![row(format!("MRS, MSR {name}"), register.sensitivity, register.read)]
        }
        Direction::ReadWrite => vec![read(), write()],
    }
}

/// What is left of the sensitivity for one access: a read only shows, a write only changes.
fn only(register: &Register, of_access: Sensitivity) -> Sensitivity {
    if register.sensitivity == Sensitivity::BOTH { of_access } else { register.sensitivity }
}

fn handled(handling: Handling) -> &'static str {
    match handling {
        Handling::Slot(_) => "register of the virtual EL1",
        Handling::CurrentEl => "says EL1",
        Handling::SpSel => "banks SP",
        Handling::Daif => "hardware, UMA = 1",
        Handling::Identity => "who the vCPU is",
        Handling::Zero => "zero",
        Handling::Icc => "GIC CPU interface in software",
        Handling::Timer => "timers in software",
        Handling::Platform => "as for any guest",
        Handling::Isr => "what is pending",
        Handling::Tlbi => "shadow MMU",
        Handling::At => "walk in software",
        Handling::Cache => "by address, or nothing",
        Handling::Eret => "exception return",
        Handling::Call => "call",
        Handling::Wait => "waits",
        Handling::Reflect => "to the guest's kernel",
        Handling::Shadow => "shadow tables",
        Handling::Native => "hardware",
        Handling::Hidden => "not shown to guests",
        Handling::HigherLevel => "undefined",
    }
}

fn gate(gate: Gate) -> &'static str {
    match gate {
        Gate::Uma => "UMA",
        Gate::Uci => "UCI",
        Gate::Uct => "UCT",
        Gate::Dze => "DZE",
        Gate::Ntwi => "nTWI",
        Gate::MscEn => "MSCEn",
        Gate::EnRctx => "EnRCTX",
        Gate::EnTp2 => "EnTP2",
        Gate::Tscxt => "TSCXT",
        Gate::El0Pcten => "EL0PCTEN",
        Gate::El0Vcten => "EL0VCTEN",
        Gate::El0Cten => "EL0PCTEN, EL0VCTEN",
        Gate::El0Pten => "EL0PTEN",
        Gate::El0Vten => "EL0VTEN",
        Gate::Tdcc => "TDCC",
        Gate::Pmuserenr => "PMUSERENR",
        Gate::Fpen => "FPEN",
        Gate::Zen => "ZEN",
        Gate::Smen => "SMEN",
    }
}

fn outcome(outcome: Outcome) -> String {
    match outcome {
        Outcome::Traps(class) => format!("{class:#04x}"),
        Outcome::Gated(by, class) => format!("{class:#04x} ({})", gate(by)),
        Outcome::Runs => "runs".into(),
        Outcome::Differs => "differs".into(),
    }
}

/// Sensitive, whatever address it is applied to, and does not trap.
fn is_hole(sensitivity: Sensitivity, outcome: Outcome) -> bool {
    let sensitive = sensitivity.is(Sensitivity::BOTH) || outcome == Outcome::Differs;
    sensitive && outcome.is_silent()
}

fn mark(set: bool) -> &'static str {
    if set { "×" } else { "" }
}

fn all() -> String {
    let mut text = String::from(
        "| instruction | control-sensitive | behaviour-sensitive | by context | innocuous | silent | max | cortex-a76 | cortex-a72 | \
         handled |\n|---|:-:|:-:|:-:|:-:|:-:|---|---|---|---|\n",
    );
    for Row { name, sensitivity, el0, handled } in rows() {
        let is = |kind| mark(sensitivity.is(kind));
        let [control, behaviour, context] =
            [Sensitivity::CONTROL, Sensitivity::BEHAVIOUR, Sensitivity::CONTEXT].map(is);
        let innocuous = mark(sensitivity == Sensitivity::INNOCUOUS);
        let silent = mark(el0.iter().any(|&outcome| is_hole(sensitivity, outcome)));
        let [max, a76, a72] = el0.map(outcome);
        let _ = writeln!(
            text,
            "| {name} | {control} | {behaviour} | {context} | {innocuous} | {silent} | {max} | {a76} | {a72} | {handled} |"
        );
    }
    text
}

/// How many rows are of which class, by model.
fn summary() -> String {
    type Class = (&'static str, fn(Sensitivity, Outcome) -> bool);
    const CLASSES: [Class; 6] = [
        ("traps, without a syndrome (EC 0x00)", |_, outcome| outcome == Outcome::Traps(0)),
        ("traps, with a syndrome", |_, outcome| matches!(outcome, Outcome::Traps(1..))),
        ("traps while a gate is closed", |_, outcome| matches!(outcome, Outcome::Gated(..))),
        ("sensitive and silent", is_hole),
        ("sensitive by what it is applied to", |sensitivity, outcome| {
            outcome == Outcome::Runs && sensitivity == Sensitivity::CONTEXT
        }),
        ("innocuous, runs", |sensitivity, outcome| outcome == Outcome::Runs && sensitivity == Sensitivity::INNOCUOUS),
    ];
    let mut text = String::from("| at EL0 | max | cortex-a76 | cortex-a72 |\n|---|---:|---:|---:|\n");
    let rows = rows();
    let mut sums = [0; 3];
    for (name, class) in CLASSES {
        let is = |row: &Row, model| class(row.sensitivity, Outcome::of(&row.el0, model));
        let counts = Model::ALL.map(|model| rows.iter().filter(|row| is(row, model)).count());
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        let [max, a76, a72] = counts;
        let _ = writeln!(text, "| {name} | {max} | {a76} | {a72} |");
    }
    assert_eq!(sums, [rows.len(); 3], "each row is of one class");
    text
}

/// All that is sensitive and silent.
fn holes() -> String {
    let mut text = String::from("| instruction | max | cortex-a76 | cortex-a72 |\n|---|---|---|---|\n");
    for row in rows().iter().filter(|row| row.el0.iter().any(|&outcome| is_hole(row.sensitivity, outcome))) {
        let [max, a76, a72] = row.el0.map(outcome);
        let _ = writeln!(text, "| {} | {max} | {a76} | {a72} |", row.name);
    }
    text
}

fn a32() -> String {
    let mut text = String::from(
        "| instruction | control-sensitive | behaviour-sensitive | by context | silent | at EL0 | what it does |\n\
         |---|:-:|:-:|:-:|:-:|---|---|\n",
    );
    for entry in A32 {
        let [max, a76, a72] = entry.el0;
        assert!(max == a76 && a76 == a72, "the page has one column for all models");
        let is = |kind| mark(entry.sensitivity.is(kind));
        let [control, behaviour, context] =
            [Sensitivity::CONTROL, Sensitivity::BEHAVIOUR, Sensitivity::CONTEXT].map(is);
        let (silent, what) = (mark(is_hole(entry.sensitivity, max)), entry.what);
        let el0 = outcome(max);
        let _ = writeln!(text, "| {} | {control} | {behaviour} | {context} | {silent} | {el0} | {what} |", entry.name);
    }
    text
}

/// The page with what stands between `<!-- name -->` and `<!-- end -->` replaced.
fn replaced(page: &str, name: &str, table: &str) -> String {
    let begin = format!("<!-- {name} -->\n\n");
    let (head, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("the page has no `<!-- {name} -->`"));
    let (_, tail) = rest.split_once("\n<!-- end -->").expect("the page has no `<!-- end -->`");
    format!("{head}{begin}{table}\n<!-- end -->{tail}")
}

#[test]
fn page_of_instruction_classes_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lecture/instruction-classes.md");
    let page = std::fs::read_to_string(path).unwrap();
    let tables = [("summary", summary()), ("silent", holes()), ("a32", a32()), ("all", all())];

    let wanted = tables.iter().fold(page.clone(), |page, (name, table)| replaced(&page, name, table));

    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, wanted).unwrap();
    } else {
        assert!(page == wanted, "run `UPDATE_DOCS=1 cargo test -p classic --test page`");
    }
}
