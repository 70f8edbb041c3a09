//! Durations with units, as services write them into headers and messages.
//!
//! Nothing specifies these texts: "try again in 20s", "1m30s", "250 ms" and "2.5 seconds" are all in use. A text that
//! is not a duration is `None`, never a guess: a wait that is too short annoys the service, and one that is too
//! long makes a caller wait for nothing.

use std::time::Duration;

/// The number of bytes of a text that are read: the words that matter are at its start.
pub(super) const READ: usize = 4096;
/// The number of bytes behind those that a duration can go on in, so that it is read whole or not at all.
const AHEAD: usize = 64;

/// Each unit with its words and its length in nanoseconds, the longest unit first.
const UNITS: &[(u64, &[&str])] = &[
    (86_400_000_000_000, &["d", "day", "days"]),
    (3_600_000_000_000, &["h", "hr", "hrs", "hour", "hours"]),
    (60_000_000_000, &["m", "min", "mins", "minute", "minutes"]),
    (SECOND, &["s", "sec", "secs", "second", "seconds"]),
    (1_000_000, &["ms", "millisecond", "milliseconds"]),
    (1_000, &["us", "\u{b5}s", "\u{3bc}s", "microsecond", "microseconds"]),
    (1, &["ns", "nanosecond", "nanoseconds"]),
];

const SECOND: u64 = 1_000_000_000;

/// The words before a duration in a message, and whether a number without a unit means seconds after them.
const CUES: &[(&str, bool)] = &[
    ("try again in", false),
    ("try again after", false),
    ("retry in", false),
    ("retry after", true),
    ("retry-after", true),
    ("retry_after", true),
    ("retryafter", true),
    ("retrydelay", false),
    ("retry delay", false),
    ("retry_delay", false),
    ("available in", false),
    ("resets in", false),
    ("reset in", false),
    ("wait", false),
];

/// Reads the duration that a service wrote into a header or a message; `None` if there is none.
///
/// The text is either a duration and nothing else, or a message with a duration behind one of these:
/// "try again in", "try again after", "retry in", "retry after", "retryDelay", "available in",
/// "reset in", "resets in", "wait".
///
/// A duration is a number, which may have decimals, and a unit: `d`, `h`, `m`, `s`, `ms`, `us`, `ns` or
/// their names in English. Several of them, from long units to short ones, are added up. A number without
/// a unit is seconds after "retry after" (also `Retry-After` and `retry_after`), else it is not a duration;
/// [`retry_after`](super::retry_after) reads the header of that name. A wait that is too long for a `Duration`
/// becomes `Duration::MAX`. Case does not matter; the first 4 KiB are read.
///
/// | text | wait |
/// |---|---|
/// | `6m0s`, `45.8s`, `1m30s`, `120ms`, `2 minutes` | as written |
/// | `Rate limit reached. Please try again in 1.5s.` | 1.5 s |
/// | `"retryDelay": "45s"` | 45 s |
/// | `Too Many Requests: retry after 35` | 35 s |
/// | `35`, `-5s`, `soon`, `30s1m`, `took 5s` | `None` |
///
/// # Examples
///
/// ```
/// use resilience::classify::wait_hint;
/// use std::time::Duration;
///
/// assert_eq!(wait_hint("6m0s"), Some(Duration::from_secs(360)));
/// assert_eq!(wait_hint("Please try again in 120ms."), Some(Duration::from_millis(120)));
/// assert_eq!(wait_hint("The call took 5s"), None);
/// ```
pub fn wait_hint(text: &str) -> Option<Duration> {
    let text = head(text, READ + AHEAD).to_lowercase();
    let whole = duration(text.trim(), false).filter(|(_, rest)| rest.is_empty());
    whole.map(|(wait, _)| wait).or_else(|| after_a_cue(&text))
}

/// Returns the first characters of `text`, at most `bytes` bytes.
pub(super) fn head(text: &str, bytes: usize) -> &str {
    let end = (0..=text.len().min(bytes)).rev().find(|end| text.is_char_boundary(*end));
    end.and_then(|end| text.get(..end)).unwrap_or("")
}

fn after_a_cue(text: &str) -> Option<Duration> {
    let found = CUES.iter().flat_map(|(cue, bare)| text.match_indices(cue).map(move |found| (found, *bare)));
    let found = found.filter(|((at, _), _)| *at < READ);
    let waits = found.filter_map(|((at, cue), bare)| {
        let (before, rest) = (text.get(..at)?, text.get(at + cue.len()..)?);
        let inside_a_word = before.ends_with(char::is_alphanumeric);
        let rest = rest.strip_prefix(" for").or_else(|| rest.strip_prefix(" at least")).unwrap_or(rest);
        let rest = rest.trim_start_matches([' ', ':', '=', '"', '\'', '`', '(', '\\']);
        let (wait, _) = duration(rest, bare)?;
        (!inside_a_word).then_some((at, wait))
    });
    waits.min_by_key(|(at, _)| *at).map(|(_, wait)| wait)
}

