//! The seam of randomness: jitter comes from here and from nowhere else.
//!
//! Each thread has a small generator of its own, seeded from the randomness of std's hash maps, so that no two threads
//! or processes wait in step and none contends for a lock. It is not for secrets. In a test world the numbers come from
//! the world's generator, in the order of the draws: the same seed results in the same waits.

use super::world::World;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::cell::RefCell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    static RNG: RefCell<SmallRng> = RefCell::new(SmallRng::seed_from_u64(RandomState::new().hash_one(0)));
}

/// Returns the `n`th number in `0.0..1.0` of the sequence with this seed: the same in every run and on every machine.
///
/// Any `n` costs the same: nothing is kept between two calls.
#[cfg(feature = "chaos")]
pub(crate) fn seeded(seed: u64, n: u64) -> f64 {
    // SplitMix64, which is made to be entered anywhere.
    let mut z = seed.wrapping_add(n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Returns a number in `0.0..1.0`; from the world's seeded generator on a thread inside a test world.
///
/// Where the generator is borrowed already, it is the middle: a wait without spread is better than a panic.
pub(crate) fn uniform() -> f64 {
    if let Some(world) = World::here() {
        return world.uniform();
    }
    RNG.with(|rng| rng.try_borrow_mut().map_or(0.5, |mut rng| rng.random()))
}
