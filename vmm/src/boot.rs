//! Linux' arm64 boot protocol (Documentation/arch/arm64/booting.rst): header of an Image, and where things go in RAM.
//!
//! ```text
//! RAM base                                                                     RAM end
//! │ text_offset │ kernel … image_size │ (2 MiB) device tree │ (4 KiB) initrd │ free │
//! ```

use core::fmt;

/// Bytes of an Image's header.
pub const HEADER_SIZE: usize = 64;
/// Room for the device tree blob.
pub const DTB_SIZE: u64 = 0x1_0000;
/// Kernels before 3.17 give no size and were linked for this offset.
const OLD_TEXT_OFFSET: u64 = 0x8_0000;
/// Kernel and device tree start at multiples of this.
const BLOCK: u64 = 2 << 20;
/// "ARM\x64".
const MAGIC: u64 = 0x644d_5241;

/// Why a guest cannot be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Shorter than a header.
    TooShort,
    /// No magic number: not an arm64 Image.
    NotAnImage,
    /// A big-endian kernel.
    BigEndian,
    /// RAM, which has `have` bytes, cannot hold `need` bytes.
    NoRoom {
        /// Bytes of RAM that kernel, device tree and initrd take.
        need: u64,
        /// Bytes of RAM.
        have: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort => f.write_str("the kernel file is shorter than an Image header"),
            Self::NotAnImage => f.write_str("the kernel file is no arm64 Image"),
            Self::BigEndian => f.write_str("the kernel is big-endian"),
            Self::NoRoom { need, have } => {
                write!(f, "kernel, device tree and initrd need {need:#x} bytes of RAM, the VM has {have:#x}")
            }
        }
    }
}

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

/// Where things go, as addresses in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// First byte of the kernel, which is also its entry.
    pub kernel: u64,
    /// Device tree blob.
    pub dtb: u64,
    /// Initrd (meaningless if it has no bytes).
    pub initrd: u64,
}

/// Places a kernel file of `kernel_size` bytes, the device tree and an initrd in RAM at `base` (2 MiB aligned).
///
/// # Errors
/// RAM is too small.
pub fn place(header: Header, kernel_size: u64, initrd_size: u64, base: u64, ram: u64) -> Result<Layout, Error> {
    let place = || {
        let kernel = base.checked_add(header.text_offset)?;
        let kernel_end = kernel.checked_add(header.image_size.max(kernel_size))?;
        let dtb = kernel_end.checked_next_multiple_of(BLOCK)?;
        let initrd = dtb.checked_add(DTB_SIZE)?;
        Some((Layout { kernel, dtb, initrd }, initrd.checked_add(initrd_size)?.checked_sub(base)?))
    };
    let (layout, need) = place().ok_or(Error::NoRoom { need: u64::MAX, have: ram })?;
    if need > ram { Err(Error::NoRoom { need, have: ram }) } else { Ok(layout) }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn place_puts_kernel_tree_and_initrd_behind_each_other() {
        let header = Header { text_offset: 0x1000, image_size: 0x20_0000 };

        let layout = place(header, 0x1000, 0x5000, 0x4000_0000, 64 << 20).unwrap();

        assert_eq!(layout.kernel, 0x4000_1000);
        assert_eq!(layout.dtb, 0x4040_0000);
        assert_eq!(layout.initrd, 0x4041_0000);
    }

    #[test]
    fn place_in_too_little_ram_says_how_much_it_needs() {
        let header = Header { text_offset: 0, image_size: 0x20_0000 };

        let error = place(header, 0, 1, 0x4000_0000, 0x21_0000);

        assert_eq!(error, Err(Error::NoRoom { need: 0x21_0001, have: 0x21_0000 }));
    }

    #[test]
    fn place_with_hostile_sizes_is_refused() {
        let header = Header { text_offset: u64::MAX, image_size: u64::MAX };

        assert!(place(header, u64::MAX, u64::MAX, 0x4000_0000, 1 << 30).is_err());
    }
}
