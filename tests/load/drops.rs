//! A call that is dropped at any of its polls leaves nothing behind, in the form of an attribute and of a value.

use super::*;
use futures::future::LocalBoxFuture;
use resilience::chaos::{self as faults, Chaos, Fault, Plan};
use resilience::{
    AdaptiveTimeout, Bulkhead, Cache, CircuitBreaker, Degrade, Failover, Hedge, RateLimit, Simplify, State,
    bulkhead, cached, chaos, circuit_breaker, degrade, hedge, point, rate_limit, timeout,
};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::task::yield_now;

type Call<'a> = &'a dyn Fn() -> LocalBoxFuture<'a, Outcome>;

/// Drops a call after each number of polls; then nothing `is_left`, and the next call is `Ok(1)`.
fn at_each_poll(name: &str, call: Call<'_>, prepare: &dyn Fn(&testing::World), is_left: &dyn Fn() -> bool) {
    let mut dropped = 0;
    for polls in 0..30 {
        let world = testing::isolate();
        prepare(&world);
        let outcome = drop_after(polls, &world, call());
        dropped += u32::from(outcome.is_none());
        assert!(!is_left(), "{name}: something is left after {polls} polls");
        assert_eq!(drop_after(60, &world, call()), Some(Ok(1)), "{name} after {polls} polls");
        assert!(!is_left(), "{name}: something is left after the next call");
    }
    assert!((3..29).contains(&dropped), "{name}: some are dropped and some end, {dropped}");
}

async fn steps(outcome: Outcome) -> Outcome {
    for _ in 0..3 {
        yield_now().await;
    }
    outcome
}

fn in_use(bulkhead: &Bulkhead) -> bool {
    (bulkhead.snapshot().in_use, bulkhead.snapshot().waiting) != (0, 0)
}

fn point_in_use(name: &str) -> bool {
    let now = point(name).unwrap().bulkhead().unwrap().snapshot();
    (now.in_use, now.waiting) != (0, 0)
}

fn nothing(_: &testing::World) {}

#[test]
fn dropped_cached_calls_leave_no_flight() {
    static CACHE: Cache = Cache::new("dropped cache").ttl(SECOND).stale_if_error(Duration::from_secs(3600));
    #[cached(ttl = 1s, stale_if_error = 1h, name = "dropped cached")]
    async fn kept() -> Outcome {
        steps(Ok(1)).await
    }
    let own = || point("dropped cached").unwrap().cache().unwrap().snapshot().waiting > 0;
    at_each_poll("cached", &|| Box::pin(kept()), &nothing, &own);
    let value = || CACHE.call_async("key", async || steps(Ok(1)).await);
    at_each_poll("Cache", &|| Box::pin(value()), &nothing, &|| CACHE.snapshot().waiting > 0);
    // Two wait for the one that is dropped: one of them takes its place, and all else is as before.
    let calls: [(Call<'_>, &Cache); 2] = [
        (&|| Box::pin(kept()), point("dropped cached").unwrap().cache().unwrap()),
        (&|| Box::pin(value()), &CACHE),
    ];
    for (call, cache) in calls {
        for (polls, dropped) in (1..4).flat_map(|polls| [(polls, 0), (polls, 1), (polls, 2)]) {
            let world = testing::isolate();
            let mut three = vec![call(), call(), call()];
            for _ in 0..polls {
                three.iter_mut().for_each(|call| assert!(poll(call.as_mut()).is_pending()));
            }
            drop(three.remove(dropped));
            let both = futures::future::join_all(three);
            assert_eq!(
                drop_after(60, &world, both),
                Some(vec![Ok(1), Ok(1)]),
                "{dropped} after {polls} polls"
            );
            assert_eq!(cache.snapshot().waiting, 0);
        }
    }
}

#[test]
fn dropped_probes_free_their_slot() {
    static BREAKER: CircuitBreaker = CircuitBreaker::new("dropped breaker").threshold(1);
    #[circuit_breaker(threshold = 1, recovery = 60s, name = "dropped probe")]
    #[bulkhead(1, wait = 60s)]
    async fn probe() -> Outcome {
        steps(Ok(1)).await
    }
    let opened = |world: &testing::World| {
        for breaker in [&*point("dropped probe").unwrap().breaker().unwrap(), &BREAKER] {
            breaker.acquire().unwrap().failure(&Category::Unavailable);
            assert_eq!(breaker.state(), State::Open);
        }
        world.advance(Duration::from_secs(60));
    };
    // A slot that is taken meanwhile, so that a call waits for it below the breaker.
    let is_left = || {
        point_in_use("dropped probe") || !point("dropped probe").unwrap().breaker().unwrap().is_available()
    };
    at_each_poll("circuit_breaker", &|| Box::pin(probe()), &opened, &is_left);
    let value = || BREAKER.call_async(async || steps(Ok(1)).await);
    at_each_poll("CircuitBreaker", &|| Box::pin(value()), &opened, &|| !BREAKER.is_available());
    let owned = || async {
        let _permit = BREAKER.acquire()?;
        steps(Ok(1)).await
    };
    at_each_poll("Permit", &|| Box::pin(owned()), &opened, &|| !BREAKER.is_available());
}

/// Calls that are polled one after the other, and the order in which they end.
#[derive(Default)]
struct Together<'a> {
    calls: Vec<Option<LocalBoxFuture<'a, Outcome>>>,
    ended: Vec<usize>,
}

