//! The number of slots of a bulkhead that follows the latency.
//!
//! It is the algorithm Gradient2 of Netflix's `concurrency-limits`: the mean latency of a window of calls is compared
//! with the mean over a long time. If calls take longer than usual, fewer may run; if they do not, and slots are
//! used, more may. The long mean is never a minimum, which one lucky call would set permanently.
//!
//! By itself it takes hundreds of windows to accept a service that has become slower permanently, and keeps the number
//! of slots low until then. A number that was lowered several times without any call getting faster proves that the
//! load is not the reason: then the present latency becomes the usual one.

use super::BulkheadConfig;
use crate::base::sync::{AtomicU64, Mutex, Ordering};

/// The number of slots at the start, unless one is set.
pub(super) const START: u32 = 20;

/// The least successes of a window.
const SAMPLES: u32 = 10;
/// The number of windows over which the long mean reaches, and from which it is more than their plain mean.
const LONG: f64 = 600.0;
const WARM: u32 = 10;
/// The factor by which calls may take longer than usual before fewer may run.
const TOLERANCE: f64 = 1.5;
/// The part of the way to the computed number of slots that one window changes it.
const SMOOTHING: f64 = 0.2;
/// The number of calls that may run beyond the computed number, to find out whether they can.
const HEADROOM: f64 = 4.0;
/// The part of the slots that an overload leaves.
const OVERLOADED: f64 = 0.9;
/// The part of the used slots below which slow calls prove that the load is not the reason.
const PROOF: f64 = 0.85;
/// The factor by which the mean of a window may exceed that of an earlier one that is as slow.
const STEADY: f64 = 1.05;
/// The time after which a window is useless, in nanoseconds from its last call, also if the clock has gone back.
const IDLE: u64 = 60_000_000_000;
/// The time for which an overload stands for later ones if no window ends, in nanoseconds.
const PAUSE: u64 = 1_000_000_000;

/// The slots of an adaptive bulkhead, and what their number is derived from.
#[derive(Debug)]
pub(super) struct Adaptive {
    /// Zero until the first change.
    slots: AtomicU64,
    course: Mutex<LimitState>,
}

#[derive(Debug, Default)]
struct LimitState {
    /// The slots, with a fraction; nothing before the first change.
    limit: Option<f64>,
    long: Option<f64>,
    /// The number of windows that have ended, up to those that warm up.
    windows: u32,
    window: Window,
    /// The time at which an overload last lowered the number.
    overloaded: Option<u64>,
    /// When calls became slower: the most slots that were in use, and the mean.
    slow: Option<(u64, f64)>,
}

#[derive(Debug, Default)]
struct Window {
    since: u64,
    last: u64,
    count: u32,
    sum: f64,
    /// The most slots that were in use.
    most: u64,
}

impl Window {
    const NEW: Self = Self { since: 0, last: 0, count: 0, sum: 0.0, most: 0 };

    fn from(now: u64) -> Self {
        Self { since: now, last: now, ..Self::NEW }
    }

    fn mean(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }

    /// Returns whether it has enough calls, and lasted long enough for a change to be seen in them.
    fn is_over(&self, now: u64) -> bool {
        self.count >= SAMPLES && now.saturating_sub(self.since) as f64 >= self.mean()
    }
}

impl Adaptive {
    pub(super) const fn new() -> Self {
        Self { slots: AtomicU64::new(0), course: Mutex::new(LimitState::NEW) }
    }

    /// Returns how many calls may run; called, so that a bulkhead of a fixed size does not pay for it.
    #[inline(never)]
    pub(super) fn slots(&self, config: &BulkheadConfig) -> u64 {
        match self.slots.load(Ordering::Relaxed) {
            0 => config.start().into(),
            slots => slots.clamp(config.floor.into(), config.cap.into()),
        }
    }

