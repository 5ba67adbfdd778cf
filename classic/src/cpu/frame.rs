//! The registers that the hardware holds.

/// The registers of a vCPU that the hardware holds while the guest runs.
pub trait Frame {
    /// Xn; 31 is XZR.
    fn x(&self, n: u8) -> u64;
    /// Sets Xn; 31 is XZR.
    fn set_x(&mut self, n: u8, value: u64);
    /// Address of the current instruction.
    fn pc(&self) -> u64;
    /// Sets where the guest goes on.
    fn set_pc(&mut self, value: u64);
    /// PSTATE as in SPSR; the mode is EL0t.
    fn pstate(&self) -> u64;
    /// Sets PSTATE.
    fn set_pstate(&mut self, value: u64);
    /// The current stack pointer: hardware SP_EL0.
    fn sp(&self) -> u64;
    /// Sets the current stack pointer.
    fn set_sp(&mut self, value: u64);
    /// Steps over the current instruction.
    #[inline]
    fn skip(&mut self) {
        self.set_pc(self.pc().wrapping_add(4));
    }
}

/// The registers in plain memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plain {
    /// X0–X30.
    pub x: [u64; 31],
    /// PC.
    pub pc: u64,
    /// PSTATE.
    pub pstate: u64,
    /// The current stack pointer.
    pub sp: u64,
}

impl Frame for Plain {
    fn x(&self, n: u8) -> u64 {
        self.x.get(usize::from(n)).copied().unwrap_or(0)
    }
    fn set_x(&mut self, n: u8, value: u64) {
        if let Some(place) = self.x.get_mut(usize::from(n)) {
            *place = value;
        }
    }
    fn pc(&self) -> u64 {
        self.pc
    }
    fn set_pc(&mut self, value: u64) {
        self.pc = value;
    }
    fn pstate(&self) -> u64 {
        self.pstate
    }
    fn set_pstate(&mut self, value: u64) {
        self.pstate = value;
    }
    fn sp(&self) -> u64 {
        self.sp
    }
    fn set_sp(&mut self, value: u64) {
        self.sp = value;
    }
}
