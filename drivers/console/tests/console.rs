//! The server as VMs, people and programs meet it: rings on one side, the bytes of the UART on the other.

use console_server::channel::Channel;
use console_server::history::History;
use console_server::server::Server;
use console_server::uart::Source;
use proptest::prelude::*;
use ring::{Reader, Word, Writer, words_for};
use sysdesc::console::{DLE, FIRST_CHANNEL};

/// Ticks in a second of the server's clock.
const HZ: u64 = 1000;
const RING: u32 = 64;

/// The VMs' side of a channel.
struct Vm {
    out: Writer<'static>,
    keys: Reader<'static>,
    words: &'static [Word],
}

impl Vm {
    fn write(&mut self, text: &str) {
        assert_eq!(self.out.write(text.as_bytes()), text.len());
    }

    fn typed(&mut self) -> String {
        std::iter::from_fn(|| self.keys.pop()).map(char::from).collect()
    }
}

/// A server with a channel for each name, and their other sides.
fn make(names: &[&'static str], program: bool, history: usize) -> (Server<'static, 'static>, Vec<Vm>) {
    let (mut channels, mut vms) = (Vec::new(), Vec::new());
    for name in names {
        let words: Vec<Word> = (0..words_for(RING)).map(|_| Word::new(0)).collect();
        let words: &'static [Word] = words.leak();
        let ring = ring::Channel::format(words).unwrap();
        let (out, keys) = ring.side(0).unwrap();
        let (input, output) = ring.side(1).unwrap();
        channels.push(Channel::new(name, History::new(vec![0; history].leak()), output, input));
        vms.push(Vm { out, keys, words });
    }
    (Server::new(channels.leak(), program, HZ), vms)
}

fn terminal() -> (Server<'static, 'static>, [Vm; 3]) {
    let (server, vms) = make(&["sosia", "linux", "rtos"], false, 4096);
    (server, vms.try_into().unwrap_or_else(|_| unreachable!()))
}

/// Up to `limit` bytes that the server sends now: some at once, some one by one.
fn take(server: &mut Server, limit: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while out.len() < limit {
        let chunk = server.chunk();
        let count = chunk.len().min(limit - out.len()).min(5);
        out.extend_from_slice(&chunk[..count]);
        server.sent(count);
        if out.len() < limit {
            let Some(byte) = server.next() else { break };
            out.push(byte);
        }
    }
    out
}

/// All that the server sends now.
fn sent(server: &mut Server) -> String {
    let mut out = Vec::new();
    while server.pull() || {
        let before = out.len();
        out.extend(take(server, usize::MAX));
        out.len() != before
    } {}
    String::from_utf8_lossy(&out).into_owned()
}

fn press(server: &mut Server, keys: &[u8]) -> String {
    for key in keys {
        assert!(server.can_receive(0));
        server.receive(*key, 0);
    }
    sent(server)
}

#[test]
fn first_vm_is_shown_as_it_is_and_gets_the_keys() {
    let (mut server, [_, mut linux, mut rtos]) = terminal();
    linux.write("guest:~# ");
    rtos.write("tick\n");

    assert_eq!(sent(&mut server), "guest:~# ");
    press(&mut server, b"ls\x03");
    assert_eq!((linux.typed().as_str(), rtos.typed().as_str()), ("ls\x03", ""));
}

#[test]
fn switching_replays_what_was_not_seen() {
    let (mut server, [_, mut linux, mut rtos]) = terminal();
    linux.write("one\n");
    rtos.write("tick\n");
    sent(&mut server);

    assert_eq!(press(&mut server, b"\x1d2"), "[sosia: console of rtos]\r\ntick\n");
    press(&mut server, b"x");
    assert_eq!(rtos.typed(), "x");
    linux.write("two\n");
    rtos.write("tock\n");
    assert_eq!(sent(&mut server), "tock\n");
    assert_eq!(press(&mut server, b"\x1dp"), "[sosia: console of linux]\r\none\ntwo\n");
}

#[test]
fn what_fell_out_of_the_history_is_told() {
    let (mut server, mut vms) = make(&["sosia", "a", "b"], false, 16);
    for _ in 0..4 {
        vms[2].write("01234567\n");
        sent(&mut server);
    }

    let text = press(&mut server, b"\x1d2");

    assert_eq!(text, "[sosia: console of b]\r\n[sosia: 27 bytes of its output are gone]\r\n01234567\n");
}

#[test]
fn a_vm_that_there_is_not_is_told() {
    let (mut server, [..]) = terminal();

    assert!(press(&mut server, b"\x1d7").contains("there is no VM 7"));
}

#[test]
fn help_names_the_vms() {
    let (mut server, [..]) = terminal();

    let text = press(&mut server, b"\x1d?");

    assert!(text.contains("a lines of all") && text.contains("  *1 linux\r\n   2 rtos\r\n"), "{text}");
}

#[test]
fn lines_of_all_have_names_and_come_whole() {
    let (mut server, [mut sosia, mut linux, mut rtos]) = terminal();
    press(&mut server, b"\x1da");

    linux.write("boot");
    rtos.write("tick\r\nto");
    assert_eq!(sent(&mut server), "rtos| tick\r\n");
    linux.write("ing\n");
    sosia.write("root: vm x stopped\r\n");
    rtos.write("ck\n");
    let text = sent(&mut server);
    let mut lines: Vec<&str> = text.split_terminator("\r\n").collect();
    lines.sort_unstable();
    assert_eq!(lines, ["linux| booting", "root: vm x stopped", "rtos| tock"]);
}

#[test]
fn line_that_was_begun_is_shown_as_a_whole_among_all() {
    let (mut server, [_, mut linux, mut rtos]) = terminal();
    linux.write("guest:~# ");
    rtos.write("tick\n");
    sent(&mut server);
    press(&mut server, b"\x1da");

    linux.write("ls\n");

    assert_eq!(sent(&mut server), "linux| guest:~# ls\r\n");
}

#[test]
fn roots_lines_come_between_lines_and_a_prompt_is_drawn_again() {
    let (mut server, [mut sosia, mut linux, _]) = terminal();
    linux.write("guest:~# ec");
    sent(&mut server);

    sosia.write("root: vm rtos stopped\r\n");
    assert_eq!(sent(&mut server), "\r\nroot: vm rtos stopped\r\nguest:~# ec");
    linux.write("ho\n");
    assert_eq!(sent(&mut server), "ho\n");
}

#[test]
fn vm_that_is_shown_is_held_back_until_the_uart_takes_its_output() {
    let (mut server, mut vms) = make(&["sosia", "a"], false, 64);

    let mut written = 0;
    for _ in 0..10 {
        written += vms[1].out.write(&[b'x'; 64]);
        server.pull();
    }

    assert_eq!(written, 128, "the ring and the history, no more");
    assert_eq!(sent(&mut server).len(), 128);
}

#[test]
fn program_gets_all_bytes_of_all_channels() {
    let (mut server, mut vms) = make(&["sosia", "a", "b"], true, 4096);
    vms[1].write("one\x10");
    vms[2].write("two");

    assert_eq!(sent(&mut server), "\x10\x40\x10\x41one\x10\x10\x10\x42two");

    press(&mut server, b"\x10\x42keys\x10\x10\x10\x41more");
    assert_eq!((vms[1].typed().as_str(), vms[2].typed().as_str()), ("more", "keys\x10"));
}

#[test]
fn input_waits_for_a_vm_that_reads_late() {
    let (mut server, [_, mut linux, _]) = terminal();
    for _ in 0..RING {
        assert!(server.can_receive(0));
        server.receive(b'x', 0);
    }
    server.receive(b'!', 0);

    assert!(!server.can_receive(HZ / 2));
    assert_eq!(linux.keys.pop(), Some(b'x'));
    assert!(server.can_receive(HZ / 2));
    assert_eq!(linux.typed().len(), RING as usize);
}

#[test]
fn input_for_a_vm_that_never_reads_stops_nobody_else() {
    let (mut server, [_, mut linux, mut rtos]) = terminal();
    for _ in 0..=RING {
        server.receive(b'x', 0);
    }
    assert!(!server.can_receive(0));

    assert!(server.can_receive(2 * HZ), "after two seconds it is dropped");
    for key in *b"xx\x1d2y" {
        assert!(server.can_receive(2 * HZ));
        server.receive(key, 2 * HZ);
    }
    assert_eq!((linux.typed().len(), rtos.typed().as_str()), (RING as usize, "y"));
}

#[test]
fn those_who_wait_are_told_once() {
    let (mut server, [_, mut linux, _]) = terminal();
    assert!(linux.keys.sleep());
    assert_eq!(server.bells().iter().filter(|bell| **bell).count(), 0);

    press(&mut server, b"x");

    assert!(server.bells()[1]);
    assert!(!server.bells()[1]);
}

/// The lines of `text` that have this name before them.
fn lines_of(text: &str, name: &str) -> String {
    let of = |line: &str| line.strip_prefix(name)?.strip_prefix("| ").map(|line| format!("{line}\n"));
    text.split("\r\n").filter_map(of).collect()
}

fn channel_of(stream: &[u8], wanted: u8) -> Vec<u8> {
    let (mut channel, mut out, mut bytes) = (0, Vec::new(), stream.iter());
    while let Some(&byte) = bytes.next() {
        match (byte, bytes.as_slice().first()) {
            (DLE, Some(&mark)) => {
                bytes.next();
                match mark {
                    DLE if channel == wanted => out.push(DLE),
                    DLE => {}
                    mark => channel = mark - FIRST_CHANNEL,
                }
            }
            (byte, _) if channel == wanted => out.push(byte),
            _ => {}
        }
    }
    out
}

proptest! {
    /// Whatever is written in whatever pieces while the UART takes what it likes: in the view of all, lines are whole, and
    /// none is lost, doubled or out of order.
    #[test]
    fn lines_of_all_are_whole(
        steps in prop::collection::vec((0usize..3, "[a-z]{0,12}\n?", 0usize..40), 1..200),
    ) {
        let (mut server, mut vms) = make(&["sosia", "a", "b", "c"], false, 4096);
        let mut out = press(&mut server, b"\x1da").into_bytes();
        let mut wanted = [const { String::new() }; 3];
        for (vm, text, taken) in steps {
            if vms[vm + 1].out.room() as usize >= text.len() {
                vms[vm + 1].write(&text);
                wanted[vm] += &text;
            }
            server.pull();
            out.extend(take(&mut server, taken));
        }
        for (vm, wanted) in vms[1..].iter_mut().zip(&mut wanted) {
            if vm.out.room() == 0 {
                server.pull();
            }
            vm.write("\n");
            *wanted += "\n";
        }
        out.extend(sent(&mut server).into_bytes());
        let out = String::from_utf8(out).unwrap();
        for (name, wanted) in ["a", "b", "c"].iter().zip(&wanted) {
            prop_assert_eq!(&lines_of(&out, name), wanted);
        }
    }

    /// A program gets each channel's bytes, all of them.
    #[test]
    fn program_loses_nothing(
        steps in prop::collection::vec((0usize..3, prop::collection::vec(any::<u8>(), 0..30), 0usize..60), 1..200),
    ) {
        let (mut server, mut vms) = make(&["sosia", "a", "b"], true, 128);
        let (mut out, mut wanted) = (Vec::new(), [const { Vec::new() }; 3]);
        for (vm, bytes, taken) in steps {
            let count = vms[vm].out.write(&bytes);
            wanted[vm].extend_from_slice(&bytes[..count]);
            server.pull();
            out.extend(take(&mut server, taken));
        }
        loop {
            let before = out.len();
            server.pull();
            out.extend(take(&mut server, usize::MAX));
            if out.len() == before {
                break;
            }
        }
        for (channel, wanted) in wanted.iter().enumerate() {
            prop_assert_eq!(&channel_of(&out, channel as u8), wanted);
        }
    }

    /// A VM that writes anything anywhere in its rings: the other's output is whole, and nothing panics.
    #[test]
    fn hostile_rings_harm_nobody_else(
        storm in prop::collection::vec((any::<prop::sample::Index>(), any::<u32>(), any::<u8>()), 1..200),
        program: bool,
    ) {
        let (mut server, mut vms) = make(&["sosia", "evil", "good"], program, 256);
        let mut out = Vec::new();
        if !program {
            out.extend(press(&mut server, b"\x1d2").into_bytes());
        }
        let mut wanted = Vec::new();
        for (index, value, key) in storm {
            let words = vms[1].words;
            words[index.index(words.len())].store(value, std::sync::atomic::Ordering::Relaxed);
            let line = format!("line {value}\n");
            if vms[2].out.room() as usize >= line.len() {
                vms[2].write(&line);
                wanted.extend(line.into_bytes());
            }
            server.pull();
            let _ = (server.bells(), server.sleep(), server.is_drained());
            if server.can_receive(u64::from(key)) && key != 0x1d {
                server.receive(key, u64::from(key));
            }
            out.extend(take(&mut server, 200));
        }
        for _ in 0..50 {
            server.pull();
            out.extend(take(&mut server, 1000));
        }
        if program {
            prop_assert_eq!(channel_of(&out, 2), wanted);
        } else {
            let text = String::from_utf8(out).unwrap();
            let text = text.strip_prefix("[sosia: console of good]\r\n").unwrap_or(&text);
            prop_assert_eq!(text.as_bytes(), &wanted[..]);
        }
    }
}
