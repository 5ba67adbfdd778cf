//! From ELF files to the formats that boot: flat Images and domain images.

use super::pack::{PAGE, pad, put};
use abi::cap::rights;
use abi::pack::{IMAGE_MAGIC, MAX_SEGMENTS};
use miette::{Result, bail, miette};
use object::elf::{self, FileHeader64, PT_LOAD};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol};

const READ: u32 = elf::PF_R.0;
const WRITE: u32 = elf::PF_W.0;
const EXEC: u32 = elf::PF_X.0;

struct Load<'data> {
    vaddr: u64,
    memory: u64,
    flags: u32,
    data: &'data [u8],
    /// Where the data ends in the file.
    end: usize,
}

fn loads(file: &[u8]) -> Result<(u64, Vec<Load<'_>>)> {
    let broken = |error: object::Error| miette!("broken ELF file: {error}");
    let header = FileHeader64::<Endianness>::parse(file).map_err(broken)?;
    let endian = header.endian().map_err(broken)?;
    let mut loads = Vec::new();
    for segment in header.program_headers(endian, file).map_err(broken)? {
        if segment.p_type(endian) != PT_LOAD || segment.p_memsz(endian) == 0 {
            continue;
        }
        let data =
            segment.data(endian, file).map_err(|()| miette!("broken ELF file: a segment ends behind the file"))?;
        loads.push(Load {
            vaddr: segment.p_vaddr(endian),
            memory: segment.p_memsz(endian),
            flags: segment.p_flags(endian).0,
            data,
            end: segment.p_offset(endian) as usize + data.len(),
        });
    }
    loads.sort_by_key(|load| load.vaddr);
    if loads.is_empty() {
        bail!("the ELF file has nothing to load");
    }
    Ok((header.e_entry(endian), loads))
}

/// The address of a symbol.
pub fn symbol(file: &[u8], name: &str) -> Option<u64> {
    let file = ElfFile64::<Endianness>::parse(file).ok()?;
    file.symbols().find(|symbol| symbol.name() == Ok(name)).map(|symbol| symbol.address())
}

/// Lays the segments out as they are in memory, with bss as zeros, up to `__image_end` where the file has that symbol.
pub fn flat(file: &[u8]) -> Result<Vec<u8>> {
    let (_, loads) = loads(file)?;
    let base = loads.first().map_or(0, |load| load.vaddr);
    let end = loads.iter().map(|load| load.vaddr.saturating_add(load.memory)).max().unwrap_or(base);
    let end = end.max(symbol(file, "__image_end").unwrap_or(0));
    let size = usize::try_from(end - base).unwrap_or(usize::MAX);
    if size > 1 << 28 {
        bail!("the ELF file's segments spread over {size} bytes: they are no image");
    }
    let mut image = vec![0; size];
    for load in &loads {
        let start = (load.vaddr - base) as usize;
        let place = image.get_mut(start..start.saturating_add(load.data.len()));
        place.ok_or_else(|| miette!("a segment has more data than memory"))?.copy_from_slice(load.data);
    }
    pad(&mut image);
    Ok(image)
}

/// The file as a loader needs it: without sections, that is without symbols and debug information.
pub fn without_sections(mut file: Vec<u8>) -> Result<Vec<u8>> {
    /// e_shoff; e_shentsize, e_shnum and e_shstrndx (ELF-64 object file format, 3).
    const PLACE: [std::ops::Range<usize>; 2] = [40..48, 58..64];
    // The program headers come before what they describe.
    let end = loads(&file)?.1.iter().map(|load| load.end).max().unwrap_or(0);
    file.truncate(end);
    for place in PLACE {
        file.get_mut(place).ok_or_else(|| miette!("broken ELF file: it ends in its header"))?.fill(0);
    }
    Ok(file)
}

