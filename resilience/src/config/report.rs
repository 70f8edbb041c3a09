//! The result of a load: the settings in force, or everything that is wrong.

use crate::settings::Source;
use std::fmt;

/// The result of a load that succeeded.
///
/// `Display` writes the number of settings, and a line for each warning.
///
/// # Examples
///
/// ```
/// use resilience::config::Config;
///
/// # let _world = resilience::testing::isolate();
/// let variables = [("RESILIENCE__CIRCUIT_BREAKER__RECOVERY", "30s")];
/// let report = Config::new().variables(variables).load().unwrap();
/// assert!(report.changed);
/// assert_eq!((report.settings, report.warnings.len()), (1, 0));
/// assert_eq!(report.to_string(), "settings in force: 1");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Whether the settings in force have changed.
    pub changed: bool,
    /// The number of settings that the file and the environment set.
    pub settings: usize,
    /// Warnings, a sentence each: names that no function has, settings that some functions cannot take.
    pub warnings: Vec<ConfigError>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "settings in force: {}", self.settings)?;
        self.warnings.iter().try_for_each(|warning| write!(f, "\n{warning}"))
    }
}

/// A mistake at one place of a configuration, or a warning about it.
///
/// # Examples
///
/// ```
/// use resilience::config::Config;
///
/// # let _world = resilience::testing::isolate();
/// let errors = Config::new().variables([("RESILIENCE__TIMEOUT__LIMIT", "soon")]).load().unwrap_err();
/// let error = &errors.errors()[0];
/// assert_eq!(error.source.to_string(), "RESILIENCE__TIMEOUT__LIMIT");
/// assert!(error.reason.contains("takes a duration"), "{error}");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigError {
    /// The line, or the variable.
    pub source: Source,
    /// What is wrong, in a sentence.
    pub reason: String,
}

impl ConfigError {
    pub(super) fn new(source: &Source, reason: impl Into<String>) -> Self {
        Self { source: source.clone(), reason: reason.into() }
    }
}

/// `/etc/shop.toml:12: ..`.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, crate::base::visible::Visible(&self.reason))
    }
}

impl std::error::Error for ConfigError {}

/// All mistakes in a configuration, of which nothing was put in force.
///
/// `Display` writes a line for each.
///
/// # Examples
///
/// ```
/// use resilience::config::Config;
///
/// # let _world = resilience::testing::isolate();
/// let variables = [("RESILIENCE__WITH_RETRY__MAX", "many"), ("RESILIENCE__WITH_RETRY__BASE", "5")];
/// let errors = Config::new().variables(variables).load().unwrap_err();
/// assert_eq!(errors.errors().len(), 2, "all at once");
/// assert_eq!(errors.to_string().lines().count(), 2);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigErrors {
    errors: Vec<ConfigError>,
}

impl ConfigErrors {
    pub(super) const fn new(errors: Vec<ConfigError>) -> Self {
        Self { errors }
    }

    /// Returns the mistakes, those of the file first, in the order of its lines.
    ///
    /// There is at least one. Those of variables follow, by their names.
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self { errors: vec![error] }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, error) in self.errors.iter().enumerate() {
            let separator = if n > 0 { "\n" } else { "" };
            write!(f, "{separator}{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
