//! Links the guest as a flat, position-independent Image (see `guests/base/image.ld`). Its relocations are applied
//! at entry, with translation off, also in what is read-only later (`-znotext`).

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../base/image.ld");
    println!("cargo:rerun-if-changed={script}");
    for argument in [&format!("-T{script}"), "-pie", "--no-dynamic-linker", "-znotext", "-znorelro"] {
        println!("cargo:rustc-link-arg-bins={argument}");
    }
}
