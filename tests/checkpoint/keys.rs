//! Keys that cannot be recorded.

use super::*;

#[checkpoint("{name}")]
fn named(name: &str) -> Result<u32, Error> {
    panic!("`{name}` must not run")
}

#[checkpoint("{name}")]
async fn named_async(name: &str) -> Result<u32, Error> {
    panic!("`{name}` must not run")
}

#[tokio::test]
async fn a_step_whose_key_is_empty_is_refused() {
    const STEP: Checkpoint = Checkpoint::new("step");
    let _world = isolate();
    let body = || -> Result<u32, Error> { panic!("it must not run") };
    let mut cursor = resilience::Progress::<u32>::open("");
    for refused in [
        named(""),
        named_async("").await,
        STEP.call("", body),
        STEP.call_async("", async || body()).await,
        Job::run_blocking("a job", (), |()| named("")),
        cursor.save(&1).await.map(|()| 1).map_err(Error::from),
        cursor.restore().await.map(|_| 1).map_err(Error::from),
        resilience::Progress::<u32>::peek("").await.map(|_| 1).map_err(Error::from),
    ] {
        let error = refused.unwrap_err().checkpoint();
        assert!(matches!(error, CheckpointError::EmptyKey { .. }), "{error}");
        assert!(error.to_string().contains("is empty"), "{error}");
    }
    assert!(checkpoints::list("").await.unwrap().is_empty());
}

/// A value whose `Display` fails after the beginning, as that of a wrong time format does.
#[derive(Clone, Serialize, Deserialize)]
struct Unprintable;

impl std::fmt::Display for Unprintable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("2026")?;
        Err(std::fmt::Error)
    }
}

#[checkpoint("of:{time}")]
fn in_a_template(time: Unprintable) -> Result<u32, Error> {
    let _ = time;
    panic!("it must not run")
}

#[checkpoint(time)]
async fn as_expression(time: &Unprintable) -> Result<u32, Error> {
    let _ = time;
    panic!("it must not run")
}

#[job("of:{time}")]
fn of_a_job(time: Unprintable) -> Result<u32, Error> {
    let _ = time;
    panic!("it must not run")
}

#[tokio::test]
async fn a_key_that_cannot_be_printed_is_refused_as_empty() {
    const STEP: Checkpoint = Checkpoint::new("step");
    let _world = isolate();
    let body = || -> Result<u32, Error> { panic!("it must not run") };
    for refused in [
        in_a_template(Unprintable),
        as_expression(&Unprintable).await,
        STEP.call(Unprintable, body),
        STEP.call_async(Unprintable, async || body()).await,
    ] {
        let error = refused.unwrap_err().checkpoint();
        assert!(matches!(error, CheckpointError::EmptyKey { .. }), "{error}");
    }
    let Err(Error::Rejected(Rejected::Job(error))) = of_a_job(Unprintable) else { panic!("it has run") };
    assert!(matches!(*error, JobError::EmptyKey { .. }), "{error}");
    assert!(checkpoints::list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn every_call_with_an_overlong_key_is_rejected() {
    const STEP: Checkpoint = Checkpoint::new("step");
    let _world = isolate();
    let body = || -> Result<u32, Error> { panic!("it must not run") };
    // Outside of every job, in a job, and written with escapes that make it too long.
    for (key, is_in_job) in [("x".repeat(513), false), ("x".repeat(513), true), ("/".repeat(171), false)] {
        let open = || resilience::Progress::<u32>::open(&key);
        let sync = || {
            vec![
                named(&key),
                open().save_blocking(&1).map(|()| 1).map_err(Error::from),
                open().restore_blocking().map(|_| 1).map_err(Error::from),
                open().flush_blocking().map(|()| 1).map_err(Error::from),
                resilience::Progress::<u32>::peek_blocking(&key).map(|_| 1).map_err(Error::from),
                open().finish_blocking().map(|()| 1).map_err(Error::from),
            ]
        };
        let later = async || {
            vec![
                named_async(&key).await,
                open().save(&1).await.map(|()| 1).map_err(Error::from),
                open().restore().await.map(|_| 1).map_err(Error::from),
                open().flush().await.map(|()| 1).map_err(Error::from),
                resilience::Progress::<u32>::peek(&key).await.map(|_| 1).map_err(Error::from),
                open().finish().await.map(|()| 1).map_err(Error::from),
            ]
        };
        let mut refused = Vec::new();
        if is_in_job {
            let ran: Result<(), Error> = Job::run_blocking("sync", (), |()| {
                refused.extend(sync());
                Ok(())
            });
            ran.unwrap();
            let refused = &mut refused;
            let ran: Result<(), Error> = Job::run("async", (), async |()| {
                refused.extend(later().await);
                Ok(())
            })
            .await;
            ran.unwrap();
        } else {
            refused.extend(sync());
            refused.extend(later().await);
            if key.len() == 513 {
                refused.push(STEP.call(&key, body));
                refused.push(STEP.call_async(&key, async || body()).await);
            }
        }
        for refused in refused {
            let error = refused.unwrap_err().checkpoint();
            assert!(matches!(error, CheckpointError::KeyTooLong { bytes, .. } if bytes == 513), "{error}");
            assert!(error.to_string().contains("more than a key may have (512)"), "{error}");
        }
    }
    // The longest that there may be.
    let mut cursor = resilience::Progress::<u32>::open(&"x".repeat(512));
    cursor.save(&1).await.unwrap();
    assert_eq!(cursor.restore().await.unwrap(), Some(1));
    assert_eq!(checkpoints::list("").await.unwrap().len(), 1);
}
