//! The code that the other side gave: found by the class, carried to the record.

use super::*;
use resilience::classify::{history, report};
use resilience::{with_fallback, with_retry};

#[derive(Debug, Classify)]
enum Failure {
    #[classify(status = .0)]
    Http(u32),
    #[classify(status = 503)]
    Down,
    #[classify(transparent)]
    Io(io::Error),
    #[classify(text)]
    Said(&'static str),
    #[classify(timeout)]
    Slow,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) => f.write_str(text),
            _ => f.write_str("failure"),
        }
    }
}

#[test]
fn every_source_of_an_error_code_is_read() {
    for (failure, code) in [
        (Failure::Http(429), Some(Code::Status(429))),
        (Failure::Http(200), Some(Code::Status(200))),
        (Failure::Http(7), None),
        (Failure::Http(70_000), None),
        (Failure::Down, Some(Code::Status(503))),
        (Failure::Io(io::Error::from_raw_os_error(104)), Some(Code::Os(104))),
        (Failure::Io(ErrorKind::ConnectionReset.into()), None),
        (Failure::Said("HTTP 502 Bad Gateway"), Some(Code::Status(502))),
        (Failure::Said("port 4290"), None),
        (Failure::Slow, None),
    ] {
        assert_eq!(of(&failure).code, code, "{failure:?}");
    }
    assert_eq!(of(&http::StatusCode::NOT_FOUND).code, Some(Code::Status(404)));
    let hidden: Box<dyn Error> = Box::new(io::Error::from_raw_os_error(111));
    assert_eq!(of(&hidden).code, Some(Code::Os(111)));
}

#[with_fallback(value = 0)]
#[with_retry(max = 1, name = "codes::call")]
fn call(failure: impl Fn() -> Failure) -> Result<u32, Failure> {
    Err(failure())
}

#[test]
fn records_of_attempts_and_reports_carry_the_code() {
    let _world = testing::isolate();
    let codes = || history().records().into_iter().map(|record| record.code).collect::<Vec<_>>();
    assert_eq!(call(|| Failure::Http(503)).unwrap(), 0);
    assert_eq!(codes(), [Some("503".to_owned()), Some("503".to_owned())]);
    history().clear();
    report("mailer", &Failure::Io(io::Error::from_raw_os_error(104)));
    report("mailer", &Failure::Slow);
    assert_eq!(codes(), [Some("os error 104".to_owned()), None]);
}
