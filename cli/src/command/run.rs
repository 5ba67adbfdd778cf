//! `sosia run`.

use crate::args::RunArgs;
use crate::config::{Profile, System};
use crate::console::Output;
use crate::image::{self, Payload};
use crate::logs::Logs;
use crate::machine::{self, Boot, Machine};
use crate::manage::socket;
use crate::prepare::{self, qemu, toolchain};
use crate::session::Session;
use crate::views::Views;
use crate::{console, exec, paths};
use miette::{IntoDiagnostic, Result, WrapErr, miette};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXEC_LIMIT: Duration = Duration::from_secs(120);

/// Boots a system; gives the exit status.
pub fn run(args: &RunArgs) -> Result<u8> {
    let mut system = System::load(args.system_name())?.with_options(&args.system.options())?;
    let focus = focus(&system, args.vm.as_deref())?;
    let plain = args.bare || args.exec.is_none() && args.vm.is_none() && args.log.is_none() && is_terminal();
    system.mux = !plain;
    let profile = Profile::load(args.machine.as_deref().or(system.machine.as_deref()).unwrap_or("max"))?;
    let mut machine = Machine::new(profile, &system)?;
    machine.bare = args.bare;
    machine.extra.clone_from(&args.qemu_arg);
    if !args.bare {
        let (name, socket) = socket::reserve(args.name.as_deref(), args.system_name())?;
        machine.manage = Some(socket);
        if args.verbose {
            eprintln!("sosia: this run is named {name} (sosia ps --name {name})");
        }
    }
    prepare::announce();
    let toolchain = toolchain::prepare()?;
    let qemu = qemu::prepare()?;
    let mut script = args.exec.as_deref().map(exec::script);
    if let (Some(script), Some(vm)) = (&mut script, system.vms.get_mut(focus - 1)) {
        script.vm = Some(vm.name.clone());
        vm.ends_run = true;
    }
    let payload = image::payload(&system, &toolchain, script.as_ref())?;
    let scratch = Scratch::new()?;
    let boot = if args.bare {
        bare(&system, payload, &scratch)?
    } else {
        super::check::plan(&system, &payload, &machine)?;
        let image = scratch.write("sosia.img", &image::boot_image("root", Some((&system, payload)), &toolchain)?)?;
        machine::kernel(&image)
    };
    let mut command = machine.command(&qemu, &boot);
    if args.print_qemu {
        scratch.keep();
        println!("{}", machine::shell_words(&command));
        return Ok(0);
    }
    if args.verbose {
        eprintln!("sosia: QEMU {} ({})\n{}", qemu.version, machine::describe(&machine), machine::shell_words(&command));
    }
    let names: Vec<&str> = ["sosia"].into_iter().chain(system.vms.iter().map(|vm| vm.name.as_str())).collect();
    let name = names.get(focus).copied().unwrap_or_default();
    let mut session = Session::start(&mut command)?.with_names(&system).with_vm(name);
    session.logs = args.log.as_deref().map(|dir| Logs::new(dir, &names)).transpose()?;
    let limit = args.timeout.map(Duration::from_secs);
    match script {
        None => console::attach(&mut session, limit, output(plain, args, &names, focus)),
        Some(script) => {
            let status = exec::run(&mut session, &script.nonce, limit.unwrap_or(EXEC_LIMIT), &mut std::io::stdout());
            if args.verbose {
                eprint!("{}", session.text());
            }
            status
        }
    }
}

/// Channel of the VM that is meant.
fn focus(system: &System, name: Option<&str>) -> Result<usize> {
    let Some(name) = name else { return Ok(1) };
    let index = system.vms.iter().position(|vm| vm.name == name);
    index.map(|index| index + 1).ok_or_else(|| {
        let names: Vec<&str> = system.vms.iter().map(|vm| vm.name.as_str()).collect();
        miette!(help = format!("its VMs: {}", names.join(", ")), "the system has no VM named `{name}`")
    })
}

/// How the console is shown. A script that reads one VM gets that VM's bytes and no others.
fn output(plain: bool, args: &RunArgs, names: &[&str], focus: usize) -> Output {
    let one = args.vm.is_some() || names.len() <= 2;
    if plain {
        return Output::Server;
    }
    match Views::new(names, focus, !one && !is_terminal()) {
        Some(views) if is_terminal() || !one => Output::Views(Box::new(views)),
        _ => Output::One(focus),
    }
}

fn is_terminal() -> bool {
    std::io::stdin().is_terminal()
}

/// The first VM's guest on the machine itself.
fn bare(system: &System, payload: Payload, scratch: &Scratch) -> Result<Boot> {
    let kernel = payload.kernels.first().ok_or_else(|| miette!("the system has no VM"))?;
    let form = payload.forms.first().map(|form| form.format);
    if !matches!(form, Some(sysdesc::format::IMAGE | sysdesc::format::ELF)) {
        return Err(miette!("--bare starts arm64 Images and ELF files; this kernel is neither"));
    }
    let image = scratch.write("Image", kernel)?;
    let initrd = match payload.initrds.first() {
        Some(Some(initrd)) => Some(scratch.write("initrd", initrd)?),
        _ => None,
    };
    let cmdline = system.vms.first().map(|vm| vm.cmdline.clone()).unwrap_or_default();
    Ok(Boot::Kernel { image, initrd, cmdline })
}

/// A directory for the files of one run, removed at its end.
pub struct Scratch {
    dir: PathBuf,
    keep: std::cell::Cell<bool>,
}

impl Scratch {
    /// A new one, in the cache.
    pub fn new() -> Result<Self> {
        static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = paths::cache().join("run").join(format!("{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).into_diagnostic().wrap_err_with(|| format!("cannot make {}", dir.display()))?;
        Ok(Self { dir, keep: false.into() })
    }

    /// Writes a file into it.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.dir.join(name);
        std::fs::write(&path, bytes).into_diagnostic().wrap_err_with(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// Leaves it when this ends.
    fn keep(&self) {
        self.keep.set(true);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.keep.get() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}
