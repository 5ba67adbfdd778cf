//! What the device tree says of the machine.

use kcore::dt::Fdt;

/// The machine.
#[derive(Clone, Copy)]
pub struct Platform {
    /// GICv3 distributor: address.
    pub distributor: u64,
    /// GICv3 redistributors: address and bytes of the first region.
    pub redistributors: (u64, u64),
    /// PSCI by SMC (else HVC).
    pub psci_smc: bool,
}

/// Reads the machine; what is missing is told by name.
pub fn read(fdt: &Fdt) -> Result<Platform, &'static str> {
    let gic = fdt.compatible("arm,gic-v3").ok_or("no arm,gic-v3 in the device tree (GICv2 is not supported)")?;
    let mut regs = gic.reg();
    let distributor = regs.next().ok_or("the GIC has no distributor")?.0;
    let redistributors = regs.next().ok_or("the GIC has no redistributors")?;
    let psci = ["arm,psci-1.0", "arm,psci-0.2"].iter().find_map(|c| fdt.compatible(c));
    let method = psci.as_ref().and_then(|p| p.str("method")).ok_or("no PSCI in the device tree")?;
    Ok(Platform { distributor, redistributors, psci_smc: method == "smc" })
}
