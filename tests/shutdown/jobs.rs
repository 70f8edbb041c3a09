//! Jobs, steps and undos, each in a test world.

use super::common::Scratch;
use super::{Error, LONG};
use futures::executor::block_on;
use resilience::alerts::{self, recent_in};
use resilience::durable::{JobError, Status};
use resilience::events::{self, Kind};
use resilience::testing::{World, isolate};
use resilience::{
    CircuitBreaker, Event, Rejected, carry_fn, checkpoint, health, job, jobs, shutdown, shutdown_blocking,
    with_recovery, with_retry,
};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

fn status(id: &str) -> Status {
    jobs::blocking::get(id).unwrap().expect("it is recorded").status
}

fn problem(id: &str) -> String {
    jobs::blocking::get(id).unwrap().expect("it is recorded").problem.unwrap_or_default()
}

/// Why jobs of this world were interrupted, as their events say.
fn interruptions(world: &World) -> Vec<String> {
    let problem = |event: Event| match event {
        Event::JobInterrupted { problem, .. } => Some(problem),
        _ => None,
    };
    world.events().into_iter().filter_map(problem).collect()
}

const PROBLEM: &str = "the process shut down before it ended";

fn is_refusal<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Rejected(Rejected::ShuttingDown { .. })))
}

#[checkpoint("first:{id}")]
fn first(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("second:{id}")]
fn second(id: u32) -> Result<u32, Error> {
    Ok(id * 2)
}

#[job("two:{id}")]
fn two_steps(id: u32) -> Result<u32, Error> {
    Ok(first(id)? + second(id)?)
}

#[test]
fn no_job_or_sweep_starts_during_a_shutdown() {
    let _world = isolate();
    assert_eq!(two_steps(1).unwrap(), 3);
    assert!(health::ready().is_ready);
    let report = shutdown_blocking(LONG);
    assert!(report.is_complete(), "{report}");
    let refused = two_steps(2);
    assert!(is_refusal(&refused), "{refused:?}");
    let Err(Error::Rejected(rejected)) = refused else { unreachable!("it was looked at") };
    assert_eq!(
        rejected.to_string(),
        "`shutdown::jobs::two_steps` was rejected: the process is shutting down"
    );
    assert!(jobs::blocking::get("two:2").unwrap().is_none(), "nothing is recorded of it");
    assert!(matches!(resilience::recover_blocking(), Err(Rejected::ShuttingDown { .. })));
    let ready = health::ready();
    assert_eq!((ready.is_ready, ready.to_string()), (false, "not ready: the process shuts down".to_owned()));
    // Calls outside of jobs, policies and alerts work.
    assert_eq!(first(7).unwrap(), 7);
    let breaker = CircuitBreaker::new("after");
    assert_eq!(breaker.call(|| Ok::<_, Error>(1)).unwrap(), 1);
    let dir = super::common::Scratch::new();
    resilience::alerts::use_dir(dir.path(""));
    assert!(
        resilience::alerts::raise(resilience::alerts::AlertLevel::Critical, "a", "after", &[]).is_written()
    );
}

#[test]
fn an_async_job_is_rejected_during_a_shutdown() {
    #[job("async:{id}")]
    async fn later(id: u32) -> Result<u32, Error> {
        Ok(id)
    }
    let _world = isolate();
    block_on(async {
        assert!(shutdown(LONG).await.is_complete());
        assert!(is_refusal(&later(1).await));
        assert!(matches!(resilience::recover().await, Err(Rejected::ShuttingDown { .. })));
    });
}

#[job("stops:{id}")]
fn stops_between_steps(id: u32) -> Result<u32, Error> {
    let one = first(id)?;
    let report = shutdown_blocking(LONG);
    assert_eq!(report.left.len(), 1, "{report}");
    assert_eq!(report.left[0].job, Some(format!("stops:{id}")));
    assert_eq!((&*report.left[0].point, &report.left[0].key), ("shutdown::jobs::stops_between_steps", &None));
    Ok(one + second(id)?)
}

#[test]
fn a_job_that_shuts_down_stops_at_its_next_step() {
    let _world = isolate();
    assert!(is_refusal(&stops_between_steps(1)));
    assert_eq!((status("stops:1"), problem("stops:1").as_str()), (Status::Interrupted, PROBLEM));
}

#[test]
fn a_job_that_swallows_the_refusal_is_interrupted() {
    #[job("hidden:{id}")]
    fn hidden(id: u32) -> Result<u32, Error> {
        shutdown_blocking(LONG);
        Ok(second(id).unwrap_or(0))
    }
    let _world = isolate();
    let Err(Error::Rejected(Rejected::Job(error))) = hidden(1) else { panic!("it has no result") };
    assert!(matches!(*error, JobError::Interrupted { .. }), "{error}");
    assert_eq!(status("hidden:1"), Status::Interrupted);
}

