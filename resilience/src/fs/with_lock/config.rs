//! The settings of `#[with_lock]`.

use super::LockSite;
use crate::base::settings::{Flag, Time, settings};

settings! {
    /// The settings of `#[with_lock]`; see the [attribute](macro@crate::with_lock).
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub struct WithLockConfig {
        for policy LockSite(settings) {
            /// Zero tries for 20 ms. It is in real time, also in a test world.
            wait: Time = 30s, "how long a call may wait for the lock";
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
