//! The headers that time left is sent in.

use crate::point::PointName;
use crate::rejected::Rejected;
use crate::remaining;
use std::time::Duration;

/// A header that carries the time left.
///
/// # Examples
///
/// ```
/// use resilience::deadline::Header;
/// use std::time::Duration;
///
/// let left = Duration::from_micros(1_500);
/// assert_eq!(Header::TimeoutMs.write(left).as_deref(), Some("1"), "rounded down");
/// assert_eq!(Header::GrpcTimeout.write(left).as_deref(), Some("1500000n"));
/// assert_eq!(Header::TimeoutMs.write(Duration::from_micros(999)), None, "nothing is left");
///
/// assert_eq!(Header::GrpcTimeout.read("1500u"), Some(left));
/// assert_eq!(Header::TimeoutMs.read("soon"), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// `x-timeout-ms`: whole milliseconds, for HTTP.
    TimeoutMs,
    /// `grpc-timeout`: at most eight digits and a unit, for gRPC.
    GrpcTimeout,
}

/// The units of `grpc-timeout`, the shortest first, in nanoseconds.
const UNITS: [(char, u128); 6] = [
    ('n', 1),
    ('u', 1_000),
    ('m', 1_000_000),
    ('S', 1_000_000_000),
    ('M', 60_000_000_000),
    ('H', 3_600_000_000_000),
];

/// The largest number of a `grpc-timeout`.
const EIGHT_DIGITS: u128 = 99_999_999;

const NANOS_PER_MILLI: u128 = 1_000_000;
const NANOS_PER_SECOND: u128 = 1_000_000_000;

impl Header {
    /// Lists all headers of this module, in the order in which [`Deadline::headers`](super::Deadline) reads them.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::Header;
    ///
    /// let names: Vec<_> = Header::ALL.into_iter().map(Header::name).collect();
    /// assert_eq!(names, ["x-timeout-ms", "grpc-timeout"]);
    /// ```
    pub const ALL: [Self; 2] = [Self::TimeoutMs, Self::GrpcTimeout];

    /// Returns the name of the header, in lower case.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::Header;
    ///
    /// assert_eq!(Header::GrpcTimeout.name(), "grpc-timeout");
    /// ```
    pub const fn name(self) -> &'static str {
        match self {
            Self::TimeoutMs => "x-timeout-ms",
            Self::GrpcTimeout => "grpc-timeout",
        }
    }

    /// Renders a time in the form of this header, rounded down; `None` where that is zero.
    ///
    /// A time that the header cannot express becomes the longest that it can.
    ///
    /// `x-timeout-ms` has whole milliseconds, at most `i64::MAX` of them, which other languages can read.
    /// `grpc-timeout` takes the shortest unit in which the number has at most eight digits: nanoseconds up to 0.1 s,
    /// microseconds up to 100 s. Rounding loses less than one unit.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::Header;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Header::GrpcTimeout.write(Duration::from_secs(30)).as_deref(), Some("30000000u"));
    /// assert_eq!(Header::GrpcTimeout.write(Duration::from_secs(3_600)).as_deref(), Some("3600000m"));
    /// assert_eq!(Header::GrpcTimeout.write(Duration::MAX).as_deref(), Some("99999999H"), "some 11,400 years");
    /// assert_eq!(Header::GrpcTimeout.write(Duration::ZERO), None);
    /// ```
    pub fn write(self, left: Duration) -> Option<String> {
        let nanos = left.as_nanos();
        let (number, unit) = match self {
            Self::TimeoutMs => ((nanos / NANOS_PER_MILLI).min(i64::MAX as u128), None),
            Self::GrpcTimeout => {
                let fits = UNITS.into_iter().find(|(_, unit)| nanos / unit <= EIGHT_DIGITS);
                fits.map_or((EIGHT_DIGITS, Some('H')), |(name, unit)| (nanos / unit, Some(name)))
            }
        };
        (number > 0).then(|| number.to_string() + unit.map(String::from).as_deref().unwrap_or_default())
    }

    /// Reads a value of this header; `None` if the text is not one, such as a negative number.
    ///
    /// A number that is too large becomes `Duration::MAX`.
    ///
    /// Spaces and tabs around it are ignored. A value of `grpc-timeout` with more than eight digits, which the protocol
    /// does not allow, is read all the same: a request should not lose its deadline over that.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::Header;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Header::TimeoutMs.read(" 250 "), Some(Duration::from_millis(250)));
    /// assert_eq!(Header::TimeoutMs.read("0"), Some(Duration::ZERO), "the caller has left");
    /// assert_eq!(Header::GrpcTimeout.read("2M"), Some(Duration::from_secs(120)), "M is minutes, m milliseconds");
    /// for junk in ["-1", "1.5", "20ms", ""] {
    ///     assert_eq!(Header::TimeoutMs.read(junk), None);
    /// }
    /// ```
    pub fn read(self, value: &str) -> Option<Duration> {
        let value = value.trim_matches([' ', '\t']);
        match self {
            Self::TimeoutMs => number(value, NANOS_PER_MILLI),
            Self::GrpcTimeout => {
                let (_, nanos) = UNITS.into_iter().find(|(name, _)| value.ends_with(*name))?;
                number(value.get(..value.len() - 1)?, nanos)
            }
        }
    }

    /// Renders the time left of the timeouts and deadlines around the running code; `None` outside of any.
    ///
    /// Call this right before the request: the value is the time left at that moment, and nothing is subtracted for the
    /// way. The name of the rejection is that of the header.
    ///
    /// # Errors
    ///
    /// [`Rejected::TimedOut`] if no time is left: do not make the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::{Deadline, Header};
    /// use std::time::Duration;
    ///
    /// assert_eq!(Header::GrpcTimeout.value(), Ok(None));
    /// let value = Deadline::at_most(Duration::from_secs(2)).run_blocking(|| Header::GrpcTimeout.value());
    /// assert!(value.unwrap().unwrap().unwrap().ends_with('u'));
    /// ```
    pub fn value(self) -> Result<Option<String>, Rejected> {
        let Some(left) = remaining() else { return Ok(None) };
        let value = self.write(left);
        if value.is_none() {
            return Err(Rejected::no_time_left(PointName::new(self.name())));
        }
        Ok(value)
    }

    /// Sets this header to the time left of the timeouts and deadlines around the running code, if there are any.
    ///
    /// A value that the headers had before is replaced, such as one that a proxy has copied from its own request.
    ///
    /// # Errors
    ///
    /// [`Rejected::TimedOut`] if no time is left: do not make the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::HeaderMap;
    /// use resilience::deadline::{Deadline, Header};
    /// use std::time::Duration;
    ///
    /// let headers = Deadline::at_most(Duration::from_secs(2)).run_blocking(|| {
    ///     let mut headers = HeaderMap::new();
    ///     Header::TimeoutMs.write_to(&mut headers).map(|()| headers)
    /// });
    /// assert!(headers.unwrap().unwrap().contains_key("x-timeout-ms"));
    /// ```
    #[cfg(feature = "http")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    pub fn write_to(self, headers: &mut http::HeaderMap) -> Result<(), Rejected> {
        if let Some(value) = self.value()?
            && let Ok(value) = http::HeaderValue::try_from(value)
        {
            headers.insert(self.name(), value);
        }
        Ok(())
    }
}

