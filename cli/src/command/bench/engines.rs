//! `sosia bench --engines`: the same guests under each engine, side by side.
//!
//! Two guests: the benchmark guest, whose own clock counts instructions, and Debian's kernel with a program that does
//! what an operating system does most (`guests/loops`), counted from outside by the plugin between the program's marks.

mod chart;

use super::{LIMIT, parse, plugin, run_bench_guest, write_json};
use crate::args::BenchArgs;
use crate::command::run::Scratch;
use crate::config::{Classic, Engine, Profile, Shadow, System, VmOptions};
use crate::machine::{self, Machine};
use crate::session::Session;
use crate::suite::Context;
use crate::{exec, image, paths};
use miette::{Context as _, IntoDiagnostic, Result, miette};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Longer than the other rows': a boot without the extensions, with each instruction counted.
const BOOT_LIMIT: u64 = 6 * LIMIT;

/// Rows of the benchmark guest that tell something of an engine.
const MICRO: [&str; 8] =
    ["guest_syscall", "page_touch", "hypercall_vmm", "uart_read", "gicd_read", "id_read", "sgi_self", "timer_irq"];

const fn classic(shadow: Shadow, stage2: bool) -> Engine {
    Engine::Classic(Classic { shadow, stage2 })
}

/// The columns.
const ENGINES: [(&str, Engine); 5] = [
    ("hardware", Engine::Hardware),
    ("tlb", classic(Shadow::Tlb, false)),
    ("traced", classic(Shadow::Traced, false)),
    ("lazy", classic(Shadow::Lazy, false)),
    ("tlb+stage2", classic(Shadow::Tlb, true)),
];

/// One operation under one engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
struct Figure {
    /// At all exception levels.
    instructions: f64,
    /// Of the kernel and the domains.
    own: Option<f64>,
    /// Entries of the kernel from below: exits of the guest, and what its VMM asks of the kernel to serve them.
    entries: Option<f64>,
    /// Exceptions of a guest at EL0 by way of the one page at EL1.
    traps: Option<f64>,
}

/// A row: what each engine needs.
#[derive(Debug, Serialize)]
struct Row {
    row: String,
    unit: &'static str,
    engines: BTreeMap<&'static str, Figure>,
}

/// What the plugin counted until some moment.
#[derive(Clone, Debug, Deserialize)]
struct Counts {
    ranges: BTreeMap<String, u64>,
    total: u64,
    el: [u64; 4],
    #[serde(default)]
    marks: Vec<Counts>,
}

impl Counts {
    fn of(&self, names: &[&str]) -> f64 {
        names.iter().filter_map(|name| self.ranges.get(*name)).sum::<u64>() as f64
    }

    /// What was executed, for each of `n` operations.
    fn figure(&self, classic: bool, n: f64) -> Figure {
        Figure {
            instructions: self.total as f64 / n,
            own: Some(self.of(&["sync", "irq", "kernel", "domains"]) / n),
            entries: Some(self.of(&["sync", "irq"]) / n),
            traps: classic.then(|| self.el.get(1).copied().unwrap_or(0) as f64 / n),
        }
    }
}

impl Figure {
    fn less(&self, other: &Self) -> Self {
        let less = |a: Option<f64>, b: Option<f64>| Some(a? - b.unwrap_or(0.0));
        Self {
            instructions: self.instructions - other.instructions,
            own: less(self.own, other.own),
            entries: less(self.entries, other.entries),
            traps: less(self.traps, other.traps),
        }
    }

    fn over(&self, n: f64) -> Self {
        let over = |a: Option<f64>| a.map(|a| a / n);
        Self {
            instructions: self.instructions / n,
            own: over(self.own),
            entries: over(self.entries),
            traps: over(self.traps),
        }
    }
}

