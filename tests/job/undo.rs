//! Steps that are undone: in which order, under which names, and by which function.

use super::*;
use futures::FutureExt as _;

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
    assert_ne!(CRASH.get(), 6, "no such account");
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
fn a_failed_job_undoes_its_steps_in_reverse_order() {
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

#[checkpoint("held", inputs(), rollback = let_go)]
async fn hold() -> Result<u32, Error> {
    Ok(1)
}

async fn let_go(_: u32) {
    if CRASH.get() == 9 {
        std::future::pending::<()>().await;
    }
}

#[with_recovery(on(corrupt, rollback))]
#[job("held:{id}")]
async fn held(id: u32) -> Result<u32, Error> {
    hold().await?;
    let _ = id;
    Err(Error::Corrupt)
}

#[test]
fn a_call_that_ends_a_job_gets_the_class_of_its_failure() {
    let _world = isolate();
    let class_of = |error: Error| match error.job() {
        JobError::Stopped { status, class, .. } => (status, class.map(|class| class.category)),
        other => panic!("{other}"),
    };
    CRASH.set(9);
    assert!(held(1).now_or_never().is_none(), "its call is dropped in its undo");
    CRASH.set(0);
    let undone = held(1).now_or_never().expect("a store in memory").unwrap_err();
    assert_eq!(class_of(undone), (Status::RolledBack, Some(Category::Corrupt)));
    // Recovered too often.
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    let mut often = Record::new("j/held:2");
    (often.function, often.status) = ("held:{id}".to_owned(), Status::Interrupted);
    (often.attempts, often.recoveries, often.input) = (20, 11, br#"{"id":2}"#.to_vec());
    often.note = br#"{"class": {"category": "corrupt", "severity": "high"}, "events": []}"#.to_vec();
    futures::executor::block_on(store.cas(None, often)).unwrap();
    let dead = held(2).now_or_never().expect("a store in memory").unwrap_err();
    assert_eq!(class_of(dead), (Status::Dead, Some(Category::Corrupt)));
}

#[derive(Debug, Classify)]
enum Refused {
    #[classify(conflict)]
    Account,
}

/// An error that nothing is known of.
struct Foreign;

#[derive(serde::Serialize, serde::Deserialize)]
struct Receipt(u32);

/// Read by the undo, it panics or is refused.
#[derive(serde::Serialize, serde::Deserialize)]
#[serde(try_from = "u32", into = "u32")]
#[derive(Clone)]
struct Picky(u32);

impl From<Picky> for u32 {
    fn from(picky: Picky) -> Self {
        picky.0
    }
}

impl TryFrom<u32> for Picky {
    type Error = String;

    fn try_from(n: u32) -> std::result::Result<Self, String> {
        assert_ne!(CRASH.get(), 7, "not this value");
        if CRASH.get() == 8 { Err("out of date".to_owned()) } else { Ok(Self(n)) }
    }
}

#[checkpoint("classified", inputs(), rollback = |_: Receipt| Err::<(), _>(Refused::Account))]
fn classified() -> Result<Receipt, Error> {
    Ok(Receipt(1))
}

#[checkpoint("foreign", inputs(), rollback = |_: u32| async { Err::<u8, _>(Foreign) })]
fn foreign() -> Result<u32, Error> {
    Ok(1)
}

#[checkpoint("picky", inputs(), rollback = |_: Picky| ())]
fn picky() -> Result<Picky, Error> {
    Ok(Picky(1))
}

#[with_recovery(on(corrupt, rollback))]
#[job("undo fails:{how}")]
fn undo_fails(how: u32) -> Result<u32, Error> {
    match how {
        1 => classified().map(|_| ())?,
        2 => foreign().map(|_| ())?,
        3 => charge(1).map(|_| ())?,
        _ => picky().map(|_| ())?,
    }
    CRASH.set(match how {
        3 => 6,
        4 => 7,
        5 => 8,
        _ => 0,
    });
    Err(Error::Corrupt)
}

#[test]
fn a_failed_undo_is_reported_with_its_reason() {
    let world = isolate();
    let why = [
        (1, "`job::classified`", "it returned an error (conflict, ", ")"),
        (2, "`job::foreign`", "it returned an error (unknown, ", ")"),
        (3, "`job::charge`", "it panicked: ", "no such account"),
        (4, "`job::picky`", "the recorded value cannot be read: its code panicked: ", "not this value"),
        (5, "`job::picky`", "the recorded value cannot be read: out of date", ""),
    ];
    for (how, function, begins, contains) in why {
        undo_fails(how).unwrap_err();
        CRASH.set(0);
        let job = jobs::blocking::get(&format!("undo fails:{how}")).unwrap().unwrap();
        let problem = job.problem.expect("a problem");
        let expected = format!("the undo of {function} failed: {begins}");
        assert!(problem.starts_with(&expected) && problem.contains(contains), "{problem}");
        assert_eq!(
            (job.status, job.class.map(|class| class.category)),
            (Status::Manual, Some(Category::Corrupt))
        );
        assert_eq!(job.events.last().map(|event| &event.reason), Some(&problem));
        let is_alert = |event: &resilience::Event| format!("{event:?}").contains("the undo of");
        assert_eq!(world.events().iter().filter(|event| is_alert(event)).count(), how as usize, "{how}");
    }
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
async fn steps_with_the_same_name_share_one_undo() {
    let _world = isolate();
    assert_eq!(seats(1).await.unwrap_err(), Error::Corrupt);
    assert_eq!(logged(), ["no seat 2", "no seat 1"]);
    assert!(resilience::recover().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn steps_in_different_modules_have_their_own_undos() {
    let _world = isolate();
    assert_eq!(trip(1).await.unwrap_err(), Error::Corrupt);
    assert_eq!(logged(), ["no hotel 1", "no flight 1"]);
    let job = jobs::get("trip:1").await.unwrap().unwrap();
    assert_eq!(job.status, Status::RolledBack);
    assert!(job.events.iter().any(|event| event.reason.contains("1 steps have no undo")), "{job:?}");
}

/// As if the second step of the name was added, or one was moved to another module, since the record was made.
#[tokio::test(start_paused = true)]
async fn an_ambiguous_record_is_not_undone() {
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

/// As if another version of the program had recorded the step, which this one does not have.
#[tokio::test(start_paused = true)]
async fn a_step_whose_undo_is_gone_is_not_reported_as_undone() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    CRASH.set(7);
    {
        let mut call = Box::pin(seated(1));
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    let steps = store.list(Query::new("s/")).await.unwrap().records;
    let [step] = steps.as_slice() else { panic!("{steps:?}") };
    let mut gone = step.clone();
    gone.function = "job::gone".to_owned();
    store.cas(Some(step.revision), gone).await.unwrap();
    seated(1).await.unwrap_err();
    let job = jobs::get("seated:1").await.unwrap().unwrap();
    let problem = "`job::gone` cannot be undone: this program has no such step; if it was renamed, write `was = \"job::gone\"`";
    assert_eq!((job.status, job.problem.as_deref()), (Status::Manual, Some(problem)));
    assert_eq!(logged(), Vec::<String>::new());
}

#[with_recovery(on(corrupt, rollback))]
#[job("seated:{id}")]
async fn seated(id: u32) -> Result<u32, Error> {
    if CRASH.get() == 7 {
        only_seat(id)?;
    }
    may_crash(7).await;
    Err(Error::Corrupt)
}

#[checkpoint("only seat", inputs(), rollback = free_seat)]
fn only_seat(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("pay:{id}", rollback = give_back)]
fn pay(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn give_back(id: u32) -> Result<(), Error> {
    transfer(id)?;
    assert_ne!(CRASH.get(), 9, "after the transfer");
    Ok(())
}

#[checkpoint("transfer:{id}", rollback = |id: u32| log(format!("take {id}")))]
fn transfer(id: u32) -> Result<u32, Error> {
    log(format!("give {id} back"));
    Ok(id)
}

#[with_recovery(on(corrupt, rollback))]
#[job("paid:{id}")]
fn paid(id: u32) -> Result<u32, Error> {
    pay(id)?;
    Err(Error::Corrupt)
}

#[test]
fn a_step_of_an_undo_runs_once_for_each_undo() {
    let _world = isolate();
    for _ in 0..2 {
        paid(1).unwrap_err();
        assert_eq!(info("paid:1").status, Status::RolledBack);
        assert_eq!(logged(), ["give 1 back"]);
        jobs::blocking::resume("paid:1").unwrap();
    }
    let steps = jobs::blocking::steps("paid:1").unwrap();
    assert_eq!((steps.len(), steps[0].undos.len()), (1, 2));
    CRASH.set(9);
    paid(2).unwrap_err();
    assert_eq!((info("paid:2").status, logged()), (Status::Manual, vec!["give 2 back".to_owned()]));
    CRASH.set(0);
    jobs::blocking::resume("paid:2").unwrap();
    paid(2).unwrap_err();
    assert_eq!(info("paid:2").status, Status::RolledBack);
    assert_eq!(logged(), Vec::<String>::new(), "it is recorded");
}

#[test]
fn a_job_can_be_forked_from_a_step() {
    let _world = isolate();
    assert_eq!(undo::order(7, 0).unwrap(), 7);
    assert_eq!(logged(), ["reserve", "charge"]);
    let steps = jobs::blocking::steps("order:7").unwrap();
    let keys: Vec<_> = steps.iter().map(|step| (step.job.as_deref(), step.key.as_str())).collect();
    assert_eq!(keys, ["reserve", "note", "charge"].map(|key| (Some("order:7"), key)), "in their order");
    let unknown = jobs::blocking::fork_from("order:7", "pay").unwrap_err();
    let is_unknown = |error: &JobError| matches!(error, JobError::UnknownStep { .. });
    assert!(matches!(&unknown, Rejected::Job(error) if is_unknown(error)), "{unknown}");
    assert!(unknown.to_string().contains("has recorded no step `pay`"), "{unknown}");
    let unknown = jobs::blocking::fork_from("order:8", "charge").unwrap_err();
    assert_eq!(unknown.to_string(), "there is no job `order:8`");
    jobs::blocking::fork_from("order:7", "charge").unwrap();
    assert_eq!(undo::order(7, 0).unwrap(), 7);
    assert_eq!(logged(), ["charge"]);
}
