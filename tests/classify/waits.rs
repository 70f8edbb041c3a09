//! The wait that a response asks for.

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
