//! The settings of a failover.

use super::Failover;
use crate::base::settings::{Time, settings};

settings! {
    /// The settings of a [`Failover`], for [`try_new`](Failover::try_new).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::{Failover, FailoverConfig};
    /// use std::time::Duration;
    ///
    /// let sticky = |seconds| FailoverConfig { sticky: Some(Duration::from_secs(seconds)) };
    /// assert!(Failover::try_new("chat", sticky(60)).is_ok());
    /// assert!(Failover::try_new("chat", sticky(0)).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct FailoverConfig {
        for policy Failover(settings) {
            /// Without it every call begins with its own value.
            sticky: Time above 0s = off, "how long calls start with the value that answered last instead of their own";
        }
    }
}

impl Default for FailoverConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
