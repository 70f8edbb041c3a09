//! What a step and a job do while their store is out of order.

use crate::common::{Error, Scratch, ran, runs};
use crate::faulty::{Fault, Faulty, world};
use futures::executor::block_on;
use resilience::durable::{CheckpointError, JobError, Record, Status, Store, StoreError};
use resilience::{Rejected, checkpoint, checkpoints, job, jobs, recover};
use std::collections::BTreeMap;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

#[checkpoint("pay:{id}")]
fn pay(id: u32) -> Result<String, Error> {
    ran();
    Ok(format!("receipt {id}"))
}

#[checkpoint("pay-async:{id}")]
async fn pay_async(id: u32) -> Result<String, Error> {
    ran();
    Ok(format!("receipt {id}"))
}

#[checkpoint("look:{id}", on_store_error = run)]
fn look(id: u32) -> Result<String, Error> {
    ran();
    Ok(format!("page {id}"))
}

#[job("order:{id}")]
fn order(id: u32) -> Result<String, Error> {
    ran();
    pay(id)
}

fn down() -> StoreError {
    StoreError::Unavailable("the server is gone".to_owned())
}

#[test]
fn the_body_does_not_run_without_a_store() {
    let outages = [down(), StoreError::Full, StoreError::ReadOnly, StoreError::Poisoned];
    for outage in outages {
        let (store, _world) = world(Fault::Claims(outage.clone()));
        let error = pay(1).expect_err("the store is down").checkpoint();
        assert!(matches!(&error, CheckpointError::Store { store, .. } if **store == outage), "{error:?}");
        assert!(error.to_string().contains(&outage.to_string()), "{error}");
        assert_eq!(runs(), 0, "{outage}");
        store.set(Fault::None);
        assert_eq!(pay(1), Ok("receipt 1".to_owned()), "the store is back");
        assert_eq!(runs(), 1);
    }
}

#[test]
fn a_step_may_opt_into_running_without_a_store() {
    let (store, _world) = world(Fault::Claims(down()));
    assert_eq!(look(1), Ok("page 1".to_owned()));
    assert_eq!(look(1), Ok("page 1".to_owned()));
    assert_eq!(runs(), 2, "nothing was recorded");
    store.set(Fault::Results(StoreError::Full, 1));
    assert_eq!(look(1), Ok("page 1".to_owned()), "the body has run, so its value counts");
    assert_eq!(runs(), 1);
}

