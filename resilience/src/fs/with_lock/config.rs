//! The settings of `#[with_lock]`.

use super::LockSite;
use crate::base::settings::{Flag, Time, settings};

settings! {
    /// The settings of `#[with_lock]`; see the [attribute](macro@crate::with_lock).
    ///
    /// The inventory shows them, and a configuration changes `wait` and, of a lock in a store, `lease`. Which lock it
    /// is, and how it is held, is part of the code.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::WithLockConfig;
    /// use std::time::Duration;
    ///
    /// let config = WithLockConfig::default();
    /// assert_eq!((config.wait, config.lease), (Duration::from_secs(30), Duration::from_secs(30)));
    /// assert!(!config.shared && !config.common);
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct WithLockConfig {
        for policy LockSite(settings) {
            /// Zero tries for 20 ms. It is in real time, also in a test world.
            wait: Time = 30s, "how long a call may wait for the lock";
            /// Of a lock in a store. The process renews it every third of that; a process of the same host that has
            /// ended loses it at once.
            lease: Time from 3ms = 30s, "how long the lease of a process counts without being renewed";
            /// Readers exclude writers, and not each other.
            shared: Flag = false, "a reader's lock";
            /// Its directory is `resilience/locks` below the platform's directory for state.
            common: Flag = false, "a lock that all programs of this user share";
        }
    }
}

impl Default for WithLockConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}