/// Returns the time of a number of digits alone, in a unit of this many nanoseconds.
fn number(digits: &str, unit: u128) -> Option<Duration> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos = digits.parse().unwrap_or(u128::MAX).saturating_mul(unit);
    let seconds = u64::try_from(nanos / NANOS_PER_SECOND);
    Some(seconds.map_or(Duration::MAX, |seconds| Duration::new(seconds, (nanos % NANOS_PER_SECOND) as u32)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_header_is_never_read_as_a_longer_time() {
        let mut nanos: u128 = 1;
        while nanos < Duration::MAX.as_nanos() {
            for nanos in [nanos, nanos + 1, nanos * 3 + 7] {
                let left = Duration::new((nanos / 1_000_000_000) as u64, (nanos % 1_000_000_000) as u32);
                for header in Header::ALL {
                    let Some(value) = header.write(left) else {
                        assert!(header == Header::TimeoutMs && left < Duration::from_millis(1));
                        continue;
                    };
                    let read = header.read(&value).unwrap();
                    assert!(read <= left, "{value} of {left:?}");
                    let is_close = left.as_secs_f64() < 1.0 || read.as_secs_f64() / left.as_secs_f64() > 0.99;
                    assert!(is_close || left.as_secs() > 99_999_999 * 3_600, "{value} of {left:?}");
                    assert!(header != Header::GrpcTimeout || value.len() <= 9, "{value}");
                }
            }
            nanos *= 10;
        }
    }

    #[test]
    fn only_valid_numbers_are_parsed() {
        let huge = "9".repeat(60);
        for (value, expected) in [
            ("0", Some(Duration::ZERO)),
            ("1", Some(Duration::from_millis(1))),
            (" 20\t", Some(Duration::from_millis(20))),
            (&huge, Some(Duration::MAX)),
            ("18446744073709551615", Some(Duration::from_millis(u64::MAX))),
            ("", None),
            ("-1", None),
            ("-0", None),
            ("+1", None),
            ("1.5", None),
            ("1e3", None),
            ("20ms", None),
            ("20 30", None),
            ("0x10", None),
            ("NaN", None),
            ("٣", None),
        ] {
            assert_eq!(Header::TimeoutMs.read(value), expected, "{value}");
            let grpc = Header::GrpcTimeout.read(&format!("{}m", value.trim()));
            assert_eq!(grpc, expected, "{value}");
        }
        for (value, expected) in [("1H", 3_600), ("2M", 120), ("3S", 3)] {
            assert_eq!(Header::GrpcTimeout.read(value), Some(Duration::from_secs(expected)));
        }
        for junk in ["1", "1h", "1s", "S", "", "1é", "m1"] {
            assert_eq!(Header::GrpcTimeout.read(junk), None, "{junk}");
        }
    }
}
