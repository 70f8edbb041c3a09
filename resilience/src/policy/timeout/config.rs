//! The settings of a timeout, and the value that has them.

use super::thread::Helpers;
use crate::base::settings::{Bytes, Count, Factor, Flag, Settings, Time, settings};
use std::time::Duration;

/// A policy that ends a call that takes longer than its limit.
///
/// The [module](crate::policy::timeout) says how to choose the limit, and what happens to the body. The value
/// is `Copy` and has no state.
///
/// # Examples
///
/// ```
/// use resilience::policy::Timeout;
/// use std::time::Duration;
///
/// const LIMIT: Timeout = Timeout::new(Duration::from_secs(2)).growth(2.0).cap(Duration::from_secs(30));
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let answer: Result<u32, std::io::Error> = LIMIT.call_async(async || Ok(42)).await;
/// assert_eq!(answer.unwrap(), 42);
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    pub(super) settings: Settings<TimeoutConfig>,
    pub(super) name: &'static str,
}

settings! {
    /// The settings of a [`Timeout`], for [`try_new`](Timeout::try_new); settings with only a limit are made
    /// `from` it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::timeout::{Timeout, TimeoutConfig};
    /// use std::time::Duration;
    ///
    /// let limit = Duration::from_secs(2);
    /// assert!(Timeout::try_new(limit).is_ok());
    /// assert!(Timeout::try_new(TimeoutConfig { growth: 2.0, ..limit.into() }).is_ok());
    /// assert!(Timeout::try_new(TimeoutConfig { growth: f64::NAN, ..limit.into() }).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct TimeoutConfig {
        for policy Timeout(settings) {
            limit: Time above 0s = required, "how long the first attempt may take";
            /// See [`cap`](Self::cap) for a limit to it.
            growth: Factor from 1.0 = 1.0, "the factor of the limit from one attempt to the next";
            cap: Time = 30s not below limit, "the longest limit that `growth` reaches";
            /// The first poll is that of the future of [`call_async`](Self::call_async), or of an annotated function.
            /// Without it the time counts from the first poll that is not ready. The setting costs one clock reading.
            strict: Flag = false, "counting the time from the first poll";
            /// With more of them [`call`](Self::call) rejects the next body. Bodies that are within their limit are
            /// not counted.
            threads: Count from 1 = 16, "how many abandoned bodies may still run on helper threads";
            /// The default is that of most main threads.
            stack: Bytes from 64KiB = 8MiB, "the stack of a helper thread";
        }
    }
}

impl TimeoutConfig {
    pub(super) const fn of(limit: Duration) -> Self {
        Self { limit, ..Self::DEFAULT }
    }

    /// Returns the bounds of its helper threads.
    pub(super) const fn helpers(&self) -> Helpers {
        Helpers { threads: self.threads, stack: self.stack }
    }

    /// Returns the limit of one attempt, counted from 1.
    pub(super) fn limit_of(&self, attempt: u32) -> Duration {
        if self.growth <= 1.0 || attempt <= 1 {
            return self.limit;
        }
        let power = self.growth.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
        let grown = self.limit.as_secs_f64() * power;
        Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX).min(self.cap())
    }
}

impl From<Duration> for TimeoutConfig {
    fn from(limit: Duration) -> Self {
        Self::of(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Effective, Value};

    #[test]
    fn a_growing_limit_stops_at_the_cap() {
        let timeout = Timeout::new(Duration::from_secs(2)).growth(2.0);
        let limits = [1, 2, 3, 4, 5, u32::MAX].map(|attempt| timeout.limit(attempt).as_secs());
        assert_eq!(limits, [2, 4, 8, 16, 30, 30]);
        let huge = Timeout::new(Duration::from_secs(60)).growth(1e300);
        assert_eq!(huge.limit(3), Duration::from_secs(60));
        let least = Timeout::new(Duration::from_secs(2)).growth(3.0).cap(Duration::from_secs(2));
        assert_eq!(least.limit(2), Duration::from_secs(2));
    }

    #[test]
    #[should_panic(expected = "`cap` must be at least `limit`: the longest limit")]
    fn a_cap_below_the_limit_is_refused() {
        let _ = Timeout::new(Duration::from_secs(20)).growth(2.0).cap(Duration::from_secs(5));
    }

    #[test]
    fn a_zero_limit_is_rejected() {
        assert!(Timeout::try_new(Duration::ZERO).is_err());
        assert!(Timeout::try_new(Duration::from_nanos(1)).is_ok());
        assert!(Timeout::try_new(Duration::MAX).is_ok());
    }

    fn read(setting: &str, text: &str) -> Result<TimeoutConfig, &'static str> {
        let value = match setting {
            "limit" | "cap" => Value::Time(Time::read(text).unwrap()),
            "growth" => Value::Factor(Factor::read(text).unwrap()),
            "threads" => Value::Count(Count::read(text).unwrap().into()),
            "stack" => Value::Bytes(Bytes::read(text).unwrap() as u64),
            _ => Value::Off,
        };
        let mut config = TimeoutConfig::of(Duration::from_secs(2));
        config.set(setting, value).map(|()| config).map_err(|invalid| invalid.message())
    }

