//! The lock of an annotated function: what `#[with_lock]` expands to.

mod config;
mod site;

pub use crate::base::holding::{hold, holding};
pub use config::WithLockConfig;
pub use site::{CallLock, Enter};

use crate::base::setting::enforce;
use crate::base::settings::Settings;
use crate::base::site::Site;
use crate::classify::Classify;
use crate::fs::LockError;
use crate::point::PointSite;
use site::Counters;

/// The lock of an annotated function.
#[derive(Debug)]
#[doc(hidden)]
pub struct LockSite {
    point: &'static PointSite,
    /// The template of the name, where it is one.
    template: &'static str,
    settings: Settings<WithLockConfig>,
    /// Whether the lock is a lease in a store, and not a file.
    is_lease: bool,
    counters: Site<Counters>,
}

/// The reason why a call has no lock.
#[derive(Debug)]
pub(crate) struct NotLocked {
    pub(crate) words: String,
    /// Whether the lock may be free when it is requested again.
    pub(crate) may_be_free: bool,
}

impl NotLocked {
    /// Creates the refusal of a call around which a timeout has passed.
    pub(crate) fn left() -> Self {
        Self::busy("a timeout ended the call while it waited for the lock".to_owned())
    }

    /// Creates the refusal of a lock that another holder has, or that cannot be judged now.
    pub(crate) const fn busy(words: String) -> Self {
        Self { words, may_be_free: true }
    }
}

impl From<LockError> for NotLocked {
    fn from(error: LockError) -> Self {
        Self { words: error.to_string(), may_be_free: error.classify().is_retryable() }
    }
}

impl LockSite {
    /// Creates the site of the lock named by `template` in the stack of `point`.
    pub const fn new(point: &'static PointSite, template: &'static str) -> Self {
        let settings = WithLockConfig::DEFAULT.into_settings();
        let counters = Site::new(Counters::new(), Counters::new);
        Self { point, template, settings, is_lease: false, counters }
    }

    /// Makes the lock a lease in the store that each call names.
    pub const fn leased(mut self) -> Self {
        self.is_lease = true;
        self
    }

    /// Returns the site, once its settings are known to be valid.
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }
}
