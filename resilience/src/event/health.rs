//! The level of a component's health, as a health check has found it.

use std::fmt;

/// The level that a health check found.
///
/// # Examples
///
/// ```
/// use resilience::event::HealthLevel;
///
/// assert!(HealthLevel::Fail > HealthLevel::Warn);
/// assert_eq!(HealthLevel::Pass.as_str(), "pass");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum HealthLevel {
    /// All is well.
    Pass,
    /// The component works, but a person should look: a disk is nearly full, a breaker is open.
    Warn,
    /// The component does not work.
    Fail,
}

impl HealthLevel {
    /// Returns the level in a word: `"pass"`, `"warn"`, `"fail"`.
    ///
    /// It is the form in health reports, events and metrics, and never changes for a variant.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

impl fmt::Display for HealthLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
