//! The requests that may be sent again.

use http::{HeaderMap, Method, Request};
use http_body::Body;

/// The choice of the requests that a retry may send again, and the copy that is sent.
///
/// # Examples
///
/// Requests of your own, of which reads may be repeated:
///
/// ```
/// use resilience::tower::Repeat;
///
/// #[derive(Clone)]
/// enum Call {
///     Read(u64),
///     Write(u64, String),
/// }
///
/// #[derive(Clone)]
/// struct Reads;
///
/// impl Repeat<Call> for Reads {
///     fn copy(&self, call: &Call) -> Option<Call> {
///         Some(call.clone())
///     }
///
///     fn is_idempotent(&self, call: &Call) -> bool {
///         matches!(call, Call::Read(_))
///     }
/// }
///
/// assert!(Reads.is_idempotent(&Call::Read(7)));
/// assert!(!Reads.is_idempotent(&Call::Write(7, "x".to_owned())));
/// ```
#[diagnostic::on_unimplemented(
    message = "a request of type `{Req}` cannot be sent again",
    label = "a retry cannot repeat this request",
    note = "for a body that is not `Clone`, write `.empty_bodies()` on the layer: then only requests without a body are repeated",
    note = "or write `.repeated_by(|request| ..)`: it returns a copy of a request that may be sent again"
)]
pub trait Repeat<Req> {
    /// Returns a copy of a request to send it again; `None` if there can be none: then it is sent once.
    ///
    /// It is asked before the request is sent if another attempt may follow, also where none does, so it should be cheap:
    /// share a large body.
    fn copy(&self, request: &Req) -> Option<Req>;

    /// Returns whether a request may be sent again that may have been carried out.
    ///
    /// A retry repeats other requests only after an error that proves they were not carried out, and a hedge never
    /// does.
    fn is_idempotent(&self, request: &Req) -> bool;
}

/// Returns whether a request is idempotent by RFC 9110, or by the header with which a client marks repetitions.
pub(super) fn is_repeatable(method: &Method, headers: &HeaderMap) -> bool {
    const METHODS: [Method; 6] =
        [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE];
    METHODS.contains(method) || headers.get("idempotency-key").is_some_and(|key| !key.is_empty())
}

fn is_idempotent<B>(request: &Request<B>) -> bool {
    is_repeatable(request.method(), request.headers())
}

/// The repetition of HTTP requests whose body can be cloned.
///
/// Idempotent are the methods of RFC 9110 that are (`GET`, `HEAD`, `OPTIONS`, `TRACE`, `PUT`, `DELETE`), and requests
/// with the header `Idempotency-Key`, unless it is empty.
///
/// # Examples
///
/// ```
/// use http::Request;
/// use resilience::tower::{ClonedBodies, Repeat};
///
/// let order = || Request::post("/orders");
/// assert!(!ClonedBodies.is_idempotent(&order().body("x").unwrap()));
/// assert!(ClonedBodies.is_idempotent(&order().header("idempotency-key", "7").body("x").unwrap()));
/// assert!(ClonedBodies.is_idempotent(&Request::put("/orders/7").body("x").unwrap()));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ClonedBodies;

impl<B: Clone> Repeat<Request<B>> for ClonedBodies {
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        Some(request.clone())
    }

    fn is_idempotent(&self, request: &Request<B>) -> bool {
        is_idempotent(request)
    }
}

/// The repetition of HTTP requests without a body; requests with a body are sent once.
///
/// It suits bodies that are streams, such as axum's and hyper's. Idempotent is what it is for [`ClonedBodies`].
///
/// The copy has the method, the address, the version, the headers and the extensions of the request.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyBodies;

impl<B: Body + Default> Repeat<Request<B>> for EmptyBodies {
    fn copy(&self, request: &Request<B>) -> Option<Request<B>> {
        if !request.body().is_end_stream() {
            return None;
        }
        let mut copy = Request::new(B::default());
        *copy.method_mut() = request.method().clone();
        *copy.uri_mut() = request.uri().clone();
        *copy.version_mut() = request.version();
        copy.headers_mut().clone_from(request.headers());
        copy.extensions_mut().clone_from(request.extensions());
        Some(copy)
    }

    fn is_idempotent(&self, request: &Request<B>) -> bool {
        is_idempotent(request)
    }
}

/// The repetition of the requests that a function copies; made by `repeated_by` of a layer.
#[derive(Clone, Copy, Debug)]
pub struct RepeatedBy<F>(pub(super) F);

impl<Req, F: Fn(&Req) -> Option<Req>> Repeat<Req> for RepeatedBy<F> {
    fn copy(&self, request: &Req) -> Option<Req> {
        (self.0)(request)
    }

    fn is_idempotent(&self, _: &Req) -> bool {
        true
    }
}
