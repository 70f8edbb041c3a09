//! The report of a shutdown.

use crate::base::text::About;
use crate::base::visible::Visible;
use std::fmt;
use std::time::Duration;

/// The result of a shutdown: code that still runs, and data that is not written.
///
/// `Display` writes one line, and one more for each [`Left`], for the log.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// let report = resilience::shutdown_blocking(Duration::from_secs(1));
/// for left in &report.left {
///     eprintln!("{} of job {:?} runs on", left.point, left.job);
/// }
/// assert!(report.unflushed.is_empty());
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// The time that the shutdown has taken, until its end or until now.
    pub took: Duration,
    /// The code that runs on: steps, undos, jobs outside of a step, and handlers of events.
    pub left: Vec<Left>,
    /// The data that is not known to be written or delivered: `leases`, `events`, `alerts` or `store`.
    pub unflushed: Vec<&'static str>,
}

/// Code that was running when a shutdown ended.
///
/// A job is listed by its innermost code: by its step, if it is in one.
///
/// # Examples
///
/// ```
/// fn line(left: &resilience::shutdown::Left) -> String {
///     format!("{} has run for {:?}", left.point, left.age)
/// }
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Left {
    /// The name of the function, or `resilience::events::on` for a handler of events.
    pub point: String,
    /// The id of the job.
    pub job: Option<String>,
    /// The key of the step.
    pub key: Option<String>,
    /// The time that it has run.
    pub age: Duration,
}

impl Report {
    /// Returns whether nothing is left, and everything is written.
    ///
    /// A program can derive its exit status from it: code that still runs may be cut off.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::process::ExitCode;
    /// use std::time::Duration;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let report = resilience::shutdown_blocking(Duration::from_secs(30));
    /// let status = if report.is_complete() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    /// assert_eq!(status, ExitCode::SUCCESS);
    /// ```
    pub fn is_complete(&self) -> bool {
        self.left.is_empty() && self.unflushed.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shut down in {}", About(self.took))?;
        if !self.unflushed.is_empty() {
            write!(f, "; not flushed: {}", self.unflushed.join(", "))?;
        }
        self.left.iter().try_for_each(|left| write!(f, "\n    {left}"))
    }
}

impl fmt::Display for Left {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Visible(&self.point))?;
        if let Some(key) = &self.key {
            write!(f, " with the key {}", Visible(key))?;
        }
        if let Some(job) = &self.job {
            write!(f, " of the job {}", Visible(job))?;
        }
        write!(f, " runs on after {}s", self.age.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_of_code_that_runs_on_is_in_seconds() {
        for (millis, words) in [(0, "0s"), (999, "0s"), (90_000, "90s")] {
            let age = Duration::from_millis(millis);
            let left = Left { point: "a".to_owned(), job: None, key: None, age };
            assert_eq!(left.to_string(), format!("a runs on after {words}"));
        }
    }
}
