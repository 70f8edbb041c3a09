//! Errors of services as boxed ones, which a policy's own errors fit into.

use super::Layered;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A box of any error: the error type of many services.
///
/// It is made from a [`Rejected`](crate::Rejected), and is classified by the error in it, or by the first known one
/// among its sources.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, Classify};
/// use resilience::tower::BoxError;
///
/// let boxed: BoxError = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
/// assert_eq!(boxed.classify().category, Category::Connection);
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A layer that turns the errors of a service into a [`BoxError`]; place it below the policies.
///
/// # Examples
///
/// ```
/// use resilience::tower::{BoxErrorLayer, BulkheadLayer};
/// use resilience::Bulkhead;
/// use tower_layer::Layer;
///
/// # fn wrapped<S: Clone>(service: S) -> impl Clone {
/// let service = BoxErrorLayer.layer(service); // its error was `Infallible`, or one of a client
/// BulkheadLayer::new(Bulkhead::new("api", 16)).layer(service)
/// # }
/// # let _ = wrapped(());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct BoxErrorLayer;

impl<S> Layer<S> for BoxErrorLayer {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: *self }
    }
}

impl<S, Req> Service<Req> for Layered<S, BoxErrorLayer>
where
    S: Service<Req, Error: Into<BoxError>>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = BoxErrorFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        BoxErrorFuture { call: self.inner.call(request) }
    }
}

pin_project_lite::pin_project! {
    /// The future of a service inside a [`BoxErrorLayer`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct BoxErrorFuture<F> {
        #[pin]
        call: F,
    }
}

impl<T, E: Into<BoxError>, F: Future<Output = Result<T, E>>> Future for BoxErrorFuture<F> {
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().call.poll(cx).map_err(Into::into)
    }
}
