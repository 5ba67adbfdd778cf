//! A page of words that this domain and its children see: what children count and report.

use rt::volatile::Volatile;

/// Where the page is mapped, in this domain and in each child.
pub const ADDRESS: u64 = 0x7c_8000_0000;
/// Words in it.
pub const WORDS: usize = 512;

/// Word `n` of the page, modulo [`WORDS`].
#[allow(unsafe_code, reason = "a page mapped for good")]
pub fn word(n: usize) -> &'static Volatile<u64> {
    // SAFETY: `env::setup` maps the page before anything uses it, children get it mapped before they start, and the
    // index is inside.
    unsafe { &*((ADDRESS + 8 * (n % WORDS) as u64) as *const Volatile<u64>) }
}

/// Zeroes all words.
pub fn clear() {
    (0..WORDS).for_each(|n| word(n).set(0));
}
