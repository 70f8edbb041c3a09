//! What errors mean: the table, the derive, types of other crates, texts and headers.

#[path = "classify/codes.rs"]
mod codes;
#[path = "classify/derive.rs"]
mod derive;
#[path = "classify/foreign.rs"]
mod foreign;
#[path = "classify/histories.rs"]
mod histories;
#[path = "classify/over_http.rs"]
mod over_http;

use resilience::classify::{
    self, Category, Classification, Code, Delivered, Retryable, Severity, from_status, from_text, of, of_dyn,
    retry_after,
};
use resilience::{Classify, Rejected, testing};
use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECOND: Duration = Duration::from_secs(1);

fn category<E: Classify + ?Sized>(error: &E) -> Category {
    of(error).category
}

/// What an expansion asks of an error whose type it does not know.
macro_rules! probe {
    ($error:expr) => {
        resilience::__private::Probe::new($error).probed_class().category
    };
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
            (Category::Timeout,     "timeout",      Backoff, Medium, Maybe, "raise the timeout"),
            (Category::RateLimited, "rate_limited", Backoff, Low,    No,    "wait"),
            (Category::Connection,  "connection",   Backoff, Medium, Maybe, "check the service"),
            (Category::Unavailable, "unavailable",  Backoff, Medium, Maybe, "check the service"),
            (Category::Transient,   "transient",    Backoff, Low,    Maybe, "try again"),
            (Category::Resource,    "resource",     Never,   High,   Maybe, "clear caches, use a smaller model"),
            (Category::Corrupt,     "corrupt",      Never,   High,   Yes,   "check the data"),
            (Category::Conflict,    "conflict",     Once,    Medium, No,    "read the current state and try again"),
            (Category::Auth,        "auth",         Never,   High,   No,    "check the credentials"),
            (Category::NotFound,    "not_found",    Never,   Medium, No,    "check the name, pull the model"),
            (Category::Invalid,     "invalid",      Never,   Medium, No,    "fix the input"),
            (Category::Permanent,   "permanent",    Never,   High,   Maybe, "do not repeat the call"),
            (Category::Cancelled,   "cancelled",    Never,   Low,    Maybe, "none"),
            (Category::Rejected,    "rejected",     Never,   Low,    No,    "wait until the policy admits calls again"),
            (Category::Unknown,     "unknown",      Backoff, Medium, Maybe, "look at the error"),
        ]
    };

    #[test]
    fn every_row() {
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
    fn every_status() {
        let named = |status| match status {
            408 | 504 => Category::Timeout,
            429 => Category::RateLimited,
            425 => Category::Transient,
            507 => Category::Resource,
            409 | 412 => Category::Conflict,
            401 | 403 | 407 => Category::Auth,
            404 | 410 => Category::NotFound,
            499 => Category::Cancelled,
            501 | 505 => Category::Permanent,
            400..=498 => Category::Invalid,
            500..=599 => Category::Unavailable,
            _ => Category::Unknown,
        };
        for status in (0..1_000).chain([u16::MAX]) {
            assert_eq!(from_status(status), named(status), "{status}");
            if let Ok(code) = http::StatusCode::from_u16(status) {
                assert_eq!(category(&code), named(status), "{status}");
            }
        }
    }

    #[test]
    fn severities_rise() {
        use Severity::{Critical, Fatal, High, Low, Medium};
        assert!(Low < Medium && Medium < High && High < Critical && Critical < Fatal);
    }
}

mod found {
    use super::*;

    #[derive(Debug, thiserror::Error, Classify)]
    enum Registered {
        #[error("slow")]
        #[classify(timeout)]
        Slow,
        #[error("wrong")]
        #[classify(invalid)]
        Wrong,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Registered);

    /// Derives, but is no `Error`: cannot be found, and need not.
    #[derive(Debug, Classify)]
    #[classify(auth)]
    struct NoError;

    #[test]
    fn behind_dyn_error() {
        let boxed: Box<dyn Error> = Box::new(Registered::Slow);
        assert_eq!(category(&boxed), Category::Timeout);
        assert_eq!(of_dyn(&Registered::Wrong).category, Category::Invalid);
        let send: Box<dyn Error + Send> = Box::new(Outer(Registered::Wrong));
        assert_eq!(category(&send), Category::Invalid);
        let sync: Box<dyn Error + Send + Sync> = Box::new(Outer(Registered::Slow));
        assert_eq!(category(&sync), Category::Timeout);
        assert_eq!(probe!(&sync), Category::Timeout);
        assert_eq!(probe!(&Outer(Registered::Slow)), Category::Timeout);
        assert_eq!(category(&NoError), Category::Auth);
        let text: Box<dyn Error> = "connection refused".into();
        assert_eq!(category(&text), Category::Unknown, "text is read only where asked for");
    }

    #[test]
    fn behind_anyhow_under_any_context() {
        use anyhow::Context;
        let error = anyhow::Error::new(Registered::Slow);
        assert_eq!(category(&error), Category::Timeout);
        let error = error.context("while quoting").context("while answering");
        assert_eq!(category(&error), Category::Timeout);
        assert_eq!(probe!(&error), Category::Timeout);
        let parsed = "x".parse::<u8>().context("not a number").unwrap_err();
        assert_eq!(category(&parsed), Category::Invalid);
        assert_eq!(category(&anyhow::anyhow!("timed out")), Category::Unknown);
    }

    #[test]
    fn behind_io() {
        assert_eq!(category(&io::Error::other(Registered::Slow)), Category::Timeout);
        assert_eq!(category(&io::Error::other(Outer(Registered::Slow))), Category::Timeout);
        let reset = io::Error::new(ErrorKind::ConnectionReset, Registered::Wrong);
        assert_eq!(category(&reset), Category::Invalid, "the error that was wrapped knows more");
        let far = io::Error::new(ErrorKind::ConnectionReset, Outer(Registered::Wrong));
        assert_eq!(category(&far), Category::Connection, "a distant cause does not");
    }

