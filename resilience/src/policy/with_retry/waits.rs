//! All waits of a schedule added up: at their mean for compile-time checks, at their longest for the
//! inventory.
//!
//! The sum decides whether a stack makes sense: a `timeout` above a retry whose waits alone are longer would never let
//! the last attempts happen. It is computed at the mean, because with full jitter the longest waits almost never come
//! together, and a stack that works in all but one call of a thousand is not a mistake. All of it is `const`: the check
//! is part of the program's constants. Sums have closed forms or at most [`STEPS`] terms, so that no count of retries
//! makes the compiler slow; the tests compare the mean with many drawn waits.

use super::backoff::{Backoff, Jitter, Schedule, scaled};
use super::config::Retry;
use crate::base::text::Text;
use std::time::Duration;

/// The number of waits that are computed one by one. Later ones count as the last of them if the sum must not
/// be too long (the mean), and as the longest if it must not be too short.
const STEPS: u32 = 1_000;

/// The waits of a schedule one after the other, without jitter.
struct ScheduleWaits {
    exact: f64,
    fibonacci: (u128, u128),
    n: u32,
}

impl ScheduleWaits {
    const fn new(schedule: &Schedule) -> Self {
        Self { exact: schedule.base.as_nanos() as f64, fibonacci: (1, 1), n: 0 }
    }

    const fn next(&mut self, schedule: &Schedule) -> u128 {
        let (base, cap) = (schedule.base.as_nanos(), schedule.cap.as_nanos());
        self.n += 1;
        let step = match schedule.backoff {
            Backoff::Exponential(factor) => {
                let step = self.exact as u128;
                self.exact *= factor;
                step
            }
            Backoff::Linear => base.saturating_mul(self.n as u128),
            Backoff::Fibonacci => {
                let (a, b) = self.fibonacci;
                self.fibonacci = (b, a.saturating_add(b));
                base.saturating_mul(a)
            }
            Backoff::Constant | Backoff::Decorrelated => base,
            Backoff::Custom(_) => cap,
        };
        if step < cap { step } else { cap }
    }
}

/// Returns the sum of the waits at the mean of their jitter, in nanoseconds; 0 for a function of the user,
/// which cannot be asked while compiling.
pub(super) const fn mean(schedule: &Schedule) -> u128 {
    if let Backoff::Decorrelated = schedule.backoff {
        return drawn(schedule);
    }
    let cap = schedule.cap.as_nanos();
    let mut walk = ScheduleWaits::new(schedule);
    let (mut sum, mut last, mut n) = (0_u128, 0_u128, 0);
    while n < schedule.max && n < STEPS {
        let step = walk.next(schedule);
        last = match (schedule.backoff, schedule.jitter) {
            (Backoff::Custom(_), _) => 0,
            (_, Jitter::Full) => step / 2,
            (_, Jitter::Equal) => step - step / 4,
            (_, Jitter::None) => step,
            (_, Jitter::Range(low, high)) => mean_between(scaled(step, low), scaled(step, high), cap),
        };
        sum = sum.saturating_add(last);
        n += 1;
    }
    sum.saturating_add(last.saturating_mul((schedule.max - n) as u128))
}

/// Returns the first wait at the mean of its jitter, in nanoseconds.
pub(super) const fn mean_of_first(schedule: &Schedule) -> u128 {
    mean(&Schedule { max: 1, ..*schedule })
}

/// Returns how many attempts a call can make whose waits, at the shortest that jitter allows, end within `limit`.
pub(super) fn attempts_within(retry: &Retry, limit: Duration) -> u64 {
    let rules = retry.config().on.iter().map(|rule| retry.schedule(Some(rule)));
    let mut runs: Vec<_> =
        rules.chain([retry.schedule(None)]).flat_map(|schedule| shortest(&schedule)).collect();
    // Waits never become shorter, so the shortest ones of all schedules can be made first.
    runs.sort_unstable();
    let (mut left, mut attempts) = (limit.as_nanos(), 1_u64);
    for (wait, count) in runs {
        let fits = left.checked_div(wait).map_or(count, |fits| fits.min(count));
        left -= wait * fits;
        attempts = attempts.saturating_add(fits as u64);
    }
    attempts
}

