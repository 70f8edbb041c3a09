//! How long the calls of the recent past took: a percentile of the last 1,000 of them, none older than 10 minutes.
//!
//! A limit that follows the latency is read at every call and fed by every call, so both are cheap. A sample is one word
//! in a ring, and recording it takes no lock: a number is drawn, and the word in its place is overwritten. The percentile
//! itself is kept in one word, too. It is reckoned anew with every 16th sample and at the first look in each second; while
//! there are too few samples, with each of them.
//!
//! Whoever measures calls records those that were cut or dropped as well, with the time that they had run. A service that
//! has slowed down to over the limit would otherwise yield no more samples, and the limit would never rise again.
//!
//! # Invariants
//!
//! - A word is whole: whoever reads the ring while others write sees some sample in each place, an old or a new one.
//! - Ages are judged in whole seconds, and times are kept in whole microseconds, rounded up, at most 71 minutes.

use super::clock::nanos;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How many samples are kept.
const SAMPLES: usize = 1_000;
/// From how many samples on there is a percentile.
const ENOUGH: usize = 100;
/// How long a sample counts, in seconds.
const RECENT: u64 = 600;
/// With which sample the percentile is reckoned anew.
const EVERY: usize = 16;

/// A percentile of how long the calls of the recent past took.
#[derive(Debug)]
pub(crate) struct Percentile {
    /// Which one: 0.99 is the time that 99 of 100 calls do not exceed.
    share: f64,
    ring: OnceLock<Box<Ring>>,
}

/// The samples; made with the first of them.
#[derive(Debug)]
struct Ring {
    /// How many were recorded since the last reset.
    recorded: AtomicUsize,
    /// The percentile, in the second in which it was reckoned.
    known: AtomicU64,
    samples: [AtomicU64; SAMPLES],
}

/// A time in the low half, and the second of its record in the high half, as one word; 0 is no time.
#[derive(Clone, Copy)]
struct Word(u64);

impl Word {
    const EMPTY: u32 = 0;

    const fn new(second: u64, time: u32) -> Self {
        Self(second << 32 | time as u64)
    }

    const fn second(self) -> u64 {
        self.0 >> 32
    }

    const fn time(self) -> u32 {
        self.0 as u32
    }
}

/// `took` in microseconds from 1 on.
fn micros(took: Duration) -> u32 {
    let micros = took.as_nanos().div_ceil(1_000) + 1;
    u32::try_from(micros).unwrap_or(u32::MAX)
}

fn second(now: Instant) -> u64 {
    nanos(now) / 1_000_000_000
}

impl Percentile {
    /// No samples; `share` is above 0 and at most 1.
    pub(crate) const fn new(share: f64) -> Self {
        Self { share, ring: OnceLock::new() }
    }

    /// Records a call that ended at `now`, however it ended, and `took` so long.
    pub(crate) fn record(&self, took: Duration, now: Instant) {
        let ring = self.ring.get_or_init(|| Box::new(Ring::new()));
        let (number, second) = (ring.recorded.fetch_add(1, Ordering::Relaxed), second(now));
        ring.samples[number % SAMPLES].store(Word::new(second, micros(took)).0, Ordering::Relaxed);
        if number % EVERY == EVERY - 1 || ring.known().time() == Word::EMPTY {
            ring.reckon(self.share, second);
        }
    }

    /// The percentile at `now`; `None` with fewer than 100 samples in the last 10 minutes.
    pub(crate) fn get(&self, now: Instant) -> Option<Duration> {
        let (ring, second) = (self.ring.get()?, second(now));
        let known = ring.known();
        let known = if known.second() == second { known } else { ring.reckon(self.share, second) };
        let micros = known.time().checked_sub(1)?;
        Some(Duration::from_micros(micros.into()))
    }

    /// How many samples it is of at `now`.
    pub(crate) fn samples(&self, now: Instant) -> usize {
        self.ring.get().map_or(0, |ring| ring.recent(second(now)).count())
    }

    /// Forgets all samples.
    pub(crate) fn reset(&self) {
        let Some(ring) = self.ring.get() else { return };
        ring.recorded.store(0, Ordering::Relaxed);
        for sample in &ring.samples {
            sample.store(0, Ordering::Relaxed);
        }
        ring.known.store(0, Ordering::Relaxed);
    }
}

impl Ring {
    fn new() -> Self {
        Self {
            recorded: AtomicUsize::new(0),
            known: AtomicU64::new(0),
            samples: [const { AtomicU64::new(0) }; SAMPLES],
        }
    }

