//! The length of the wait before a retry.

use crate::base::guarded::contained;
use crate::base::setting::{Complaint, Kind, Value};
use crate::base::settings::Factor;
use std::time::Duration;

/// The growth of the wait from one retry to the next.
///
/// Retry n, counted from 0, waits as long as stated here, then at most `cap`, then jitter, then at most `cap`
/// again. In an attribute it is `backoff = 2.0`, or a word: `constant`, `linear`, `fibonacci`,
/// `decorrelated`, or the path of a function.
///
/// # Examples
///
/// ```
/// use resilience::{Backoff, Jitter, Retry};
/// use std::time::Duration;
///
/// const SECOND: Duration = Duration::from_secs(1);
/// const PLAIN: Retry = Retry::new().max(4).base(SECOND).cap(Duration::from_secs(60)).jitter(Jitter::None);
///
/// let total = |backoff| PLAIN.backoff(backoff).mean_waits();
/// assert_eq!(total(Backoff::Exponential(2.0)), SECOND * (1 + 2 + 4 + 8));
/// assert_eq!(total(Backoff::Constant), SECOND * 4);
/// assert_eq!(total(Backoff::Linear), SECOND * (1 + 2 + 3 + 4));
/// assert_eq!(total(Backoff::Fibonacci), SECOND * (1 + 1 + 2 + 3));
/// ```
#[derive(Clone, Copy, Debug)]
pub enum Backoff {
    /// `base * factor^n`; the factor is at least 1 and finite. The default, with 2.0.
    Exponential(f64),
    /// `base` each time: for polling, or for what frees itself at a fixed rate.
    Constant,
    /// `base * (n + 1)`: slower growth, for few callers.
    Linear,
    /// `base` times 1, 1, 2, 3, 5, 8, ..: growth between linear and doubling.
    Fibonacci,
    /// A random wait from `base` to three times the wait before; it has no other jitter.
    ///
    /// The formula is that of "Exponential Backoff And Jitter" (Amazon's architecture blog, 2015).
    Decorrelated,
    /// The result of the function for n, at most `cap`; a panic means `cap`.
    Custom(fn(u32) -> Duration),
}

/// The random spread of the wait, so that many callers do not come back at one instant.
///
/// # Examples
///
/// ```
/// use resilience::{Jitter, Retry};
/// use std::time::Duration;
///
/// // Half of the wait is certain, half random.
/// const STEADY: Retry = Retry::new().max(1).base(Duration::from_secs(1)).jitter(Jitter::Equal);
/// assert_eq!(STEADY.mean_waits(), Duration::from_millis(750));
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Jitter {
    /// From zero to the whole wait. The default: it spreads callers best, at half of the mean wait.
    Full,
    /// From half of the wait to the whole: for cases in which a retry at once would be useless.
    Equal,
    /// No spread: for a single caller, and for tests.
    None,
    /// The wait times a number from the first to the second, from 0 to 10: `Range(0.8, 1.2)`.
    Range(f64, f64),
}

/// The largest multiplier of a `jitter` range.
const JITTER_LIMIT: f64 = 10.0;
/// The largest random part that is added to the server's wait.
pub(super) const RETRY_AFTER_SPREAD: f64 = 0.1;

/// The texts of a setting.
impl Backoff {
    pub(super) const KIND: Kind = Kind::Word;
    pub(super) const TAKES: &str =
        "a factor such as 2.0, \"constant\", \"linear\", \"fibonacci\" or \"decorrelated\"";

    pub(super) const fn complaint(self) -> Complaint {
        match self {
            Self::Exponential(factor) if factor.is_nan() => Some("`backoff` is not a number"),
            Self::Exponential(factor) if factor < 1.0 => {
                Some("`backoff` is below 1: each wait would be shorter than the one before")
            }
            Self::Exponential(f64::INFINITY) => Some("`backoff` is infinite"),
            _ => None,
        }
    }

