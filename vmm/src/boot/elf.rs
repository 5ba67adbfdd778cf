//! ELF executables: each segment at its physical address, as QEMU's loader places a `-kernel` that is an ELF file.

use super::{Error, Layout, Part, Placing, Ram, Source};
use elf::ElfBytes;
use elf::abi::{EM_AARCH64, EM_ARM, ET_DYN, ET_EXEC, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::file::Class;
use elf::segment::ProgramHeader;

/// See [`super::plan`].
pub fn plan(source: &Source, ram: Ram) -> Result<Layout, Error> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(source.kernel).map_err(|_| Error::Elf)?;
    let machine = if source.aarch32 { (EM_ARM, Class::ELF32) } else { (EM_AARCH64, Class::ELF64) };
    let header = &file.ehdr;
    if (header.e_machine, header.class) != machine || !matches!(header.e_type, ET_EXEC | ET_DYN) {
        return Err(Error::Elf);
    }
    let segments = file.segments().ok_or(Error::Segments)?;
    let loads = || segments.iter().filter(|segment| segment.p_type == PT_LOAD && segment.p_memsz != 0);
    let first = loads().next().ok_or(Error::Segments)?;
    let mut placing = Placing::new(first.p_paddr);
    for segment in loads() {
        ram.check(segment.p_paddr, segment.p_memsz)?;
        placing.add(part(&segment, source.kernel.len())?, segment.p_memsz)?;
    }
    let entry = loads().find_map(|segment| physical(header.e_entry, &segment)).unwrap_or(header.e_entry);
    placing.finish(entry, source.initrd_size, ram)
}

fn part(segment: &ProgramHeader, file_size: usize) -> Result<Part, Error> {
    let end = segment.p_offset.checked_add(segment.p_filesz).filter(|end| *end <= file_size as u64);
    if end.is_none() || segment.p_filesz > segment.p_memsz {
        return Err(Error::Elf);
    }
    Ok(Part { ipa: segment.p_paddr, offset: segment.p_offset as usize, size: segment.p_filesz as usize })
}

/// An entry that is a virtual address of this code, as a physical one.
fn physical(entry: u64, segment: &ProgramHeader) -> Option<u64> {
    let offset = entry.checked_sub(segment.p_vaddr)?;
    (segment.p_flags & PF_X != 0 && offset < segment.p_filesz).then(|| segment.p_paddr.wrapping_add(offset))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::super::tests::{RAM, source};
    use super::*;
    use std::vec::Vec;
    use sysdesc::format;

    /// Segments are (virtual, physical, bytes in the file, bytes of memory).
    fn file(machine: u16, entry: u64, segments: &[(u64, u64, u64, u64)]) -> Vec<u8> {
        let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        out.extend(machine.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        [entry, 64, 0].iter().for_each(|word| out.extend(word.to_le_bytes()));
        out.extend([0, 0, 0, 0, 64, 0, 56, 0, segments.len() as u8, 0, 64, 0, 0, 0, 0, 0]);
        let mut offset = 64 + 56 * segments.len() as u64;
        for (vaddr, paddr, size, memory) in segments {
            out.extend(1u32.to_le_bytes());
            out.extend(5u32.to_le_bytes());
            [offset, *vaddr, *paddr, *size, *memory, 4096].iter().for_each(|word| out.extend(word.to_le_bytes()));
            offset += size;
        }
        out.resize(offset as usize, 0xaa);
        out
    }

    #[test]
    fn segments_go_to_their_physical_addresses() {
        let file = file(183, 0x4008_0004, &[(0x4008_0000, 0x4008_0000, 8, 8), (0x4010_0000, 0x4010_0000, 4, 0x2000)]);

        let layout = plan(&source(format::ELF, &file), RAM).unwrap();

        assert_eq!((layout.entry, layout.dtb, layout.initrd), (0x4008_0004, 0x4000_0000, 0x4010_2000));
        let parts: Vec<_> = layout.parts().map(|part| (part.ipa, part.offset, part.size)).collect();
        assert_eq!(parts, [(0x4008_0000, 176, 8), (0x4010_0000, 184, 4)]);
    }

    #[test]
    fn entry_as_a_virtual_address_becomes_physical() {
        let file = file(183, 0xffff_0000_0000_0010, &[(0xffff_0000_0000_0000, 0x4008_0000, 0x20, 0x20)]);

        assert_eq!(plan(&source(format::ELF, &file), RAM).unwrap().entry, 0x4008_0010);
    }

    #[test]
    fn segment_outside_of_ram_is_refused() {
        let file = file(183, 0, &[(0, 0, 8, 8)]);

        assert_eq!(plan(&source(format::ELF, &file), RAM), Err(Error::NotInRam { start: 0, end: 8 }));
    }

    #[test]
    fn file_of_another_machine_is_refused() {
        let file = file(62, 0x4008_0000, &[(0x4008_0000, 0x4008_0000, 8, 8)]);

        assert_eq!(plan(&source(format::ELF, &file), RAM), Err(Error::Elf));
    }

    /// A 32-bit file for Arm with one segment of 8 bytes.
    fn file32(entry: u32, address: u32) -> Vec<u8> {
        let mut out = b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x28\0\x01\0\0\0".to_vec();
        [entry, 52, 0, 0].iter().for_each(|word| out.extend(word.to_le_bytes()));
        out.extend([52, 0, 32, 0, 1, 0, 40, 0, 0, 0, 0, 0]);
        [1, 84, address, address, 8, 8, 5, 4096].iter().for_each(|word: &u32| out.extend(word.to_le_bytes()));
        out.resize(92, 0xaa);
        out
    }

    #[test]
    fn file_of_32_bits_is_for_a_vm_of_32_bits() {
        let file = file32(0x4008_0001, 0x4008_0000);

        let narrow = plan(&Source { aarch32: true, ..source(format::ELF, &file) }, RAM).unwrap();

        assert_eq!((narrow.entry, narrow.dtb), (0x4008_0001, 0x4000_0000));
        assert_eq!(plan(&source(format::ELF, &file), RAM), Err(Error::Elf));
    }

    #[test]
    fn file_without_segments_is_refused() {
        assert_eq!(plan(&source(format::ELF, &file(183, 0x4008_0000, &[])), RAM), Err(Error::Segments));
    }

    #[test]
    fn any_damaged_byte_gives_an_error_or_parts_in_the_file() {
        let good = file(183, 0x4008_0004, &[(0x4008_0000, 0x4008_0000, 8, 8), (0x4010_0000, 0x4010_0000, 4, 0x2000)]);
        for (place, value) in (0..176).flat_map(|place| [0, 1, 0x7f, 0x80, 0xff].map(|value| (place, value))) {
            let mut file = good.clone();
            file[place] = value;

            if let Ok(layout) = plan(&source(format::ELF, &file), RAM) {
                assert!(layout.parts().all(|part| part.offset + part.size <= file.len()));
            }
        }
    }

    #[test]
    fn cut_file_is_refused() {
        let good = file(183, 0x4008_0004, &[(0x4008_0000, 0x4008_0000, 8, 8)]);

        for size in 0..good.len() {
            assert!(plan(&source(format::ELF, &good[..size]), RAM).is_err());
        }
    }
}
