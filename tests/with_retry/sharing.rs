//! A budget of functions that call one another: only the innermost pays, and returns tokens.

use futures::executor::block_on;
use resilience::testing::{self, World};
use resilience::{
    Budget, Category, Classification, Classify, Event, Hedge, Rejected, Retry, carry, carry_fn, hedge,
    timeout, with_retry,
};
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq)]
enum Failure {
    Down,
    /// The function's own mistake, with a service that is well.
    Own,
    Rejected,
}
use Failure::{Down, Own};

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Down | Own => Category::Unavailable.into(),
            Self::Rejected => Category::Rejected.into(),
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        if matches!(rejected, Rejected::TimedOut { .. }) { Down } else { Self::Rejected }
    }
}

/// What the service and the functions around it answer in turn; a service without a line is down.
#[derive(Default)]
struct Script {
    service: RefCell<Vec<Result<(), Failure>>>,
    /// What the outermost function returns in place of what it was answered.
    outermost: RefCell<Vec<Option<Result<(), Failure>>>>,
    calls: Cell<u32>,
}

impl Script {
    fn of(service: &[Result<(), Failure>]) -> Self {
        let service = service.iter().rev().copied().collect();
        Self { service: RefCell::new(service), ..Self::default() }
    }

    fn outermost(self, answers: &[Option<Result<(), Failure>>]) -> Self {
        *self.outermost.borrow_mut() = answers.iter().rev().copied().collect();
        self
    }

    fn answer(&self) -> Result<(), Failure> {
        self.calls.set(self.calls.get() + 1);
        self.service.borrow_mut().pop().unwrap_or(Err(Down))
    }

    fn passed_on(&self, answer: Result<(), Failure>) -> Result<(), Failure> {
        self.outermost.borrow_mut().pop().flatten().unwrap_or(answer)
    }
}

/// Makes three functions that call one another, sync and async: `name::play(scene)` plays the scene to both, each in
/// its own world, and returns what both returned.
macro_rules! chain {
    ($name:ident: ($($outer:tt)*), ($($middle:tt)*), ($($inner:tt)*)) => {
        mod $name {
            use super::*;

            #[with_retry($($outer)*)]
            fn outer(script: &Script) -> Result<(), Failure> {
                script.passed_on(middle(script))
            }
            #[with_retry($($middle)*)]
            fn middle(script: &Script) -> Result<(), Failure> {
                inner(script)
            }
            #[with_retry($($inner)*)]
            fn inner(script: &Script) -> Result<(), Failure> {
                script.answer()
            }

            #[with_retry($($outer)*)]
            async fn outer_later(script: &Script) -> Result<(), Failure> {
                tokio::task::yield_now().await;
                let answer = middle_later(script).await;
                script.passed_on(answer)
            }
            #[with_retry($($middle)*)]
            async fn middle_later(script: &Script) -> Result<(), Failure> {
                let answer = inner_later(script).await;
                tokio::task::yield_now().await;
                answer
            }
            #[with_retry($($inner)*)]
            async fn inner_later(script: &Script) -> Result<(), Failure> {
                tokio::task::yield_now().await;
                script.answer()
            }

            pub(super) fn play<T: PartialEq + Debug>(
                scene: impl Fn(&World, &dyn Fn(&Script) -> Result<(), Failure>) -> T,
            ) -> T {
                let now = scene(&testing::isolate(), &|script| outer(script));
                let later = scene(&testing::isolate(), &|script| block_on(outer_later(script)));
                assert_eq!(now, later, "the sync and the async functions differ");
                now
            }
        }
    };
}

static ONE: Budget = Budget::new().refill(0).deposit(1);
static OTHER: Budget = Budget::new().refill(0).deposit(1);
/// Pays for one retry.
static SMALL: Budget = Budget::new().capacity(5).cost(5).timeout_cost(5).refill(0).deposit(1);

