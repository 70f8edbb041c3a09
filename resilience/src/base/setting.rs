//! Settings as data: their names, ranges, defaults and values.
//!
//! Every policy has a table of its settings (`TimeoutConfig::TABLE`), and reads and writes each of them by
//! its name. [`PolicyInfo::settings`](crate::PolicyInfo::settings) lists the values that apply.
//!
//! # Examples
//!
//! ```
//! use resilience::policy::TimeoutConfig;
//! use resilience::settings::Value;
//! use std::time::Duration;
//!
//! for setting in TimeoutConfig::TABLE {
//!     println!("{setting}");
//! }
//! let mut config = TimeoutConfig::from(Duration::from_secs(2));
//! config.set("cap", Value::Time(Duration::from_secs(5))).unwrap();
//! assert_eq!(config.get("cap").unwrap().to_string(), "5s");
//! assert!(config.set("growth", Value::Factor(0.5)).is_err());
//! ```

use super::text::Text;
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// One setting of a policy: a row of its table.
///
/// # Examples
///
/// ```
/// use resilience::policy::CircuitBreakerConfig;
///
/// let recovery = CircuitBreakerConfig::TABLE.iter().find(|setting| setting.name == "recovery").unwrap();
/// assert_eq!(
///     recovery.to_string(),
///     "recovery (duration above `0s`, default `60s`): how long the breaker stays open"
/// );
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Setting {
    /// The name, which is also the key in the attribute.
    pub name: &'static str,
    /// The kind of its values.
    pub kind: Kind,
    /// The valid values, as in ``from `1` to `5` ``; empty if all are.
    pub range: &'static str,
    /// The default as an attribute spells it: a value, `off`, `required`, or the setting whose value it is.
    pub default: &'static str,
    /// The meaning of the value: "how long the breaker stays open".
    pub meaning: &'static str,
}

/// ``recovery (duration above `0s`, default `60s`): how long the breaker stays open``.
impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, range, default, meaning } = self;
        let space = if range.is_empty() { "" } else { " " };
        write!(f, "{name} ({kind}{space}{range}, default `{default}`): {meaning}")
    }
}

/// The kind of the values of a setting.
///
/// It is the variant of [`Value`] that a setting takes, and the word for it in messages and pages.
///
/// # Examples
///
/// ```
/// use resilience::policy::RetryConfig;
/// use resilience::settings::Kind;
///
/// let base = RetryConfig::TABLE.iter().find(|setting| setting.name == "base").unwrap();
/// assert_eq!(base.kind, Kind::Time);
/// assert_eq!(base.kind.to_string(), "duration");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A whole number: `max`, `threshold`, `probes`.
    Count,
    /// A finite number by which something is multiplied: `growth`.
    Factor,
    /// A share of a whole, up to 1: `rate`.
    Ratio,
    /// A length of time, with a unit: `base`, `recovery`, `lease`.
    Time,
    /// A number of bytes: `stack`.
    Bytes,
    /// Yes or no: `idempotent`, `thread`.
    Switch,
    /// One of a few words, or a value that the page of the attribute describes.
    Word,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Count => "count",
            Self::Factor => "factor",
            Self::Ratio => "ratio",
            Self::Time => "duration",
            Self::Bytes => "size",
            Self::Switch => "switch",
            Self::Word => "word",
        })
    }
}

/// The value of a setting, whatever its kind.
///
/// `get` and `set` of each config take and return it, and the inventory lists it. Its text is what an attribute
/// would have: `Display` of `Value::Time` writes `60s`, `1.5s` or `10m`.
///
/// Two values are equal only in the same variant: a ratio of 0.5 is not a factor of 0.5.
///
/// # Examples
///
/// A value from a file or a command line, put into a config by name:
///
/// ```
/// use resilience::Retry;
/// use resilience::policy::RetryConfig;
/// use resilience::settings::Value;
/// use std::time::Duration;
///
/// let mut config = RetryConfig::default();
/// config.set("max", Value::Count(5)).unwrap();
/// config.set("base", Value::Time(Duration::from_millis(250))).unwrap();
/// assert_eq!(config.get("base").unwrap().to_string(), "250ms");
/// assert!(config.set("base", Value::Count(250)).is_err(), "a number has no unit");
/// assert_eq!(Retry::try_new(config).unwrap().max_attempts(), 6);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A whole number: `3`.
    Count(u64),
    /// A number by which something is multiplied: `2.0`.
    Factor(f64),
    /// A share of a whole: `0.5`.
    Ratio(f64),
    /// Two factors, the smaller one first: `0.8..1.2`.
    Range(f64, f64),
    /// A length of time: `60s`.
    Time(Duration),
    /// A number of bytes: `8MiB`.
    Bytes(u64),
    /// Yes or no: `true`.
    Switch(bool),
    /// A word or a longer text: `full`.
    Word(Cow<'static, str>),
    /// No value: the setting is switched off, or is at its default.
    Off,
}