    pub(super) const fn read(text: &str) -> Option<Self> {
        Some(match text.as_bytes() {
            b"constant" => Self::Constant,
            b"linear" => Self::Linear,
            b"fibonacci" => Self::Fibonacci,
            b"decorrelated" => Self::Decorrelated,
            _ => match Factor::read(text) {
                Some(factor) => Self::Exponential(factor),
                None => return None,
            },
        })
    }

    pub(super) fn value(self) -> Value {
        Value::Word(match self {
            Self::Exponential(factor) => return Value::Factor(factor),
            Self::Constant => "constant".into(),
            Self::Linear => "linear".into(),
            Self::Fibonacci => "fibonacci".into(),
            Self::Decorrelated => "decorrelated".into(),
            Self::Custom(_) => "fn".into(),
        })
    }

    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Factor(factor) => Some(Self::Exponential(*factor)),
            Value::Word(word) => Self::read(word),
            _ => None,
        }
    }
}

/// The texts of a setting.
impl Jitter {
    pub(super) const KIND: Kind = Kind::Word;
    pub(super) const TAKES: &str = "\"full\", \"equal\", \"none\" or a range such as \"0.8..1.2\"";

    pub(super) const fn complaint(self) -> Complaint {
        let Self::Range(low, high) = self else { return None };
        if low.is_nan() || high.is_nan() {
            Some("the range of `jitter` has an end that is not a number")
        } else if low < 0.0 || high < 0.0 {
            Some("the range of `jitter` goes below 0: no wait is negative")
        } else if low > high {
            Some("the range of `jitter` is reversed: write the smaller multiplier first")
        } else if high > JITTER_LIMIT {
            Some("the range of `jitter` goes above 10, the largest multiplier")
        } else {
            None
        }
    }

    pub(super) const fn read(text: &str) -> Option<Self> {
        match text.as_bytes() {
            b"full" => Some(Self::Full),
            b"equal" => Some(Self::Equal),
            b"none" => Some(Self::None),
            _ => None,
        }
    }

    pub(super) fn value(self) -> Value {
        Value::Word(match self {
            Self::Full => "full".into(),
            Self::Equal => "equal".into(),
            Self::None => "none".into(),
            Self::Range(low, high) => return Value::Range(low, high),
        })
    }

    pub(super) fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Range(low, high) => Some(Self::Range(*low, *high)),
            Value::Word(word) => Self::read(word),
            _ => None,
        }
    }
}

/// The waits of one kind of retry, every setting known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    pub(super) max: u32,
    pub(super) backoff: Backoff,
    pub(super) base: Duration,
    pub(super) cap: Duration,
    pub(super) jitter: Jitter,
}

/// From here on every Fibonacci number times a nanosecond is longer than `Duration::MAX`.
const FIBONACCI_END: u32 = 150;

impl Schedule {
    /// Returns the wait of retry `n`, from 0: `previous` is the wait before it, `random` in `0.0..1.0`.
    pub(super) fn delay(&self, n: u32, previous: Option<Duration>, random: f64) -> Duration {
        let (base, cap) = (self.base.as_nanos(), self.cap.as_nanos());
        if let Backoff::Decorrelated = self.backoff {
            let highest = previous.unwrap_or(self.base).as_nanos().saturating_mul(3).max(base);
            return duration(between(base, highest, random).min(cap));
        }
        let wait = self.step(n).min(cap);
        let spread = match self.jitter {
            Jitter::Full => between(0, wait, random),
            Jitter::Equal => between(wait / 2, wait, random),
            Jitter::None => wait,
            Jitter::Range(low, high) => scaled(wait, low + (high - low) * random),
        };
        duration(spread.min(cap))
    }

    /// Returns the wait of retry `n` in nanoseconds, without jitter and without `cap`.
    fn step(&self, n: u32) -> u128 {
        let base = self.base.as_nanos();
        match self.backoff {
            Backoff::Exponential(factor) => scaled(base, factor.powf(f64::from(n))),
            Backoff::Constant | Backoff::Decorrelated => base,
            Backoff::Linear => base.saturating_mul(u128::from(n) + 1),
            Backoff::Fibonacci => base.saturating_mul(fibonacci(n)),
            Backoff::Custom(wait) => contained(|| wait(n)).unwrap_or(self.cap).as_nanos(),
        }
    }
}

