//! The arm64 Image format (Linux, Documentation/arch/arm64/booting.rst, "Call the kernel image").

use super::pack::PAGE;
use miette::{Result, miette};

/// Bytes of the header.
const HEADER: usize = 64;
/// u64: bytes of memory the image takes, from its first byte.
const IMAGE_SIZE: std::ops::Range<usize> = 16..24;
/// Lowest byte of the flags; bit 0: big-endian.
const FLAGS: usize = 24;
/// "ARM\x64".
const MAGIC: std::ops::Range<usize> = 56..60;

/// Whether these bytes are an Image that we can boot; the error says what they are instead, and what to do.
pub fn check(image: &[u8]) -> std::result::Result<(), String> {
    if image.get(MAGIC) == Some(b"ARM\x64") {
        let big_endian = image.get(FLAGS).is_some_and(|flags| flags & 1 != 0);
        return if big_endian { Err("it is big-endian; a little-endian kernel is needed".into()) } else { Ok(()) };
    }
    let starts = |magic: &[u8]| image.starts_with(magic);
    let at = |offset: usize, magic: &[u8]| image.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    Err(match () {
        () if image.is_empty() => "the file is empty".into(),
        () if at(4, b"zimg") => "this is an EFI zboot image; give the plain Image (CONFIG_EFI_ZBOOT=n)".into(),
        () if starts(&[0x1f, 0x8b]) => "this is compressed by gzip; give what `gunzip` makes of it".into(),
        () if starts(&[0x28, 0xb5, 0x2f, 0xfd]) => "this is compressed by zstd; give what `unzstd` makes of it".into(),
        () if starts(&[0xfd, b'7', b'z', b'X', b'Z']) => {
            "this is compressed by xz; give what `unxz` makes of it".into()
        }
        () if at(0x202, b"HdrS") => "this is an x86 bzImage; an arm64 Image is needed".into(),
        () if starts(b"\x27\x05\x19\x56") => "this is a U-Boot uImage; give the Image inside".into(),
        () => {
            "this is no arm64 Image: \"ARM\\x64\" is missing at offset 56; a file without a header needs `load`".into()
        }
    })
}

/// Bytes of memory that an Image takes from its load address: its own claim, or the file where it makes none.
pub fn memory_size(image: &[u8]) -> u64 {
    let claim = image.get(IMAGE_SIZE).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    claim.max(image.len() as u64)
}

/// Puts the pack behind the kernel and makes the header's image_size cover both.
pub fn append(mut kernel: Vec<u8>, pack: &[u8]) -> Result<Vec<u8>> {
    check(&kernel).map_err(|problem| miette!("the kernel's file is wrong: {problem}"))?;
    if kernel.len() < HEADER || !kernel.len().is_multiple_of(PAGE) {
        return Err(miette!("the kernel's file ends inside a page"));
    }
    kernel.extend_from_slice(pack);
    let size = kernel.len() as u64;
    if let Some(field) = kernel.get_mut(IMAGE_SIZE) {
        field.copy_from_slice(&size.to_le_bytes());
    }
    Ok(kernel)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(bytes: usize) -> Vec<u8> {
        let mut image = vec![0; bytes];
        image[MAGIC].copy_from_slice(b"ARM\x64");
        image
    }

    #[test]
    fn image_is_accepted() {
        assert_eq!(check(&image(4096)), Ok(()));
    }

    #[test]
    fn other_kernels_are_told_apart() {
        let mut bz = vec![0; 1024];
        bz[0x202..0x206].copy_from_slice(b"HdrS");

        assert!(check(&[0x1f, 0x8b, 8]).unwrap_err().contains("gunzip"));
        assert!(check(&bz).unwrap_err().contains("x86"));
        assert!(check(&[]).unwrap_err().contains("empty"));
        assert!(check(&[0; 100]).unwrap_err().contains("offset 56"));
    }

    #[test]
    fn append_covers_kernel_and_pack() {
        let whole = append(image(8192), &[7; 4096]).unwrap();

        assert_eq!(whole.len(), 12288);
        assert_eq!(memory_size(&whole), 12288);
    }

    #[test]
    fn append_to_half_a_page_is_refused() {
        assert!(append(image(4095), &[]).is_err());
    }
}
