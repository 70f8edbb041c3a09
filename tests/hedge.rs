//! `#[hedge]`: a slow call is made once more, and the first answer is taken.

#[path = "hedge/answers.rs"]
mod answers;
#[path = "hedge/extra_calls.rs"]
mod extra_calls;
#[path = "hedge/percentiles.rs"]
mod percentiles;
#[path = "hedge/policies_below.rs"]
mod policies_below;
#[path = "hedge/shapes.rs"]
mod shapes;

use futures::FutureExt as _;
use resilience::{
    Budget, Bulkhead, Category, Classification, Classify, Event, Hedge, Rejected, Simplify, State, Timeout,
    bulkhead, circuit_breaker, degrade, hedge, point, rate_limit, testing, timeout, with_fallback,
    with_retry,
};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug, PartialEq)]
enum Failure {
    Own(Category),
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Own(category) => (*category).into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

type Outcome = Result<u32, Failure>;

const DOWN: Outcome = Err(Failure::Own(Category::Unavailable));

/// What the calls of a test do: how many milliseconds each takes, and what it returns.
#[derive(Debug, Default)]
struct Script {
    steps: Vec<(u32, Outcome)>,
    begun: AtomicU32,
    dropped: AtomicU32,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = (u32, Outcome)>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    /// One call after the other succeeds after these times, with its number.
    fn taking<const N: usize>(times: [u32; N]) -> Self {
        Self::new(times.into_iter().zip(0..).map(|(time, number)| (time, Ok(number))))
    }

    async fn call(&self) -> Outcome {
        struct Unfinished<'a>(&'a AtomicU32);
        impl Drop for Unfinished<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed) as usize;
        let unfinished = Unfinished(&self.dropped);
        let (time, outcome) = &self.steps[number % self.steps.len()];
        sleep(MS * *time).await;
        std::mem::forget(unfinished);
        outcome.clone()
    }

    /// How many calls have begun, and how many of them were dropped before their end.
    fn seen(&self) -> (u32, u32) {
        (self.begun.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

/// What `call` returns, and after how many milliseconds.
async fn timed<T>(call: impl Future<Output = T>) -> (T, u128) {
    let began = Instant::now();
    let outcome = call.await;
    (outcome, began.elapsed().as_millis())
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What the hedge of the point has counted: made, won by an extra call, denied.
fn counts(name: &str) -> (u64, u64, u64) {
    let now = point(name).expect("a point").hedge().expect("a hedge").snapshot();
    (now.hedged, now.won_by_extra, now.denied)
}

#[hedge(after = 10ms, idempotent, name = "one")]
async fn one(script: &Script) -> Outcome {
    script.call().await
}

#[hedge(after = 10ms, max = 2, idempotent, name = "two")]
async fn two(script: &Script) -> Outcome {
    script.call().await
}

mod executors {
    use super::*;

    #[test]
    fn no_runtime_is_needed() {
        #[hedge(after = 1ms, idempotent)]
        async fn bare(calls: &AtomicU32) -> Outcome {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                std::future::pending::<()>().await;
            }
            Ok(7)
        }
        let calls = AtomicU32::new(0);
        assert_eq!(futures::executor::block_on(bare(&calls)), Ok(7));
        assert_eq!(calls.into_inner(), 2);
    }

    /// Each poll of either takes the whole budget of the task.
    #[tokio::test]
    async fn two_always_ready_bodies_end_by_their_timeout() {
        static POLLS: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];
        #[timeout(200ms)]
        #[hedge(after = 10ms, idempotent)]
        async fn busy(begun: &AtomicU32, step: &dyn Fn()) -> Outcome {
            let number = begun.fetch_add(1, Ordering::Relaxed) as usize;
            loop {
                tokio::task::consume_budget().await;
                POLLS[number].fetch_add(1, Ordering::Relaxed);
                step();
            }
        }
        let world = testing::isolate();
        let begun = AtomicU32::new(0);
        // The time passes with the work that is done.
        let outcome = busy(&begun, &|| world.advance(Duration::from_micros(10))).await;
        assert!(matches!(outcome, Err(Failure::Rejected(Rejected::TimedOut { .. }))));
        let polls = POLLS.each_ref().map(|polls| polls.load(Ordering::Relaxed));
        assert_eq!(begun.into_inner(), 2);
        assert!(polls[1] > 1_000 && polls[0] < polls[1] * 3, "{polls:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn calls_can_be_spawned() {
        let calls = (0..50).map(|_| {
            tokio::spawn(async {
                let script = Script::taking([2_000, 0]);
                let answer = one(&script).await;
                (answer, script.seen())
            })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), (Ok(1), (2, 1)));
        }
    }
}

mod by_hand {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hedge_value_runs_closures() {
        static SEARCH: Hedge = Hedge::new("by hand", Duration::from_millis(10)).max(2);
        static SLOTS: Bulkhead = Bulkhead::new("slots by hand", 2).wait(Duration::from_secs(1));
        let world = testing::isolate();
        let script = Arc::new(Script::taking([100, 100, 5]));
        let call = tokio::spawn({
            let script = script.clone();
            async move { SEARCH.call_async(async || script.call().await).await }
        });
        assert_eq!(call.await.unwrap(), Ok(2));
        let script = Script::taking([60, 60, 5]);
        let guarded = SEARCH.call_async(async || SLOTS.call_async(async || script.call().await).await);
        assert_eq!(timed(guarded).await, (Ok(0), 60));
        let (now, slots) = (SEARCH.snapshot(), SLOTS.snapshot());
        assert_eq!((now.hedged, now.won_by_extra, now.denied), (3, 1, 1));
        assert_eq!((slots.rejected, slots.in_use), (0, 0), "the third call had no slot");
        assert_eq!(world.events().len(), 3);
        let judged = SEARCH.call_async_judged(
            async || script.call().await.is_ok(),
            |is_ok| (!is_ok).then(|| Category::Unknown.into()),
        );
        assert!(judged.await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_provided_instance_is_used() {
        struct Client {
            hedge: Arc<Hedge>,
        }
        impl Client {
            #[hedge(instance = self.hedge, idempotent, name = "Client::get")]
            async fn get(&self, script: &Script) -> Outcome {
                script.call().await
            }
        }
        let _world = testing::isolate();
        let millis: u64 = "10".parse().unwrap();
        let hedge = Arc::new(Hedge::try_new("client", Duration::from_millis(millis)).unwrap());
        resilience::Point::register(&hedge);
        let info = point("Client::get").unwrap().info();
        assert_eq!((info.stack[0].to_string().as_str(), info.max_calls), ("hedge(instance = ..)", u64::MAX));
        let client = Client { hedge };
        assert_eq!(client.get(&Script::taking([100, 5])).await, Ok(1));
        assert_eq!(point("Client::get").unwrap().info().max_calls, 2);
        let joined = point("client").unwrap().hedge().unwrap().snapshot();
        assert_eq!(joined.to_string(), "client: after 10ms, hedged 1, won by extra 1, denied 0");
    }
}