/// Measures, prints, writes.
pub fn run(context: &Context, args: &BenchArgs) -> Result<u8> {
    let mut rows: Vec<Row> = Vec::new();
    for (name, engine) in ENGINES {
        for (row, unit, figure) in measure(context, &args.machine, engine).wrap_err(format!("engine {name}"))? {
            let at = rows.iter().position(|known| known.row == row).unwrap_or_else(|| {
                rows.push(Row { row, unit, engines: BTreeMap::new() });
                rows.len() - 1
            });
            rows.get_mut(at).and_then(|row| row.engines.insert(name, figure));
        }
    }
    print!("{}", table(&rows));
    if let Some(path) = &args.json {
        write_json(path, &rows)?;
    }
    if let Some(path) = &args.svg {
        std::fs::write(path, chart::draw(&rows)).into_diagnostic().wrap_err_with(|| path.display().to_string())?;
    }
    Ok(0)
}

type Measured = Vec<(String, &'static str, Figure)>;

fn measure(context: &Context, profile: &str, engine: Engine) -> Result<Measured> {
    let mut rows = micro(context, profile, engine)?;
    rows.extend(linux(context, profile, engine)?);
    Ok(rows)
}

/// The system with one VM on one CPU, under an engine.
fn system(name: &str, engine: Engine) -> Result<System> {
    let options = VmOptions { cpus: Some(1), ..VmOptions::default() };
    let mut system = System::load(name)?.with_options(&options)?;
    system.machine_cpus = Some(1);
    system.vms.iter_mut().for_each(|vm| vm.engine = engine);
    Ok(system)
}

fn micro(context: &Context, profile: &str, engine: Engine) -> Result<Measured> {
    let found = parse(&run_bench_guest(context, profile, &system("bench", engine)?, false)?);
    let figure = |mean| Figure { instructions: mean, ..Figure::default() };
    let rows = MICRO.iter().map(|wanted| {
        let row = found.iter().find(|(row, ..)| row == wanted);
        let (row, mean, _) = row.ok_or_else(|| miette!("the benchmark guest printed no row {wanted}"))?;
        Ok((row.clone(), "instructions", figure(*mean)))
    });
    rows.collect()
}

/// Boot and the program's rows.
fn linux(context: &Context, profile: &str, engine: Engine) -> Result<Measured> {
    let plugin = plugin()?;
    let program = image::compile::guest("loops", &context.toolchain)?;
    let program = read(&program)?;
    let mark = image::elf::symbol(&program, "loops_mark").ok_or_else(|| miette!("guests/loops has no loops_mark"))?;
    let mut script = exec::script("/bin/loops");
    script.program = Some(image::elf::without_sections(program)?);
    let system = system("linux", engine)?;
    let payload = image::payload(&system, &context.toolchain, Some(&script))?;
    let scratch = Scratch::new()?;
    let bytes = image::boot_image("root", Some((&system, payload)), &context.toolchain)?;
    let path = scratch.write("sosia.img", &bytes)?;
    let out = scratch.path().join("counts.json");
    let mut machine = Machine::new(Profile::load(profile)?, &system)?;
    machine.icount = true;
    machine.extra = vec!["-plugin".into(), plugin_arguments(&plugin, engine, mark, &out)?];
    let mut session = Session::start(&mut machine.command(&context.qemu, &machine::kernel(&path)))?;
    let mut printed = Vec::new();
    let status = exec::run(&mut session, &script.nonce, Duration::from_secs(BOOT_LIMIT), &mut printed)?;
    let printed = String::from_utf8_lossy(&printed);
    if status != 0 {
        return Err(miette!("the program ended with {status}: {printed}"));
    }
    let counts = String::from_utf8(read(&out)?).into_diagnostic()?;
    rows(&serde_json::from_str(&counts).into_diagnostic()?, &printed, engine != Engine::Hardware)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).into_diagnostic().wrap_err_with(|| path.display().to_string())
}

/// Counts from the guest's first instruction; the kernel's vectors for exceptions from below are told apart.
fn plugin_arguments(plugin: &Path, engine: Engine, mark: u64, out: &Path) -> Result<String> {
    let kernel: PathBuf = paths::target_elf("kernel");
    let vectors = image::elf::symbol(&read(&kernel)?, "vectors").ok_or_else(|| miette!("the kernel has no vectors"))?;
    let entry = |name, offset| format!("range={name}:{:#x}-{:#x}", vectors + offset, vectors + offset + 4);
    let level = if engine == Engine::Hardware { 1 } else { 0 };
    let (sync, irq) = (entry("sync", 0x400), entry("irq", 0x480));
    Ok(format!(
        "{},{sync},{irq},{},start=0x40000000@{level},mark={mark:#x},out={}",
        plugin.display(),
        super::RANGES,
        out.display()
    ))
}

