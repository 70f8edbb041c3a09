//! A retry inside a repeated attempt of another one multiplies its attempts: events and counters say how deep it is.

use futures::executor::block_on;
use resilience::testing::{self, World};
use resilience::{
    Category, Classification, Classify, Event, Rejected, Retry, carry, carry_fn, point, timeout, with_retry,
};
use std::cell::Cell;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::task::{Context, Waker};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Down;

impl Classify for Down {
    fn classify(&self) -> Classification {
        Category::Unavailable.into()
    }
}

impl From<Rejected> for Down {
    fn from(_: Rejected) -> Self {
        Self
    }
}

/// Every event: its kind, its point without the module, its attempt, and the points around it.
fn story(world: &World) -> Vec<String> {
    let line = |event: &Event| {
        let (kind, attempt) = match event {
            Event::AttemptFailed { attempt, .. } => ("failed", attempt),
            Event::Recovered { attempt, .. } => ("recovered", attempt),
            Event::GaveUp { attempt, .. } => ("gave up", attempt),
            Event::Retrying { attempt, .. } => ("retrying", attempt),
            other => panic!("{other}"),
        };
        let short = |name: &str| name.rsplit("::").next().unwrap_or_default().to_owned();
        let inside: Vec<_> = event.inside().iter().map(|name| short(name)).collect();
        format!("{} {kind} {attempt} [{}]", short(event.point()), inside.join(" "))
    };
    let events = world.events();
    events.iter().filter(|event| !matches!(event, Event::Retrying { .. })).map(line).collect()
}

fn nested(name: &str) -> u64 {
    let policies = point(name).unwrap().snapshot().policies;
    policies[0].counters.iter().find(|(counter, _)| *counter == "nested").unwrap().1
}

/// A retry for the next call on this thread: what is around it.
fn around() -> Vec<String> {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());
    fn note(event: &Event) {
        SEEN.lock().unwrap().extend(event.inside().iter().map(|name| name.to_string()));
    }
    // The tests of this file share the list, each in its own call.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap();
    SEEN.lock().unwrap().clear();
    let probe = Retry::new().max(1).base(Duration::ZERO).on_retry(note);
    let _: Result<(), Down> = probe.call(|| Err(Down));
    std::mem::take(&mut *SEEN.lock().unwrap())
}

mod pair {
    use super::*;

    #[with_retry(max = 1, base = 0s, name = "pair::outer")]
    fn outer(calls: &Cell<u32>) -> Result<u32, Down> {
        inner(calls)
    }

    #[with_retry(max = 1, base = 0s, name = "pair::inner")]
    fn inner(calls: &Cell<u32>) -> Result<u32, Down> {
        calls.set(calls.get() + 1);
        if calls.get() < 4 { Err(Down) } else { Ok(calls.get()) }
    }

    #[with_retry(max = 1, base = 0s, name = "later::outer")]
    async fn outer_later(calls: &Cell<u32>) -> Result<u32, Down> {
        tokio::task::yield_now().await;
        inner_later(calls).await
    }

    #[with_retry(max = 1, base = 0s, name = "later::inner")]
    async fn inner_later(calls: &Cell<u32>) -> Result<u32, Down> {
        tokio::task::yield_now().await;
        calls.set(calls.get() + 1);
        if calls.get() < 4 { Err(Down) } else { Ok(calls.get()) }
    }

    const STORY: [&str; 6] = [
        "inner failed 1 []",
        "inner failed 2 []",
        "inner gave up 2 []",
        "outer failed 1 []",
        "inner failed 1 [outer]",
        "inner recovered 2 [outer]",
    ];

    #[test]
    fn events_name_the_retry_that_repeats_the_call() {
        let world = testing::isolate();
        assert_eq!(outer(&Cell::new(0)), Ok(4));
        assert_eq!(story(&world)[..6], STORY);
        assert_eq!(story(&world)[6..], ["outer recovered 2 []"]);
        assert_eq!((nested("pair::outer"), nested("pair::inner")), (0, 1));
        assert!(around().is_empty());
        let last = world.events().into_iter().rev().find(|event| event.point() == "pair::inner").unwrap();
        assert_eq!(last.to_string(), "pair::inner: recovered in attempt 2 of 2; in a retry of pair::outer");
    }

    #[test]
    fn events_name_the_outer_retry_across_awaits() {
        let world = testing::isolate();
        assert_eq!(block_on(outer_later(&Cell::new(0))), Ok(4));
        assert_eq!(story(&world)[..6], STORY);
        assert_eq!(story(&world)[6..], ["outer recovered 2 []"]);
        assert_eq!((nested("later::outer"), nested("later::inner")), (0, 1));
        assert!(around().is_empty());
    }
}

