//! Settings from a file and from the environment, at start and while the program runs.
//!
//! | question | answer |
//! |---|---|
//! | how do I load a file? | [`load`], at the start of `main` |
//! | only the environment, or in a test? | [`Config`] |
//! | how do I load it again? | [`reload`]; [`watch`] when the file changes, `on_sighup` on a signal |
//! | which settings are in force, and where are they from? | [`points()`](crate::points()), whose settings have a [`Source`](crate::settings::Source) |
//! | what is the format of the file, and what is refused? | below |
//!
#![doc = include_str!("../docs/configuration.md")]

mod entry;
mod environment;
mod file;
mod load;
mod names;
mod report;
mod resolve;
mod watch;

#[doc(hidden)]
pub use entry::tables;
pub use load::Config;
pub use report::{ConfigError, ConfigErrors, Report};
#[cfg(unix)]
pub use watch::on_sighup;
pub use watch::{Watch, watch};

use std::path::PathBuf;

#[cfg(test)]
mod tests;

/// Applies the settings of the file at `path`, which must be absolute, and of the environment, all at once.
///
/// Call it at the start of `main`, before the first call of an annotated function. It blocks the thread while it reads
/// the file; it is `Config::new().file(path).environment().load()`.
///
/// # Errors
///
/// With everything that is wrong, each with its line or variable; then nothing changes, and the program runs with the
/// settings in its code. Whether it should start then is for the program to decide.
///
/// # Examples
///
/// ```
/// use resilience::config;
///
/// # let _world = resilience::testing::isolate();
/// let errors = config::load("/etc/no/such/file.toml").unwrap_err();
/// assert!(errors.to_string().starts_with("/etc/no/such/file.toml: it cannot be read"));
/// assert!(config::load("settings.toml").unwrap_err().to_string().contains("the path is relative"));
/// ```
pub fn load(path: impl Into<PathBuf>) -> Result<Report, ConfigErrors> {
    Config::new().file(path).environment().load()
}

/// Loads the last configuration again: the same file, and the current environment.
///
/// A setting that is gone returns to its value in the code. Calls that run keep the settings with which they
/// began.
///
/// # Errors
///
/// Fails like [`load`]; or if nothing was loaded yet.
///
/// # Examples
///
/// ```
/// use resilience::config::{self, Config};
///
/// # let _world = resilience::testing::isolate();
/// assert!(config::reload().is_err(), "nothing was loaded");
/// Config::new().variables([("RESILIENCE__HEDGE__ENABLED", "false")]).load().unwrap();
/// assert!(!config::reload().unwrap().changed);
/// ```
pub fn reload() -> Result<Report, ConfigErrors> {
    load::reload()
}

/// Returns the report of the settings in force; `None` before the first load that succeeded.
///
/// # Examples
///
/// ```
/// use resilience::config::{self, Config};
///
/// # let _world = resilience::testing::isolate();
/// assert_eq!(config::current(), None);
/// Config::new().variables([("RESILIENCE__WITH_RETRY__ENABLED", "false")]).load().unwrap();
/// assert_eq!(config::current().unwrap().settings, 1);
/// ```
pub fn current() -> Option<Report> {
    load::current()
}
