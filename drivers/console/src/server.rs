//! The server: channels on one side, one UART on the other.

use crate::channel::Channel;
use crate::keys::{Key, Keys};
use crate::screen::{Screen, View};
use crate::stream::Stream;
use crate::text::Text;
use crate::uart::Source;
use sysdesc::console::MAX_CHANNELS;

/// Seconds for which input without room is held back at a terminal, where nothing else can be typed meanwhile.
const PATIENCE: u64 = 1;
/// The same for a program, which may have more to say than a guest that still boots can take.
const PROGRAM_PATIENCE: u64 = 60;

/// Whom the UART connects with.
enum Side {
    Terminal(Screen, Keys),
    Program(Stream),
}

impl Source for Server<'_, '_> {
    fn chunk(&self) -> &[u8] {
        if !self.text.is_empty() {
            return &[];
        }
        match &self.side {
            Side::Terminal(screen, _) => screen.chunk(self.channels),
            Side::Program(stream) => stream.chunk(self.channels),
        }
    }

    fn sent(&mut self, count: usize) {
        match &mut self.side {
            Side::Terminal(screen, _) => screen.sent(self.channels, count),
            Side::Program(stream) => stream.sent(self.channels, count),
        }
    }

    fn next(&mut self) -> Option<u8> {
        self.send()
    }
}

/// The server's state.
pub struct Server<'a, 'b> {
    channels: &'b mut [Channel<'a>],
    side: Side,
    text: Text,
    /// Input that has no room yet.
    held: Option<(usize, u8)>,
    /// Ticks for which input without room is held back.
    patience: u64,
}

/// Those who have to be told that something changed in their channel.
pub type Bells = [bool; MAX_CHANNELS];

impl<'a, 'b> Server<'a, 'b> {
    /// A server of `channels`. `frequency`: ticks of its clock in a second.
    pub fn new(channels: &'b mut [Channel<'a>], program: bool, frequency: u64) -> Self {
        let mut text = Text::new();
        let side = if program {
            let stream = Stream::default();
            stream.greet(&mut text);
            Side::Program(stream)
        } else {
            Side::Terminal(Screen::new(1.min(channels.len().saturating_sub(1))), Keys::default())
        };
        let patience = frequency.saturating_mul(if program { PROGRAM_PATIENCE } else { PATIENCE });
        Self { channels, side, text, held: None, patience }
    }

    /// Shows channel `focus` at a terminal from the start on, or the lines of all.
    pub fn focus(&mut self, focus: usize, all: bool) {
        if let Side::Terminal(screen, _) = &mut self.side {
            screen.focus = focus.min(self.channels.len().saturating_sub(1));
            screen.view = if all { View::All } else { View::One };
        }
    }

    /// Takes what the channels wrote. Gives whether there was something.
    pub fn pull(&mut self) -> bool {
        let mut any = false;
        for (channel, index) in self.channels.iter_mut().zip(0..) {
            let held = match &self.side {
                Side::Terminal(screen, _) => screen.holds(index),
                Side::Program(_) => true,
            };
            any |= channel.pull(held);
        }
        any
    }

    /// The next byte to send.
    pub fn send(&mut self) -> Option<u8> {
        if let Some(byte) = self.text.pop() {
            return Some(byte);
        }
        match &mut self.side {
            Side::Terminal(screen, _) => screen.next(self.channels, &mut self.text),
            Side::Program(stream) => stream.next(self.channels, &mut self.text),
        }
    }

    /// Whether input can be taken. `now`: ticks.
    pub fn can_receive(&mut self, now: u64) -> bool {
        if let Some((index, byte)) = self.held
            && self.type_in(index, byte, now)
        {
            self.held = None;
        }
        self.held.is_none()
    }

    /// Takes a byte of input; [`Self::can_receive`] was asked.
    pub fn receive(&mut self, byte: u8, now: u64) {
        match &mut self.side {
            Side::Program(stream) => {
                if let Some((index, byte)) = stream.receive(byte) {
                    self.give(index, byte, now);
                }
            }
            Side::Terminal(screen, keys) => match keys.take(byte) {
                Key::Byte(byte) => {
                    let focus = screen.focus;
                    self.give(focus, byte, now);
                }
                key => self.key(key),
            },
        }
    }

    fn key(&mut self, key: Key) {
        let Side::Terminal(screen, _) = &mut self.side else { return };
        let count = self.channels.len().max(1);
        let focus = match key {
            Key::Byte(_) | Key::Nothing => return,
            Key::Help => return screen.help(self.channels, &mut self.text),
            Key::All => return screen.switch(View::All, screen.focus, self.channels, &mut self.text),
            Key::Channel(index) => index,
            Key::Next => (screen.focus + 1) % count,
            Key::Previous => (screen.focus + count - 1) % count,
        };
        screen.switch(View::One, focus, self.channels, &mut self.text);
    }

    fn give(&mut self, index: usize, byte: u8, now: u64) {
        // Nobody reads channel 0.
        if index != 0 && !self.type_in(index, byte, now) {
            self.held = Some((index, byte));
        }
    }

    fn type_in(&mut self, index: usize, byte: u8, now: u64) -> bool {
        self.channels.get_mut(index).is_none_or(|channel| channel.type_in(byte, now, self.patience))
    }

    /// Who has to be told, since the last time.
    pub fn bells(&mut self) -> Bells {
        let mut bells = [false; MAX_CHANNELS];
        for (bell, channel) in bells.iter_mut().zip(self.channels.iter_mut()) {
            *bell = channel.must_ring();
        }
        bells
    }

    /// Sleeps until a channel has output; `false`: one has.
    pub fn sleep(&mut self) -> bool {
        let mut sleeps = true;
        for channel in self.channels.iter_mut() {
            sleeps &= channel.sleep();
        }
        sleeps
    }

    /// Whether the rings are empty: all output is in histories.
    pub fn is_drained(&mut self) -> bool {
        self.channels.iter_mut().all(Channel::is_empty)
    }
}
