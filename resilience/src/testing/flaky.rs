//! Scripted outcomes for tests.

use crate::base::sync::locked;
use std::sync::Mutex;

/// A script of outcomes: `e` fails, `ok` succeeds, the last one repeats.
///
/// It can be shared between threads, and counts its calls.
///
/// # Examples
///
/// ```
/// let flaky = resilience::testing::Flaky::script("e e ok");
/// assert!(flaky.next().is_err());
/// assert!(flaky.next().is_err());
/// assert_eq!(flaky.next(), Ok(()));
/// assert_eq!(flaky.calls(), 3);
/// ```
///
/// As the service behind an async function:
///
/// ```
/// use resilience::Retry;
/// use resilience::testing::{Flaky, isolate};
/// use std::io::{Error, ErrorKind};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let _world = isolate();
/// let service = Flaky::script("e ok");
/// let answer = Retry::new()
///     .call_async(async || service.next().map_err(|_| Error::from(ErrorKind::ConnectionReset)))
///     .await;
/// assert!(answer.is_ok());
/// assert_eq!(service.calls(), 2);
/// # });
/// ```
#[derive(Debug)]
pub struct Flaky {
    script: Vec<bool>,
    calls: Mutex<usize>,
}

impl Flaky {
    /// Reads a script: words separated by white space, `ok` for a success and anything else for a failure.
    ///
    /// An empty script always succeeds.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::testing::Flaky;
    ///
    /// assert!(Flaky::script("").next().is_ok());
    /// let down = Flaky::script("e");
    /// assert!((0..5).all(|_| down.next().is_err()), "the last outcome repeats");
    /// ```
    pub fn script(words: &str) -> Self {
        Self { script: words.split_whitespace().map(|word| word == "ok").collect(), calls: Mutex::new(0) }
    }

    /// Plays the next outcome; a failure carries its number, counted from 1.
    ///
    /// # Errors
    ///
    /// Where the script says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::testing::Flaky;
    ///
    /// let flaky = Flaky::script("ok e");
    /// assert_eq!(flaky.next(), Ok(()));
    /// assert_eq!(flaky.next(), Err(2), "the second call");
    /// ```
    pub fn next(&self) -> Result<(), usize> {
        let mut calls = locked(&self.calls);
        let step = self.script.get(*calls).or(self.script.last());
        *calls += 1;
        if *step.unwrap_or(&true) { Ok(()) } else { Err(*calls) }
    }

    /// Returns the number of calls of [`next`](Self::next).
    ///
    /// Calls of all threads count.
    pub fn calls(&self) -> usize {
        *locked(&self.calls)
    }
}
