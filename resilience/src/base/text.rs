//! Text put together without allocation, also while compiling: for the messages of `const` checks.
//!
//! `format!` is not `const`, and a message such as "the waits alone take 12.3s" has numbers in it that are known only
//! when the constants of the program are evaluated. The size is fixed by the caller, and a longer text is cut off:
//! a message that is short is better than a panic inside of a panic.

use std::fmt;
use std::time::Duration;

/// At most `N` bytes of text; what does not fit is cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// Creates an empty text.
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; N], len: 0 }
    }

    /// Appends `text`, which is ASCII, as everything is that this library says of numbers.
    pub(crate) const fn push(mut self, text: &str) -> Self {
        let text = text.as_bytes();
        let mut n = 0;
        while n < text.len() && self.len < N {
            self.bytes[self.len] = text[n];
            self.len += 1;
            n += 1;
        }
        self
    }

    /// Appends a number in decimal digits.
    pub(crate) const fn int(self, number: u128) -> Self {
        let shorter = if number >= 10 { self.int(number / 10) } else { self };
        shorter.push(DIGITS[(number % 10) as usize])
    }

    /// Appends a length of time as an attribute spells it: `60s`, `1.5s`, `100ms`, `250us`.
    pub(crate) const fn time(self, wait: Duration) -> Self {
        self.nanos(wait.as_nanos())
    }

    /// Appends a number of nanoseconds as a length of time.
    pub(crate) const fn nanos(self, nanos: u128) -> Self {
        match nanos {
            0 => self.push("0s"),
            SECOND.. => self.decimal(nanos, SECOND).push("s"),
            MILLISECOND.. => self.decimal(nanos, MILLISECOND).push("ms"),
            _ => self.decimal(nanos, MICROSECOND).push("us"),
        }
    }

    /// Appends a number of nanoseconds to three digits or so, for people.
    pub(crate) const fn about(self, nanos: u128) -> Self {
        let unit = match nanos {
            SECOND.. => SECOND / 10,
            MILLISECOND.. => MILLISECOND / 10,
            _ => 1,
        };
        self.nanos(nanos.saturating_add(unit / 2) / unit * unit)
    }

    /// Appends `nanos / unit`, with as many decimals as there are, so that nothing is rounded.
    ///
    /// A unit is a power of ten, so that the division ends.
    const fn decimal(self, nanos: u128, unit: u128) -> Self {
        let mut text = self.int(nanos / unit);
        let mut rest = nanos % unit;
        let mut unit = unit;
        if rest > 0 {
            text = text.push(".");
        }
        while rest > 0 {
            unit /= 10;
            text = text.int(rest / unit);
            rest %= unit;
        }
        text
    }

    /// Returns the text so far; empty if it was cut inside of a character, which ASCII rules out.
    pub(crate) const fn as_str(&self) -> &str {
        match std::str::from_utf8(self.bytes.split_at(self.len).0) {
            Ok(text) => text,
            Err(_) => "",
        }
    }
}

const SECOND: u128 = 1_000_000_000;
const MILLISECOND: u128 = 1_000_000;
const MICROSECOND: u128 = 1_000;
/// Texts, because `push` takes no `char`.
const DIGITS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

/// A length of time, displayed to three digits or so, for people.
#[derive(Clone, Copy, Debug)]
pub(crate) struct About(pub(crate) Duration);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Text::<40>::new().about(self.0.as_nanos()).as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(nanos: u64) -> String {
        Text::<32>::new().time(Duration::from_nanos(nanos)).as_str().to_owned()
    }

    #[test]
    fn durations_are_printed_as_attributes_spell_them() {
        assert_eq!(time(0), "0s");
        assert_eq!(time(1), "0.001us");
        assert_eq!(time(250_000), "250us");
        assert_eq!(time(100_000_000), "100ms");
        assert_eq!(time(1_500_000_000), "1.5s");
        assert_eq!(time(60_000_000_000), "60s");
        assert_eq!(time(1_000_000_001), "1.000000001s");
    }

    #[test]
    fn about_keeps_one_decimal() {
        assert_eq!(Text::<32>::new().about(22_650_000_000).as_str(), "22.7s");
        assert_eq!(Text::<32>::new().about(2_000_000_000).as_str(), "2s");
        assert!(!Text::<64>::new().about(u128::MAX).as_str().is_empty());
    }

    #[test]
    fn text_beyond_the_capacity_is_cut_off() {
        assert_eq!(Text::<4>::new().push("abc").int(123).as_str(), "abc1");
    }
}
