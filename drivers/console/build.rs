//! Links the domain with `rt/domain.ld`.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../rt/domain.ld");
    println!("cargo:rerun-if-changed={script}");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        println!("cargo:rustc-link-arg-bins=-T{script}");
        println!("cargo:rustc-link-arg-bins=--no-dynamic-linker");
    }
}