chain!(one: (max = 1, base = 0s, budget = ONE), (max = 1, base = 0s, budget = ONE), (max = 1, base = 0s, budget = ONE));
chain!(small: (max = 1, base = 0s, budget = SMALL), (max = 1, base = 0s, budget = SMALL), (max = 1, base = 0s, budget = SMALL));
chain!(between: (max = 1, base = 0s, budget = ONE), (max = 1, base = 0s, budget = OTHER), (max = 1, base = 0s, budget = ONE));
chain!(own: (max = 1, base = 0s, budget = ONE), (max = 1, base = 0s), (max = 1, base = 0s, budget = none));

/// Takes tokens for this many retries.
fn use_up(budget: &'static Budget, retries: u32) {
    let before = budget.tokens();
    let retry = Retry::new().max(retries).base(Duration::ZERO).budget(budget);
    let _: Result<(), Failure> = retry.call(|| Err(Down));
    assert_eq!(budget.tokens(), before - 5 * retries);
}

#[test]
fn only_the_innermost_retry_pays() {
    let seen = one::play(|_, call| {
        let script = Script::default();
        assert_eq!(call(&script), Err(Down));
        (script.calls.get(), ONE.tokens(), ONE.denied())
    });
    assert_eq!(seen, (8, 500 - 4 * 5, 0), "each call of the innermost pays for its own retry");
}

#[test]
fn only_the_innermost_retry_returns_a_token() {
    let healthy = one::play(|_, call| {
        use_up(&ONE, 10);
        assert_eq!(call(&Script::of(&[Ok(())])), Ok(()));
        ONE.tokens()
    });
    assert_eq!(healthy, 500 - 10 * 5 + 1);
    let recovered = one::play(|_, call| {
        let script = Script::of(&[Err(Down), Err(Down), Ok(())]);
        assert_eq!(call(&script), Ok(()));
        (script.calls.get(), ONE.tokens())
    });
    assert_eq!(recovered, (3, 500 - 5 + 1), "the retry of the function in the middle has succeeded");
}

#[test]
fn each_budget_is_charged_by_its_own_innermost_retry() {
    let seen = between::play(|_, call| {
        let script = Script::default();
        assert_eq!(call(&script), Err(Down));
        (script.calls.get(), ONE.tokens(), OTHER.tokens())
    });
    assert_eq!(seen, (8, 500 - 4 * 5, 500 - 2 * 5));
    let healthy = between::play(|_, call| {
        use_up(&ONE, 1);
        use_up(&OTHER, 1);
        assert_eq!(call(&Script::of(&[Ok(())])), Ok(()));
        (ONE.tokens(), OTHER.tokens())
    });
    assert_eq!(healthy, (496, 496));
    let alone = own::play(|_, call| {
        assert_eq!(call(&Script::default()), Err(Down));
        ONE.tokens()
    });
    assert_eq!(alone, 495, "no function inside has the budget");
}

#[test]
fn an_exhausted_budget_ends_all_nested_retries() {
    let (calls, reasons) = small::play(|world, call| {
        let script = Script::default();
        assert_eq!(call(&script), Err(Down));
        assert_eq!((SMALL.tokens(), SMALL.denied()), (0, 1), "one question is enough");
        let reasons = world.events().into_iter().filter_map(|event| match event {
            Event::GaveUp { reason, .. } => Some(reason),
            _ => None,
        });
        (script.calls.get(), reasons.collect::<Vec<_>>())
    });
    // The first call of the innermost pays for its retry; that of its caller costs nothing, and is the last.
    assert_eq!(calls, 3);
    let used_up = "the retry budget is used up";
    let none_left = "no retry is left";
    assert_eq!(reasons, [none_left, used_up, none_left, used_up], "the outermost is denied its retry");
}

