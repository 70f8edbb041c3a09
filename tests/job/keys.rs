//! Keys that cannot be recorded.

use super::*;

#[job("{name}", name = "named")]
fn named(name: &str) -> Result<(), Error> {
    panic!("`{name}` must not run")
}

#[job("{name}", name = "named async")]
async fn named_async(name: &str) -> Result<(), Error> {
    panic!("`{name}` must not run")
}

#[tokio::test]
async fn a_job_whose_key_is_empty_is_refused() {
    let _world = isolate();
    let body = |()| -> Result<(), Error> { panic!("it must not run") };
    for refused in [
        named(""),
        named_async("").await,
        resilience::Job::run_blocking("", (), body),
        resilience::Job::run("", (), async |()| body(())).await,
    ] {
        let error = refused.unwrap_err().job();
        assert!(matches!(error, JobError::EmptyKey { .. }), "{error}");
        assert!(error.to_string().contains("is empty"), "{error}");
    }
    assert!(jobs::list(Filter::new()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn a_job_whose_key_is_too_long_is_refused() {
    let _world = isolate();
    let key = "x".repeat(513);
    let body = |()| -> Result<(), Error> { panic!("it must not run") };
    for refused in [
        named(&key),
        named_async(&key).await,
        resilience::Job::run_blocking(&key, (), body),
        resilience::Job::run(&key, (), async |()| body(())).await,
    ] {
        let error = refused.unwrap_err().job();
        assert!(matches!(error, JobError::KeyTooLong { bytes: 513, .. }), "{error}");
    }
    assert!(jobs::list(Filter::new()).await.unwrap().items.is_empty());
}
