//! Steps inside of steps and jobs, and calls that would wait for themselves.

use super::*;

#[checkpoint("inside:{depth}", inputs())]
fn inside(depth: u32, other: bool) -> Result<u32, Error> {
    ran();
    match (depth, other) {
        (0, _) => Ok(0),
        (_, true) => inside(depth - 1, true),
        (_, false) => inside(depth, false),
    }
}

#[checkpoint("inside_async:{id}")]
async fn inside_async(id: u32) -> Result<u32, Error> {
    ran();
    let inner = Box::pin(outer_of(id));
    inner.await
}

async fn outer_of(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    inside_async(id).await
}

#[test]
fn a_recursive_step_is_rejected_at_once() {
    let world = isolate();
    let error = inside(2, false).unwrap_err().checkpoint();
    assert!(matches!(error, CheckpointError::Recursive { .. }), "{error}");
    assert!(error.to_string().contains("inside of itself"), "{error}");
    assert_eq!((world.waits(), runs()), (vec![], 1), "nothing was waited for");
    assert_eq!(inside(2, true).unwrap(), 0, "other keys are other steps");
    let error = futures::executor::block_on(inside_async(1)).unwrap_err().checkpoint();
    assert!(matches!(error, CheckpointError::Recursive { .. }), "{error}");
    let open = checkpoints::blocking::list("inside").unwrap();
    assert_eq!(open.iter().filter(|step| step.status == Status::Running).count(), 0, "{open:?}");
}

#[checkpoint("inner:{n}", in_job)]
fn inner(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[checkpoint("inner-async:{n}", in_job)]
async fn inner_async(n: u32) -> Result<u32, Error> {
    Ok(n)
}

#[tokio::test(start_paused = true)]
async fn a_job_only_step_is_rejected_outside_a_job() {
    let _world = isolate();
    for error in [inner(1).unwrap_err(), inner_async(1).await.unwrap_err()] {
        let error = error.checkpoint();
        assert!(matches!(error, CheckpointError::OutsideJob { .. }), "{error:?}");
        assert!(error.to_string().contains("resilience::in_scope(..)"), "{error}");
    }
    let inside: Result<(u32, u32), Error> =
        Job::run("inside", (), async |()| Ok((inner(1)?, inner_async(2).await?))).await;
    assert_eq!(inside, Ok((1, 2)));
    let by_hand: Result<u32, Rejected> = Checkpoint::new("by-hand").in_job(true).call("key", || Ok(1));
    assert!(by_hand.unwrap_err().to_string().contains("in_job"));
}

#[test]
fn a_sync_call_does_not_wait_for_a_task_of_its_own_thread() {
    const STEP: Checkpoint = Checkpoint::new("step");
    let (send, ended) = std::sync::mpsc::channel();
    let calls = std::thread::spawn(move || {
        let world = isolate();
        let never = async || std::future::pending::<Result<u32, Error>>().await;
        let mut step = Box::pin(STEP.call_async("one", never));
        assert!(step.as_mut().now_or_never().is_none());
        let refused = STEP.call("one", || -> Result<u32, Error> { panic!("it must not run") });
        let refused = refused.unwrap_err().checkpoint();
        assert!(matches!(refused, CheckpointError::Busy { .. }), "{refused}");

        let mut job = Box::pin(Job::run("one", (), async |()| never().await));
        assert!(job.as_mut().now_or_never().is_none());
        let refused = Job::run_blocking("one", (), |()| -> Result<u32, Error> { panic!("it must not run") });
        let Err(Error::Rejected(Rejected::Job(refused))) = refused else { panic!("{refused:?}") };
        assert!(matches!(*refused, JobError::Busy { .. }), "{refused}");
        assert_eq!(world.waits(), [], "refused at once");

        drop((step, job));
        assert_eq!(STEP.call("one", || Ok::<_, Error>(2)), Ok(2));
        send.send(()).unwrap();
    });
    let limit = Duration::from_secs(60);
    assert_ne!(ended.recv_timeout(limit), Err(std::sync::mpsc::RecvTimeoutError::Timeout), "it waits");
    calls.join().unwrap();
}
