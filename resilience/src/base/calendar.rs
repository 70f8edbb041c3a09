//! Days and dates in GMT, for the two formats that need them: the date of a `Retry-After` header (RFC 9110, 5.6.7) and
//! the times of serialised records (RFC 3339).
//!
//! The standard library counts seconds and knows no calendar, and a dependency for two functions would be in every
//! build. The arithmetic is that of the proleptic Gregorian calendar without leap seconds, as in POSIX time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The seconds of a day: POSIX time has no leap seconds.
const DAY: i64 = 24 * 3600;

/// A moment in GMT that the calendar has; compares in the order of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct DateTime {
    pub(crate) year: i64,
    pub(crate) month: i64,
    pub(crate) day: i64,
    // Up to 86,400: a leap second is the first second of the next day.
    pub(crate) second: i64,
}

impl DateTime {
    /// Creates the moment, if the calendar has that day: there is no 30 February. `second` is that of the day, from 0.
    pub(crate) fn new(year: i64, month: i64, day: i64, second: i64) -> Option<Self> {
        (1..=length(year, month)).contains(&day).then_some(Self { year, month, day, second })
    }

    /// Returns the moment for the system's clock; `None` if that cannot hold it.
    pub(crate) fn system_time(self) -> Option<SystemTime> {
        let seconds = days_from_epoch(self.year, self.month, self.day) * DAY + self.second;
        let distance = Duration::from_secs(seconds.unsigned_abs());
        if seconds < 0 { UNIX_EPOCH.checked_sub(distance) } else { UNIX_EPOCH.checked_add(distance) }
    }

    /// Returns the moment of `time`, cut to the second below it, also before 1970.
    pub(crate) fn of(time: SystemTime) -> Option<Self> {
        let seconds = match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).ok()?,
            Err(before) => {
                let (before, is_cut) = (before.duration().as_secs(), before.duration().subsec_nanos() > 0);
                -i64::try_from(before).ok()? - i64::from(is_cut)
            }
        };
        let (year, month, day) = civil(seconds.div_euclid(DAY));
        Some(Self { year, month, day, second: seconds.rem_euclid(DAY) })
    }
}

/// Returns the text `1994-11-06T08:49:37.250Z`: RFC 3339, in UTC; `None` for times too far off to count in seconds.
#[cfg(feature = "serde")]
pub(crate) fn rfc_3339(time: SystemTime) -> Option<String> {
    let DateTime { year, month, day, second } = DateTime::of(time)?;
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Before 1970 the fraction counts backwards: such a time is written to the second.
    let millis = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.subsec_millis());
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z"))
}

/// Returns the number of days of a month; 0 outside of 1 to 12.
fn length(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// Returns the days since 1970-01-01 in the proleptic Gregorian calendar. Years are counted from March, so that
/// the day that only leap years have is the last one.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let before_month = (153 * ((month + 9) % 12) + 2) / 5;
    let before_year = 365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    before_year + before_month + day - 1 - 719_468
}

/// Returns year, month and day of a day since 1970-01-01.
///
/// The inverse of [`days_from_epoch`], found by looking: at most four years and twelve months are tried.
fn civil(days: i64) -> (i64, i64, i64) {
    // 146,097 days are 400 years; the guess is at most one year too late.
    let guess = 1970 + (days * 400).div_euclid(146_097) + 1;
    let year = (guess - 3..=guess).rev().find(|year| days_from_epoch(*year, 1, 1) <= days).unwrap_or(guess);
    let month = (1..=12).rev().find(|month| days_from_epoch(year, *month, 1) <= days).unwrap_or(1);
    (year, month, days - days_from_epoch(year, month, 1) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_part_of_a_second_is_cut_off_also_before_1970() {
        let second = |time| DateTime::of(time).map(|moment| (moment.year, moment.second));
        let half = Duration::from_millis(500);
        assert_eq!(second(UNIX_EPOCH + half), Some((1970, 0)));
        assert_eq!(second(UNIX_EPOCH - half), Some((1969, DAY - 1)));
        assert_eq!(second(UNIX_EPOCH - Duration::from_secs(1)), Some((1969, DAY - 1)));
        assert_eq!(second(UNIX_EPOCH - Duration::from_secs(1) - half), Some((1969, DAY - 2)));
    }

    proptest! {
        #[test]
        fn days_and_dates_agree(day in -800_000..3_000_000_i64) {
            let (year, month, of_month) = civil(day);
            prop_assert!((1..=length(year, month)).contains(&of_month));
            prop_assert_eq!(days_from_epoch(year, month, of_month), day);
        }
    }
}
