//! Lines about errors that have no class.

use super::*;

/// As from another crate.
#[derive(Debug)]
struct Foreign;

#[derive(Debug)]
struct Other;

/// An `Error` with a source that is known, or not.
#[derive(Debug, thiserror::Error)]
#[error("{SECRET}")]
struct Wraps<E: std::error::Error + 'static>(#[source] E);

#[derive(Debug, thiserror::Error)]
#[error("{SECRET}")]
struct Mute;

fn notices(work: impl FnOnce()) -> Vec<Seen> {
    let seen = reported(|_| work());
    seen.into_iter().filter(|seen| seen.target == "resilience::classify").collect()
}

#[with_retry(max = 2, jitter = none)]
fn first() -> Result<(), Foreign> {
    Err(Foreign)
}

#[with_retry(max = 2, jitter = none)]
async fn second() -> Result<(), Foreign> {
    Err(Foreign)
}

#[with_retry(max = 1, jitter = none, context(k = 1))]
fn generic<E>(fail: fn() -> E) -> Result<(), E> {
    Err(fail())
}

#[with_retry(max = 1, jitter = none)]
fn known() -> Result<(), Wraps<std::io::Error>> {
    Err(Wraps(std::io::ErrorKind::TimedOut.into()))
}

#[with_retry(max = 1, jitter = none)]
fn unknown() -> Result<(), Wraps<Mute>> {
    Err(Wraps(Mute))
}

#[with_retry(max = 1, jitter = none, classify = |_| Category::Unknown)]
fn asked() -> Result<(), Foreign> {
    Err(Foreign)
}

#[with_retry(max = 1, jitter = none)]
fn declared() -> Result<(), Secret> {
    Err(Secret(Category::Unknown))
}

#[test]
fn an_unclassified_type_is_logged_once_per_point() {
    let seen = notices(|| {
        for _ in 0..3 {
            first().unwrap_err();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(second()).unwrap_err();
        }
    });
    let points: Vec<_> = seen.iter().map(|seen| seen.field("point")).collect();
    assert_eq!(points, ["tracing::unclassified::first", "tracing::unclassified::second"]);
    assert_eq!(levels(&seen), [Level::DEBUG; 2]);
    assert_eq!(seen[0].field("error_type"), "tracing::unclassified::Foreign");
    let message = seen[0].field("message");
    assert!(message.contains("nothing classifies `tracing::unclassified::Foreign`"), "{message}");
    assert!(message.contains("`classify = ..`"), "{message}");
    assert_eq!(notices(|| drop(first())).len(), 1, "another world has its own");
}

#[test]
fn each_type_of_a_generic_function_is_logged() {
    let seen = notices(|| {
        for _ in 0..2 {
            generic(|| Foreign).unwrap_err();
            generic(|| Other).unwrap_err();
        }
    });
    let types: Vec<_> = seen.iter().map(|seen| seen.field("error_type")).collect();
    assert_eq!(types, ["tracing::unclassified::Foreign", "tracing::unclassified::Other"]);
}

#[test]
fn classified_types_are_not_logged() {
    let seen = notices(|| {
        known().unwrap_err();
        asked().unwrap_err();
        declared().unwrap_err();
    });
    assert!(seen.is_empty(), "{seen:#?}");
    let seen = notices(|| drop(unknown()));
    assert_eq!(seen.len(), 1, "no source of it is known: {seen:#?}");
    assert!(!format!("{seen:?}").contains(SECRET));
}
