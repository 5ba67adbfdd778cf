//! Boot images: what cargo built and the files of a system, as one file that any arm64 boot loader starts.

pub mod arm64;
pub mod compile;
pub mod desc;
pub mod elf;
pub mod format;
pub mod initrd;
pub mod modules;
pub mod pack;

use crate::config::{Initrd, Kernel, System, Vm};
use crate::prepare::guest::{self, Arch};
use crate::prepare::toolchain::Toolchain;
use format::{Form, Wanted};
use miette::{IntoDiagnostic, Result, WrapErr};
use pack::Pack;
use std::collections::HashMap;
use std::path::Path;

/// The files of a system's guests, read and checked.
pub struct Payload {
    /// Per VM: its kernel.
    pub kernels: Vec<Vec<u8>>,
    /// Per VM: how its kernel is loaded.
    pub forms: Vec<Form>,
    /// Per VM: its initrd, if it has one.
    pub initrds: Vec<Option<Vec<u8>>>,
}

/// Reads what the VMs of a system are to boot. `script` is run by the busybox initrd in place of a shell.
pub fn payload(system: &System, toolchain: &Toolchain, script: Option<&initrd::Script>) -> Result<Payload> {
    let mut payload = Payload { kernels: Vec::new(), forms: Vec::new(), initrds: Vec::new() };
    for (index, vm) in system.vms.iter().enumerate() {
        let known = system.vms.iter().take(index).position(|other| other.kernel == vm.kernel);
        let kernel = match known.and_then(|known| payload.kernels.get(known)) {
            Some(kernel) => kernel.clone(),
            None => read_kernel(&vm.kernel, toolchain)?,
        };
        let form = format::detect(&kernel, wanted(vm)).map_err(|problem| vm.kernel_error(&problem))?;
        payload.forms.push(form);
        payload.kernels.push(kernel);
        payload.initrds.push(match &vm.initrd {
            Initrd::None => None,
            Initrd::Busybox => Some(busybox(&vm.kernel, script.filter(|script| script.is_for(&vm.name)))?),
            Initrd::File(path) => Some(read(path).map_err(|error| vm.initrd_error(&format!("{error}")))?),
        });
    }
    Ok(payload)
}

/// What the description says of a kernel's format.
fn wanted(vm: &Vm) -> Wanted {
    let known = match &vm.kernel {
        Kernel::Debian { package, .. } => guest::load_address(package),
        _ => None,
    };
    Wanted { load: vm.load.or(known), entry: vm.entry, aarch32: vm.aarch32 }
}

/// The initrd that fits a kernel: busybox of its architecture, and modules where the kernel is Debian's.
fn busybox(kernel: &Kernel, script: Option<&initrd::Script>) -> Result<Vec<u8>> {
    let (arch, dirs) = match kernel {
        Kernel::Debian { suite, package } => (Arch::of_package(package), guest::modules(suite, package)?),
        _ => (Arch::Arm64, Vec::new()),
    };
    Ok(initrd::busybox(&read(&guest::busybox(arch)?)?, &modules::wanted(&dirs)?, script))
}

fn read_kernel(kernel: &Kernel, toolchain: &Toolchain) -> Result<Vec<u8>> {
    match kernel {
        Kernel::Debian { suite, package } => read(&guest::kernel(suite, package)?),
        Kernel::File(path) => read(path),
        Kernel::Guest(package) => guest_image(package, toolchain),
    }
}

/// Builds one of our bare-metal guests: a flat Image, or an ELF file if it has no Image's header.
pub fn guest_image(package: &str, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let file = read(&compile::guest(package, toolchain)?)?;
    let flat = elf::flat(&file).wrap_err_with(|| format!("{package} cannot be laid out"))?;
    if arm64::check(&flat).is_ok() { Ok(flat) } else { elf::without_sections(file) }
}

/// Reads a file; the error names it.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).into_diagnostic().wrap_err_with(|| format!("cannot read {}", path.display()))
}

/// Builds kernel and domains and puts them together with the payload: the bytes of `sosia.img`.
///
/// `root` is the package that the kernel starts: `root`, or another first domain in its place (the kernel's tests).
pub fn boot_image(root: &str, system: Option<(&System, Payload)>, toolchain: &Toolchain) -> Result<Vec<u8>> {
    let mut packages = vec!["kernel", root];
    if system.is_some() {
        packages.extend(["vmm", "console-server"]);
    }
    compile::packages(&packages, toolchain)?;
    assemble(root, system)
}

/// As [`boot_image`], from what was built last.
pub fn assemble(root: &str, system: Option<(&System, Payload)>) -> Result<Vec<u8>> {
    let domain = |package: &str| -> Result<Vec<u8>> {
        elf::domain_image(&read(&crate::paths::target_elf(package))?)
            .wrap_err_with(|| format!("`{package}` cannot be made a domain"))
    };
    let mut pack = Pack::new();
    pack.add("root", domain(root)?)?;
    if let Some((system, payload)) = system {
        pack.add("vmm", domain("vmm")?)?;
        pack.add("console", domain("console-server")?)?;
        let names = add_payload(&mut pack, payload)?;
        pack.add("system", desc::encode(system, &names))?;
    }
    let kernel = elf::flat(&read(&crate::paths::target_elf("kernel"))?).wrap_err("the kernel is no arm64 Image")?;
    arm64::append(kernel, &pack.finish())
}

/// Names of the pack entries of one VM.
pub struct Names {
    /// Kernel.
    pub kernel: String,
    /// Initrd; empty: none.
    pub initrd: String,
    /// How the kernel is loaded.
    pub form: Form,
}

/// Each different file goes into the pack once.
fn add_payload(pack: &mut Pack, payload: Payload) -> Result<Vec<Names>> {
    let mut seen: HashMap<Vec<u8>, String> = HashMap::new();
    let mut add = |kind: &str, data: Vec<u8>| -> Result<String> {
        if let Some(name) = seen.get(&data) {
            return Ok(name.clone());
        }
        let name = format!("{kind}{}", seen.len());
        pack.add(&name, data.clone())?;
        seen.insert(data, name.clone());
        Ok(name)
    };
    let mut names = Vec::new();
    for ((kernel, form), initrd) in payload.kernels.into_iter().zip(payload.forms).zip(payload.initrds) {
        let kernel = add("kernel", kernel)?;
        let initrd = initrd.map(|data| add("initrd", data)).transpose()?.unwrap_or_default();
        names.push(Names { kernel, initrd, form });
    }
    Ok(names)
}
