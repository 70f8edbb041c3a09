//! The status of a gRPC call.

use crate::failure::{Category, Classification, Classify, Delivered, Retryable, dynamic};
use std::error::Error;
use std::time::Duration;
use tonic::{Code, Status};

/// A status of tonic 0.14, by its code.
///
/// | code | category |
/// |---|---|
/// | `DeadlineExceeded` | `Timeout` |
/// | `ResourceExhausted` | `RateLimited` |
/// | `Unavailable`, `Internal` | `Unavailable`; not delivered if a source says so, as a refused connection does |
/// | `Unauthenticated`, `PermissionDenied` | `Auth` |
/// | `NotFound` | `NotFound` |
/// | `Aborted`, `AlreadyExists` | `Conflict` |
/// | `FailedPrecondition` | `Conflict`, never retried: the state has to change first |
/// | `InvalidArgument`, `OutOfRange` | `Invalid` |
/// | `Unimplemented`, `Ok` | `Permanent` |
/// | `DataLoss` | `Corrupt` |
/// | `Cancelled` | `Cancelled` |
/// | `Unknown` | that of the first known source, else `Unknown` |
///
/// The metadata `grpc-retry-pushback-ms` is the wait; a negative or unreadable one means never to retry, as gRPC says
/// (proposal A6).
impl Classify for Status {
    fn classify(&self) -> Classification {
        let category = match self.code() {
            Code::DeadlineExceeded => Category::Timeout,
            Code::ResourceExhausted => Category::RateLimited,
            Code::Unavailable | Code::Internal => Category::Unavailable,
            Code::Unauthenticated | Code::PermissionDenied => Category::Auth,
            Code::NotFound => Category::NotFound,
            Code::Aborted | Code::AlreadyExists | Code::FailedPrecondition => Category::Conflict,
            Code::InvalidArgument | Code::OutOfRange => Category::Invalid,
            Code::Unimplemented | Code::Ok => Category::Permanent,
            Code::DataLoss => Category::Corrupt,
            Code::Cancelled => Category::Cancelled,
            Code::Unknown => Category::Unknown,
        };
        let source = dynamic::known(self.source());
        let class = match (category, source) {
            (Category::Unknown, Some(source)) => source,
            (Category::Unavailable, Some(source)) if source.delivered == Delivered::No => {
                Classification::new(category).delivered(Delivered::No)
            }
            _ if self.code() == Code::FailedPrecondition => {
                Classification::new(category).retry(Retryable::Never)
            }
            _ => category.into(),
        };
        let pushback = self.metadata().get("grpc-retry-pushback-ms");
        match pushback.map(|value| value.to_str().ok().and_then(|value| value.trim().parse().ok())) {
            Some(Some(millis)) => class.retry_after(Duration::from_millis(millis)),
            Some(None) => class.retry(Retryable::Never),
            None => class,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::Arc;

    #[test]
    fn every_grpc_code_has_a_category() {
        let expected = |code| match code {
            Code::DeadlineExceeded => Category::Timeout,
            Code::ResourceExhausted => Category::RateLimited,
            Code::Unavailable | Code::Internal => Category::Unavailable,
            Code::Unauthenticated | Code::PermissionDenied => Category::Auth,
            Code::NotFound => Category::NotFound,
            Code::Aborted | Code::AlreadyExists | Code::FailedPrecondition => Category::Conflict,
            Code::InvalidArgument | Code::OutOfRange => Category::Invalid,
            Code::Unimplemented | Code::Ok => Category::Permanent,
            Code::DataLoss => Category::Corrupt,
            Code::Cancelled => Category::Cancelled,
            Code::Unknown => Category::Unknown,
        };
        for number in 0..17 {
            let code = Code::from_i32(number);
            let status = Status::new(code, "text");
            assert_eq!(status.classify().category, expected(code), "{code:?}");
            let boxed: Box<dyn Error> = Box::new(status);
            assert_eq!(boxed.classify().category, expected(code), "{code:?}");
        }
        assert!(!Status::failed_precondition("").classify().is_retryable());
        assert_eq!(Status::aborted("").classify().retry, Retryable::Once);
    }

    #[test]
    fn the_source_decides_whether_the_request_was_delivered() {
        let with = |code, kind: io::ErrorKind| {
            let mut status = Status::new(code, "");
            status.set_source(Arc::new(io::Error::from(kind)));
            status.classify()
        };
        let refused = with(Code::Unavailable, io::ErrorKind::ConnectionRefused);
        assert_eq!((refused.category, refused.delivered), (Category::Unavailable, Delivered::No));
        let reset = with(Code::Unavailable, io::ErrorKind::ConnectionReset);
        assert_eq!((reset.category, reset.delivered), (Category::Unavailable, Delivered::Maybe));
        let unknown = with(Code::Unknown, io::ErrorKind::ConnectionReset);
        assert_eq!(unknown.category, Category::Connection);
    }

    #[test]
    fn server_pushback_is_read_from_the_metadata() {
        let with = |value: &str| {
            let mut status = Status::unavailable("");
            status.metadata_mut().insert("grpc-retry-pushback-ms", value.parse().expect("text"));
            status.classify()
        };
        assert_eq!(with("1500").retry_after, Some(Duration::from_millis(1_500)));
        assert_eq!((with("-1").retry_after, with("-1").retry), (None, Retryable::Never));
        for unreadable in ["soon", "", "1.5", "99999999999999999999"] {
            assert_eq!((with(unreadable).retry_after, with(unreadable).retry), (None, Retryable::Never));
        }
    }
}
