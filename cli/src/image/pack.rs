//! Writes the pack of `abi::pack`.

use abi::pack::{PACK_MAGIC, PackHeader};
use miette::{Result, bail};
use sysdesc::pack::{MAX_ENTRIES, NAME_LEN, PackEntry};

/// Bytes of a page.
pub const PAGE: usize = 4096;

/// A pack in the making.
pub struct Pack {
    entries: Vec<(String, Vec<u8>)>,
}

impl Pack {
    /// An empty one.
    pub fn new() -> Self {
        Self { entries: Vec::new() }
    }

    /// Adds a file.
    pub fn add(&mut self, name: &str, data: Vec<u8>) -> Result<()> {
        if name.len() > NAME_LEN {
            bail!("the pack's entry name `{name}` has more than {NAME_LEN} bytes");
        }
        if self.entries.len() == MAX_ENTRIES {
            bail!("the pack has no room for `{name}`: it holds {MAX_ENTRIES} files");
        }
        self.entries.push((name.to_string(), data));
        Ok(())
    }

    /// The bytes: one page of header and table, then each file from a page boundary.
    pub fn finish(self) -> Vec<u8> {
        let mut head = Vec::with_capacity(PAGE);
        let mut body = Vec::new();
        for (name, data) in &self.entries {
            head.extend_from_slice(&name_bytes(name));
            put(&mut head, &[(PAGE + body.len()) as u64, data.len() as u64]);
            body.extend_from_slice(data);
            pad(&mut body);
        }
        let size = (PAGE + body.len()) as u64;
        let mut out = Vec::with_capacity(size as usize);
        put(&mut out, &[PACK_MAGIC, size, self.entries.len() as u64, 0]);
        out.extend(head);
        pad(&mut out);
        out.extend(body);
        out
    }
}

// Header and full table fit in one page.
const _: () = assert!(size_of::<PackHeader>() + MAX_ENTRIES * size_of::<PackEntry>() <= PAGE);

/// A name as the formats of `abi` hold it: zero padded.
pub fn name_bytes(name: &str) -> [u8; NAME_LEN] {
    let mut bytes = [0; NAME_LEN];
    for (to, from) in bytes.iter_mut().zip(name.bytes()) {
        *to = from;
    }
    bytes
}

/// Appends little-endian words.
pub fn put(out: &mut Vec<u8>, words: &[u64]) {
    words.iter().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
}

/// Appends zeros up to a page boundary.
pub fn pad(out: &mut Vec<u8>) {
    out.resize(out.len().next_multiple_of(PAGE), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(bytes: &[u8], offset: usize) -> u64 {
        u64::from_le_bytes(bytes[offset..offset + 8].try_into().unwrap())
    }

    #[test]
    fn files_start_at_pages_and_the_table_finds_them() {
        let mut pack = Pack::new();
        pack.add("root", vec![1; 5000]).unwrap();
        pack.add("system", vec![2; 10]).unwrap();

        let bytes = pack.finish();

        assert_eq!(word(&bytes, 0), PACK_MAGIC);
        assert_eq!(word(&bytes, 8), bytes.len() as u64);
        assert_eq!(word(&bytes, 16), 2);
        let second = 32 + size_of::<PackEntry>();
        assert_eq!(&bytes[second..second + 7], b"system\0");
        let (offset, size) = (word(&bytes, second + 16) as usize, word(&bytes, second + 24) as usize);
        assert_eq!(offset % PAGE, 0);
        assert_eq!(&bytes[offset..offset + size], &[2; 10]);
        assert_eq!(bytes.len() % PAGE, 0);
    }

    #[test]
    fn too_many_files_are_refused() {
        let mut pack = Pack::new();
        for index in 0..MAX_ENTRIES {
            pack.add(&format!("f{index}"), vec![]).unwrap();
        }

        assert!(pack.add("one more", vec![]).is_err());
    }
}
