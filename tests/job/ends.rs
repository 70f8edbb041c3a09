//! What is reported of a job whose end the store refuses, takes later, or never answers.

use super::*;
use crate::forward::forward;
use resilience::Event;
use resilience::durable::recovery_stats;
use resilience::durable::store::{Claim, Claimed, Completion, Release, StoreError, Work};
use resilience::testing::World;
use std::sync::Mutex;

/// What happens to the end of a job.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    None,
    /// Another process has taken the job over.
    Taken,
    /// The store is out of order.
    Down,
    /// The store answers with another error.
    Refused,
    /// The store does not answer for a while.
    Late,
    /// The store is out of order for steps.
    NoSteps,
    /// The store is out of order for the values of steps.
    NoValues,
}

/// A store in memory with a fault in the ends of jobs.
#[derive(Debug)]
pub(super) struct Contended {
    inner: MemoryStore,
    fault: Mutex<Fault>,
}

impl Contended {
    fn new() -> Arc<Self> {
        Arc::new(Self { inner: MemoryStore::new(), fault: Mutex::new(Fault::None) })
    }

    pub(super) fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    /// What the fault answers to the end of `key`.
    async fn end_of(&self, key: &str) -> Result<(), StoreError> {
        let fault = *self.fault.lock().unwrap();
        if !key.starts_with("j/") {
            return Ok(());
        }
        match fault {
            Fault::None | Fault::NoSteps | Fault::NoValues => Ok(()),
            Fault::Down => Err(StoreError::Unavailable("down".to_owned())),
            Fault::Refused => Err(StoreError::Conflict { key: key.to_owned() }),
            Fault::Late => {
                futures::pending!();
                Ok(())
            }
            Fault::Taken => self.take_over(key).await,
        }
    }

    /// Gives the job under `key` to another process.
    pub(super) async fn take_over(&self, key: &str) -> Result<(), StoreError> {
        let mut record = self.inner.get(key).await?.expect("the job");
        (record.fence, record.owner) = (record.fence + 1, "another".to_owned());
        self.inner.cas(Some(record.revision), record).await.map(drop)
    }
}

impl Store for Contended {
    forward! {
        get renew put_cursor cas list delete_older_than delete_expired remove remove_ended quarantine
        quarantined remove_quarantined now capabilities owner identity
    }

    fn complete(&self, completion: Completion) -> Work<'_, Record> {
        Box::pin(async move {
            if completion.key.starts_with("s/") && *self.fault.lock().unwrap() == Fault::NoValues {
                return Err(StoreError::Unavailable("down".to_owned()));
            }
            self.end_of(&completion.key).await?;
            self.inner.complete(completion).await
        })
    }

    fn release(&self, release: Release) -> Work<'_, ()> {
        Box::pin(async move {
            self.end_of(&release.key).await?;
            self.inner.release(release).await
        })
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        Box::pin(async move {
            if !claim.key.starts_with("j/") && *self.fault.lock().unwrap() == Fault::NoSteps {
                return Err(StoreError::Unavailable("down".to_owned()));
            }
            self.inner.claim(claim).await
        })
    }
}

thread_local! {
    /// The fault that begins in a body.
    static BEGINS: Cell<Fault> = const { Cell::new(Fault::None) };
    static STORE: RefCell<Option<Arc<Contended>>> = const { RefCell::new(None) };
}

/// Has the program use a store with this fault from the body of the next job on.
pub(super) fn with_fault(fault: Fault) -> Arc<Contended> {
    let store = Contended::new();
    use_store(store.clone());
    STORE.set(Some(store.clone()));
    BEGINS.set(fault);
    store
}

fn fault_begins() {
    STORE.with_borrow(|store| store.as_ref().expect("a store").set(BEGINS.get()));
}

/// The messages of the alerts about jobs, in order.
fn alerts(world: &World) -> Vec<&'static str> {
    let alert = |event: Event| match event {
        Event::Alert { message, .. } => Some(message),
        _ => None,
    };
    world.events().into_iter().filter_map(alert).collect()
}

/// The events that report the ends of jobs: kind and status or problem.
fn ends(world: &World) -> Vec<String> {
    let end = |event: Event| match event {
        Event::JobFailed { status, .. } => Some(status.to_owned()),
        Event::JobInterrupted { problem, .. } => Some(problem),
        Event::JobDone { .. } => Some("done".to_owned()),
        Event::RolledBack { .. } => Some("undone".to_owned()),
        _ => None,
    };
    world.events().into_iter().filter_map(end).collect()
}

/// How often each strategy was counted, with those that worked.
fn counts() -> Vec<(&'static str, u64, u64)> {
    recovery_stats().by_strategy.into_iter().filter(|(_, taken, _)| *taken > 0).collect()
}

fn status(id: &str) -> Status {
    jobs::blocking::get(id).unwrap().expect("the job").status
}

pub(super) const LOST: &str = "its lease was lost to another holder";

#[with_recovery(on(permanent, manual), on(corrupt, escalate))]
#[job("ends:{id}")]
fn ends_badly(id: u32, error: bool) -> Result<u32, Error> {
    let _ = id;
    fault_begins();
    Err(if error { Error::Corrupt } else { Error::Broken })
}

