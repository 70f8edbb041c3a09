//! A retry around a service.

use super::judge::{ByStatus, Judge, JudgedBy, class_of};
use super::repeat::{ClonedBodies, EmptyBodies, Repeat, RepeatedBy};
use super::{Layered, ResponseFuture, ready, send};
use crate::classify::{Category, Classify};
use crate::policy::{Budget, Retry, Ruling};
use std::panic::Location;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A layer that sends a failed request again.
///
/// It repeats requests whose method is idempotent by RFC 9110, and those with the header `Idempotency-Key`; any
/// other only after an error which proves that the request was not carried out, such as a refused connection. A request
/// whose body cannot be copied is sent once.
///
/// Its retries are paid by a budget of the layer, unless the retry has another one
/// ([`Retry::budget`]) or none ([`BudgetOf::None`](crate::policy::BudgetOf::None)).
///
/// The answer of the last attempt is returned, a response with a failing status as it is. A service is made ready
/// again, with `poll_ready` of a clone, for each attempt after the first.
///
/// # Examples
///
/// ```
/// use resilience::Retry;
/// use resilience::tower::RetryLayer;
///
/// let layer = RetryLayer::new(Retry::new().max(2).name("api"));
/// let for_streams = RetryLayer::new(Retry::new().max(2)).empty_bodies();
/// # let _ = (layer, for_streams);
/// ```
#[derive(Clone, Debug)]
pub struct RetryLayer<C = ClonedBodies, J = ByStatus> {
    pub(super) retry: Retry,
    pub(super) budget: Arc<Budget>,
    pub(super) place: &'static Location<'static>,
    repeat: C,
    judge: J,
}

impl RetryLayer {
    /// Creates the layer of a retry, whose budget all services share that it wraps.
    ///
    /// Events have the name of the retry, or without one the place of this call.
    ///
    /// # Examples
    ///
    /// Two layers that share one budget, so that an outage is not retried twice as much:
    ///
    /// ```
    /// use resilience::Retry;
    /// use resilience::policy::Budget;
    /// use resilience::tower::RetryLayer;
    ///
    /// static BUDGET: Budget = Budget::new();
    ///
    /// let reads = RetryLayer::new(Retry::new().max(3).budget(&BUDGET));
    /// let writes = RetryLayer::new(Retry::new().max(1).budget(&BUDGET));
    /// # let _ = (reads, writes);
    /// ```
    #[track_caller]
    pub fn new(retry: Retry) -> Self {
        let (budget, place) = (Arc::new(Budget::new()), Location::caller());
        Self { retry, budget, place, repeat: ClonedBodies, judge: ByStatus }
    }
}

impl<C, J> RetryLayer<C, J> {
    /// Repeats HTTP requests without a body only, for bodies that cannot be cloned.
    pub fn empty_bodies(self) -> RetryLayer<EmptyBodies, J> {
        self.with_repeat(EmptyBodies)
    }

    /// Sets the function that copies the requests that may be sent again; it returns `None` for the others.
    ///
    /// Requests that it copies are taken to be idempotent, whatever their method.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    /// use resilience::tower::RetryLayer;
    ///
    /// #[derive(Clone)]
    /// struct Query {
    ///     is_read: bool,
    /// }
    ///
    /// let layer = RetryLayer::new(Retry::new().max(2))
    ///     .repeated_by(|query: &Query| query.is_read.then(|| query.clone()));
    /// # let _ = layer;
    /// ```
    pub fn repeated_by<Req, F: Fn(&Req) -> Option<Req>>(self, copy: F) -> RetryLayer<RepeatedBy<F>, J> {
        self.with_repeat(RepeatedBy(copy))
    }

    fn with_repeat<D>(self, repeat: D) -> RetryLayer<D, J> {
        let Self { retry, budget, place, judge, .. } = self;
        RetryLayer { retry, budget, place, repeat, judge }
    }

    /// Sets the function that judges responses in place of the status; it returns `None` for a success.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::tower::RetryLayer;
    /// use resilience::{Category, Retry};
    ///
    /// let is_empty = |rows: &Vec<u32>| rows.is_empty().then_some(Category::Transient);
    /// let layer = RetryLayer::new(Retry::new().max(2)).judged_by(is_empty);
    /// # let _ = layer;
    /// ```
    pub fn judged_by<R, F: Fn(&R) -> Option<Category>>(self, judge: F) -> RetryLayer<C, JudgedBy<F>> {
        let Self { retry, budget, place, repeat, .. } = self;
        RetryLayer { retry, budget, place, repeat, judge: JudgedBy(judge) }
    }
}

impl<S, C: Clone, J: Clone> Layer<S> for RetryLayer<C, J> {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: self.clone() }
    }
}

impl<S, Req, C, J> Service<Req> for Layered<S, RetryLayer<C, J>>
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
        let RetryLayer { mut retry, budget, place, repeat, judge } = self.layer.clone();
        let mut left = retry.max_attempts();
        let copy = if left > 1 { repeat.copy(&request) } else { None };
        if left > 1 && copy.is_none() {
            return Box::pin(async move { service.call(request).await });
        }
        if !repeat.is_idempotent(&request) {
            retry = retry.idempotent(false);
        }
        Box::pin(async move {
            let spare = service.clone();
            let (mut first, mut copy) = (Some((service, request)), copy);
            let attempt = move || {
                let is_ready = first.is_some();
                let (service, request) = first
                    .take()
                    .or_else(|| Some((spare.clone(), copy.take()?)))
                    .unwrap_or_else(|| unreachable!("no attempt follows one without a copy"));
                left = left.saturating_sub(1);
                if left > 0 && copy.is_none() {
                    copy = repeat.copy(&request);
                }
                let is_last = left > 0 && copy.is_none();
                async move { (send(service, is_ready, request).await, is_last) }
            };
            let judge = |(outcome, is_last): &(Result<S::Response, S::Error>, bool)| {
                let ruling = if *is_last { Ruling::Last } else { Ruling::ByCategory };
                (class_of(&judge, outcome), ruling)
            };
            retry.run_layer(&budget, place, judge, attempt).await.0
        })
    }
}
