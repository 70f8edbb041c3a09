//! What errors mean: the table, the derive, types of other crates, texts and headers.

#[path = "classify/codes.rs"]
mod codes;
#[path = "classify/histories.rs"]
mod histories;

use resilience::classify::{
    self, Category, Classification, Code, Delivered, Retry, Severity, from_status, from_text, of, of_dyn,
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

    type Row = (Category, &'static str, Retry, Severity, Delivered, &'static str);

    #[rustfmt::skip]
    const ROWS: [Row; 15] = {
        use Delivered::{Maybe, No, Yes};
        use Retry::{Backoff, Never, Once};
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
            assert_eq!(class.is_retryable(), retry != Retry::Never);
            assert_eq!(category.is_retryable(), retry != Retry::Never);
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

mod derive {
    use super::*;

    #[derive(Debug, Classify)]
    #[rustfmt::skip]
    enum Each {
        #[classify(timeout)]      Timeout,
        #[classify(rate_limited)] RateLimited,
        #[classify(connection)]   Connection,
        #[classify(unavailable)]  Unavailable,
        #[classify(transient)]    Transient,
        #[classify(resource)]     Resource,
        #[classify(corrupt)]      Corrupt,
        #[classify(conflict)]     Conflict,
        #[classify(auth)]         Auth,
        #[classify(not_found)]    NotFound,
        #[classify(invalid)]      Invalid,
        #[classify(permanent)]    Permanent,
        #[classify(cancelled)]    Cancelled,
        #[classify(rejected)]     Rejected,
        #[classify(unknown)]      Unknown,
    }

    #[test]
    #[rustfmt::skip]
    fn every_category_has_its_word() {
        use Each::*;
        let each = [
            Timeout, RateLimited, Connection, Unavailable, Transient, Resource, Corrupt, Conflict, Auth,
            NotFound, Invalid, Permanent, Cancelled, Rejected, Unknown,
        ];
        for (error, category) in each.iter().zip(Category::ALL) {
            assert_eq!(of(error), Classification::new(category));
            assert_eq!(format!("{error:?}"), format!("{category:?}"));
        }
    }

    #[derive(Debug, thiserror::Error, Classify)]
    enum QuoteError {
        #[error("busy")]
        #[classify(rate_limited, retry_after = .after)]
        Busy { after: Duration },
        #[error("busy, perhaps for {after:?}")]
        #[classify(unavailable, retry_after = .after)]
        Perhaps { name: &'static str, after: Option<Duration> },
        #[error("HTTP {0}")]
        #[classify(status = .0)]
        Http(u16),
        #[error("HTTP {code} after {wait:?}")]
        #[classify(status = .code, retry_after = .wait)]
        Both { code: http::StatusCode, wait: Option<Duration> },
        #[error("HTTP {0}")]
        #[classify(status=.0)]
        Wide(u64),
        #[error("HTTP 503")]
        #[classify(status = 503)]
        Gone,
        #[error(transparent)]
        #[classify(transparent)]
        Io(#[from] io::Error),
        #[error(transparent)]
        #[classify(transparent)]
        Rejected(#[from] Rejected),
        #[error("while {task}")]
        #[classify(transparent, severity = critical)]
        Marked {
            task: String,
            #[source]
            cause: Nested,
        },
        #[error("named")]
        #[classify(transparent)]
        Named { source: Box<dyn Error + Send + Sync>, at: u32 },
        #[error("{0}")]
        #[classify(text)]
        Text(String),
        #[error("asked")]
        #[classify(with = severe)]
        Path,
        #[error("asked {0}")]
        #[classify(with = |error| match error { Self::Closure(code) => from_status(*code), _ => Category::Unknown })]
        Closure(u16),
        #[error("all")]
        #[classify(auth, retry = once, severity = fatal, delivered = yes, action = "call the bank")]
        #[classify(retry_after = .0)]
        All(Duration),
        #[error("raw")]
        #[classify(retry_after = .r#type, timeout)]
        Raw { r#type: Duration },
    }

    /// An `Error` that says nothing itself.
    #[derive(Debug, thiserror::Error)]
    #[error("nested")]
    struct Nested(#[from] io::Error);

    fn severe(error: &QuoteError) -> Classification {
        let category = if matches!(error, QuoteError::Path) { Category::Corrupt } else { Category::Unknown };
        Classification::new(category).severity(Severity::Critical)
    }

    #[test]
    fn waits_come_from_fields() {
        assert_eq!(of(&QuoteError::Busy { after: SECOND }).retry_after, Some(SECOND));
        assert_eq!(category(&QuoteError::Busy { after: SECOND }), Category::RateLimited);
        let perhaps = |after| of(&QuoteError::Perhaps { name: "x", after }).retry_after;
        assert_eq!(perhaps(Some(SECOND)), Some(SECOND));
        assert_eq!(perhaps(None), None);
        assert_eq!(of(&QuoteError::Raw { r#type: SECOND }).retry_after, Some(SECOND));
    }

    #[test]
    fn statuses_come_from_fields_or_are_written() {
        assert_eq!(category(&QuoteError::Http(404)), Category::NotFound);
        assert_eq!(category(&QuoteError::Wide(429)), Category::RateLimited);
        assert_eq!(category(&QuoteError::Wide(1 << 40 | 429)), Category::Unknown);
        assert_eq!(category(&QuoteError::Gone), Category::Unavailable);
        let both = of(&QuoteError::Both { code: http::StatusCode::BAD_GATEWAY, wait: Some(SECOND) });
        assert_eq!((both.category, both.retry_after), (Category::Unavailable, Some(SECOND)));
    }

    #[test]
    fn transparent_asks_the_field() {
        let refused = || io::Error::from(ErrorKind::ConnectionRefused);
        let io = of(&QuoteError::Io(refused()));
        assert_eq!((io.category, io.delivered), (Category::Connection, Delivered::No));
        let marked = of(&QuoteError::Marked { task: String::new(), cause: Nested(refused()) });
        assert_eq!((marked.category, marked.severity), (Category::Connection, Severity::Critical));
        let named = QuoteError::Named { source: refused().into(), at: 1 };
        assert_eq!(category(&named), Category::Connection);
        let shared = QuoteError::Named { source: Box::new(QuoteError::Http(409)), at: 1 };
        assert_eq!(category(&shared), Category::Conflict);
    }

    #[test]
    fn text_and_paths_are_asked() {
        assert_eq!(category(&QuoteError::Text("429 Too Many Requests".into())), Category::RateLimited);
        assert_eq!(category(&QuoteError::Text("port 4290".into())), Category::Unknown);
        let path = of(&QuoteError::Path);
        assert_eq!((path.category, path.severity), (Category::Corrupt, Severity::Critical));
        assert_eq!(category(&QuoteError::Closure(504)), Category::Timeout);
    }

    #[test]
    fn everything_can_be_overridden() {
        let expected = Classification::new(Category::Auth)
            .retry(Retry::Once)
            .severity(Severity::Fatal)
            .delivered(Delivered::Yes)
            .action("call the bank")
            .retry_after(SECOND);
        assert_eq!(of(&QuoteError::All(SECOND)), expected);
    }

    #[derive(Debug, Classify)]
    #[classify(default = permanent)]
    enum Mostly {
        Silent,
        #[classify(severity = low)]
        Milder,
        #[classify(timeout)]
        Slow,
    }

    #[test]
    fn a_default_is_for_those_that_say_nothing() {
        assert_eq!(of(&Mostly::Silent), Classification::new(Category::Permanent));
        let milder = Classification::new(Category::Permanent).severity(Severity::Low);
        assert_eq!(of(&Mostly::Milder), milder);
        assert_eq!(category(&Mostly::Slow), Category::Timeout);
    }

    #[derive(Classify)]
    enum Never {}

    #[derive(Classify)]
    #[classify(conflict)]
    struct Unit;

    #[derive(Classify)]
    #[classify(status = .code)]
    struct Coded {
        code: u16,
    }

    #[derive(Classify)]
    #[classify(transparent)]
    struct Tuple(io::Error);

    #[derive(Debug, thiserror::Error, Classify)]
    #[error("cannot read {name}")]
    #[classify(transparent, action = "look at the disk")]
    struct Borrows<'a> {
        name: &'a str,
        source: io::Error,
    }

    #[test]
    fn structs_and_empty_enums() {
        fn is_classify<T: Classify>() {}
        is_classify::<Never>();
        assert_eq!(category(&Unit), Category::Conflict);
        assert_eq!(category(&Coded { code: 401 }), Category::Auth);
        assert_eq!(category(&Tuple(ErrorKind::NotFound.into())), Category::NotFound);
        let name = String::from("local");
        let borrows = of(&Borrows { name: &name, source: ErrorKind::StorageFull.into() });
        assert_eq!((borrows.category, borrows.action), (Category::Resource, "look at the disk"));
    }

    #[derive(Debug, Classify)]
    enum Either<'a, L, R: fmt::Debug, const N: usize = 1>
    where
        L: fmt::Debug,
    {
        #[classify(transparent)]
        Left(L),
        #[classify(transparent)]
        Right(Box<R>),
        #[classify(invalid)]
        Neither(#[allow(dead_code)] &'a [u8; N]),
        #[classify(transparent)]
        Again(Box<Either<'a, L, R, N>>),
    }

    #[derive(Classify)]
    #[classify(status = .status, retry_after = .wait)]
    struct Answer<S, W> {
        status: S,
        wait: W,
    }

    #[derive(Classify)]
    #[classify(text)]
    struct Says<T>(T);

    impl<T: fmt::Display> fmt::Display for Says<T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.fmt(f)
        }
    }

    #[test]
    fn generic_types() {
        type Two<'a> = Either<'a, io::Error, Unit2>;
        assert_eq!(category(&Two::Left(ErrorKind::TimedOut.into())), Category::Timeout);
        assert_eq!(category(&Two::Right(Box::new(Unit2))), Category::Auth);
        assert_eq!(category(&Two::Neither(&[1])), Category::Invalid);
        let again = Two::Again(Box::new(Either::Neither(&[1])));
        assert_eq!(category(&again), Category::Invalid);
        let answer = of(&Answer { status: 503_u32, wait: Some(SECOND) });
        assert_eq!((answer.category, answer.retry_after), (Category::Unavailable, Some(SECOND)));
        assert_eq!(category(&Says("connection reset")), Category::Connection);
    }

    #[derive(Debug, Classify)]
    #[classify(auth)]
    struct Unit2;

    mod elsewhere {
        pub(crate) use ::resilience as renamed;
    }

    #[derive(resilience::Classify)]
    #[classify(timeout, crate = elsewhere::renamed)]
    struct Renamed;

    macro_rules! error_with {
        ($name:ident, $category:ident, $status:literal, $retry:ident, $action:expr) => {
            #[derive(Classify)]
            enum $name {
                #[classify($category, retry = $retry)]
                A,
                #[classify(status = $status)]
                B,
            }
        };
    }
    error_with!(ByMacro, transient, 404, never, "x");

    #[test]
    fn other_names_and_macros() {
        assert_eq!(category(&Renamed), Category::Timeout);
        assert_eq!(of(&ByMacro::A).retry, Retry::Never);
        assert_eq!(category(&ByMacro::B), Category::NotFound);
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

mod foreign {
    use super::*;

    #[test]
    #[rustfmt::skip]
    fn io_by_kind() {
        use ErrorKind as K;
        let rows: &[(Category, &[ErrorKind])] = &[
            (Category::Connection, &[
                K::ConnectionRefused, K::ConnectionReset, K::ConnectionAborted, K::NotConnected, K::BrokenPipe,
                K::AddrInUse, K::AddrNotAvailable, K::HostUnreachable, K::NetworkUnreachable, K::NetworkDown,
                K::UnexpectedEof,
            ]),
            (Category::Timeout, &[K::TimedOut]),
            (Category::Transient, &[
                K::Interrupted, K::WouldBlock, K::ResourceBusy, K::Deadlock, K::ExecutableFileBusy,
                K::StaleNetworkFileHandle,
            ]),
            (Category::Auth, &[K::PermissionDenied]),
            (Category::Resource, &[K::OutOfMemory, K::StorageFull, K::QuotaExceeded, K::FileTooLarge]),
            (Category::NotFound, &[K::NotFound]),
            (Category::Conflict, &[K::AlreadyExists]),
            (Category::Corrupt, &[K::InvalidData]),
            (Category::Invalid, &[
                K::InvalidInput, K::InvalidFilename, K::ArgumentListTooLong, K::NotSeekable, K::IsADirectory,
                K::NotADirectory, K::DirectoryNotEmpty, K::CrossesDevices, K::TooManyLinks,
            ]),
            (Category::Permanent, &[K::Unsupported, K::ReadOnlyFilesystem]),
            (Category::Unknown, &[K::Other, K::WriteZero]),
        ];
        for (expected, kinds) in rows {
            for kind in *kinds {
                let class = of(&io::Error::from(*kind));
                assert_eq!(class.category, *expected, "{kind:?}");
                let undelivered = Classification::new(*expected).delivered == Delivered::No;
                let no = undelivered || *kind == K::ConnectionRefused;
                assert_eq!(class.delivered == Delivered::No, no, "{kind:?}");
            }
        }
        assert_eq!(category(&io::Error::from_raw_os_error(i32::MAX)), Category::Unknown);
        assert_eq!(category(&io::Error::new(K::TimedOut, "text")), Category::Timeout);
    }

    #[test]
    fn parse_errors_are_invalid() {
        let bytes = vec![0xff];
        let errors: [Box<dyn Error>; 9] = [
            "x".parse::<u8>().unwrap_err().into(),
            "x".parse::<f64>().unwrap_err().into(),
            "x".parse::<bool>().unwrap_err().into(),
            "xy".parse::<char>().unwrap_err().into(),
            "x".parse::<std::net::IpAddr>().unwrap_err().into(),
            u8::try_from(300_u16).unwrap_err().into(),
            std::str::from_utf8(&bytes).unwrap_err().into(),
            String::from_utf8(bytes.clone()).unwrap_err().into(),
            http::Request::get("http://[").body(()).unwrap_err().into(),
        ];
        for error in errors {
            assert_eq!(category(&error), Category::Invalid, "{error:?}");
        }
        assert_eq!(category(&"x".parse::<u8>().unwrap_err()), Category::Invalid);
    }

    #[test]
    fn texts_and_nothing_are_unknown() {
        assert_eq!(category("timed out"), Category::Unknown);
        assert_eq!(category(&"timed out"), Category::Unknown);
        assert_eq!(category(&String::from("timed out")), Category::Unknown);
        assert_eq!(category(&()), Category::Unknown);
        assert_eq!(category(&fmt::Error), Category::Unknown);
    }

    #[test]
    fn pointers_say_what_they_point_at() {
        let error = || io::Error::from(ErrorKind::NotFound);
        assert_eq!(category(&&error()), Category::NotFound);
        assert_eq!(category(&Box::new(error())), Category::NotFound);
        assert_eq!(category(&Arc::new(error())), Category::NotFound);
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(error());
        assert_eq!(category(&shared), Category::NotFound);
    }

    #[tokio::test(start_paused = true)]
    async fn tokios_timeout_is_one() {
        let elapsed = tokio::time::timeout(SECOND, std::future::pending::<()>()).await.unwrap_err();
        assert_eq!(category(&elapsed), Category::Timeout);
        assert_eq!(of_dyn(&elapsed).category, Category::Timeout);
        assert_eq!(category(&io::Error::from(elapsed)), Category::Timeout);
    }

    #[test]
    fn json() {
        let parse = |text: &str| serde_json::from_str::<u8>(text).unwrap_err();
        for text in ["{", "nonsense", "\"text\"", "1 2"] {
            assert_eq!(category(&parse(text)), Category::Corrupt, "{text}");
        }
        struct Broken;
        impl io::Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(ErrorKind::ConnectionReset.into())
            }
        }
        let broken = serde_json::from_reader::<_, u8>(Broken).unwrap_err();
        assert_eq!(category(&broken), Category::Connection);
        assert_eq!(category(&anyhow::Error::new(parse("{"))), Category::Corrupt);
    }
}

mod over_http {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};

    /// A server on loopback that answers its first request with `answer` and hangs up, or with `None`
    /// keeps silent until the client leaves.
    fn server(answer: Option<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 1024]);
            match answer {
                Some(answer) => client.write_all(answer.as_bytes()).unwrap(),
                None => drop(client.read(&mut [0; 1024])),
            }
        });
        address
    }

    fn get(address: SocketAddr) -> reqwest::Result<String> {
        let client = reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_millis(500));
        client.build()?.get(format!("http://{address}/")).send()?.error_for_status()?.text()
    }

    fn class(answer: Option<&'static str>) -> Classification {
        of(&get(server(answer)).unwrap_err())
    }

    #[test]
    fn statuses_timeouts_and_broken_answers() {
        let busy = class(Some("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"));
        assert_eq!(busy.category, Category::RateLimited);
        let gone = class(Some("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"));
        assert_eq!(gone.category, Category::NotFound);
        let silent = class(None);
        assert_eq!((silent.category, silent.delivered), (Category::Timeout, Delivered::Maybe));
        let short = class(Some("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"));
        assert_eq!(short.category, Category::Connection);
        let closed = class(Some(""));
        assert_eq!((closed.category, closed.delivered), (Category::Connection, Delivered::Maybe));
    }

    #[test]
    fn a_request_that_never_left() {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let refused = get(address).unwrap_err();
        assert_eq!((of(&refused).category, of(&refused).delivered), (Category::Connection, Delivered::No));
        let boxed: Box<dyn Error> = Box::new(io::Error::other(refused));
        assert_eq!(of(&boxed).delivered, Delivered::No);
        let builder = reqwest::blocking::Client::new().get("no address").build().unwrap_err();
        assert_eq!(category(&builder), Category::Invalid);
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
