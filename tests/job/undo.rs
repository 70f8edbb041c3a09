//! Steps that are undone: in which order, under which names, and by which function.

use super::*;

#[checkpoint("reserve", inputs(), rollback = unreserve)]
fn reserve(order: u32) -> Result<String, Error> {
    log("reserve");
    Ok(format!("r{order}"))
}

fn unreserve(reservation: String) {
    log(format!("unreserve {reservation}"));
}

#[checkpoint("charge", inputs(), rollback = |receipt: u32| refund(receipt))]
fn charge(order: u32) -> Result<u32, Error> {
    log("charge");
    Ok(order * 100)
}

fn refund(receipt: u32) -> Result<(), Error> {
    log(format!("refund {receipt}"));
    if CRASH.get() == 5 { Err(Error::Broken) } else { Ok(()) }
}

#[checkpoint("note", inputs())]
fn note(order: u32) -> Result<(), Error> {
    let _ = order;
    Ok(())
}

#[with_recovery(on(corrupt, rollback), on(severity >= high, manual))]
#[job("order:{order}")]
pub(super) fn order(order: u32, how: u32) -> Result<u32, Error> {
    reserve(order)?;
    note(order)?;
    charge(order)?;
    match how {
        1 => Err(Error::Corrupt),
        2 => Err(Error::Broken),
        _ => Ok(order),
    }
}

#[test]
fn a_failed_job_undoes_its_steps_the_last_one_first() {
    let world = isolate();
    assert_eq!(order(1, 1).unwrap_err(), Error::Corrupt);
    assert_eq!(logged(), ["reserve", "charge", "refund 100", "unreserve r1"]);
    assert_eq!(jobs::blocking::get("order:1").unwrap().unwrap().status, Status::RolledBack);
    assert!(matches!(order(1, 1).unwrap_err().job(), JobError::Stopped { status: Status::RolledBack, .. }));
    assert_eq!(order(2, 2).unwrap_err(), Error::Broken);
    assert_eq!(jobs::blocking::get("order:2").unwrap().unwrap().status, Status::Manual);
    assert_eq!(logged(), ["reserve", "charge"]);
    CRASH.set(5);
    assert_eq!(order(3, 1).unwrap_err(), Error::Corrupt);
    CRASH.set(0);
    let parked = jobs::blocking::get("order:3").unwrap().unwrap();
    assert_eq!(parked.status, Status::Manual);
    assert!(parked.events.iter().any(|event| event.reason.contains("the undo of `job::charge` failed")));
    let alerts = world.events().iter().filter(|event| format!("{event:?}").contains("Alert")).count();
    assert_eq!(alerts, 2);
    assert_eq!(order(4, 0).unwrap(), 4);
}

/// Two modules with a step `book` each, with an undo, and a third without.
mod flight {
    use super::{Error, checkpoint, log};

    #[checkpoint("flight:{id}", rollback = unbook)]
    pub(super) fn book(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    fn unbook(id: u32) {
        log(format!("no flight {id}"));
    }
}

mod hotel {
    use super::{Error, checkpoint, log};

    #[checkpoint("hotel:{id}", rollback = unbook)]
    pub(super) async fn book(id: u32) -> Result<u32, Error> {
        Ok(id)
    }

    async fn unbook(id: u32) {
        log(format!("no hotel {id}"));
    }
}

mod lunch {
    use super::{Error, checkpoint};

    #[checkpoint("lunch:{id}")]
    pub(super) fn book(id: u32) -> Result<u32, Error> {
        Ok(id)
    }
}

#[with_recovery(on(corrupt, rollback))]
#[job("trip:{id}")]
async fn trip(id: u32) -> Result<u32, Error> {
    flight::book(id)?;
    hotel::book(id).await?;
    lunch::book(id)?;
    Err(Error::Corrupt)
}

/// Two forms of one step, as the name that both are given says.
#[checkpoint("seat:{id}", name = "job::seat", rollback = free_seat)]
fn seat(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("seat:{id}", name = "job::seat")]
async fn seat_async(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn free_seat(id: u32) {
    log(format!("no seat {id}"));
}

#[with_recovery(on(corrupt, rollback))]
#[job("seats:{id}")]
async fn seats(id: u32) -> Result<u32, Error> {
    seat(id)?;
    seat_async(id + 1).await?;
    Err(Error::Corrupt)
}

#[tokio::test(start_paused = true)]
async fn steps_that_are_given_one_name_are_one_step_with_one_undo() {
    let _world = isolate();
    assert_eq!(seats(1).await.unwrap_err(), Error::Corrupt);
    assert_eq!(logged(), ["no seat 2", "no seat 1"]);
    assert!(resilience::recover().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn steps_of_one_name_in_different_modules_have_their_own_undos() {
    let _world = isolate();
    assert_eq!(trip(1).await.unwrap_err(), Error::Corrupt);
    assert_eq!(logged(), ["no hotel 1", "no flight 1"]);
    let job = jobs::get("trip:1").await.unwrap().unwrap();
    assert_eq!(job.status, Status::RolledBack);
    assert!(job.events.iter().any(|event| event.reason.contains("1 steps have no undo")), "{job:?}");
}

/// As if the second step of the name was added, or one was moved to another module, since the record was made.
#[tokio::test(start_paused = true)]
async fn a_record_that_may_be_of_several_functions_is_not_undone_by_any() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    CRASH.set(7);
    {
        let mut call = Box::pin(moved_trip(2));
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    let steps = store.list(Query::new("s/")).await.unwrap().records;
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    assert!(String::from_utf8_lossy(&step.note).contains("job::undo::flight::book"), "{step:?}");
    for note in [Vec::new(), br#"{"point":"job::undo::plane::book"}"#.to_vec()] {
        let mut step = store.get(&step.key).await.unwrap().expect("the step");
        let revision = step.revision;
        step.note = note;
        store.cas(Some(revision), step).await.unwrap();
        let _ = moved_trip(2).await;
        let job = jobs::get("moved:2").await.unwrap().unwrap();
        assert_eq!((job.status, logged()), (Status::Manual, Vec::new()));
        let reason = &job.events.last().expect("an event").reason;
        assert!(reason.contains("`job::book` is the name of several steps (tests/job/undo.rs:"), "{reason}");
        assert!(reason.ends_with("give each a `name`"), "{reason}");
        jobs::resume("moved:2").await.unwrap();
    }
}

#[with_recovery(on(corrupt, rollback))]
#[job("moved:{id}")]
async fn moved_trip(id: u32) -> Result<u32, Error> {
    flight::book(id)?;
    may_crash(7).await;
    Err(Error::Corrupt)
}
