//! The forms that a setting's value may have: how a literal in a table is read, how it is compared, and how it becomes
//! and is made from a [`Value`].
//!
//! A form is a type without values whose functions [`settings!`](super::settings::settings) calls. All of them have
//!
//! - `KIND`: its name in documentation and the inventory;
//! - `TAKES`: what a configuration may write, for the message about anything else;
//! - `read(text)`: the value of a literal in a row, `None` if it is none;
//! - `complaint(value)`: the mistake in a value whatever its range, such as "not a number";
//! - `value(value)` and `of(&value)`: to and from a [`Value`]; `of` is `None` for a value of another kind;
//!
//! and `UNSET`, the field of a required setting before the constructor has set it, where there is such a setting, and
//! those of `from`, `to` and `above` that its ranges use. They are not a trait because a trait has no `const fn`, and
//! rows are judged while the program is compiled. `Backoff` and `Jitter` are their own forms: see
//! `policy/with_retry/backoff.rs`.

use super::setting::{Complaint, Kind, Value};
use std::time::Duration;

/// A whole number, a `u32`: `3`.
pub(crate) struct Count;
/// A finite number by which something is multiplied, an `f64`: `2.0`.
pub(crate) struct Factor;
/// A share of a whole, an `f64`: `0.5`.
pub(crate) struct Ratio;
/// A length of time, a `Duration`: `50ns`, `250us`, `100ms`, `1.5s`, `10m`, `2h`, `30d`.
pub(crate) struct Time;
/// A number of bytes, a `usize`: `64KiB`, or without a unit.
pub(crate) struct Bytes;
/// A `bool`, whose setter takes the value: `idempotent(false)`.
pub(crate) struct Switch;
/// A length of time, or `never`, which is kept as zero: no record lives for no time.
#[cfg(feature = "durable")]
pub(crate) struct Ttl;
/// A `bool` that is `false` unless its setter is called, which takes no argument: `strict()`.
pub(crate) type Flag = Switch;

impl Count {
    pub(crate) const KIND: Kind = Kind::Count;
    pub(crate) const TAKES: &str = "a whole number such as 3";
    pub(crate) const UNSET: u32 = 1;

    pub(crate) const fn complaint(_: u32) -> Complaint {
        None
    }

    /// Reads a literal without unit, point and sign, that fits.
    pub(crate) const fn read(text: &str) -> Option<u32> {
        match Number::read(text) {
            Some(Number { digits, decimals: 0, unit: b"" }) if digits <= u32::MAX as u128 => {
                Some(digits as u32)
            }
            _ => None,
        }
    }

    pub(crate) const fn from(count: u32, least: u32) -> bool {
        count >= least
    }

    pub(crate) const fn to(count: u32, most: u32) -> bool {
        count <= most
    }

    pub(crate) fn value(count: u32) -> Value {
        Value::Count(count.into())
    }

    pub(crate) fn of(value: &Value) -> Option<u32> {
        if let Value::Count(count) = value { u32::try_from(*count).ok() } else { None }
    }
}

impl Factor {
    pub(crate) const KIND: Kind = Kind::Factor;
    pub(crate) const TAKES: &str = "a number such as 2.0";

    pub(crate) const fn complaint(_: f64) -> Complaint {
        None
    }

    /// Reads a literal with or without a point: infinity and NaN cannot be written.
    pub(crate) const fn read(text: &str) -> Option<f64> {
        match Number::read(text) {
            Some(Number { digits, decimals, unit: b"" }) => {
                Some(digits as f64 / 10_u128.pow(decimals) as f64)
            }
            _ => None,
        }
    }

    /// Returns whether the factor is in the range; NaN and infinity are in none.
    pub(crate) const fn from(factor: f64, least: f64) -> bool {
        factor >= least && factor < f64::INFINITY
    }

    pub(crate) const fn value(factor: f64) -> Value {
        Value::Factor(factor)
    }

    pub(crate) const fn of(value: &Value) -> Option<f64> {
        if let Value::Factor(factor) = value { Some(*factor) } else { None }
    }
}

