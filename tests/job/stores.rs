//! Jobs and steps in stores of their own.

use super::*;

#[test]
fn a_job_with_its_own_store_is_recovered_from_it() {
    let _world = isolate();
    CRASHES.store(true, Ordering::Relaxed);
    assert!(std::panic::catch_unwind(|| elsewhere(1)).is_err());
    CRASHES.store(false, Ordering::Relaxed);
    let mut failed = futures::executor::block_on(STORE.get("j/elsewhere:1")).unwrap().unwrap();
    failed.status = Status::Interrupted;
    futures::executor::block_on(STORE.cas(Some(failed.revision), failed)).unwrap();
    assert_eq!(recover().until_done().blocking().unwrap().jobs.len(), 0, "not in the default store");
    let recovered = recover().store(STORE.clone()).until_done().blocking().unwrap();
    let found = recovered.jobs.iter().find(|job| job.id == "elsewhere:1").unwrap();
    assert_eq!((found.status, &found.problem), (Status::Done, &None));
}

static CRASHES: AtomicBool = AtomicBool::new(false);

#[job("elsewhere:{id}", store = &*STORE)]
fn elsewhere(id: u32) -> Result<u32, Error> {
    tick()?;
    assert!(!CRASHES.load(Ordering::Relaxed), "crash");
    Ok(id)
}

static SCRATCH: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));

#[checkpoint("apart:{n}", store = &*SCRATCH)]
fn apart(n: u32) -> Result<String, Error> {
    log(format!("apart {n}"));
    Ok(step().expect("a step").idempotency_key())
}

#[job("uses both:{id}", on_mismatch = rerun)]
fn uses_both(id: u32, amount: u32) -> Result<String, Error> {
    tick()?;
    let apart = apart(id)?;
    Ok(format!("{amount} {apart}"))
}

#[test]
fn a_step_in_another_store_belongs_to_one_incarnation_of_its_job() {
    let _world = isolate();
    let first = uses_both(1, 10).unwrap();
    assert_eq!(uses_both(1, 10).unwrap(), first);
    assert_eq!(logged(), ["tick", "apart 1"]);
    // Other arguments, with `rerun`: nothing of the earlier job is used.
    let second = uses_both(1, 20).unwrap();
    assert_eq!(logged(), ["tick", "apart 1"]);
    assert!(jobs::blocking::remove("uses both:1").unwrap());
    let third = uses_both(1, 20).unwrap();
    assert_eq!(logged(), ["tick", "apart 1"]);
    // A job with the same id in another store is another job.
    use_store(Arc::new(MemoryStore::new()));
    let fourth = uses_both(1, 20).unwrap();
    assert_eq!(logged(), ["tick", "apart 1"]);
    let keys: HashSet<_> =
        [&first, &second, &third, &fourth].map(|text| text.split(' ').nth(1).unwrap()).into();
    assert_eq!(keys.len(), 4, "each has an idempotency key of its own");
    let scratch = checkpoints::blocking::of(SCRATCH.clone());
    let listed = scratch.list("uses both:1/").unwrap();
    assert!(listed.items.iter().all(|step| step.key.ends_with("/apart:1")), "{listed:?}");
    assert_eq!(listed.items.len(), 4, "{listed:?}");
    for step in &listed {
        assert!(scratch.remove(&step.key).unwrap(), "{step:?}");
    }
    assert_eq!(scratch.list("uses both:1/").unwrap().items.len(), 0);
}

#[job("crashes apart:{id}")]
async fn crashes_apart(id: u32) -> Result<u32, Error> {
    apart(id)?;
    may_crash(id).await;
    Ok(id)
}

#[tokio::test]
async fn a_recovered_job_reuses_its_step_in_another_store() {
    let _world = isolate();
    CRASH.set(2);
    assert!(futures::poll!(Box::pin(crashes_apart(2))).is_pending());
    CRASH.set(0);
    assert_eq!(crashes_apart(2).await.unwrap(), 2);
    assert_eq!(logged(), ["apart 2"]);
}
