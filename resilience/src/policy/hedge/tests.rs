//! The answering call, against a slow model; and nothing is left behind wherever a call is dropped.

use super::*;
use crate::base::clock::now;
use crate::base::guarded::DropPanics;
use crate::failure::Category;
use crate::testing::{World, isolate};
use proptest::prelude::*;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// The unit of time: long, because an alarm of a world also goes off when that much real time has passed.
const MINUTE: Duration = Duration::from_secs(60);

/// The end of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Success,
    Failure,
    Refusal,
}

/// The duration of one call, in minutes, and its end.
type Copy = (u64, End);

/// The result of a call: the number of the copy, and how that ended.
type Answer = (usize, End);

fn judge(answer: &Answer) -> Verdict {
    match answer.1 {
        End::Success => None,
        End::Failure => Some(Category::Unavailable.into()),
        End::Refusal => Some(Classification::new(Category::Rejected).refused()),
    }
}

/// Returns the world's clock, in minutes.
fn minutes(_: &World) -> u64 {
    now().saturating_duration_since(crate::base::clock::origin()).as_secs() / 60
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `call`, a minute of the clock after the other, until it panics; returns the value of the panic.
fn panic_of<F: Future>(world: &World, mut call: Pin<&mut F>) -> Box<dyn std::any::Any + Send> {
    let panic = (0..100).find_map(|_| {
        let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| poll(call.as_mut())));
        world.advance(MINUTE);
        polled.err()
    });
    panic.expect("a panic")
}

/// The observations of a call: its answer, when it came, and how many copies ran.
#[derive(Debug, PartialEq)]
struct Seen {
    answer: Answer,
    at: u64,
    ran: usize,
    hedged: u64,
    denied: u64,
    tokens: u32,
}

/// A value that counts the living ones.
struct Alive<'a>(&'a Cell<usize>);

impl Drop for Alive<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Calls a hedge whose clock moves by one minute a poll, and drops the call after `polls`.
fn play(
    world: &World,
    config: HedgeConfig,
    capacity: u32,
    copies: &[Copy],
    polls: u64,
) -> (Option<Seen>, usize) {
    let hedge = Hedge::try_new("played", config).unwrap();
    let hedge = Hedge { budget: Budget::new().capacity(capacity).refill(0).deposit(1), ..hedge };
    let (ran, alive) = (Cell::new(0), Cell::new(0));
    let began = minutes(world);
    let body = || {
        let number = ran.get();
        ran.set(number + 1);
        alive.set(alive.get() + 1);
        let held = Alive(&alive);
        let (took, end) = copies[number];
        let ends = minutes(world) + took;
        async move {
            let _held = held;
            poll_fn(|_| if minutes(world) >= ends { Poll::Ready(()) } else { Poll::Pending }).await;
            (number, end)
        }
    };
    let mut seen = None;
    {
        let mut call = pin!(hedge.call_async_judged(body, judge));
        for _ in 0..polls {
            if let Poll::Ready(answer) = poll(call.as_mut()) {
                assert_eq!(alive.get(), 0, "the others are dropped before the answer is given");
                let now = hedge.snapshot();
                let at = minutes(world) - began;
                let (hedged, denied, tokens) = (now.hedged, now.denied, now.tokens);
                seen = Some(Seen { answer, at, ran: ran.get(), hedged, denied, tokens });
                break;
            }
            world.advance(MINUTE);
        }
    }
    (seen, alive.get())
}

/// One copy in the model.
struct Running {
    number: usize,
    ends: u64,
    end: End,
    is_over: bool,
}

/// Runs the call one minute after the other, with a list of all copies.
fn model(after: u64, max: u32, capacity: u32, copies: &[Copy]) -> Seen {
    let started = |number: usize, at: u64| {
        let (took, end) = copies[number];
        Running { number, ends: at + took, end, is_over: false }
    };
    let mut running = vec![started(0, 0)];
    let (mut ran, mut hedged, mut denied, mut tokens) = (1, 0, 0, capacity);
    let (mut turn, mut tried, mut next, mut failed) = (0, 0, None, None);
    for at in 0.. {
        let count = running.len();
        let seen = |answer: Answer, ran, hedged, denied, tokens: u32| {
            let tokens = if answer.1 == End::Success { (tokens + 1).min(capacity) } else { tokens };
            Seen { answer, at, ran, hedged, denied, tokens }
        };
        let first = if count > 1 {
            turn += 1;
            turn - 1
        } else {
            0
        };
        let mut order: Vec<usize> = (0..count).map(|step| (first + step) % count).collect();
        let mut polled = 0;
        loop {
            while polled < order.len() {
                let copy = &mut running[order[polled]];
                polled += 1;
                if copy.is_over || copy.ends > at {
                    continue;
                }
                copy.is_over = true;
                let answer = (copy.number, copy.end);
                match answer {
                    (_, End::Success) => return seen(answer, ran, hedged, denied, tokens),
                    (1.., End::Refusal) => {}
                    _ => failed = failed.or(Some(answer)),
                }
                if running.iter().all(|copy| copy.is_over) {
                    return seen(failed.unwrap(), ran, hedged, denied, tokens);
                }
            }
            if tried == max || *next.get_or_insert(at + after) > at {
                break;
            }
            (tried, next) = (tried + 1, None);
            if u64::from(tokens) * 2 <= u64::from(capacity) || tokens < 5.min(capacity) {
                denied += 1;
                continue;
            }
            let extra = started(ran, at);
            ran += 1;
            if extra.ends <= at && extra.end == End::Refusal {
                denied += 1;
                continue;
            }
            hedged += 1;
            tokens -= 5.min(capacity);
            order.push(running.len());
            running.push(extra);
        }
    }
    unreachable!("some copy ends")
}

