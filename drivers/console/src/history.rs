//! The newest output of one channel.

/// A ring of bytes, named by how many bytes came before them since the start.
#[derive(Debug)]
pub struct History<'a> {
    bytes: &'a mut [u8],
    end: u64,
    /// Behind the last line end.
    line: u64,
}

impl<'a> History<'a> {
    /// An empty one, kept in `bytes`.
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { bytes, end: 0, line: 0 }
    }

    /// Bytes that it keeps.
    pub fn capacity(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Position of the oldest byte that is kept.
    pub fn start(&self) -> u64 {
        self.end.saturating_sub(self.capacity())
    }

    /// Position behind the newest byte.
    pub fn end(&self) -> u64 {
        self.end
    }

    /// Position behind the last line end: there the line that is not whole yet starts.
    pub fn line(&self) -> u64 {
        self.line.max(self.start())
    }

    /// The byte at `position`, if it is kept.
    pub fn get(&self, position: u64) -> Option<u8> {
        if position < self.start() || position >= self.end {
            return None;
        }
        self.bytes.get((position % self.capacity()) as usize).copied()
    }

    /// Appends a byte; the oldest one goes.
    pub fn push(&mut self, byte: u8) {
        let at = self.end.checked_rem(self.capacity()).unwrap_or(0);
        if let Some(place) = self.bytes.get_mut(at as usize) {
            *place = byte;
            self.end += 1;
            if byte == b'\n' {
                self.line = self.end;
            }
        }
    }

    /// Appends bytes; the oldest ones go.
    pub fn extend(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let at = self.end.checked_rem(self.capacity()).unwrap_or(0) as usize;
            let place = self.bytes.get_mut(at..).unwrap_or_default();
            let count = place.len().min(rest.len());
            let (now, later) = rest.split_at_checked(count).unwrap_or_default();
            if now.is_empty() {
                return;
            }
            place.iter_mut().zip(now).for_each(|(to, from)| *to = *from);
            if let Some(line) = now.iter().rposition(|byte| *byte == b'\n') {
                self.line = self.end + line as u64 + 1;
            }
            self.end += count as u64;
            rest = later;
        }
    }

    /// Bytes from `position` on, at most `limit`: as many as lie together.
    pub fn slice(&self, position: u64, limit: u64) -> &[u8] {
        if position < self.start() || position >= self.end {
            return &[];
        }
        let at = (position % self.capacity()) as usize;
        let count = (self.end - position).min(limit) as usize;
        let together = self.bytes.get(at..).unwrap_or_default();
        together.get(..count).unwrap_or(together)
    }

    /// Position behind the first line end from `position` on, if there is one before `limit`.
    pub fn line_end(&self, position: u64, limit: u64) -> Option<u64> {
        (position.max(self.start())..limit.min(self.end)).find(|at| self.get(*at) == Some(b'\n')).map(|at| at + 1)
    }

    /// Start of the first whole line that is kept.
    pub fn first_line(&self) -> u64 {
        match self.start() {
            0 => 0,
            start => self.line_end(start, self.end).unwrap_or(start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled<'a>(bytes: &'a mut [u8], text: &str) -> History<'a> {
        let mut history = History::new(bytes);
        text.bytes().for_each(|byte| history.push(byte));
        history
    }

    fn text(history: &History, from: u64) -> String {
        (from..history.end()).filter_map(|at| history.get(at)).map(char::from).collect()
    }

    #[test]
    fn newest_bytes_are_kept() {
        let mut bytes = [0; 8];
        let history = filled(&mut bytes, "0123456789ab");

        assert_eq!((history.start(), history.end()), (4, 12));
        assert_eq!(text(&history, history.start()), "456789ab");
        assert_eq!((history.get(3), history.get(12)), (None, None));
    }

    #[test]
    fn lines_are_found() {
        let mut bytes = [0; 16];
        let history = filled(&mut bytes, "one\ntwo\nthr");

        assert_eq!((history.line(), history.first_line()), (8, 0));
        assert_eq!(history.line_end(4, u64::MAX), Some(8));
        assert_eq!(history.line_end(8, u64::MAX), None);
    }

    #[test]
    fn replay_starts_at_a_whole_line() {
        let mut bytes = [0; 8];
        let history = filled(&mut bytes, "0123\n4567\n89");

        assert_eq!(text(&history, history.first_line()), "4567\n89");
    }

    #[test]
    fn many_bytes_at_once_are_as_one_by_one() {
        let (mut one, mut all) = ([0; 8], [0; 8]);
        let text = "ab\ncdefghi\njk";
        for cut in 0..text.len() {
            let wanted = filled(&mut one, text);
            let mut history = History::new(&mut all);
            history.extend(&text.as_bytes()[..cut]);
            history.extend(&text.as_bytes()[cut..]);
            assert_eq!((history.end(), history.line(), history.bytes), (wanted.end(), wanted.line(), wanted.bytes));
        }
    }

    #[test]
    fn slices_are_what_lies_together() {
        let mut bytes = [0; 8];
        let history = filled(&mut bytes, "0123456789ab");

        assert_eq!(
            (history.slice(3, 9), history.slice(4, 9), history.slice(4, 2)),
            (&b""[..], &b"4567"[..], &b"45"[..])
        );
        assert_eq!((history.slice(8, 99), history.slice(12, 1)), (&b"89ab"[..], &b""[..]));
    }

    #[test]
    fn no_memory_keeps_nothing() {
        let mut history = History::new(&mut []);
        history.push(1);
        history.extend(b"23");
        assert_eq!((history.end(), history.get(0), history.slice(0, 1)), (0, None, &b""[..]));
    }
}
