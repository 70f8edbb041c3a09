//! The settings of injected faults.

use super::Chaos;
use crate::base::settings::{Count, Ratio, settings};

settings! {
    /// The settings of a [`Chaos`], for [`try_new`](Chaos::try_new).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::chaos::{Chaos, ChaosConfig, Fault};
    ///
    /// assert!(Chaos::try_new("search", ChaosConfig::of(0.02), &[Fault::Error]).is_ok());
    /// assert!(Chaos::try_new("search", ChaosConfig::of(2.0), &[Fault::Error]).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct ChaosConfig {
        for policy Chaos(settings) {
            rate: Ratio above 0.0 to 1.0 = required, "the share of calls that get a fault";
            /// Then the same calls, counted from the arming, get the same faults in every run. Without it they are
            /// drawn at random.
            seed: Count = off, "the seed of the faults";
        }
    }
}

impl ChaosConfig {
    /// Creates the settings of faults in a share `rate` of the calls.
    pub const fn of(rate: f64) -> Self {
        Self { rate, ..Self::DEFAULT }
    }
}