impl Value {
    /// Returns whether it is a whole number, and the values of `kind` are such numbers.
    pub(crate) const fn is_number_of(&self, kind: Kind) -> bool {
        matches!((self, kind), (Self::Count(_), Kind::Count) | (Self::Bytes(_), Kind::Bytes))
    }
}

/// Writes the value as an attribute spells it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(count) => write!(f, "{count}"),
            Self::Factor(number) | Self::Ratio(number) => write!(f, "{number:?}"),
            Self::Range(low, high) => write!(f, "{low:?}..{high:?}"),
            Self::Time(time) => {
                // `60s` is what attributes have, and `1h` is easier to read than `3600s`.
                let units = [(86_400, 1, "d"), (3600, 1, "h"), (60, 2, "m")];
                let seconds = if time.subsec_nanos() == 0 { time.as_secs() } else { 0 };
                let is_whole =
                    |&&(unit, least, _): &&(u64, u64, _)| seconds % unit == 0 && seconds / unit >= least;
                match units.iter().find(is_whole) {
                    Some((unit, _, letter)) => write!(f, "{}{letter}", seconds / unit),
                    None => f.write_str(Text::<48>::new().time(*time).as_str()),
                }
            }
            Self::Bytes(bytes) => {
                let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
                match units.iter().find(|(shift, _)| *bytes > 0 && bytes.trailing_zeros() >= *shift) {
                    Some((shift, unit)) => write!(f, "{}{unit}", bytes >> shift),
                    None => write!(f, "{bytes}"),
                }
            }
            Self::Switch(is_on) => write!(f, "{is_on}"),
            Self::Word(word) => f.write_str(word),
            Self::Off => f.write_str("off"),
        }
    }
}

/// A setting with the value that applies.
///
/// [`PolicyInfo::settings`](crate::PolicyInfo::settings) lists them for each policy of a point, and `effective` of
/// each config those of a policy value. A setting that is switched off is in neither list.
///
/// # Examples
///
/// Which settings were changed:
///
/// ```
/// use resilience::policy::CircuitBreakerConfig;
///
/// let config = CircuitBreakerConfig { threshold: 9, ..CircuitBreakerConfig::default() };
/// let changed: Vec<_> = config.effective().into_iter().filter(|setting| !setting.is_default).collect();
/// assert_eq!(changed.len(), 1);
/// assert_eq!(changed[0].to_string(), "threshold = 9");
/// assert_eq!(changed[0].setting.unwrap().default, "5");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Effective {
    /// The name, which is also the key in the attribute.
    pub name: &'static str,
    /// The value that applies; of a default that depends on other settings, what it comes to.
    pub value: Value,
    /// Whether nothing else was set.
    pub is_default: bool,
    /// The row of the policy's table; `None` for what has none, such as `instance`.
    pub setting: Option<&'static Setting>,
    /// The line or variable of a [`config`](crate::config) that sets it; `None` if the code or the default does.
    #[cfg(feature = "config")]
    #[cfg_attr(docsrs, doc(cfg(feature = "config")))]
    pub source: Option<Source>,
}

/// The source of a value in a configuration.
///
/// # Examples
///
/// ```
/// use resilience::settings::Source;
///
/// let line = Source::File { path: std::path::Path::new("/etc/shop.toml").into(), line: 12 };
/// assert_eq!(line.to_string(), "/etc/shop.toml:12");
/// let variable = Source::Environment { variable: "RESILIENCE__WITH_RETRY__MAX".into() };
/// assert_eq!(variable.to_string(), "RESILIENCE__WITH_RETRY__MAX");
/// ```
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// A file, and the line in it, counted from 1.
    File {
        /// The file, as it was configured.
        path: std::sync::Arc<std::path::Path>,
        /// The line; 0 where all of the file is meant.
        line: u32,
    },
    /// A variable of the environment.
    Environment {
        /// Its name.
        variable: std::sync::Arc<str>,
    },
}

/// `/etc/shop.toml:12`, or the name of the variable; control characters are escaped.
#[cfg(feature = "config")]
impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use super::visible::Visible;
        match self {
            Self::File { path, line: 0 } => write!(f, "{}", Visible(&path.to_string_lossy())),
            Self::File { path, line } => write!(f, "{}:{line}", Visible(&path.to_string_lossy())),
            Self::Environment { variable } => write!(f, "{}", Visible(variable)),
        }
    }
}