/// Returns the shortest waits of a schedule, each with its count.
fn shortest(schedule: &Schedule) -> Vec<(u128, u128)> {
    let cap = schedule.cap.as_nanos();
    let mut walk = ScheduleWaits::new(schedule);
    let mut runs = Vec::new();
    for _ in 0..schedule.max.min(STEPS) {
        let step = walk.next(schedule);
        let wait = match (schedule.backoff, schedule.jitter) {
            (Backoff::Custom(_), _) => 0,
            (Backoff::Decorrelated, _) | (_, Jitter::None) => step,
            (_, Jitter::Full) => 0,
            (_, Jitter::Equal) => step / 2,
            (_, Jitter::Range(low, _)) => min(scaled(step, low), cap),
        };
        runs.push((wait, 1));
    }
    let later = u128::from(schedule.max.saturating_sub(STEPS));
    runs.extend(runs.last().map(|(wait, _)| (*wait, later)));
    runs
}

/// Returns the sum of decorrelated waits, as the mean of some drawn calls: each wait depends on the one before, and
/// the part that `cap` cuts off has no short formula. Drawn from fixed numbers, so that all builds agree.
const fn drawn(schedule: &Schedule) -> u128 {
    const CALLS: u64 = 512;
    const WAITS: u32 = 64;
    let (base, cap) = (schedule.base.as_nanos() as f64, schedule.cap.as_nanos() as f64);
    let waits = if schedule.max < WAITS { schedule.max } else { WAITS };
    let (mut sum, mut last, mut state, mut call) = (0.0, 0.0, 0_u64, 0);
    while call < CALLS {
        let (mut wait, mut n) = (base, 0);
        while n < waits {
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            wait = (base + (wait * 3.0 - base).max(0.0) * unit(state)).min(cap);
            sum += wait;
            n += 1;
        }
        last += wait;
        call += 1;
    }
    ((sum + last * (schedule.max - waits) as f64) / CALLS as f64) as u128
}

