//! The registers that the hardware holds while the guest runs, in the page shared with the kernel.

use super::super::page::Page;
use super::super::plan::Registers;
use classic::cpu::Frame;

/// Registers of the guest whose exit is being handled.
pub struct Live(pub Page);

impl Frame for Live {
    #[inline]
    fn x(&self, n: u8) -> u64 {
        self.0.x(usize::from(n))
    }

    #[inline]
    fn set_x(&mut self, n: u8, value: u64) {
        self.0.set_x(usize::from(n), value);
    }

    #[inline]
    fn pc(&self) -> u64 {
        self.0.elr()
    }

    #[inline]
    fn set_pc(&mut self, value: u64) {
        self.0.set_elr(value);
    }

    #[inline]
    fn pstate(&self) -> u64 {
        self.0.spsr()
    }

    #[inline]
    fn set_pstate(&mut self, value: u64) {
        self.0.set_spsr(value);
    }

    #[inline]
    fn sp(&self) -> u64 {
        self.0.sp()
    }

    #[inline]
    fn set_sp(&mut self, value: u64) {
        self.0.set_sp(value);
    }
}

impl Registers for Live {
    fn x(&self, n: u8) -> u64 {
        self.0.x(usize::from(n))
    }

    fn sp(&self) -> u64 {
        self.0.sp()
    }

    fn pc(&self) -> u64 {
        self.0.elr()
    }
}