/// An `abi::pack::DomainImage`: header page, then whole pages of each segment.
pub fn domain_image(file: &[u8]) -> Result<Vec<u8>> {
    let (entry, loads) = loads(file)?;
    if loads.len() > MAX_SEGMENTS {
        bail!("the ELF file has {} segments; a domain has at most {MAX_SEGMENTS}", loads.len());
    }
    let page = PAGE as u64;
    let (mut head, mut body) = (Vec::new(), Vec::new());
    put(&mut head, &[IMAGE_MAGIC, entry, loads.len() as u64, 0]);
    let mut last_end = 0;
    for load in &loads {
        let start = load.vaddr / page * page;
        let end = (load.vaddr + load.memory).next_multiple_of(page);
        if start < last_end {
            bail!("two segments share the page at {start:#x}: align them in the linker script");
        }
        last_end = end;
        put(&mut head, &[start, (PAGE + body.len()) as u64, end - start, segment_rights(load)?]);
        let at = body.len() + (load.vaddr - start) as usize;
        body.resize(body.len() + (end - start) as usize, 0);
        let place = body.get_mut(at..at + load.data.len());
        place.ok_or_else(|| miette!("a segment has more data than memory"))?.copy_from_slice(load.data);
    }
    pad(&mut head);
    head.extend(body);
    Ok(head)
}

fn segment_rights(load: &Load<'_>) -> Result<u64> {
    let has = |flag: u32, right: u64| if load.flags & flag != 0 { right } else { 0 };
    let rights = has(READ, rights::READ) | has(WRITE, rights::WRITE) | has(EXEC, rights::EXEC);
    if load.flags & (WRITE | EXEC) == WRITE | EXEC {
        bail!("the segment at {:#x} is writable and executable", load.vaddr);
    }
    Ok(rights)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A small ELF file by hand: segments are (address, flags, data, bytes of memory).
    fn elf(segments: &[(u64, u32, &[u8], u64)]) -> Vec<u8> {
        let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        out.extend([2, 0, 183, 0, 1, 0, 0, 0]);
        put(&mut out, &[0x1004, 64, 0]);
        out.extend([0, 0, 0, 0, 64, 0, 56, 0, segments.len() as u8, 0, 64, 0, 0, 0, 0, 0]);
        let mut offset = 64 + 56 * segments.len() as u64;
        for (address, flags, data, memory) in segments {
            put(&mut out, &[1 | u64::from(*flags) << 32, offset, *address, *address, data.len() as u64, *memory, 4096]);
            offset += data.len() as u64;
        }
        segments.iter().for_each(|segment| out.extend_from_slice(segment.2));
        out
    }

    fn word(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn flat_places_segments_by_address_and_zeroes_bss() {
        let file = elf(&[(0x8000, 5, b"text", 4), (0x9000, 6, b"data", 0x1000)]);

        let image = flat(&file).unwrap();

        assert_eq!(image.len(), 0x2000);
        assert_eq!(&image[..4], b"text");
        assert_eq!(&image[0x1000..0x1005], b"data\0");
    }

    #[test]
    fn without_sections_nothing_is_behind_the_segments() {
        let mut file = elf(&[(0x8000, 5, b"text", 4), (0x9000, 6, b"data", 0x1000)]);
        let whole = file.len();
        file.extend_from_slice(b"symbols");

        let file = without_sections(file).unwrap();

        assert_eq!(file.len(), whole);
        assert_eq!(flat(&file).unwrap().len(), 0x2000);
    }

    #[test]
    fn domain_image_has_whole_pages_and_rights() {
        let file = elf(&[(0x1000, 5, b"text", 4), (0x2010, 6, b"data", 0x1000)]);

        let image = domain_image(&file).unwrap();

        assert_eq!(word(&image, 0), IMAGE_MAGIC);
        assert_eq!(word(&image, 8), 0x1004);
        let second = 32 + 32;
        assert_eq!(word(&image, second), 0x2000);
        assert_eq!(word(&image, second + 16), 0x2000);
        assert_eq!(word(&image, second + 24), rights::READ | rights::WRITE);
        let offset = word(&image, second + 8) as usize;
        assert_eq!(&image[offset + 0x10..offset + 0x14], b"data");
    }

    #[test]
    fn domain_with_writable_text_is_refused() {
        let error = domain_image(&elf(&[(0x1000, 7, b"x", 1)])).unwrap_err();

        assert!(error.to_string().contains("writable and executable"));
    }

    #[test]
    fn domain_with_shared_page_is_refused() {
        let error = domain_image(&elf(&[(0x1000, 5, b"x", 1), (0x1010, 6, b"y", 1)])).unwrap_err();

        assert!(error.to_string().contains("share the page"));
    }

    #[test]
    fn broken_files_are_refused() {
        assert!(flat(b"").is_err());
        assert!(flat(&elf(&[])).is_err());
        assert!(flat(&elf(&[(0, 5, b"", 1 << 40)])).is_err());
    }
}