/// `LOOP row=NAME n=N` lines, each with two marks; the first is of nothing.
fn rows(counts: &Counts, printed: &str, classic: bool) -> Result<Measured> {
    let loops = printed.lines().filter_map(|line| line.trim().strip_prefix("LOOP row=")?.split_once(" n="));
    let mut rows = Vec::new();
    let mut empty = Figure::default();
    for ((name, n), marks) in loops.zip(counts.marks.chunks(2)) {
        let [before, after] = marks else { return Err(miette!("row {name} has no end")) };
        let n: f64 = n.parse().into_diagnostic()?;
        let all = after.figure(classic, 1.0).less(&before.figure(classic, 1.0));
        if name == "empty" {
            empty = all;
        } else {
            rows.push((name.to_string(), "instructions", all.less(&empty).over(n)));
        }
    }
    let first = counts.marks.first().ok_or_else(|| miette!("the program has left no mark"))?;
    rows.push(("boot".into(), "millions", first.figure(classic, 1e6)));
    Ok(rows)
}

fn table(rows: &[Row]) -> String {
    let mut out = format!("{:<24}", "row");
    ENGINES.iter().for_each(|(name, _)| out += &format!(" {name:>14}"));
    out += "\n";
    type Part = fn(&Figure) -> Option<f64>;
    let parts: [(&str, Part); 3] =
        [("", |figure| Some(figure.instructions)), (", entries", |f| f.entries), (", traps", |f| f.traps)];
    for row in rows {
        for (what, part) in parts {
            if row.engines.values().all(|figure| part(figure).is_none()) {
                continue;
            }
            out += &format!("{:<24}", format!("{}{what}", row.row));
            for (name, _) in ENGINES {
                let value = row.engines.get(name).and_then(part);
                out += &format!(" {:>14}", value.map_or_else(|| "-".into(), |value| format!("{value:.1}")));
            }
            out += "\n";
        }
    }
    out + "\nInstructions per operation, at all exception levels (boot: millions, from the guest's first instruction to the\n\
           program's first mark); entries of EL2 from below, and traps of a guest at EL0, per operation.\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(total: u64, entries: u64, traps: u64) -> Counts {
        let ranges = [("sync", entries), ("irq", 0), ("kernel", 10), ("domains", 0)];
        let ranges = ranges.map(|(name, n)| (name.to_string(), n)).into_iter().collect();
        Counts { ranges, total, el: [0, traps, 0, 0], marks: Vec::new() }
    }

    #[test]
    fn rows_are_differences_of_marks_less_the_empty_one() {
        let mut all = counts(0, 0, 0);
        all.marks = vec![counts(100, 1, 5), counts(101, 1, 5), counts(200, 2, 10), counts(401, 12, 30)];

        let rows = rows(&all, "LOOP row=empty n=1\r\nLOOP row=syscall n=10\n", true).unwrap();

        let (name, _, figure) = &rows[0];
        assert_eq!((name.as_str(), figure.instructions), ("syscall", 20.0));
        assert_eq!((figure.entries, figure.traps), (Some(1.0), Some(2.0)));
        assert_eq!((rows[1].0.as_str(), rows[1].2.traps), ("boot", Some(5e-6)));
    }

    #[test]
    fn run_without_marks_is_an_error() {
        assert!(rows(&counts(1, 1, 1), "", true).is_err());
    }

    #[test]
    fn table_has_a_line_for_instructions_and_one_for_traps() {
        let figure = Figure { instructions: 9000.0, own: None, entries: None, traps: Some(30.0) };
        let rows = [Row { row: "syscall".into(), unit: "instructions", engines: [("tlb", figure)].into() }];

        let text = table(&rows);

        assert!(text.contains("syscall, traps") && text.contains("9000.0") && !text.contains("entries  "), "{text}");
    }
}