#[with_recovery(on(permanent, manual), on(corrupt, escalate))]
#[job("ends-async:{id}")]
async fn ends_badly_async(id: u32, error: bool) -> Result<u32, Error> {
    let _ = id;
    fault_begins();
    Err(if error { Error::Corrupt } else { Error::Broken })
}

/// The job and its alert, by strategy.
const STRATEGIES: [(bool, Status, &str, &str); 2] = [
    (false, Status::Manual, "manual", "the job waits for a person"),
    (true, Status::Failed, "escalate", "escalated"),
];

#[test]
fn a_job_taken_over_elsewhere_is_not_escalated() {
    for (how, ..) in STRATEGIES {
        let world = isolate();
        let store = with_fault(Fault::Taken);
        let sync = ends_badly(1, how).unwrap_err().job();
        store.set(Fault::None);
        let later = futures::executor::block_on(ends_badly_async(1, how)).unwrap_err().job();
        assert!(matches!((sync, later), (JobError::Fenced { .. }, JobError::Fenced { .. })));
        assert_eq!((alerts(&world), counts()), (vec![], vec![]), "{how}");
        assert_eq!(ends(&world), [LOST, LOST]);
    }
}

#[test]
fn a_job_whose_end_is_recorded_late_is_reported_once() {
    for (how, ended_as, strategy, alert) in STRATEGIES {
        let world = isolate();
        let store = with_fault(Fault::Down);
        ends_badly(1, how).unwrap_err();
        assert_eq!(status("ends:1"), Status::Running);
        store.set(Fault::None);
        assert_eq!(recover().until_done().blocking().unwrap().jobs.len(), 0);
        assert_eq!(status("ends:1"), ended_as);
        assert_eq!((alerts(&world), counts()), (vec![alert], vec![(strategy, 1, 0)]));
        assert_eq!(ends(&world), [ended_as.as_str()]);
    }
}

#[test]
fn a_job_dropped_while_its_end_is_recorded_is_reported_once() {
    for (how, ended_as, strategy, alert) in STRATEGIES {
        let world = isolate();
        with_fault(Fault::Late);
        {
            let mut call = Box::pin(ends_badly_async(1, how));
            let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(call.as_mut().poll(&mut cx).is_pending());
        }
        STORE.with_borrow(|store| store.as_ref().unwrap().set(Fault::None));
        assert_eq!(status("ends-async:1"), ended_as);
        assert_eq!((alerts(&world), counts()), (vec![alert], vec![(strategy, 1, 0)]));
        assert_eq!(ends(&world), [ended_as.as_str()]);
    }
}

#[test]
fn a_job_whose_end_cannot_be_recorded_is_not_escalated() {
    for (how, ..) in STRATEGIES {
        let world = isolate();
        let store = with_fault(Fault::Refused);
        assert_eq!(ends_badly(1, how), Err(if how { Error::Corrupt } else { Error::Broken }));
        store.set(Fault::None);
        assert_eq!((alerts(&world), counts()), (vec![], vec![]));
        assert_eq!(ends(&world), ["its call was dropped, or its store did not record its end"]);
    }
}

#[checkpoint("held:{id}", rollback = release_hold)]
fn hold(id: u32) -> Result<u32, Error> {
    Ok(id)
}

/// The undo of the step: the one of 2 fails.
fn release_hold(id: u32) -> Result<(), Error> {
    fault_begins();
    if id == 2 { Err(Error::Broken) } else { Ok(()) }
}

#[with_recovery(on(corrupt, rollback))]
#[job("holds:{id}")]
fn holds(id: u32) -> Result<u32, Error> {
    hold(id)?;
    Err(Error::Corrupt)
}

#[test]
fn a_rollback_is_reported_once_recorded() {
    for (id, fault, reported, raised, counted) in [
        (1, Fault::None, "undone", None, Some(1)),
        (1, Fault::Down, "undone", None, Some(1)),
        (1, Fault::Taken, LOST, None, None),
        (2, Fault::None, "manual", Some("an undo failed"), Some(0)),
        (2, Fault::Down, "manual", Some("an undo failed"), Some(0)),
        (2, Fault::Taken, LOST, None, None),
    ] {
        let world = isolate();
        let store = with_fault(fault);
        holds(id).unwrap_err();
        store.set(Fault::None);
        recover().until_done().blocking().unwrap();
        assert_eq!(ends(&world), [reported], "{id}, {fault:?}");
        assert_eq!(alerts(&world), raised.into_iter().collect::<Vec<_>>(), "{id}, {fault:?}");
        let counted: Vec<_> = counted.map(|worked| ("rollback", 1, worked)).into_iter().collect();
        assert_eq!(counts(), counted, "{id}, {fault:?}");
    }
}

#[job("once:{id}", max_recoveries = 1)]
fn once(id: u32) -> Result<u32, Error> {
    keyed(id)?;
    panic!("after its step")
}