    #[test]
    fn a_local_type_registers_too() {
        #[derive(Debug, thiserror::Error, Classify)]
        #[error("local")]
        #[classify(conflict)]
        struct Local;
        assert_eq!(of_dyn(&Local).category, Category::Conflict);
    }
}

mod text {
    use super::*;

    #[track_caller]
    fn says(category: Category, messages: &[&str]) {
        for message in messages {
            assert_eq!(from_text(message).category, category, "{message}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn messages_of_real_services() {
        says(Category::RateLimited, &[
            "429 Too Many Requests", "HTTP 429", "HTTP/1.1 429 Too Many Requests", "http2 error: status=429",
            "Error code: 429 - {'error': {'message': 'Rate limit reached'}}", "RateLimitError: slow",
            "rate limit exceeded", "rate_limit_error", "You are being rate-limited", "ThrottlingException",
            "status: ResourceExhausted", "SlowDown: please reduce your request rate",
        ]);
        says(Category::Timeout, &[
            "operation timed out", "connection timed out", "504 Gateway Timeout", "HTTP status 408",
            "deadline has elapsed", "context deadline exceeded", "timeout", "Timeout.", "ETIMEDOUT",
            "timeout of 5000ms exceeded", "TimeoutError",
        ]);
        says(Category::Connection, &[
            "Connection refused (os error 111)", "ECONNREFUSED 127.0.0.1:11434", "connection reset by peer",
            "Broken pipe", "error trying to connect: dns error", "could not resolve host: api.example.com",
            "failed to lookup address information: Temporary failure in name resolution", "socket hang up",
        ]);
        says(Category::Unavailable, &[
            "503 Service Unavailable", "HTTP 502", "500 Internal Server Error", "server error",
            "overloaded_error: Overloaded", "status 529", "The model is currently overloaded.",
            "HTTP status server error (503 Service Unavailable) for url (http://localhost/)",
            "the server returned 500", "request failed with 502: upstream", "Bad Gateway",
        ]);
        says(Category::Transient, &[
            "database is locked", "Resource temporarily unavailable (os error 11)", "deadlock detected",
        ]);
        says(Category::Resource, &[
            "CUDA out of memory", "No space left on device (os error 28)", "insufficient_quota",
            "You exceeded your current quota", "Cannot allocate memory", "Too many open files (os error 24)",
            "model requires more system memory: out of memory", "HTTP 507",
        ]);
        says(Category::Auth, &[
            "invalid api key", "Incorrect API key provided: sk-xx", "401 Unauthorized", "403 Forbidden",
            "Permission denied (os error 13)", "invalid_api_key", "password wrong: authentication failed",
        ]);
        says(Category::NotFound, &[
            "model not found", "model 'llama3:70b' not found, try pulling it first", "404 Not Found",
            "No such file or directory (os error 2)", "The model `gpt-9` does not exist", "NoSuchKey",
        ]);
        says(Category::Invalid, &[
            "malformed", "malformed header", "400 Bad Request", "invalid request: no messages", "HTTP 422",
            "This model's maximum context length is 8192 tokens", "invalid_request_error",
        ]);
        says(Category::Corrupt, &["corrupted block", "checksum mismatch", "error decoding response body"]);
        says(Category::Conflict, &["409 Conflict", "duplicate key value violates unique constraint", "conflict"]);
        says(Category::Permanent, &["not implemented", "501 Not Implemented", "operation not supported"]);
        says(Category::Cancelled, &["context canceled", "the operation was cancelled", "cancelled"]);
    }

    #[test]
    #[rustfmt::skip]
    fn what_is_not_said_is_unknown() {
        says(Category::Unknown, &[
            "", " ", "boom", "port 4290", "port 429", "listening on 0.0.0.0:503", "row 500 of 503", "id 404",
            "429", "took 503 ms", "error 503ms", "returned 500 rows", "responded with 404 results",
            "exit status 404", "error -503", "version 4.29", "status 4.29", "status 429.5", "HTTP 4290",
            "HTTP 200 OK", "status 50", "status 600", "https://example.com/404", "error #404",
            "no timeout error", "it is not overloaded", "without rate limits", "never timed out",
            "invalid rate limit", "the timeouts", "set a timeout", "prorate limitless", "uncorrupted",
            "we rate. Limit it", "it was not. Found it", "run time out of range", "not a conflict",
            "the timer timed. Out", "isn't corrupt",
        ]);
    }

    #[test]
    fn a_refused_connection_delivered_nothing() {
        assert_eq!(from_text("connection refused").delivered, Delivered::No);
        assert_eq!(from_text("connection reset").delivered, Delivered::Maybe);
    }

    #[test]
    fn only_the_start_of_a_long_text_is_read() {
        let long = format!("{} timed out", "x".repeat(5_000));
        assert_eq!(from_text(&long).category, Category::Unknown);
        let umlauts = format!("timed out {}", "ü".repeat(5_000));
        assert_eq!(from_text(&umlauts).category, Category::Timeout);
    }
}

mod headers {
    use super::*;

    #[test]
    fn seconds_dates_and_junk() {
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
            ("1.0", None),
            ("soon", None),
            ("Sun, 32 Dec 1994 08:49:37 GMT", None),
            ("Sun, 30 Feb 1994 08:49:37 GMT", None),
            ("Sun, 06 Nov 1994 25:00:00 GMT", None),
        ] {
            assert_eq!(retry_after(header, now), expected, "{header:?}");
        }
    }
}