mod three_levels {
    use super::*;

    #[with_retry(max = 2, base = 0s, budget = none, name = "deep::page")]
    fn page(calls: &Cell<u32>) -> Result<(), Down> {
        search(calls)
    }

    #[with_retry(max = 2, base = 0s, budget = none, name = "deep::search")]
    fn search(calls: &Cell<u32>) -> Result<(), Down> {
        query(calls)
    }

    #[with_retry(max = 2, base = 0s, budget = none, name = "deep::query")]
    fn query(calls: &Cell<u32>) -> Result<(), Down> {
        calls.set(calls.get() + 1);
        Err(Down)
    }

    #[with_retry(max = 2, base = 0s, budget = none, name = "deep::page_later")]
    async fn page_later(calls: &Cell<u32>) -> Result<(), Down> {
        search_later(calls).await
    }

    #[with_retry(max = 2, base = 0s, budget = none, name = "deep::search_later")]
    async fn search_later(calls: &Cell<u32>) -> Result<(), Down> {
        // The value by hand is a level like the others.
        let query = Retry::new().max(2).base(Duration::ZERO).name("deep::query_later");
        let answer = query.call_async(async || {
            calls.set(calls.get() + 1);
            Err(Down)
        });
        answer.await
    }

    /// How many attempts failed at each depth.
    fn depths(world: &World, name: &str) -> Vec<usize> {
        let events = world.events();
        let depths = events.iter().filter(|event| event.point() == name).filter_map(|event| match event {
            Event::AttemptFailed { .. } => Some(event.inside().len()),
            _ => None,
        });
        depths.fold(vec![0; 3], |mut counts, depth| {
            counts[depth] += 1;
            counts
        })
    }

    #[test]
    fn attempts_of_three_nested_retries_are_counted() {
        let (world, calls) = (testing::isolate(), Cell::new(0));
        assert_eq!(page(&calls), Err(Down));
        assert_eq!(calls.get(), 27);
        // 18 retries of the innermost, of which the two in the first attempts of both others are its own.
        assert_eq!((nested("deep::page"), nested("deep::search"), nested("deep::query")), (0, 4, 16));
        assert_eq!(depths(&world, "deep::page"), [3, 0, 0]);
        assert_eq!(depths(&world, "deep::search"), [3, 6, 0]);
        assert_eq!(depths(&world, "deep::query"), [3, 12, 12]);
        let events = world.events();
        let deepest = events.iter().find(|event| event.inside().len() == 2).unwrap();
        assert_eq!(
            deepest.to_string(),
            "deep::query: attempt 1 of 3 failed: unavailable, medium; in a retry of deep::page, in one of deep::search"
        );
    }

    #[test]
    fn attempts_are_counted_across_values_and_async_functions() {
        let (world, calls) = (testing::isolate(), Cell::new(0));
        assert_eq!(block_on(page_later(&calls)), Err(Down));
        assert_eq!(calls.get(), 27);
        assert_eq!((nested("deep::page_later"), nested("deep::search_later")), (0, 4));
        assert_eq!(depths(&world, "deep::query_later"), [3, 12, 12]);
    }
}

/// Fails once, then returns what it finds around its second attempt.
#[with_retry(max = 1, base = 0s, name = "mark::second")]
fn second(calls: &Cell<u32>, find: &dyn Fn() -> Vec<String>) -> Result<Vec<String>, Down> {
    calls.set(calls.get() + 1);
    if calls.get() == 1 { Err(Down) } else { Ok(find()) }
}

/// Fails once, then waits until it is polled again, and returns what it finds.
#[with_retry(max = 1, base = 0s, name = "mark::second_later")]
async fn second_later(calls: &Cell<u32>) -> Result<Vec<String>, Down> {
    calls.set(calls.get() + 1);
    if calls.get() == 1 {
        return Err(Down);
    }
    tokio::task::yield_now().await;
    Ok(around())
}

