//! Guests of 32-bit Arm that execute random bytes, each exception being followed by the next piece of them: whatever traps
//! there is, with any condition, in A32 and in T32. A Linux beside them has to notice nothing.

use super::{Cases, Context, Step, boot};
use crate::command::run::Scratch;
use crate::config::{Profile, System};
use crate::machine::Machine;
use crate::session::{Session, within};
use miette::Result;
use std::time::{Duration, Instant};

/// Guests with noise; each has bytes of its own.
const GUESTS: u64 = 4;
/// How long they may make noise, at most.
const TIME: Duration = Duration::from_secs(60);
/// What a guest prints that has executed all of its noise once.
const WHOLE: &str = "ww";
/// So many have to come so far: noise may loop with interrupts masked.
const ENOUGH: usize = 2;
const LOAD: u64 = 0x4010_0000;
/// Bytes of noise, in pieces of 64.
const NOISE: usize = 1 << 18;
/// Where the noise begins in the file, and what is before.
const START: usize = 0x1000;
const VECTORS: usize = 0x100;
const NEXT: usize = 0x140;
const STATE: usize = 0x1c0;

/// The step of this file.
pub fn steps() -> Vec<Step> {
    vec![Step::new("aarch32-noise", run)]
}

/// Entry: VBAR to the vectors; the virtual timer's interrupt (27) on; on to [`NEXT`].
const ENTRY_CODE: [u32; 18] = [
    0xe28f_00f8, // add  r0, pc, #0xf8
    0xee0c_0f10, // mcr  p15, 0, r0, c12, c0, 0     VBAR
    0xe3a0_1302, // mov  r1, #0x08000000            distributor
    0xe3a0_2012, // mov  r2, #0x12
    0xe581_2000, // str  r2, [r1]                   GICD_CTLR
    0xe281_180a, // add  r1, r1, #0xa0000           redistributor
    0xe3a0_3000, // mov  r3, #0
    0xe581_3014, // str  r3, [r1, #0x14]            GICR_WAKER
    0xe281_1801, // add  r1, r1, #0x10000
    0xe3a0_2302, // mov  r2, #1 << 27
    0xe581_2080, // str  r2, [r1, #0x80]            GICR_IGROUPR0
    0xe581_2100, // str  r2, [r1, #0x100]           GICR_ISENABLER0
    0xe3a0_20ff, // mov  r2, #0xff
    0xee04_2f16, // mcr  p15, 0, r2, c4, c6, 0      ICC_PMR
    0xe3a0_2001, // mov  r2, #1
    0xee0c_2ffc, // mcr  p15, 0, r2, c12, c12, 7    ICC_IGRPEN1
    0xee0e_2f33, // mcr  p15, 0, r2, c14, c3, 1     CNTV_CTL
    0xea00_003d, // b    NEXT
];

/// Goes to Supervisor mode and on with the next piece: its first words are r1–r12, the lowest bit of r12 says whether
/// it is T32 code. The timer ends what loops. A `w` on the console tells that the noise begins (anew).
const NEXT_CODE: [u32; 22] = [
    0xf102_0013, // cps  #0x13
    0xee1c_0f1c, // mrc  p15, 0, r0, c12, c12, 0    ICC_IAR1
    0xee0c_0f3c, // mcr  p15, 0, r0, c12, c12, 1    ICC_EOIR1
    0xe3a0_0601, // mov  r0, #1 << 20
    0xee0e_0f13, // mcr  p15, 0, r0, c14, c3, 0     CNTV_TVAL
    0xe3a0_0001, // mov  r0, #1
    0xee0e_0f33, // mcr  p15, 0, r0, c14, c3, 1     CNTV_CTL
    0xe59f_005c, // ldr  r0, STATE
    0xe280_0040, // add  r0, r0, #64
    0xe1a0_0700, // lsl  r0, r0, #14
    0xe1b0_0720, // lsrs r0, r0, #14
    0xe58f_004c, // str  r0, STATE
    0xe59f_2050, // ldr  r2, STATE + 8
    0x03a0_3077, // moveq r3, #'w'
    0x0582_3000, // streq r3, [r2]
    0xe59f_1040, // ldr  r1, STATE + 4
    0xe080_0001, // add  r0, r0, r1
    0xe890_1ffe, // ldm  r0, {r1-r12}
    0xe20c_c001, // and  r12, r12, #1
    0xe080_000c, // add  r0, r0, r12
    0xf108_0080, // cpsie i
    0xe12f_ff10, // bx   r0
];

