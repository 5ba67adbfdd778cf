//! How a VM is virtualised: by the hardware's extensions, or without them (`docs/internals/classic.md`).

use super::Problem;
use super::file::VmToml;
use crate::config::{ConfigError, Source};
use sysdesc::{FLAG_CLASSIC, FLAG_CLASSIC_STAGE2, SHADOW_SHIFT, shadow, shadow_pages};

/// How a VM is virtualised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// By the virtualisation extensions.
    #[default]
    Hardware,
    /// By trap and emulation with shadow page tables.
    Classic(Classic),
}

/// `[vm.classic]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classic {
    /// How the shadow tables follow the guest's.
    pub shadow: Shadow,
    /// Whether stage 2 stays on, as a wall behind the shadow tables.
    pub stage2: bool,
}

/// How shadow tables follow a guest's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shadow {
    /// As a TLB: filled on faults, dropped by TLBI.
    #[default]
    Tlb,
    /// The guest's tables are write-protected; each write is followed at once.
    Traced,
    /// As `Traced` until the first write, then as `Tlb` until the next synchronisation.
    Lazy,
}

impl Shadow {
    const ALL: [Self; 3] = [Self::Tlb, Self::Traced, Self::Lazy];

    /// As it is written in a system file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tlb => "tlb",
            Self::Traced => "traced",
            Self::Lazy => "lazy",
        }
    }

    /// Its number in `sysdesc::shadow`.
    fn number(self) -> u64 {
        match self {
            Self::Tlb => shadow::TLB,
            Self::Traced => shadow::TRACED,
            Self::Lazy => shadow::LAZY,
        }
    }
}

impl Engine {
    /// Bits of `sysdesc::VmDesc::flags`.
    pub fn flags(self) -> u64 {
        let Self::Classic(classic) = self else { return 0 };
        let wall = if classic.stage2 { FLAG_CLASSIC_STAGE2 } else { 0 };
        FLAG_CLASSIC | wall | classic.shadow.number() << SHADOW_SHIFT
    }

    /// Bytes of machine memory that it takes for a VM with so much RAM.
    pub fn memory(self, ram: u64) -> u64 {
        match self {
            Self::Hardware => 0,
            Self::Classic(_) => shadow_pages(ram) << abi::PAGE_SHIFT,
        }
    }

    /// As it is shown in a plan.
    pub fn show(self) -> String {
        match self {
            Self::Hardware => "hardware".into(),
            Self::Classic(Classic { shadow, stage2 }) => {
                format!("classic, {}{}", shadow.name(), if stage2 { ", stage 2" } else { "" })
            }
        }
    }
}

/// Checks `engine` and `[vm.classic]`.
pub(super) fn check(source: &Source, vm: &VmToml, aarch32: bool) -> Result<Engine, ConfigError> {
    let classic = match vm.engine.as_ref().map(|engine| (engine.get_ref().as_str(), engine.span())) {
        None | Some(("hardware", _)) => false,
        Some(("classic", at)) if aarch32 => {
            let wrong = "the engine `classic` runs guests of 64-bit Arm only";
            return Err(source.error(at, wrong, "engine = \"hardware\""));
        }
        Some(("classic", _)) => true,
        Some((engine, at)) => {
            let wrong = format!("there is no engine `{engine}`");
            return Err(source.error(at, wrong, "\"hardware\" or \"classic\""));
        }
    };
    match &vm.classic {
        Some(table) if !classic => {
            let wrong = "`[vm.classic]` for a VM of another engine";
            Err(source.error(table.span(), wrong, "add engine = \"classic\" to its [[vm]], or leave the table out"))
        }
        None if !classic => Ok(Engine::Hardware),
        None => Ok(Engine::Classic(Classic::default())),
        Some(table) => {
            let shadow = match &table.get_ref().shadow {
                None => Shadow::default(),
                Some(text) => {
                    shadow(text.get_ref()).map_err(|(wrong, right)| source.error(text.span(), wrong, right))?
                }
            };
            Ok(Engine::Classic(Classic { shadow, stage2: table.get_ref().stage2.unwrap_or(false) }))
        }
    }
}

fn shadow(text: &str) -> Result<Shadow, Problem> {
    let known = Shadow::ALL.into_iter().find(|shadow| shadow.name() == text);
    known.ok_or_else(|| {
        let names = Shadow::ALL.map(|shadow| format!("\"{}\"", shadow.name()));
        (format!("`{text}` is no mode of shadow tables"), names.join(", "))
    })
}
