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
            /// Of a lock in a store. The process renews it every third of that; a process of the same host that has ended
            /// loses it at once.
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
