//! Boot protocols: from a kernel file to what goes where in guest RAM, and where the guest starts.
//!
//! | format | kernel | device tree | starts with |
//! |---|---|---|---|
//! | [`image`] | RAM base + text_offset | behind the kernel | x0: device tree |
//! | [`elf`], raw | at the addresses that it names | base of RAM, as on QEMU's `virt`; if taken, behind the kernel | x0: device tree |
//! | [`zimage`] | RAM base + 32 MiB | behind the kernel | r0: 0, r1: all ones, r2: device tree |
//!
//! 32-bit ELF and raw files start as zImages do. The initrd follows the device tree, or the kernel if that is higher.

pub mod elf;
pub mod image;
pub mod zimage;

use core::fmt;
use sysdesc::format;

/// Room for the device tree blob.
pub const DTB_SIZE: u64 = 0x1_0000;
/// Kernels and device trees start at multiples of this.
const BLOCK: u64 = 2 << 20;
const PAGE: u64 = 4096;
/// Bytes of [`Layout::blank`]: what U-Boot reads of a flash bank to find its environment.
pub const BLANK_SIZE: u64 = 0x4_0000;
/// Most pieces of a kernel file.
pub const MAX_PARTS: usize = 16;

/// Why a guest cannot be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The description names no format that we know.
    Format,
    /// Shorter than a header.
    TooShort,
    /// No magic number: not an arm64 Image.
    NotAnImage,
    /// No magic number: not a 32-bit Arm zImage.
    NotAZimage,
    /// A big-endian kernel.
    BigEndian,
    /// Not an executable ELF file of the machine that the VM is, or a broken one.
    Elf,
    /// More segments than [`MAX_PARTS`], or none.
    Segments,
    /// Something that belongs at `[start, end)` is not in RAM.
    NotInRam {
        /// First address.
        start: u64,
        /// End.
        end: u64,
    },
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
            Self::Format => f.write_str("the kernel file has an unknown format"),
            Self::TooShort => f.write_str("the kernel file is shorter than its header"),
            Self::NotAnImage => f.write_str("the kernel file is no arm64 Image"),
            Self::NotAZimage => f.write_str("the kernel file is no 32-bit Arm zImage"),
            Self::BigEndian => f.write_str("the kernel is big-endian"),
            Self::Elf => f.write_str("the kernel file is no whole, executable ELF file for this VM's architecture"),
            Self::Segments => write!(f, "the ELF file has no segment to load, or more than {MAX_PARTS}"),
            Self::NotInRam { start, end } => {
                write!(f, "the kernel belongs at {start:#x}..{end:#x}, which is not in the VM's RAM")
            }
            Self::NoRoom { need, have } => {
                write!(f, "kernel, device tree and initrd need {need:#x} bytes of RAM, the VM has {have:#x}")
            }
        }
    }
}

/// A kernel file and what the description says of it.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// [`sysdesc::format`].
    pub format: u64,
    /// The file.
    pub kernel: &'a [u8],
    /// Bytes of the initrd, 0: none.
    pub initrd_size: u64,
    /// Where a raw file goes.
    pub load: u64,
    /// Where it is entered.
    pub entry: u64,
    /// Whether the VM's EL1 is AArch32.
    pub aarch32: bool,
}

/// A range of the kernel file and where it goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Address in the guest.
    pub ipa: u64,
    /// Offset in the file.
    pub offset: usize,
    /// Bytes.
    pub size: usize,
}

/// Where things go, as addresses in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// First instruction.
    pub entry: u64,
    /// Device tree blob.
    pub dtb: u64,
    /// Initrd (meaningless if it has no bytes).
    pub initrd: u64,
    /// For firmware: RAM that is blank at start and may stand for the start of the flash bank where it looks for its
    /// settings. It reads them byte by byte.
    pub blank: Option<u64>,
    parts: [Part; MAX_PARTS],
    count: usize,
}

impl Layout {
    /// What to copy. The rest of RAM is zero.
    pub fn parts(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().take(self.count)
    }
}

/// RAM of a guest: base (2 MiB aligned) and bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ram {
    /// First address.
    pub base: u64,
    /// Bytes.
    pub size: u64,
}

impl Ram {
    fn end(self) -> u64 {
        self.base.saturating_add(self.size)
    }

    /// Fails unless `size` bytes at `start` are in it.
    fn check(self, start: u64, size: u64) -> Result<(), Error> {
        let end = start.saturating_add(size);
        if start < self.base || end > self.end() { Err(Error::NotInRam { start, end }) } else { Ok(()) }
    }
}

/// Says where all of it goes.
///
/// # Errors
/// The file is not of its format, or RAM cannot hold it.
pub fn plan(source: &Source, ram: Ram) -> Result<Layout, Error> {
    match source.format {
        format::IMAGE => image::plan(source, ram),
        format::ELF => elf::plan(source, ram),
        format::RAW => raw(source, ram),
        format::ZIMAGE => zimage::plan(source, ram),
        _ => Err(Error::Format),
    }
}

/// Bytes without a header, put where the description says.
fn raw(source: &Source, ram: Ram) -> Result<Layout, Error> {
    ram.check(source.load, source.kernel.len() as u64)?;
    let mut placing = Placing::new(source.load);
    placing.add(Part { ipa: source.load, offset: 0, size: source.kernel.len() }, source.kernel.len() as u64)?;
    let layout = placing.finish(source.entry, source.initrd_size, ram)?;
    let blank = ram.base.saturating_add(DTB_SIZE);
    let free = layout.dtb == ram.base && source.load.saturating_sub(blank) >= BLANK_SIZE;
    Ok(Layout { blank: free.then_some(blank), ..layout })
}

