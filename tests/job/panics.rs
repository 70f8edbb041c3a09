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

/// An error whose code panics.
#[derive(Debug)]
enum Broken {
    /// In `Display`, and in the text for a record.
    Text,
    Class,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("no text")
    }
}

impl From<Rejected> for Broken {
    fn from(_: Rejected) -> Self {
        Self::Text
    }
}

impl Classify for Broken {
    fn classify(&self) -> resilience::Classification {
        assert!(matches!(self, Self::Text), "no class");
        Category::Invalid.into()
    }

    fn recorded_text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

#[job("text:{id}", record_text)]
fn text(id: u32) -> Result<u32, Broken> {
    if id == 0 { Ok(id) } else { Err(Broken::Text) }
}

#[job("text-async:{id}")]
async fn text_async(id: u32) -> Result<u32, Broken> {
    if id == 0 { Ok(id) } else { Err(Broken::Text) }
}

#[test]
fn a_text_that_panics_is_not_recorded() {
    let _world = isolate();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = |_: u32| -> Result<u32, Broken> { Err(Broken::Text) };
    let cases = [
        ("text:1", text(1)),
        ("text-async:1", runtime.block_on(text_async(1))),
        ("text", resilience::Job::run_blocking("text", 1, body)),
        ("text-async", runtime.block_on(resilience::Job::run("text-async", 1, async |n| body(n)))),
    ];
    for (id, outcome) in cases {
        assert!(matches!(outcome, Err(Broken::Text)), "{id}: the caller gets the error of the body");
        let job = jobs::blocking::get(id).unwrap().unwrap();
        assert_eq!((job.status, job.text), (Status::Failed, None), "{id}");
    }
    assert_eq!(recover().blocking().unwrap().jobs.len(), 0, "nothing runs it again by itself");
}

#[test]
fn a_class_that_panics_is_recorded_as_a_panic_of_the_body() {
    let _world = isolate();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let body = |_: u32| -> Result<u32, Broken> { Err(Broken::Class) };
    let panics = |call: &dyn Fn() -> Result<u32, Broken>| {
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).is_err());
    };
    panics(&|| resilience::Job::run_blocking("class", 1, body));
    panics(&|| runtime.block_on(resilience::Job::run("class-async", 1, async |n| body(n))));
    for id in ["class", "class-async"] {
        let job = jobs::blocking::get(id).unwrap().unwrap();
        assert_eq!(job.status, Status::Failed, "{job}");
        assert_eq!(job.problem.as_deref(), Some("the body panicked: no class"));
    }
    assert_eq!(recover().blocking().unwrap().jobs.len(), 0, "nothing runs it again by itself");
}
