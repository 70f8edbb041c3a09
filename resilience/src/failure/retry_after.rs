//! The `Retry-After` header: seconds, or one of the three HTTP dates.
//!
//! RFC 9110 (10.2.3) has the header and 5.6.7 the dates: a current format, and two that old servers still send. A
//! date is compared with the caller's clock, so a moment in the past is a wait of zero, and a clock that is wrong makes
//! the wait wrong: policies cap it (`retry_after_cap`).

use crate::base::calendar::DateTime;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Reads how long a `Retry-After` header asks to wait, counted from `now`; `None` if it is unreadable.
///
/// Reads what [RFC 9110](https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3) allows, and decimal
/// seconds, which some services send. [`wait_hint`](super::wait_hint) reads durations with a unit:
///
/// | header | wait |
/// |---|---|
/// | `120` | 120 s; spaces and tabs around it are ignored, more than `u64::MAX` seconds is `u64::MAX` |
/// | `1.5` | 2 s: decimal seconds are rounded up to whole ones |
/// | `Sun, 06 Nov 1994 08:49:37 GMT` | until then; zero if that is past |
/// | `Sunday, 06-Nov-94 08:49:37 GMT` | the same; a year more than 50 years ahead is one of the century before |
/// | `Sun Nov  6 08:49:37 1994` | the same, in GMT |
/// | `sun, 06 nov 1994 08:49:37 gmt` | the same: the case of a date does not matter |
/// | `-2`, `+1`, `1.`, `1e3`, `soon`, `30 Feb`, an empty header | `None` |
///
/// # Examples
///
/// ```
/// use resilience::classify::retry_after;
/// use std::time::{Duration, SystemTime};
///
/// assert_eq!(retry_after("120", SystemTime::now()), Some(Duration::from_secs(120)));
/// assert_eq!(retry_after("0.2", SystemTime::now()), Some(Duration::from_secs(1)));
/// assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", SystemTime::now()), Some(Duration::ZERO));
/// assert_eq!(retry_after("-2", SystemTime::now()), None);
/// ```
pub fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    let header = header.trim_matches([' ', '\t']);
    seconds(header).or_else(|| date(header, now))
}

fn seconds(text: &str) -> Option<Duration> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let begun = u64::from(fraction.bytes().any(|digit| digit != b'0'));
    let seconds = || whole.parse::<u64>().unwrap_or(u64::MAX).saturating_add(begun);
    (all_digits(whole) && all_digits(fraction)).then(|| Duration::from_secs(seconds()))
}

fn date(text: &str, now: SystemTime) -> Option<Duration> {
    let moment = imf_fixdate(text).or_else(|| rfc_850(text, now)).or_else(|| asctime(text))?;
    let at = moment.system_time()?;
    Some(at.duration_since(now).unwrap_or(Duration::ZERO))
}

/// Reads `Sun, 06 Nov 1994 08:49:37 GMT`.
fn imf_fixdate(text: &str) -> Option<DateTime> {
    let (weekday, rest) = text.split_once(", ")?;
    let [day, month, year, time, zone] = words(rest)?;
    if !(is_short_day(weekday) && is_gmt(zone)) {
        return None;
    }
    DateTime::new(digits(year, 4)?, month_number(month)?, digits(day, 2)?, second_of_day(time)?)
}

/// Reads `Sunday, 06-Nov-94 08:49:37 GMT`.
fn rfc_850(text: &str, now: SystemTime) -> Option<DateTime> {
    let (weekday, rest) = text.split_once(", ")?;
    let [date, time, zone] = words(rest)?;
    let [day, month, year] = split(date, '-')?;
    if !(DAYS.iter().any(|name| name.eq_ignore_ascii_case(weekday)) && is_gmt(zone)) {
        return None;
    }
    let (year, month, day) = (digits(year, 2)?, month_number(month)?, digits(day, 2)?);
    let second = second_of_day(time)?;
    let now = DateTime::of(now)?;
    let limit = DateTime { year: now.year + 50, ..now };
    let latest = limit.year - (limit.year - year).rem_euclid(100);
    let too_far = DateTime { year: latest, month, day, second } > limit;
    DateTime::new(if too_far { latest - 100 } else { latest }, month, day, second)
}

/// Reads `Sun Nov  6 08:49:37 1994`.
fn asctime(text: &str) -> Option<DateTime> {
    let (weekday, rest) = text.split_once(' ')?;
    let (month, rest) = rest.split_once(' ')?;
    let (day, rest) = rest.split_at_checked(2)?;
    let ["", time, year] = words(rest)? else { return None };
    if !is_short_day(weekday) {
        return None;
    }
    let day = match day.strip_prefix(' ') {
        Some(day) => digits(day, 1)?,
        None => digits(day, 2)?,
    };
    DateTime::new(digits(year, 4)?, month_number(month)?, day, second_of_day(time)?)
}

/// Reads `08:49:37`, up to the leap second `23:59:60`.
fn second_of_day(time: &str) -> Option<i64> {
    let [hour, minute, second] = split(time, ':')?;
    let (hour, minute, second) = (digits(hour, 2)?, digits(minute, 2)?, digits(second, 2)?);
    (hour < 24 && minute < 60 && second <= 60).then_some(hour * 3600 + minute * 60 + second)
}

/// Returns whether `name` is the first three letters of a day, in any case: not every server keeps to the standard's.
fn is_short_day(name: &str) -> bool {
    DAYS.iter().any(|day| day.get(..3).is_some_and(|day| day.eq_ignore_ascii_case(name)))
}

const fn is_gmt(zone: &str) -> bool {
    zone.eq_ignore_ascii_case("GMT")
}