fn fibonacci(n: u32) -> u128 {
    let step = |(a, b): (u128, u128), _| (b, a.saturating_add(b));
    (0..n.min(FIBONACCI_END)).fold((1, 1), step).0
}

/// Returns `nanos * factor`; the cast saturates, and turns the NaN of `0 * infinity` into 0, as it should be.
pub(super) const fn scaled(nanos: u128, factor: f64) -> u128 {
    (nanos as f64 * factor) as u128
}

fn between(low: u128, high: u128, random: f64) -> u128 {
    low.saturating_add(scaled(high - low, random)).min(high)
}

/// Converts nanoseconds to a `Duration`, at most the longest there is.
pub(super) const fn duration(nanos: u128) -> Duration {
    const SECOND: u128 = 1_000_000_000;
    if nanos > Duration::MAX.as_nanos() {
        return Duration::MAX;
    }
    Duration::new((nanos / SECOND) as u64, (nanos % SECOND) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::guarded::DropPanics;
    use proptest::prelude::*;

    fn schedule(backoff: Backoff, jitter: Jitter) -> Schedule {
        let (base, cap) = (Duration::from_millis(100), Duration::from_secs(10));
        Schedule { max: 3, backoff, base, cap, jitter }
    }

    fn waits(backoff: Backoff) -> Vec<u128> {
        let schedule = schedule(backoff, Jitter::None);
        (0..9).map(|n| schedule.delay(n, None, 0.5).as_millis()).collect()
    }

    #[test]
    fn each_backoff_grows_in_its_own_way() {
        assert_eq!(waits(Backoff::Exponential(2.0)), [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
        assert_eq!(waits(Backoff::Constant), [100; 9]);
        assert_eq!(waits(Backoff::Linear), [100, 200, 300, 400, 500, 600, 700, 800, 900]);
        assert_eq!(waits(Backoff::Fibonacci), [100, 100, 200, 300, 500, 800, 1300, 2100, 3400]);
        assert_eq!(
            waits(Backoff::Custom(|n| Duration::from_secs(u64::from(n) * 4)))[..4],
            [0, 4000, 8000, 10_000]
        );
    }

    #[test]
    fn jitter_only_shortens_waits_and_cap_limits_them() {
        let wait = |jitter, random| schedule(Backoff::Constant, jitter).delay(0, None, random).as_millis();
        assert_eq!([wait(Jitter::Full, 0.0), wait(Jitter::Full, 0.5)], [0, 50]);
        assert_eq!([wait(Jitter::Equal, 0.0), wait(Jitter::Equal, 0.5)], [50, 75]);
        assert_eq!([wait(Jitter::Range(0.8, 1.2), 0.0), wait(Jitter::Range(0.8, 1.2), 0.5)], [80, 100]);
        let late = schedule(Backoff::Exponential(2.0), Jitter::Range(0.8, 10.0));
        assert_eq!(late.delay(50, None, 0.99), Duration::from_secs(10));
    }

    #[test]
    fn decorrelated_depends_on_the_previous_wait() {
        let schedule = schedule(Backoff::Decorrelated, Jitter::None);
        assert_eq!(schedule.delay(0, None, 0.5).as_millis(), 200);
        assert_eq!(schedule.delay(1, Some(Duration::from_secs(1)), 0.5).as_millis(), 1550);
        assert_eq!(schedule.delay(2, Some(Duration::MAX), 0.99), Duration::from_secs(10));
    }

    #[test]
    fn a_panicking_backoff_function_waits_for_the_cap() {
        let broken = schedule(Backoff::Custom(|_| std::panic::panic_any(DropPanics)), Jitter::None);
        assert_eq!(broken.delay(0, None, 0.5), Duration::from_secs(10));
    }

    #[test]
    fn extreme_settings_stay_between_zero_and_the_cap() {
        let kinds = [Backoff::Exponential(1e300), Backoff::Linear, Backoff::Fibonacci, Backoff::Decorrelated];
        for backoff in kinds {
            for base in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
                for cap in [base, Duration::MAX] {
                    let schedule = Schedule { max: u32::MAX, backoff, base, cap, jitter: Jitter::None };
                    for n in [0, 1, 149, 150, 151, u32::MAX] {
                        let wait = schedule.delay(n, Some(cap), 0.999_999);
                        let shortest = if base.is_zero() { Duration::ZERO } else { base.min(cap) };
                        assert!(shortest <= wait && wait <= cap, "{schedule:?} at {n}: {wait:?}");
                    }
                }
            }
        }
    }

    /// Computes the formula one step at a time, in floating point, however slow.
    fn model(schedule: &Schedule, n: u32) -> f64 {
        let base = schedule.base.as_nanos() as f64;
        let (mut a, mut b) = (1.0, 1.0);
        let mut grown = base;
        for _ in 0..n {
            (a, b) = (b, a + b);
            if let Backoff::Exponential(factor) = schedule.backoff {
                grown *= factor;
            }
        }
        let wait = match schedule.backoff {
            Backoff::Exponential(_) => grown,
            Backoff::Linear => base * f64::from(n + 1),
            Backoff::Fibonacci => base * a,
            _ => base,
        };
        let wait = if wait.is_nan() { 0.0 } else { wait };
        wait.min(schedule.cap.as_nanos() as f64)
    }

    fn backoffs() -> impl Strategy<Value = Backoff> {
        prop_oneof![
            (1.0..4.0_f64).prop_map(Backoff::Exponential),
            (1.0..1e300_f64).prop_map(Backoff::Exponential),
            Just(Backoff::Constant),
            Just(Backoff::Linear),
            Just(Backoff::Fibonacci),
        ]
    }

    fn jitters() -> impl Strategy<Value = Jitter> {
        let range = (0.0..10.0_f64, 0.0..10.0_f64).prop_map(|(a, b)| Jitter::Range(a.min(b), a.max(b)));
        prop_oneof![Just(Jitter::Full), Just(Jitter::Equal), Just(Jitter::None), range]
    }

    proptest! {
        #[test]
        fn delays_agree_with_a_simple_model(
            backoff in backoffs(),
            jitter in jitters(),
            base in 0..u64::MAX,
            cap in 0..u64::MAX,
            n in 0..2_000_u32,
            random in 0.0..1.0_f64,
        ) {
            let (base, cap) = (base.min(cap), base.max(cap));
            let (base, cap) = (Duration::from_nanos(base), Duration::from_nanos(cap));
            let schedule = Schedule { max: 3, backoff, base, cap, jitter };
            let wait = model(&schedule, n);
            let (low, high) = match jitter {
                Jitter::Full => (0.0, wait),
                Jitter::Equal => (wait / 2.0, wait),
                Jitter::None => (wait, wait),
                Jitter::Range(low, high) => (wait * low, wait * high),
            };
            let expected = (low + (high - low) * random).min(cap.as_nanos() as f64);
            let got = schedule.delay(n, None, random);
            prop_assert!(got <= cap);
            let off = (got.as_nanos() as f64 - expected).abs();
            prop_assert!(off <= 2.0 + expected * 1e-9, "{got:?} for {expected} ns");
        }

        #[test]
        fn decorrelated_stays_between_base_and_three_times_the_last_wait(
            base in 0..10_000_u64, more in 0..1_000_000_u64, random in 0.0..1.0_f64,
        ) {
            let (base, cap) = (Duration::from_micros(base), Duration::from_micros(base + more));
            let schedule = Schedule { max: 3, backoff: Backoff::Decorrelated, base, cap, jitter: Jitter::Full };
            let mut previous = base;
            for n in 0..20 {
                let wait = schedule.delay(n, Some(previous), random);
                prop_assert!(wait >= base && wait <= cap && wait <= previous * 3);
                previous = wait;
            }
        }
    }
}
