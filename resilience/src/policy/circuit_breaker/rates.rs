//! The results inside a window of calls or of time, and the share of failures among them.
//!
//! A share can rise only when a failure is recorded, so all work is done there, under the lock of the breaker's memory.
//! Successes are counted for each thread apart ([`Successes`]), without a clock and without a line that threads share,
//! and taken over at the next look. Until `min_calls` results are inside the window each success is recorded with its
//! time: the one that reaches `min_calls` is judged, too. The word of the breaker says so; a success that has read it
//! just before is counted, and taken over with the next result. Moments are in [`nanos`](crate::base::clock::nanos).

use super::config::CircuitBreakerConfig;
use crate::base::scope;
use crate::base::shards::{Here, SHARDS};
use crate::base::sync::{AtomicU64, Ordering};
use std::collections::VecDeque;
use std::ops::{AddAssign, SubAssign};
use std::time::Duration;

/// The number of successes of a thread after which the time is read, in a window of time.
const MARK: u64 = if cfg!(loom) { 2 } else { 32 };
/// What a counter has after it is refilled: the success after these reads the time.
const FULL: u64 = MARK - 1;
/// The number of looks during a window of time that take over what was counted.
const LOOKS: u64 = 1_024;
/// The number of runs that a window of time remembers, before neighbours are joined.
const RUNS: usize = 2_048;

/// The successes that a breaker counts without a time, by thread.
#[derive(Debug)]
pub(super) struct Successes {
    counters: [Counter; SHARDS],
    /// When they are to be taken over: any earlier would tell hardly more about their times.
    due: AtomicU64,
}

/// The successes of some threads, in a cache line of its own. The high 20 bits count down, so that the instruction that
/// counts finds the end, too: below zero the counter is to be refilled. The others count how often it was.
#[derive(Debug)]
#[repr(align(128))]
struct Counter(AtomicU64);

/// One of those that a [`Counter`] has left.
const LEFT: u64 = 1 << 44;

impl Counter {
    const fn new() -> Self {
        Self(AtomicU64::new(FULL * LEFT))
    }

    /// Returns how many it has counted, and how many of these since it was last refilled.
    fn counted(&self) -> (u64, u64) {
        let value = self.0.load(Ordering::Relaxed);
        let recent = FULL.cast_signed() - value.cast_signed().div_euclid(LEFT.cast_signed());
        ((value % LEFT * MARK).wrapping_add_signed(recent), recent.max(0).cast_unsigned())
    }
}

impl Successes {
    pub(super) fn new() -> Self {
        Self { counters: [const { Counter::new() }; SHARDS], due: AtomicU64::new(0) }
    }

    /// Counts a success. Returns whether the counter of the thread has to be refilled.
    #[inline]
    pub(super) fn count(&self, here: Here) -> bool {
        // The compiler takes the sign from the addition itself only if both lines add the same number.
        let one_less = LEFT.wrapping_neg();
        let before = self.counters[here.shard()].0.fetch_add(one_less, Ordering::Relaxed);
        before.wrapping_add(one_less).cast_signed() < 0
    }

    /// Gives the counter of the thread more successes to count.
    pub(super) fn refill(&self, here: Here) {
        self.counters[here.shard()].0.fetch_add(MARK * LEFT + 1, Ordering::Relaxed);
    }

    /// Returns whether the counters are to be taken over at `now`.
    pub(super) fn are_due(&self, now: u64) -> bool {
        now >= self.due.load(Ordering::Relaxed)
    }

    /// Returns how many were counted, and how many of these since each counter was refilled.
    fn counted(&self) -> (u64, u64) {
        let each = self.counters.iter().map(Counter::counted);
        each.fold((0, 0), |sum, one| (sum.0.wrapping_add(one.0), sum.1 + one.1))
    }
}

/// The number of results: inside the window, in a run, or one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shares {
    pub(super) calls: u64,
    pub(super) failures: u64,
    pub(super) slow: u64,
}

impl AddAssign for Shares {
    fn add_assign(&mut self, other: Self) {
        self.calls += other.calls;
        self.failures += other.failures;
        self.slow += other.slow;
    }
}

impl SubAssign for Shares {
    fn sub_assign(&mut self, other: Self) {
        self.calls -= other.calls;
        self.failures -= other.failures;
        self.slow -= other.slow;
    }
}

