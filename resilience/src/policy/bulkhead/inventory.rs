//! Bulkheads in the inventory.

use super::Bulkhead;
use crate::base::site::Site;
use crate::keyed::Keyed;
use crate::point::PointName;
use crate::point::PolicyHandle;
use crate::point::registry::{Point, PointKey, Registrable};
use std::sync::Arc;

impl Registrable for Bulkhead {
    fn own_name(&self) -> &PointName {
        &self.owner.name
    }
}

impl Point {
    /// Returns the bulkhead of the outermost `bulkhead` that has no key.
    ///
    /// `None` for a point without one, and for a keyed bulkhead: for those, use [`key`](Self::key).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{bulkhead, point};
    ///
    /// #[bulkhead(4, name = "render")]
    /// fn render() -> std::io::Result<u32> {
    ///     Ok(point("render").unwrap().bulkhead().unwrap().snapshot().in_use)
    /// }
    ///
    /// assert_eq!(render().unwrap(), 1);
    /// ```
    pub fn bulkhead(&self) -> Option<PolicyHandle<Bulkhead>> {
        PolicyHandle::of(self)
    }
}

impl PointKey {
    /// Returns the bulkhead of this key, if the point has a keyed bulkhead and the key has been used.
    ///
    /// Looking makes no bulkhead for the key, and delays no eviction.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{bulkhead, point};
    ///
    /// #[bulkhead(4, key = tenant, name = "per_tenant")]
    /// fn render(tenant: &str) -> std::io::Result<u32> {
    ///     let _ = tenant;
    ///     Ok(7)
    /// }
    ///
    /// render("acme").unwrap();
    /// let of_tenant = |tenant| point("per_tenant").unwrap().key(tenant).bulkhead();
    /// assert_eq!(of_tenant("acme").unwrap().snapshot().slots, 4);
    /// assert!(of_tenant("unknown").is_none());
    /// ```
    pub fn bulkhead(&self) -> Option<Arc<Bulkhead>> {
        self.point().policy::<Site<Keyed<Bulkhead>>>()?.peek(self.key())
    }
}
