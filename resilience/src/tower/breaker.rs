//! A circuit breaker around a service.
//!
//! The permit is taken in the future of a call, and settled by the class of the response or the error. A future that is
//! dropped before that gives the permit back without a result.

use super::judge::{ByStatus, Judge, JudgedBy, class_of};
use super::{Layered, ResponseFuture, ready};
use crate::classify::{Category, Classify};
use crate::policy::keyed::Key;
use crate::policy::{CircuitBreaker, CircuitBreakers, Ruling};
use crate::rejected::Rejected;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer that rejects requests while the service behind it fails.
///
/// A request that an open breaker rejects is not sent: the error is made from [`Rejected::CircuitOpen`], which says
/// when to come again. Responses are judged as soon as their head is there; a body that breaks off later is not seen.
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
///
/// A breaker for each host of a client that calls several:
///
/// ```
/// use http::Request;
/// use resilience::CircuitBreakers;
/// use resilience::tower::CircuitBreakerLayer;
///
/// let hosts = CircuitBreakers::new().name("hosts").threshold(5);
/// let layer = CircuitBreakerLayer::by_key(hosts, |request: &Request<String>| {
///     request.uri().host().unwrap_or_default().to_owned()
/// });
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct CircuitBreakerLayer<J = ByStatus, B = Arc<CircuitBreaker>> {
    pub(super) breaker: B,
    judge: J,
}

impl CircuitBreakerLayer {
    /// Creates the layer of a breaker, which all services share that it wraps.
    ///
    /// Pass a [`CircuitBreaker`], or an `Arc` of one to share it with other layers or to read it.
    ///
    /// # Examples
    ///
    /// One breaker for two services of one host:
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::tower::CircuitBreakerLayer;
    /// use std::sync::Arc;
    ///
    /// let host = Arc::new(CircuitBreaker::new("api.example"));
    /// let (reads, writes) = (CircuitBreakerLayer::new(Arc::clone(&host)), CircuitBreakerLayer::new(host));
    /// # let _ = (reads, writes);
    /// ```
    pub fn new(breaker: impl Into<Arc<CircuitBreaker>>) -> Self {
        Self { breaker: breaker.into(), judge: ByStatus }
    }
}

impl<F> CircuitBreakerLayer<ByStatus, ByKey<F>> {
    /// Creates the layer of breakers of which each request uses that of its key, for instance of its host.
    ///
    /// The key comes from the request, so from outside: the set keeps at most
    /// [`max_keys`](CircuitBreakers::max_keys) breakers.
    pub fn by_key<Req, K: Key>(breakers: impl Into<Arc<CircuitBreakers>>, key: F) -> Self
    where
        F: Fn(&Req) -> K,
    {
        Self { breaker: ByKey { breakers: breakers.into(), key }, judge: ByStatus }
    }
}

impl<J, B> CircuitBreakerLayer<J, B> {
    /// Sets the function that judges responses in place of the status; it returns `None` for a success.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::tower::CircuitBreakerLayer;
    /// use resilience::{Category, CircuitBreaker};
    ///
    /// struct Answer {
    ///     is_overloaded: bool,
    /// }
    ///
    /// let layer = CircuitBreakerLayer::new(CircuitBreaker::new("api"))
    ///     .judged_by(|answer: &Answer| answer.is_overloaded.then_some(Category::Unavailable));
    /// # let _ = layer;
    /// ```
    pub fn judged_by<R, F: Fn(&R) -> Option<Category>>(
        self,
        judge: F,
    ) -> CircuitBreakerLayer<JudgedBy<F>, B> {
        CircuitBreakerLayer { breaker: self.breaker, judge: JudgedBy(judge) }
    }
}

/// The choice of the breaker that guards a request: always the same one, or that of its key ([`ByKey`]).
///
/// Implement it where one key is not enough, for instance because some requests need no breaker of their own.
///
/// # Examples
///
/// ```
/// use resilience::CircuitBreaker;
/// use resilience::tower::ChooseBreaker;
/// use std::sync::Arc;
///
/// struct ReadsAndWrites {
///     reads: Arc<CircuitBreaker>,
///     writes: Arc<CircuitBreaker>,
/// }
///
/// impl<B> ChooseBreaker<http::Request<B>> for ReadsAndWrites {
///     fn breaker_of(&self, request: &http::Request<B>) -> Arc<CircuitBreaker> {
///         let breaker = if request.method().is_safe() { &self.reads } else { &self.writes };
///         Arc::clone(breaker)
///     }
/// }
///
/// let choice = ReadsAndWrites {
///     reads: Arc::new(CircuitBreaker::new("reads")),
///     writes: Arc::new(CircuitBreaker::new("writes")),
/// };
/// let post = http::Request::post("/orders").body(()).unwrap();
/// assert!(Arc::ptr_eq(&choice.breaker_of(&post), &choice.writes));
/// ```
pub trait ChooseBreaker<Req> {
    /// Returns the breaker of `request`.
    fn breaker_of(&self, request: &Req) -> Arc<CircuitBreaker>;
}

impl<Req> ChooseBreaker<Req> for Arc<CircuitBreaker> {
    fn breaker_of(&self, _: &Req) -> Arc<CircuitBreaker> {
        Self::clone(self)
    }
}

/// The choice of a breaker by a key of the request; made by [`CircuitBreakerLayer::by_key`].
#[derive(Clone, Debug)]
pub struct ByKey<F> {
    breakers: Arc<CircuitBreakers>,
    key: F,
}

impl<Req, K: Key, F: Fn(&Req) -> K> ChooseBreaker<Req> for ByKey<F> {
    fn breaker_of(&self, request: &Req) -> Arc<CircuitBreaker> {
        self.breakers.get(&(self.key)(request))
    }
}

impl<S, J: Clone, B: Clone> Layer<S> for CircuitBreakerLayer<J, B> {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: self.clone() }
    }
}

impl<S, Req, J, B> Service<Req> for Layered<S, CircuitBreakerLayer<J, B>>
where
    S: Service<Req, Error: From<Rejected> + Classify, Future: Send> + Clone + Send + 'static,
    Req: Send + 'static,
    J: Judge<S::Response> + Clone + Send + 'static,
    B: ChooseBreaker<Req>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let mut service = ready(&mut self.inner);
        let (breaker, judge) = (self.layer.breaker.breaker_of(&request), self.layer.judge.clone());
        Box::pin(async move {
            let permit = breaker.acquire_owned()?;
            let outcome = permit.measured(service.call(request)).await;
            permit.settle(class_of(&judge, &outcome), Ruling::ByCategory);
            outcome
        })
    }
}