impl<'a> Together<'a> {
    fn of(calls: usize, call: Call<'a>) -> Self {
        Self { calls: (0..calls).map(|_| Some(call())).collect(), ended: Vec::new() }
    }

    fn poll(&mut self) {
        for (number, call) in self.calls.iter_mut().enumerate() {
            if let Some(running) = call
                && let Poll::Ready(outcome) = poll(running.as_mut())
            {
                assert_eq!(outcome, Ok(1));
                *call = None;
                self.ended.push(number);
            }
        }
    }
}

/// Drops the third of four calls that wait in a queue, after 1 to 29 polls: the others keep their order.
fn the_others_keep_their_order(name: &str, call: Call<'_>, is_left: &dyn Fn() -> bool) {
    for polls in 1..30 {
        let world = testing::isolate();
        let mut together = Together::of(4, call);
        for round in 0..60 {
            if round == polls {
                together.calls[2] = None;
            }
            together.poll();
            world.advance(MS * 50);
        }
        let rest: Vec<_> = together.ended.iter().copied().filter(|number| *number != 2).collect();
        assert_eq!(rest, [0, 1, 3], "{name}: the third was dropped after {polls} polls");
        assert!(together.ended.is_sorted(), "{name}: {:?}", together.ended);
        assert!(!is_left(), "{name} after {polls} polls");
    }
}

