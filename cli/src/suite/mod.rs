//! `sosia test`: everything that is tested, in one list. Each step gives one or more cases; nothing is skipped silently.

mod boot;
mod cargo;
mod classes;
mod console;
mod deny;
mod devices;
mod equiv;
mod fairness;
mod guest;
mod kernel;
mod lecture;
mod lines;
mod loader;
mod manage;
mod neighbours;
mod noise;
mod others;
mod reproducible;
mod restart;
mod systems;
mod user;

use crate::args::TestArgs;
use crate::command::run::Scratch;
use crate::prepare::qemu::Qemu;
use crate::prepare::toolchain::Toolchain;
use crate::prepare::{self, qemu, toolchain};
use miette::{IntoDiagnostic, Result, WrapErr, bail};
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What every step needs.
pub struct Context {
    /// How to build for the target.
    pub toolchain: Toolchain,
    /// The QEMU that runs the machines.
    pub qemu: Qemu,
}

type Run = dyn Fn(&Context, &mut Cases) -> Result<()>;

/// One step of the suite.
struct Step {
    name: String,
    /// Only with `--all`.
    long: bool,
    run: Box<Run>,
}

impl Step {
    fn new(name: impl Into<String>, run: impl Fn(&Context, &mut Cases) -> Result<()> + 'static) -> Self {
        Self { name: name.into(), long: false, run: Box::new(run) }
    }

    fn long(mut self) -> Self {
        self.long = true;
        self
    }
}

/// Collects results and prints them as they come.
pub struct Cases {
    step: String,
    since: Instant,
    passed: usize,
    failed: Vec<String>,
}

impl Cases {
    fn new() -> Self {
        Self { step: String::new(), since: Instant::now(), passed: 0, failed: Vec::new() }
    }

    /// One test: its name and what was wrong, if anything.
    pub fn case(&mut self, name: &str, result: Result<(), String>) {
        self.several(name, 1, result);
    }

    /// Several tests in one line: so many passed, or at least one failed.
    pub fn several(&mut self, name: &str, count: usize, result: Result<(), String>) {
        let time = self.since.elapsed();
        self.since = Instant::now();
        let name = if name.is_empty() { self.step.clone() } else { format!("{} {name}", self.step) };
        match result {
            Ok(()) => {
                self.passed += count;
                println!("ok      {:>6}  {name}", seconds(time));
            }
            Err(why) => {
                println!("FAILED  {:>6}  {name}\n{}", seconds(time), indent(&why));
                self.failed.push(name);
            }
        }
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("        {line}\n")).collect()
}

/// All steps, the quick ones first.
fn steps() -> Vec<Step> {
    let mut steps = vec![
        Step::new("rustfmt", cargo::rustfmt),
        Step::new("clippy-host", cargo::clippy_host),
        Step::new("clippy-target", cargo::clippy_target),
    ];
    steps.extend(
        cargo::HOST.map(|package| Step::new(format!("host-{package}"), move |_, cases| cargo::host(package, cases))),
    );
    steps.extend(
        cargo::LOOM.map(|package| Step::new(format!("loom-{package}"), move |_, cases| cargo::loom(package, cases))),
    );
    steps.push(Step::new("random-classic", |_, cases| cargo::random("classic", cases)).long());
    steps.push(Step::new("size", cargo::size));
    steps.push(Step::new("reproducible", reproducible::run));
    steps.push(Step::new("deny", deny::run));
    for profile in ["max", "cortex-a76", "cortex-a72", "cortex-a53"] {
        let step = Step::new(format!("kernel-{profile}"), move |context, cases| kernel::run(context, profile, cases));
        steps.push(if profile == "cortex-a53" { step.long() } else { step });
    }
    steps.push(Step::new("kernel-masked", kernel::masked));
    steps.push(Step::new("kernel-hostile", kernel::hostile).long());
    steps.push(Step::new("crash-record", kernel::crash_record));
    steps.extend(guest::steps());
    steps.extend(console::steps());
    steps.extend(devices::steps());
    steps.push(Step::new("manage", manage::run));
    steps.extend(systems::steps());
    steps.push(Step::new("exec", user::exec));
    steps.push(Step::new("terminal", user::terminal));
    steps.extend(fairness::steps());
    steps.extend(neighbours::steps());
    steps.push(Step::new("loader-u-boot", loader::run));
    steps.extend(others::steps());
    steps.extend(restart::steps());
    steps.extend(noise::steps());
    steps.push(Step::new("equiv", equiv::run));
    steps.push(Step::new("classes", classes::run));
    steps.push(Step::new("lecture", lecture::run));
    steps.push(Step::new("bench", crate::command::bench::check));
    steps
}

/// This program, for steps that run it as users do.
static TOOL: OnceLock<PathBuf> = OnceLock::new();

/// Keeps a copy of this program: cargo replaces the file that runs when a step builds it with other features.
fn keep_tool(scratch: &Scratch) -> Result<()> {
    let copy = scratch.path().join("sosia");
    let own = std::env::current_exe().into_diagnostic()?;
    std::fs::copy(&own, &copy).into_diagnostic().wrap_err_with(|| format!("cannot copy {}", own.display()))?;
    TOOL.get_or_init(|| copy);
    Ok(())
}

/// A command that runs this program.
fn tool() -> PathBuf {
    TOOL.get().cloned().unwrap_or_else(|| "sosia".into())
}

/// Runs the suite; the status is 1 if anything failed.
pub fn run(args: &TestArgs) -> Result<u8> {
    let wanted = |step: &Step| {
        let named = args.filter.as_deref().is_none_or(|filter| step.name.contains(filter));
        named && (args.all || !step.long || args.filter.as_deref() == Some(&step.name))
    };
    let steps: Vec<Step> = steps().into_iter().filter(wanted).collect();
    if args.list {
        steps.iter().for_each(|step| println!("{}", step.name));
        return Ok(0);
    }
    if steps.is_empty() {
        let filter = args.filter.as_deref().unwrap_or_default();
        bail!(help = "`./sosia test --all --list` shows all", "no test has `{filter}` in its name");
    }
    prepare::announce();
    let scratch = Scratch::new()?;
    keep_tool(&scratch)?;
    let context = Context { toolchain: toolchain::prepare()?, qemu: qemu::prepare()? };
    let mut cases = Cases::new();
    for step in &steps {
        cases.step.clone_from(&step.name);
        cases.since = Instant::now();
        if let Err(error) = (step.run)(&context, &mut cases) {
            cases.case("", Err(format!("{error:?}")));
        }
    }
    if !cases.failed.is_empty() {
        println!("\nfailed: {}", cases.failed.join(", "));
    }
    println!("\n{} passed, {} failed", cases.passed, cases.failed.len());
    Ok(u8::from(!cases.failed.is_empty()))
}
