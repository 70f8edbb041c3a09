//! The calls of a step that is a plain value.

use super::begin::StepRequest;
use super::policy::Checkpoint;
use crate::base::block_on::{Mode, block_on};
use crate::base::template::printed;
use crate::durable::call::Identity;
use crate::durable::scope;
use crate::outcome::Refuse;
use crate::point::PointName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;

impl Checkpoint {
    /// Returns the recorded value of `key`; or runs `body` and records its value.
    ///
    /// The key is `key` as it prints, 1 to 512 bytes; inside a job it belongs to that job, else to the store.
    /// A call whose key another process works on waits for it, 5 minutes unless [`wait`](Self::wait) is set.
    ///
    /// # Errors
    ///
    /// The body's own, which is not recorded; or the error type made from
    /// [`Rejected::Checkpoint`](crate::Rejected::Checkpoint).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Checkpoint, Rejected};
    ///
    /// const PRICE: Checkpoint = Checkpoint::new("shop::price");
    ///
    /// # let _world = resilience::testing::isolate();
    /// let failed: Result<u32, Rejected> = PRICE.call("order:7", || {
    ///     Err(resilience::testing::rejected::timed_out("prices", std::time::Duration::from_secs(2)))
    /// });
    /// assert!(failed.is_err(), "not recorded");
    /// let price: Result<u32, Rejected> = PRICE.call("order:7", || Ok(42));
    /// assert_eq!(price.unwrap(), 42);
    /// ```
    pub fn call<R>(&self, key: impl Display, body: impl FnOnce() -> R) -> R
    where
        R: Refuse<Value: Serialize + DeserializeOwned>,
    {
        let ask = StepRequest::new::<R::Value>(Some(printed(key)));
        let running = match block_on(self.begin(Mode::Blocking, &self.identity(), ask)) {
            Ok(running) => running,
            Err(other) => return other.or_refuse(),
        };
        let outcome = {
            let _entered = running.scope().enter();
            body()
        };
        match block_on(running.settle(Mode::Blocking, outcome, None)) {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Returns the recorded value of `key`; or runs the async `body` and records its value.
    ///
    /// A future that is dropped before its end records nothing, and releases the claim.
    ///
    /// # Errors
    ///
    /// The body's own, which is not recorded; or the error type made from
    /// [`Rejected::Checkpoint`](crate::Rejected::Checkpoint).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Checkpoint, Rejected};
    ///
    /// const PRICE: Checkpoint = Checkpoint::new("shop::price");
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let price: Result<u32, Rejected> = PRICE.call_async("order:8", async || Ok(42)).await;
    /// assert_eq!(price.unwrap(), 42);
    /// # });
    /// ```
    pub async fn call_async<R>(&self, key: impl Display, body: impl AsyncFnOnce() -> R) -> R
    where
        R: Refuse<Value: Serialize + DeserializeOwned>,
    {
        let ask = StepRequest::new::<R::Value>(Some(printed(key)));
        let running = match self.begin(Mode::Async, &self.identity(), ask).await {
            Ok(running) => running,
            Err(other) => return other.or_refuse(),
        };
        let outcome = scope::InScope::new(running.scope(), body()).await;
        match running.settle(Mode::Async, outcome, None).await {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Returns the identity. The name is also the point that events and errors show.
    fn identity(&self) -> Identity {
        Identity { point: PointName::new(self.name), name: self.name.to_owned() }
    }
}
