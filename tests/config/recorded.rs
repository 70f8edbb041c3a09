//! Settings of jobs and steps.

use crate::support::load;
use futures::executor::block_on;
use resilience::durable::store::Claim;
use resilience::durable::{MemoryStore, Record, Status, Store, use_store};
use resilience::testing::isolate;
use resilience::{Rejected, checkpoint, job, jobs};
use std::sync::Arc;
use std::time::Duration;

#[checkpoint("recorded:{id}", name = "recorded::step")]
fn step(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[job("recorded:{id}", name = "recorded::job")]
fn work(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

/// Lets another process work on both.
fn hold() {
    // Recorded once, for the arguments as records have them.
    let done = Arc::new(MemoryStore::new());
    use_store(done.clone());
    assert_eq!((step(1), work(1)), (Ok(1), Ok(1)));
    let store = Arc::new(MemoryStore::new());
    for (key, name) in [("c/recorded:1", "recorded::step"), ("j/recorded:1", "recorded::job")] {
        let record = block_on(done.get(key)).expect("a store").expect("its record");
        let mut claim = Claim::new(key, "other", name);
        (claim.lease, claim.inputs) = (Duration::from_secs(3_600), record.inputs);
        block_on(store.claim(claim)).expect("a free key");
    }
    use_store(store);
}

#[test]
fn the_wait_for_another_holder_is_configurable() {
    let world = isolate();
    hold();
    let waited = |call: fn(u32) -> Result<u32, Rejected>| {
        let before = world.now();
        let error = call(1).expect_err("another process holds it").to_string();
        assert!(error.contains("by process other"), "{error}");
        world.now() - before
    };
    let minutes = |waited: Duration| waited.as_secs_f64().div_euclid(60.0);
    assert_eq!([step, work].map(|call| minutes(waited(call))), [5.0, 5.0]);
    load("[checkpoint]\nwait = \"0s\"\n[job]\nwait = \"0s\"\n").expect("sound settings");
    assert_eq!([step, work].map(waited), [Duration::ZERO; 2]);
    load("[hedge]\nenabled = true\n").expect("sound settings");
    assert_eq!([step, work].map(|call| minutes(waited(call))), [5.0, 5.0]);
}

#[test]
fn the_number_of_recoveries_is_configurable() {
    for (text, is_dead) in [("[job]\nmax_recoveries = 2\n", true), ("[job]\nmax_recoveries = 3\n", false)] {
        let _world = isolate();
        let store = Arc::new(MemoryStore::new());
        use_store(store.clone());
        load(text).expect("sound settings");
        let mut often = Record::new("j/recorded:2");
        (often.function, often.status) = ("recorded::job".to_owned(), Status::Interrupted);
        (often.attempts, often.recoveries, often.inputs) = (4, 3, Some(1));
        often.input = br#"{"id":2}"#.to_vec();
        block_on(store.cas(None, often)).expect("a free key");
        assert_eq!(
            jobs::blocking::sweep().expect("a store").count(Status::Dead),
            usize::from(is_dead),
            "{text}"
        );
    }
}