impl Ratio {
    pub(crate) const KIND: Kind = Kind::Ratio;
    pub(crate) const TAKES: &str = "a ratio such as 0.5 or \"50%\"";
    #[cfg(feature = "chaos")]
    pub(crate) const UNSET: f64 = 1.0;

    pub(crate) const fn complaint(_: f64) -> Complaint {
        None
    }

    pub(crate) const fn read(text: &str) -> Option<f64> {
        Factor::read(text)
    }

    /// Excludes the bound itself, and NaN.
    pub(crate) const fn above(ratio: f64, bound: f64) -> bool {
        ratio > bound
    }

    pub(crate) const fn to(ratio: f64, most: f64) -> bool {
        ratio <= most
    }

    pub(crate) const fn value(ratio: f64) -> Value {
        Value::Ratio(ratio)
    }

    pub(crate) const fn of(value: &Value) -> Option<f64> {
        if let Value::Ratio(ratio) = value { Some(*ratio) } else { None }
    }
}

impl Time {
    pub(crate) const KIND: Kind = Kind::Time;
    pub(crate) const TAKES: &str = "a duration such as \"2s\"";
    /// A limit that was forgotten would be no limit.
    pub(crate) const UNSET: Duration = Duration::MAX;

    pub(crate) const fn complaint(_: Duration) -> Complaint {
        None
    }

    /// Reads a number with a unit; a part of a nanosecond is cut off. A number without a unit is refused: `100` could
    /// be anything. So is one that an attribute refuses: below 1 ns, which is not `0s`, or above 584 years.
    pub(crate) const fn read(text: &str) -> Option<Duration> {
        let Some(Number { digits, decimals, unit }) = Number::read(text) else { return None };
        let nanos = match unit {
            b"ns" => 1,
            b"us" | b"\xc2\xb5s" => 1_000,
            b"ms" => 1_000_000,
            b"s" => 1_000_000_000,
            b"m" => 60 * 1_000_000_000,
            b"h" => 3600 * 1_000_000_000,
            b"d" => 24 * 3600 * 1_000_000_000,
            _ => return None,
        };
        let nanos = digits * nanos / 10_u128.pow(decimals);
        if nanos > u64::MAX as u128 || (nanos == 0 && digits > 0) {
            return None;
        }
        let second = 1_000_000_000;
        Some(Duration::new((nanos / second) as u64, (nanos % second) as u32))
    }

    pub(crate) const fn from(time: Duration, least: Duration) -> bool {
        time.as_nanos() >= least.as_nanos()
    }

    pub(crate) const fn above(time: Duration, bound: Duration) -> bool {
        time.as_nanos() > bound.as_nanos()
    }

    /// Returns the longer duration, for `not below`; `Ord::max` is not `const`.
    pub(crate) const fn max(time: Duration, other: Duration) -> Duration {
        if Self::from(time, other) { time } else { other }
    }

    pub(crate) const fn value(time: Duration) -> Value {
        Value::Time(time)
    }

    pub(crate) const fn of(value: &Value) -> Option<Duration> {
        if let Value::Time(time) = value { Some(*time) } else { None }
    }
}

impl Bytes {
    pub(crate) const KIND: Kind = Kind::Bytes;
    pub(crate) const TAKES: &str = "a size such as \"8MiB\"";

    pub(crate) const fn complaint(_: usize) -> Complaint {
        None
    }

    /// Reads a whole number, alone or with a binary unit; `MB` and `kb` are refused, because they are ambiguous.
    pub(crate) const fn read(text: &str) -> Option<usize> {
        let Some(Number { digits, decimals: 0, unit }) = Number::read(text) else { return None };
        let shift = match unit {
            b"" => 0,
            b"KiB" => 10,
            b"MiB" => 20,
            b"GiB" => 30,
            _ => return None,
        };
        let bytes = digits << shift;
        if bytes > usize::MAX as u128 { None } else { Some(bytes as usize) }
    }

    pub(crate) const fn from(bytes: usize, least: usize) -> bool {
        bytes >= least
    }

    pub(crate) const fn value(bytes: usize) -> Value {
        Value::Bytes(bytes as u64)
    }

