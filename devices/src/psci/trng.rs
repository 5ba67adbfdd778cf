//! True random number generator interface (DEN0098 1.0).

use super::{fid, with_x0};

const TRNG_VERSION: u32 = 0x8400_0050;
const TRNG_FEATURES: u32 = 0x8400_0051;
const TRNG_GET_UUID: u32 = 0x8400_0052;
const TRNG_RND: u32 = 0x8400_0053;
const TRNG_RND64: u32 = TRNG_RND | fid::SMC64;

/// TRNG 1.0.
const VERSION: u64 = 1 << 16;
const NOT_SUPPORTED: u64 = -1i64 as u64;
const INVALID_PARAMETERS: u64 = -2i64 as u64;
const NO_ENTROPY: u64 = -3i64 as u64;

/// This back end: 6f1f6d2e-1c5b-4f0e-9a53-5051a0d1e6b7, in the four words of DEN0098 2.3.
const UUID: [u64; 4] = [0x6f1f_6d2e, 0x1c5b_4f0e, 0x9a53_5051, 0xa0d1_e6b7];

/// x0–x3 that `function` returns; `None` if it is not known.
pub fn call(function: u32, a1: u64, x: [u64; 4], entropy: &mut dyn FnMut() -> Option<u64>) -> Option<[u64; 4]> {
    match function {
        TRNG_VERSION => Some(with_x0(x, VERSION)),
        TRNG_FEATURES => Some(with_x0(x, features(a1 as u32))),
        TRNG_GET_UUID => Some(UUID),
        TRNG_RND => Some(random(a1, 32, x, entropy)),
        TRNG_RND64 => Some(random(a1, 64, x, entropy)),
        _ => None,
    }
}

fn features(function: u32) -> u64 {
    match function {
        TRNG_VERSION | TRNG_FEATURES | TRNG_GET_UUID | TRNG_RND | TRNG_RND64 => 0,
        _ => NOT_SUPPORTED,
    }
}

/// `bits` (1..=3 × `register`) random bits in x3, x2, x1, the least significant in x3; the bits above are zero.
fn random(bits: u64, register: u64, x: [u64; 4], entropy: &mut dyn FnMut() -> Option<u64>) -> [u64; 4] {
    if bits == 0 || bits > 3 * register {
        return with_x0(x, INVALID_PARAMETERS);
    }
    let mut words = [0; 3];
    for (n, word) in words.iter_mut().enumerate() {
        let wanted = bits.saturating_sub(n as u64 * register).min(register);
        if wanted == 0 {
            break;
        }
        let Some(random) = entropy() else { return [NO_ENTROPY, 0, 0, 0] };
        *word = random >> (64 - wanted);
    }
    let [x3, x2, x1] = words;
    [0, x1, x2, x3]
}
