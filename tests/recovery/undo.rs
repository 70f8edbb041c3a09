//! Jobs that undo their steps, and go on.

use super::*;

#[with_recovery(on(corrupt, rollback))]
#[job("undone:{id}")]
fn undone(id: u32) -> Result<u32, Error> {
    note(id)?;
    reserve(id)?;
    if FAILS.get() { Err(Error::Corrupt) } else { Ok(id) }
}

#[with_recovery(on(corrupt, rollback))]
#[job("again:{id}", rerun)]
fn again(id: u32) -> Result<u32, Error> {
    note(id)?;
    reserve(id)?;
    if FAILS.get() { Err(Error::Corrupt) } else { Ok(id) }
}

#[test]
fn an_undone_step_runs_again_and_can_be_undone_again() {
    let _world = isolate();
    FAILS.set(true);
    undone(1).unwrap_err();
    assert_eq!(logged(), ["note", "reserve", "unreserve"]);
    jobs::blocking::resume("undone:1").unwrap();
    undone(1).unwrap_err();
    assert_eq!(logged(), ["reserve", "unreserve"], "a step that has no undo stays done");
    assert_eq!(status("undone:1"), Some(Status::RolledBack));
    FAILS.set(false);
    assert!(matches!(undone(1).unwrap_err().job(), JobError::Stopped { status: Status::RolledBack, .. }));
    jobs::blocking::resume("undone:1").unwrap();
    assert_eq!(undone(1).unwrap(), 1);
    assert_eq!(logged(), ["reserve"]);

    FAILS.set(true);
    again(1).unwrap_err();
    again(1).unwrap_err();
    FAILS.set(false);
    assert_eq!(again(1).unwrap(), 1);
    assert_eq!(logged(), ["note", "reserve", "unreserve", "reserve", "unreserve", "reserve"]);
}

#[checkpoint("row:{n}", rollback = unrow)]
fn row(n: u32) -> Result<u32, Error> {
    log(format!("row {n}"));
    KEYS.with(|keys| keys.borrow_mut().push(resilience::step().unwrap().idempotency_key()));
    Ok(n)
}

fn unrow(n: u32) {
    log(format!("unrow {n}"));
}

#[with_recovery(on(corrupt, rollback))]
#[job("rows:{id}")]
fn rows(id: u32) -> Result<u32, Error> {
    let mut progress = Progress::<u32>::open("rows");
    let from = progress.restore_blocking()?.unwrap_or(0);
    for n in from..2 {
        row(n)?;
        progress.save_blocking(&(n + 1))?;
    }
    if FAILS.get() { Err(Error::Corrupt) } else { Ok(id) }
}

#[test]
fn rollback_resets_cursors_and_the_idempotency_key() {
    let _world = isolate();
    FAILS.set(true);
    rows(1).unwrap_err();
    FAILS.set(false);
    jobs::blocking::resume("rows:1").unwrap();
    assert_eq!(rows(1).unwrap(), 1);
    assert_eq!(logged(), ["row 0", "row 1", "unrow 1", "unrow 0", "row 0", "row 1"]);
    let keys: HashSet<String> = KEYS.take().into_iter().collect();
    assert_eq!(keys.len(), 4, "a service that knows the first two would not do the others");
}

#[with_recovery(on(corrupt, rollback))]
#[job("turned:{id}")]
fn turned(id: u32) -> Result<u32, Error> {
    ORDER.with(|order| order.borrow().clone()).into_iter().try_for_each(|n| row(n).map(drop))?;
    let _ = id;
    Err(Error::Corrupt)
}

#[test]
fn steps_are_undone_in_reverse_order_of_their_last_run() {
    let _world = isolate();
    ORDER.set(vec![1, 2]);
    turned(1).unwrap_err();
    assert_eq!(logged(), ["row 1", "row 2", "unrow 2", "unrow 1"]);
    jobs::blocking::resume("turned:1").unwrap();
    ORDER.set(vec![3, 2, 1]);
    turned(1).unwrap_err();
    assert_eq!(logged(), ["row 3", "row 2", "row 1", "unrow 1", "unrow 2", "unrow 3"]);
}