/// Returns a number in `0.0..1.0` from the steps of a counter, mixed as in Steele, Lea and Flood, "Fast Splittable
/// Pseudorandom Number Generators" (2014).
const fn unit(counter: u64) -> f64 {
    let mixed = (counter ^ (counter >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Returns the sum of the waits at the longest that jitter allows, none counted as less than `floor`, in
/// nanoseconds.
pub(super) const fn longest(schedule: &Schedule, floor: u128) -> u128 {
    let cap = schedule.cap.as_nanos();
    let mut walk = ScheduleWaits::new(schedule);
    let (mut sum, mut last, mut steady, mut n) = (0_u128, 0, false, 0);
    while n < schedule.max && n < STEPS {
        let step = walk.next(schedule);
        let wait = match (schedule.backoff, schedule.jitter) {
            (Backoff::Decorrelated, _) => cap,
            (_, Jitter::Range(_, high)) => min(scaled(step, high), cap),
            _ => step,
        };
        let wait = if wait < floor { floor } else { wait };
        steady = wait == last;
        last = wait;
        sum = sum.saturating_add(wait);
        n += 1;
    }
    let later = if steady || cap < floor { last } else { cap };
    sum.saturating_add(later.saturating_mul((schedule.max - n) as u128))
}

const fn min(a: u128, b: u128) -> u128 {
    if a < b { a } else { b }
}

/// Returns the mean of a random number from `low` to `high`, where more than `cap` counts as `cap`.
const fn mean_between(low: u128, high: u128, cap: u128) -> u128 {
    if high <= cap {
        return u128::midpoint(low, high);
    }
    if low >= cap {
        return cap;
    }
    let (low, high, cap) = (low as f64, high as f64, cap as f64);
    (((cap * cap - low * low) / 2.0 + cap * (high - cap)) / (high - low)) as u128
}

/// Refuses waits that cannot fit into `total`, the timeout of the whole call.
///
/// The sum is taken at the mean of the jitter. A rule of `on(..)` is judged by itself, since its retries
/// are counted apart. A function of the user's own is not asked.
///
/// # Panics
///
/// With the computed numbers, where the waits are longer than `total`: a compile error in a `const`.
///
/// # Examples
///
/// ```compile_fail
/// use resilience::policy::with_retry::{Retry, check_waits};
/// use std::time::Duration;
///
/// const _: () = check_waits(&Retry::new().max(8), Duration::from_secs(2));
/// ```
#[track_caller]
pub const fn check_waits(retry: &Retry, total: Duration) {
    if let Some(text) = too_long(retry, total) {
        panic!("{}", text.as_str())
    }
}

/// Returns what is wrong with the waits of `retry` within `total`.
pub(super) const fn too_long(retry: &Retry, total: Duration) -> Option<Text<320>> {
    let longer = longer(&retry.schedule(None), "", total);
    if longer.is_some() {
        return longer;
    }
    let (rules, mut n) = (retry.config().on, 0);
    while n < rules.len() {
        let rule = &rules[n];
        let longer = self::longer(&retry.schedule(Some(rule)), rule.category.as_str(), total);
        if longer.is_some() {
            return longer;
        }
        n += 1;
    }
    None
}

const fn longer(schedule: &Schedule, category: &str, total: Duration) -> Option<Text<320>> {
    let sum = mean(schedule);
    if sum <= total.as_nanos() {
        return None;
    }
    let mut text = Text::<320>::new().push("the waits between ").int(schedule.max as u128 + 1);
    text = text.push(" attempts");
    if !category.is_empty() {
        text = text.push(" that end in `").push(category).push("`");
    }
    text = text.push(" add up to ").about(sum);
    text = text.push(", longer than the timeout of the whole call (").time(total);
    Some(text.push("): raise it, or lower `max`, `base` or `cap`"))
}

#[cfg(test)]
mod tests {
    use super::super::Rule;
    use super::*;
    use crate::classify::Category;

    fn retry(max: u32) -> Retry {
        Retry::new().max(max).jitter(Jitter::None)
    }

    fn mean_ms(retry: Retry) -> u128 {
        retry.mean_waits().as_millis()
    }

    #[test]
    fn mean_waits_follow_the_jitter() {
        assert_eq!(mean_ms(retry(3)), 700);
        assert_eq!(mean_ms(Retry::new()), 350);
        assert_eq!(mean_ms(retry(3).jitter(Jitter::Equal)), 525);
        assert_eq!(mean_ms(retry(3).jitter(Jitter::Range(0.5, 2.5))), 1050);
        assert_eq!(mean_ms(retry(0)), 0);
        assert_eq!(mean_ms(retry(3).backoff(Backoff::Constant)), 300);
        assert_eq!(mean_ms(retry(3).backoff(Backoff::Linear)), 600);
        assert_eq!(mean_ms(retry(5).backoff(Backoff::Fibonacci)), 1200);
        assert_eq!(mean_ms(retry(3).backoff(Backoff::Custom(|_| Duration::MAX))), 0);
    }

    #[cfg(feature = "testing")]
    #[test]
    fn the_mean_agrees_with_sampled_waits() {
        let kinds = [
            Retry::new().max(8).jitter(Jitter::Range(0.2, 3.0)).cap(Duration::from_secs(2)),
            Retry::new().max(8).jitter(Jitter::Equal),
            Retry::new().max(4).backoff(Backoff::Decorrelated),
            Retry::new().max(20).backoff(Backoff::Decorrelated),
            Retry::new().max(80).backoff(Backoff::Decorrelated).cap(Duration::from_secs(1)),
        ];
        let _world = crate::testing::isolate();
        for retry in kinds {
            let schedule = retry.schedule(None);
            let mut sum = Duration::ZERO;
            for _ in 0..4_000 {
                let mut previous = None;
                for n in 0..retry.config().max {
                    previous = Some(schedule.delay(n, previous, crate::base::rng::uniform()));
                    sum += previous.unwrap_or_default();
                }
            }
            let (drawn, mean) = (sum.as_secs_f64() / 4_000.0, retry.mean_waits().as_secs_f64());
            const {
                assert!(
                    Retry::new().backoff(Backoff::Decorrelated).max(u32::MAX).mean_waits().as_nanos() > 0
                );
            };
            assert!((drawn - mean).abs() < mean * 0.05, "{drawn} drawn, {mean} computed");
        }
    }

    #[test]
    fn huge_counts_are_computed_quickly() {
        assert_eq!(mean_ms(retry(u32::MAX).backoff(Backoff::Constant)), 100 * u128::from(u32::MAX));
        assert!(mean_ms(retry(u32::MAX)) > 9_000 * u128::from(u32::MAX));
        let absurd = retry(u32::MAX).cap(Duration::MAX).base(Duration::MAX).jitter(Jitter::Range(10.0, 10.0));
        assert_eq!(absurd.mean_waits(), Duration::MAX);
        assert!(longest(&absurd.schedule(None), u128::MAX) == u128::MAX);
        assert_eq!(longest(&retry(2_000).backoff(Backoff::Constant).schedule(None), 0), 200_000_000_000);
    }

    #[test]
    fn give_up_after_bounds_the_attempts() {
        const SECOND: Duration = Duration::from_secs(1);
        const RULED: &[Rule] = &[Rule::new(Category::Timeout).max(3).base(SECOND)];
        let steady = retry(8).backoff(Backoff::Constant).base(SECOND);
        assert_eq!(attempts_within(&steady, SECOND * 2), 3);
        assert_eq!(attempts_within(&steady, SECOND * 99), 9);
        assert_eq!(attempts_within(&steady.jitter(Jitter::Range(0.5, 1.0)), SECOND * 2), 5);
        assert_eq!(attempts_within(&steady.jitter(Jitter::Equal), SECOND * 2), 5);
        assert_eq!(attempts_within(&Retry::new().max(8), SECOND), 9, "full jitter may wait for no time");
        assert_eq!(attempts_within(&retry(8), Duration::from_millis(700)), 4);
        assert_eq!(attempts_within(&steady.on(RULED), SECOND * 2), 3);
        assert_eq!(attempts_within(&retry(8).on(RULED), Duration::from_millis(1_700)), 5);
        assert_eq!(attempts_within(&steady.max(u32::MAX), SECOND * 1_000_000), 1_000_001);
        assert_eq!(attempts_within(&retry(u32::MAX).base(Duration::ZERO), SECOND), 1 + u64::from(u32::MAX));
    }

    fn message(retry: &Retry, total: Duration) -> String {
        let panic = std::panic::catch_unwind(|| check_waits(retry, total)).expect_err("must be refused");
        panic.downcast_ref::<String>().cloned().unwrap_or_default()
    }

    const RULES: &[Rule] = &[Rule::new(Category::RateLimited).max(5).base(Duration::from_secs(4))];

    #[test]
    fn waits_longer_than_the_limit_are_rejected_with_the_numbers() {
        check_waits(&Retry::new(), Duration::from_millis(350));
        assert_eq!(
            message(&retry(8), Duration::from_secs(2)),
            "the waits between 9 attempts add up to 22.7s, longer than the timeout of the whole call (2s): \
             raise it, or lower `max`, `base` or `cap`"
        );
        let text = message(&Retry::new().max(1).on(RULES), Duration::from_secs(10));
        assert!(
            text.starts_with("the waits between 6 attempts that end in `rate_limited` add up to 21s"),
            "{text}"
        );
    }
}
