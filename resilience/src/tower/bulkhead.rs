//! A bulkhead around a service, whose slot is held until a streamed answer has ended.

use super::judge::{ByStatus, Judge};
use super::{Layered, ResponseFuture, ready};
use crate::classify::{Classification, Classify};
use crate::policy::Bulkhead;
use crate::policy::bulkhead::{OwnedSlot, holding};
use crate::rejected::Rejected;
use http::Response;
use http_body::{Body, Frame, SizeHint};
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// A marker: the slot is held until the body of the answer has ended, or is dropped.
#[derive(Clone, Copy, Debug)]
pub struct UntilBodyEnds;

/// A marker: the slot is held until the service has answered.
#[derive(Clone, Copy, Debug)]
pub struct UntilResponse;

/// A layer that limits the number of requests that run at once.
///
/// A slot is held until the body of the `http::Response` has ended or is dropped, because the service works on until
/// then. [`until_response`](Self::until_response) is for services that answer with anything else. A bulkhead that is
/// adaptive gets the time until the answer, and what its status or the error means.
///
/// # Examples
///
/// ```
/// use resilience::Bulkhead;
/// use resilience::tower::BulkheadLayer;
/// use std::time::Duration;
///
/// let layer = BulkheadLayer::new(Bulkhead::new("api", 16).wait(Duration::from_millis(100)));
/// # let _ = layer;
/// ```
#[derive(Clone, Debug)]
pub struct BulkheadLayer<U = UntilBodyEnds> {
    pub(super) bulkhead: Arc<Bulkhead>,
    until: PhantomData<U>,
}

impl BulkheadLayer {
    /// Creates the layer of a bulkhead, which all services share that it wraps.
    ///
    /// A layer holds one bulkhead: clones of the services that it wraps share its slots, which is what limits a client
    /// or a server as a whole.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Bulkhead;
    /// use resilience::tower::BulkheadLayer;
    /// use std::sync::Arc;
    ///
    /// let slots = Arc::new(Bulkhead::new("api", 16));
    /// let (one, other) = (BulkheadLayer::new(Arc::clone(&slots)), BulkheadLayer::new(Arc::clone(&slots)));
    /// # let _ = (one, other);
    /// assert!(slots.is_available());
    /// ```
    pub fn new(bulkhead: impl Into<Arc<Bulkhead>>) -> Self {
        Self { bulkhead: bulkhead.into(), until: PhantomData }
    }

    /// Frees a slot when the service has answered, whatever its response is.
    ///
    /// An adaptive bulkhead then knows of a response only that it came: it cannot tell a failure by its status.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Bulkhead;
    /// use resilience::tower::BulkheadLayer;
    ///
    /// let layer = BulkheadLayer::new(Bulkhead::new("api", 16)).until_response();
    /// # let _ = layer;
    /// ```
    pub fn until_response(self) -> BulkheadLayer<UntilResponse> {
        BulkheadLayer { bulkhead: self.bulkhead, until: PhantomData }
    }
}

impl<S, U: Clone> Layer<S> for BulkheadLayer<U> {
    type Service = Layered<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Layered { inner, layer: self.clone() }
    }
}

impl<S, U> Layered<S, BulkheadLayer<U>> {
    /// Calls the service in a slot, to which it reports the answer, and returns that with the slot.
    ///
    /// A slot that is dropped before the answer, with its future, is free, and reports nothing to an adaptive bulkhead.
    fn call_in_slot<Req, J>(
        &mut self,
        request: Req,
        judge: J,
    ) -> impl Future<Output = Result<(S::Response, OwnedSlot), S::Error>> + use<S, U, Req, J>
    where
        S: Service<Req, Error: From<Rejected> + Classify> + Clone,
        J: Fn(&S::Response) -> Option<Classification>,
    {
        let (mut service, bulkhead) = (ready(&mut self.inner), Arc::clone(&self.layer.bulkhead));
        async move {
            let slot = bulkhead.acquire_owned_async().await?;
            let outcome = holding(&slot, async { service.call(request).await }).await;
            slot.ended(match &outcome {
                Ok(response) => judge(response),
                Err(error) => Some(error.classify()),
            });
            Ok((outcome?, slot))
        }
    }
}

impl<S, Req> Service<Req> for Layered<S, BulkheadLayer<UntilResponse>>
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
        let call = self.call_in_slot(request, |_| None);
        Box::pin(async move { Ok(call.await?.0) })
    }
}

impl<S, Req, B> Service<Req> for Layered<S, BulkheadLayer<UntilBodyEnds>>
where
    S: Service<Req, Response = Response<B>, Error: From<Rejected> + Classify, Future: Send>
        + Clone
        + Send
        + 'static,
    Req: Send + 'static,
    B: Body,
{
    type Response = Response<HeldBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<Self::Response, S::Error>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        let call = self.call_in_slot(request, |response| ByStatus.judge(response));
        Box::pin(async move {
            let (response, slot) = call.await?;
            Ok(response.map(|body| HeldBody::new(body, slot)))
        })
    }
}

pin_project_lite::pin_project! {
    /// The body of an answer, which holds a slot until it has ended.
    ///
    /// The slot is free as soon as the last frame was read, or an error; a body that is empty from the start never
    /// holds it. A body that is kept unread keeps its slot: drop it, or read it to its end.
    #[derive(Debug)]
    pub struct HeldBody<B> {
        #[pin]
        body: B,
        slot: Option<OwnedSlot>,
    }
}

impl<B: Body> HeldBody<B> {
    pub(super) fn new(body: B, slot: OwnedSlot) -> Self {
        let slot = (!body.is_end_stream()).then_some(slot);
        Self { body, slot }
    }
}

impl<B: Body> Body for HeldBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = this.body.as_mut().poll_frame(cx);
        if matches!(frame, Poll::Ready(None | Some(Err(_)))) || this.body.is_end_stream() {
            drop(this.slot.take());
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