    fn known(&self) -> Word {
        Word(self.known.load(Ordering::Relaxed))
    }

    /// The times of the samples that count in `second`.
    fn recent(&self, second: u64) -> impl Iterator<Item = u32> {
        let used = self.recorded.load(Ordering::Relaxed).min(SAMPLES);
        let words = self.samples.iter().take(used).map(|sample| Word(sample.load(Ordering::Relaxed)));
        let counts =
            move |word: &Word| word.time() != Word::EMPTY && second.saturating_sub(word.second()) < RECENT;
        words.filter(counts).map(Word::time)
    }

    #[cold]
    fn reckon(&self, share: f64, second: u64) -> Word {
        let mut times: Vec<u32> = self.recent(second).collect();
        let time = if times.len() < ENOUGH {
            Word::EMPTY
        } else {
            // The smallest time that so large a share of the samples does not exceed.
            let rank = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len());
            *times.select_nth_unstable(rank - 1).1
        };
        let known = Word::new(second, time);
        self.known.store(known.0, Ordering::Relaxed);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;

    const MINUTE: Duration = Duration::from_secs(60);

    /// A sequence of numbers that looks random.
    fn random(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        move |below| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % below
        }
    }

    /// The same by a list of all samples.
    struct Model {
        share: f64,
        all: VecDeque<(u64, Duration)>,
    }

    impl Model {
        fn record(&mut self, took: Duration, now: Instant) {
            self.all.push_back((second(now), took));
            if self.all.len() > SAMPLES {
                self.all.pop_front();
            }
        }

        fn recent(&self, now: Instant) -> Vec<Duration> {
            let counts = |(at, _): &&(u64, Duration)| second(now) - at < RECENT;
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
            recent.iter().find(covers).copied().filter(|_| recent.len() >= ENOUGH)
        }
    }

    #[test]
    fn it_is_that_of_a_sorted_list_of_all_samples() {
        for seed in 1..=40 {
            let mut random = random(seed);
            let share = [0.5, 0.9, 0.95, 0.99, 1.0][random(5) as usize];
            let (percentile, mut now) = (Percentile::new(share), Instant::now());
            let mut model = Model { share, all: VecDeque::new() };
            let (range, pace) = (1 + random(2_000_000), 1 + random(2_000));
            for n in 0..3_000 {
                // Whole seconds, so that each look reckons anew.
                now += Duration::from_secs(1 + random(pace) * random(2) / 1_000);
                if random(500) == 0 {
                    now += MINUTE * random(15) as u32;
                }
                let took = Duration::from_micros(random(range));
                percentile.record(took, now);
                model.record(took, now);
                if n % 37 == 0 {
                    assert_eq!(percentile.get(now), model.get(now), "seed {seed}, sample {n}");
                    assert_eq!(percentile.samples(now), model.recent(now).len(), "seed {seed}, sample {n}");
                }
            }
        }
    }

    #[test]
    fn there_is_none_below_a_hundred_samples_of_ten_minutes() {
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
    fn a_step_of_the_latency_is_seen_within_a_few_samples() {
        let (percentile, now) = (Percentile::new(0.95), Instant::now());
        (0..1_000).for_each(|_| percentile.record(Duration::from_millis(100), now));
        (0..64).for_each(|_| percentile.record(Duration::from_millis(500), now));
        assert_eq!(percentile.get(now), Some(Duration::from_millis(500)));
    }

    #[test]
    fn it_starts_anew_after_a_reset() {
        let (percentile, now) = (Percentile::new(0.5), Instant::now());
        percentile.reset();
        (0..1_500).for_each(|_| percentile.record(Duration::from_secs(5), now));
        percentile.reset();
        assert_eq!((percentile.get(now), percentile.samples(now)), (None, 0));
        (0..100).for_each(|_| percentile.record(Duration::from_secs(1), now));
        assert_eq!(percentile.get(now), Some(Duration::from_secs(1)));
    }

    #[test]
    fn times_of_every_length_are_taken() {
        let (percentile, now) = (Percentile::new(0.5), Instant::now());
        (0..100).for_each(|_| percentile.record(Duration::ZERO, now));
        assert_eq!(percentile.get(now), Some(Duration::ZERO));
        (0..1_000).for_each(|_| percentile.record(Duration::from_nanos(1), now));
        assert_eq!(percentile.get(now), Some(Duration::from_micros(1)));
        (0..1_000).for_each(|_| percentile.record(Duration::MAX, now));
        assert!(percentile.get(now) > Some(Duration::from_secs(4_000)));
    }

    #[test]
    fn threads_record_at_once() {
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
