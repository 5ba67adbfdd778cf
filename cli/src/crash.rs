//! Crash records of the kernel (`abi::crash`) in words, with symbols.

use crate::paths;
use crate::session::find;
use abi::crash::{BEGIN, END};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSymbol, SymbolKind};
use std::collections::BTreeMap;
use std::path::Path;

/// The functions of an ELF file by address.
#[derive(Default)]
pub struct Symbols {
    by_address: BTreeMap<u64, (u64, String)>,
}

impl Symbols {
    /// The functions of a file; none if it cannot be read.
    pub fn load(path: &Path) -> Self {
        let Ok(bytes) = std::fs::read(path) else { return Self::default() };
        let Ok(file) = ElfFile64::<Endianness>::parse(&*bytes) else { return Self::default() };
        let text =
            file.symbols().filter(|symbol| symbol.kind() == SymbolKind::Text || symbol.kind() == SymbolKind::Label);
        let named =
            text.filter_map(|symbol| Some((symbol.address(), (symbol.size(), symbol.name().ok()?.to_string()))));
        Self { by_address: named.collect() }
    }

    /// `function+0x12`, if the address is in one.
    pub fn name(&self, address: u64) -> Option<String> {
        let (start, (size, name)) = self.by_address.range(..=address).next_back()?;
        let offset = address - start;
        (offset < (*size).max(4096)).then(|| format!("{:#}+{offset:#x}", rustc_demangle::demangle(name)))
    }
}

/// The first whole crash record in a console log, in words.
pub fn find_report(log: &[u8]) -> Option<String> {
    let start = find(log, BEGIN.as_bytes())?;
    let rest = log.get(start..)?;
    let end = find(rest, END.as_bytes())?;
    let record = String::from_utf8_lossy(rest.get(BEGIN.len()..end)?).replace('\r', "");
    Some(describe(&record, &Symbols::load(&paths::target_elf("kernel"))))
}

/// All crash records in a text, in words.
pub fn reports(text: &str, symbols: &Symbols) -> Vec<String> {
    text.split(BEGIN)
        .skip(1)
        .map(|rest| describe(rest.split(END).next().unwrap_or(rest).replace('\r', "").trim(), symbols))
        .collect()
}

/// Values of a record's `kind`.
const KINDS: [&str; 9] = [
    "sync with SP_EL0",
    "irq with SP_EL0",
    "fiq with SP_EL0",
    "serror with SP_EL0",
    "sync",
    "irq",
    "fiq",
    "serror",
    "panic",
];

fn describe(record: &str, symbols: &Symbols) -> String {
    let message = record.lines().find_map(|line| line.strip_prefix("message="));
    let words = || record.split_whitespace().filter_map(|word| word.split_once('='));
    let get = |key: &str| words().find(|(name, _)| *name == key).and_then(|(_, value)| number(value));
    let general: Vec<u64> = words().filter(|(name, _)| *name == "x").filter_map(|(_, value)| number(value)).collect();
    let kind = get("kind").and_then(|kind| KINDS.get(kind as usize)).unwrap_or(&"?");
    let core = get("core").map_or("?".to_string(), |core| core.to_string());
    let mut out = format!("crash of the kernel on core {core}: {kind}\n");
    if let Some(message) = message {
        let line = get("line").map_or(String::new(), |line| format!(", line {line}"));
        out += &format!("  message: {message}{line}\n");
    }
    let mut row = |name: &str, value: Option<u64>, always: bool| {
        let function = value.and_then(|value| symbols.name(value));
        if let Some(value) = value.filter(|_| always || function.is_some()) {
            out += format!("  {name:<5} {value:#x}  {}", function.unwrap_or_default()).trim_end();
            out.push('\n');
        }
    };
    row("elr", get("elr"), true);
    row("x30", general.get(30).copied(), true);
    row("far", get("far"), true);
    row("sp", general.get(31).copied(), true);
    row("spsr", get("spsr"), true);
    for (n, value) in general.iter().take(30).enumerate() {
        row(&format!("x{n}"), Some(*value), false);
    }
    if let Some(esr) = get("esr") {
        out += &esr_words(esr);
    }
    out
}

/// A number as people and our kernel write them: `0x…`, hexadecimal, or decimal.
pub fn number(text: &str) -> Option<u64> {
    let text = text.trim().replace('_', "");
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// An ESR in words, field by field.
pub fn esr_words(esr: u64) -> String {
    let mut out = format!("  esr   {esr:#x}\n");
    match aarch64_esr_decoder::decode(esr) {
        Ok(fields) => fields.iter().for_each(|field| field_words(&mut out, field, 2)),
        Err(error) => out += &format!("    {error}\n"),
    }
    out
}

fn field_words(out: &mut String, field: &aarch64_esr_decoder::FieldInfo, level: usize) {
    if field.name.starts_with("RES") && field.value == 0 {
        return;
    }
    let indent = "  ".repeat(level);
    let words = field.description.as_deref().unwrap_or_default();
    *out += format!("{indent}{:<6} {:<8} {words}", field.name, field.value_string()).trim_end();
    out.push('\n');
    field.subfields.iter().for_each(|field| field_words(out, field, level + 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_is_told_in_words() {
        let registers: String = (0..32).map(|n| format!(" x={:#x}", 0x8000_0000_2000u64 + n)).collect();
        let head = "core=0x1 kind=0x4 esr=0x96000050 elr=0x800000001010 far=0x9 spsr=0x3c9";
        let log = format!("boot\r\n{BEGIN}\r\n {head}{registers}\r\n{END}\r\n");

        let report = find_report(log.as_bytes()).unwrap();

        assert!(report.contains("core 1: sync"), "{report}");
        assert!(report.contains("x30   0x80000000201e"), "{report}");
        assert!(report.contains("sp    0x80000000201f"), "{report}");
        assert!(report.contains("Data Abort taken without a change in Exception level"), "{report}");
    }

    #[test]
    fn place_of_a_panic_is_told() {
        let head = "core=0x0 kind=0x8 esr=0x0 elr=0x0 far=0x0 spsr=0x0 line=0x2a";

        let report = describe(&format!(" {head}\nmessage=panic in kernel/src/a.rs\n"), &Symbols::default());

        assert!(report.contains("core 0: panic"), "{report}");
        assert!(report.contains("message: panic in kernel/src/a.rs, line 42"), "{report}");
    }

    #[test]
    fn half_a_record_is_none_yet() {
        assert_eq!(find_report(BEGIN.as_bytes()), None);
    }

    #[test]
    fn address_is_named_by_the_function_before_it() {
        let by_address = BTreeMap::from([(0x1000, (0x20, "_ZN6kernel4main17h0123456789abcdefE".to_string()))]);

        let symbols = Symbols { by_address };

        assert_eq!(symbols.name(0x1010).as_deref(), Some("kernel::main+0x10"));
        assert_eq!(symbols.name(0xfff), None);
    }

    #[test]
    fn numbers_are_hexadecimal_or_decimal() {
        assert_eq!(number("0x9600_0050"), Some(0x9600_0050));
        assert_eq!(number("17"), Some(17));
        assert_eq!(number("log.txt"), None);
    }
}