/// The kernel's parts and the memory that they take, for files that name their addresses.
struct Placing {
    parts: [Part; MAX_PARTS],
    count: usize,
    low: u64,
    high: u64,
}

impl Placing {
    fn new(first: u64) -> Self {
        Self { parts: [Part::default(); MAX_PARTS], count: 0, low: first, high: first }
    }

    /// A part that takes `memory` bytes, which is in RAM.
    fn add(&mut self, part: Part, memory: u64) -> Result<(), Error> {
        *self.parts.get_mut(self.count).ok_or(Error::Segments)? = part;
        self.count = self.count.saturating_add(1);
        self.low = self.low.min(part.ipa);
        self.high = self.high.max(part.ipa.saturating_add(memory));
        Ok(())
    }

    /// Puts the device tree at the base of RAM if that is free, else behind the kernel; then the initrd.
    fn finish(self, entry: u64, initrd_size: u64, ram: Ram) -> Result<Layout, Error> {
        ram.check(entry, 1)?;
        let base_is_free = self.low.saturating_sub(ram.base) >= DTB_SIZE;
        let dtb = if base_is_free { Some(ram.base) } else { self.high.checked_next_multiple_of(BLOCK) };
        let place = || {
            let dtb = dtb?;
            let initrd = self.high.max(dtb.checked_add(DTB_SIZE)?).checked_next_multiple_of(PAGE)?;
            Some((dtb, initrd, initrd.checked_add(initrd_size)?.checked_sub(ram.base)?))
        };
        let (dtb, initrd, need) = place().ok_or(Error::NoRoom { need: u64::MAX, have: ram.size })?;
        if need > ram.size {
            return Err(Error::NoRoom { need, have: ram.size });
        }
        Ok(Layout { entry, dtb, initrd, blank: None, parts: self.parts, count: self.count })
    }
}

/// One part, at `kernel`, which takes `memory` bytes; device tree and initrd behind it.
fn one_behind_the_other(source: &Source, kernel: u64, memory: u64, ram: Ram) -> Result<Layout, Error> {
    let place = || {
        let dtb = kernel.checked_add(memory)?.checked_next_multiple_of(BLOCK)?;
        let initrd = dtb.checked_add(DTB_SIZE)?;
        Some((dtb, initrd, initrd.checked_add(source.initrd_size)?.checked_sub(ram.base)?))
    };
    let (dtb, initrd, need) = place().ok_or(Error::NoRoom { need: u64::MAX, have: ram.size })?;
    if need > ram.size {
        return Err(Error::NoRoom { need, have: ram.size });
    }
    let mut parts = [Part::default(); MAX_PARTS];
    if let Some(first) = parts.first_mut() {
        *first = Part { ipa: kernel, offset: 0, size: source.kernel.len() };
    }
    Ok(Layout { entry: kernel, dtb, initrd, blank: None, parts, count: 1 })
}

/// A little-endian word of a file.
fn word(bytes: &[u8], offset: usize) -> Result<u32, Error> {
    let word = bytes.get(offset..).and_then(|rest| rest.first_chunk::<4>());
    word.map(|word| u32::from_le_bytes(*word)).ok_or(Error::TooShort)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub const RAM: Ram = Ram { base: 0x4000_0000, size: 64 << 20 };

    pub fn source(format: u64, kernel: &[u8]) -> Source<'_> {
        Source { format, kernel, initrd_size: 0x5000, load: 0, entry: 0, aarch32: false }
    }

    #[test]
    fn raw_file_goes_where_it_is_told_with_the_tree_at_the_base_of_ram() {
        let source = Source { load: 0x4040_0000, entry: 0x4040_0010, ..source(format::RAW, &[1; 0x1234]) };

        let layout = plan(&source, RAM).unwrap();

        assert_eq!((layout.entry, layout.dtb, layout.initrd), (0x4040_0010, 0x4000_0000, 0x4040_2000));
        assert!(layout.parts().eq(&[Part { ipa: 0x4040_0000, offset: 0, size: 0x1234 }]));
        assert_eq!(layout.blank, Some(0x4001_0000));
    }

    #[test]
    fn raw_file_at_the_base_of_ram_has_the_tree_behind_it() {
        let source = Source { load: 0x4000_0000, entry: 0x4000_0000, ..source(format::RAW, &[1; 0x1234]) };

        let layout = plan(&source, RAM).unwrap();

        assert_eq!((layout.dtb, layout.initrd), (0x4020_0000, 0x4021_0000));
        assert_eq!(layout.blank, None);
    }

    #[test]
    fn raw_file_outside_of_ram_is_refused() {
        let source = Source { load: 0x43ff_f000, entry: 0x43ff_f000, ..source(format::RAW, &[1; 0x1234]) };

        assert_eq!(plan(&source, RAM), Err(Error::NotInRam { start: 0x43ff_f000, end: 0x4400_0234 }));
    }

    #[test]
    fn raw_entry_outside_of_ram_is_refused() {
        let source = Source { load: 0x4000_0000, entry: 0, ..source(format::RAW, &[1; 16]) };

        assert_eq!(plan(&source, RAM), Err(Error::NotInRam { start: 0, end: 1 }));
    }

    #[test]
    fn unknown_format_is_refused() {
        assert_eq!(plan(&source(99, &[]), RAM), Err(Error::Format));
    }

    #[test]
    fn any_addresses_give_an_error_or_a_layout_in_ram() {
        let places = [0, 0x3fff_ffff, 0x4000_0000, 0x4000_ffff, 0x43ff_ffff, 0x4400_0000, u64::MAX];
        for (load, entry) in places.into_iter().flat_map(|load| places.map(|entry| (load, entry))) {
            let source = Source { load, entry, initrd_size: u64::MAX, ..source(format::RAW, &[0; 64]) };

            assert!(plan(&source, RAM).is_err());
        }
    }
}
