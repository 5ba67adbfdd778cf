//! VMIDs: 8 bits, which every core has, without generations: a machine with 256 Spaces gets no more of them.

/// VMIDs in use. VMID 0 is the kernel's own and never given out.
#[derive(Clone, Debug)]
pub struct VmidBitmap([u64; 4]);

#[allow(clippy::new_without_default, reason = "const")]
impl VmidBitmap {
    /// All free.
    #[must_use]
    pub const fn new() -> Self {
        Self([1, 0, 0, 0])
    }

    /// A free VMID, 1..=255; None if there is none.
    pub fn alloc(&mut self) -> Option<u16> {
        let (n, word) = self.0.iter_mut().enumerate().find(|(_, word)| **word != u64::MAX)?;
        let bit = word.trailing_ones();
        *word |= 1u64.checked_shl(bit)?;
        Some(n as u16 * 64 + bit as u16)
    }

    /// Gives a VMID back, after TLBI VMALLS12E1IS for it.
    pub fn free(&mut self, vmid: u16) {
        if let Some(word) = self.0.get_mut(usize::from(vmid / 64)).filter(|_| vmid != 0) {
            *word &= !(1 << (vmid % 64));
        }
    }
}