impl Effective {
    /// Creates a setting that has no row in the table of its policy.
    pub(crate) fn text(name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name,
            value: Value::Word(value.into()),
            is_default: false,
            setting: None,
            #[cfg(feature = "config")]
            source: None,
        }
    }

    /// Creates a switch that has no row in the table of a policy.
    #[cfg(any(feature = "ops", feature = "config"))]
    pub(crate) fn switch(name: &'static str, is_on: bool) -> Self {
        Self { value: Value::Switch(is_on), ..Self::text(name, "") }
    }

    /// Creates a number that has no row in the table of its policy.
    ///
    /// It counts as not set where it has the value of the default.
    pub(crate) fn count(name: &'static str, count: usize, default: usize) -> Self {
        let value = Value::Count(count as u64);
        Self { value, is_default: count == default, ..Self::text(name, "") }
    }
}

/// `recovery = 60s`, and where a configuration sets it, also where: `recovery = 60s from /etc/shop.toml:12`.
impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}", self.name, self.value)?;
        #[cfg(feature = "config")]
        if let Some(source) = &self.source {
            write!(f, " from {source}")?;
        }
        Ok(())
    }
}

/// The settings of a policy, as something whose values are changed by name.
#[cfg_attr(not(feature = "config"), expect(dead_code, reason = "only a configuration changes them"))]
pub(crate) trait Table: Copy {
    /// The rows, in the order of the bits of `Settings::set`.
    const ROWS: &'static [Setting];

    /// What a configuration may write for each row.
    const TAKES: &'static [&'static str];

    /// The settings before any is set.
    const START: Self;

    /// Sets one by name, and judges it alone.
    fn set_by_name(&mut self, name: &str, value: Value) -> Result<(), InvalidPolicy>;

    /// Returns what is wrong with them, alone or together.
    fn judge(&self) -> Complaint;
}

/// The mistake in a setting, in a sentence; `None` if there is none.
///
/// A plain `Option` of a text in the program, so that a `const fn` can return it.
pub(crate) type Complaint = Option<&'static str>;

/// Panics with the complaint, if there is one: a compile error in a `const`.
///
/// # Panics
///
/// With the complaint, at the line of the setter that was called.
#[track_caller]
pub(crate) const fn enforce(complaint: Complaint) {
    if let Some(complaint) = complaint {
        panic!("{}", complaint)
    }
}

/// The error about settings that are out of range or contradict each other; see the `try_new` of each policy.
///
/// # Examples
///
/// ```
/// use resilience::{Timeout, policy::InvalidPolicy};
/// use std::time::Duration;
///
/// let invalid: InvalidPolicy = Timeout::try_new(Duration::ZERO).unwrap_err();
/// assert_eq!(
///     invalid.to_string(),
///     "`limit` must be longer than 0s: how long the first attempt may take"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidPolicy {
    message: &'static str,
}

impl InvalidPolicy {
    pub(crate) const fn new(message: &'static str) -> Self {
        Self { message }
    }

    /// Returns `policy`, unless there is a complaint about its settings.
    pub(crate) const fn judged<P: Copy>(policy: P, complaint: Complaint) -> Result<P, Self> {
        match complaint {
            Some(message) => Err(Self { message }),
            None => Ok(policy),
        }
    }

    /// Returns the complaint as an error, if there is one.
    pub(crate) const fn unless_valid(complaint: Complaint) -> Result<(), Self> {
        match complaint {
            Some(message) => Err(Self { message }),
            None => Ok(()),
        }
    }

    /// Returns the words that the compiler would use: the setting, its range, and what it means.
    ///
    /// It is one sentence without a full stop.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::RetryConfig;
    /// use resilience::settings::Value;
    ///
    /// let mut config = RetryConfig::default();
    /// let invalid = config.set("max", Value::Word("many".into())).unwrap_err();
    /// assert_eq!(invalid.message(), "`max` has values of another kind");
    /// ```
    pub const fn message(&self) -> &'static str {
        self.message
    }
}

impl fmt::Display for InvalidPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message)
    }
}

impl std::error::Error for InvalidPolicy {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_spelled_as_in_an_attribute() {
        let spelled = [
            Value::Count(3),
            Value::Factor(2.0),
            Value::Range(0.8, 1.2),
            Value::Time(Duration::from_micros(1500)),
            Value::Time(Duration::from_secs(60)),
            Value::Time(Duration::from_secs(90)),
            Value::Time(Duration::from_secs(600)),
            Value::Time(Duration::from_secs(3600)),
            Value::Time(Duration::from_secs(30 * 86_400)),
            Value::Time(Duration::ZERO),
            Value::Bytes(8 << 20),
            Value::Bytes(1000),
            Value::Bytes(0),
            Value::Switch(true),
            Value::Word("full".into()),
            Value::Off,
        ]
        .map(|value| value.to_string());
        assert_eq!(
            spelled,
            [
                "3", "2.0", "0.8..1.2", "1.5ms", "60s", "90s", "10m", "1h", "30d", "0s", "8MiB", "1000", "0",
                "true", "full", "off"
            ]
        );
    }
}
