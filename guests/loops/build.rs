//! Links the program where no kernel and no domain has code, so that its marks are told apart by address.

fn main() {
    println!("cargo:rustc-link-arg-bins=--image-base=0x2000000000");
}
