//! Failovers in the inventory.

#[cfg(feature = "config")]
use super::FailoverConfig;
use super::{Failover, MAY_DIFFER};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, judged};
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::point::registry::{Point, Registrable};
use crate::point::{KeySnapshot, Layer, PointName, PolicyHandle};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

impl Registrable for Failover {
    fn own_name(&self) -> &PointName {
        &self.name
    }
}

impl Point {
    /// Returns the failover of the function.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{failover, point};
    /// use std::io::{Error, ErrorKind};
    ///
    /// #[failover(region = ["eu", "us"], sticky = 60s, name = "regions")]
    /// fn search(region: &str) -> Result<u32, Error> {
    ///     if region == "eu" { Err(ErrorKind::TimedOut.into()) } else { Ok(7) }
    /// }
    ///
    /// # let _world = resilience::testing::isolate();
    /// search("eu").unwrap();
    /// let failover = point("regions").unwrap().failover().unwrap();
    /// assert_eq!(failover.snapshot().to_string(), "regions: failed over 1, us answered 1, eu begins with us");
    /// failover.reset();
    /// assert!(failover.snapshot().sticky.is_empty());
    /// ```
    pub fn failover(&self) -> Option<PolicyHandle<Failover>> {
        PolicyHandle::of(self)
    }
}

/// States of a value.
const BEGINS: &str = "begins";
const LISTED: &str = "listed";

impl Layer for Failover {
    fn kind(&self) -> &'static str {
        "failover"
    }

    fn settings(&self) -> Vec<Effective> {
        let mut settings = Vec::new();
        if let Some((argument, values)) = self.listed {
            settings.push(Effective::text(argument, format!("[{}]", values().join(", "))));
        }
        settings.extend(self.config().effective());
        if self.on != MAY_DIFFER {
            let names: Vec<_> = self.on.iter().map(|category| category.as_str()).collect();
            settings.push(Effective::text("on", names.join(", ")));
        }
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let answered = self.answered.whole().map_or(0, count);
        vec![("failed_over", count(&self.failed_over)), ("answered", answered)]
    }

    /// Returns the values that answered in place of another one.
    fn keys(&self) -> Vec<KeySnapshot> {
        let now = self.snapshot();
        let state =
            |value: &str| if now.sticky.iter().any(|sticky| sticky.value == value) { BEGINS } else { LISTED };
        let row = |(value, count): (&String, &u64)| KeySnapshot {
            key: value.clone(),
            state: state(value),
            retry_after: None,
            counters: vec![("answered", *count)],
        };
        now.answered.iter().map(row).collect()
    }

    fn calls(&self) -> u64 {
        self.listed.map_or(1, |(_, values)| values().len() as u64 + 1)
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        let calls = u32::try_from(self.calls()).unwrap_or(u32::MAX);
        inner.map(|inner| inner.saturating_mul(calls))
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        FailoverConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        judged(self.settings, changes, |setting| Layer::fixed(self, setting))
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        Some("which values are called is part of the code")
    }
}
