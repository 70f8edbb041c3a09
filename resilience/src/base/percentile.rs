//! The durations of recent calls: a percentile of the last 1,000 of them, none older than 10 minutes.
//!
//! A limit that follows the latency is read at every call and fed by every call, so both are cheap. A sample is two
//! words in a ring, and recording it takes no lock: a number is drawn, and the words in its place are overwritten. The
//! percentile itself is kept in a word, too. It is computed again
//!
//! - when 16 samples more are above it than its share says: a service that slows down is seen at once;
//! - with every 1,000th sample, and at a look a second after the last time;
//! - while there are too few samples, with each of them.
//!
//! Policies that measure calls record those that were cut or dropped as well, with the time that they had run. A
//! service that has slowed down to over the limit would otherwise yield no more samples, and the limit would never rise
//! again.
//!
//! # Invariants
//!
//! - Each word is whole, and the two of a sample need not belong together: whoever reads the ring while a thread
//!   overwrites a place may see the moment of the new sample with the time of the old one. That is one of 1,000.
//! - Only differences of moments count, so that a test sees the same in each run.

use super::clock::nanos;
use super::scope;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The number of samples that are kept.
const SAMPLES: usize = 1_000;
/// The least number of samples for a percentile.
const MIN_SAMPLES: usize = 100;
/// The time for which a sample counts, in nanoseconds.
const MAX_AGE: u64 = 600 * SECOND;
/// The surplus of samples above the percentile at which it is computed again.
const MAX_EXCESS: f64 = 16.0;
/// The nanoseconds after which a look computes it again.
const SECOND: u64 = 1_000_000_000;
/// There is no percentile.
const UNKNOWN: u64 = u64::MAX;

/// A percentile of how long the calls of the recent past took.
#[derive(Debug)]
pub(crate) struct Percentile {
    /// The share of the percentile: 0.99 is the time that 99 of 100 calls do not exceed.
    share: f64,
    ring: OnceLock<Box<Ring>>,
}

/// The samples; made with the first of them.
///
/// About 16 KB, in a box of its own: a policy that never measures has no ring.
#[derive(Debug)]
struct Ring {
    /// The number of samples that were recorded since the last reset.
    recorded: AtomicUsize,
    /// The percentile in nanoseconds, and when it was computed.
    current: AtomicU64,
    computed_at: AtomicU64,
    /// The surplus of samples above the percentile since it was computed, as the bits of an `f64`.
    excess: AtomicU64,
    samples: [Sample; SAMPLES],
}

/// The duration of a call, and when it ended.
#[derive(Debug)]
struct Sample {
    took: AtomicU64,
    at: AtomicU64,
}

impl Percentile {
    /// Creates a percentile without samples; `share` is above 0 and at most 1.
    pub(crate) const fn new(share: f64) -> Self {
        Self { share, ring: OnceLock::new() }
    }

    /// Records a call that ended at `now`, however it ended, and `took` so long.
    pub(crate) fn record(&self, took: Duration, now: Instant) {
        let ring = self.ring.get_or_init(|| Box::new(Ring::new()));
        let (number, now) = (ring.recorded.fetch_add(1, Ordering::Relaxed), nanos(now));
        let Some(sample) = ring.samples.get(number % SAMPLES) else { return };
        let took = scope::nanos(took);
        sample.took.store(took, Ordering::Relaxed);
        sample.at.store(now, Ordering::Relaxed);
        if number % SAMPLES == SAMPLES - 1 || ring.is_out_of_date(took, self.share) {
            ring.compute(self.share, now);
        }
    }

    /// Returns the percentile at `now`; `None` with fewer than 100 samples in the last 10 minutes.
    pub(crate) fn get(&self, now: Instant) -> Option<Duration> {
        let (ring, now) = (self.ring.get()?, nanos(now));
        let age = now.saturating_sub(ring.computed_at.load(Ordering::Relaxed));
        let known =
            if age < SECOND { ring.current.load(Ordering::Relaxed) } else { ring.compute(self.share, now) };
        (known != UNKNOWN).then(|| Duration::from_nanos(known))
    }

