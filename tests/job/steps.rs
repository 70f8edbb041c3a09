//! What the steps of a job know, and steps without keys that overlap.

use super::*;

/// What a step sees of itself: its attempt, whether it may repeat an earlier one, and its idempotency key.
type Seen = (u32, bool, String);

fn seen() -> Seen {
    let step = step().expect("inside of a step");
    (step.attempt(), step.may_repeat(), step.idempotency_key())
}

static SEEN: std::sync::Mutex<Vec<Seen>> = std::sync::Mutex::new(Vec::new());

fn note_seen() {
    SEEN.lock().unwrap().push(seen());
}

#[checkpoint("flaky:{n}")]
fn flaky(n: u32) -> Result<u32, Error> {
    note_seen();
    if n == 1 { Err(Error::Broken) } else { Ok(n) }
}

#[checkpoint("flaky:{n}")]
async fn flaky_async(n: u32) -> Result<u32, Error> {
    note_seen();
    if n == 1 { Err(Error::Broken) } else { Ok(n) }
}

#[job("repeats:{id}")]
async fn repeats(id: u32, is_async: bool) -> Result<u32, Error> {
    let _ = id;
    for n in [0, 1, 1] {
        let _ = if is_async { flaky_async(n).await } else { flaky(n) };
    }
    if jobs::get(&resilience::durable::job().expect("this job")).await?.is_some_and(|job| job.attempts < 2) {
        std::future::pending::<()>().await;
    }
    flaky(2)
}

#[tokio::test(start_paused = true)]
async fn a_step_knows_whether_an_earlier_run_may_have_executed_it() {
    let _world = isolate();
    for is_async in [false, true] {
        let id = u32::from(is_async);
        {
            let mut call = Box::pin(repeats(id, is_async));
            assert!(futures::poll!(&mut call).is_pending());
        }
        let first = std::mem::take(&mut *SEEN.lock().unwrap());
        let marks = |seen: &[Seen]| seen.iter().map(|seen| (seen.0, seen.1)).collect::<Vec<_>>();
        assert_eq!(marks(&first), [(1, false), (1, false), (2, true)]);
        assert_eq!(recover().until_done().await.unwrap().count(Status::Done), 1);
        let second = std::mem::take(&mut *SEEN.lock().unwrap());
        assert_eq!(marks(&second), [(1, true), (2, true), (1, true)], "recovered, without records");
        assert_eq!((&first[1].2, &first[2].2), (&second[0].2, &second[1].2), "one and the same step");
        assert_ne!(first[0].2, first[1].2);
    }
    assert!(step().is_none());
}

#[test]
fn a_step_outside_jobs_knows_whether_it_was_started_before() {
    let _world = isolate();
    let seen = std::cell::RefCell::new(Vec::new());
    let call = |fails: bool| {
        resilience::Checkpoint::new("alone").call("alone", || {
            seen.borrow_mut().push(self::seen());
            if fails { Err(Error::Broken) } else { Ok(1) }
        })
    };
    assert_eq!((call(true), call(false), call(false)), (Err(Error::Broken), Ok(1), Ok(1)));
    let seen = seen.into_inner();
    assert_eq!(seen.iter().map(|seen| (seen.0, seen.1)).collect::<Vec<_>>(), [(1, false), (2, true)]);
    assert_eq!(seen[0].2, seen[1].2);
}

#[checkpoint]
async fn slow_tick() -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(1)
}

#[job("overlapping:{id}")]
async fn overlapping(id: u32) -> Result<u32, Error> {
    let (one, other) = tokio::join!(slow_tick(), slow_tick());
    Ok(id + one? + other?)
}

#[tokio::test(start_paused = true)]
async fn steps_without_keys_may_not_overlap() {
    let _world = isolate();
    let error = overlapping(1).await.unwrap_err();
    let Error::Rejected(Rejected::Checkpoint(error)) = error else { panic!("{error:?}") };
    assert!(matches!(*error, resilience::durable::CheckpointError::Overlap { .. }), "{error}");
    assert!(error.to_string().contains("give it a key"), "{error}");
}
