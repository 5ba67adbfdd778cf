//! The switch key, Ctrl-], in what is typed at a terminal.

/// Ctrl-].
pub const SWITCH: u8 = 0x1d;

/// What was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// For the VM.
    Byte(u8),
    /// Show this channel.
    Channel(usize),
    /// Show the next one.
    Next,
    /// Show the one before.
    Previous,
    /// Show the lines of all.
    All,
    /// Show what the keys are.
    Help,
    /// Nothing: the switch key itself, or a key that is none after it.
    Nothing,
}

/// Finds the switch key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keys {
    switching: bool,
}

impl Keys {
    /// Takes the next byte.
    pub fn take(&mut self, byte: u8) -> Key {
        if !core::mem::take(&mut self.switching) {
            if byte != SWITCH {
                return Key::Byte(byte);
            }
            self.switching = true;
            return Key::Nothing;
        }
        match byte {
            SWITCH => Key::Byte(SWITCH),
            b'0'..=b'9' => Key::Channel(usize::from(byte - b'0')),
            b'n' | b'N' => Key::Next,
            b'p' | b'P' => Key::Previous,
            b'a' | b'A' => Key::All,
            b'?' | b'h' => Key::Help,
            _ => Key::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(typed: &[u8]) -> Vec<Key> {
        let mut keys = Keys::default();
        typed.iter().map(|byte| keys.take(*byte)).filter(|key| *key != Key::Nothing).collect()
    }

    #[test]
    fn all_else_is_the_vms() {
        assert_eq!(keys(b"a\x03"), [Key::Byte(b'a'), Key::Byte(3)]);
    }

    #[test]
    fn switch_key_and_another_switch() {
        let wanted = [Key::Channel(2), Key::Byte(b'2'), Key::Next, Key::Previous, Key::All, Key::Help];
        assert_eq!(keys(b"\x1d22\x1dn\x1dp\x1da\x1d?"), wanted);
    }

    #[test]
    fn switch_key_twice_is_itself() {
        assert_eq!(keys(b"\x1d\x1dn"), [Key::Byte(SWITCH), Key::Byte(b'n')]);
    }

    #[test]
    fn unknown_key_is_nothing() {
        assert_eq!(keys(b"\x1dzx"), [Key::Byte(b'x')]);
    }
}
