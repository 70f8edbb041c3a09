//! The calls of a step that is a plain value.

use super::begin::StepRequest;
use super::policy::Checkpoint;
use crate::durable::call::Identity;
use crate::durable::lease::block_on::{Mode, block_on};
use crate::durable::scope;
use crate::outcome::Refuse;
use crate::point::PointName;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;

impl Checkpoint {
    /// The recorded value of `key`, or what `body` gives, recorded.
    ///
    /// The key is `key` as it prints; inside a job it belongs to that job, else to the store.
    ///
    /// # Errors
    ///
    /// The body's own, which is not recorded; or the error type made from [`Rejected::Checkpoint`](crate::Rejected::Checkpoint).
    pub fn call<R>(&self, key: impl Display, body: impl FnOnce() -> R) -> R
    where
        R: Refuse<Value: Serialize + DeserializeOwned>,
    {
        let ask = StepRequest::new::<R::Value>(Some(key.to_string()));
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

    /// As [`call`](Self::call), for a body that is awaited.
    ///
    /// # Errors
    ///
    /// The body's own, which is not recorded; or the error type made from [`Rejected::Checkpoint`](crate::Rejected::Checkpoint).
    pub async fn call_async<R>(&self, key: impl Display, body: impl AsyncFnOnce() -> R) -> R
    where
        R: Refuse<Value: Serialize + DeserializeOwned>,
    {
        let ask = StepRequest::new::<R::Value>(Some(key.to_string()));
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

    fn identity(&self) -> Identity {
        Identity { point: PointName::new(self.name), name: self.name.to_owned() }
    }
}
