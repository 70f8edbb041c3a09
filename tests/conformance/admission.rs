//! The bulkhead or the rate limit of a scenario: one, or one for each key.

use crate::fields::{Fields, Refusal, accepted, unknown};
use resilience::policy::{BulkheadConfig, InvalidPolicy, RateLimitConfig};
use resilience::{Bulkhead, RateLimit};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

/// A policy that admits calls, made for each key of the scenario if it asks for that.
pub(crate) struct Keyed<P> {
    make: Box<dyn Fn() -> Result<P, InvalidPolicy> + Send + Sync>,
    is_keyed: bool,
    made: Mutex<HashMap<String, Arc<P>>>,
}

impl<P> fmt::Debug for Keyed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyed")
    }
}

impl<P> Keyed<P> {
    fn new(
        is_keyed: bool,
        make: impl Fn() -> Result<P, InvalidPolicy> + Send + Sync + 'static,
    ) -> Result<Self, Refusal> {
        accepted(make())?;
        Ok(Self { make: Box::new(make), is_keyed, made: Mutex::default() })
    }

    pub(crate) fn get(&self, key: &str) -> Arc<P> {
        let key = if self.is_keyed { key } else { "" };
        let mut made = self.made.lock().expect("no panic under this lock");
        let make = || Arc::new((self.make)().expect("settings that were accepted"));
        made.entry(key.to_owned()).or_insert_with(make).clone()
    }
}

pub(crate) fn bulkhead(mut fields: Fields) -> Result<Keyed<Bulkhead>, Refusal> {
    let Some(slots) = fields.count("max_concurrent")? else { return unknown("a bulkhead without places") };
    let wait = fields.millis("max_wait_ms")?;
    let queue = fields.count("queue")?;
    let is_keyed = fields.switch("per_key")?.unwrap_or(false);
    fields.finish()?;
    let mut config = BulkheadConfig::from(slots);
    config.wait = match (wait, queue) {
        (Some(wait), _) => wait,
        // A queue without a longest wait: callers wait as long as it takes.
        (None, Some(1..)) => FOREVER,
        (None, _) => std::time::Duration::ZERO,
    };
    // A queue of no places is that of a bulkhead in which no call waits.
    match queue {
        Some(0) => config.wait = std::time::Duration::ZERO,
        places => config.queue = places.filter(|_| !config.wait.is_zero()),
    }
    // Without a number of places, other libraries let any number wait.
    if queue.is_none() && !config.wait.is_zero() {
        config.queue = Some(u32::MAX);
    }
    Keyed::new(is_keyed, move || Bulkhead::try_new("scenario", config))
}

/// Longer than any scenario.
const FOREVER: std::time::Duration = std::time::Duration::from_secs(365 * 24 * 3600);

pub(crate) fn rate_limit(mut fields: Fields) -> Result<Keyed<RateLimit>, Refusal> {
    let (Some(count), Some(per)) = (fields.count("permits")?, fields.millis("per_ms")?) else {
        return unknown("a rate limit without a rate");
    };
    let (wait, burst) = (fields.millis("max_wait_ms")?, fields.count("burst")?);
    let is_keyed = fields.switch("per_key")?.unwrap_or(false);
    fields.finish()?;
    let mut config = RateLimitConfig::of(count, per);
    config.wait = wait.unwrap_or_default();
    config.burst = burst;
    Keyed::new(is_keyed, move || RateLimit::try_new("scenario", config))
}