#[test]
fn a_panic_leaves_no_outer_retry_behind() {
    #[with_retry(max = 2, base = 0s, name = "mark::panics")]
    fn panics(calls: &Cell<u32>) -> Result<(), Down> {
        calls.set(calls.get() + 1);
        assert!(calls.get() == 1, "broken on purpose");
        Err(Down)
    }
    #[with_retry(max = 2, base = 0s, give_up_after = 1h, name = "mark::panics_with_a_history")]
    fn with_a_history(calls: &Cell<u32>) -> Result<(), Down> {
        panics(&Cell::new(0)).and_then(|()| panics(calls))
    }
    #[with_retry(max = 2, base = 0s, name = "mark::panics_later")]
    async fn later(calls: &Cell<u32>) -> Result<(), Down> {
        calls.set(calls.get() + 1);
        assert!(calls.get() == 1, "broken on purpose");
        Err(Down)
    }
    let _world = testing::isolate();
    assert!(catch_unwind(AssertUnwindSafe(|| panics(&Cell::new(0)))).is_err());
    assert!(around().is_empty());
    assert!(catch_unwind(AssertUnwindSafe(|| with_a_history(&Cell::new(0)))).is_err());
    assert!(around().is_empty());
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(later(&Cell::new(0))))).is_err());
    assert!(around().is_empty());
    let value = Retry::new().base(Duration::ZERO);
    let mut calls = 0;
    let mut panics = || {
        calls += 1;
        assert!(calls == 1, "broken on purpose");
        Err::<(), _>(Down)
    };
    assert!(catch_unwind(AssertUnwindSafe(|| value.call(&mut panics))).is_err());
    assert!(around().is_empty());
}

#[test]
fn a_dropped_or_unpolled_future_leaves_no_outer_retry() {
    #[with_retry(max = 1, base = 0s, name = "mark::hangs")]
    async fn hangs(calls: &Cell<u32>) -> Result<(), Down> {
        calls.set(calls.get() + 1);
        if calls.get() == 1 {
            return Err(Down);
        }
        pending().await
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    let mut hanging = Box::pin(hangs(&calls));
    let mut cx = Context::from_waker(Waker::noop());
    while calls.get() < 2 {
        assert!(hanging.as_mut().poll(&mut cx).is_pending());
    }
    assert!(around().is_empty());
    assert!(hanging.as_mut().poll(&mut cx).is_pending());
    drop(hanging);
    assert!(around().is_empty());
}

#[test]
fn interleaved_futures_have_their_own_outer_retry() {
    async fn beside() -> Vec<Vec<String>> {
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.push(around());
            tokio::task::yield_now().await;
        }
        seen
    }
    let _world = testing::isolate();
    let (left, right) = (Cell::new(0), Cell::new(0));
    let (first, beside, other) =
        block_on(async { tokio::join!(second_later(&left), beside(), second_later(&right)) });
    assert_eq!(first, Ok(vec!["mark::second_later".to_owned()]));
    assert_eq!(other, first);
    assert_eq!(beside, vec![Vec::<String>::new(); 4]);
}

#[test]
fn carried_threads_and_tasks_know_the_outer_retry() {
    let _world = testing::isolate();
    let marked = ["mark::second".to_owned()];
    let find = || std::thread::spawn(carry_fn(around)).join().unwrap();
    assert_eq!(second(&Cell::new(0), &find).unwrap(), marked);
    let find = || std::thread::spawn(around).join().unwrap();
    assert_eq!(second(&Cell::new(0), &find).unwrap(), [""; 0]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let find = || runtime.block_on(async { tokio::spawn(carry(async { around() })).await.unwrap() });
    assert_eq!(second(&Cell::new(0), &find).unwrap(), marked);
    let find = || runtime.block_on(async { tokio::spawn(async { around() }).await.unwrap() });
    // The task runs on this thread, inside `block_on`: what is around that is around the task.
    assert_eq!(second(&Cell::new(0), &find).unwrap(), marked);
    assert!(around().is_empty());
}

#[test]
fn a_helper_thread_knows_the_outer_retry() {
    #[with_retry(max = 1, base = 0s, clone(calls), name = "mark::on_a_thread")]
    #[timeout(1s, thread)]
    fn on_a_thread(calls: std::sync::Arc<Mutex<Vec<Vec<String>>>>) -> Result<(), Down> {
        let mut calls = calls.lock().unwrap();
        calls.push(around());
        if calls.len() == 1 { Err(Down) } else { Ok(()) }
    }
    let _world = testing::isolate();
    let calls = std::sync::Arc::<Mutex<Vec<_>>>::default();
    on_a_thread(calls.clone()).unwrap();
    assert_eq!(*calls.lock().unwrap(), [vec![], vec!["mark::on_a_thread".to_owned()]]);
    assert!(around().is_empty());
}

#[test]
fn hooks_run_outside_the_attempt() {
    fn silent(_: &Event) {
        assert!(around().is_empty());
    }
    #[with_retry(max = 2, base = 0s, on_retry = silent, on_give_up = silent)]
    fn hooked() -> Result<(), Down> {
        Err(Down)
    }
    let _world = testing::isolate();
    let before = resilience::event::hook_panics();
    assert_eq!(hooked(), Err(Down));
    assert_eq!(resilience::event::hook_panics(), before);
}
