//! `sosia build`.

use crate::args::BuildArgs;
use crate::config::System;
use crate::image;
use crate::prepare::{self, toolchain};
use miette::{IntoDiagnostic, Result, WrapErr};

/// Writes `sosia.img` and how to start it.
pub fn run(args: &BuildArgs) -> Result<u8> {
    let system = System::load(args.system.name())?.with_options(&args.system.options())?;
    prepare::announce();
    let toolchain = toolchain::prepare()?;
    let payload = image::payload(&system, &toolchain, None)?;
    let bytes = image::boot_image("root", Some((&system, payload)), &toolchain)?;
    let write = |name: &str, bytes: &[u8]| {
        let path = args.output.join(name);
        std::fs::write(&path, bytes).into_diagnostic().wrap_err_with(|| format!("cannot write {}", path.display()))
    };
    std::fs::create_dir_all(&args.output).into_diagnostic().wrap_err("cannot make the output directory")?;
    write("sosia.img", &bytes)?;
    let words = readme(bytes.len());
    write("README.txt", words.as_bytes())?;
    print!("wrote {}\n\n{words}", args.output.join("sosia.img").display());
    Ok(0)
}

fn readme(size: usize) -> String {
    format!(
        "sosia.img: Sosia with its guests, one arm64 Image of {} KiB. It is entered at EL2 with the device tree's address
in x0 and the MMU off (Linux, Documentation/arch/arm64/booting.rst), at any address that is a multiple of 2 MiB.

QEMU:
  qemu-system-aarch64 -M virt,virtualization=on,gic-version=3,iommu=smmuv3 -cpu max -smp 2 -m 1G \\
      -display none -serial stdio -kernel sosia.img

U-Boot (from a disk, or by tftpboot):
  load mmc 0:1 ${{kernel_addr_r}} sosia.img
  booti ${{kernel_addr_r}} - ${{fdt_addr}}        (QEMU's U-Boot: ${{fdtcontroladdr}})

GRUB and other EFI loaders want an EFI stub, which this image has not: chain-load U-Boot.
",
        size.div_ceil(1024)
    )
}