    /// Returns the number of samples that count at `now`.
    pub(crate) fn samples(&self, now: Instant) -> usize {
        self.ring.get().map_or(0, |ring| ring.recent(nanos(now)).count())
    }

    /// Forgets all samples.
    pub(crate) fn reset(&self) {
        if let Some(ring) = self.ring.get() {
            ring.recorded.store(0, Ordering::Relaxed);
            ring.current.store(UNKNOWN, Ordering::Relaxed);
        }
    }
}

impl Ring {
    fn new() -> Self {
        let empty = || Sample { took: AtomicU64::new(0), at: AtomicU64::new(0) };
        Self {
            recorded: AtomicUsize::new(0),
            current: AtomicU64::new(UNKNOWN),
            computed_at: AtomicU64::new(0),
            excess: AtomicU64::new(0),
            samples: std::array::from_fn(|_| empty()),
        }
    }

    /// Returns the times of the samples that count at `now`.
    fn recent(&self, now: u64) -> impl Iterator<Item = u64> {
        let used = self.recorded.load(Ordering::Relaxed).min(SAMPLES);
        let samples = self.samples.iter().take(used);
        let counts = move |sample: &&Sample| now.saturating_sub(sample.at.load(Ordering::Relaxed)) < MAX_AGE;
        samples.filter(counts).map(|sample| sample.took.load(Ordering::Relaxed))
    }

    /// Returns whether the percentile is not known, or too many of the last samples are above it, including one of
    /// `took`.
    ///
    /// The surplus is a sum that never falls below zero: a few slow samples are forgotten among the others. If another
    /// thread changes it at the same time, one sample of it is lost.
    fn is_out_of_date(&self, took: u64, share: f64) -> bool {
        let known = self.current.load(Ordering::Relaxed);
        let change = if took > known { share } else { share - 1.0 };
        let excess = (f64::from_bits(self.excess.load(Ordering::Relaxed)) + change).max(0.0);
        self.excess.store(excess.to_bits(), Ordering::Relaxed);
        known == UNKNOWN || excess >= MAX_EXCESS
    }

