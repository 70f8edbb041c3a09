//! A circuit breaker around a service.

use super::judge::{ByStatus, Judge, JudgedBy};
use super::{ResponseFuture, ready};
use crate::classify::{Category, Classify};
use crate::policy::{CircuitBreaker, Ruling};
use crate::rejected::Rejected;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Rejects requests while the service behind it fails.
///
/// # Examples
///
/// ```
/// use resilience::CircuitBreaker;
/// use resilience::tower::CircuitBreakerLayer;
/// use std::sync::Arc;
///
/// let breaker = Arc::new(CircuitBreaker::new("api").threshold(5));
/// let layer = CircuitBreakerLayer::new(Arc::clone(&breaker));
/// # let _ = layer;
/// assert!(breaker.is_available(), "it can be read beside the layer");
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreakerLayer<J = ByStatus> {
    pub(super) breaker: Arc<CircuitBreaker>,
    judge: J,
}

impl CircuitBreakerLayer {
    /// Creates the layer of a breaker, which all services share that it wraps.
    pub fn new(breaker: impl Into<Arc<CircuitBreaker>>) -> Self {
        Self { breaker: breaker.into(), judge: ByStatus }
    }
}

impl<J> CircuitBreakerLayer<J> {
    /// Sets the function that judges responses in place of the status; it returns `None` for a success.
    pub fn judged_by<R, F: Fn(&R) -> Option<Category>>(self, judge: F) -> CircuitBreakerLayer<JudgedBy<F>> {
        CircuitBreakerLayer { breaker: self.breaker, judge: JudgedBy(judge) }
    }
}

impl<S, J: Clone> Layer<S> for CircuitBreakerLayer<J> {
    type Service = CircuitBreakerService<S, J>;

    fn layer(&self, inner: S) -> Self::Service {
        CircuitBreakerService { inner, layer: self.clone() }
    }
}

/// A service behind a breaker; see [`CircuitBreakerLayer`].
#[derive(Clone, Debug)]
pub struct CircuitBreakerService<S, J = ByStatus> {
    inner: S,
    layer: CircuitBreakerLayer<J>,
}

impl<S, Req, J> Service<Req> for CircuitBreakerService<S, J>
where
    S: Service<Req, Error: From<Rejected> + Classify, Future: Send> + Clone + Send + 'static,
    Req: Send + 'static,
    J: Judge<S::Response> + Clone + Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let mut service = ready(&mut self.inner);
        let CircuitBreakerLayer { breaker, judge } = self.layer.clone();
        Box::pin(async move {
            let permit = breaker.acquire_owned()?;
            let outcome = permit.measured(service.call(request)).await;
            let verdict = match &outcome {
                Ok(response) => judge.judge(response),
                Err(error) => Some(error.classify()),
            };
            permit.settle(verdict, Ruling::ByCategory);
            outcome
        })
    }
}