#[test]
fn a_function_pays_for_its_own_failure() {
    let before_any_call = one::play(|_, call| {
        let script = Script::of(&[Ok(()), Ok(())]).outermost(&[Some(Err(Own)), None]);
        assert_eq!(call(&script), Ok(()));
        ONE.tokens()
    });
    // The first call inside finds the bucket full; the second one returns a token, and the outermost none.
    assert_eq!(before_any_call, 500 - 5 + 1);
    let after_a_recovery = one::play(|_, call| {
        let script = Script::of(&[Err(Down), Ok(()), Ok(())]).outermost(&[Some(Err(Own)), None]);
        assert_eq!(call(&script), Ok(()));
        ONE.tokens()
    });
    assert_eq!(after_a_recovery, 500 - 5 + 1 - 5 + 1);
    let swallowed = one::play(|_, call| {
        let script = Script::default().outermost(&[Some(Ok(()))]);
        assert_eq!(call(&script), Ok(()));
        (script.calls.get(), ONE.tokens())
    });
    assert_eq!(swallowed, (4, 500 - 2 * 5), "the service has not succeeded");
}

#[test]
fn a_panicking_call_leaves_no_payment_behind() {
    #[with_retry(max = 2, base = 0s, budget = ONE)]
    fn panics(script: &Script) -> Result<(), Failure> {
        let _: Result<(), Failure> = twice(script);
        panic!("broken on purpose")
    }
    #[with_retry(max = 2, base = 0s, budget = ONE)]
    async fn panics_later(script: &Script) -> Result<(), Failure> {
        tokio::task::yield_now().await;
        panics(script)
    }
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    fn twice(script: &Script) -> Result<(), Failure> {
        script.answer()
    }
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    fn alone() -> Result<(), Failure> {
        Err(Own)
    }
    let _world = testing::isolate();
    assert!(catch_unwind(AssertUnwindSafe(|| panics(&Script::default()))).is_err());
    assert_eq!(ONE.tokens(), 495);
    assert_eq!(alone(), Err(Own));
    assert_eq!(ONE.tokens(), 490, "the call before has left no note");
    assert!(catch_unwind(AssertUnwindSafe(|| block_on(panics_later(&Script::default())))).is_err());
    assert_eq!(alone(), Err(Own));
    assert_eq!(ONE.tokens(), 480);
    // What is around the call that panics goes on.
    let around = Retry::new().max(1).base(Duration::ZERO).budget(&ONE);
    let caught =
        around.call(|| catch_unwind(AssertUnwindSafe(|| panics(&Script::default()))).unwrap_or(Err(Down)));
    assert_eq!(caught, Err(Down));
    assert_eq!(ONE.tokens(), 470, "each of the two attempts paid for the retry in it");
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_does_not_start_is_not_charged() {
    #[with_retry(max = 1, base = 1s, jitter = none, budget = ONE)]
    async fn waits(script: &Script) -> Result<(), Failure> {
        script.answer()
    }
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    async fn drops(script: &Script) -> Result<(), Failure> {
        dropped_in_its_wait(Box::pin(waits(script)));
        Err(Own)
    }
    /// Polls a call until it waits, and drops it.
    fn dropped_in_its_wait(mut call: std::pin::Pin<Box<impl Future<Output = Result<(), Failure>>>>) {
        let before = ONE.tokens();
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        assert_eq!(ONE.tokens(), before - 5);
        drop(call);
        assert_eq!(ONE.tokens(), before);
    }
    let _world = testing::isolate();
    assert_eq!(drops(&Script::default()).await, Err(Own));
    assert_eq!(ONE.tokens(), 495, "nothing inside has paid");
    let around = Retry::new().max(1).base(Duration::ZERO).budget(&ONE);
    let by_hand: Result<(), Failure> = around.call(|| {
        dropped_in_its_wait(Box::pin(waits(&Script::default())));
        Err(Own)
    });
    assert_eq!(by_hand, Err(Own));
    assert_eq!(ONE.tokens(), 490);
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_ends_the_inner_payment() {
    /// Fails, then hangs in its retry.
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    async fn hangs(script: &Script) -> Result<(), Failure> {
        let answer = script.answer();
        if script.calls.get().is_multiple_of(2) { std::future::pending().await } else { answer }
    }
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    #[timeout(1s)]
    async fn around(script: &Script) -> Result<(), Failure> {
        hangs(script).await
    }
    let _world = testing::isolate();
    let script = Script::default();
    assert_eq!(around(&script).await, Err(Down));
    assert_eq!(
        (script.calls.get(), ONE.tokens()),
        (4, 490),
        "each attempt has had its retry, which was paid"
    );
}

#[test]
fn interleaved_attempts_are_accounted_separately() {
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    async fn outer(script: &Script, asks: bool) -> Result<(), Failure> {
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        let answer = if asks { inner(script).await } else { Err(Own) };
        for _ in 0..4 {
            tokio::task::yield_now().await;
        }
        answer
    }
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    async fn inner(script: &Script) -> Result<(), Failure> {
        tokio::task::yield_now().await;
        script.answer()
    }
    let _world = testing::isolate();
    let (left, right) = (Script::default(), Script::default());
    block_on(async { tokio::join!(outer(&left, true), outer(&right, false)) }).0.unwrap_err();
    assert_eq!((left.calls.get(), ONE.tokens()), (4, 500 - 2 * 5 - 5));
    // One that is dropped in the middle leaves nothing behind.
    let mut dropped = Box::pin(outer(&left, true));
    let mut cx = Context::from_waker(Waker::noop());
    for _ in 0..6 {
        assert!(dropped.as_mut().poll(&mut cx).is_pending());
    }
    drop(dropped);
    let before = ONE.tokens();
    block_on(outer(&right, false)).unwrap_err();
    assert_eq!(ONE.tokens(), before - 5);
}

/// Fails, and counts its calls; for other threads.
#[with_retry(max = 1, base = 0s, budget = ONE)]
fn counted(calls: &AtomicU32) -> Result<(), Failure> {
    calls.fetch_add(1, Ordering::Relaxed);
    Err(Down)
}

#[test]
fn carried_threads_and_tasks_pay_once() {
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    fn on_a_thread(world: &World, is_carried: bool) -> Result<(), Failure> {
        let (handle, work) = (world.handle(), || counted(&AtomicU32::new(0)));
        let thread = if is_carried {
            std::thread::spawn(carry_fn(work))
        } else {
            std::thread::spawn(move || handle.run(work))
        };
        thread.join().unwrap()
    }
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    async fn in_a_task() -> Result<(), Failure> {
        tokio::spawn(carry(async { counted(&AtomicU32::new(0)) })).await.unwrap()
    }
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    #[timeout(1s, thread)]
    fn on_a_helper_thread() -> Result<(), Failure> {
        counted(&AtomicU32::new(0))
    }
    let paid = |call: &dyn Fn(&World) -> Result<(), Failure>| {
        let world = testing::isolate();
        assert_eq!(call(&world), Err(Down));
        500 - ONE.tokens()
    };
    assert_eq!(paid(&|world| on_a_thread(world, true)), 10);
    assert_eq!(paid(&|world| on_a_thread(world, false)), 15, "the thread is not part of the attempt");
    assert_eq!(paid(&|_| on_a_helper_thread()), 10);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(paid(&|_| runtime.block_on(in_a_task())), 10);
}

#[test]
fn retry_values_share_a_budget_like_functions() {
    const RETRY: Retry = Retry::new().max(1).base(Duration::ZERO).budget(&ONE);
    let _world = testing::isolate();
    let calls = AtomicU32::new(0);
    assert_eq!(RETRY.call(|| counted(&calls)), Err(Down));
    assert_eq!((calls.load(Ordering::Relaxed), ONE.tokens()), (4, 490));
    assert_eq!(block_on(RETRY.call_async(async || counted(&calls))), Err(Down));
    assert_eq!((calls.load(Ordering::Relaxed), ONE.tokens()), (8, 480));
    assert_eq!(RETRY.call(|| RETRY.call(|| Ok::<_, Failure>(()))), Ok(()));
    assert_eq!(ONE.tokens(), 481);
}

#[test]
fn retry_instances_share_a_budget() {
    static GIVEN: Retry = Retry::new().max(1).base(Duration::ZERO).budget(&ONE);
    static UNSHARED: Retry = Retry::new().max(1).base(Duration::ZERO);
    #[with_retry(instance = retry)]
    fn given(retry: &Retry, calls: &AtomicU32) -> Result<(), Failure> {
        counted(calls)
    }
    #[with_retry(instance = retry)]
    async fn given_later(retry: &Retry, calls: &AtomicU32) -> Result<(), Failure> {
        tokio::task::yield_now().await;
        counted(calls)
    }
    let _world = testing::isolate();
    let calls = AtomicU32::new(0);
    assert_eq!(given(&GIVEN, &calls), Err(Down));
    assert_eq!(ONE.tokens(), 490);
    assert_eq!(block_on(given_later(&GIVEN, &calls)), Err(Down));
    assert_eq!(ONE.tokens(), 480);
    assert_eq!(given(&UNSHARED, &calls), Err(Down));
    assert_eq!((calls.load(Ordering::Relaxed), ONE.tokens()), (12, 470));
}

#[test]
fn a_hedge_inside_returns_the_token() {
    static HEDGE: Hedge = Hedge::new("sharing", SECOND).budget(&ONE);
    #[with_retry(max = 1, base = 0s, budget = ONE)]
    async fn around() -> Result<(), Failure> {
        hedged().await
    }
    #[hedge(instance = HEDGE, idempotent)]
    async fn hedged() -> Result<(), Failure> {
        Ok(())
    }
    let _world = testing::isolate();
    use_up(&ONE, 2);
    assert_eq!(block_on(around()), Ok(()));
    assert_eq!(ONE.tokens(), 491);
}

static THROTTLED: Budget = Budget::new().throttle(2.0);

chain!(throttled: (max = 0, budget = THROTTLED), (max = 1, base = 0s, budget = THROTTLED), (max = 0, budget = THROTTLED));

#[test]
fn the_throttle_is_consulted_once_for_nested_retries() {
    let refusal = throttled::play(|_, call| {
        assert_eq!(call(&Script::default()), Err(Down));
        THROTTLED.refusal()
    });
    // The two calls of the innermost, and nothing of those around it: 2 requests of 3.
    assert_eq!(refusal, 2.0 / 3.0);
    let (sent, refused) = throttled::play(|_, call| {
        let sent = Cell::new(0);
        for _ in 0..1_000 {
            let script = Script::default();
            let _ = call(&script);
            sent.set(sent.get() + u64::from(script.calls.get() > 0));
        }
        (sent.get(), THROTTLED.throttled())
    });
    assert!((60..200).contains(&sent), "a tenth of the calls, not a thousandth: {sent}");
    assert!(sent + refused >= 1_000, "{sent} {refused}");
}

#[test]
fn an_admission_is_for_one_call() {
    #[with_retry(max = 0, budget = THROTTLED)]
    fn many(script: &Script) -> Result<(), Failure> {
        for _ in 0..1_000 {
            let _ = one(script);
        }
        Ok(())
    }
    #[with_retry(max = 0, budget = THROTTLED)]
    fn one(script: &Script) -> Result<(), Failure> {
        script.answer()
    }
    let _world = testing::isolate();
    let script = Script::default();
    assert_eq!(many(&script), Ok(()));
    let sent = script.calls.get();
    assert!((60..200).contains(&sent), "{sent}");
    assert_eq!(THROTTLED.throttled(), u64::from(1_000 - sent));
    assert_eq!(THROTTLED.refusal(), 0.9, "what is around the calls has counted nothing");
    // By hand it is the same.
    THROTTLED.reset();
    let _: Result<(), Failure> = THROTTLED.call(|| one(&script));
    assert_eq!(THROTTLED.refusal(), 0.5);
    let _: Result<(), Failure> = block_on(THROTTLED.call_async(async || one(&script)));
    THROTTLED.reset();
    let _: Result<(), Failure> = block_on(THROTTLED.call_async(async || one(&script)));
    assert_eq!(THROTTLED.refusal(), 0.5, "one request, which was not accepted");
}
