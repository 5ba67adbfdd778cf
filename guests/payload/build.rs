//! Links the guest with the script of `aarch64-rt`, at the address where QEMU's `virt` puts a kernel.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/virt.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rustc-link-arg-bins=-Timage.ld");
    println!("cargo:rustc-link-arg-bins=-T{script}");
}