    #[test]
    fn each_setting_is_validated_and_named_in_its_error() {
        assert_eq!(
            [
                read("limit", "0s"),
                read("growth", "0.5"),
                read("threads", "0"),
                read("stack", "63KiB"),
                read("nothing", "1s"),
                read("strict", "1s"),
            ]
            .map(|read| read.unwrap_err()),
            [
                "`limit` must be longer than 0s: how long the first attempt may take",
                "`growth` must be a finite number and at least 1.0: the factor of the limit from one attempt to the next",
                "`threads` must be at least 1: how many abandoned bodies may still run on helper threads",
                "`stack` must be at least 64KiB: the stack of a helper thread",
                "there is no such setting",
                "`strict` has values of another kind",
            ]
        );
    }

    #[test]
    fn a_count_that_is_too_large_is_not_of_another_kind() {
        let mut config = TimeoutConfig::of(Duration::from_secs(2));
        let refused = config.set("threads", Value::Count(1 << 32)).map_err(|invalid| invalid.message());
        let words =
            "`threads` must be at most 4294967295: how many abandoned bodies may still run on helper threads";
        assert_eq!(refused, Err(words));
        assert!(config.set("threads", Value::Count(u32::MAX.into())).is_ok());
    }

    #[test]
    fn settings_are_read_and_written_by_name() {
        let mut config = read("cap", "5s").unwrap();
        assert_eq!(config.get("cap"), Some(Value::Time(Duration::from_secs(5))));
        config.set("cap", Value::Off).unwrap();
        config.set("limit", Value::Time(Duration::from_secs(60))).unwrap();
        assert_eq!(config.get("cap"), Some(Value::Time(Duration::from_secs(60))), "at least the limit");
        assert_eq!((config.get("strict"), config.get("nothing")), (Some(Value::Switch(false)), None));
        assert!(config.set("growth", Value::Factor(f64::NAN)).is_err());
        assert_eq!(config.growth.to_string(), "1", "a refused value changes nothing");
        assert!(Timeout::try_new(config).is_ok());
        config.set("cap", Value::Time(Duration::from_secs(5))).unwrap();
        let refused = Timeout::try_new(config).unwrap_err();
        assert!(refused.message().starts_with("`cap` must be at least `limit`"), "{refused}");
    }

    #[test]
    fn effective_settings_are_listed_with_their_defaults() {
        let config = TimeoutConfig { threads: 3, strict: true, ..TimeoutConfig::of(Duration::from_secs(2)) };
        let listed = |config: TimeoutConfig| {
            let word = |effective: &Effective| format!("{effective} {}", effective.is_default);
            config.effective().iter().map(word).collect::<Vec<_>>()
        };
        assert_eq!(
            listed(config),
            [
                "limit = 2s false",
                "growth = 1.0 true",
                "cap = 30s true",
                "strict = true false",
                "threads = 3 false",
                "stack = 8MiB true"
            ]
        );
        assert_eq!(
            listed(TimeoutConfig { strict: false, ..config }).len(),
            5,
            "a flag is listed where it is set"
        );
        for (row, effective) in TimeoutConfig::TABLE.iter().zip(config.effective()) {
            assert_eq!(effective.setting, Some(row));
        }
        assert_eq!(
            TimeoutConfig::TABLE[2].to_string(),
            "cap (duration, default `30s`): the longest limit that `growth` reaches"
        );
    }
}
