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
/// (proposal A6), and so do several, as in gRPC for Go. Without it the wait is that of a `google.rpc.RetryInfo` in the details, as the services of Google send
/// it; one that is negative or unreadable is ignored.
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
        let mut pushback = self.metadata().get_all("grpc-retry-pushback-ms").iter();
        let Some(first) = pushback.next() else {
            return retry_info(self.details()).map_or(class, |wait| class.retry_after(wait));
        };
        let millis = first.to_str().ok().and_then(|value| value.trim().parse().ok());
        match millis.filter(|_| pushback.next().is_none()) {
            Some(millis) => class.retry_after(Duration::from_millis(millis)),
            None => class.retry(Retryable::Never),
        }
    }
}

/// Returns the wait of the first `google.rpc.RetryInfo` in `details`, a `google.rpc.Status`.
///
/// Field 3 of a `Status` is a detail, a `google.protobuf.Any`: 1 is the name of its type, 2 the message. Field 1 of a
/// `RetryInfo` is the wait, a `google.protobuf.Duration`: 1 are its seconds, 2 its nanoseconds.
fn retry_info(details: &[u8]) -> Option<Duration> {
    let mut all = Fields(details).filter_map(|field| bytes(field, 3));
    let info = all.find_map(|any| {
        let name = Fields(any).find_map(|field| bytes(field, 1))?;
        name.ends_with(b"/google.rpc.RetryInfo").then_some(any)
    })?;
    let info = Fields(info).find_map(|field| bytes(field, 2))?;
    let mut wait = Fields(info).find_map(|field| bytes(field, 1)).map(Fields)?;
    // A field that is zero is left out.
    let (mut seconds, mut nanos) = (0, 0);
    while !wait.0.is_empty() {
        match wait.field()? {
            (1, FieldValue::Varint(number)) => seconds = number,
            (2, FieldValue::Varint(number)) => nanos = number,
            _ => {}
        }
    }
    let seconds = i64::try_from(seconds).ok()?.unsigned_abs();
    let nanos = u32::try_from(nanos).ok().filter(|nanos| *nanos < 1_000_000_000)?;
    Some(Duration::new(seconds, nanos))
}

/// The fields of an encoded message of Protocol Buffers, up to the first that cannot be read.
struct Fields<'a>(&'a [u8]);

/// The number of a field, and its value.
type Field<'a> = (u64, FieldValue<'a>);

enum FieldValue<'a> {
    Varint(u64),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    /// A number of a fixed size.
    Fixed,
}

const fn bytes((number, value): Field<'_>, wanted: u64) -> Option<&[u8]> {
    match value {
        FieldValue::Bytes(bytes) if number == wanted => Some(bytes),
        _ => None,
    }
}

impl<'a> Fields<'a> {
    /// Takes a number in groups of 7 bits, the lowest first; the high bit says that another group follows.
    fn varint(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = *self.bytes(1)?.first()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn field(&mut self) -> Option<Field<'a>> {
        let tag = self.varint()?;
        let value = match tag & 7 {
            0 => FieldValue::Varint(self.varint()?),
            1 => self.bytes(8).map(|_| FieldValue::Fixed)?,
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                FieldValue::Bytes(self.bytes(length)?)
            }
            5 => self.bytes(4).map(|_| FieldValue::Fixed)?,
            _ => return None,
        };
        Some((tag >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        field
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
        let mut twice = Status::unavailable("");
        twice.metadata_mut().append("grpc-retry-pushback-ms", "1500".parse().expect("text"));
        twice.metadata_mut().append("grpc-retry-pushback-ms", "10".parse().expect("text"));
        assert_eq!((twice.classify().retry_after, twice.classify().retry), (None, Retryable::Never));
        assert_eq!((with("-1").retry_after, with("-1").retry), (None, Retryable::Never));
        for unreadable in ["soon", "", "1.5", "99999999999999999999"] {
            assert_eq!((with(unreadable).retry_after, with(unreadable).retry), (None, Retryable::Never));
        }
    }

    /// Returns a field of a message: its number and type, then its value.
    fn field(tag: u8, value: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(value.len()).expect("short")], value].concat()
    }

    fn any(name: &str, message: &[u8]) -> Vec<u8> {
        field(0x1a, &[field(0x0a, name.as_bytes()), field(0x12, message)].concat())
    }

    fn retry_info_of(wait: &[u8]) -> Vec<u8> {
        any("type.googleapis.com/google.rpc.RetryInfo", &field(0x0a, wait))
    }

    fn with_details(details: Vec<u8>) -> Status {
        Status::with_details(Code::ResourceExhausted, "quota", details.into())
    }

    #[test]
    fn the_wait_is_read_from_the_details() {
        let wait = |details| with_details(details).classify().retry_after;
        let millis = |millis| Some(Duration::from_millis(millis));
        // 3 s and 500 ms, as protobuf writes them.
        let both: &[u8] = &[0x08, 3, 0x10, 0x80, 0xca, 0xb5, 0xee, 0x01];
        assert_eq!(wait(retry_info_of(both)), millis(3_500));
        assert_eq!(wait(retry_info_of(&both[..2])), millis(3_000));
        assert_eq!(wait(retry_info_of(&both[2..])), millis(500));
        assert_eq!(wait(retry_info_of(&[])), millis(0));
        let whole = [
            &[0x08, 8][..],
            &field(0x12, b"quota"),
            &any("type.googleapis.com/google.rpc.QuotaFailure", b"\x0a\x00"),
            &[0x25, 1, 2, 3, 4, 0x29, 1, 2, 3, 4, 5, 6, 7, 8],
            &retry_info_of(both),
        ];
        assert_eq!(wait(whole.concat()), millis(3_500));
        let mut pushed_back = with_details(retry_info_of(both));
        pushed_back.metadata_mut().insert("grpc-retry-pushback-ms", "70".parse().expect("text"));
        assert_eq!(pushed_back.classify().retry_after, millis(70));
    }

    #[test]
    fn unreadable_details_are_ignored() {
        let negative = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
        let of = |tag: u8, number: &[u8]| retry_info_of(&[&[tag], number].concat());
        for details in [
            vec![],
            any("type.googleapis.com/google.rpc.RetryInfo", &[]),
            any("type.googleapis.com/google.rpc.QuotaFailure", &field(0x0a, &[0x08, 3])),
            of(0x08, &negative),
            of(0x10, &negative),
            of(0x10, &[0x80, 0x94, 0xeb, 0xdc, 0x03]),
            of(0x08, &[0xff; 11]),
        ] {
            assert_eq!(with_details(details.clone()).classify().retry_after, None, "{details:?}");
        }
        let whole = retry_info_of(&[0x08, 3]);
        for length in 0..whole.len() {
            let _ = with_details(whole[..length].to_vec()).classify();
            for byte in 0..=u8::MAX {
                let mut torn = whole.clone();
                torn[length] = byte;
                let _ = with_details(torn).classify();
            }
        }
        let class = with_details(vec![0xff; 64]).classify();
        assert_eq!((class.category, class.retry_after), (Category::RateLimited, None));
    }
}
