//! The level of an alert: for events and for the file of alerts.

/// The severity of an alert.
///
/// # Examples
///
/// ```
/// use resilience::event::AlertLevel;
///
/// assert!(AlertLevel::Critical > AlertLevel::Warning);
/// assert_eq!(AlertLevel::Critical.as_str(), "CRITICAL");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "UPPERCASE"))]
#[non_exhaustive]
pub enum AlertLevel {
    /// Worth a look during working hours.
    Warning,
    /// A person must act: something will not go on by itself.
    Critical,
}

impl AlertLevel {
    /// Returns the stable name, in upper case: `"WARNING"` or `"CRITICAL"`.
    ///
    /// The file of alerts has it, and events that are serialised.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}