fn end() -> impl Strategy<Value = End> {
    prop_oneof![3 => Just(End::Success), 2 => Just(End::Failure), 1 => Just(End::Refusal)]
}

fn copies() -> impl Strategy<Value = Vec<Copy>> {
    prop::collection::vec((0..40_u64, end()), 6)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_answering_copy_and_its_time_agree_with_the_model(
        after in 1..15_u64, max in 1..5_u32, capacity in 1..40_u32, copies in copies(),
    ) {
        let world = isolate();
        let config = HedgeConfig { max, ..HedgeConfig::from(MINUTE * u32::try_from(after).unwrap()) };
        let (seen, alive) = play(&world, config, capacity, &copies, 1_000);
        prop_assert_eq!(seen, Some(model(after, max, capacity, &copies)));
        prop_assert_eq!(alive, 0);
    }

    #[test]
    fn a_call_dropped_at_any_poll_drops_all_copies(
        after in 1..15_u64, max in 1..5_u32, copies in copies(), polls in 0..60_u64,
    ) {
        let world = isolate();
        let config = HedgeConfig { max, ..HedgeConfig::from(MINUTE * u32::try_from(after).unwrap()) };
        let (_, alive) = play(&world, config, 500, &copies, polls);
        prop_assert_eq!(alive, 0);
    }
}

#[test]
fn the_size_of_the_future_is_bounded() {
    type First = std::future::Ready<std::io::Result<u8>>;
    type Made = fn() -> First;
    type Judges = fn(&std::io::Result<u8>) -> Verdict;
    let body = size_of::<First>() + size_of::<Made>() + size_of::<Judges>();
    let world = size_of::<Option<crate::base::world::World>>();
    let over = size_of::<Copies<'static, &Hedge, First, Made, Judges>>() - body - world;
    assert!(over <= 40 + 112, "{over} bytes");
}

#[test]
fn the_first_calls_failure_is_returned_if_all_fail() {
    let world = isolate();
    let config = HedgeConfig { max: 2, ..HedgeConfig::from(MINUTE * 5) };
    let failures = [(30, End::Failure), (3, End::Failure), (4, End::Failure)];
    let (seen, _) = play(&world, config, 500, &failures, 1_000);
    let Some(Seen { answer, at, ran, .. }) = seen else { panic!() };
    assert_eq!((answer, at, ran), ((1, End::Failure), 30, 3));
}

#[test]
fn a_second_panic_payload_may_panic_on_drop() {
    struct Loud<'a>(&'a Cell<usize>);
    impl Drop for Loud<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
            if !std::thread::panicking() {
                std::panic::panic_any(DropPanics);
            }
        }
    }
    let world = isolate();
    let hedge = Hedge::new("further panics", MINUTE * 5).max(3);
    let (dropped, ran) = (Cell::new(0), Cell::new(0));
    let body = || {
        let number = ran.replace(ran.get() + 1);
        let held = Loud(&dropped);
        async move {
            let _held = (number < 3).then_some(held);
            if number < 3 {
                std::future::pending::<()>().await;
            }
            (number, End::Success)
        }
    };
    let mut call = Box::pin(hedge.call_async_judged(body, judge));
    let panic = panic_of(&world, call.as_mut());
    assert!(panic.is::<DropPanics>(), "the first one");
    std::mem::forget(panic);
    assert_eq!(dropped.get(), 4);
}

#[test]
fn a_panic_reaches_the_caller_after_all_copies_are_dropped() {
    struct Loud<'a>(&'a RefCell<Vec<usize>>, usize, bool);
    impl Drop for Loud<'_> {
        fn drop(&mut self) {
            self.0.borrow_mut().push(self.1);
            assert!(!self.2 || std::thread::panicking(), "a copy panics when it is dropped");
        }
    }
    // Who panics: in a poll, in its first poll, when it is judged, when it is dropped.
    for (in_poll, at_once, in_judge, in_drop) in [
        (Some(0), None, None, &[][..]),
        (Some(1), None, None, &[]),
        (None, Some(1), None, &[]),
        (None, None, Some(1), &[]),
        (None, None, None, &[0, 2]),
    ] {
        let world = isolate();
        let hedge = Hedge::new("panics", MINUTE * 5).max(2);
        let (dropped, ran) = (RefCell::default(), Cell::new(0));
        let body = || {
            let number = ran.get();
            ran.set(number + 1);
            let held = Loud(&dropped, number, in_drop.contains(&number));
            let (world, began) = (&world, minutes(&world));
            async move {
                let _held = held;
                assert_ne!(at_once, Some(number), "the first poll of a copy");
                poll_fn(|_| if minutes(world) >= began + 20 { Poll::Ready(()) } else { Poll::Pending }).await;
                assert_ne!(in_poll, Some(number), "a poll of a copy");
                if in_drop.is_empty() && in_judge.is_none() {
                    std::future::pending::<()>().await;
                }
                // The second copy answers while the others run.
                if number != 1 {
                    std::future::pending::<()>().await;
                }
                (number, End::Success)
            }
        };
        let judge = |answer: &Answer| {
            assert_ne!(in_judge, Some(answer.0), "a copy is judged");
            judge(answer)
        };
        let mut call = Box::pin(hedge.call_async_judged(body, judge));
        let panic = panic_of(&world, call.as_mut());
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        assert!(text.expect("a text").contains("a copy"));
        let mut all = dropped.borrow().clone();
        all.sort_unstable();
        assert_eq!(all, (0..ran.get()).collect::<Vec<_>>(), "all are gone before the call is");
        drop(call);
        assert_eq!(dropped.borrow().len(), ran.get());
    }
}
