//! `sosia bench`: rows of the benchmark, in instructions, beside what was recorded of others.

mod engines;

use crate::args::BenchArgs;
use crate::command::run::Scratch;
use crate::config::{Profile, System, VmOptions};
use crate::machine::{self, Machine};
use crate::prepare::{self, qemu, toolchain};
use crate::session::{Session, within};
use crate::suite::{Cases, Context};
use crate::{exec, image, paths};
use miette::{Context as _, IntoDiagnostic, Result, miette};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: u64 = 300;
/// How much a row may rise above the baseline.
const TOLERANCE: f64 = 1.02;
/// Rises below this are the clock's grain, not the code's.
const GRAIN: f64 = 0.5;
/// Addresses that only the kernel and only domains execute at (abi, kernel/link.ld).
const RANGES: &str = "range=kernel:0x800000000000-0x800040000000,range=domains:0x7c00000000-0x7d00000000";
/// The guest's first instruction, at EL1: Debian's Image has text_offset 0, and the guest's RAM starts here.
const START: &str = "start=0x40000000@1";

/// A measured row, as the JSON has it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Row {
    row: String,
    profile: String,
    vcpus: u64,
    value: f64,
    min: f64,
    unit: String,
    goal: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Goal {
    what: String,
    #[serde(default = "instructions")]
    unit: String,
    goal: Option<f64>,
}

fn instructions() -> String {
    "instructions".into()
}

#[derive(Deserialize)]
struct RecordedFile {
    recorded: Vec<Recorded>,
}

/// Figures of another system.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    system: String,
    version: String,
    flags: String,
    date: String,
    rows: BTreeMap<String, f64>,
}

#[derive(Deserialize, Serialize)]
struct Baseline {
    rustc: String,
    rows: Vec<Row>,
}

type Goals = BTreeMap<String, Goal>;

fn data(name: &str) -> PathBuf {
    paths::root().join("bench").join(name)
}

fn read_toml<T: serde::de::DeserializeOwned>(name: &str) -> Result<T> {
    let text = std::fs::read_to_string(data(name)).into_diagnostic().wrap_err_with(|| format!("bench/{name}"))?;
    toml::from_str(&text).into_diagnostic().wrap_err_with(|| format!("bench/{name}"))
}

/// Measures, prints, compares.
pub fn run(args: &BenchArgs) -> Result<u8> {
    prepare::announce();
    let context = Context { toolchain: toolchain::prepare()?, qemu: qemu::prepare()? };
    if args.engines {
        return engines::run(&context, args);
    }
    let rows = measure(&context, &args.machine, args.bare)?;
    print!("{}", table(&rows, &read_toml("goals.toml")?, &read_toml::<RecordedFile>("recorded.toml")?.recorded));
    if let Some(path) = &args.json {
        write_json(path, &rows)?;
    }
    if args.save {
        write_json(&data("baseline.json"), &Baseline { rustc: toolchain::rustc_version()?, rows: rows.clone() })?;
    }
    if !args.check {
        return Ok(0);
    }
    let worse = compare(&rows, &baseline()?.rows);
    worse.iter().for_each(|line| eprintln!("sosia: {line}"));
    Ok(u8::from(!worse.is_empty()))
}

/// The suite's step: the rows that have a baseline did not rise.
pub fn check(context: &Context, cases: &mut Cases) -> Result<()> {
    let rows = measure(context, "max", false)?;
    let worse = compare(&rows, &baseline()?.rows);
    let result = if worse.is_empty() { Ok(()) } else { Err(worse.join("\n")) };
    cases.case(&format!("({} rows against the baseline)", rows.len()), result);
    Ok(())
}

fn baseline() -> Result<Baseline> {
    let text = std::fs::read_to_string(data("baseline.json")).into_diagnostic().wrap_err("bench/baseline.json")?;
    serde_json::from_str(&text).into_diagnostic().wrap_err("bench/baseline.json")
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string_pretty(value).into_diagnostic()?;
    std::fs::write(path, text + "\n").into_diagnostic().wrap_err_with(|| format!("cannot write {}", path.display()))
}

/// What rose above the baseline, and what is in it but was not measured.
fn compare(rows: &[Row], baseline: &[Row]) -> Vec<String> {
    let mut worse = Vec::new();
    for old in baseline {
        let same = |row: &&Row| row.row == old.row && row.profile == old.profile && row.vcpus == old.vcpus;
        match rows.iter().find(same) {
            None => worse.push(format!("row {} was not measured", old.row)),
            Some(new) if new.value > old.value * TOLERANCE && new.value > old.value + GRAIN => {
                worse.push(format!("row {} rose from {} to {} {}", old.row, old.value, new.value, old.unit));
            }
            Some(_) => {}
        }
    }
    worse
}

