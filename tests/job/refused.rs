//! Calls that their job refuses: policies that answer in place of an error pass the refusal on.

use super::ends::{Contended, Fault, LOST, with_fault};
use super::*;
use resilience::durable::{Recovery, WithRecovery, recovery_stats};
use resilience::{CircuitBreaker, Classification, Event, Fallback, cached, circuit_breaker, with_fallback};

#[with_fallback(value = 0)]
#[checkpoint("refused:{id}")]
fn or_zero(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[with_fallback(value = 0)]
#[checkpoint("refused-async:{id}")]
async fn or_zero_async(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[with_fallback(value = 0)]
#[checkpoint("refused-option:{id}")]
fn option_or_zero(id: u32) -> Option<u32> {
    Some(id)
}

#[checkpoint("refused-plain:{id}")]
fn plain(id: u32) -> Result<u32, Error> {
    Ok(id)
}

const QUOTE: Fallback = Fallback::new("quote");

const SKIPPING: WithRecovery<fn(&Classification) -> Recovery> =
    WithRecovery::new("skipping", |_| Recovery::Skip);

fn step_of(how: u32) -> Result<u32, Error> {
    match how {
        0 => or_zero(9),
        1 => futures::executor::block_on(or_zero_async(9)),
        2 => option_or_zero(9).ok_or(Error::Corrupt),
        3 => QUOTE.call(|| plain(9), |_: &Error| Some(0)),
        _ => SKIPPING.call(|| plain(9)),
    }
}

const WAYS: u32 = 5;

thread_local! {
    static BEFORE: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// Has the body of the next run do this before its step.
fn before_the_step(act: impl FnOnce() + 'static) {
    BEFORE.set(Some(Box::new(act)));
}

#[job("refuses:{how}", name = "refuses")]
fn refuses(how: u32) -> Result<u32, Error> {
    if let Some(act) = BEFORE.take() {
        act();
    }
    step_of(how)
}

fn info(how: u32) -> jobs::JobInfo {
    jobs::blocking::get(&format!("refuses:{how}")).unwrap().expect("the job")
}

fn is_answered(world: &resilience::testing::World) -> bool {
    let is_answer = |event: &Event| matches!(event, Event::FellBack { .. } | Event::Alert { .. });
    world.events().iter().any(is_answer) || recovery_stats().total > 0
}

#[test]
fn no_fallback_answers_a_step_whose_store_is_down() {
    for how in 0..WAYS {
        let world = isolate();
        let store = with_fault(Fault::None);
        before_the_step({
            let store = store.clone();
            move || store.set(Fault::NoSteps)
        });
        refuses(how).unwrap_err();
        store.set(Fault::None);
        let job = info(how);
        // An `Option` says nothing of its error, and `Corrupt` is the body's own.
        let expected = if how == 2 { Status::Failed } else { Status::Interrupted };
        assert_eq!(job.status, expected, "{how}: {job}");
        assert!(!is_answered(&world), "{how}");
        if how != 2 {
            assert!(job.problem.is_some_and(|problem| problem.contains("was not run: ")), "{how}");
            assert_eq!(refuses(how), Ok(9), "the step itself, in the next run");
        }
    }
}

#[test]
fn a_fallback_answers_a_step_whose_value_was_not_recorded() {
    for how in 0..WAYS {
        let world = isolate();
        let store = with_fault(Fault::None);
        before_the_step({
            let store = store.clone();
            move || store.set(Fault::NoValues)
        });
        assert_eq!(refuses(how), Ok(0), "{how}: without an answer the job would fail for good");
        assert_eq!(info(how).status, Status::Done);
        assert!(is_answered(&world), "{how}");
    }
}

#[test]
fn a_tower_layer_propagates_a_refusal_by_the_job() {
    use resilience::tower::FallbackLayer;
    use tower::{Layer, ServiceExt, service_fn};
    let _world = isolate();
    let layer = FallbackLayer::new(QUOTE, async |_: Classification| Some(http::Response::new(0)));
    let request = || {
        let service = service_fn(async |id: u32| plain(id).map(http::Response::new));
        let answer = futures::executor::block_on(layer.layer(service).oneshot(9));
        answer.map(http::Response::into_body)
    };
    let store = with_fault(Fault::None);
    store.set(Fault::NoSteps);
    assert_eq!(request(), Ok(0), "outside of jobs");
    let in_job: Result<u32, Error> = Job::run_blocking("layered", (), |()| request());
    assert!(matches!(in_job, Err(Error::Rejected(Rejected::Checkpoint(_)))), "{in_job:?}");
    assert_eq!(jobs::blocking::get("layered").unwrap().unwrap().status, Status::Interrupted);
}

#[test]
fn no_fallback_answers_a_cancelled_job() {
    for how in 0..WAYS {
        let world = isolate();
        before_the_step(move || jobs::blocking::cancel(&format!("refuses:{how}")).unwrap());
        refuses(how).unwrap_err();
        let job = info(how);
        assert_eq!(job.status, Status::Failed, "{how}: {job}");
        assert_eq!(job.class.map(|class| class.category), Some(Category::Cancelled), "{how}");
        assert!(!is_answered(&world), "{how}");
    }
}

#[job("cancelled-then:{id}")]
fn cancelled_then(id: u32) -> Result<u32, Error> {
    jobs::blocking::cancel(&format!("cancelled-then:{id}"))?;
    let refused = plain(id);
    assert!(refused.is_err());
    // Handled by the body, as if the step were optional.
    QUOTE.call(|| Err(Error::Broken), |_: &Error| Some(0))
}

#[test]
fn no_fallback_answers_later_errors_of_a_cancelled_job() {
    let world = isolate();
    assert_eq!(cancelled_then(1), Err(Error::Broken));
    let job = jobs::blocking::get("cancelled-then:1").unwrap().unwrap();
    let category = job.class.map(|class| class.category);
    assert_eq!((job.status, category), (Status::Failed, Some(Category::Cancelled)));
    assert!(!is_answered(&world));
}

/// Gives the job to another process.
fn take_over(store: &Arc<Contended>, how: u32) {
    futures::executor::block_on(store.take_over(&format!("j/refuses:{how}"))).unwrap();
}

#[test]
fn no_fallback_answers_a_job_taken_over_elsewhere() {
    for how in 0..WAYS {
        let world = isolate();
        let store = with_fault(Fault::None);
        before_the_step({
            let store = store.clone();
            move || take_over(&store, how)
        });
        let error = refuses(how).unwrap_err().job();
        assert!(matches!(error, JobError::Fenced { .. }), "{how}: {error}");
        assert!(!is_answered(&world), "{how}");
        let is_said =
            |event: &Event| matches!(event, Event::JobInterrupted { problem, .. } if problem == LOST);
        assert!(world.events().iter().any(is_said), "{how}: {:?}", world.events());
    }
}

#[circuit_breaker(threshold = 1)]
fn guarded() -> Result<u32, Error> {
    Err(Error::Broken)
}

/// An error type that loses what a rejection says but for its category.
#[derive(Debug, Classify, PartialEq)]
enum Own {
    #[classify(rejected)]
    Refused,
    #[classify(transparent)]
    Error(Error),
}

impl From<Rejected> for Own {
    fn from(_: Rejected) -> Self {
        Self::Refused
    }
}

impl From<Error> for Own {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

#[checkpoint("optional:{id}")]
fn optional(id: u32) -> Result<u32, Own> {
    Ok(id)
}

#[job("handles:{id}")]
fn handles(id: u32) -> Result<u32, Own> {
    let breaker = CircuitBreaker::new("handles");
    breaker.force_open();
    let other: Result<u32, Error> = resilience::Checkpoint::new("another").call("optional:1", || Ok(1));
    other?;
    // The step is recorded as that of another function: the body goes on without it.
    assert_eq!(optional(id), Err(Own::Refused));
    let open = QUOTE.call(|| breaker.call(|| Ok(1)), |_: &Error| Some(7))?;
    keyed(id)?;
    // Of the category of the refusal, after a call that has succeeded since.
    let refused = QUOTE.call(|| Err(Own::Refused), |_: &Own| Some(7))?;
    let failed = QUOTE.call(guarded, |_: &Error| Some(7))?;
    Ok(open + refused + failed)
}

#[test]
fn a_fallback_answers_errors_after_a_handled_refusal() {
    let world = isolate();
    assert_eq!(handles(1), Ok(21));
    let answers = world.events().into_iter().filter(|event| matches!(event, Event::FellBack { .. })).count();
    assert_eq!(answers, 3);
}

#[cached(ttl = 1h, key = id)]
async fn shared(id: u32) -> Result<u32, Rejected> {
    tokio::task::yield_now().await;
    if resilience::job_id().is_some() {
        let step: Result<u32, Rejected> =
            resilience::Checkpoint::new("shared").call_async("shared", async || Ok(1)).await;
        return step;
    }
    Ok(id)
}

#[job("leads:{id}")]
async fn leads(id: u32) -> Result<u32, Rejected> {
    shared(id).await
}

#[tokio::test]
async fn a_waiter_of_a_refused_call_runs_its_own_body() {
    let _world = isolate();
    let store = with_fault(Fault::None);
    store.set(Fault::NoSteps);
    let (refused, shared) = tokio::join!(leads(7), shared(7));
    store.set(Fault::None);
    assert!(matches!(refused, Err(Rejected::Checkpoint(_))), "{refused:?}");
    assert_eq!(shared, Ok(7));
    assert_eq!(jobs::get("leads:7").await.unwrap().unwrap().status, Status::Interrupted);
}