    /// Counts the end of a call at the moment `now`, with `in_use` slots in use; returns whether the number of slots has
    /// changed. The call had its slot for `latency`, in nanoseconds; `None` if it failed of overload.
    pub(super) fn ended(&self, config: &BulkheadConfig, latency: Option<u64>, in_use: u64, now: u64) -> bool {
        let mut course = self.course.lock();
        let changes = match latency {
            Some(latency) => course.succeeded(config, latency, in_use, now),
            None => course.overloaded(config, now),
        };
        let before = self.slots(config);
        let Some(limit) = changes else { return false };
        let limit = limit.clamp(config.floor.into(), config.cap.into());
        course.limit = Some(limit);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is between two `u32`"
        )]
        let slots = limit as u64;
        self.slots.store(slots, Ordering::Relaxed);
        slots != before
    }

    /// Returns the mean latency over a long time, in nanoseconds.
    pub(super) fn usual(&self) -> Option<u64> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a mean of `u64`")]
        self.course.lock().long.map(|usual| usual as u64)
    }

    /// Starts over.
    pub(super) fn reset(&self) {
        let mut course = self.course.lock();
        *course = LimitState::NEW;
        self.slots.store(0, Ordering::Relaxed);
    }
}

impl LimitState {
    const NEW: Self =
        Self { limit: None, long: None, windows: 0, window: Window::NEW, overloaded: None, slow: None };

    fn limit(&self, config: &BulkheadConfig) -> f64 {
        let limit = self.limit.unwrap_or_else(|| config.start().into());
        limit.clamp(config.floor.into(), config.cap.into())
    }

    /// Returns the number of slots after a success, if a window ends with it.
    fn succeeded(&mut self, config: &BulkheadConfig, latency: u64, in_use: u64, now: u64) -> Option<f64> {
        if now.abs_diff(self.window.last) >= IDLE {
            (self.window, self.slow) = (Window::from(now), None);
        }
        let window = &mut self.window;
        window.last = now;
        window.count += 1;
        window.sum += latency as f64;
        window.most = window.most.max(in_use);
        if !window.is_over(now) {
            return None;
        }
        let most = window.most;
        let recent = window.mean();
        self.window = Window::from(now);
        self.overloaded = None;
        let usual = self.follow(recent);
        let limit = self.limit(config);
        if (most as f64) < limit / 2.0 {
            self.slow = None;
            return None;
        }
        let gradient = (TOLERANCE * usual / recent.max(1.0)).clamp(0.5, 1.0);
        let gradient =
            if gradient < 1.0 && self.accepts_slower(config, most, recent) { 1.0 } else { gradient };
        if gradient >= 1.0 {
            self.slow = None;
        }
        Some((1.0 - SMOOTHING) * limit + SMOOTHING * (limit * gradient + HEADROOM))
    }

    /// Returns the long mean, with one more window whose mean is `recent`.
    fn follow(&mut self, recent: f64) -> f64 {
        let share = if self.windows < WARM {
            self.windows += 1;
            1.0 / f64::from(self.windows)
        } else {
            2.0 / (LONG + 1.0)
        };
        let long = self.long.map_or(recent, |long| long + (recent - long) * share);
        // After a slow time it would take as long again to forget it.
        let usual = if long > 2.0 * recent { long * 0.95 } else { long };
        self.long = Some(usual);
        usual
    }

    /// Returns whether calls have stayed as slow while ever fewer ran: then the load is not the reason, and the present
    /// latency is the usual one.
    fn accepts_slower(&mut self, config: &BulkheadConfig, most: u64, recent: f64) -> bool {
        // The window in which they became slower has quick calls, too: their latency is that of the first slow window.
        if self.slow.is_some_and(|(_, mean)| recent > mean * STEADY) {
            self.slow = None;
        }
        let (most_before, mean_before) = *self.slow.get_or_insert((most, recent));
        let left = most as f64 / most_before as f64;
        // Half of what calls would gain if they waited for each other.
        let gain = (1.0 - left) / 2.0;
        let is_lowered = left <= PROOF || (left < 1.0 && most <= config.floor.into());
        let is_proven = is_lowered && recent >= mean_before * (1.0 - gain);
        if is_proven {
            self.long = Some(recent);
        }
        is_proven
    }

