//! Adaptive timeouts in the inventory.

use super::AdaptiveTimeout;
use crate::base::site::Site;
use crate::keyed::Keyed;
use crate::point::PointName;
use crate::point::PolicyHandle;
use crate::point::registry::{Point, PointKey, Registrable};
use std::sync::Arc;

impl Registrable for AdaptiveTimeout {
    fn own_name(&self) -> &PointName {
        &self.owner.name
    }
}

impl Point {
    /// Returns the timeout of the outermost `timeout(adaptive, ..)` that has no key.
    ///
    /// `None` for a point without one, and for a keyed one: for those, use [`key`](Self::key).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Rejected, point, timeout};
    /// use std::time::Duration;
    ///
    /// #[timeout(adaptive, floor = 100ms, cap = 10s, name = "preview")]
    /// async fn render() -> Result<u32, Rejected> {
    ///     Ok(42)
    /// }
    ///
    /// let timeout = point("preview").unwrap().adaptive_timeout().unwrap();
    /// assert_eq!(timeout.limit(), Duration::from_secs(10), "no call was measured yet");
    /// ```
    pub fn adaptive_timeout(&self) -> Option<PolicyHandle<AdaptiveTimeout>> {
        PolicyHandle::of(self)
    }
}

impl PointKey {
    /// Returns the adaptive timeout of this key, if the point has a keyed one and the key has been used.
    ///
    /// Looking makes no timeout for the key, and delays no eviction.
    pub fn adaptive_timeout(&self) -> Option<Arc<AdaptiveTimeout>> {
        self.point().policy::<Site<Keyed<AdaptiveTimeout>>>()?.peek(self.key())
    }
}