fn words<const N: usize>(text: &str) -> Option<[&str; N]> {
    split(text, ' ')
}

fn split<const N: usize>(text: &str, at: char) -> Option<[&str; N]> {
    text.split(at).collect::<Vec<_>>().try_into().ok()
}

fn all_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads the number of exactly `length` digits.
fn digits(text: &str, length: usize) -> Option<i64> {
    (text.len() == length && all_digits(text)).then(|| i64::from_str(text).ok()).flatten()
}

fn month_number(name: &str) -> Option<i64> {
    (1..).zip(MONTHS).find(|(_, month)| month.eq_ignore_ascii_case(name)).map(|(number, _)| number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::UNIX_EPOCH;

    /// 1994-11-06 08:49:37
    const RFC_EXAMPLE: u64 = 784_111_777;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn the_three_dates_of_the_rfc_are_the_same_moment() {
        let now = at(RFC_EXAMPLE - 90);
        for date in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "  Sun, 06 Nov 1994 08:49:37 GMT\t",
        ] {
            assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)), "{date}");
        }
    }

    #[test]
    fn the_case_of_a_date_does_not_matter() {
        let now = at(RFC_EXAMPLE - 90);
        for date in [
            "sun, 06 nov 1994 08:49:37 gmt",
            "SUN, 06 NOV 1994 08:49:37 GMT",
            "Sun, 06 nOV 1994 08:49:37 Gmt",
            "sunday, 06-nov-94 08:49:37 gmt",
            "SUNDAY, 06-NOV-94 08:49:37 GMT",
            "sun nov  6 08:49:37 1994",
            "SUN NOV  6 08:49:37 1994",
            "\t sunday, 06-nov-94 08:49:37 gmt  ",
        ] {
            assert_eq!(retry_after(date, now), Some(Duration::from_secs(90)), "{date}");
        }
    }

    #[test]
    fn two_digit_years_stay_within_fifty_years() {
        // 2024-06-01 00:00:00
        let now = at(1_717_200_000);
        let wait =
            |header: &str| retry_after(header, now).unwrap_or(Duration::MAX).as_secs() / (365 * 86_400);
        assert_eq!(wait("Friday, 01-Jun-74 00:00:00 GMT"), 50);
        assert_eq!(wait("Friday, 01-Jun-74 00:00:01 GMT"), 0, "a second more is 1974");
        assert_eq!(wait("Friday, 01-Jun-75 00:00:00 GMT"), 0);
        assert_eq!(wait("Friday, 01-Jun-30 00:00:00 GMT"), 6);
        assert_eq!(wait("Friday, 01-Jun-10 00:00:00 GMT"), 0);
        assert_eq!(retry_after("Friday, 29-Feb-23 00:00:00 GMT", now), None);
    }

    #[test]
    fn malformed_headers_are_ignored() {
        let day = |day: &str| format!("Sun, {day} 08:49:37 GMT");
        let time = |time: &str| format!("Sun, 06 Nov 1994 {time} GMT");
        let mut junk = [
            "", " ", "-2", "+1", "1.", ".5", "1.2.3", "1,5", "1e3", "1 2", "0x10", "soon", "١٢", "12s",
            "GMT", ", ",
        ]
        .map(String::from)
        .to_vec();
        junk.extend(["32 Dec 1994", "30 Feb 2024", "29 Feb 2023", "00 Nov 1994", "06 Nux 1994"].map(day));
        junk.extend(["6 Nov 1994", "06 Nov 94", "06 Nov 19940", "06  Nov 1994"].map(day));
        junk.extend(["25:00:00", "24:00:00", "08:60:00", "08:49:61", "08:49", "8:49:37"].map(time));
        junk.push("Sun, 06 Nov 1994 08:49:37 CET".into());
        junk.push("Fun, 06 Nov 1994 08:49:37 GMT".into());
        junk.push("Sun Nov 6 08:49:37 1994".into());
        for header in junk {
            assert_eq!(retry_after(&header, at(0)), None, "{header:?}");
        }
    }

    #[test]
    fn extreme_times_are_parsed() {
        assert_eq!(retry_after("0", at(0)), Some(Duration::ZERO));
        assert_eq!(retry_after(" 120\t", at(0)), Some(Duration::from_secs(120)));
        let huge = Some(Duration::from_secs(u64::MAX));
        assert_eq!(retry_after("99999999999999999999999999", at(0)), huge);
        assert_eq!(retry_after("Sun, 01 Jan 1950 00:00:00 GMT", at(0)), Some(Duration::ZERO));
        let leap = retry_after("Sat, 31 Dec 2016 23:59:60 GMT", at(1_483_228_799));
        assert_eq!(leap, Some(Duration::from_secs(1)));
        let before_the_epoch = UNIX_EPOCH - Duration::from_secs(10);
        assert_eq!(
            retry_after("Thu, 01 Jan 1970 00:00:00 GMT", before_the_epoch),
            Some(Duration::from_secs(10))
        );
    }

    proptest! {
        #[test]
        fn retry_after_never_panics(header in ".{0,40}", now: u32) {
            let _ = retry_after(&header, at(now.into()));
        }

        #[test]
        fn malformed_dates_never_panic(
            header in "(Sun|Sunday)[, ]{1,2}[0-9]{1,2}[- ](Nov|Feb)[- ][0-9]{1,5} [0-9:]{7,9}( GMT)?",
            before: bool,
            now in 0..253_000_000_000_u64,
        ) {
            let now = if before { UNIX_EPOCH - Duration::from_secs(now) } else { at(now) };
            let _ = retry_after(&header, now);
        }
    }
}
