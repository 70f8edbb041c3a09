//! The layers as middleware of a whole reqwest client.
//!
//! The same values do the same as around a service of tower; only what differs is written here. reqwest can clone a
//! body that is in memory, so that a request with a stream is sent once. A rejection becomes
//! `reqwest_middleware::Error::Middleware` with the [`Rejected`](crate::Rejected) in it, whose class the layers above
//! find. The `judged_by` and `repeated_by` of a layer make it one of another type, which is not a middleware: here
//! responses are judged by their status.

use super::breaker::ChooseBreaker;
use super::bulkhead::HeldBody;
use super::judge::{ByStatus, by_status};
use super::repeat::is_repeatable;
use super::{
    AdaptiveTimeoutLayer, BulkheadLayer, CircuitBreakerLayer, HedgeLayer, RateLimitLayer, RetryLayer,
    TimeoutLayer,
};
use crate::base::sync::locked;
use crate::classify::{Classification, Classify, of_dyn};
use crate::policy::Ruling;
use crate::policy::bulkhead::holding;
use crate::rejected::Rejected;
use http::Extensions;
use reqwest::{Body, Request, Response, ResponseBuilderExt as _};
use reqwest_middleware::{Error, Middleware, Next, Result};
use std::sync::{Arc, Mutex};

/// The class of reqwest's error, or of the error that a middleware has made.
impl Classify for Error {
    fn classify(&self) -> Classification {
        match self {
            Self::Reqwest(error) => error.classify(),
            Self::Middleware(error) => of_dyn(&**error),
        }
    }
}

fn refused(rejected: Rejected) -> Error {
    Error::middleware(rejected)
}

/// Returns the class of an outcome: a status of 400 and above is a failure.
fn judge(outcome: &Result<Response>) -> Option<Classification> {
    match outcome {
        Ok(response) => by_status(response.status(), response.headers()),
        Err(error) => Some(error.classify()),
    }
}

/// Repeats a request whose body can be cloned; for the requests that may be repeated see [`RetryLayer`].
#[async_trait::async_trait]
impl Middleware for RetryLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let mut left = self.retry.max_attempts();
        let mut copy = if left > 1 { request.try_clone() } else { None };
        if left > 1 && copy.is_none() {
            return next.run(request, extensions).await;
        }
        let retry = if is_repeatable(request.method(), request.headers()) {
            self.retry
        } else {
            self.retry.idempotent(false)
        };
        let mut first = Some(request);
        let attempt = || {
            left = left.saturating_sub(1);
            // A body that was cloned once can be cloned again. The last attempt takes the copy itself.
            let again = || if left > 0 { copy.as_ref()?.try_clone() } else { copy.take() };
            let request = first.take().or_else(again);
            let (next, mut extensions) = (next.clone(), extensions.clone());
            async move { Some(next.run(request?, &mut extensions).await) }
        };
        let judge =
            |outcome: &Option<Result<Response>>| (outcome.as_ref().and_then(judge), Ruling::ByCategory);
        let outcome = retry.run_layer(&self.budget, self.place, judge, attempt).await;
        outcome.unwrap_or_else(|| unreachable!("a body that was cloned once can be cloned again"))
    }
}

/// Guards the client with one breaker, or with one for each key of a request.
#[async_trait::async_trait]
impl<B: ChooseBreaker<Request> + Send + Sync + 'static> Middleware for CircuitBreakerLayer<ByStatus, B> {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let permit = self.breaker.breaker_of(&request).acquire_owned().map_err(refused)?;
        let outcome = permit.measured(next.run(request, extensions)).await;
        permit.settle(judge(&outcome), Ruling::ByCategory);
        outcome
    }
}

/// Holds the slot until the body of the answer has been read or is dropped.
#[async_trait::async_trait]
impl Middleware for BulkheadLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let slot = Arc::clone(&self.bulkhead).acquire_owned_async().await.map_err(refused)?;
        let outcome = holding(&slot, next.run(request, extensions)).await;
        slot.ended(judge(&outcome));
        let response = outcome?;
        let url = http::Response::builder().url(response.url().clone()).body(());
        let mut response =
            http::Response::<Body>::from(response).map(|body| Body::wrap(HeldBody::new(body, slot)));
        // Its URL is not part of what the conversion keeps.
        if let Ok(url) = url {
            response.extensions_mut().extend(url.into_parts().0.extensions);
        }
        Ok(response.into())
    }
}

#[async_trait::async_trait]
impl Middleware for RateLimitLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        self.limit.acquire_async().await.map_err(refused)?;
        next.run(request, extensions).await
    }
}

/// Ends a request that is not answered in time; the body of the answer is not limited.
#[async_trait::async_trait]
impl Middleware for TimeoutLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let answer = async { Ok::<_, Rejected>(next.run(request, extensions).await) };
        self.timeout.call_async(|| answer).await.map_err(refused)?
    }
}

/// Ends a request that takes much longer than those before it; the body of the answer is not limited.
#[async_trait::async_trait]
impl Middleware for AdaptiveTimeoutLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let answer = async { Ok::<_, Rejected>(next.run(request, extensions).await) };
        self.timeout.call_async(async || answer.await).await.map_err(refused)?
    }
}

/// Sends a slow request once more, if its body can be cloned; for the requests that may be repeated see [`HedgeLayer`].
#[async_trait::async_trait]
impl Middleware for HedgeLayer {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let is_repeatable = is_repeatable(request.method(), request.headers());
        let copy = if is_repeatable { request.try_clone() } else { None };
        let Some(copy) = copy else { return next.run(request, extensions).await };
        let first = Mutex::new(Some(request));
        let send = || {
            let first = locked(&first).take();
            // A body that was cloned once can be cloned again.
            let request = first.or_else(|| copy.try_clone());
            let (next, mut extensions) = (next.clone(), extensions.clone());
            async move { Some(next.run(request?, &mut extensions).await) }
        };
        let judge = |outcome: &Option<Result<Response>>| outcome.as_ref().and_then(judge);
        let outcome = self.hedge.call_async_judged(send, judge).await;
        outcome.unwrap_or_else(|| unreachable!("a body that was cloned once can be cloned again"))
    }
}
