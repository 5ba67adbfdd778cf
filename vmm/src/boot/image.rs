//! Linux' arm64 boot protocol (Documentation/arch/arm64/booting.rst): header of an Image, and where things go in RAM.
//!
//! ```text
//! RAM base                                                                     RAM end
//! │ text_offset │ kernel … image_size │ (2 MiB) device tree │ (4 KiB) initrd │ free │
//! ```

use super::{Error, Layout, Ram, Source, one_behind_the_other};

/// Bytes of an Image's header.
pub const HEADER_SIZE: usize = 64;
/// Kernels before 3.17 give no size and were linked for this offset.
const OLD_TEXT_OFFSET: u64 = 0x8_0000;
/// "ARM\x64".
const MAGIC: u64 = 0x644d_5241;

/// An Image's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Offset of the image from a 2 MiB boundary.
    pub text_offset: u64,
    /// Bytes that the kernel takes in memory, its bss included; 0 in very old ones.
    pub image_size: u64,
}

fn word(bytes: &[u8], offset: usize) -> Option<u64> {
    let bytes = bytes.get(offset..)?.first_chunk::<8>()?;
    Some(u64::from_le_bytes(*bytes))
}

/// Reads the header at the start of a kernel file.
///
/// # Errors
/// The file is no little-endian arm64 Image.
pub fn header(file: &[u8]) -> Result<Header, Error> {
    let field = |offset| word(file, offset).ok_or(Error::TooShort);
    let magic = field(HEADER_SIZE.saturating_sub(8))? & 0xffff_ffff;
    if magic != MAGIC {
        return Err(Error::NotAnImage);
    }
    if field(24)? & 1 != 0 {
        return Err(Error::BigEndian);
    }
    let image_size = field(16)?;
    let text_offset = if image_size == 0 { OLD_TEXT_OFFSET } else { field(8)? };
    Ok(Header { text_offset, image_size })
}

/// See [`super::plan`].
pub fn plan(source: &Source, ram: Ram) -> Result<Layout, Error> {
    if source.aarch32 {
        return Err(Error::NotAZimage);
    }
    let header = header(source.kernel)?;
    let memory = header.image_size.max(source.kernel.len() as u64);
    one_behind_the_other(source, ram.base.saturating_add(header.text_offset), memory, ram)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{RAM, source};
    use super::*;
    use sysdesc::format;

    fn image(text_offset: u64, image_size: u64, flags: u64) -> [u8; HEADER_SIZE] {
        let mut file = [0; HEADER_SIZE];
        file[8..16].copy_from_slice(&text_offset.to_le_bytes());
        file[16..24].copy_from_slice(&image_size.to_le_bytes());
        file[24..32].copy_from_slice(&flags.to_le_bytes());
        file[56..60].copy_from_slice(b"ARM\x64");
        file
    }

    #[test]
    fn header_of_an_image_gives_its_fields() {
        let file = image(0, 0x20_0000, 0xa);

        let header = header(&file);

        assert_eq!(header, Ok(Header { text_offset: 0, image_size: 0x20_0000 }));
    }

    #[test]
    fn header_without_image_size_gives_the_old_text_offset() {
        assert_eq!(header(&image(0, 0, 0)).unwrap().text_offset, 0x8_0000);
    }

    #[test]
    fn header_of_a_short_file_is_refused() {
        assert_eq!(header(&[0; 63]), Err(Error::TooShort));
    }

    #[test]
    fn header_without_magic_is_refused() {
        assert_eq!(header(&[0; 64]), Err(Error::NotAnImage));
    }

    #[test]
    fn header_of_a_big_endian_kernel_is_refused() {
        assert_eq!(header(&image(0, 4096, 1)), Err(Error::BigEndian));
    }

    #[test]
    fn plan_puts_kernel_tree_and_initrd_behind_each_other() {
        let file = image(0x1000, 0x20_0000, 0);

        let layout = plan(&source(format::IMAGE, &file), RAM).unwrap();

        assert_eq!((layout.entry, layout.dtb, layout.initrd), (0x4000_1000, 0x4040_0000, 0x4041_0000));
    }

    #[test]
    fn plan_in_too_little_ram_says_how_much_it_needs() {
        let (file, ram) = (image(0, 0x20_0000, 0), Ram { size: 0x21_0000, ..RAM });

        let error = plan(&Source { initrd_size: 1, ..source(format::IMAGE, &file) }, ram);

        assert_eq!(error, Err(Error::NoRoom { need: 0x21_0001, have: 0x21_0000 }));
    }

    #[test]
    fn plan_with_hostile_sizes_is_refused() {
        let file = image(u64::MAX, u64::MAX, 0);

        assert!(plan(&source(format::IMAGE, &file), RAM).is_err());
    }
}
