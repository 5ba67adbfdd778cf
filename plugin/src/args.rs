//! The plugin's arguments.

/// Addresses counted under one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    pub name: String,
    /// First virtual address.
    pub start: u64,
    /// One past the last virtual address.
    pub end: u64,
}

/// An instruction that begins or ends counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub pc: u64,
    /// Exception level, or any.
    pub el: Option<u8>,
}

impl Trigger {
    /// Whether an instruction at this address and exception level is meant.
    pub fn matches(self, pc: u64, el: usize) -> bool {
        self.pc == pc && self.el.is_none_or(|wanted| usize::from(wanted) == el)
    }
}

/// All arguments.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Args {
    pub ranges: Vec<Range>,
    pub out: String,
    pub start: Option<Trigger>,
    pub stop: Option<Trigger>,
    pub mark: Option<Trigger>,
    pub writes: bool,
}

/// Reads the arguments; the error is a sentence for the user.
pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Args, String> {
    let mut args = Args::default();
    for argument in arguments {
        let (key, value) = argument.split_once('=').unwrap_or((argument, "on"));
        match key {
            "range" => args.ranges.push(range(value)?),
            "out" => args.out = value.to_owned(),
            "start" => args.start = Some(trigger(value)?),
            "stop" => args.stop = Some(trigger(value)?),
            "mark" => args.mark = Some(trigger(value)?),
            "writes" => args.writes = value == "on",
            _ => {
                return Err(format!("unknown argument `{argument}`; known: range, out, start, stop, mark, writes"));
            }
        }
    }
    if args.out.is_empty() { Err("`out=FILE` is missing".to_owned()) } else { Ok(args) }
}

fn range(text: &str) -> Result<Range, String> {
    let wrong = || format!("`range={text}`: expected NAME:0xSTART-0xEND with START below END");
    let (name, bounds) = text.split_once(':').ok_or_else(wrong)?;
    let (start, end) = bounds.split_once('-').ok_or_else(wrong)?;
    let (start, end) = (number(start).ok_or_else(wrong)?, number(end).ok_or_else(wrong)?);
    let plain = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if plain && start < end { Ok(Range { name: name.to_owned(), start, end }) } else { Err(wrong()) }
}

fn trigger(text: &str) -> Result<Trigger, String> {
    let wrong = || format!("`{text}`: expected 0xPC or 0xPC@EL with EL from 0 to 3");
    let (pc, el) = match text.split_once('@') {
        Some((pc, el)) => (pc, Some(el.parse().ok().filter(|el| *el <= 3).ok_or_else(wrong)?)),
        None => (text, None),
    };
    Ok(Trigger { pc: number(pc).ok_or_else(wrong)?, el })
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_all_arguments() {
        let args = parse([
            "range=kernel:0x1000-0x2000",
            "out=a.json",
            "start=0x40",
            "stop=0x80@1",
            "mark=0x90@0",
            "writes=on",
        ]);

        let kernel = Range { name: "kernel".to_owned(), start: 0x1000, end: 0x2000 };
        let expected = Args {
            ranges: vec![kernel],
            out: "a.json".to_owned(),
            start: Some(Trigger { pc: 0x40, el: None }),
            stop: Some(Trigger { pc: 0x80, el: Some(1) }),
            mark: Some(Trigger { pc: 0x90, el: Some(0) }),
            writes: true,
        };
        assert_eq!(args, Ok(expected));
    }

    #[test]
    fn parse_without_out_is_refused() {
        assert_eq!(parse(["range=a:0x0-0x1"]), Err("`out=FILE` is missing".to_owned()));
    }

    #[test]
    fn parse_bad_range_is_refused() {
        for bad in ["a", "a:0x1", "a:0x2-0x1", "a:1-2", ":0x1-0x2", "a b:0x1-0x2", "a:0x1-0xfffffffffffffffff"] {
            assert!(parse([format!("range={bad}").as_str(), "out=x"]).is_err(), "{bad}");
        }
    }

    #[test]
    fn parse_bad_trigger_is_refused() {
        for bad in ["40", "0x40@4", "0x40@", "@1"] {
            assert!(parse([format!("start={bad}").as_str(), "out=x"]).is_err(), "{bad}");
        }
    }

    #[test]
    fn parse_unknown_argument_is_named() {
        let error = parse(["outt=x"]).unwrap_err();

        assert!(error.contains("`outt=x`"), "{error}");
    }

    #[test]
    fn trigger_matches_its_exception_level_only() {
        let trigger = Trigger { pc: 0x80, el: Some(1) };

        assert!(trigger.matches(0x80, 1));
        assert!(!trigger.matches(0x80, 0));
        assert!(!trigger.matches(0x84, 1));
    }
}
