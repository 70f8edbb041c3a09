//! Results and ends that the store does not take, or not yet.

use super::*;

#[job("ends-large:{bytes}")]
fn large(bytes: usize) -> Result<String, Error> {
    ran();
    Ok("x".repeat(bytes))
}

#[job("large-async:{bytes}")]
async fn large_async(bytes: usize) -> Result<String, Error> {
    ran();
    Ok("x".repeat(bytes))
}

/// The error of a job whose result has too many bytes, and the job.
fn too_large(result: Result<String, Error>, id: &str) {
    let Err(Error::Rejected(rejected)) = result else { panic!("it is too large") };
    assert_eq!(rejected.not_recorded::<String>().map(|value| value.len()), Some(1 << 20));
    assert_eq!(rejected.not_recorded::<u32>(), None);
    assert_eq!(rejected.classify().delivered, Delivered::Yes, "the body is done");
    let text = rejected.to_string();
    assert!(text.contains("1048578 bytes") && text.contains("record a reference"), "{text}");
    let job = info(id);
    assert_eq!((job.status, job.problem.as_deref()), (Status::Failed, Some(text.as_str())));
}

#[test]
fn an_oversized_result_fails_the_job_and_is_in_the_error() {
    let (_store, _world) = world(Fault::None);
    let by_hand = |bytes| Job::run_blocking("by-hand", bytes, |bytes: usize| Ok("x".repeat(bytes)));
    let by_hand_async = |bytes| Job::run("by-hand-async", bytes, async |bytes: usize| Ok("x".repeat(bytes)));
    too_large(large(1 << 20), &format!("ends-large:{}", 1 << 20));
    too_large(block_on(large_async(1 << 20)), &format!("large-async:{}", 1 << 20));
    too_large(by_hand(1 << 20), "by-hand");
    too_large(block_on(by_hand_async(1 << 20)), "by-hand-async");
    RUNS.set(0);
    assert_eq!(recover().until_done().blocking().unwrap().jobs.len(), 0, "nothing runs it again by itself");
    let again = large(1 << 20).unwrap_err();
    let Error::Rejected(Rejected::Job(error)) = again else { panic!("{again:?}") };
    assert!(matches!(*error, JobError::Stopped { status: Status::Failed, .. }), "{error}");
    assert_eq!(RUNS.get(), 0);
}

#[checkpoint("large-step:{bytes}")]
fn large_step(bytes: usize) -> Result<String, Error> {
    ran();
    Ok("x".repeat(bytes))
}

#[job("with-large-step:{bytes}")]
fn with_large_step(bytes: usize) -> Result<usize, Error> {
    large_step(bytes).map(|value| value.len())
}

#[test]
fn an_oversized_step_value_fails_the_job() {
    let (_store, _world) = world(Fault::None);
    let Err(Error::Rejected(rejected)) = with_large_step(1 << 20) else { panic!("it is too large") };
    assert_eq!(rejected.not_recorded::<String>().map(|value| value.len()), Some(1 << 20));
    assert!(rejected.to_string().contains("1048578 bytes"), "{rejected}");
    assert_eq!(info(&format!("with-large-step:{}", 1 << 20)).status, Status::Failed);
    assert_eq!(recover().until_done().blocking().unwrap().jobs.len(), 0);
}

#[test]
fn an_unrecorded_result_fails_the_job_once_the_store_is_back() {
    let (store, _world) = world(Fault::None);
    let body = |(): ()| {
        ran();
        store.set(Fault::Results(down(), 4));
        Ok::<u32, Error>(7)
    };
    let Err(Error::Rejected(rejected)) = Job::run_blocking("unrecorded", (), body) else {
        panic!("it is down")
    };
    assert!(matches!(&rejected, Rejected::Job(error) if matches!(**error, JobError::NotRecorded { .. })));
    assert_eq!(rejected.not_recorded::<u32>(), Some(7));
    let job = info("unrecorded");
    assert_eq!(job.status, Status::Failed, "{job}");
    assert!(job.problem.is_some_and(|problem| problem.contains("the server is gone")));
}

#[job("cut-off:{id}")]
fn cut_off(id: u32) -> Result<u32, Error> {
    ran();
    fail_store();
    match id {
        1 => pay(),
        2 => Err(Error::Own),
        _ => Ok(id),
    }
}

#[job("cut-off-async:{id}")]
async fn cut_off_async(id: u32) -> Result<u32, Error> {
    ran();
    fail_store();
    match id {
        1 => pay_async().await,
        2 => Err(Error::Own),
        _ => Ok(id),
    }
}

/// The store fails from now on.
fn fail_store() {
    STORE.with_borrow(|store| store.as_ref().into_iter().for_each(|store| store.set(Fault::All(down()))));
}

#[test]
fn an_end_during_an_outage_is_recorded_after_it() {
    let (store, _world) = world(Fault::None);
    for id in 1..=3 {
        STORE.set(Some(store.clone()));
        cut_off(id).unwrap_err();
        store.set(Fault::None);
        block_on(cut_off_async(id)).unwrap_err();
        STORE.set(None);
        RUNS.set(0);
        store.set(Fault::None);
        assert_eq!(info(&format!("cut-off-async:{id}")).status, Status::Running, "nobody has told the store");
        let recovered = jobs::blocking::sweep().unwrap();
        let (jobs, expected) = match id {
            1 => (2, Status::Done),
            _ => (0, Status::Failed),
        };
        assert_eq!((recovered.jobs.len(), recovered.count(Status::Done)), (jobs, jobs), "{recovered}");
        let id = format!("cut-off:{id}");
        assert_eq!(info(&id).status, expected, "{id}");
        jobs::blocking::remove(&id).unwrap();
        jobs::blocking::remove(&id.replace("off", "off-async")).unwrap();
    }
}

#[test]
fn a_call_sees_an_end_that_is_not_recorded_yet() {
    let (store, _world) = world(Fault::None);
    STORE.set(Some(store.clone()));
    let Err(Error::Rejected(rejected)) = cut_off(3) else { panic!("it was not recorded") };
    assert_eq!(rejected.not_recorded::<u32>(), Some(3));
    STORE.set(None);
    store.set(Fault::None);
    let Err(Error::Rejected(Rejected::Job(error))) = cut_off(3) else { panic!("it was recorded") };
    assert!(matches!(*error, JobError::Stopped { status: Status::Failed, .. }), "{error}");
    let problem = info("cut-off:3").problem.expect("a problem");
    assert!(problem.contains("could not be recorded: the store cannot be used"), "{problem}");
}
