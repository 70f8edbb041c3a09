//! Leases whose holder goes away, or loses them, in the middle of things: nobody waits for their end.

use crate::common::{Error, block_on, ran, runs};
use crate::faulty::{Fault, Faulty, world};
use resilience::durable::store::Release;
use resilience::durable::{CheckpointError, JobError, Status, Store};
use resilience::{Progress, Rejected, checkpoint, job, jobs};
use std::cell::Cell;
use std::sync::{Arc, LazyLock};

#[checkpoint("step:{id}")]
async fn step(id: u32) -> Result<u32, Error> {
    ran();
    Ok(id)
}

#[job("job:{id}")]
async fn work(id: u32) -> Result<u32, Error> {
    ran();
    Ok(id)
}

/// Drops `call` while the store has given it the lease and has not yet said so.
fn drop_at_the_answer<T>(call: impl Future<Output = T>) {
    let mut call = Box::pin(call);
    let waker = futures::task::noop_waker();
    let mut cx = std::task::Context::from_waker(&waker);
    assert!(call.as_mut().poll(&mut cx).is_pending());
}

#[test]
fn a_claim_that_nobody_takes_is_given_back() {
    let (store, world) = world(Fault::LateAnswers);
    let status = |key: &str| block_on(store.get(key)).expect("a store").expect("a record").status;
    drop_at_the_answer(step(1));
    assert_eq!(status("c/step:1"), Status::Free);
    drop_at_the_answer(work(1));
    assert_eq!(status("j/job:1"), Status::Interrupted);
    drop_at_the_answer(async { Progress::<u32>::open("rows").restore().await });
    assert_eq!(status("p//rows"), Status::Free);
    assert_eq!(runs(), 0);
    store.set(Fault::None);
    assert_eq!((block_on(step(1)), block_on(work(1)), runs()), (Ok(1), Ok(1), 2));
    assert_eq!(world.waits(), [], "and nobody waits for a lease to end");
}

#[checkpoint("of-job:{id}")]
async fn loses_its_job(id: u32) -> Result<u32, Error> {
    if ran() == 0 {
        let store = STORE.with(Cell::take).expect("a store");
        let record = store.get("j/loses:1").await.expect("a store").expect("the job");
        let release = Release::new("j/loses:1", record.fence, Status::Interrupted);
        store.release(release).await.expect("given away");
    }
    Ok(id)
}

thread_local! {
    static STORE: Cell<Option<Arc<Faulty>>> = const { Cell::new(None) };
}

#[job("loses:{id}")]
async fn loses(id: u32) -> Result<u32, Error> {
    loses_its_job(id).await
}

#[test]
fn a_step_whose_job_was_lost_is_free_for_the_next_holder() {
    let (store, world) = world(Fault::None);
    STORE.set(Some(store.clone()));
    let Err(Error::Rejected(Rejected::Job(error))) = block_on(loses(1)) else { panic!("the job is lost") };
    assert!(matches!(*error, JobError::Fenced { .. }), "{error}");
    assert_eq!(jobs::blocking::steps("loses:1").expect("a store").len(), 0, "nothing is recorded");
    assert_eq!((block_on(loses(1)), runs(), world.waits()), (Ok(1), 2, vec![]));
}

/// On the real clock: leases are not renewed in a test world.
static REAL: LazyLock<Arc<Faulty>> = LazyLock::new(|| Arc::new(Faulty::new(Fault::Thief)));

#[checkpoint("lost:{id}", lease = 0.03s, store = &*REAL)]
async fn outrun(id: u32) -> Result<u32, Error> {
    let step = resilience::step().expect("inside of a step");
    assert!(!step.is_lease_lost());
    step.lease_lost().await;
    assert!(step.is_lease_lost());
    ran();
    Ok(id)
}

#[tokio::test]
async fn a_holder_can_wait_for_the_loss_of_its_lease() {
    let error = outrun(1).await.expect_err("the lease is lost").checkpoint();
    assert!(matches!(error, CheckpointError::Fenced { .. }), "{error}");
    assert_eq!(runs(), 1, "the body ended, and its value is discarded");
}