#[test]
fn a_failure_or_panic_during_a_shutdown_interrupts_the_job() {
    #[job("fails:{id}")]
    fn fails(id: u32) -> Result<u32, Error> {
        shutdown_blocking(LONG);
        assert!(id != 2, "of the body");
        Err(Error::Wrong)
    }
    #[job("async-fails:{id}")]
    async fn fails_async(id: u32) -> Result<u32, Error> {
        shutdown(LONG).await;
        assert!(id != 2, "of the body");
        Err(Error::Wrong)
    }
    // A restart is no alert; a panic is one.
    let alerts = |dir: &std::path::Path| {
        alerts::flush(LONG);
        recent_in(dir, 9)
            .unwrap()
            .alerts
            .iter()
            .filter(|alert| alert.message == "a job was interrupted")
            .count()
    };
    // The caller gets the error of a job that runs again: the report names it.
    let said = [": the body returned an error (invalid, medium)", ": the body panicked: of the body"];
    for (id, raised) in [(1, 0), (2, 1)] {
        let (world, scratch) = (isolate(), Scratch::new());
        alerts::use_dir(scratch.path(""));
        let ended = std::panic::catch_unwind(|| fails(id));
        assert_eq!(ended.is_err(), id == 2);
        assert_eq!(status(&format!("fails:{id}")), Status::Interrupted);
        let problem = problem(&format!("fails:{id}"));
        assert_eq!(interruptions(&world), [problem.as_str()]);
        assert_eq!(problem.strip_prefix(PROBLEM), Some(said[id as usize - 1]));
        assert_eq!(alerts(&scratch.path("")), raised);
        let (_world, scratch) = (isolate(), Scratch::new());
        alerts::use_dir(scratch.path(""));
        let ended = std::panic::catch_unwind(|| block_on(fails_async(id)));
        assert_eq!(ended.is_err(), id == 2);
        assert_eq!(status(&format!("async-fails:{id}")), Status::Interrupted);
        assert_eq!(alerts(&scratch.path("")), raised);
    }
}

#[test]
fn a_job_with_all_its_steps_recorded_is_done() {
    #[job("ends:{id}")]
    fn ends(id: u32) -> Result<u32, Error> {
        let sum = first(id)? + second(id)?;
        shutdown_blocking(LONG);
        Ok(sum)
    }
    let _world = isolate();
    assert_eq!((ends(1).unwrap(), status("ends:1")), (3, Status::Done));
}

#[test]
fn a_shutdown_waits_for_the_running_step_only() {
    static INSIDE: Mutex<Option<(Sender<()>, Receiver<()>)>> = Mutex::new(None);
    #[checkpoint("holds:{id}")]
    fn holds(id: u32) -> Result<u32, Error> {
        let (begun, goes_on) = INSIDE.lock().unwrap().take().expect("one call");
        begun.send(()).unwrap();
        goes_on.recv().unwrap();
        // Steps of a running step are part of it.
        first(id)
    }
    #[job("held:{id}")]
    fn held(id: u32) -> Result<u32, Error> {
        Ok(holds(id)? + second(id)?)
    }
    for limit in [LONG, Duration::MAX] {
        let _world = isolate();
        let (begun, has_begun) = channel();
        let (go_on, goes_on) = channel();
        *INSIDE.lock().unwrap() = Some((begun, goes_on));
        let job = thread::spawn(carry_fn(|| held(1)));
        has_begun.recv().unwrap();
        let (sent, ended) = channel();
        let stops = thread::spawn(carry_fn(move || sent.send(shutdown_blocking(limit)).unwrap()));
        while health::ready().is_ready {
            thread::yield_now();
        }
        assert!(ended.try_recv().is_err(), "it waits for the step");
        go_on.send(()).unwrap();
        let report = ended.recv().unwrap();
        assert!(report.is_complete(), "{report}");
        stops.join().unwrap();
        assert!(is_refusal(&job.join().unwrap()));
        assert_eq!(status("held:1"), Status::Interrupted);
        let steps: Vec<_> =
            jobs::blocking::steps("held:1").unwrap().into_iter().map(|step| step.key).collect();
        assert_eq!(steps.len(), 2, "the step that ran, and the one inside of it: {steps:?}");
    }
}