fn guest(seed: u64) -> Vec<u8> {
    let mut file = vec![0; START + NOISE + 64];
    let mut put = |at: usize, words: &[u32]| {
        for (n, word) in words.iter().enumerate() {
            file[at + 4 * n..at + 4 * n + 4].copy_from_slice(&word.to_le_bytes());
        }
    };
    put(0, &ENTRY_CODE);
    // b NEXT, from each vector.
    put(VECTORS, &std::array::from_fn::<u32, 8, _>(|n| 0xea00_000e - n as u32));
    put(NEXT, &NEXT_CODE);
    put(STATE, &[0xffff_ffc0, LOAD as u32 + START as u32, 0x0900_0000]);
    let mut x = 0x9e37_79b9_7f4a_7c15 ^ seed << 32;
    for place in file[START..].as_chunks_mut::<8>().0 {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        *place = x.to_le_bytes();
    }
    file
}

fn system(scratch: &Scratch) -> Result<System> {
    let mut text = "machine = { cpus = 2 }\n[[vm]]\nname = \"linux\"\ninitrd = \"busybox\"\nmemory = \"256M\"\n\
                    kernel = \"debian:trixie/linux-image-cloud-arm64\"\n\
                    cmdline = \"console=ttyAMA0 quiet cryptomgr.notests\"\n"
        .to_string();
    for n in 0..GUESTS {
        let path = scratch.write(&name(n), &guest(n))?;
        text += &format!(
            "[[vm]]\nname = \"{}\"\nkernel = \"{}\"\narch = \"aarch32\"\nload = {LOAD:#x}\nmemory = \"8M\"\n\
             restart = \"never\"\npriority = 5\n",
            name(n),
            path.display()
        );
    }
    System::from_text("noise", &text)
}

fn name(guest: u64) -> String {
    format!("noise{guest}")
}

fn run(context: &Context, cases: &mut Cases) -> Result<()> {
    let scratch = Scratch::new()?;
    let system = system(&scratch)?;
    let machine = Machine::new(Profile::load("max")?, &system)?;
    let mut session = boot::start(context, &machine, &system, None, &scratch)?;
    let at = session.wait_for_of("linux", "guest:~# ", 0, within(240))?;
    let until = Instant::now() + TIME;
    let whole = |session: &Session| (0..GUESTS).filter(|n| session.text_of(&name(*n)).contains(WHOLE)).count();
    while Instant::now() < until && whole(&session) < GUESTS as usize {
        session.next(until)?;
    }
    let came = whole(&session);
    let result = if came >= ENOUGH { Ok(()) } else { Err(format!("{came} of {GUESTS}")) };
    cases.case(&format!("{came} guests execute all of their noise"), result);
    cases.case("the neighbour answers", answers(&mut session, at).map_err(|error| format!("{error:?}")));
    session.send_to("linux", b"poweroff\r")?;
    let status = session.wait_end(within(60))?;
    let root = session.text_of("sosia");
    let well = status.success() && !root.contains("panic") && !root.contains("crash");
    cases.case("the hypervisor is well", if well { Ok(()) } else { Err(format!("{status}\n{root}")) });
    Ok(())
}

fn answers(session: &mut Session, from: usize) -> Result<()> {
    session.send_to("linux", b"echo still$((40+2))\r")?;
    session.wait_for_of("linux", "still42", from, within(60)).map(drop)
}
