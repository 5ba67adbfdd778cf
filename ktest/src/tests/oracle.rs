//! The oracle: a random walk of calls on capabilities, frames and translations. After each call the kernel's answer and
//! all that it tells of its state are what the model says.

use crate::env::{self, FREE, ORACLE_PAGES, SELF, accounts, frame, status};
use crate::model::{FRAMES, Model, OBJECTS, SLOTS};
use crate::outcome::Outcome;
use crate::rng::Rng;
use crate::{check, run, tests};
use abi::PAGE_SIZE;
use abi::cap::{Kind, rights};
use abi::syscall::Status;
use rt::sys::{self, create};

tests! {
    1 random_walk_agrees_with_the_model;
}

const STEPS: u64 = 2000;
/// Slots that the model follows; capabilities to each frame and to each other object, to ask about them.
const WALK: u64 = FREE + 32;
const FRAME_HOME: u64 = FREE + 64;
const OTHER_HOME: u64 = FREE + 96;

/// Pages that are mapped: at two ends of a 2 MiB region, and in another GiB.
const PLACES: [u64; 3] = [0x4000_0000, 0x401f_c000, 0x8000_0000];
const PAGES: u64 = 8;

struct Walk {
    model: Model,
    rng: Rng,
    before: env::Accounts,
    /// Nobody else makes calls: the kernel's accounts are the model's, too. Otherwise frames are not split, as that
    /// is for good.
    alone: bool,
}

/// The walk beside hostile domains: what is this domain's own stays as the model says, whatever they call.
pub struct Watch(Walk);

impl Watch {
    /// Begins a walk with this seed. What it makes is destroyed by [`env::clean_up`].
    pub fn begin(seed: u64) -> Outcome<Self> {
        Walk::begin(seed, false).map(Self)
    }

    /// Takes some steps.
    pub fn steps(&mut self, steps: u64) -> Outcome {
        (0..steps).try_for_each(|step| self.0.step_and_agree(step))
    }
}

impl Walk {
    fn begin(seed: u64, alone: bool) -> Outcome<Self> {
        let info = sys::frame_info(frame::ORACLE)?;
        let model = Model::new(info.physical, info.pages);
        let walk = Self { model, rng: Rng::new(seed), before: accounts(), alone };
        sys::copy(SELF, WALK, frame::ORACLE, rights::ALL, 0)?;
        sys::copy(SELF, FRAME_HOME, frame::ORACLE, rights::ALL, 0)?;
        Ok(walk)
    }

    fn step_and_agree(&mut self, step: u64) -> Outcome {
        let (name, got, expected) = self.step();
        check!(got == expected, "step {step}, {name}: {got:?}, model {expected:?}");
        if let Err(failure) = self.agree() {
            check!(false, "step {step}, {name}: {}", failure.text());
        }
        Ok(())
    }

    fn slot(&mut self) -> usize {
        self.rng.below(SLOTS as u64) as usize
    }

    /// A slot of this kind, mostly.
    fn slot_of(&mut self, kinds: &[Kind]) -> usize {
        let start = self.slot();
        let found =
            (start..SLOTS).chain(0..start).find(|n| self.model.slots[*n].is_some_and(|c| kinds.contains(&c.kind)));
        found.filter(|_| self.rng.below(16) != 0).unwrap_or(start)
    }

    fn address(&mut self) -> u64 {
        PLACES[self.rng.below(3) as usize] + self.rng.below(PAGES) * PAGE_SIZE
    }

    fn rights(&mut self) -> u64 {
        if self.rng.below(4) != 0 { rights::ALL } else { self.rng.below(16) }
    }

    /// One call to both: (name, the kernel's answer, the model's).
    fn step(&mut self) -> (&'static str, Status, Status) {
        const TRANSLATIONS: &[Kind] = &[Kind::Domain, Kind::Space];
        let at = |slot: usize| WALK + slot as u64;
        match self.rng.below(32) {
            0..=4 => {
                let (to, from, rights) =
                    (self.slot(), self.slot_of(&[Kind::Frame, Kind::Space, Kind::Domain]), self.rights());
                let badge = [0, 0, 5, 1 << 20][self.rng.below(4) as usize];
                let got = status(sys::copy(SELF, at(to), at(from), rights, badge));
                ("COPY", got, status(self.model.copy(to, from, rights, badge)))
            }
            5 => {
                let slot = self.slot();
                ("DELETE", status(sys::delete(at(slot))), status(self.model.delete(slot)))
            }
            6..=8 => self.create(),
            9 => self.destroy(),
            10 | 11 if self.alone => self.split(),
            12..=21 => {
                let (f, t) = (self.slot_of(&[Kind::Frame]), self.slot_of(TRANSLATIONS));
                let (address, first, pages) = (self.address(), self.rng.below(4), self.rng.below(7));
                let wanted = [1, 3, 5, 7, 1, 3, 2, 9][self.rng.below(8) as usize];
                let got = status(sys::map(at(f), at(t), address, first, pages, wanted));
                ("MAP", got, status(self.model.map(f, t, address, first, pages, wanted)))
            }
            22..=24 => {
                let (f, t, address) = (self.slot_of(&[Kind::Frame]), self.slot_of(TRANSLATIONS), self.address());
                let got = status(sys::unmap(at(f), at(t), address));
                ("UNMAP", got, status(self.model.unmap(f, t, address)))
            }
            25 => {
                let f = self.slot_of(&[Kind::Frame]);
                ("REVOKE", status(sys::revoke(at(f))), status(self.model.revoke(f)))
            }
            26 | 27 => {
                let (f, d) = (self.slot_of(&[Kind::Frame]), self.slot_of(&[Kind::Domain]));
                ("DONATE", status(sys::donate(at(f), at(d))), status(self.model.donate(f, d)))
            }
            _ => self.refill(),
        }
    }