/// Returns the duration at the start of `text`, and the text after it.
fn duration(text: &str, bare: bool) -> Option<(Duration, &str)> {
    let (mut sum, mut last, mut rest) = (0_u128, u64::MAX, text);
    while let Some((number, after)) = number(rest) {
        let Some((unit, after)) = unit(after) else {
            let alone = bare && last == u64::MAX && !goes_on(after);
            return alone.then(|| (span(number.nanos(SECOND)), after));
        };
        if unit >= last {
            return None;
        }
        sum = sum.saturating_add(number.nanos(unit));
        (last, rest) = (unit, after);
        let next = rest.strip_prefix(" and ").unwrap_or(rest).trim_start_matches([' ', ',']);
        if next.starts_with(|c: char| c.is_ascii_digit()) && self::number(next).is_some_and(follows) {
            rest = next;
        }
    }
    (last != u64::MAX && !rest.starts_with(|c: char| c.is_alphanumeric())).then(|| (span(sum), rest))
}

/// Returns whether the text after a number makes it part of another word, or of a longer number such as `1,000`,
/// `10:30` or `2026-01-01`.
fn goes_on(after: &str) -> bool {
    let rest = after.strip_prefix([',', '.', ':', '-', '/', '\'', '_']).unwrap_or(after);
    after.starts_with(char::is_alphanumeric) || rest.starts_with(char::is_numeric)
}

/// Returns whether a number has a unit, so that it continues the duration before it.
fn follows((_, after): (Number<'_>, &str)) -> bool {
    unit(after).is_some()
}

fn span(nanos: u128) -> Duration {
    let seconds = u64::try_from(nanos / u128::from(SECOND));
    seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, (nanos % u128::from(SECOND)) as u32))
}

struct Number<'a> {
    whole: &'a str,
    fraction: &'a str,
}

impl Number<'_> {
    /// Returns this many units of the given number of nanoseconds.
    fn nanos(&self, unit: u64) -> u128 {
        let unit = u128::from(unit);
        let whole = self.whole.parse().unwrap_or(u128::MAX).saturating_mul(unit);
        let parts = self.fraction.bytes().zip(1..=18_u32);
        let fraction = parts.map(|(digit, place)| u128::from(digit - b'0') * unit / 10_u128.pow(place)).sum();
        whole.saturating_add(fraction)
    }
}

/// Returns the number at the start of `text`, and the text after it.
fn number(text: &str) -> Option<(Number<'_>, &str)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let (whole, rest) = text.split_at_checked(digits(text))?;
    if whole.is_empty() {
        return None;
    }
    let fraction = rest.strip_prefix('.').map_or(0, digits);
    if fraction == 0 {
        return Some((Number { whole, fraction: "" }, rest));
    }
    Some((Number { whole, fraction: rest.get(1..=fraction)? }, rest.get(1 + fraction..)?))
}

/// Returns the unit at the start of `text` in nanoseconds, and the text after it.
fn unit(text: &str) -> Option<(u64, &str)> {
    let text = text.strip_prefix(' ').unwrap_or(text);
    let end = text.find(|c: char| !c.is_alphabetic()).unwrap_or(text.len());
    let (word, rest) = text.split_at_checked(end)?;
    UNITS.iter().find(|(_, words)| words.contains(&word)).map(|(nanos, _)| (*nanos, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decimals_are_exact() {
        assert_eq!(wait_hint("0.000000001s"), Some(Duration::from_nanos(1)));
        assert_eq!(wait_hint("1.5m"), Some(Duration::from_secs(90)));
        assert_eq!(wait_hint("0.1d"), Some(Duration::from_secs(8_640)));
    }

    proptest! {
        #[test]
        fn wait_hint_never_panics(text in "\\PC{0,60}", unit in "(d|h|m|s|ms|us| seconds)?", number in "[0-9.]{1,50}") {
            let _ = wait_hint(&text);
            let _ = wait_hint(&format!("{number}{unit}"));
            let _ = wait_hint(&format!("retry after {number}{unit}{text}"));
        }

        #[test]
        fn durations_in_go_format_are_parsed(minutes in 0..60_u64, seconds in 0..60_u64, millis in 0..1000_u64) {
            let wait = Duration::from_secs(minutes * 60 + seconds) + Duration::from_millis(millis);
            let fine = format!("{minutes}m{seconds}.{millis:03}s");
            prop_assert_eq!(wait_hint(&fine), Some(wait));
            let message = format!("Please try again in {fine}.");
            prop_assert_eq!(wait_hint(&message), Some(wait));
        }
    }
}
