//! The settings of a hedge, and when an extra call follows.

use super::Hedge;
use crate::base::setting::{Complaint, Kind, Value};
use crate::base::settings::{Count, Flag, settings};
use crate::policy::budget::Budget;
use std::time::Duration;

/// The time at which an extra call follows the calls that run.
///
/// In an attribute it is `after = 50ms`, or `after = p95`.
///
/// # Examples
///
/// ```
/// use resilience::policy::hedge::{After, Hedge, HedgeConfig};
///
/// let config = HedgeConfig::from(After::Percentile(95));
/// assert!(Hedge::try_new("search", config).is_ok());
/// assert!(Hedge::try_new("search", After::Percentile(100)).is_err(), "an extra call would never follow");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// After this time, which is longer than zero.
    Delay(Duration),
    /// After the time within which this many of 100 first calls ended: those of the last 10 minutes, at most the last
    /// 1,000. It is from 50 to 99. With fewer than 100 calls no extra call follows.
    Percentile(u8),
}

/// The texts of a setting.
impl After {
    const KIND: Kind = Kind::Time;
    const TAKES: &str = "a duration such as \"50ms\", or a percentile such as \"p95\"";
    const UNSET: Self = Self::Delay(Duration::MAX);

    const fn complaint(self) -> Complaint {
        match self {
            Self::Delay(Duration::ZERO) => {
                Some("`after` must be longer than 0s: every call would be made twice")
            }
            Self::Percentile(..50 | 100..) => Some("`after` must be a percentile from `p50` to `p99`"),
            _ => None,
        }
    }

    fn value(self) -> Value {
        match self {
            Self::Delay(delay) => Value::Time(delay),
            Self::Percentile(share) => Value::Word(format!("p{share}").into()),
        }
    }

    fn of(value: &Value) -> Option<Self> {
        match value {
            Value::Time(delay) => Some(Self::Delay(*delay)),
            Value::Word(word) => Some(Self::Percentile(word.strip_prefix('p')?.parse().ok()?)),
            _ => None,
        }
    }
}

settings! {
    /// The settings of a [`Hedge`], for [`try_new`](Hedge::try_new); settings with only an [`After`], or a delay, are
    /// made `from` it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::hedge::{Hedge, HedgeConfig};
    /// use std::time::Duration;
    ///
    /// let config = HedgeConfig { max: 2, ..HedgeConfig::from(Duration::from_millis(50)) };
    /// assert!(Hedge::try_new("search", config).is_ok());
    /// assert!(Hedge::try_new("search", Duration::ZERO).is_err());
    /// ```
    #[derive(Clone, Copy, Debug)]
    pub struct HedgeConfig {
        for policy Hedge(settings) {
            after: After = required, "when an extra call follows the calls that run";
            /// The second one follows the first as that follows the call itself.
            max: Count from 1 to 10 = 1, "how many extra calls may follow";
            /// Keys are made of arguments, so they are not shown unless you ask for it. The environment variable
            /// `RESILIENCE_KEY_LABELS=1` switches them on for all policies.
            key_label: Flag = false, "showing the keys of a keyed hedge in `tracing`";
        }
        also {
            /// The budget that pays for extra calls; by default the hedge has its own.
            budget: Option<&'static Budget> = None;
        }
    }
}

impl HedgeConfig {
    pub(super) const fn of(after: After) -> Self {
        Self { after, ..Self::DEFAULT }
    }
}

impl From<Duration> for After {
    fn from(delay: Duration) -> Self {
        Self::Delay(delay)
    }
}

impl<A: Into<After>> From<A> for HedgeConfig {
    fn from(after: A) -> Self {
        Self::of(after.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_settings_are_rejected_with_a_reason() {
        let base = HedgeConfig::from(Duration::from_millis(50));
        let cases = [
            (HedgeConfig::from(Duration::ZERO), "`after` must be longer than 0s"),
            (HedgeConfig::from(After::Percentile(49)), "`after` must be a percentile from `p50` to `p99`"),
            (HedgeConfig::from(After::Percentile(100)), "`after` must be a percentile"),
            (HedgeConfig { max: 0, ..base }, "`max` must be at least 1: how many extra calls may follow"),
            (HedgeConfig { max: 11, ..base }, "`max` must be at most 10"),
        ];
        for (config, words) in cases {
            let complaint = config.complaint().expect(words);
            assert!(complaint.starts_with(words), "{complaint}");
        }
        for config in [base, HedgeConfig::from(After::Percentile(50)), HedgeConfig { max: 10, ..base }] {
            assert_eq!(config.complaint(), None);
        }
    }

    #[test]
    fn a_percentile_is_spelled_as_in_an_attribute() {
        let mut config = HedgeConfig::from(After::Percentile(95));
        assert_eq!(config.get("after").unwrap().to_string(), "p95");
        config.set("after", Value::Word("p99".into())).unwrap();
        assert_eq!(config.after, After::Percentile(99));
        assert!(config.set("after", Value::Word("p100".into())).is_err());
        assert!(config.set("after", Value::Word("often".into())).is_err());
        config.set("after", Value::Time(Duration::from_secs(1))).unwrap();
        assert_eq!(config.after, After::Delay(Duration::from_secs(1)));
    }
}
