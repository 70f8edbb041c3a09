//! The policies as layers of tower: around a client, a server, or any other `Service`.
//!
//! ```
//! use resilience::tower::{BulkheadLayer, CircuitBreakerLayer, RetryLayer, TimeoutLayer};
//! use resilience::{Bulkhead, CircuitBreaker, Retry, Timeout};
//! use std::time::Duration;
//! use tower_layer::{Layer, layer_fn};
//! # use std::convert::Infallible;
//! # use std::task::{Context, Poll};
//! # #[derive(Clone)]
//! # struct Client;
//! # impl tower_service::Service<http::Request<String>> for Client {
//! #     type Response = http::Response<String>;
//! #     type Error = Box<dyn std::error::Error + Send + Sync>;
//! #     type Future = std::future::Ready<Result<Self::Response, Self::Error>>;
//! #     fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> { Poll::Ready(Ok(())) }
//! #     fn call(&mut self, _: http::Request<String>) -> Self::Future { std::future::ready(Ok(http::Response::default())) }
//! # }
//!
//! # fn wrapped(client: Client) -> impl tower_service::Service<http::Request<String>> {
//! // With `tower::ServiceBuilder` these are four calls of `layer`, in this order.
//! let client = BulkheadLayer::new(Bulkhead::new("api", 16)).layer(client);
//! let client = TimeoutLayer::new(Timeout::new(Duration::from_secs(2))).layer(client);
//! let client = CircuitBreakerLayer::new(CircuitBreaker::new("api")).layer(client);
//! let client = RetryLayer::new(Retry::new().max(2)).layer(client);
//! # client
//! # }
//! # let _ = (wrapped(Client), layer_fn(|client: Client| client));
//! ```
//!
//! # Responses
//!
//! A service returns `Ok` for a failed request, too, with a status. [`RetryLayer`], [`HedgeLayer`],
//! [`FallbackLayer`] and [`CircuitBreakerLayer`] judge an `http::Response` by its status (400 and above is a failure,
//! with the category of [`Category::from_status`](crate::Category::from_status) and the wait of its `Retry-After`); for
//! other responses `judged_by` of each takes a function. Without either the layer does not fit the service, and the
//! compiler reports it. A gRPC call that fails is answered with the status 200: judge it by its header `grpc-status`.
//!
//! # Errors
//!
//! The service's error implements `From<Rejected>`, as `BoxError` (`Box<dyn Error + Send + Sync>`) does.
//! [`BoxErrorLayer`], below the others, turns the error of any service into that, and keeps its class.
//!
//! # A whole client
//!
//! With the feature `reqwest-middleware` the same layers, except for [`FallbackLayer`] and [`BoxErrorLayer`], cover
//! every request of a reqwest client (0.13), the first one outermost:
//!
//! ```
//! # #[cfg(feature = "reqwest-middleware")] {
//! use resilience::tower::{CircuitBreakerLayer, RetryLayer};
//! use resilience::{CircuitBreaker, Retry};
//! # use reqwest_middleware::ClientBuilder;
//!
//! let client = ClientBuilder::new(reqwest::Client::new())
//!     .with(RetryLayer::new(Retry::new().max(2)))
//!     .with(CircuitBreakerLayer::new(CircuitBreaker::new("api")))
//!     .build();
//! # let _ = client;
//! # }
//! ```
//!
//! # State
//!
//! A breaker, a bulkhead, a limit and the budget of a retry belong to the value of the layer: all services that it
//! wraps share them, and all clones of those, such as axum makes for each connection. To share one between layers, make
//! each of them with a clone of one `Arc`.
//!
//! [`CircuitBreakerLayer::by_key`] keeps a breaker for each host, or whatever else of the request identifies the
//! service.
//!
//! Caches, failover and simpler calls are not layers: only the code that makes the request knows which part of it is
//! the key, the model or the size, and how to replace it. Annotate that function.
//!
//! # Readiness
//!
//! `poll_ready` asks the wrapped service and takes nothing. Slots, permits and tokens are taken in the future of
//! `call`, which uses the service that was ready; a second attempt makes a clone ready.

mod box_error;
mod breaker;
mod bulkhead;
mod fallback;
mod hedge;
mod judge;
mod limits;
#[cfg(feature = "reqwest-middleware")]
mod middleware;
mod repeat;
mod retry;

pub use box_error::{BoxError, BoxErrorFuture, BoxErrorLayer};
pub use breaker::{ByKey, ChooseBreaker, CircuitBreakerLayer};
pub use bulkhead::{BulkheadLayer, HeldBody, UntilBodyEnds, UntilResponse};
pub use fallback::FallbackLayer;
pub use hedge::HedgeLayer;
pub use judge::{ByStatus, Judge, JudgedBy};
pub use limits::{AdaptiveTimeoutLayer, RateLimitLayer, TimeoutLayer};
pub use repeat::{ClonedBodies, EmptyBodies, Repeat, RepeatedBy};
pub use retry::RetryLayer;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use tower_service::Service;

/// A service inside a layer of this module; made by [`Layer::layer`](tower_layer::Layer::layer).
///
/// It is a [`Service`] of the requests that `S` takes, if `S` and its error satisfy the bounds of the implementation
/// for that layer below: `From<Rejected>` of the error for a layer that rejects, [`Classify`](crate::Classify) for one
/// that judges, `Clone` and a `Send` future of the service for all but [`BoxErrorLayer`]. Clones share the state of the
/// layer, and each has a clone of the service.
///
/// # Examples
///
/// Name it in a field; a function that returns `impl Service<..>` need not:
///
/// ```
/// use resilience::RateLimit;
/// use resilience::tower::{Layered, RateLimitLayer};
/// use std::time::Duration;
/// use tower_layer::Layer;
///
/// #[derive(Clone)]
/// struct Api<S> {
///     client: Layered<S, RateLimitLayer>,
/// }
///
/// fn api<S>(client: S) -> Api<S> {
///     let limit = RateLimit::new("api", 100, Duration::from_secs(1));
///     Api { client: RateLimitLayer::new(limit).layer(client) }
/// }
/// # let _ = api(()).client;
/// ```
#[derive(Clone, Debug)]
pub struct Layered<S, L> {
    inner: S,
    layer: L,
}

/// The future of a call through a layer.
pub type ResponseFuture<T, E> = Pin<Box<dyn Future<Output = Result<T, E>> + Send>>;

/// Takes the service that is ready, and leaves a clone in its place.
fn ready<S: Clone>(service: &mut S) -> S {
    let clone = service.clone();
    std::mem::replace(service, clone)
}

/// Sends a request with a service that is ready, or is made ready.
async fn send<S: Service<Req>, Req>(
    mut service: S,
    is_ready: bool,
    request: Req,
) -> Result<S::Response, S::Error> {
    if !is_ready {
        poll_fn(|cx| service.poll_ready(cx)).await?;
    }
    service.call(request).await
}