    /// Returns the number of slots after a failure of overload, once in a window.
    fn overloaded(&mut self, config: &BulkheadConfig, now: u64) -> Option<f64> {
        if self.overloaded.is_some_and(|at| now.abs_diff(at) < PAUSE) {
            return None;
        }
        self.overloaded = Some(now);
        Some(self.limit(config) * OVERLOADED)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::cmp::Reverse;
    use std::collections::BinaryHeap;

    const MS: u64 = 1_000_000;
    const CONFIG: BulkheadConfig = BulkheadConfig::of(START);

    /// Callers in a closed circle, as many as may run, of a service that takes `latency` of the number that it serves.
    struct Circle {
        adaptive: Adaptive,
        config: BulkheadConfig,
        callers: usize,
        running: BinaryHeap<Reverse<(u64, u64)>>,
        now: u64,
    }

    impl Circle {
        fn new(callers: usize, config: BulkheadConfig) -> Self {
            Self { adaptive: Adaptive::new(), config, callers, running: BinaryHeap::new(), now: 1 }
        }

        /// Ends `calls`; returns the slots after that.
        fn run(&mut self, calls: u32, latency: impl Fn(u64) -> u64) -> u64 {
            for _ in 0..calls {
                while self.running.len() < self.callers
                    && (self.running.len() as u64) < self.adaptive.slots(&self.config)
                {
                    let running = self.running.len() as u64 + 1;
                    self.running.push(Reverse((self.now + latency(running), self.now)));
                }
                let in_use = self.running.len() as u64;
                let Reverse((end, since)) = self.running.pop().expect("a call that runs");
                self.now = end;
                self.adaptive.ended(&self.config, Some(end - since), in_use, end);
            }
            self.adaptive.slots(&self.config)
        }
    }

    fn ends(adaptive: &Adaptive, calls: u32, in_use: u64, from: u64) -> u64 {
        for call in 0..calls {
            let now = from + u64::from(call) * 20 * MS;
            adaptive.ended(&CONFIG, Some(100 * MS), in_use, now);
        }
        adaptive.slots(&CONFIG)
    }

    #[test]
    fn the_initial_slots_are_twenty_within_the_bounds() {
        let begins =
            |floor, cap, slots| Adaptive::new().slots(&BulkheadConfig { slots, floor, cap, ..CONFIG });
        assert_eq!([begins(1, 200, START), begins(1, 8, START), begins(30, 200, START)], [20, 8, 30]);
        assert_eq!(begins(1, 200, 64), 64);
    }

    #[test]
    fn slots_stay_with_few_samples_or_low_usage() {
        let adaptive = Adaptive::new();
        assert_eq!(ends(&adaptive, 9, 20, MS), 20, "fewer than ten calls");
        assert_eq!(ends(&adaptive, 500, 9, 200 * MS), 20, "less than half in use");
        assert!(ends(&adaptive, 100, 20, 20_000 * MS) > 20);
    }

    #[test]
    fn a_pause_ends_the_window() {
        let adaptive = Adaptive::new();
        ends(&adaptive, 9, 20, MS);
        assert_eq!(ends(&adaptive, 9, 20, MS + IDLE + 1_000 * MS), 20, "nine before, nine after");
        assert_eq!(adaptive.usual(), None);
    }

    /// Returns the slots after `calls` of 100 ms each, one each 20 ms, on a clock that `jumps` moves.
    fn on_a_clock(calls: u64, jumps: impl Fn(u64) -> u64) -> Vec<u64> {
        let adaptive = Adaptive::new();
        let end = |call: u64| {
            let in_use = adaptive.slots(&CONFIG);
            // One in fifty fails of overload.
            let latency = (call % 50 != 49).then_some(100 * MS);
            adaptive.ended(&CONFIG, latency, in_use, jumps(1_000 * MS + call * 20 * MS));
            adaptive.slots(&CONFIG)
        };
        (0..calls).map(end).collect()
    }

    #[test]
    fn a_clock_jump_affects_only_the_current_window() {
        let steady = on_a_clock(600, |now| now);
        assert!(steady.iter().max() > steady.first());
        // Readings of other threads are a little older.
        let back = on_a_clock(600, |now| now - if now / (20 * MS) % 7 == 3 { MS } else { 0 });
        assert_eq!(back, steady);
        // Two hours ahead after 6 s, and back after 9 s.
        let hours = 7_200_000 * MS;
        let ahead = on_a_clock(600, |now| if now < 7_000 * MS { now } else { now + hours });
        // A window that ends later, and an overload that counts in another one.
        let near = |slots: &[u64]| slots.iter().zip(&steady).all(|(a, b)| a.abs_diff(*b) <= 6);
        assert!(near(&ahead), "{ahead:?} {steady:?}");
        let and_back =
            on_a_clock(600, |now| if (7_000 * MS..10_000 * MS).contains(&now) { now + hours } else { now });
        assert!(
            and_back[450..].windows(2).any(|pair| pair[0] < pair[1]),
            "its windows end again: {and_back:?}"
        );
        assert!(near(&and_back), "{and_back:?} {steady:?}");
    }

    #[test]
    fn an_overload_removes_a_tenth_once_per_window() {
        let adaptive = Adaptive::new();
        let overload = |now| {
            adaptive.ended(&CONFIG, None, 20, now);
            adaptive.slots(&CONFIG)
        };
        assert_eq!([overload(MS), overload(2 * MS), overload(900 * MS)], [18, 18, 18]);
        assert_eq!(overload(1_001 * MS), 16);
        let slots = ends(&adaptive, 10, 16, 1_100 * MS);
        assert!(overload(1_400 * MS) < slots, "a window has ended since");
        adaptive.reset();
        assert_eq!((adaptive.slots(&CONFIG), adaptive.usual()), (20, None));
    }

    #[test]
    fn slots_recover_within_100_calls_of_a_lasting_slowdown() {
        let mut circle = Circle::new(40, BulkheadConfig { cap: 20, ..CONFIG });
        assert_eq!(circle.run(2_000, |_| 100 * MS), 20);
        let slots: Vec<_> = (0..10).map(|_| circle.run(20, |_| 500 * MS)).collect();
        assert!(slots.iter().all(|slots| *slots >= 15), "{slots:?}");
        assert!(slots[5] > slots[4] || slots[4] > slots[3], "more again after 100 calls: {slots:?}");
        assert_eq!(circle.run(100, |_| 500 * MS), 20, "{slots:?}");
    }

    #[test]
    fn a_service_that_slows_down_under_load_gets_fewer_slots() {
        // Ten at once are as fast as one; more wait for each other.
        let latency = |running: u64| 10 * MS * running.max(10);
        let mut circle = Circle::new(200, CONFIG);
        let slots = circle.run(10_000, latency);
        assert!((10..60).contains(&slots), "{slots}");
    }

    #[test]
    fn a_service_that_suddenly_slows_down_under_load_gets_fewer_slots() {
        for fast in [MS, 10 * MS, 50 * MS] {
            let mut circle = Circle::new(100, BulkheadConfig { cap: 60, ..CONFIG });
            assert_eq!(circle.run(20_000, |_| fast), 60);
            // The first window of slow calls has fast ones, too.
            let slots: Vec<_> = (0..40).map(|_| circle.run(50, |running| running * 2 * fast)).collect();
            assert!(slots[20..].iter().all(|slots| *slots <= 20), "{slots:?}");
        }
    }

    #[test]
    fn slots_recover_after_a_lasting_slowdown_of_uneven_calls() {
        for seed in 1..=20_u64 {
            let state = std::cell::Cell::new(seed * 0x9E37_79B9);
            let uneven = || {
                let mut next = state.get();
                next ^= next << 13;
                next ^= next >> 7;
                next ^= next << 17;
                state.set(next);
                40 + next % 121
            };
            let mut circle = Circle::new(100, BulkheadConfig { cap: 60, ..CONFIG });
            assert_eq!(circle.run(20_000, |_| MS * uneven()), 60);
            let slots: Vec<_> = (0..30).map(|_| circle.run(50, |_| 5 * MS * uneven())).collect();
            assert!(slots.iter().all(|slots| *slots >= 30) && slots[29] >= 50, "seed {seed}: {slots:?}");
        }
    }

    #[test]
    fn a_service_that_is_fast_again_gets_more_slots() {
        let mut circle = Circle::new(200, CONFIG);
        let slow = circle.run(2_000, |running| 100 * MS * running);
        let fast = circle.run(5_000, |_| 10 * MS);
        assert!(fast > 2 * slow, "{slow} {fast}");
    }
}