    pub(crate) fn of(value: &Value) -> Option<usize> {
        if let Value::Bytes(bytes) = value { usize::try_from(*bytes).ok() } else { None }
    }
}

impl Switch {
    pub(crate) const KIND: Kind = Kind::Switch;
    pub(crate) const TAKES: &str = "true or false";

    pub(crate) const fn complaint(_: bool) -> Complaint {
        None
    }

    pub(crate) const fn read(text: &str) -> Option<bool> {
        match text.as_bytes() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        }
    }

    pub(crate) const fn value(is_on: bool) -> Value {
        Value::Switch(is_on)
    }

    pub(crate) const fn of(value: &Value) -> Option<bool> {
        if let Value::Switch(is_on) = value { Some(*is_on) } else { None }
    }
}

#[cfg(feature = "durable")]
impl Ttl {
    pub(crate) const KIND: Kind = Kind::Time;
    pub(crate) const TAKES: &str = "a duration such as \"30d\", or \"never\"";

    pub(crate) const fn complaint(_: Duration) -> Complaint {
        None
    }

    // Reads a duration. A setter takes zero for `never`; an attribute refuses `0s`, which is hardly intended.
    pub(crate) const fn read(text: &str) -> Option<Duration> {
        if let b"never" = text.as_bytes() { Some(Duration::ZERO) } else { Time::read(text) }
    }

    pub(crate) fn value(time: Duration) -> Value {
        if time.is_zero() { Value::Word("never".into()) } else { Value::Time(time) }
    }

    pub(crate) fn of(value: &Value) -> Option<Duration> {
        if let Value::Word(word) = value { Self::read(word) } else { Time::of(value) }
    }
}

/// A number as an attribute spells it: `digits / 10^decimals`, then its unit.
struct Number<'a> {
    digits: u128,
    decimals: u32,
    unit: &'a [u8],
}

/// Up to 18 characters, so that neither the digits nor what they are multiplied by overflow.
impl<'a> Number<'a> {
    const fn read(text: &'a str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (mut digits, mut decimals, mut n) = (0_u128, 0, 0);
        let mut has_point = false;
        while n < bytes.len() {
            match bytes[n] {
                digit @ b'0'..=b'9' => {
                    digits = digits * 10 + (digit - b'0') as u128;
                    decimals += has_point as u32;
                }
                b'.' if !has_point => has_point = true,
                _ => break,
            }
            n += 1;
        }
        // Longer numbers are in no table.
        if n == 0 || n > 18 { None } else { Some(Self { digits, decimals, unit: bytes.split_at(n).1 }) }
    }
}

/// Returns the value of a literal in a table, which is read while the library is compiled.
///
/// # Panics
///
/// If there is none, which stops the compiler: it is called in a `const` only.
pub(crate) const fn literal<T: Copy>(read: Option<T>) -> T {
    match read {
        Some(value) => value,
        None => panic!("a literal in a table of settings cannot be read"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_as_an_attribute_spells_them() {
        let times = ["5ns", "250us", "100ms", "1.5s", "60s", "10m", "2h", "30d"].map(Time::read);
        let millis = [0.000_005, 0.25, 100.0, 1500.0, 60_000.0, 600_000.0, 7_200_000.0, 2_592_000_000.0];
        let expected = millis.map(|millis: f64| Some(Duration::from_secs_f64(millis / 1000.0)));
        assert_eq!(times, expected);
        assert_eq!(
            ["1", "2147483647", "1.5", "1s", ""].map(Count::read),
            [Some(1), Some(i32::MAX as u32), None, None, None]
        );
        assert_eq!(["2.0", "0.1", "3", "1e9"].map(Factor::read), [Some(2.0), Some(0.1), Some(3.0), None]);
        assert_eq!(
            ["64KiB", "8MiB", "1GiB", "17"].map(Bytes::read),
            [Some(65536), Some(8 << 20), Some(1 << 30), Some(17)]
        );
        assert_eq!(["true", "false", "yes"].map(Switch::read), [Some(true), Some(false), None]);
        assert_eq!(["60", "s", "1 s", "99999999999999999999s"].map(Time::read), [None; 4]);
    }
}