/// Records a run of the job `once:1` that has died after its step, `recoveries` times; the record of the step is there if
/// `steps`.
fn has_died(store: &Contended, recoveries: u32, steps: bool) {
    crashed("once:1", || once(1));
    let edit = async {
        let mut record = store.inner.get("j/once:1").await.unwrap().expect("the job");
        record.recoveries = recoveries;
        store.inner.cas(Some(record.revision), record).await.unwrap();
        if !steps {
            // As in a store that was restored in part: the count of the steps says more than there are.
            for mut step in store.inner.list(Query::new("s/")).await.unwrap().records {
                step.order = 0;
                store.inner.cas(Some(step.revision), step).await.unwrap();
            }
        }
    };
    futures::executor::block_on(edit);
}

#[test]
fn a_job_that_cannot_restart_is_reported_once_recorded() {
    for (recoveries, steps, ended_as, alert) in [
        (2, true, Status::Dead, "the job is dead"),
        (0, false, Status::Manual, "records of the job are lost"),
    ] {
        for fault in [Fault::None, Fault::Down, Fault::Taken] {
            let world = isolate();
            let store = with_fault(Fault::None);
            has_died(&store, recoveries, steps);
            store.set(fault);
            once(1).expect_err(alert);
            store.set(Fault::None);
            recover().until_done().blocking().unwrap();
            let (reported, raised) =
                if fault == Fault::Taken { (LOST, vec![]) } else { (ended_as.as_str(), vec![alert]) };
            assert_eq!(ends(&world), ["failed", reported], "{fault:?}");
            assert_eq!((alerts(&world), counts()), (raised, vec![]), "{fault:?}");
            let job = jobs::blocking::get("once:1").unwrap().expect("the job");
            let last = job.events.last().expect("an event");
            if fault != Fault::Taken {
                assert_eq!((job.attempts, last.attempt), (1, 1), "{fault:?}: its body did not begin again");
            }
        }
    }
}

#[job("ends-again:{id}")]
fn ends_again(id: u32) -> Result<u32, Error> {
    if job_runs_again(id) {
        fault_begins();
        match id {
            1 => return Ok(id),
            2 => return Err(Error::Broken),
            3 => panic!("in the second run"),
            _ => {}
        }
    }
    panic!("in the first run")
}

fn job_runs_again(id: u32) -> bool {
    jobs::blocking::get(&format!("ends-again:{id}")).unwrap().expect("this job").attempts > 1
}

#[test]
fn a_rerun_job_is_counted_once_its_end_is_recorded() {
    for (id, worked) in [(1, 1), (2, 0), (3, 0)] {
        for fault in [Fault::None, Fault::Down, Fault::Taken] {
            let _world = isolate();
            let store = with_fault(fault);
            crashed(&format!("ends-again:{id}"), || ends_again(id));
            let call = std::panic::catch_unwind(|| ends_again(id));
            assert_eq!(call.is_err(), id == 3);
            store.set(Fault::None);
            let counted = match (fault, id) {
                (Fault::Taken, _) => vec![],
                // A result that the store did not take: the job has failed.
                (Fault::Down, 1) => vec![("resume", 1, 0)],
                _ => vec![("resume", 1, worked)],
            };
            assert_eq!(counts(), counted, "{id}, {fault:?}");
        }
    }
}

#[checkpoint("busy:{id}")]
fn busy(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[job("waits:{id}")]
fn waits(id: u32) -> Result<u32, Error> {
    // As if another process had done the step for another function.
    let other: Result<u32, Error> = resilience::Checkpoint::new("another").call("busy:1", || Ok(1));
    other?;
    fault_begins();
    busy(id)
}

#[test]
fn an_interruption_has_a_reason_unless_the_job_was_taken_over() {
    for fault in [Fault::None, Fault::Down, Fault::Taken] {
        let world = isolate();
        let store = with_fault(fault);
        let error = waits(1).unwrap_err();
        store.set(Fault::None);
        let reported = ends(&world);
        let [problem] = reported.as_slice() else { panic!("{reported:?}") };
        let is_fenced = matches!(&error, Error::Rejected(Rejected::Job(error)) if matches!(**error, JobError::Fenced { .. }));
        assert_eq!((is_fenced, problem == LOST), (fault == Fault::Taken, fault == Fault::Taken), "{problem}");
        assert_eq!(problem.contains("was recorded for"), fault != Fault::Taken, "{problem}");
    }
}

#[job("refused-async:{id}")]
async fn refused_async(id: u32) -> Result<u32, Error> {
    let other: Result<u32, Error> = resilience::Checkpoint::new("another").call("busy:1", || Ok(1));
    other?;
    fault_begins();
    busy(id)
}

#[test]
fn an_interruption_of_a_dropped_call_has_a_reason() {
    let world = isolate();
    with_fault(Fault::Late);
    {
        let mut call = Box::pin(refused_async(1));
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(call.as_mut().poll(&mut cx).is_pending());
    }
    let reported = ends(&world);
    assert!(matches!(reported.as_slice(), [problem] if problem.contains("was recorded for")), "{reported:?}");
    STORE.with_borrow(|store| store.as_ref().unwrap().set(Fault::None));
    assert_eq!(status("refused-async:1"), Status::Interrupted);
}
