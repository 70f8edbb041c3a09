//! Bodies that panic, called and recovered.

use super::*;

#[checkpoint("breaks:{id}")]
fn breaks(id: u32) -> Result<u32, Error> {
    assert!(id == 0, "the step {id} breaks");
    Ok(id)
}

#[job("panics:{id}")]
fn panics(id: u32) -> Result<u32, Error> {
    breaks(0)?;
    breaks(id)
}

#[job("panics-async:{id}")]
async fn panics_async(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    breaks(0)?;
    tick()?;
    std::panic::panic_any(id.to_string())
}

/// The message of the panic that `call` ends with.
fn panic_of<T: std::fmt::Debug>(call: impl FnOnce() -> T) -> String {
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).expect_err("it panics");
    *panic.downcast::<String>().expect("a text")
}

#[test]
fn a_panic_is_recorded_as_a_failure_and_propagated() {
    let _world = isolate();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = |n: u32| -> Result<u32, Error> { panic!("body {n}") };
    let cases = [
        ("panics:7", panic_of(|| panics(7)), Some("breaks:7"), "the step 7 breaks"),
        ("panics-async:8", panic_of(|| runtime.block_on(panics_async(8))), None, "8"),
        ("hand", panic_of(|| resilience::Job::run_blocking("hand", 9, body)), None, "body 9"),
        (
            "hand-async",
            panic_of(|| runtime.block_on(resilience::Job::run("hand-async", 10, async |n| body(n)))),
            None,
            "body 10",
        ),
    ];
    let call = || {
        resilience::Job::run_blocking("no-text", (), |()| -> Result<u32, Error> { std::panic::panic_any(7) })
    };
    assert!(std::panic::catch_unwind(call).is_err_and(|panic| panic.is::<i32>()));
    let problem = jobs::blocking::get("no-text").unwrap().unwrap().problem;
    assert_eq!(problem.as_deref(), Some("the body panicked: a value that is not text"));
    for (id, message, step, expected) in cases {
        assert_eq!(message, expected, "the panic itself goes on");
        let job = jobs::blocking::get(id).unwrap().unwrap();
        assert_eq!(job.status, Status::Failed, "{job}");
        let problem = job.problem.clone().expect("a problem");
        assert!(problem.contains("panicked") && problem.ends_with(expected), "{job}");
        let event = job.events.last().expect("an event");
        assert_eq!((event.strategy.as_str(), event.step.as_deref()), ("failed", step), "{job}");
        assert_eq!(event.reason, problem);
    }
    assert_eq!(recover().blocking().unwrap().jobs.len(), 0, "nothing runs it again by itself");
    assert!(matches!(panics(7).unwrap_err().job(), JobError::Stopped { status: Status::Failed, .. }));
    jobs::blocking::resume("hand").unwrap();
    let resumed = jobs::blocking::get("hand").unwrap().unwrap();
    assert_eq!((resumed.status, resumed.problem), (Status::Interrupted, None), "it may run again");
    let steps = jobs::blocking::steps("panics:7").unwrap();
    let done: Vec<_> =
        steps.iter().filter(|step| step.status == Status::Done).map(|step| &step.key).collect();
    assert_eq!(done, ["breaks:0"], "a step whose body panics records nothing");
}

#[tokio::test]
async fn a_job_that_panics_during_recovery_fails() {
    let _world = isolate();
    {
        let mut call = Box::pin(pends_and_panics(1));
        assert!(futures::poll!(&mut call).is_pending());
    }
    let recovered = recover().until_done().await.unwrap();
    assert_eq!(recovered.count(Status::Failed), 1, "{recovered}");
    let job = info_async("pends-and-panics:1").await;
    assert_eq!(job.problem.as_deref(), Some("the body panicked in the step `breaks:1`: the step 1 breaks"));
}

#[job("pends-and-panics:{id}")]
async fn pends_and_panics(id: u32) -> Result<u32, Error> {
    if resilience::jobs::blocking::get("pends-and-panics:1")?.is_some_and(|job| job.attempts < 2) {
        std::future::pending::<()>().await;
    }
    breaks(id)
}
