//! Bodies that are ready at every poll, until tokio's cooperative budget is used up.

use super::*;
use resilience::Timeout;
use std::time::Instant;
use tokio::io::AsyncReadExt;

type Ended = Result<(), Rejected>;

/// Whether a body should go on: only where its timeout never goes off, the test must end.
fn goes_on(start: Instant) -> bool {
    start.elapsed() < Duration::from_secs(30)
}

async fn drain() -> Ended {
    let (start, mut buffer) = (Instant::now(), [0; 8]);
    while goes_on(start) {
        let _ = tokio::io::empty().read(&mut buffer).await;
    }
    Ok(())
}

#[timeout(5ms)]
async fn reads() -> Ended {
    drain().await
}

#[timeout(5ms, strict)]
async fn strictly() -> Ended {
    drain().await
}

#[timeout(5ms)]
async fn receives() -> Ended {
    let start = Instant::now();
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    while goes_on(start) {
        let _ = sender.send(());
        receiver.recv().await;
    }
    Ok(())
}

#[timeout(5ms)]
async fn consumes() -> Ended {
    let start = Instant::now();
    while goes_on(start) {
        tokio::task::consume_budget().await;
    }
    Ok(())
}

#[timeout(5ms)]
async fn yields() -> Ended {
    let start = Instant::now();
    while goes_on(start) {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The inner timeout ends each attempt.
#[timeout(60s)]
#[with_retry(max = 1, base = 1ms)]
#[circuit_breaker(threshold = 1000)]
#[timeout(5ms)]
async fn attempts(calls: &Calls) -> Ended {
    count(calls);
    drain().await
}

/// The outer timeout ends the call.
#[timeout(5ms)]
#[with_retry(max = 1, base = 1ms)]
#[circuit_breaker(threshold = 1000)]
#[timeout(4ms, strict)]
async fn whole(calls: &Calls) -> Ended {
    count(calls);
    drain().await
}

/// The pause of a retry beside a future that is always ready, in one task.
async fn pauses() -> Option<u32> {
    #[with_retry(max = 1, base = 1ms)]
    async fn again(calls: Calls) -> Option<u32> {
        (count(&calls) == 2).then_some(2)
    }
    tokio::select! {
        biased;
        Ok(()) = drain() => None,
        second = again(Calls::default()) => second,
    }
}

pub(super) async fn end() {
    const LIMIT: Timeout = Timeout::new(Duration::from_millis(5));
    let calls = Calls::default();
    let is_ended = |ended: Ended| assert!(matches!(ended, Err(Rejected::TimedOut { .. })), "{ended:?}");
    is_ended(reads().await);
    is_ended(strictly().await);
    is_ended(receives().await);
    is_ended(consumes().await);
    is_ended(yields().await);
    is_ended(attempts(&calls).await);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 2);
    is_ended(whole(&calls).await);
    is_ended(LIMIT.call_async(drain).await);
    is_ended(LIMIT.strict().call_async(drain).await);
    assert_eq!(pauses().await, Some(2));
}