fn measure(context: &Context, profile: &str, bare: bool) -> Result<Vec<Row>> {
    let goals: Goals = read_toml("goals.toml")?;
    let mut rows = Vec::new();
    for vcpus in [1, 2] {
        let text = bench_guest(context, profile, vcpus, bare)?;
        let found = parse(&text);
        // Only what needs a second vCPU is taken where there are two: they share one clock.
        let found = found.into_iter().filter(|(row, ..)| (row == "ipi_round_trip") == (vcpus == 2));
        rows.extend(found.map(|(row, value, min)| to_row(&goals, row, profile, vcpus, value, min)));
    }
    if rows.is_empty() {
        return Err(miette!("the benchmark guest printed no row"));
    }
    if !bare {
        let found = parse(&pair(context, profile)?);
        rows.extend(found.into_iter().map(|(row, value, min)| to_row(&goals, row, profile, 1, value, min)));
    }
    if !bare && profile == "max" {
        for (row, verbose) in [("boot_own", false), ("boot_own_verbose", true)] {
            let own = boot_own(context, profile, verbose)?;
            rows.push(to_row(&goals, row.into(), profile, 1, own, own));
        }
    }
    Ok(rows)
}

fn to_row(goals: &Goals, row: String, profile: &str, vcpus: u64, value: f64, min: f64) -> Row {
    let goal = goals.get(&row);
    let unit = goal.map_or_else(instructions, |goal| goal.unit.clone());
    Row { profile: profile.into(), vcpus, value, min, unit, goal: goal.and_then(|goal| goal.goal), row }
}

fn bench_guest(context: &Context, profile: &str, vcpus: u64, bare: bool) -> Result<String> {
    let options = VmOptions { cpus: Some(vcpus), ..VmOptions::default() };
    let mut system = System::load("bench")?.with_options(&options)?;
    system.machine_cpus = Some(vcpus);
    run_bench_guest(context, profile, &system, bare)
}

fn run_bench_guest(context: &Context, profile: &str, system: &System, bare: bool) -> Result<String> {
    let mut machine = Machine::new(Profile::load(profile)?, system)?;
    (machine.bare, machine.icount) = (bare, true);
    let payload = image::payload(system, &context.toolchain, None)?;
    let scratch = Scratch::new()?;
    let path = if bare {
        scratch.write("Image", payload.kernels.first().map_or(&[], Vec::as_slice))?
    } else {
        scratch.write("sosia.img", &image::boot_image("root", Some((system, payload)), &context.toolchain)?)?
    };
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    session.wait_for("BENCH end", 0, within(LIMIT))?;
    Ok(session.text())
}

/// The rows that take two VMs on one core.
fn pair(context: &Context, profile: &str) -> Result<String> {
    let mut system = System::load("bench-pair")?;
    system.mux = true;
    let mut machine = Machine::new(Profile::load(profile)?, &system)?;
    machine.icount = true;
    let payload = image::payload(&system, &context.toolchain, None)?;
    let scratch = Scratch::new()?;
    let image = image::boot_image("root", Some((&system, payload)), &context.toolchain)?;
    let boot = machine::kernel(&scratch.write("sosia.img", &image)?);
    let mut session = Session::start(&mut machine.command(&context.qemu, &boot))?.with_names(&system);
    session.wait_for_of("bench", "BENCH end", 0, within(LIMIT))?;
    match ["bench", "equal"].iter().find_map(|vm| Some(session.text_of(vm)).filter(|text| text.contains("error"))) {
        Some(text) => Err(miette!("{text}")),
        None => Ok(session.text_of("bench")),
    }
}

/// `BENCH row=NAME mean=M min=M n=N`; rows with `skip=` have no figure.
fn parse(text: &str) -> Vec<(String, f64, f64)> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("BENCH "));
    lines
        .filter_map(|line| {
            let words: BTreeMap<&str, &str> = line.split_whitespace().filter_map(|word| word.split_once('=')).collect();
            let number = |key: &str| words.get(key)?.parse::<f64>().ok();
            Some((words.get("row")?.to_string(), number("mean")?, number("min")?))
        })
        .collect()
}

#[derive(Deserialize)]
struct Counts {
    ranges: BTreeMap<String, u64>,
}

