//! What errors mean: the table, the derive, types of other crates, texts and headers.

/// What an expansion asks of an error whose type it does not know.
macro_rules! probe {
    ($error:expr) => {
        resilience::__private::Probe::new($error).probed_class().category
    };
}

#[path = "classify/codes.rs"]
mod codes;
#[path = "classify/derive.rs"]
mod derive;
#[path = "classify/foreign.rs"]
mod foreign;
#[path = "classify/found.rs"]
mod found;
#[path = "classify/histories.rs"]
mod histories;
#[path = "classify/messages.rs"]
mod messages;
#[path = "classify/over_http.rs"]
mod over_http;
#[path = "classify/text.rs"]
mod text;
#[path = "classify/waits.rs"]
mod waits;

use resilience::classify::{
    self, Category, Classification, Code, Delivered, Retryable, Severity, from_text, of, of_dyn, retry_after,
};
use resilience::{Classify, Rejected, testing};
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECOND: Duration = Duration::from_secs(1);

fn category<E: Classify + ?Sized>(error: &E) -> Category {
    of(error).category
}

mod table {
    use super::*;

    type Row = (Category, &'static str, Retryable, Severity, Delivered, &'static str);

    #[rustfmt::skip]
    const ROWS: [Row; 15] = {
        use Delivered::{Maybe, No, Yes};
        use Retryable::{Backoff, Never, Once};
        use Severity::{High, Low, Medium};
        [
            (Category::Timeout,     "timeout",      Backoff, Medium, Maybe, "raise the timeout or reduce the work"),
            (Category::RateLimited, "rate_limited", Backoff, Low,    No,    "wait, then retry"),
            (Category::Connection,  "connection",   Backoff, Medium, Maybe, "check that the service is running and reachable"),
            (Category::Unavailable, "unavailable",  Backoff, Medium, Maybe, "check that the service is healthy"),
            (Category::Transient,   "transient",    Backoff, Low,    Maybe, "try again"),
            (Category::Resource,    "resource",     Never,   High,   Maybe, "free memory, disk or quota, or use less"),
            (Category::Corrupt,     "corrupt",      Never,   High,   Yes,   "check the data"),
            (Category::Conflict,    "conflict",     Once,    Medium, No,    "read the current state and try again"),
            (Category::Auth,        "auth",         Never,   High,   No,    "check the credentials"),
            (Category::NotFound,    "not_found",    Never,   Medium, No,    "check the name"),
            (Category::Invalid,     "invalid",      Never,   Medium, No,    "fix the input"),
            (Category::Permanent,   "permanent",    Never,   High,   Maybe, "do not repeat the call"),
            (Category::Cancelled,   "cancelled",    Never,   Low,    Maybe, "none"),
            (Category::Rejected,    "rejected",     Never,   Low,    No,    "wait until the policy admits calls again"),
            (Category::Unknown,     "unknown",      Backoff, Medium, Maybe, "look at the error"),
        ]
    };

    #[test]
    fn every_category_has_its_row() {
        assert_eq!(Category::ALL.to_vec(), ROWS.map(|row| row.0).to_vec());
        for (category, name, retry, severity, delivered, action) in ROWS {
            let class = Classification::new(category);
            assert_eq!(category.as_str(), name);
            assert_eq!(category.to_string(), name);
            let found = (class.retry, class.severity, class.delivered, class.action);
            assert_eq!(found, (retry, severity, delivered, action), "{name}");
            assert_eq!(class.retry_after, None);
            assert_eq!(class.is_retryable(), retry != Retryable::Never);
            assert_eq!(category.is_retryable(), retry != Retryable::Never);
        }
    }

    #[test]
    fn every_status_has_a_category() {
        let named = |status| match status {
            408 | 504 => Category::Timeout,
            429 => Category::RateLimited,
            425 => Category::Transient,
            507 => Category::Resource,
            409 | 412 => Category::Conflict,
            401 | 403 | 407 => Category::Auth,
            404 | 410 => Category::NotFound,
            499 => Category::Cancelled,
            100..=399 | 501 | 505 => Category::Permanent,
            400..=498 => Category::Invalid,
            500..=599 => Category::Unavailable,
            _ => Category::Unknown,
        };
        for status in (0..1_000).chain([u16::MAX]) {
            assert_eq!(Category::from_status(status), named(status), "{status}");
            if let Ok(code) = http::StatusCode::from_u16(status) {
                assert_eq!(category(&code), named(status), "{status}");
            }
        }
    }

    #[test]
    fn severities_are_ordered() {
        use Severity::{Critical, Fatal, High, Low, Medium};
        assert!(Low < Medium && Medium < High && High < Critical && Critical < Fatal);
    }
}

mod headers {
    use super::*;

    #[test]
    fn retry_after_parses_seconds_and_dates() {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let now = UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (header, expected) in [
            ("0", seconds(0)),
            ("120", seconds(120)),
            (" 120 ", seconds(120)),
            ("184467440737095516160", seconds(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", seconds(60)),
            ("Sunday, 06-Nov-94 08:50:37 GMT", seconds(60)),
            ("Sun Nov  6 08:50:37 1994", seconds(60)),
            ("Sat, 05 Nov 1994 08:50:37 GMT", seconds(0)),
            ("", None),
            ("-2", None),
            ("+1", None),
            ("1.0", seconds(1)),
            ("1.5", seconds(2)),
            ("0.001", seconds(1)),
            ("0.0", seconds(0)),
            ("7.000000000000000000000000001", seconds(8)),
            ("184467440737095516160.5", seconds(u64::MAX)),
            ("18446744073709551615.5", seconds(u64::MAX)),
            ("1.", None),
            (".5", None),
            ("1.5.2", None),
            ("1,5", None),
            ("-1.5", None),
            ("1e3", None),
            ("soon", None),
            ("Sun, 32 Dec 1994 08:49:37 GMT", None),
            ("Sun, 30 Feb 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 25:00:00 GMT", None),
        ] {
            assert_eq!(retry_after(header, now), expected, "{header:?}");
        }
    }
}