impl Shares {
    /// Returns one result.
    pub(super) const fn one(is_failure: bool, is_slow: bool) -> Self {
        Self { calls: 1, failures: is_failure as u64, slow: is_slow as u64 }
    }

    /// Returns the share of failures, once there are enough calls.
    pub(super) fn failure_rate(self, config: &CircuitBreakerConfig) -> Option<f64> {
        self.share(self.failures, config)
    }

    /// Returns the share of slow calls, once there are enough calls, of a breaker that measures.
    pub(super) fn slow_rate(self, config: &CircuitBreakerConfig) -> Option<f64> {
        config.slow.and_then(|_| self.share(self.slow, config))
    }

    fn share(self, count: u64, config: &CircuitBreakerConfig) -> Option<f64> {
        let is_known = self.calls > 0 && self.calls >= config.fewest_calls();
        // Counts are far below 2^52.
        is_known.then(|| count as f64 / self.calls as f64)
    }

    /// Returns whether the shares open the breaker.
    pub(super) fn trip(self, config: &CircuitBreakerConfig) -> bool {
        let rate = self.failure_rate(config);
        config.rate.zip(rate).is_some_and(|(most, rate)| rate >= most) || self.trip_by_slowness(config)
    }

    /// Returns whether the slow calls open it.
    pub(super) fn trip_by_slowness(self, config: &CircuitBreakerConfig) -> bool {
        self.slow_rate(config).is_some_and(|rate| rate >= config.slow_rate)
    }
}

/// The results inside the window of one breaker; forgotten at each transition.
#[derive(Debug)]
pub(super) struct Results {
    /// How many [`Successes`] were counted at the last look.
    counted: u64,
    /// The time of the last look.
    looked: u64,
    /// The latest moment that was seen. A thread that read its clock before another one, and comes after it, comes at
    /// the same moment.
    latest: u64,
    /// The time or the number of calls that the window holds.
    size: (Option<Duration>, u64),
    window: Window,
}

#[derive(Debug)]
enum Window {
    /// The number of all results, and at which numbers those inside the window failed or were slow.
    Calls {
        all: u64,
        failures: VecDeque<u64>,
        slow: VecDeque<u64>,
    },
    Time(Runs),
}

impl Results {
    /// Creates an empty window, from `now` on.
    pub(super) fn new(successes: &Successes, now: u64, config: &CircuitBreakerConfig) -> Self {
        let window = match config.window {
            Some(_) => Window::Time(Runs::default()),
            None => Window::Calls { all: 0, failures: VecDeque::new(), slow: VecDeque::new() },
        };
        Self { counted: successes.counted().0, looked: now, latest: now, size: size(config), window }
    }

    /// Returns whether the results are of the window of these settings.
    pub(super) fn are_of(&self, config: &CircuitBreakerConfig) -> bool {
        self.size == size(config)
    }

    /// Takes over the successes that were counted since the last look.
    pub(super) fn take(&mut self, successes: &Successes, now: u64) {
        let (counted, recent) = successes.counted();
        let calls = counted.wrapping_sub(std::mem::replace(&mut self.counted, counted));
        let now = self.latest(now);
        let from = std::mem::replace(&mut self.looked, now);
        let recent = recent.min(calls);
        // A thread whose counter was refilled has read the time then, and it was too early for a look.
        let due = successes.due.load(Ordering::Relaxed).clamp(from, now);
        let between = if recent < calls { due } else { from };
        for (from, to, calls) in [(from, between, calls - recent), (between, now, recent)] {
            if calls > 0 {
                self.push(Run { from, to, counts: Shares { calls, ..Shares::default() } });
            }
        }
        if let Some(window) = self.size.0 {
            successes.due.store(now.saturating_add(scope::nanos(window) / LOOKS), Ordering::Relaxed);
        }
    }

    /// Takes over the successes since the last look. Returns whether nothing else has to be done: the window of these
    /// settings holds enough results, so that successes need no time.
    pub(super) fn look(&mut self, successes: &Successes, now: u64, config: &CircuitBreakerConfig) -> bool {
        if !self.are_of(config) {
            return false;
        }
        self.take(successes, now);
        match (&mut self.window, config.window) {
            (Window::Time(runs), Some(window)) => runs.hold(self.latest, window, config.fewest_calls()),
            _ => false,
        }
    }

