//! The choice of one of several counters for a thread.
//!
//! A counter that all threads write is a cache line that they take from each other. So events of every call are counted
//! in one of [`SHARDS`] lines, and read as their sum. The address of a thread's stack selects the line. That takes fewer
//! instructions than a thread-local variable, whose address is a call in code that may be part of a shared library. Two
//! threads may have the same line, and a thread that is deep in its stack has another: each sum is exact all the same.

use std::mem::MaybeUninit;
use std::ptr;

/// The number of counters; one for all threads of a model.
pub(crate) const SHARDS: usize = if cfg!(loom) { 1 } else { 8 };

/// The part of a stack that has one counter, as a power of two: 64 KiB.
const PART: u32 = 16;
/// A factor, found by trial, that gives stacks in a row counters of their own: they are as far apart as they are long,
/// nearly always a power of two and a page. Seven divides no power of two, and this is near 2^32 / 14.
const SPREAD: u32 = 0x1248_45f9;

/// The part of the memory in which the stack of this thread is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here(u32);

/// Returns where the stack of this thread is.
#[inline(always)]
#[expect(clippy::inline_always, reason = "it is two instructions")]
pub(crate) fn here() -> Here {
    let local = MaybeUninit::<u8>::uninit();
    Here::at(ptr::from_ref(&local).addr())
}

impl Here {
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is one instruction")]
    const fn at(address: usize) -> Self {
        Self((address >> PART) as u32)
    }

    /// Returns the number of the counter for this thread, below [`SHARDS`].
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "it is three instructions")]
    pub(crate) const fn shard(self) -> usize {
        (self.0.wrapping_mul(SPREAD) >> 29) as usize % SHARDS
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    /// Returns the number of counters of eight stacks that are this far apart.
    fn counters(base: usize, apart: usize) -> usize {
        (0..8).map(|n| Here::at(base + n * apart).shard()).collect::<HashSet<_>>().len()
    }

    #[test]
    fn stacks_in_a_row_have_counters_of_their_own() {
        for length in 17..=26 {
            for guard in [0, 4_096, 16_384, 65_536] {
                for base in [0x0, 0x7fff_1234_5678, 0x0123_4567_89ab] {
                    let counters = counters(base, (1 << length) + guard);
                    assert!(counters >= 5, "{counters} for stacks of 2^{length} bytes and {guard}");
                }
            }
        }
    }
}