#[test]
fn a_value_that_was_not_recorded_is_in_the_error() {
    let (store, _world) = world(Fault::Results(StoreError::Full, 1));
    let error = pay(1).expect_err("the store is full");
    let Error::Rejected(rejected) = &error;
    assert_eq!(rejected.not_recorded::<String>(), Some("receipt 1".to_owned()));
    assert_eq!(rejected.not_recorded::<u32>(), None, "another type is no value");
    assert_eq!(runs(), 1);
    assert_eq!(checkpoints::blocking::load::<String>("pay:1").expect("a store"), None);
    store.set(Fault::None);
    let error = error.checkpoint();
    assert!(matches!(error, CheckpointError::NotRecorded { .. }), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_after_the_body_is_waited_for() {
    let (_store, world) = world(Fault::Results(down(), 3));
    assert_eq!(pay_async(1).await, Ok("receipt 1".to_owned()));
    assert_eq!(world.waits().len(), 3, "{:?}", world.waits());
    assert_eq!(pay_async(1).await, Ok("receipt 1".to_owned()));
    assert_eq!(runs(), 1);
}

#[test]
fn a_long_outage_after_the_body_returns_the_value() {
    let (_store, world) = world(Fault::Results(down(), u32::MAX));
    let error = pay(1).expect_err("the store is down");
    let Error::Rejected(rejected) = error;
    assert_eq!(rejected.not_recorded::<String>(), Some("receipt 1".to_owned()));
    assert_eq!(world.waits().len(), 3);
}

#[test]
fn a_job_needs_a_store_to_start_and_to_record_its_steps() {
    let (store, _world) = world(Fault::Claims(down()));
    let error = order(1).expect_err("the store is down");
    let Error::Rejected(Rejected::Job(error)) = error else { panic!("{error:?}") };
    assert!(matches!(*error, JobError::Store { .. }), "{error:?}");
    assert_eq!(runs(), 0);
    store.set(Fault::Results(StoreError::Full, 1));
    let error = order(1).expect_err("the step could not be recorded");
    assert_eq!(runs(), 2, "the job and its step");
    assert!(matches!(error.checkpoint(), CheckpointError::NotRecorded { .. }));
    let info = jobs::blocking::get("order:1").expect("a store").expect("the job");
    assert!(matches!(info.status, Status::Failed | Status::Interrupted), "{}", info.status);
}

#[checkpoint("map:{id}")]
fn map(id: u32) -> Result<BTreeMap<(u32, u32), u32>, Error> {
    ran();
    Ok([((id, id), id)].into())
}

#[checkpoint("large:{bytes}")]
fn large(bytes: usize) -> Result<String, Error> {
    ran();
    Ok("x".repeat(bytes))
}

#[test]
fn values_that_cannot_be_recorded_are_rejected_with_a_reason() {
    let (_store, _world) = world(Fault::None);
    let error = map(1).expect_err("JSON has no such keys").checkpoint();
    assert!(matches!(&error, CheckpointError::Encode { message, .. } if message.contains("key")), "{error}");
    // The quotes count, too.
    assert!(large((1 << 20) - 2).is_ok());
    let error = large((1 << 20) - 1).expect_err("over 1 MiB").checkpoint();
    assert!(matches!(error, CheckpointError::TooLarge { bytes, .. } if bytes == (1 << 20) + 1), "{error}");
    assert!(error.to_string().contains("1 MiB"), "{error}");
    runs();
    assert!(large((1 << 20) - 1).is_err());
    assert_eq!(runs(), 1, "nothing was recorded, so it runs again");
}

static SWEPT: OnceLock<Mutex<Sender<u32>>> = OnceLock::new();

#[job("swept:{id}")]
fn swept(id: u32) -> Result<u32, Error> {
    let _ = SWEPT.get().expect("a listener").lock().expect("the listener").send(id);
    Ok(id)
}

#[test]
fn a_sweep_survives_a_store_that_panics() {
    let (send, ran) = channel();
    SWEPT.set(Mutex::new(send)).expect("one test listens");
    let store = Arc::new(Faulty::new(Fault::None));
    let every = Duration::from_millis(10);
    recover().store(store.clone()).every(every).blocking().expect("a recovery");
    store.set(Fault::Panics);
    while store.panics() < 2 {
        std::thread::yield_now();
    }
    let error = recover().store(store.clone()).once().blocking().expect_err("nothing can be looked up");
    assert!(error.to_string().contains("its code panicked"), "{error}");
    store.set(Fault::None);
    let mut job = Record::new("j/swept:1");
    job.function = "swept:{id}".to_owned();
    job.status = Status::Interrupted;
    job.input = br#"{"id":1}"#.to_vec();
    job.inputs = Some(1);
    block_on(store.cas(None, job)).expect("a job");
    assert_eq!(ran.recv_timeout(Duration::from_secs(60)), Ok(1), "the sweep goes on");
}

#[test]
fn a_recovery_marks_the_jobs_of_a_page_together() {
    let store = Arc::new(Faulty::new(Fault::Together(40)));
    for id in 0..40 {
        let mut job = Record::new(format!("j/left:{id}"));
        (job.function, job.status, job.owner) = ("left:{id}".to_owned(), Status::Running, String::new());
        block_on(store.cas(None, job)).expect("a job");
    }
    let recovered = recover().store(store).once().blocking().expect("a recovery");
    assert_eq!(recovered.jobs.len(), 40, "a store with a log syncs once for all of them");
}

/// One alert a minute says that the store is down, whichever call finds it so.
#[cfg(feature = "ops")]
#[test]
fn a_store_that_is_down_raises_an_alert() {
    use resilience::alerts;
    let calls: [fn() -> bool; 4] =
        [|| pay(1).is_err(), || block_on(pay_async(1)).is_err(), || order(1).is_err(), || look(1).is_ok()];
    for (n, call) in calls.into_iter().enumerate() {
        let (store, world) = world(Fault::Claims(down()));
        let scratch = Scratch::new();
        alerts::use_dir(scratch.path("alerts"));
        assert!((0..3).all(|_| call()));
        assert!(alerts::flush(Duration::from_secs(60)));
        let seen = alerts::recent(10).expect("a look").alerts;
        let lines: Vec<_> = seen.iter().map(|alert| (&*alert.component, &*alert.message)).collect();
        assert_eq!(lines, [("store", "the store is down")], "{n}");
        assert!(seen[0].details["reason"].as_str().expect("a text").contains("the server is gone"));
        assert!(seen[0].details["point"].is_string());
        store.set(Fault::None);
        world.advance(Duration::from_secs(60));
        assert!(alerts::flush(Duration::from_secs(60)));
        let held_back = alerts::recent(10).expect("a look").alerts.pop().expect("one");
        assert_eq!(held_back.details["suppressed"], 2);
    }
}

#[cfg(feature = "ops")]
#[test]
fn write_attempts_are_counted_by_store_kind_and_result() {
    let (store, _world) = world(Fault::Results(down(), 2));
    let counted = || -> Vec<String> {
        let page = resilience::metrics::prometheus();
        let counts = page.lines().filter_map(|line| line.strip_prefix("resilience_checkpoint_write"));
        counts
            .filter(|line| line.starts_with("s_total") || line.starts_with("_seconds_count"))
            .map(str::to_owned)
            .collect()
    };
    assert_eq!(counted(), [""; 0]);
    assert_eq!(pay(1), Ok("receipt 1".to_owned()), "recorded at the third try");
    let first = r#"store="fau\"lty",result="#;
    let expected = |metric: &str| {
        let of = |result: &str, count: u32| format!("{metric}{{{first}\"{result}\"}} {count}");
        [of("ok", 1), of("unavailable", 2)]
    };
    assert_eq!(counted(), [expected("s_total"), expected("_seconds_count")].concat());
    store.set(Fault::PanicsInKind);
    assert_eq!(pay(2), Ok("receipt 2".to_owned()), "the write was answered");
    assert!(counted().contains(&r#"s_total{store="other",result="ok"} 1"#.to_owned()), "{:?}", counted());
    assert_eq!(store.panics(), 1);
}
