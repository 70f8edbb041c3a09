//! A rate limit and timeouts around a service: none of them looks at what it answers.

use super::{Layered, ResponseFuture, ready};
use crate::classify::Classify;
use crate::policy::{AdaptiveTimeout, RateLimit, Timeout};
use crate::rejected::Rejected;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer that limits the number of requests in a time.
///
/// A request waits for its permit in the future of the call, up to the `wait` of the limit, and is rejected with
/// [`Rejected::RateLimited`] where that is not enough. Retries below this layer take no permit; above it each attempt
/// does.
///
/// # Examples
///
/// ```
/// use resilience::RateLimit;
/// use resilience::tower::RateLimitLayer;
/// use std::time::Duration;
///
/// let layer = RateLimitLayer::new(RateLimit::new("api", 100, Duration::from_secs(1)));
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct RateLimitLayer {
    pub(super) limit: Arc<RateLimit>,
}

impl RateLimitLayer {
    /// Creates the layer of a limit, which all services share that it wraps.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::RateLimit;
    /// use resilience::tower::RateLimitLayer;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let limit = Arc::new(RateLimit::new("api", 100, Duration::from_secs(1)));
    /// let (one, other) = (RateLimitLayer::new(Arc::clone(&limit)), RateLimitLayer::new(limit));
    /// # let _ = (one, other);
    /// ```
    pub fn new(limit: impl Into<Arc<RateLimit>>) -> Self {
        Self { limit: limit.into() }
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: self.clone() }
    }
}

impl<S, Req> Service<Req> for Layered<S, RateLimitLayer>
where
    S: Service<Req, Error: From<Rejected>, Future: Send> + Clone + Send + 'static,
    Req: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let (mut service, limit) = (ready(&mut self.inner), Arc::clone(&self.layer.limit));
        Box::pin(async move {
            limit.acquire_async().await?;
            service.call(request).await
        })
    }
}

/// A layer that ends a request that takes too long to be answered; the body of the answer is not limited.
///
/// The time counts from the first poll of the call's future. The request is dropped when it is over, and the error is
/// made from [`Rejected::TimedOut`]. Above a [`RetryLayer`](super::RetryLayer) it limits the whole call, below it each
/// attempt.
///
/// # Examples
///
/// ```
/// use resilience::Timeout;
/// use resilience::tower::TimeoutLayer;
/// use std::time::Duration;
///
/// let layer = TimeoutLayer::new(Timeout::new(Duration::from_secs(2)).name("api"));
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TimeoutLayer {
    pub(super) timeout: Timeout,
}

impl TimeoutLayer {
    /// Creates the layer of a timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Timeout;
    /// use resilience::tower::TimeoutLayer;
    /// use std::time::Duration;
    ///
    /// const WHOLE: TimeoutLayer = TimeoutLayer::new(Timeout::new(Duration::from_secs(10)).name("whole"));
    /// const ATTEMPT: TimeoutLayer = TimeoutLayer::new(Timeout::new(Duration::from_secs(2)).name("attempt"));
    /// # let _ = (WHOLE, ATTEMPT);
    /// ```
    pub const fn new(timeout: Timeout) -> Self {
        Self { timeout }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: *self }
    }
}

impl<S, Req> Service<Req> for Layered<S, TimeoutLayer>
where
    S: Service<Req, Error: From<Rejected>, Future: Send> + Clone + Send + 'static,
    Req: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let (mut service, timeout) = (ready(&mut self.inner), self.layer.timeout);
        Box::pin(async move {
            let call = move || async move { service.call(request).await };
            timeout.call_async(call).await
        })
    }
}

/// A layer that ends a request that takes much longer than those before it; the body of the answer is not limited.
///
/// The limit follows the times of the requests that it has seen; see
/// [`AdaptiveTimeout`](crate::policy::AdaptiveTimeout). Place it around single attempts: a whole call with its waits
/// says nothing about the service.
///
/// # Examples
///
/// ```
/// use resilience::policy::AdaptiveTimeout;
/// use resilience::tower::AdaptiveTimeoutLayer;
/// use std::time::Duration;
///
/// let timeout = AdaptiveTimeout::new("api", Duration::from_millis(100), Duration::from_secs(10));
/// let layer = AdaptiveTimeoutLayer::new(timeout);
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct AdaptiveTimeoutLayer {
    pub(super) timeout: Arc<AdaptiveTimeout>,
}

impl AdaptiveTimeoutLayer {
    /// Creates the layer of a timeout, whose measurements all services share that it wraps.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::policy::AdaptiveTimeout;
    /// use resilience::tower::AdaptiveTimeoutLayer;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let timeout = AdaptiveTimeout::new("api", Duration::from_millis(100), Duration::from_secs(10));
    /// let timeout = Arc::new(timeout);
    /// let layer = AdaptiveTimeoutLayer::new(Arc::clone(&timeout));
    /// assert!(timeout.limit() <= Duration::from_secs(10), "it can be read beside the layer");
    /// # let _ = layer;
    /// ```
    pub fn new(timeout: impl Into<Arc<AdaptiveTimeout>>) -> Self {
        Self { timeout: timeout.into() }
    }
}

impl<S> Layer<S> for AdaptiveTimeoutLayer {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: self.clone() }
    }
}

impl<S, Req> Service<Req> for Layered<S, AdaptiveTimeoutLayer>
where
    S: Service<Req, Error: From<Rejected> + Classify, Future: Send> + Clone + Send + 'static,
    Req: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let (mut service, timeout) = (ready(&mut self.inner), Arc::clone(&self.layer.timeout));
        Box::pin(async move {
            let call = move || async move { service.call(request).await };
            timeout.call_async(call).await
        })
    }
}