    fn create(&mut self) -> (&'static str, Status, Status) {
        let slot = self.slot();
        let at = WALK + slot as u64;
        let full = self.model.others.iter().all(Option::is_some);
        if full {
            return self.destroy();
        }
        let (kind, got) = match self.rng.below(3) {
            0 => (Kind::Domain, create::domain(at)),
            1 => (Kind::Space, create::space(at)),
            _ => (Kind::Notification, create::notification(at)),
        };
        let expected = self.model.create(slot, kind);
        if let Ok(n) = expected {
            // A capability to ask about the object, whatever happens to the slot.
            let _ = sys::copy(SELF, OTHER_HOME + n as u64, at, rights::ALL, 0);
        }
        ("CREATE", status(got), status(expected))
    }

    fn destroy(&mut self) -> (&'static str, Status, Status) {
        let slot = self.slot_of(&[Kind::Domain, Kind::Space, Kind::Notification]);
        let (got, expected) = (status(sys::destroy(WALK + slot as u64)), status(self.model.destroy(slot)));
        // `sys::destroy` takes an empty slot for success once it had to help with another domain's destruction.
        let helped = !self.alone && got == Status::Ok && expected == Status::BadCap;
        ("DESTROY", if helped { expected } else { got }, expected)
    }

    fn split(&mut self) -> (&'static str, Status, Status) {
        let (slot, keep) = (self.slot_of(&[Kind::Frame]), self.rng.below(20));
        let Some(home) = self.model.frames.iter().position(Option::is_none) else {
            return self.destroy();
        };
        let got = status(sys::frame_split(WALK + slot as u64, keep, FRAME_HOME + home as u64));
        ("FRAME_SPLIT", got, status(self.model.split(slot, keep)))
    }

    /// Puts a capability that the walk may have lost back into a slot.
    fn refill(&mut self) -> (&'static str, Status, Status) {
        let slot = self.slot();
        let n = self.rng.below(self.model.frames.iter().flatten().count() as u64) as usize;
        if self.model.frames[n].is_none() || self.model.slots[slot].is_some() {
            return ("nothing", Status::Ok, Status::Ok);
        }
        let got = status(sys::copy(SELF, WALK + slot as u64, FRAME_HOME + n as u64, rights::ALL, 0));
        self.model.slots[slot] = Some(crate::model::Cap {
            object: crate::model::Object::Frame(n),
            kind: Kind::Frame,
            rights: rights::ALL,
            badge: 0,
        });
        ("COPY", got, Status::Ok)
    }

    /// Compares all that the kernel tells.
    fn agree(&self) -> Outcome {
        for (n, cap) in self.model.slots.iter().enumerate() {
            let expected = cap.map(|c| (c.kind as u64, c.rights, c.badge)).ok_or(Status::BadCap);
            let got = sys::cap_info(WALK + n as u64);
            check!(got == expected, "slot {n}: {got:x?}, model {expected:x?}");
        }
        for (n, frame) in self.model.frames.iter().enumerate().filter_map(|(n, f)| f.map(|f| (n, f))) {
            let got = sys::frame_info(FRAME_HOME + n as u64)?;
            let got = (got.physical, got.pages, got.state, got.attachments);
            let expected = (frame.physical, frame.pages, self.model.state(n), self.model.attachments_of(n));
            check!(got == expected, "frame {n}: {got:x?}, model {expected:x?}");
        }
        for n in (0..OBJECTS).filter(|n| matches!(self.model.others[*n], Some(Kind::Domain | Kind::Space))) {
            self.translations_agree(n)?;
        }
        if !self.alone {
            return Ok(());
        }
        let (got, expected) = (accounts(), self.model.accounts(self.before));
        check!(got == expected, "{got:?}, model {expected:?}");
        Ok(())
    }

    fn translations_agree(&self, n: usize) -> Outcome {
        let home = OTHER_HOME + n as u64;
        for place in PLACES {
            for page in 0..2 * PAGES {
                let address = place + page * PAGE_SIZE;
                let got = sys::translate(home, address).ok();
                let expected = self.model.translate(n, address);
                check!(got == expected, "object {n}, {address:#x}: {got:x?}, model {expected:x?}");
            }
        }
        if self.model.others[n] == Some(Kind::Domain) {
            let info = sys::domain_info(home)?;
            let expected = self.model.pool(n);
            check!((info.pool, info.free) == expected, "pool {n}: {info:?}, model {expected:?}");
        }
        Ok(())
    }
}

fn random_walk_agrees_with_the_model() -> Outcome {
    let info = sys::frame_info(frame::ORACLE)?;
    check!(info.pages == ORACLE_PAGES, "frame {info:?}");
    let mut walk = Walk::begin(8, true)?;
    for step in 0..STEPS {
        let outcome = walk.step_and_agree(step);
        run::leaves(walk.model.frames.iter().flatten().count() as u64 - 1);
        outcome?;
    }
    // Nothing may stay attached: the frames that were split off keep no capability.
    for n in 0..FRAMES as u64 {
        let _ = sys::revoke(FRAME_HOME + n);
    }
    Ok(())
}
