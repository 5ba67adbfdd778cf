//! Commands from another VM: lines over a channel in shared memory, with a doorbell each way.
//!
//! The channel is at the start of the first shared region, and this is its side 1; the doorbell of the other VM comes as
//! the first SPI that is for doorbells, ours is number 1. Without a shared region nothing of this is done.
#![allow(unsafe_code, reason = "Shared memory by its address, doorbells by HVC.")]

use core::fmt::{self, Write};
use core::future::poll_fn;
use core::task::{Poll, Waker};

use core::cell::RefCell;
use critical_section::Mutex;
use embassy_time::{Duration, Timer};
use guest_base::mmu::SHARED;
use guest_base::{gic, irq, uart};
use ring::{Channel, Reader, Word, Writer};

use rtos::shell::{self, Command, Line};

use crate::control;

/// INTID of the first incoming doorbell.
pub const BELL: u32 = 80;
/// Our doorbell's number in HVC #1.
const RING: u64 = 1;
/// Our side of the channel.
const SIDE: u64 = 1;
/// Words of the region that are looked at: 4 KiB.
const WORDS: usize = 1024;
/// How often to look for a channel that nobody has made yet.
const RETRY: Duration = Duration::from_millis(100);

static WAKER: Mutex<RefCell<Option<Waker>>> = Mutex::new(RefCell::new(None));

/// The doorbell's interrupt.
pub fn interrupt() {
    critical_section::with(|cs| {
        if let Some(waker) = WAKER.borrow_ref(cs).as_ref() {
            waker.wake_by_ref();
        }
    });
}

/// Answers commands for ever, if there is shared memory.
#[embassy_executor::task]
pub async fn link() {
    // Out of the control loop's way, as `report` is.
    Timer::after(Duration::from_micros(500)).await;
    if irq::probe(SHARED).is_none() {
        return;
    }
    // SAFETY: the region is there, is mapped as normal memory, and is used by atomic accesses only.
    let words: &'static [Word] = unsafe { core::slice::from_raw_parts(SHARED as *const Word, WORDS) };
    let (writer, reader) = loop {
        if let Some(ends) = Channel::open(words).ok().and_then(|channel| channel.side(SIDE)) {
            break ends;
        }
        Timer::after(RETRY).await;
    };
    gic::enable_edge_spi(BELL);
    uart::line(format_args!("RTOS channel in shared memory, {} bytes each way", WORDS * 4));
    Link { writer, reader }.serve().await;
}

struct Link {
    writer: Writer<'static>,
    reader: Reader<'static>,
}

impl Link {
    async fn serve(mut self) {
        let mut line = Line::new();
        loop {
            let byte = self.byte().await;
            let text = match line.push(byte) {
                None => continue,
                Some(Err(why)) => Text::of(format_args!("error: {why}\n")),
                Some(Ok(line)) => answer(line),
            };
            self.send(text.bytes()).await;
        }
    }

    async fn byte(&mut self) -> u8 {
        loop {
            if let Some(byte) = self.reader.pop() {
                if self.reader.must_ring() {
                    ring();
                }
                return byte;
            }
            wait(|| self.reader.sleep()).await;
        }
    }

    async fn send(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let sent = self.writer.write(bytes);
            if self.writer.must_ring() {
                ring();
            }
            bytes = bytes.get(sent..).unwrap_or_default();
            if sent == 0 {
                wait(|| self.writer.sleep()).await;
            }
        }
    }
}

/// Waits for the doorbell, unless there is nothing to wait for.
async fn wait(mut must: impl FnMut() -> bool) {
    let mut first = true;
    poll_fn(|context| {
        critical_section::with(|cs| WAKER.borrow_ref_mut(cs).replace(context.waker().clone()));
        if core::mem::take(&mut first) && must() { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
}

/// Rings the other VM's doorbell.
fn ring() {
    // SAFETY: signals a notification of the hypervisor's, or is refused; SMCCC lets x0 to x17 change.
    unsafe { core::arch::asm!("hvc #1", inout("x0") RING => _, clobber_abi("C"), options(nostack)) };
}

fn answer(line: &str) -> Text {
    match shell::parse(line) {
        Err(why) => Text::of(format_args!("error: {why}\n")),
        Ok(Command::Status) => Text::of(format_args!("{}\n", control::status())),
        Ok(Command::Histogram) => Text::of(format_args!("{}\n", control::status().task.histogram())),
        Ok(Command::Set(setpoint)) => {
            control::set(setpoint);
            Text::of(format_args!("ok: set to {setpoint}\n"))
        }
        Ok(Command::Reset) => {
            control::reset();
            Text::of(format_args!("ok: lateness is counted anew\n"))
        }
        Ok(Command::Help) => Text::of(format_args!("status | histogram | set RPM | reset | help\n")),
    }
}

/// Text of limited length; what does not fit is left out.
pub struct Text {
    bytes: [u8; Self::SIZE],
    used: usize,
}

impl Text {
    const SIZE: usize = 256;

    /// Formats.
    pub fn of(text: fmt::Arguments) -> Self {
        let mut new = Self { bytes: [0; Self::SIZE], used: 0 };
        // The only error is that it is full.
        let _ = new.write_fmt(text);
        new
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            *self.bytes.get_mut(self.used).ok_or(fmt::Error)? = byte;
            self.used += 1;
        }
        Ok(())
    }
}
