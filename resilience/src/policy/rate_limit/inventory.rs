//! Rate limits in the inventory.

use super::RateLimit;
use crate::base::site::Site;
use crate::keyed::Keyed;
use crate::point::registry::{Point, PointKey, Registrable};
use crate::point::{PointName, PolicyHandle};
use std::sync::Arc;

impl Registrable for RateLimit {
    fn own_name(&self) -> &PointName {
        &self.owner.name
    }
}

impl Point {
    /// Returns the rate limit of the outermost `rate_limit` that has no key.
    ///
    /// `None` for a point without one, and for a keyed limit: for those, use [`key`](Self::key).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{point, rate_limit};
    ///
    /// #[rate_limit(3, per = 1m, name = "mail")]
    /// fn mail() -> std::io::Result<()> {
    ///     Ok(())
    /// }
    ///
    /// mail().unwrap();
    /// assert_eq!(point("mail").unwrap().rate_limit().unwrap().snapshot().available, 2);
    /// ```
    pub fn rate_limit(&self) -> Option<PolicyHandle<RateLimit>> {
        PolicyHandle::of(self)
    }
}

impl PointKey {
    /// Returns the rate limit of this key, if the point has a keyed limit and the key has been used.
    ///
    /// Looking makes no limit for the key, and delays no eviction.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{point, rate_limit};
    ///
    /// #[rate_limit(3, per = 1m, key = customer, name = "mail_to")]
    /// fn mail(customer: &str) -> std::io::Result<()> {
    ///     let _ = customer;
    ///     Ok(())
    /// }
    ///
    /// mail("ada").unwrap();
    /// let of_customer = point("mail_to").unwrap().key("ada").rate_limit().unwrap();
    /// assert_eq!(of_customer.snapshot().available, 2);
    /// ```
    pub fn rate_limit(&self) -> Option<Arc<RateLimit>> {
        self.point().policy::<Site<Keyed<RateLimit>>>()?.peek(self.key())
    }
}
