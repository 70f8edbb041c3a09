//! What errors mean: the table, the derive, types of other crates, texts and headers.

#[path = "classify/codes.rs"]
mod codes;
#[path = "classify/derive.rs"]
mod derive;
#[path = "classify/foreign.rs"]
mod foreign;
#[path = "classify/histories.rs"]
mod histories;
#[path = "classify/messages.rs"]
mod messages;
#[path = "classify/over_http.rs"]
mod over_http;

use resilience::classify::{
    self, Category, Classification, Code, Delivered, Retryable, Severity, from_text, of, of_dyn, retry_after,
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
    fn errors_behind_dyn_error_are_classified() {
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
    fn errors_behind_anyhow_contexts_are_classified() {
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
    fn in_a_box_that_anyhow_took() {
        use anyhow::Context;
        let boxed = |error: Box<dyn Error + Send + Sync>| {
            [
                anyhow::anyhow!(error),
                anyhow::Error::from_boxed(Box::new(io::Error::other(Registered::Wrong))),
                anyhow::Error::from_boxed(Box::new(Arc::new(Registered::Wrong))),
            ]
        };
        for error in boxed(Box::new(Registered::Wrong)) {
            assert_eq!(category(&error), Category::Invalid, "{error:?}");
            assert_eq!(probe!(&error), Category::Invalid, "{error:?}");
            let error = Err::<(), _>(error).context("while quoting").context("while answering").unwrap_err();
            assert_eq!(category(&error), Category::Invalid, "{error:?}");
            let error = error.context(Registered::Slow);
            assert_eq!(category(&error), Category::Timeout, "the outermost decides");
        }
        let refused = resilience::testing::rejected::bulkhead_full("quote");
        let error = anyhow::Error::from_boxed(Box::new(refused));
        assert_eq!(category(&error), Category::Rejected);
        assert_eq!(category(&anyhow::Error::from_boxed("timed out".into())), Category::Unknown);
    }

    /// What hides an error: a `Box`, an `Arc`, both.
    fn hidden(error: fn() -> Registered) -> [Box<dyn Error>; 8] {
        #[derive(Debug, thiserror::Error)]
        #[error("boxed")]
        struct Boxed(#[source] Box<Registered>);
        #[derive(Debug, thiserror::Error)]
        #[error("shared")]
        struct Shared(#[source] Arc<Registered>);
        [
            Box::new(error()),
            Box::new(Box::new(error())),
            Box::new(Arc::new(error())),
            Box::new(Boxed(Box::new(error()))),
            Box::new(Shared(Arc::new(error()))),
            Box::new(io::Error::other(Arc::new(error()))),
            Box::new(io::Error::other(Box::new(error()))),
            Box::new(io::Error::new(ErrorKind::TimedOut, Arc::new(error()))),
        ]
    }

    #[test]
    fn errors_behind_pointers_are_classified() {
        for error in hidden(|| Registered::Wrong) {
            assert_eq!(category(&error), Category::Invalid, "{error:?}");
            assert_eq!(probe!(&error), Category::Invalid, "{error:?}");
        }
        let shared = || Err::<(), _>(Arc::new(Registered::Wrong));
        fn boxed(result: Result<(), Arc<Registered>>) -> Result<(), Box<dyn Error>> {
            Ok(result?)
        }
        fn any(result: Result<(), Arc<Registered>>) -> anyhow::Result<()> {
            Ok(result?)
        }
        assert_eq!(category(&boxed(shared()).unwrap_err()), Category::Invalid);
        assert_eq!(category(&any(shared()).unwrap_err()), Category::Invalid);
        assert_eq!(probe!(&shared().unwrap_err()), Category::Invalid);
    }

    #[test]
    fn std_errors_behind_pointers_are_classified() {
        let parse = || "x".parse::<u8>().unwrap_err();
        let boxed: Box<dyn Error> = Box::new(Arc::new(parse()));
        assert_eq!(category(&boxed), Category::Invalid);
        let boxed: Box<dyn Error> = Box::new(Box::new(parse()));
        assert_eq!(category(&boxed), Category::Invalid);
        let json = serde_json::from_str::<u8>("{").unwrap_err();
        assert_eq!(category(&io::Error::other(Box::new(json))), Category::Corrupt);
    }

    mod contexts {
        use super::*;
        use anyhow::Context;

        #[derive(Debug, thiserror::Error, Classify)]
        enum Api {
            #[error("missing")]
            #[classify(not_found)]
            Missing,
            #[error("forbidden")]
            #[classify(auth)]
            Forbidden,
        }

        #[derive(Debug, thiserror::Error, Classify)]
        #[error("unit")]
        #[classify(conflict)]
        struct Unit;

        /// A context is no `Error` of necessity.
        #[derive(Debug, Classify)]
        #[classify(resource)]
        struct Plain;

        impl fmt::Display for Plain {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("plain")
            }
        }

        fn reset() -> io::Error {
            ErrorKind::ConnectionReset.into()
        }

        #[test]
        fn the_outermost_known_error_decides() {
            let none: Option<()> = None;
            let on = |context: Api| Err::<(), _>(reset()).context(context).unwrap_err();
            for (error, expected) in [
                (on(Api::Missing), Category::NotFound),
                (on(Api::Forbidden), Category::Auth),
                (none.context(Api::Missing).unwrap_err(), Category::NotFound),
                (on(Api::Missing).context("text"), Category::NotFound),
                (on(Api::Missing).context("text").context(Api::Forbidden), Category::Auth),
                (on(Api::Missing).context(Unit), Category::Conflict),
                (on(Api::Missing).context(Unit).context("text"), Category::Conflict),
                (anyhow::Error::new(Unit).context(Api::Missing), Category::NotFound),
                (anyhow::Error::new(Api::Missing).context(Unit), Category::Conflict),
                (anyhow::Error::new(Api::Missing).context(Api::Forbidden), Category::Auth),
                (anyhow::Error::new(Unit), Category::Conflict),
                (anyhow::Error::new(Unit).context("text"), Category::Conflict),
                (Err::<(), _>(Unit).context(Api::Missing).unwrap_err(), Category::NotFound),
                (Err::<(), _>(Api::Missing).context(Unit).unwrap_err(), Category::Conflict),
                (Err::<(), _>(Unit).context("text").unwrap_err(), Category::Conflict),
                (on(Api::Missing).context(Plain), Category::Resource),
                (anyhow::Error::msg("text").context(Plain), Category::Resource),
                (on(Api::Missing).context(http::StatusCode::TOO_MANY_REQUESTS), Category::RateLimited),
                (anyhow::Error::new(reset()).context("text"), Category::Connection),
                (anyhow::anyhow!("text").context("text"), Category::Unknown),
            ] {
                assert_eq!(category(&error), expected, "{error:#}");
                assert_eq!(probe!(&error), expected, "{error:#}");
            }
        }

        #[test]
        fn classification_uses_the_value_and_not_only_its_type() {
            let error = anyhow::Error::new(reset()).context(Waits(7 * SECOND)).context("text");
            assert_eq!(of(&error).retry_after, Some(7 * SECOND));
            let shared = Arc::new(error);
            assert_eq!(of(&shared).retry_after, Some(7 * SECOND));

            #[derive(Debug, thiserror::Error, Classify)]
            #[error("wait")]
            #[classify(rate_limited, retry_after = .0)]
            struct Waits(Duration);
        }
    }

    #[test]
    fn errors_inside_io_errors_are_classified() {
        assert_eq!(category(&io::Error::other(Registered::Slow)), Category::Timeout);
        assert_eq!(category(&io::Error::other(Outer(Registered::Slow))), Category::Timeout);
        let reset = io::Error::new(ErrorKind::ConnectionReset, Registered::Wrong);
        assert_eq!(category(&reset), Category::Invalid, "the error that was wrapped knows more");
        let far = io::Error::new(ErrorKind::ConnectionReset, Outer(Registered::Wrong));
        assert_eq!(category(&far), Category::Connection, "a distant cause does not");
    }

    #[test]
    fn a_local_type_can_be_registered() {
        #[derive(Debug, thiserror::Error, Classify)]
        #[error("local")]
        #[classify(conflict)]
        struct Local;
        assert_eq!(of_dyn(&Local).category, Category::Conflict);
    }
}

mod text {
    use super::*;
    use resilience::classify::wait_hint;

    #[track_caller]
    fn says(category: Category, messages: &[&str]) {
        for message in messages {
            assert_eq!(from_text(message).category, category, "{message}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn messages_of_real_services_are_classified() {
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
    fn messages_without_a_known_phrase_are_unknown() {
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
    fn a_refused_connection_was_not_delivered() {
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

    #[test]
    fn a_word_at_the_end_of_what_is_read_is_read_whole_or_not_at_all() {
        for pad in 4060..4100 {
            for message in ["HTTP 503000", "file not foundation", "HTTP 503.25", "timed outside"] {
                let long = format!("{} {message}", "x".repeat(pad));
                assert_eq!(from_text(&long).category, Category::Unknown, "{message} at {pad}");
            }
            for (message, wait) in [
                ("try again in 20ms", Duration::from_millis(20)),
                ("try again in 1m30.5s", Duration::from_millis(90_500)),
                ("retry after 350", Duration::from_secs(350)),
                ("retry after 6 minutes", Duration::from_secs(360)),
            ] {
                let found = wait_hint(&format!("{} {message}", "x".repeat(pad)));
                assert!(found.is_none() || found == Some(wait), "{message} at {pad}: {found:?}");
            }
        }
    }

    #[test]
    fn only_the_end_of_a_short_not_denies() {
        says(
            Category::NotFound,
            &["Table 'shop.t' doesn't exist", "column t not found", "Table 't' doesn't exist"],
        );
        says(
            Category::Unknown,
            &["isn't corrupt", "wasn\u{2019}t throttled", r"isn\'t overloaded", "ISN'T CORRUPT"],
        );
        says(Category::RateLimited, &["t rate limit exceeded"]);
    }

    #[test]
    fn pages_of_proxies_are_classified() {
        for (page, status) in [
            ("<html><head><title>504 Gateway Time-out</title></head>", 504),
            ("<html><body><h1>408 Request Time-out</h1>", 408),
            ("<center><h1>503 Service Temporarily Unavailable</h1></center>", 503),
            ("<title>413 Request Entity Too Large</title>", 413),
            ("<title>414 Request-URI Too Large</title>", 414),
            ("<title>416 Requested Range Not Satisfiable</title>", 416),
            ("416 Range Not Satisfiable", 416),
            ("error code: 522", 522),
        ] {
            assert_eq!(from_text(page), Classification::from_status(status), "{page}");
        }
        says(Category::Timeout, &["Gateway Time-out", "Request Time-out"]);
    }

    #[derive(Debug, Classify)]
    #[classify(text)]
    struct Broken(&'static str);

    /// Its `Display` fails in the end.
    impl fmt::Display for Broken {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)?;
            Err(fmt::Error)
        }
    }

    #[test]
    fn a_message_that_cannot_be_printed_is_read_as_far_as_it_goes() {
        assert_eq!(of(&Broken("timed out")).category, Category::Timeout);
        assert_eq!(of(&Broken("")).category, Category::Unknown);
        assert_eq!(Broken("timed out").recorded_text(), Some("timed out".to_owned()));
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

mod waits {
    use super::*;
    use http::{HeaderMap, HeaderValue, StatusCode};
    use resilience::classify::{from_response, wait_hint};

    #[test]
    fn wait_hints_of_services_are_parsed() {
        let millis = |millis| Some(Duration::from_millis(millis));
        for (text, expected) in [
            ("6m0s", millis(360_000)),
            ("45.8s", millis(45_800)),
            ("1m30s", millis(90_000)),
            ("120ms", millis(120)),
            ("0s", millis(0)),
            ("1h2m3s", millis(3_723_000)),
            ("2d", millis(172_800_000)),
            ("1m26.4s", millis(86_400)),
            ("8.64s", millis(8_640)),
            ("500us", Some(Duration::from_micros(500))),
            ("500\u{b5}s", Some(Duration::from_micros(500))),
            ("7ns", Some(Duration::from_nanos(7))),
            (" 20S ", millis(20_000)),
            ("2 minutes", millis(120_000)),
            ("1 hour and 5 minutes", millis(3_900_000)),
            ("1m 30s", millis(90_000)),
            ("Rate limit reached for gpt-4. Please try again in 6m0s. Visit https://x.y", millis(360_000)),
            ("Please try again in 120ms.", millis(120)),
            ("Please retry after 26 seconds. Please go here", millis(26_000)),
            ("Please retry in 45.837394738s.", Some(Duration::from_nanos(45_837_394_738))),
            (r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"45s"}"#, millis(45_000)),
            ("Too Many Requests: retry after 35", millis(35_000)),
            (r#"{"message": "You are being rate limited.", "retry_after": 64.57}"#, millis(64_570)),
            ("please wait 20 seconds", millis(20_000)),
            ("You must wait for 5 minutes", millis(300_000)),
            ("99999999999999999999999999999999999999999d", Some(Duration::MAX)),
            ("18446744073709551616s", Some(Duration::MAX)),
        ] {
            assert_eq!(wait_hint(text), expected, "{text:?}");
        }
    }

    #[test]
    fn text_without_a_duration_is_no_wait_hint() {
        for text in [
            "",
            " ",
            "35",
            "s",
            "-5s",
            "+5s",
            "soon",
            "30s1m",
            "1s1s",
            "5x",
            "5 apples",
            "1.s",
            ".5s",
            "1e3s",
            "5sx",
            "took 5s",
            "timed out after 30s",
            "timed out waiting for 5s",
            "port 120",
            "try again in a while",
            "try again in -5s",
            "try again in 5",
            "retry after 5x",
            "retry after 1,000 seconds",
            "retry after 5-10 seconds",
            "retry after 10:30",
            "Retry-After: 2026-01-01",
            "retry_after=1.5.2",
            "awaits 5s",
            "2026-01-01T00:00:00Z",
            "retry after Sun, 06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(wait_hint(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_response_is_classified_by_its_status_and_retry_after() {
        let wait = |status: u16, header: &[(&'static str, &'static str)]| {
            let headers = header
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)));
            from_response(status, &headers.collect::<HeaderMap>())
        };
        let busy = wait(429, &[("retry-after", "7")]);
        assert_eq!((busy.category, busy.retry_after), (Category::RateLimited, Some(7 * SECOND)));
        assert_eq!(busy.code, Some(Code::Status(429)));
        assert_eq!(wait(503, &[("retry-after", "0.5")]).retry_after, Some(SECOND));
        assert_eq!(wait(503, &[]), Classification::from_status(503));
        assert_eq!(wait(503, &[("retry-after", "soon")]), Classification::from_status(503));
        assert_eq!(wait(503, &[("retry-after", "-1")]).retry_after, None);
        let precise = wait(429, &[("retry-after", "7"), ("retry-after-ms", "6500")]);
        assert_eq!(precise.retry_after, Some(Duration::from_millis(6_500)));
        let junk = wait(429, &[("retry-after", "7"), ("retry-after-ms", "x")]);
        assert_eq!(junk.retry_after, Some(7 * SECOND));
        let past = wait(429, &[("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT")]);
        assert_eq!(past.retry_after, Some(Duration::ZERO));
        let code = from_response(StatusCode::NOT_FOUND, &HeaderMap::new());
        assert_eq!(code, Classification::from_status(404));
        assert_eq!(from_response(-1, &HeaderMap::new()).category, Category::Unknown);
        assert_eq!(from_response(429, &HeaderMap::new()).category, Category::RateLimited);
    }

    #[test]
    fn a_date_counts_from_the_clock_of_the_world() {
        let world = testing::isolate();
        world.advance(Duration::from_secs(3_600));
        let at = SystemTime::now() + Duration::from_secs(7_200);
        let header = httpdate::fmt_http_date(at);
        let headers = [(http::header::RETRY_AFTER, HeaderValue::from_str(&header).unwrap())];
        let wait = from_response(503, &headers.into_iter().collect()).retry_after.unwrap();
        assert!(wait <= Duration::from_secs(3_600) && wait > Duration::from_secs(3_000), "{wait:?}");
    }
}
