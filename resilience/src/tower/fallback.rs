//! A fallback around a service.

use super::judge::{ByStatus, Judge, JudgedBy, class_of};
use super::{Layered, ResponseFuture, ready};
use crate::classify::{Category, Classification, Classify};
use crate::policy::Fallback;
use std::future::Future;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer that answers a request in place of a service that has failed.
///
/// The async function gets the [`Classification`] of the failure, and returns the answer, or `None` to leave the
/// failure as it is. Place it outermost, so that it answers when the layers below have given up.
///
/// An answer makes the event of the [`Fallback`], under its name; a failure that is left makes none. The answer itself
/// is not judged.
///
/// # Examples
///
/// ```
/// use http::Response;
/// use resilience::tower::FallbackLayer;
/// use resilience::{Category, Classification, Fallback};
///
/// const CACHED: Fallback = Fallback::new("quote").on(&[Category::Unavailable, Category::Timeout]);
///
/// let layer = FallbackLayer::new(CACHED, async |_: Classification| Some(Response::new("42".to_owned())));
/// # let _ = layer;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FallbackLayer<F, J = ByStatus> {
    fallback: Fallback,
    instead: F,
    judge: J,
}

impl<F> FallbackLayer<F> {
    /// Creates the layer of a fallback that answers with what `instead` returns.
    ///
    /// `fallback` says which failures are answered; by default all of them.
    ///
    /// # Examples
    ///
    /// An answer that depends on what went wrong:
    ///
    /// ```
    /// use http::Response;
    /// use resilience::tower::FallbackLayer;
    /// use resilience::{Category, Classification, Fallback};
    ///
    /// let layer = FallbackLayer::new(Fallback::new("quote"), async |class: Classification| {
    ///     match class.category {
    ///         Category::Auth | Category::Invalid => None, // the caller has to know
    ///         _ => Some(Response::new("try again later".to_owned())),
    ///     }
    /// });
    /// # let _ = layer;
    /// ```
    pub const fn new<Fut, R>(fallback: Fallback, instead: F) -> Self
    where
        F: Fn(Classification) -> Fut,
        Fut: Future<Output = Option<R>>,
    {
        Self { fallback, instead, judge: ByStatus }
    }
}

impl<F, J> FallbackLayer<F, J> {
    /// Sets the function that judges responses in place of the status; it returns `None` for a success.
    pub fn judged_by<R, G: Fn(&R) -> Option<Category>>(self, judge: G) -> FallbackLayer<F, JudgedBy<G>> {
        FallbackLayer { fallback: self.fallback, instead: self.instead, judge: JudgedBy(judge) }
    }
}

impl<S, F: Clone, J: Clone> Layer<S> for FallbackLayer<F, J> {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: self.clone() }
    }
}

impl<S, Req, F, Fut, J> Service<Req> for Layered<S, FallbackLayer<F, J>>
where
    S: Service<Req, Response: Send, Error: Classify + Send, Future: Send> + Clone + Send + 'static,
    Req: Send + 'static,
    F: Fn(Classification) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = Option<S::Response>> + Send,
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
        let FallbackLayer { fallback, instead, judge } = self.layer.clone();
        Box::pin(async move {
            let outcome = service.call(request).await;
            match class_of(&judge, &outcome).filter(|class| fallback.answers(class)) {
                Some(class) => {
                    let value = instead(class).await;
                    fallback.settle(outcome, class, value)
                }
                None => outcome,
            }
        })
    }
}
