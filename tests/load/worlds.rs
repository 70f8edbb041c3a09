//! State at run time is that of one world and one key, and a handle can reset it.

use super::*;
use resilience::{
    AdaptiveTimeout, Bulkhead, Hedge, RateLimit, bulkhead, hedge, point, rate_limit, timeout, with_retry,
};
use tokio::time::sleep;

static TIMEOUT: AdaptiveTimeout = AdaptiveTimeout::new("of all worlds", MS, Duration::from_secs(10));
static HEDGE: Hedge = Hedge::at_percentile("of all worlds", 95);
static SLOTS: Bulkhead = Bulkhead::new("of all worlds", 20).adaptive();
static LIMIT: RateLimit = RateLimit::new("of all worlds", 2, Duration::from_secs(60));

#[timeout(adaptive, floor = 1ms, cap = 10s, name = "in a world")]
#[with_retry(max = 0, throttle = 2.0)]
#[hedge(after = p95, idempotent)]
#[bulkhead(adaptive)]
#[rate_limit(200, per = 1h)]
async fn own(outcome: &Outcome) -> Outcome {
    sleep(MS * 10).await;
    outcome.clone()
}

#[timeout(adaptive, instance = TIMEOUT)]
#[hedge(instance = HEDGE, idempotent)]
#[bulkhead(instance = SLOTS)]
#[rate_limit(instance = LIMIT)]
async fn given(outcome: &Outcome) -> Outcome {
    sleep(MS * 10).await;
    outcome.clone()
}

/// What a new world knows of the two functions, in words.
fn known() -> [String; 2] {
    let point = point("in a world").unwrap();
    let (slots, limit) = (point.bulkhead().unwrap().snapshot(), point.rate_limit().unwrap().snapshot());
    let (after, most) = (point.hedge().unwrap().snapshot().after, point.adaptive_timeout().unwrap().limit());
    let budget = point.budget().unwrap();
    [
        format!("{} {} {after:?} {most:?} {}", slots.slots, limit.available, budget.refusal()),
        format!(
            "{} {} {:?} {:?}",
            SLOTS.snapshot().slots,
            LIMIT.snapshot().available,
            HEDGE.snapshot().after,
            TIMEOUT.limit()
        ),
    ]
}

const NEW: [&str; 2] = ["20 200 None 10s 0", "20 2 None 10s"];

#[tokio::test(start_paused = true)]
async fn each_world_starts_with_fresh_state_and_reset_clears_it() {
    let outer = testing::isolate();
    let used = async || {
        for _ in 0..100 {
            let _ = (own(&Ok(1)).await, given(&Ok(1)).await);
        }
        let _ = own(&DOWN).await;
        let call = async || {
            sleep(MS * 10).await;
            Ok::<u32, Failure>(1)
        };
        for _ in 0..100 {
            TIMEOUT.call_async(async || HEDGE.call_async(call).await).await.unwrap();
        }
        SLOTS.acquire().unwrap().failure(&Category::Timeout);
    };
    assert_eq!(known(), NEW);
    used().await;
    let seen = known();
    assert!(seen.iter().zip(NEW).all(|(seen, new)| seen != new), "{seen:?}");
    {
        let _inner = testing::isolate();
        assert_eq!(known(), NEW, "another world");
        used().await;
        assert_ne!(known(), NEW);
    }
    assert_eq!(known(), seen, "as it was");
    let point = point("in a world").unwrap();
    point.bulkhead().unwrap().reset();
    point.rate_limit().unwrap().reset();
    point.hedge().unwrap().reset();
    point.adaptive_timeout().unwrap().reset();
    point.budget().unwrap().reset();
    SLOTS.reset();
    LIMIT.reset();
    HEDGE.reset();
    TIMEOUT.reset();
    assert_eq!(known(), NEW, "after a reset of each");
    drop(outer);
    let _other = testing::isolate();
    assert_eq!(known(), NEW);
}
