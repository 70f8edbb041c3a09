//! Hedges in the inventory.

use super::Hedge;
use crate::base::site::Site;
use crate::keyed::Keyed;
use crate::point::registry::{Point, PointKey, Registrable};
use crate::point::{PointName, PolicyHandle};
use std::sync::Arc;

impl Registrable for Hedge {
    fn own_name(&self) -> &PointName {
        &self.owner.name
    }
}

impl Point {
    /// Returns the hedge of the function, if it has one without a key.
    ///
    /// `None` for a point without one, and for a keyed hedge: for those, use [`key`](Self::key).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{hedge, point};
    ///
    /// #[hedge(after = p95, idempotent, name = "shelf")]
    /// async fn stock() -> std::io::Result<u32> {
    ///     Ok(7)
    /// }
    ///
    /// # let _ = stock;
    /// let hedge = point("shelf").unwrap().hedge().unwrap();
    /// assert_eq!(hedge.snapshot().to_string(), "shelf: too few calls yet, hedged 0, won by extra 0, denied 0");
    /// ```
    pub fn hedge(&self) -> Option<PolicyHandle<Hedge>> {
        PolicyHandle::of(self)
    }
}

impl PointKey {
    /// Returns the hedge of this key, if the point has a keyed hedge and the key has been used.
    ///
    /// Looking makes no hedge for the key, and delays no eviction.
    pub fn hedge(&self) -> Option<Arc<Hedge>> {
        self.point().policy::<Site<Keyed<Hedge>>>()?.peek(self.key())
    }
}
