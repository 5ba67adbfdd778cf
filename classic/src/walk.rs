//! A walk of a guest's own stage-1 tables (Arm ARM D8.2–D8.4, VMSAv8-64, EL1&0 regime).
//!
//! 4, 16 and 64 KiB granules, both halves, blocks, hierarchical attributes; no hardware management of the access flag, no
//! PAN, no LPA2 and no LVA, as the guest's ID registers say. Addresses that come out have at most 48 bits.
//!
//! ```text
//!   VA ── half by bit 55 ── TTBRn ──▶ table ──▶ table ──▶ … ──▶ block or page: IPA, rights of EL1 and of EL0
//!                                      └─ APTable, XNTable: taken along ─┘
//! ```

use core::ops::BitOr;

/// `SCTLR_EL1.M`: translation is on.
pub const SCTLR_M: u64 = 1;
/// `SCTLR_EL1.WXN`: what is writable is not executable.
pub const SCTLR_WXN: u64 = 1 << 19;
/// `TCR_EL1.A1`: the ASID is `TTBR1_EL1`'s.
const TCR_A1: u64 = 1 << 22;
/// `TCR_EL1.AS`: ASIDs have 16 bits.
const TCR_AS: u64 = 1 << 36;

/// Bits of the largest address, virtual (each half) or of output.
pub const ADDRESS_BITS: u32 = 48;
const LAST_LEVEL: u8 = 3;
/// The VA bit that selects the half.
const HALF_BIT: u32 = 55;
/// Most tables that a walk reads.
pub const MAX_TABLES: usize = 4;

/// The registers that make up a translation regime.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regime {
    /// `SCTLR_EL1`.
    pub sctlr: u64,
    /// `TCR_EL1`.
    pub tcr: u64,
    /// `TTBR0_EL1`.
    pub ttbr0: u64,
    /// `TTBR1_EL1`.
    pub ttbr1: u64,
}

impl Regime {
    /// The current ASID.
    #[inline]
    pub const fn asid(&self) -> u16 {
        let ttbr = if self.tcr & TCR_A1 == 0 { self.ttbr0 } else { self.ttbr1 };
        (ttbr >> 48) as u16 & asid_mask(self.tcr)
    }
}

/// The bits that an ASID has under a `TCR_EL1`.
#[inline]
pub const fn asid_mask(tcr: u64) -> u16 {
    if tcr & TCR_AS == 0 { 0xff } else { 0xffff }
}

/// Who accesses: the exception level that the guest believes to be at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum El {
    /// EL0, the guest's user.
    User,
    /// EL1, the guest's kernel.
    Kernel,
}

/// How.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load.
    Read,
    /// Store, also the store of an atomic.
    Write,
    /// Instruction fetch.
    Execute,
}

/// A set of ways to access.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// Loads.
    pub const READ: Self = Self(1);
    /// Stores.
    pub const WRITE: Self = Self(2);
    /// Instruction fetches.
    pub const EXEC: Self = Self(4);
    /// All.
    pub const ALL: Self = Self(7);

    /// As a number: 1 read, 2 write, 4 execute.
    #[inline]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Of a number; other bits are ignored.
    #[inline]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }

    /// Whether an access is among them.
    #[inline]
    pub const fn allow(self, access: Access) -> bool {
        let needed = match access {
            Access::Read => Self::READ,
            Access::Write => Self::WRITE,
            Access::Execute => Self::EXEC,
        };
        self.0 & needed.0 != 0
    }

    /// Whether stores are among them.
    #[inline]
    pub const fn writable(self) -> bool {
        self.0 & Self::WRITE.0 != 0
    }

    /// These without those.
    #[inline]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }
}

impl BitOr for Rights {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Why there is no translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// An address is larger than `TCR_EL1.IPS` allows.
    AddressSize,
    /// Not mapped.
    Translation,
    /// The access flag is clear.
    AccessFlag,
    /// Mapped without the right.
    Permission,
    /// A table is where no memory is: synchronous external abort on the walk.
    External,
}

/// A fault of the guest's own tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub reason: Reason,
    /// Level of the walk, 0..=3.
    pub level: u8,
}

impl Fault {
    const fn new(reason: Reason, level: u8) -> Self {
        Self { reason, level }
    }

