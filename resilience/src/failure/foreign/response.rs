//! A response with a status that reports a failure.

use crate::base::clock::time_of_day;
use crate::failure::{AsStatus, Classification, retry_after, wait_hint};
use http::{HeaderMap, HeaderValue};

/// Classifies a response by its status, with the wait that its headers ask for.
///
/// The status is an integer or an `http::StatusCode`; its row is that of
/// [`Category::from_status`](crate::Category::from_status). The wait is read from `retry-after-ms` (milliseconds, as
/// Azure and OpenAI send it), else from `Retry-After` as [`retry_after`] reads it; without a readable header there is
/// none.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, HeaderValue, StatusCode};
/// use resilience::classify::{Category, from_response};
/// use std::time::Duration;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", HeaderValue::from_static("30"));
/// let class = from_response(StatusCode::TOO_MANY_REQUESTS, &headers);
/// assert_eq!(class.category, Category::RateLimited);
/// assert_eq!(class.retry_after, Some(Duration::from_secs(30)));
/// ```
pub fn from_response(status: impl AsStatus, headers: &HeaderMap) -> Classification {
    let class = Classification::from_status(status.as_status());
    let header = |name| {
        let values = headers.get_all(name).iter();
        values.filter_map(|value: &HeaderValue| value.to_str().ok())
    };
    let millis = header("retry-after-ms").find_map(|value| wait_hint(&format!("{}ms", value.trim())));
    let now = time_of_day();
    let wait = millis.or_else(|| header("retry-after").find_map(|value| retry_after(value, now)));
    wait.map_or(class, |wait| class.retry_after(wait))
}
