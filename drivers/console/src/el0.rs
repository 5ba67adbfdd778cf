//! The server's loop, and the memory that root has mapped for it.
#![allow(unsafe_code, reason = "device registers, mapped memory")]

use abi::PAGE_SIZE;
use abi::syscall::Status;
use console_server::channel::Channel;
use console_server::history::History;
use console_server::server::Server;
use console_server::uart::{Registers, Uart};
use core::arch::asm;
use ring::{Word, words_for};
use rt::sys;
use sysdesc::console::{ConsoleInfo, HISTORIES, HISTORY, INFO, MAX_CHANNELS, RING_PAGES, RINGS, UART, signal, slot};
use sysdesc::{SYSTEM_MAGIC, exit, worker};

/// After output has come, the rings are looked at so often, in parts of a second, instead of being told of each byte.
const LOOKS: u64 = 500;
/// Looks without anything new after which the server sleeps until it is told.
const IDLE_LOOKS: u32 = 10;
/// Bytes of input taken before output has its turn again.
const INPUT_TURN: usize = 64;

/// Ctrl-^: with the feature `crash-test` the server faults when it is typed.
#[cfg(feature = "crash-test")]
const CRASH: u8 = 0x1e;

/// The physical UART's registers.
struct Mmio;

impl Registers for Mmio {
    fn read(&mut self, offset: u64) -> u32 {
        // SAFETY: root maps the PL011's page there, for good; `offset` is a register's (`uart.rs`).
        unsafe { ((UART + offset) as *const u32).read_volatile() }
    }
    fn write(&mut self, offset: u64, value: u32) {
        // SAFETY: as above.
        unsafe { ((UART + offset) as *mut u32).write_volatile(value) }
    }
}

/// Memory of channels that there are not.
static NOWHERE: [Word; words_for(4)] = [const { Word::new(0) }; words_for(4)];

/// First code of the domain.
pub fn main(_: u64) -> ! {
    // SAFETY: root maps the page before the server starts, read-only and for good.
    let info = unsafe { &*(INFO as *const ConsoleInfo) };
    let count = (info.channels as usize).min(MAX_CHANNELS);
    let mut channels = core::array::from_fn::<_, MAX_CHANNELS, _>(|index| channel(info, index, index < count));
    match channels.get_mut(..count) {
        Some(channels) if info.magic == SYSTEM_MAGIC => serve(channels, info),
        _ => sys::exit(exit::ERROR),
    }
}

/// Channel `index`, in the memory that root has mapped for it, if it `exists`.
fn channel(info: &'static ConsoleInfo, index: usize, exists: bool) -> Channel<'static> {
    const WORDS: usize = (RING_PAGES * PAGE_SIZE / 4) as usize;
    let (words, history): (&[Word], &mut [u8]) = if exists {
        let rings = RINGS + index as u64 * RING_PAGES * PAGE_SIZE;
        let history = HISTORIES + index as u64 * HISTORY;
        // SAFETY: root maps that many pages for each channel that exists, for good; all who have the rings use them as
        // atomic words, and nobody else has the history, of which each channel has its own part.
        unsafe {
            (
                core::slice::from_raw_parts(rings as *const Word, WORDS),
                core::slice::from_raw_parts_mut(history as *mut u8, HISTORY as usize),
            )
        }
    } else {
        (&NOWHERE, &mut [])
    };
    let name = info.names.get(index).map_or(&[] as &[u8], |name| name.as_slice());
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    let name = core::str::from_utf8(name.get(..end).unwrap_or_default()).unwrap_or("?");
    match ring::Channel::known(words).and_then(|channel| channel.side(1)) {
        Some((input, output)) => Channel::new(name, History::new(history), output, input),
        None => sys::exit(exit::ERROR),
    }
}

fn serve(channels: &mut [Channel<'static>], info: &ConsoleInfo) -> ! {
    let mut server = Server::new(channels, info.mux != 0, info.cntfrq);
    let mut uart = Uart::new(Mmio);
    let (mut bits, mut idle) = (signal::UART, 0);
    let mut draining = false;
    loop {
        draining |= bits & signal::DRAIN != 0;
        uart.clear();
        let mut busy = take_input(&mut server, &mut uart);
        busy |= server.pull();
        let stuck = uart.send_from(&mut server);
        let input = server.can_receive(now());
        uart.enable(input, stuck);
        if bits & signal::UART != 0 {
            let _ = sys::irq_ack(slot::UART_IRQ);
        }
        tell(&mut server);
        if draining && !stuck && !busy && server.is_drained() && uart.is_idle() {
            draining = false;
            let _ = sys::signal(slot::DRAINED, signal::DRAIN);
        }
        idle = if busy { 0 } else { idle + 1 };
        bits = wait(&mut server, info, idle, input && !draining);
    }
}

/// Takes what was typed. Gives whether there was something.
fn take_input(server: &mut Server, uart: &mut Uart<Mmio>) -> bool {
    for taken in 0..INPUT_TURN {
        let now = now();
        if !server.can_receive(now) {
            return taken != 0;
        }
        let Some(byte) = uart.receive() else { return taken != 0 };
        #[cfg(feature = "crash-test")]
        if byte == CRASH {
            // SAFETY: it ends the domain.
            unsafe { asm!("udf #0") };
        }
        server.receive(byte, now);
    }
    true
}

/// Signals those whose channel has changed.
fn tell(server: &mut Server) {
    for (bell, index) in server.bells().into_iter().zip(0..) {
        if bell {
            // Nobody may have the channel now: whoever gets it looks.
            let _ = sys::signal(slot::OWNERS + index, worker::CONSOLE);
        }
    }
}

/// Waits for something to do: until the next look, or if there was nothing for some looks until it is told.
fn wait(server: &mut Server, info: &ConsoleInfo, idle: u32, may_sleep: bool) -> u64 {
    let deadline = if may_sleep && idle > IDLE_LOOKS {
        if !server.sleep() {
            return 0;
        }
        u64::MAX
    } else if idle == 0 {
        // More may be there already.
        0
    } else {
        now().saturating_add(info.cntfrq / LOOKS)
    };
    match sys::wait(slot::EVENTS, deadline) {
        Ok(bits) => bits,
        Err(Status::Timeout) => 0,
        // Root has forgotten the notification.
        Err(_) => sys::exit(exit::ERROR),
    }
}

/// CNTPCT.
fn now() -> u64 {
    let ticks;
    // SAFETY: reads the counter; the barrier keeps the read in program order (Arm ARM D12.1.2).
    unsafe { asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
}