    /// Records a result at `now`.
    pub(super) fn record(&mut self, one: Shares, now: u64) {
        let now = self.latest(now);
        self.push(Run { from: now, to: now, counts: one });
    }

    fn latest(&mut self, now: u64) -> u64 {
        self.latest = self.latest.max(now);
        self.latest
    }

    fn push(&mut self, run: Run) {
        match &mut self.window {
            Window::Calls { all, failures, slow } => {
                *all += run.counts.calls;
                if run.counts.failures > 0 {
                    failures.push_back(*all);
                }
                if run.counts.slow > 0 {
                    slow.push_back(*all);
                }
            }
            Window::Time(runs) => runs.push(run),
        }
    }

    /// Returns the results inside the window at `now`; forgets older ones.
    pub(super) fn shares(&mut self, now: u64, config: &CircuitBreakerConfig) -> Shares {
        let now = self.latest(now);
        match &mut self.window {
            Window::Calls { all, failures, slow } => {
                let size = config.call_window();
                for marked in [&mut *failures, &mut *slow] {
                    while marked.front().is_some_and(|at| *at + size <= *all) {
                        marked.pop_front();
                    }
                }
                Shares { calls: size.min(*all), failures: failures.len() as u64, slow: slow.len() as u64 }
            }
            Window::Time(runs) => {
                runs.inside(now, config.window.unwrap_or(Duration::MAX), config.fewest_calls())
            }
        }
    }
}

/// Returns the size of the window of these settings.
fn size(config: &CircuitBreakerConfig) -> (Option<Duration>, u64) {
    (config.window, config.call_window())
}

/// Results between two moments; successes whose times are not known are treated as spread evenly over them.
#[derive(Clone, Copy, Debug)]
struct Run {
    from: u64,
    to: u64,
    counts: Shares,
}

impl Run {
    /// Returns how many of `count` results, spread evenly and the last of them at the end, are younger than `cut`.
    fn after(&self, cut: u64, count: u64) -> u64 {
        let length = u128::from(self.to.saturating_sub(self.from));
        let passed = cut.saturating_sub(self.from);
        let before = (u128::from(count) * u128::from(passed)).checked_div(length);
        let older = before.map_or(count, |before| u64::try_from(before).unwrap_or(u64::MAX));
        count.saturating_sub(older)
    }
}

/// The runs that may be inside a window of time, oldest first.
#[derive(Debug, Default)]
struct Runs {
    all: VecDeque<Run>,
    sum: Shares,
}

impl Runs {
    fn push(&mut self, run: Run) {
        self.sum += run.counts;
        match self.all.back_mut() {
            // Of one moment: the order does not matter.
            Some(last) if last.from == run.to => last.counts += run.counts,
            _ => self.all.push_back(run),
        }
        if self.all.len() > RUNS {
            self.join();
        }
    }

    /// Joins each run with its neighbour, so that a window of any length takes a bounded room.
    fn join(&mut self) {
        let mut joined = VecDeque::with_capacity(RUNS);
        while let Some(mut run) = self.all.pop_front() {
            if let Some(next) = self.all.pop_front() {
                run.to = next.to;
                run.counts += next.counts;
            }
            joined.push_back(run);
        }
        self.all = joined;
    }

    /// Forgets the runs that are older than `window` at `now`. Returns where the window begins, and the run of which a
    /// part may be older.
    fn forget(&mut self, now: u64, window: Duration) -> Option<(u64, &Run)> {
        let cut = now.checked_sub(scope::nanos(window))?;
        while let Some(run) = self.all.front().filter(|run| run.to <= cut) {
            self.sum -= run.counts;
            self.all.pop_front();
        }
        Some((cut, self.all.front().filter(|run| run.from <= cut)?))
    }

    /// Returns whether `fewest` results are younger than `window` at `now`; forgets older runs.
    ///
    /// Of the run at the edge the last successes are, if they are needed; its failures may not be.
    fn hold(&mut self, now: u64, window: Duration, fewest: u64) -> bool {
        let doubtful = self.forget(now, window).map_or(0, |(_, run)| run.counts.failures);
        self.sum.calls - doubtful >= fewest
    }

