//! A hedge around a service.

use super::judge::{ByStatus, Judge, JudgedBy, class_of};
use super::repeat::{ClonedBodies, EmptyBodies, Repeat, RepeatedBy};
use super::{Layered, ResponseFuture, ready, send};
use crate::base::sync::locked;
use crate::classify::{Category, Classification, Classify};
use crate::policy::Hedge;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer that sends a slow request once more, and returns the first answer that is not a failure.
///
/// It does so for requests whose method is idempotent by RFC 9110, and for those with the header `Idempotency-Key`; any
/// other, and one whose body cannot be copied, is sent once. The answers that come later are dropped, and with them
/// their connections, unless the client keeps those alive.
///
/// Place it below a [`RetryLayer`](super::RetryLayer), and above the breaker and the bulkhead: an extra request asks
/// both, and is not sent if one refuses. Its extra requests are paid by a budget of the hedge; see [`Hedge::budget`].
///
/// # Examples
///
/// ```
/// use resilience::Hedge;
/// use resilience::tower::HedgeLayer;
/// use std::time::Duration;
///
/// let layer = HedgeLayer::new(Hedge::new("search", Duration::from_millis(50)));
/// let for_streams = HedgeLayer::new(Hedge::at_percentile("search", 95)).empty_bodies();
/// # let _ = (layer, for_streams);
/// ```
#[derive(Clone, Debug)]
pub struct HedgeLayer<C = ClonedBodies, J = ByStatus> {
    pub(super) hedge: Arc<Hedge>,
    repeat: C,
    judge: J,
}

impl HedgeLayer {
    /// Creates the layer of a hedge, whose budget and percentile all services share that it wraps.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Hedge;
    /// use resilience::tower::HedgeLayer;
    /// use std::sync::Arc;
    /// use std::time::Duration;
    ///
    /// let hedge = Arc::new(Hedge::new("search", Duration::from_millis(50)));
    /// let layer = HedgeLayer::new(Arc::clone(&hedge));
    /// # let _ = (layer, hedge);
    /// ```
    pub fn new(hedge: impl Into<Arc<Hedge>>) -> Self {
        Self { hedge: hedge.into(), repeat: ClonedBodies, judge: ByStatus }
    }
}

impl<C, J> HedgeLayer<C, J> {
    /// Sends extra requests only for HTTP requests without a body, for bodies that cannot be cloned.
    pub fn empty_bodies(self) -> HedgeLayer<EmptyBodies, J> {
        HedgeLayer { hedge: self.hedge, repeat: EmptyBodies, judge: self.judge }
    }

    /// Sets the function that copies the requests that may be sent again; it returns `None` for the others.
    ///
    /// Requests that it copies are taken to be idempotent, whatever their method.
    pub fn repeated_by<Req, F: Fn(&Req) -> Option<Req>>(self, copy: F) -> HedgeLayer<RepeatedBy<F>, J> {
        HedgeLayer { hedge: self.hedge, repeat: RepeatedBy(copy), judge: self.judge }
    }

    /// Sets the function that judges responses in place of the status; it returns `None` for a success.
    pub fn judged_by<R, F: Fn(&R) -> Option<Category>>(self, judge: F) -> HedgeLayer<C, JudgedBy<F>> {
        HedgeLayer { hedge: self.hedge, repeat: self.repeat, judge: JudgedBy(judge) }
    }
}

impl<S, C: Clone, J: Clone> Layer<S> for HedgeLayer<C, J> {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: self.clone() }
    }
}

impl<S, Req, C, J> Service<Req> for Layered<S, HedgeLayer<C, J>>
where
    S: Service<Req, Response: Send, Error: Classify + Send, Future: Send> + Clone + Send + 'static,
    Req: Send + 'static,
    C: Repeat<Req> + Clone + Send + 'static,
    J: Judge<S::Response> + Clone + Send + Sync + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let mut service = ready(&mut self.inner);
        let HedgeLayer { hedge, repeat, judge } = self.layer.clone();
        let copy = if repeat.is_idempotent(&request) { repeat.copy(&request) } else { None };
        if copy.is_none() {
            return Box::pin(async move { service.call(request).await });
        }
        Box::pin(async move {
            let (spare, first, left) = (service.clone(), Some((service, request)), hedge.max_extra());
            let sender = Mutex::new(Sender { first, spare, copy, left, repeat });
            let send_once = move || {
                let next = locked(&sender).next();
                async move {
                    let (service, is_ready, request) = next?;
                    Some(send(service, is_ready, request).await)
                }
            };
            let judge = move |outcome: &Option<Result<S::Response, S::Error>>| match outcome {
                None => Some(nothing_sent()),
                Some(outcome) => class_of(&judge, outcome),
            };
            let outcome = hedge.call_async_judged(send_once, judge).await;
            outcome.unwrap_or_else(|| unreachable!("the first request is sent"))
        })
    }
}

/// Returns the class of a further request that cannot be copied: like one that a policy below refuses, it is no
/// outcome.
fn nothing_sent() -> Classification {
    Classification::from(Category::Rejected).refused()
}

/// The requests of one call that are still to be sent.
struct Sender<S, Req, C> {
    /// The service that is ready, with the request itself.
    first: Option<(S, Req)>,
    spare: S,
    copy: Option<Req>,
    /// The number of further requests that may follow.
    left: u32,
    repeat: C,
}

impl<S: Clone, Req, C: Repeat<Req>> Sender<S, Req, C> {
    /// Returns the next request, and its service, which may have to be made ready; `None` if there is no further copy.
    fn next(&mut self) -> Option<(S, bool, Req)> {
        if let Some((service, request)) = self.first.take() {
            return Some((service, true, request));
        }
        let request = self.copy.take()?;
        self.left = self.left.saturating_sub(1);
        if self.left > 0 {
            self.copy = self.repeat.copy(&request);
        }
        Some((self.spare.clone(), false, request))
    }
}