    /// Computes the percentile of the samples that count at `now`, and keeps it. It copies the times to the stack and
    /// selects, in time proportional to their number; of two threads that do so at once, the later one counts.
    #[cold]
    #[inline(never)]
    fn compute(&self, share: f64, now: u64) -> u64 {
        let (mut times, mut count) = ([0; SAMPLES], 0);
        for (place, took) in times.iter_mut().zip(self.recent(now)) {
            *place = took;
            count += 1;
        }
        let known = match times.get_mut(..count) {
            Some(times) if count >= MIN_SAMPLES => {
                // The smallest time that so large a share of the samples does not exceed.
                let rank = ((count as f64 * share).ceil() as usize).clamp(1, count);
                *times.select_nth_unstable(rank - 1).1
            }
            _ => UNKNOWN,
        };
        self.current.store(known, Ordering::Relaxed);
        self.computed_at.store(now, Ordering::Relaxed);
        self.excess.store(0, Ordering::Relaxed);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const MINUTE: Duration = Duration::from_secs(60);

    /// Returns a sequence of numbers that looks random.
    fn random(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    /// The same percentile by a list of all samples.
    struct Model {
        share: f64,
        all: VecDeque<(Instant, Duration)>,
    }

    impl Model {
        fn record(&mut self, took: Duration, now: Instant) {
            self.all.push_back((now, took));
            if self.all.len() > SAMPLES {
                self.all.pop_front();
            }
        }

        fn recent(&self, now: Instant) -> Vec<Duration> {
            let counts = |(at, _): &&(Instant, Duration)| now - *at < 10 * MINUTE;
            let mut recent: Vec<_> = self.all.iter().filter(counts).map(|(_, took)| *took).collect();
            recent.sort();
            recent
        }

        fn get(&self, now: Instant) -> Option<Duration> {
            let recent = self.recent(now);
            let covers = |took: &&Duration| {
                let within = recent.partition_point(|other| other <= *took);
                within as f64 >= recent.len() as f64 * self.share
            };
            recent.iter().find(covers).copied().filter(|_| recent.len() >= MIN_SAMPLES)
        }
    }

    #[test]
    fn the_percentile_equals_that_of_the_sorted_samples() {
        for seed in 1..=15 {
            let mut random = random(seed);
            let share = [0.5, 0.9, 0.95, 0.99, 1.0][random(5) as usize];
            let (percentile, mut now) = (Percentile::new(share), Instant::now());
            let mut model = Model { share, all: VecDeque::new() };
            let (range, pace) = (1 + random(2_000_000), 1 + random(2_000));
            for n in 0..3_000 {
                // So far that each look computes it again.
                now += Duration::from_millis(1_000 + random(pace) * random(2));
                if random(500) == 0 {
                    // Up to two hours, as after a suspension.
                    now += MINUTE * random(120) as u32;
                }
                // Another thread may have read its clock before the last look.
                let ended =
                    now.checked_sub(Duration::from_millis(random(4).saturating_sub(2))).expect("a time");
                let took = Duration::from_micros(random(range));
                percentile.record(took, ended);
                model.record(took, ended);
                if n % 37 == 0 {
                    assert_eq!(percentile.get(now), model.get(now), "seed {seed}, sample {n}");
                    let earlier = now.checked_sub(Duration::from_millis(1)).expect("a time");
                    assert_eq!(
                        percentile.get(earlier),
                        percentile.get(now),
                        "a clock that goes back is no time"
                    );
                    assert_eq!(percentile.samples(now), model.recent(now).len(), "seed {seed}, sample {n}");
                }
            }
        }
    }

    #[test]
    fn no_percentile_exists_below_a_hundred_recent_samples() {
        let (percentile, start) = (Percentile::new(0.99), Instant::now());
        assert_eq!(percentile.get(start), None);
        for n in 1..=100 {
            assert_eq!(percentile.get(start), None, "before sample {n}");
            percentile.record(Duration::from_millis(n), start);
        }
        assert_eq!(percentile.get(start), Some(Duration::from_millis(99)));
        assert_eq!(percentile.get(start + 9 * MINUTE), Some(Duration::from_millis(99)));
        assert_eq!(percentile.get(start + 10 * MINUTE), None);
        assert_eq!(percentile.samples(start + 10 * MINUTE), 0);
    }

    #[test]
    fn a_jump_in_latency_is_noticed_within_a_few_samples() {
        let (percentile, now) = (Percentile::new(0.95), Instant::now());
        (0..1_000).for_each(|_| percentile.record(Duration::from_millis(100), now));
        (0..64).for_each(|_| percentile.record(Duration::from_millis(500), now));
        assert_eq!(percentile.get(now), Some(Duration::from_millis(500)));
    }

    #[test]
    fn a_reset_discards_all_samples() {
        let (percentile, now) = (Percentile::new(0.5), Instant::now());
        percentile.reset();
        (0..1_500).for_each(|_| percentile.record(Duration::from_secs(5), now));
        percentile.reset();
        assert_eq!((percentile.get(now), percentile.samples(now)), (None, 0));
        (0..100).for_each(|_| percentile.record(Duration::from_secs(1), now));
        assert_eq!(percentile.get(now), Some(Duration::from_secs(1)));
    }

    #[test]
    fn durations_of_every_length_are_recorded() {
        let (percentile, now) = (Percentile::new(0.5), Instant::now());
        (0..100).for_each(|_| percentile.record(Duration::ZERO, now));
        assert_eq!(percentile.get(now), Some(Duration::ZERO));
        (0..1_000).for_each(|_| percentile.record(Duration::from_nanos(1), now));
        assert_eq!(percentile.get(now), Some(Duration::from_nanos(1)));
        (0..1_000).for_each(|_| percentile.record(Duration::MAX, now));
        assert!(percentile.get(now) > Some(Duration::from_secs(4_000)));
    }

    #[test]
    fn threads_record_concurrently() {
        let (percentile, now) = (Percentile::new(0.99), Instant::now());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for n in 0..5_000 {
                        percentile.record(Duration::from_millis(n % 100), now);
                        let known = percentile.get(now).unwrap_or_default();
                        assert!(known < Duration::from_millis(100), "{known:?}");
                    }
                });
            }
        });
        assert_eq!(percentile.samples(now), SAMPLES);
    }
}