    /// The fault status code, DFSC or IFSC (ESR_ELx, ISS encoding for aborts).
    pub const fn fsc(self) -> u8 {
        let kind = match self.reason {
            Reason::AddressSize => 0b00_0000,
            Reason::Translation => 0b00_0100,
            Reason::AccessFlag => 0b00_1000,
            Reason::Permission => 0b00_1100,
            Reason::External => 0b01_0100,
        };
        kind | self.level & 3
    }
}

/// What a walk ends at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The address that the VA translates to.
    pub ipa: u64,
    /// log2 of what the descriptor maps.
    pub bits: u8,
    /// Its level; 0 with translation off.
    pub level: u8,
    /// What EL1 may do.
    pub kernel: Rights,
    /// What EL0 may do.
    pub user: Rights,
    /// Valid for all ASIDs.
    pub global: bool,
}

impl Leaf {
    /// The rights of an exception level.
    #[inline]
    pub const fn rights(&self, el: El) -> Rights {
        match el {
            El::User => self.user,
            El::Kernel => self.kernel,
        }
    }

    /// Whether an access is allowed.
    #[inline]
    pub const fn check(&self, el: El, access: Access) -> Result<(), Fault> {
        if self.rights(el).allow(access) { Ok(()) } else { Err(Fault::new(Reason::Permission, self.level)) }
    }
}

/// What a descriptor inherits from the tables above it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inherited(u8);

impl Inherited {
    const NO_USER: u8 = 1;
    const READ_ONLY: u8 = 2;
    const USER_NO_EXEC: u8 = 4;
    const KERNEL_NO_EXEC: u8 = 8;

    /// With what a table descriptor adds: bits 61 and 62 APTable, 60 UXNTable, 59 PXNTable (D8.3.1.1).
    const fn with(self, descriptor: u64) -> Self {
        let user = (descriptor >> 61 & 1) as u8 * Self::NO_USER;
        let write = (descriptor >> 62 & 1) as u8 * Self::READ_ONLY;
        let uxn = (descriptor >> 60 & 1) as u8 * Self::USER_NO_EXEC;
        let pxn = (descriptor >> 59 & 1) as u8 * Self::KERNEL_NO_EXEC;
        Self(self.0 | user | write | uxn | pxn)
    }

    const fn has(self, flag: u8) -> bool {
        self.0 & flag != 0
    }
}

/// A table that a walk reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Address of the table.
    pub table: u64,
    /// Level, 0..=3.
    pub level: u8,
    /// log2 of what one of its descriptors maps.
    pub shift: u8,
    /// log2 of what the whole table maps.
    pub top: u8,
    /// What comes from above.
    pub inherited: Inherited,
}

/// A descriptor, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Descriptor {
    /// The next table.
    Table(u64, Inherited),
    /// Block or page.
    Leaf(Leaf),
    /// Fault.
    Fault(Fault),
}

/// One half of a regime as one exception level sees it: everything that a walk depends on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Half {
    table: u64,
    bits: u8,
    granule: u8,
    output: u8,
    flags: u8,
}

impl Half {
    const ON: u8 = 1;
    const UPPER: u8 = 2;
    const DISABLED: u8 = 4;
    const FLAT: u8 = 8;
    const WXN: u8 = 16;
    const TBI: u8 = 32;

    /// None.
    pub const NONE: Self = Self { table: 0, bits: 0, granule: 0, output: 0, flags: 0 };

