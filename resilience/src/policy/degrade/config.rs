//! The settings of simpler calls.

use super::Degrade;
use crate::base::settings::{Count, settings};

settings! {
    /// The settings of a [`Degrade`], for [`try_new`](Degrade::try_new).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::{Degrade, DegradeConfig};
    ///
    /// assert!(Degrade::try_new("plan", DegradeConfig { max: 2 }).is_ok());
    /// assert!(Degrade::try_new("plan", DegradeConfig { max: 0 }).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct DegradeConfig {
        for policy Degrade(settings) {
            max: Count from 1 = 3, "how many simpler levels are tried";
        }
    }
}

impl Default for DegradeConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