    /// Returns the results that are younger than `window` at `now`; forgets older runs.
    fn inside(&mut self, now: u64, window: Duration, fewest: u64) -> Shares {
        let straddling = self.forget(now, window).map(|(cut, run)| (cut, *run));
        let mut inside = self.sum;
        if let Some((cut, run)) = straddling {
            // The last few results are inside until as many have ended after them as it takes to judge.
            inside -= run.counts;
            let successes = run.counts.calls - run.counts.failures;
            let last = fewest.saturating_sub(inside.calls).min(successes);
            let (failures, slow) = (run.after(cut, run.counts.failures), run.after(cut, run.counts.slow));
            let calls = run.after(cut, successes).max(last) + failures;
            inside += Shares { calls, failures, slow };
        }
        inside
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::base::shards::here;

    const SECOND: u64 = 1_000_000_000;
    const START: u64 = 86_400 * SECOND;
    const FAILURE: Shares = Shares::one(true, false);
    const SUCCESS: Shares = Shares::one(false, false);

    fn config(window: Option<Duration>, calls: Option<u32>, min_calls: u32) -> CircuitBreakerConfig {
        CircuitBreakerConfig {
            rate: Some(0.5),
            window,
            window_calls: calls,
            min_calls,
            ..CircuitBreakerConfig::default()
        }
    }

    /// Counts a success as a breaker does. Returns whether it is due for a look.
    fn count(successes: &Successes) -> bool {
        let here = here();
        let is_due = successes.count(here);
        if is_due {
            successes.refill(here);
        }
        is_due
    }

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

    #[test]
    fn a_window_of_calls_agrees_with_a_list_of_all_calls() {
        for seed in 1..=300 {
            let mut random = random(seed);
            let (size, now) = (1 + random(40), START);
            let config = config(None, Some(u32::try_from(size).expect("small")), 1);
            let successes = Successes::new();
            let mut results = Results::new(&successes, now, &config);
            let mut all: VecDeque<Shares> = VecDeque::new();
            for _ in 0..200 {
                let is_failure = random(3) == 0;
                let seen = Shares::one(is_failure, random(4) == 0);
                all.push_back(seen);
                if all.len() as u64 > size {
                    all.pop_front();
                }
                if is_failure || seen.slow > 0 {
                    results.take(&successes, now);
                    results.record(seen, now);
                    let failures = all.iter().filter(|seen| seen.failures > 0).count() as u64;
                    let slow = all.iter().filter(|seen| seen.slow > 0).count() as u64;
                    assert_eq!(
                        results.shares(now, &config),
                        Shares { calls: all.len() as u64, failures, slow }
                    );
                } else {
                    count(&successes);
                }
            }
        }
    }

    /// Returns how the clock of the next result goes on, in milliseconds: a little, not at all, two hours after a
    /// suspension, or back by one where another thread has read it before.
    fn passes(random: &mut impl FnMut(u64) -> u64) -> i64 {
        match random(12) {
            0 => 7_200_000,
            1..=3 => -1,
            4..=6 => 0,
            _ => random(4).cast_signed(),
        }
    }

    /// Every result in a list, with the latest time that was seen when it came.
    #[derive(Default)]
    struct Model {
        clock: i64,
        latest: i64,
        all: Vec<(i64, Shares)>,
    }

    impl Model {
        fn pass(&mut self, millis: i64) {
            self.clock += millis;
            self.latest = self.latest.max(self.clock);
        }

        fn shares(&self, is_inside: impl Fn(usize, i64) -> bool) -> Shares {
            let inside = self.all.iter().enumerate().filter(|(at, (time, _))| is_inside(*at, *time));
            inside.fold(Shares::default(), |shares, (_, (_, seen))| Shares {
                calls: shares.calls + 1,
                failures: shares.failures + seen.failures,
                slow: shares.slow + seen.slow,
            })
        }
    }

    #[test]
    fn windows_agree_with_a_list_even_when_the_clock_jumps() {
        for seed in 1..=300 {
            let mut random = random(seed);
            let start = START;
            let at = |clock: i64| start + (1_000 + clock.unsigned_abs()) * 1_000_000;
            let (millis, calls) = (1 + random(20).cast_signed(), 1 + random(40) as u32);
            let timed = config(Some(Duration::from_millis(millis.unsigned_abs())), None, 1_000_000);
            let counted = config(None, Some(calls), 1);
            let (successes, mut model) = (Successes::new(), Model { clock: 1_000, ..Model::default() });
            model.pass(0);
            let mut by_time = Results::new(&successes, at(model.clock), &timed);
            let mut by_count = Results::new(&successes, at(model.clock), &counted);
            for n in 0..200 {
                model.pass(passes(&mut random));
                let now = at(model.clock);
                if random(4) > 0 {
                    let seen = Shares::one(random(3) == 0, random(4) == 0);
                    model.all.push((model.latest, seen));
                    by_time.record(seen, now);
                    by_count.record(seen, now);
                }
                let all = model.all.len();
                let in_time = model.shares(|_, time| model.latest - time < millis);
                let in_count = model.shares(|at, _| all - at <= calls as usize);
                assert_eq!(by_time.shares(now, &timed), in_time, "seed {seed}, step {n}");
                assert_eq!(by_count.shares(now, &counted), in_count, "seed {seed}, step {n}");
            }
        }
    }

    /// What the documentation says of successes without a time: they count as inside until as many calls as it takes to
    /// judge have ended after them, and else as spread evenly over the time in which they came.
    #[test]
    fn untimed_successes_agree_with_the_model_when_the_clock_jumps() {
        // The looks after which enough results are inside, and the others.
        let mut seen = [0, 0];
        for seed in 1..=200 {
            let mut random = random(seed);
            let start = START;
            let at = |clock: i64| start + (1_000 + clock.unsigned_abs()) * 1_000_000;
            let window = 1 + random(20).cast_signed();
            let fewest = 1 + random(20);
            let config = config(
                Some(Duration::from_millis(window.unsigned_abs())),
                None,
                u32::try_from(fewest).unwrap(),
            );
            let successes = Successes::new();
            let mut model = Model { clock: 1_000, ..Model::default() };
            model.pass(0);
            let mut results = Results::new(&successes, at(model.clock), &config);
            // From, to, and how many; a failure is of one moment.
            let (mut runs, mut looked) = (Vec::<(i64, i64, u64, u64)>::new(), model.latest);
            for n in 0..100 {
                let unseen = random(30);
                (0..unseen).for_each(|_| _ = successes.count(here()));
                model.pass(passes(&mut random));
                let now = at(model.clock);
                let is_look = random(3) == 0;
                let holds = is_look && results.look(&successes, now, &config);
                runs.push((looked, model.latest, unseen, 0));
                looked = model.latest;
                if !is_look {
                    results.take(&successes, now);
                    results.record(FAILURE, now);
                    runs.push((model.latest, model.latest, 0, 1));
                }
                let (cut, mut later, mut expected) = (model.latest - window, 0, Shares::default());
                for (from, to, successes, failures) in runs.iter().rev().copied() {
                    let inside = if to <= cut {
                        0
                    } else if from > cut {
                        successes
                    } else {
                        // The last of them is at the end.
                        let older = successes * (cut - from).unsigned_abs() / (to - from).unsigned_abs();
                        (successes - older).max(successes.min(fewest.saturating_sub(later)))
                    };
                    let failures = if to <= cut { 0 } else { failures };
                    later += successes + failures;
                    expected.calls += inside + failures;
                    expected.failures += failures;
                }
                assert_eq!(holds, is_look && expected.calls >= fewest, "seed {seed}, step {n}");
                seen[usize::from(holds)] += u32::from(is_look);
                assert_eq!(results.shares(now, &config), expected, "seed {seed}, step {n}");
            }
        }
        assert!(seen.iter().all(|seen| *seen > 200), "{seen:?}");
    }

    #[test]
    fn untimed_successes_are_spread_evenly_except_the_last_few() {
        let (start, config) = (START, config(Some(Duration::from_secs(10)), None, 20));
        let successes = Successes::new();
        let mut results = Results::new(&successes, start, &config);
        (0..40).for_each(|_| _ = successes.count(here()));
        let at = start + 20 * SECOND;
        results.take(&successes, at);
        results.record(FAILURE, at);
        // Half of the 20 s is inside: 20 of the 40, which is as many as the last few.
        assert_eq!(results.shares(at, &config), Shares { calls: 21, failures: 1, slow: 0 });
        let later = at + 5 * SECOND;
        // A quarter is inside; but only 1 call has ended after the last 19.
        assert_eq!(results.shares(later, &config), Shares { calls: 20, failures: 1, slow: 0 });
        results.record(FAILURE, later);
        for _ in 0..18 {
            results.record(SUCCESS, later);
        }
        assert_eq!(results.shares(later, &config), Shares { calls: 30, failures: 2, slow: 0 });
        assert_eq!(results.shares(later + 10 * SECOND, &config), Shares::default());
    }

    #[test]
    fn the_size_of_a_time_window_is_bounded() {
        let (start, config) = (START, config(Some(Duration::from_secs(3_600)), None, 20));
        let successes = Successes::new();
        let mut results = Results::new(&successes, start, &config);
        for n in 0..100_000_u32 {
            results.record(if n % 3 == 0 { FAILURE } else { SUCCESS }, start + u64::from(n) * 1_000_000);
        }
        let Window::Time(runs) = &results.window else { panic!("a window of time") };
        assert!(runs.all.len() <= RUNS, "{}", runs.all.len());
        let shares = results.shares(start + 100 * SECOND, &config);
        assert_eq!(shares, Shares { calls: 100_000, failures: 33_334, slow: 0 });
    }

    #[test]
    fn every_32nd_success_of_a_thread_is_due_for_a_look() {
        let successes = Successes::new();
        for _ in 0..3 {
            assert!((1..MARK).all(|_| !successes.count(here())));
            assert!(successes.count(here()));
            successes.refill(here());
        }
    }

    #[test]
    fn a_counter_that_is_refilled_late_is_due_until_then() {
        let successes = Successes::new();
        (0..100).for_each(|_| _ = successes.count(here()));
        assert!(successes.count(here()));
        while successes.count(here()) {
            successes.refill(here());
        }
        assert_eq!((0..10 * MARK).filter(|_| count(&successes)).count(), 10);
        (0..3).for_each(|_| successes.refill(here()));
        let counted = successes.counted().0;
        (0..7).for_each(|_| _ = successes.count(here()));
        assert_eq!(successes.counted().0, counted + 7);
    }

    #[test]
    fn successes_of_all_threads_are_taken_over_once() {
        let (start, config) = (START, config(Some(Duration::from_secs(1)), None, 1));
        let successes = Successes::new();
        let mut results = Results::new(&successes, start, &config);
        std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..10_000).for_each(|_| _ = count(&successes)))).collect();
            while threads.iter().any(|thread| !thread.is_finished()) {
                results.take(&successes, start);
                assert!(results.shares(start, &config).calls <= 40_000);
            }
        });
        results.take(&successes, start);
        assert_eq!(results.shares(start, &config), Shares { calls: 40_000, failures: 0, slow: 0 });
    }

    #[test]
    fn only_the_last_successes_of_a_thread_are_spread_until_a_later_look() {
        let (start, config) = (START, config(Some(Duration::from_secs(10)), None, 1));
        let successes = Successes::new();
        let mut results = Results::new(&successes, start, &config);
        for n in 0..1_000 {
            if successes.count(here()) {
                if successes.are_due(start + n) {
                    results.take(&successes, start + n);
                }
                successes.refill(here());
            }
        }
        results.take(&successes, start + 5 * SECOND);
        // A look would have been due 10 ms after the first; only the 8 after the last 32 are spread over the 5 seconds.
        let at = start + 10 * SECOND + 10_000_000;
        assert_eq!(results.shares(at, &config), Shares { calls: 8, failures: 0, slow: 0 });
    }

    #[test]
    fn a_window_of_time_is_looked_at_1024_times_at_most() {
        let (start, config) = (START, config(Some(Duration::from_secs(1)), None, 1));
        let successes = Successes::new();
        let mut results = Results::new(&successes, start, &config);
        let looks = (0..1_000_000).filter(|n| {
            let is_due = successes.are_due(start + n * 1_000);
            if is_due {
                results.take(&successes, start + n * 1_000);
            }
            is_due
        });
        assert_eq!(looks.count() as u64, LOOKS);
    }
}