    /// The half of a regime that `upper` says, for `el`.
    pub const fn of(regime: &Regime, upper: bool, el: El) -> Self {
        let half = if upper { Self::UPPER } else { 0 };
        let tcr = regime.tcr;
        let tbi = if tcr >> (37 + upper as u32) & 1 != 0 { Self::TBI } else { 0 };
        if regime.sctlr & SCTLR_M == 0 {
            return Self { table: 0, bits: 0, granule: 12, output: ADDRESS_BITS as u8, flags: half | tbi };
        }
        // TG0 and TG1 count differently.
        let (ttbr, fields, granule) = if upper {
            (regime.ttbr1, tcr >> 16, granule(tcr >> 30, 3, 1))
        } else {
            (regime.ttbr0, tcr, granule(tcr >> 14, 1, 2))
        };
        let size = (fields & 63) as u32;
        let largest = if granule == 16 { 47 } else { 48 };
        let valid = size >= 64 - ADDRESS_BITS && size <= largest;
        let epd = fields >> 7 & 1 != 0;
        let e0pd = matches!(el, El::User) && tcr >> (55 + upper as u32) & 1 != 0;
        let mut flags = half | tbi | Self::ON;
        if !valid || epd || e0pd {
            flags |= Self::DISABLED;
        }
        if tcr >> (41 + upper as u32) & 1 != 0 {
            flags |= Self::FLAT;
        }
        if regime.sctlr & SCTLR_WXN != 0 {
            flags |= Self::WXN;
        }
        let output = match tcr >> 32 & 7 {
            0 => 32,
            1 => 36,
            2 => 40,
            3 => 42,
            4 => 44,
            _ => ADDRESS_BITS as u8,
        };
        let bits = if valid { 64 - size } else { ADDRESS_BITS };
        Self { table: ttbr & mask(ADDRESS_BITS) & !1, bits: bits as u8, granule, output, flags }
    }

    /// Whether it is the half of a VA.
    #[inline]
    pub const fn is_upper(va: u64) -> bool {
        va >> HALF_BIT & 1 != 0
    }

    /// Whether translation is on.
    #[inline]
    pub const fn is_on(&self) -> bool {
        self.has(Self::ON)
    }

    /// log2 of the granule.
    #[inline]
    pub const fn granule(&self) -> u8 {
        self.granule
    }

    /// The address in TTBRn.
    #[inline]
    pub const fn table(&self) -> u64 {
        self.table
    }

    const fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// Whether a VA is in the range that is translated (D8.2.9 for the tag).
    const fn contains(&self, va: u64) -> bool {
        let high = if self.has(Self::TBI) { va << 8 >> 8 } else { va };
        let all = if self.has(Self::TBI) { u64::MAX >> 8 } else { u64::MAX };
        if self.has(Self::UPPER) { high | mask(self.bits as u32) == all } else { high & !mask(self.bits as u32) == 0 }
    }

    /// With translation off: the VA is the address (D8.2.10).
    const fn flat(&self, va: u64) -> Result<Leaf, Fault> {
        let address = if self.has(Self::TBI) { va & (u64::MAX >> 8) } else { va };
        if address >> ADDRESS_BITS != 0 {
            return Err(Fault::new(Reason::AddressSize, 0));
        }
        Ok(Leaf { ipa: address, bits: 30, level: 0, kernel: Rights::ALL, user: Rights::ALL, global: true })
    }

    /// The first table.
    #[inline]
    pub fn first(&self) -> Step {
        let stride = self.granule - 3;
        let below = (self.bits - self.granule).div_ceil(stride) - 1;
        let shift = self.granule + stride * below;
        // The table is aligned to its size (TTBRn_EL1.BADDR).
        let size = u32::from(self.bits - shift) + 3;
        let table = self.table & !mask(size);
        Step { table, level: LAST_LEVEL - below, shift, top: self.bits, inherited: Inherited::default() }
    }

    /// Translates a VA; `read` gives a doubleword of guest memory, `visit` is told each table before it is read.
    #[inline]
    pub fn walk(&self, va: u64, read: impl Fn(u64) -> Option<u64>, mut visit: impl FnMut(Step)) -> Result<Leaf, Fault> {
        if !self.is_on() {
            return self.flat(va);
        }
        if self.has(Self::DISABLED) || !self.contains(va) {
            return Err(Fault::new(Reason::Translation, 0));
        }
        if self.table >> self.output != 0 {
            return Err(Fault::new(Reason::AddressSize, 0));
        }
        let mut step = self.first();
        loop {
            visit(step);
            let descriptor = read(step.slot_of(va)).ok_or(Fault::new(Reason::External, step.level))?;
            match self.descriptor(descriptor, step) {
                Descriptor::Table(table, inherited) => step = self.next(step, table, inherited),
                Descriptor::Leaf(leaf) => return Ok(Leaf { ipa: leaf.ipa | va & mask(leaf.bits.into()), ..leaf }),
                Descriptor::Fault(fault) => return Err(fault),
            }
        }
    }

