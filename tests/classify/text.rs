//! Classes and waits that are read from texts.

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
