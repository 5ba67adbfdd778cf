//! 32-bit Arm zImage (Linux, Documentation/arch/arm/booting.rst; header: arch/arm/boot/compressed/head.S).
//!
//! A zImage unpacks its kernel to the start of the 128 MiB in which it runs. 32 MiB above that it is out of its own way,
//! and so are device tree and initrd behind it.

use super::{Error, Layout, Ram, Source, one_behind_the_other, word};

const MAGIC: u32 = 0x016f_2818;
const MAGIC_OFFSET: usize = 0x24;
/// 0x04030201 in the kernel's own byte order.
const ENDIAN_OFFSET: usize = 0x30;
const BIG_ENDIAN: u32 = 0x0102_0304;
/// Where in RAM it goes.
const OFFSET: u64 = 32 << 20;
/// What the decompressor takes behind the file: its bss, stack and heap (64 KiB), generously.
const WORK: u64 = 1 << 20;

/// See [`super::plan`].
pub fn plan(source: &Source, ram: Ram) -> Result<Layout, Error> {
    if word(source.kernel, MAGIC_OFFSET)? != MAGIC || !source.aarch32 {
        return Err(Error::NotAZimage);
    }
    if word(source.kernel, ENDIAN_OFFSET)? == BIG_ENDIAN {
        return Err(Error::BigEndian);
    }
    let memory = (source.kernel.len() as u64).saturating_add(WORK);
    one_behind_the_other(source, ram.base.saturating_add(OFFSET), memory, ram)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{RAM, source};
    use super::*;
    use sysdesc::format;

    fn file(endian: u32) -> [u8; 64] {
        let mut file = [0; 64];
        file[0x24..0x28].copy_from_slice(&MAGIC.to_le_bytes());
        file[0x30..0x34].copy_from_slice(&endian.to_le_bytes());
        file
    }

    #[test]
    fn zimage_goes_above_where_it_unpacks_to() {
        let file = file(0x0403_0201);

        let layout = plan(&Source { aarch32: true, ..source(format::ZIMAGE, &file) }, RAM).unwrap();

        assert_eq!((layout.entry, layout.dtb, layout.initrd), (0x4200_0000, 0x4220_0000, 0x4221_0000));
    }

    #[test]
    fn zimage_in_a_64_bit_vm_is_refused() {
        assert_eq!(plan(&source(format::ZIMAGE, &file(0)), RAM), Err(Error::NotAZimage));
    }

    #[test]
    fn big_endian_zimage_is_refused() {
        let file = file(BIG_ENDIAN);

        let layout = plan(&Source { aarch32: true, ..source(format::ZIMAGE, &file) }, RAM);

        assert_eq!(layout, Err(Error::BigEndian));
    }

    #[test]
    fn short_zimage_is_refused() {
        assert_eq!(plan(&source(format::ZIMAGE, &[0; 0x20]), RAM), Err(Error::TooShort));
    }
}
