//! `after = p95`: the delay follows the latency.

use super::*;

#[hedge(after = p95, idempotent, name = "measured")]
async fn measured(time: u32, script: &Script) -> Outcome {
    let _ = script.begun.fetch_add(1, Ordering::Relaxed);
    sleep(MS * time).await;
    Ok(time)
}

fn hedge() -> resilience::point::PolicyHandle<resilience::Hedge> {
    point("measured").unwrap().hedge().unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_extra_call_is_made_before_100_calls_were_measured() {
    let _world = testing::isolate();
    let script = Script::default();
    for call in 0..100 {
        assert_eq!(hedge().snapshot().after, None, "after {call} calls");
        measured(10, &script).await.unwrap();
    }
    assert_eq!((script.seen().0, hedge().snapshot().hedged), (100, 0));
    let after = hedge().snapshot().after.unwrap();
    assert!((MS * 10..MS * 12).contains(&after), "{after:?}");
    measured(30, &script).await.unwrap();
    assert_eq!((script.seen().0, hedge().snapshot().hedged), (102, 1));
    hedge().reset();
    assert_eq!(hedge().snapshot().after, None);
}

#[tokio::test(start_paused = true)]
async fn a_lasting_slowdown_is_learned_within_100_calls() {
    for before in [100, 200, 1_000] {
        let _world = testing::isolate();
        let script = Script::default();
        for _ in 0..before {
            measured(100, &script).await.unwrap();
        }
        for _ in 0..100 {
            measured(500, &script).await.unwrap();
        }
        let now = hedge().snapshot();
        assert!(now.after.unwrap() >= MS * 500, "{now} after {before}");
        let hedged = now.hedged;
        assert!(hedged * 10 < before + 100, "{hedged} of {}", before + 100);
        for _ in 0..1_000 {
            measured(500, &script).await.unwrap();
        }
        assert_eq!(hedge().snapshot().hedged, hedged, "no call is slower than the others");
    }
}

#[tokio::test(start_paused = true)]
async fn rejected_calls_are_not_measured() {
    #[hedge(after = p95, idempotent, name = "mixed")]
    #[bulkhead(2)]
    async fn mixed(script: &Script) -> Outcome {
        script.call().await
    }
    let _world = testing::isolate();
    let after = || point("mixed").unwrap().hedge().unwrap().snapshot().after;
    for _ in 0..99 {
        assert!(tokio::time::timeout(MS * 20, mixed(&Script::taking([100]))).await.is_err());
    }
    let (slow, refused) = (Script::taking([20]), Script::taking([0]));
    let mut both = (Box::pin(mixed(&slow)), Box::pin(mixed(&slow)));
    assert!(poll(both.0.as_mut()).is_pending() && poll(both.1.as_mut()).is_pending());
    for _ in 0..200 {
        assert!(mixed(&refused).await.is_err());
    }
    assert_eq!(after(), None, "neither of the two has ended, and the others were refused");
    drop(both);
    assert_eq!(after().map(|after| after.as_millis()), Some(20));
    for _ in 0..10 {
        assert_eq!(mixed(&Script::taking([100, 5])).await, Ok(1));
    }
    sleep(MS * 1_000).await;
    let after = after().unwrap().as_millis();
    assert!((25..=30).contains(&after), "they lost after 25 ms: {after}");
}

#[tokio::test(start_paused = true)]
async fn every_key_has_its_own_percentile() {
    #[hedge(after = p95, idempotent, key = host, max_keys = 2, key_label, name = "hosts")]
    async fn fetch(host: &str, time: u32) -> Outcome {
        let _ = host;
        sleep(MS * time).await;
        Ok(time)
    }
    let world = testing::isolate();
    for _ in 0..120 {
        fetch("slow", 100).await.unwrap();
        fetch("fast", 10).await.unwrap();
    }
    fetch("slow", 50).await.unwrap();
    fetch("fast", 50).await.unwrap();
    let hosts = point("hosts").unwrap();
    let after = |host| hosts.key(host).hedge().unwrap().snapshot().after.unwrap().as_millis();
    assert_eq!((after("slow"), after("fast")), (100, 10));
    let [Event::Hedged { key, number: 1, .. }] = &world.events()[..] else { panic!() };
    assert_eq!(key.as_deref(), Some("fast"));
    let policy = &hosts.snapshot().policies[0];
    assert_eq!(policy.to_string().lines().next(), Some("hedge: hedged 1, won_by_extra 0, denied 0"));
    assert_eq!(policy.keys[0].to_string(), "fast: ready, hedged 1, won_by_extra 0, denied 0");
    let settings = hosts.info().stack[0].to_string();
    assert_eq!(settings, "hedge(after = p95, max = 1, key_label = true, max_keys = 2)");
    fetch("new", 1).await.unwrap();
    let keys: Vec<_> = hosts.keys().iter().map(|key| key.key().to_owned()).collect();
    assert_eq!(keys, ["fast", "new"], "a budget that is not full goes last");
}
