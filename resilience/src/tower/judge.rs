//! The judgement of a response.

use crate::classify::{Category, Classification, Classify, from_response};
use http::{HeaderMap, Response, StatusCode};

/// The judgement whether a response is a failure, and its class.
///
/// [`ByStatus`] judges an `http::Response`; `judged_by` of a layer takes a function for other responses. Without
/// either, the layer is none of that service:
///
/// ```compile_fail
/// use resilience::CircuitBreaker;
/// use resilience::tower::{BoxError, CircuitBreakerLayer};
/// use tower_layer::Layer;
/// use tower_service::Service;
///
/// fn guarded<S>(numbers: S) -> impl Service<u32>
/// where
///     S: Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone + Send + 'static,
/// {
///     CircuitBreakerLayer::new(CircuitBreaker::new("api")).layer(numbers)
/// }
/// ```
///
/// ```
/// # use resilience::{Category, CircuitBreaker};
/// # use resilience::tower::{BoxError, CircuitBreakerLayer};
/// # use tower_layer::Layer;
/// # use tower_service::Service;
/// fn guarded<S>(numbers: S) -> impl Service<u32>
/// where
///     S: Service<u32, Response = u32, Error = BoxError, Future: Send> + Clone + Send + 'static,
/// {
///     let is_zero = |number: &u32| (*number == 0).then_some(Category::Unavailable);
///     CircuitBreakerLayer::new(CircuitBreaker::new("api")).judged_by(is_zero).layer(numbers)
/// }
/// ```
///
/// A type of your own can judge, too; the function of `judged_by` is enough unless the class needs more than a
/// category.
#[diagnostic::on_unimplemented(
    message = "nothing says which responses of type `{Response}` are failures",
    label = "a response of this service cannot be judged",
    note = "write `.judged_by(|response| ..)` on the layer: it returns `None` for a success"
)]
pub trait Judge<Response> {
    /// Returns what a failed response means; `None` for a success.
    ///
    /// It runs for each response, in the task of the call: it reads what the response has already, and cannot read its
    /// body.
    fn judge(&self, response: &Response) -> Option<Classification>;
}

/// Classifies what a call has ended with: an error by its own class.
pub(super) fn class_of<R, E: Classify>(
    judge: &impl Judge<R>,
    outcome: &Result<R, E>,
) -> Option<Classification> {
    match outcome {
        Ok(response) => judge.judge(response),
        Err(error) => Some(error.classify()),
    }
}

/// The judge of an `http::Response` by its status: 400 and above is a failure.
///
/// # Examples
///
/// ```
/// use http::Response;
/// use resilience::Category;
/// use resilience::tower::{ByStatus, Judge};
/// use std::time::Duration;
///
/// let busy = Response::builder().status(429).header("retry-after", "2").body(()).unwrap();
/// let class = ByStatus.judge(&busy).unwrap();
/// assert_eq!((class.category, class.retry_after), (Category::RateLimited, Some(Duration::from_secs(2))));
/// assert_eq!(ByStatus.judge(&Response::new(())), None);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ByStatus;

impl<B> Judge<Response<B>> for ByStatus {
    fn judge(&self, response: &Response<B>) -> Option<Classification> {
        by_status(response.status(), response.headers())
    }
}

/// Returns the class of a response with this status: 400 and above is a failure, also beyond 599.
pub(super) fn by_status(status: StatusCode, headers: &HeaderMap) -> Option<Classification> {
    (status.as_u16() >= 400).then(|| from_response(status, headers))
}

/// The judge of responses by a function; made by `judged_by` of a layer.
#[derive(Clone, Copy, Debug)]
pub struct JudgedBy<F>(pub(super) F);

impl<R, F: Fn(&R) -> Option<Category>> Judge<R> for JudgedBy<F> {
    fn judge(&self, response: &R) -> Option<Classification> {
        (self.0)(response).map(Into::into)
    }
}
