//! What a guest's kernel file is, and what its VM's description says of it.

use super::arm64;
use object::elf::{EM_AARCH64, EM_ARM, FileHeader32, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, FileKind};
use sysdesc::format;

/// Start of RAM in guests.
const RAM: u64 = 0x4000_0000;
/// Where a zImage goes in RAM, with room to unpack itself (`vmm/src/boot/zimage.rs`).
const ZIMAGE_OFFSET: u64 = 33 << 20;
const ZIMAGE_MAGIC: (usize, &[u8]) = (0x24, &[0x18, 0x28, 0x6f, 0x01]);

/// How a kernel is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// [`sysdesc::format`].
    pub format: u64,
    /// Where a raw file goes.
    pub load: u64,
    /// Where it is entered.
    pub entry: u64,
    /// Whether its EL1 is AArch32.
    pub aarch32: bool,
    /// Bytes of RAM that it takes, counted from the start of RAM.
    pub memory: u64,
}

/// What the system file says of a kernel.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Where a file without a header goes.
    pub load: Option<u64>,
    /// Where it is entered; its first byte, if the file says nothing.
    pub entry: Option<u64>,
    /// 32-bit Arm, even if the file does not tell.
    pub aarch32: bool,
}

/// Tells formats apart; the error says what is wrong with the file, and what to do.
pub fn detect(file: &[u8], wanted: Wanted) -> Result<Form, String> {
    if let Some(load) = wanted.load {
        return Ok(raw(file, load, wanted));
    }
    let form = Form { format: format::IMAGE, load: 0, entry: 0, aarch32: false, memory: 0 };
    let form = match FileKind::parse(file) {
        Ok(FileKind::Elf64) => elf::<FileHeader64<Endianness>>(file, EM_AARCH64.0, form)?,
        Ok(FileKind::Elf32) => elf::<FileHeader32<Endianness>>(file, EM_ARM.0, Form { aarch32: true, ..form })?,
        _ if file.get(ZIMAGE_MAGIC.0..).is_some_and(|rest| rest.starts_with(ZIMAGE_MAGIC.1)) => {
            Form { format: format::ZIMAGE, aarch32: true, memory: ZIMAGE_OFFSET + file.len() as u64, ..form }
        }
        _ => {
            arm64::check(file)?;
            Form { memory: arm64::memory_size(file), ..form }
        }
    };
    if wanted.aarch32 && !form.aarch32 {
        return Err("it is one for 64-bit Arm, and the VM is 32-bit".into());
    }
    Ok(form)
}

fn raw(file: &[u8], load: u64, wanted: Wanted) -> Form {
    let memory = load.saturating_sub(RAM).saturating_add(file.len() as u64);
    Form { format: format::RAW, load, entry: wanted.entry.unwrap_or(load), aarch32: wanted.aarch32, memory }
}

fn elf<Header: FileHeader<Endian = Endianness>>(file: &[u8], machine: u16, form: Form) -> Result<Form, String> {
    let broken = |error: object::Error| format!("it is a broken ELF file: {error}");
    let header = Header::parse(file).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    if header.e_machine(endian).0 != machine || !header.is_little_endian() {
        return Err("it is an ELF file for another processor; one for little-endian AArch64 or Arm is needed".into());
    }
    let segments = header.program_headers(endian, file).map_err(broken)?;
    let loads = segments.iter().filter(|segment| segment.p_type(endian) == PT_LOAD);
    let mut end = RAM;
    for segment in loads {
        let (start, size): (u64, u64) = (segment.p_paddr(endian).into(), segment.p_memsz(endian).into());
        if start < RAM {
            return Err(format!("its segment at {start:#x} is not in RAM, which starts at {RAM:#x}"));
        }
        end = end.max(start.saturating_add(size));
    }
    if end == RAM {
        return Err("it is an ELF file with nothing to load".into());
    }
    Ok(Form { format: format::ELF, memory: end - RAM, ..form })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Vec<u8> {
        let mut image = vec![0; 4096];
        image[56..60].copy_from_slice(b"ARM\x64");
        image
    }

    fn zimage() -> Vec<u8> {
        let mut zimage = vec![0; 4096];
        zimage[0x24..0x28].copy_from_slice(ZIMAGE_MAGIC.1);
        zimage
    }

    /// An ELF file with one segment of 4 bytes.
    fn elf(machine: u8, address: u64) -> Vec<u8> {
        let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0".to_vec();
        out.extend([machine, 0, 1, 0, 0, 0]);
        [address, 64, 0].iter().for_each(|word: &u64| out.extend(word.to_le_bytes()));
        out.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 0, 0, 0, 0]);
        [1 | 5 << 32, 120, address, address, 4, 0x1000, 4096u64].iter().for_each(|word| out.extend(word.to_le_bytes()));
        out.extend(b"text");
        out
    }

    #[test]
    fn formats_are_told_apart() {
        let format = |file: &[u8]| detect(file, Wanted::default()).map(|form| (form.format, form.aarch32, form.memory));

        assert_eq!(format(&image()), Ok((format::IMAGE, false, 4096)));
        assert_eq!(format(&zimage()), Ok((format::ZIMAGE, true, (33 << 20) + 4096)));
        assert_eq!(format(&elf(183, 0x4008_0000)), Ok((format::ELF, false, 0x8_1000)));
    }

    #[test]
    fn file_with_an_address_is_raw_and_entered_at_its_start() {
        let form = detect(&[0; 16], Wanted { load: Some(0x4040_0000), ..Wanted::default() });

        let expected =
            Form { format: format::RAW, load: 0x4040_0000, entry: 0x4040_0000, aarch32: false, memory: 0x40_0010 };
        assert_eq!(form, Ok(expected));
    }

    #[test]
    fn elf_file_of_another_processor_is_refused() {
        assert!(detect(&elf(62, 0x4008_0000), Wanted::default()).unwrap_err().contains("another processor"));
    }

    #[test]
    fn elf_file_outside_of_ram_is_refused() {
        assert!(detect(&elf(183, 0x8_0000), Wanted::default()).unwrap_err().contains("not in RAM"));
    }

    #[test]
    fn image_in_a_32_bit_vm_is_refused() {
        assert!(detect(&image(), Wanted { aarch32: true, ..Wanted::default() }).is_err());
    }
}