#[test]
fn dropped_bulkhead_calls_free_their_slot() {
    static SLOTS: Bulkhead = Bulkhead::new("dropped slots", 1).wait(Duration::from_secs(60)).queue(8);
    static ADAPTIVE: Bulkhead =
        Bulkhead::new("dropped adaptive", 1).wait(Duration::from_secs(60)).queue(8).adaptive().cap(1);
    #[bulkhead(instance = SLOTS)]
    async fn slot() -> Outcome {
        steps(Ok(1)).await
    }
    #[bulkhead(instance = ADAPTIVE)]
    async fn adaptive() -> Outcome {
        steps(Ok(1)).await
    }
    let acquired = async || {
        let _slot = SLOTS.acquire_async().await?;
        steps(Ok(1)).await
    };
    let calls: [(&str, Call<'_>, &Bulkhead); 5] = [
        ("bulkhead", &|| Box::pin(slot()), &SLOTS),
        ("Bulkhead", &|| Box::pin(SLOTS.call_async(async || steps(Ok(1)).await)), &SLOTS),
        ("Slot", &|| Box::pin(acquired()), &SLOTS),
        ("bulkhead(adaptive)", &|| Box::pin(adaptive()), &ADAPTIVE),
        ("adaptive", &|| Box::pin(ADAPTIVE.call_async(async || steps(Ok(1)).await)), &ADAPTIVE),
    ];
    for (name, call, slots) in calls {
        at_each_poll(name, call, &nothing, &|| in_use(slots));
        the_others_keep_their_order(name, call, &|| in_use(slots));
    }
}

#[test]
fn dropped_rate_limited_calls_leave_the_queue() {
    static LIMIT: RateLimit =
        RateLimit::new("dropped permits", 10, SECOND).burst(1).wait(Duration::from_secs(60));
    #[rate_limit(instance = LIMIT)]
    async fn limited() -> Outcome {
        steps(Ok(1)).await
    }
    let acquired = async || {
        LIMIT.acquire_async().await?;
        steps(Ok(1)).await
    };
    let calls: [(&str, Call<'_>); 3] = [
        ("rate_limit", &|| Box::pin(limited())),
        ("RateLimit", &|| Box::pin(LIMIT.call_async(async || steps(Ok(1)).await))),
        ("acquire", &|| Box::pin(acquired())),
    ];
    for (name, call) in calls {
        at_each_poll(name, call, &nothing, &|| LIMIT.snapshot().waiting > 0);
        the_others_keep_their_order(name, call, &|| LIMIT.snapshot().waiting > 0);
    }
}

static INSIDE: Bulkhead = Bulkhead::new("inside of the dropped", 2).wait(Duration::from_secs(60));

/// The first two calls are too slow or fail, and hold a slot meanwhile. For policies that call again.
async fn inside(calls: &AtomicU32) -> Outcome {
    let first = calls.fetch_add(1, Ordering::Relaxed) < 2;
    let body =
        async || if first { steps(Err(Failure::Own(Category::Timeout))).await } else { steps(Ok(1)).await };
    INSIDE.call_async(body).await
}

#[derive(Clone)]
struct Plan3(u32);

impl Simplify for Plan3 {
    fn simplify(&self, level: u32) -> Option<Self> {
        Some(Self(self.0 >> level))
    }
}

#[test]
fn dropped_failover_and_degrade_calls_free_inner_slots() {
    static FAILOVER: Failover = Failover::new("dropped failover").sticky(Duration::from_secs(3600));
    static DEGRADE: Degrade = Degrade::new("dropped degrade");
    #[degrade(plan)]
    async fn simpler(plan: &Plan3, calls: &AtomicU32) -> Outcome {
        let _ = plan;
        inside(calls).await
    }
    let calls = AtomicU32::new(0);
    let anew = |_: &testing::World| calls.store(0, Ordering::Relaxed);
    let plan = Plan3(100);
    at_each_poll("degrade", &|| Box::pin(simpler(&plan, &calls)), &anew, &|| in_use(&INSIDE));
    let value = || DEGRADE.call_async(&plan, async |_: &Plan3| inside(&calls).await);
    at_each_poll("Degrade", &|| Box::pin(value()), &anew, &|| in_use(&INSIDE));
    let listed = || FAILOVER.call_async(&"a", &["a", "b", "c"], async |_| inside(&calls).await);
    at_each_poll("Failover", &|| Box::pin(listed()), &anew, &|| in_use(&INSIDE));
}

#[test]
fn dropped_hedges_and_adaptive_timeouts_free_inner_slots() {
    static HEDGE: Hedge = Hedge::new("dropped hedge", Duration::from_millis(500)).max(2);
    static TIMEOUT: AdaptiveTimeout =
        AdaptiveTimeout::new("dropped timeout", Duration::from_millis(1), Duration::from_secs(60));
    #[timeout(adaptive, floor = 1ms, cap = 60s)]
    #[hedge(after = 500ms, max = 2, idempotent)]
    async fn both(calls: &AtomicU32) -> Outcome {
        inside(calls).await
    }
    let calls = AtomicU32::new(0);
    let anew = |_: &testing::World| calls.store(0, Ordering::Relaxed);
    at_each_poll("hedge", &|| Box::pin(both(&calls)), &anew, &|| in_use(&INSIDE));
    let hedged = || HEDGE.call_async(|| inside(&calls));
    at_each_poll("Hedge", &|| Box::pin(hedged()), &anew, &|| in_use(&INSIDE));
    let well = |_: &testing::World| calls.store(9, Ordering::Relaxed);
    let timed = || TIMEOUT.call_async(async || inside(&calls).await);
    at_each_poll("AdaptiveTimeout", &|| Box::pin(timed()), &well, &|| in_use(&INSIDE));
}

#[test]
fn calls_dropped_during_injected_latency_free_their_slot() {
    static CHAOS: Chaos = Chaos::new("dropped chaos", 0.5, &[Fault::Latency]).latency(SECOND, SECOND);
    #[bulkhead(1, name = "dropped latency")]
    #[chaos(rate = 50%, latency = 1s)]
    async fn delayed() -> Outcome {
        steps(Ok(1)).await
    }
    for polls in 0..12 {
        let world = testing::isolate();
        let _armed = faults::arm(Plan::new(SECOND * 3600).script([Some(Fault::Latency); 2]));
        let outcome = drop_after(polls, &world, delayed());
        assert_eq!(outcome.is_some(), polls > 7, "after {polls} polls");
        assert!(!point_in_use("dropped latency"), "after {polls} polls");
        let value = || CHAOS.call_async(|| Failure::Own(Category::Unknown), async || steps(Ok(1)).await);
        assert_eq!(drop_after(polls, &world, value()).is_some(), polls > 7, "after {polls} polls");
        assert_eq!(drop_after(60, &world, value()), Some(Ok(1)));
    }
}

/// A future that has ended and is kept, as a `select!` in a loop keeps it, holds nothing any more.
#[test]
fn finished_futures_hold_no_resources() {
    static CACHE: Cache = Cache::new("kept cache");
    static HEDGE: Hedge = Hedge::new("kept hedge", Duration::from_millis(500));
    #[circuit_breaker(threshold = 1, name = "kept calls")]
    #[bulkhead(1)]
    async fn kept() -> Outcome {
        steps(Ok(1)).await
    }
    let slot = || INSIDE.call_async(async || steps(Ok(1)).await);
    let hedged = || HEDGE.call_async(slot);
    let cached = || CACHE.call_async("key", async || steps(Ok(1)).await);
    let world = testing::isolate();
    let breaker = point("kept calls").unwrap().breaker().unwrap();
    breaker.acquire().unwrap().failure(&Category::Unavailable);
    world.advance(Duration::from_secs(60));
    let mut calls: [LocalBoxFuture<'_, Outcome>; 3] =
        [Box::pin(kept()), Box::pin(hedged()), Box::pin(cached())];
    for call in &mut calls {
        let ready = (0..9).map(|_| poll(call.as_mut())).find(Poll::is_ready);
        assert_eq!(ready, Some(Poll::Ready(Ok(1))));
    }
    assert_eq!(breaker.state(), State::Closed, "the probe has ended");
    assert!(!point_in_use("kept calls") && !in_use(&INSIDE));
    CACHE.clear();
    assert_eq!(drop_after(9, &world, cached()), Some(Ok(1)), "no call waits for one that has ended");
    drop(calls);
}