    /// The table below.
    #[inline]
    fn next(&self, step: Step, table: u64, inherited: Inherited) -> Step {
        let level = step.level + 1;
        Step { table, level, shift: step.shift - (self.granule - 3), top: step.shift, inherited }
    }

    /// What a descriptor of the table says; a leaf's address is that of its first byte.
    #[inline]
    pub fn descriptor(&self, descriptor: u64, step: Step) -> Descriptor {
        let Step { level, shift, .. } = step;
        let fault = |reason| Descriptor::Fault(Fault::new(reason, level));
        // Blocks: levels 1 and 2 with 4 KiB, 2 otherwise (D8.3.1.2).
        let leaf = match descriptor & 3 {
            3 => level == LAST_LEVEL,
            1 if level == 2 || level == 1 && self.granule == 12 => true,
            _ => return fault(Reason::Translation),
        };
        let address = descriptor & mask(ADDRESS_BITS) & !mask(if leaf { shift } else { self.granule }.into());
        if address >> self.output != 0 {
            return fault(Reason::AddressSize);
        }
        if !leaf {
            let inherited = if self.has(Self::FLAT) { step.inherited } else { step.inherited.with(descriptor) };
            return Descriptor::Table(address, inherited);
        }
        if descriptor >> 10 & 1 == 0 {
            return fault(Reason::AccessFlag);
        }
        let (kernel, user) = self.rights(descriptor, step.inherited);
        Descriptor::Leaf(Leaf { ipa: address, bits: shift, level, kernel, user, global: descriptor >> 11 & 1 == 0 })
    }

    /// Rights of EL1 and EL0 (D8.4.1, without PAN): AP[1] bit 6, AP[2] bit 7, PXN 53, UXN 54.
    fn rights(&self, descriptor: u64, inherited: Inherited) -> (Rights, Rights) {
        let user = descriptor >> 6 & 1 != 0 && !inherited.has(Inherited::NO_USER);
        let write = descriptor >> 7 & 1 == 0 && !inherited.has(Inherited::READ_ONLY);
        let uxn = descriptor >> 54 & 1 != 0 || inherited.has(Inherited::USER_NO_EXEC);
        let pxn = descriptor >> 53 & 1 != 0 || inherited.has(Inherited::KERNEL_NO_EXEC);
        let wxn = self.has(Self::WXN);
        let user_write = user && write;
        // What EL0 can write, EL1 never executes.
        let kernel_exec = !(pxn || user_write || wxn && write);
        let user_exec = !(uxn || wxn && user_write);
        let kernel = Rights::READ | Rights::WRITE.when(write) | Rights::EXEC.when(kernel_exec);
        let user = Rights::READ.when(user) | Rights::WRITE.when(user_write) | Rights::EXEC.when(user_exec);
        (kernel, user)
    }
}

impl Step {
    /// No table.
    pub const NONE: Self = Self { table: 0, level: 0, shift: 0, top: 0, inherited: Inherited(0) };

    /// The address of a VA's descriptor.
    #[inline]
    pub const fn slot_of(&self, va: u64) -> u64 {
        self.table.wrapping_add((va & mask(self.top as u32)) >> self.shift << 3)
    }

    /// Bytes of the table.
    #[inline]
    pub const fn bytes(&self) -> u64 {
        8 << (self.top - self.shift)
    }
}

/// log2 of the granule of a TG field, by its values for 64 and 16 KiB; reserved values are taken for 4 KiB, which is one of
/// the choices (TCR_EL1).
const fn granule(field: u64, large: u64, medium: u64) -> u8 {
    match field & 3 {
        tg if tg == large => 16,
        tg if tg == medium => 14,
        _ => 12,
    }
}

/// Translates a VA for an access of `el`: the address, or the architecture's fault.
pub fn translate(
    regime: &Regime,
    el: El,
    va: u64,
    access: Access,
    read: impl Fn(u64) -> Option<u64>,
) -> Result<Leaf, Fault> {
    let leaf = Half::of(regime, Half::is_upper(va), el).walk(va, read, |_| {})?;
    leaf.check(el, access)?;
    Ok(leaf)
}

/// The low `bits` (below 64).
#[inline]
pub const fn mask(bits: u32) -> u64 {
    !(u64::MAX << (bits & 63))
}