#[test]
fn the_earlier_limit_of_two_shutdown_calls_applies() {
    static INSIDE: Mutex<Option<(Sender<()>, Receiver<()>)>> = Mutex::new(None);
    #[checkpoint("blocks:{id}")]
    fn blocks(id: u32) -> Result<u32, Error> {
        let (begun, goes_on) = INSIDE.lock().unwrap().take().expect("one call");
        begun.send(()).unwrap();
        let _ = goes_on.recv();
        Ok(id)
    }
    #[job("blocked:{id}")]
    fn blocked(id: u32) -> Result<u32, Error> {
        blocks(id)
    }
    let world = isolate();
    let (begun, has_begun) = channel();
    let (go_on, goes_on) = channel();
    *INSIDE.lock().unwrap() = Some((begun, goes_on));
    let job = thread::spawn(carry_fn(|| blocked(1)));
    has_begun.recv().unwrap();
    world.advance(Duration::from_secs(7));
    let first = thread::spawn(carry_fn(|| shutdown_blocking(LONG)));
    // Three seconds for the step, and the last one to give the lease back.
    let second = shutdown_blocking(Duration::from_secs(4));
    let first = first.join().unwrap();
    for report in [&first, &second] {
        assert_eq!(report.left.len(), 1, "{report}");
        let left = &report.left[0];
        assert_eq!(
            (&*left.point, left.job.as_deref(), left.key.as_deref()),
            ("shutdown::jobs::blocks", Some("blocked:1"), Some("blocks:1"))
        );
        assert!(left.age >= Duration::from_secs(7));
    }
    assert_eq!(status("blocked:1"), Status::Interrupted, "its lease is given back");
    go_on.send(()).unwrap();
    assert!(job.join().unwrap().is_err(), "what it returns is not recorded");
    assert_eq!(status("blocked:1"), Status::Interrupted);
    assert_eq!(interruptions(&world), [PROBLEM], "no other process has its lease");
}

#[test]
fn a_running_undo_ends_and_the_next_is_left_to_recovery() {
    fn undo(name: &str) -> Result<(), Error> {
        if name == "b" {
            let report = shutdown_blocking(LONG);
            assert_eq!(report.left[0].job.as_deref(), Some("undone:1"), "{report}");
        }
        Ok(())
    }
    #[checkpoint("does:{name}", rollback = |name: String| undo(&name))]
    fn does(name: &str) -> Result<String, Error> {
        Ok(name.to_owned())
    }
    #[with_recovery(on(invalid, rollback))]
    #[job("undone:{id}")]
    fn undone(id: u32) -> Result<(), Error> {
        let _ = id;
        does("a")?;
        does("b")?;
        Err(Error::Wrong)
    }
    let world = isolate();
    assert!(undone(1).is_err());
    assert_eq!(status("undone:1"), Status::RollingBack);
    assert_eq!(interruptions(&world), [PROBLEM]);
}

#[test]
fn a_shutdown_can_be_called_in_a_hook_and_a_handler() {
    fn hook(_: &Event) {
        let report = shutdown_blocking(LONG);
        assert_eq!(report.left[0].job.as_deref(), Some("hooked:1"), "{report}");
    }
    #[checkpoint("hooked:{id}")]
    #[with_retry(max = 1, base = 1ms, on_retry = hook)]
    fn fails(id: u32) -> Result<u32, Error> {
        let _ = id;
        Err(Error::Down)
    }
    #[job("hooked:{id}")]
    fn hooked(id: u32) -> Result<u32, Error> {
        fails(id)
    }
    {
        let _world = isolate();
        assert!(hooked(1).is_err());
        assert_eq!((status("hooked:1"), resilience::event::hook_panics()), (Status::Interrupted, 0));
    }
    let _world = isolate();
    let (sent, reported) = channel();
    let handler = events::on([Kind::Opened], move |_| sent.send(shutdown_blocking(LONG)).unwrap());
    CircuitBreaker::new("opened").force_open();
    let report = reported.recv().unwrap();
    assert_eq!(
        (&*report.left[0].point, report.unflushed.as_slice()),
        ("resilience::events::on", ["events"].as_slice())
    );
    handler.remove();
}

#[test]
fn no_retry_is_made_during_a_shutdown() {
    #[with_retry(max = 5)]
    fn sync(error: fn() -> Error, calls: &mut u32) -> Result<u32, Error> {
        *calls += 1;
        if *calls == 1 {
            shutdown_blocking(LONG);
        }
        Err(error())
    }
    #[with_retry(max = 5)]
    async fn asynchronous(error: fn() -> Error, calls: &mut u32) -> Result<u32, Error> {
        *calls += 1;
        if *calls == 1 {
            shutdown(LONG).await;
        }
        Err(error())
    }
    let busy = || Error::Busy(Duration::from_secs(1));
    for error in [(|| Error::Down) as fn() -> Error, busy] {
        let world = isolate();
        let mut calls = 0;
        assert_eq!((sync(error, &mut calls), calls), (Err(error()), 1));
        assert!(world.waits().is_empty());
        let gave_up = world.events();
        let is_said = |event: &Event| {
            matches!(event, Event::GaveUp { reason: "the process shuts down", attempt: 1, .. })
        };
        assert!(gave_up.iter().any(is_said), "{gave_up:?}");
        let world = isolate();
        let mut calls = 0;
        assert_eq!((block_on(asynchronous(error, &mut calls)), calls), (Err(error()), 1));
        assert!(world.waits().is_empty());
    }
}

#[test]
fn a_paused_tokio_clock_does_not_end_a_shutdown_early() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _world = isolate();
    let report = runtime.block_on(shutdown(LONG));
    assert!(report.is_complete(), "{report}");
    assert!(runtime.block_on(async { shutdown_blocking(LONG) }).is_complete());
}