/// Builds QEMU's plugin that counts; gives its file.
fn plugin() -> Result<PathBuf> {
    let mut cargo = image::compile::cargo("build");
    cargo.args(["--release", "-p", "plugin", "--target-dir"]).arg(paths::target());
    image::compile::run_quietly(&mut cargo, "building the counting plugin")?;
    Ok(paths::target().join("release/libplugin.so"))
}

/// Millions of instructions of kernel, root and VMM from the guest's first instruction until power-off, with one CPU.
/// A QEMU plugin counts them by address.
fn boot_own(context: &Context, profile: &str, verbose: bool) -> Result<f64> {
    let plugin = plugin()?;
    let options = VmOptions { cpus: Some(1), ..VmOptions::default() };
    let mut system = System::load("linux")?.with_options(&options)?;
    system.machine_cpus = Some(1);
    if let Some(vm) = system.vms.first_mut().filter(|_| verbose) {
        vm.cmdline = vm.cmdline.replace(" quiet", "");
    }
    let script = exec::script("true");
    let payload = image::payload(&system, &context.toolchain, Some(&script))?;
    let bytes = image::boot_image("root", Some((&system, payload)), &context.toolchain)?;
    let scratch = Scratch::new()?;
    let path = scratch.write("sosia.img", &bytes)?;
    let counts = scratch.path().join("counts.json");
    let mut machine = Machine::new(Profile::load(profile)?, &system)?;
    machine.icount = true;
    machine.extra = vec!["-plugin".into(), format!("{},{RANGES},{START},out={}", plugin.display(), counts.display())];
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    exec::run(&mut session, &script.nonce, Duration::from_secs(LIMIT), &mut std::io::sink())?;
    let text = std::fs::read_to_string(&counts).into_diagnostic().wrap_err("the plugin wrote nothing")?;
    let counts: Counts = serde_json::from_str(&text).into_diagnostic()?;
    Ok(counts.ranges.values().sum::<u64>() as f64 / 1e6)
}

fn table(rows: &[Row], goals: &Goals, recorded: &[Recorded]) -> String {
    let mut out = format!("{:<22} {:>11} {:>9} {:>9}  | recorded", "row", "mean", "min", "goal");
    recorded.iter().for_each(|other| out += &format!(" {:>8}", other.system));
    out += "\n";
    for row in rows {
        let goal = row.goal.map_or_else(|| "-".into(), |goal| format!("{goal}"));
        let mark = if row.goal.is_some_and(|goal| row.value > goal) { '>' } else { ' ' };
        out += &format!("{:<22} {:>11.3} {:>9} {mark}{goal:>8}  |         ", row.row, row.value, row.min);
        for other in recorded {
            let figure = other.rows.get(&row.row).map_or_else(|| "-".into(), |figure| format!("{figure}"));
            out += &format!(" {figure:>8}");
        }
        out += &format!("   {}\n", goals.get(&row.row).map_or("", |goal| &goal.what));
    }
    out += "\nInstructions per operation, at all exception levels; `>`: above the goal. Recorded, not measured here:\n";
    for other in recorded {
        let flags = if other.flags.is_empty() { String::new() } else { format!(", {}", other.flags) };
        out += &format!("  {:<8} {}{flags}, {}\n", other.system, other.version, other.date);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, value: f64) -> Row {
        to_row(&Goals::new(), name.into(), "max", 1, value, value)
    }

    #[test]
    fn rows_are_read_and_skipped_ones_left_out() {
        let text = "x\nBENCH row=uart_read mean=97.250 min=97 n=1000\nBENCH row=id_read skip=none\nBENCH end\n";

        assert_eq!(parse(text), [("uart_read".to_string(), 97.25, 97.0)]);
    }

    #[test]
    fn rise_above_two_percent_is_worse() {
        let baseline = [row("a", 100.0), row("b", 100.0), row("c", 1.0)];

        let worse = compare(&[row("a", 102.0), row("b", 102.1), row("c", 1.4)], &baseline);

        assert_eq!(worse, ["row b rose from 100 to 102.1 instructions"]);
    }

    #[test]
    fn row_that_vanished_is_worse() {
        assert_eq!(compare(&[], &[row("a", 1.0)]), ["row a was not measured"]);
    }

    #[test]
    fn data_files_are_valid() {
        let goals: Goals = read_toml("goals.toml").unwrap();
        let recorded: RecordedFile = read_toml("recorded.toml").unwrap();

        assert!(goals.contains_key("hypercall"));
        assert!(
            recorded
                .recorded
                .iter()
                .all(|other| other.rows.keys().all(|row| goals.contains_key(row) || row == "world_switch"))
        );
    }
}
