//! A stream cut into lines, each told as soon as it is whole.

use std::io::Write;

/// Calls a function with each line that is written to it.
pub struct Lines<F: FnMut(&str)> {
    tell: F,
    held: Vec<u8>,
    /// All that was written.
    pub text: String,
}

impl<F: FnMut(&str)> Lines<F> {
    /// Tells each line to `tell`, without its end.
    pub fn new(tell: F) -> Self {
        Self { tell, held: Vec::new(), text: String::new() }
    }
}

impl<F: FnMut(&str)> Write for Lines<F> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.text += &String::from_utf8_lossy(bytes);
        self.held.extend_from_slice(bytes);
        while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.held.drain(..=end).collect();
            (self.tell)(String::from_utf8_lossy(&line).trim_end());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn lines_are_told_when_they_are_whole() {
        let mut told = Vec::new();
        let mut lines = Lines::new(|line: &str| told.push(line.to_string()));

        for piece in ["a", "b\r\nc", "\nd"] {
            lines.write_all(piece.as_bytes()).unwrap();
        }

        assert_eq!(lines.text, "ab\r\nc\nd");
        assert_eq!(told, ["ab", "c"]);
    }
}
