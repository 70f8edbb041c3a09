//! Reloads while calls run: no call sees a number of one configuration and a number of another one.

use crate::support::Scratch;
use resilience::config::Config;
use resilience::{Category, Event, Rejected, bulkhead, circuit_breaker, events, point, timeout, with_retry};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

#[timeout(25s, name = "load::quote")]
#[with_retry(max = 1, base = 0s)]
#[timeout(10s)]
async fn quote() -> Result<u32, Rejected> {
    std::future::pending().await
}

const OLD: &str = "# as in the code\n";
const NEW: &str =
    "[\"load::quote\".timeout_1]\nlimit = \"250s\"\n[\"load::quote\".timeout_2]\nlimit = \"100s\"\n";

/// Two attempts of 10 s, or two of 100 s: a call that saw one limit of each would have others.
#[test]
fn limits_changed_together_are_never_seen_mixed() {
    let _world = resilience::testing::isolate();
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", OLD);
    Config::new().file(&path).load().unwrap();
    let mut events = events::subscribe();
    runtime().block_on(async {
        for round in 0..40 {
            let started = tokio::time::Instant::now();
            let call = tokio::spawn(resilience::testing::in_world(quote()));
            // Before its first attempt ends, between the two, or not at all.
            let text = if round % 2 == 0 { NEW } else { OLD };
            let long = round % 2 == 1;
            tokio::task::yield_now().await;
            tokio::time::sleep(SECOND * (round % 3) * if long { 50 } else { 5 }).await;
            std::fs::write(&path, text).unwrap();
            resilience::config::reload().unwrap();
            assert!(call.await.unwrap().is_err());
            let took = started.elapsed().as_secs();
            assert_eq!(took, if long { 200 } else { 20 }, "round {round}");
        }
    });
    let mut limits = Vec::new();
    while let Some(record) = events.try_recv() {
        if let Event::TimedOut { limit, .. } = &record.event {
            limits.push(limit.as_secs());
        }
    }
    let pairs: Vec<_> = limits.chunks(2).collect();
    assert_eq!(pairs.len(), 40);
    assert!(pairs.iter().all(|pair| pair[0] == pair[1]), "{limits:?}");
    assert!(limits.contains(&10) && limits.contains(&100));
}

#[derive(Debug, Clone)]
struct Payload(u32);

/// The last attempt takes the argument itself, so the number of attempts must not change within a call.
#[test]
fn a_running_call_keeps_its_number_of_attempts() {
    #[with_retry(max = 1, base = 1s, jitter = none, clone(payload), classify = |_| Category::Timeout, name = "load::cloned")]
    async fn cloned(payload: Payload) -> Result<u32, u32> {
        let Payload(number) = payload;
        Err(number)
    }
    let _world = resilience::testing::isolate();
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", "# nothing\n");
    Config::new().file(&path).load().unwrap();
    let mut events = events::subscribe();
    runtime().block_on(async {
        let call = tokio::spawn(resilience::testing::in_world(cloned(Payload(7))));
        tokio::task::yield_now().await;
        std::fs::write(&path, "[\"load::cloned\".with_retry]\nmax = 9\n").unwrap();
        resilience::config::reload().unwrap();
        assert_eq!(call.await.unwrap(), Err(7));
    });
    let mut attempts = 0;
    while let Some(record) = events.try_recv() {
        attempts += u32::from(matches!(record.event, Event::AttemptFailed { .. }));
    }
    assert_eq!(attempts, 2);
}

#[bulkhead(1, wait = 1h, name = "load::slots")]
async fn slots(until: std::sync::Arc<tokio::sync::Notify>) -> Result<u32, Rejected> {
    until.notified().await;
    Ok(1)
}

#[test]
fn added_slots_go_to_waiting_calls_and_used_ones_stay() {
    let _world = resilience::testing::isolate();
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", "# nothing\n");
    Config::new().file(&path).load().unwrap();
    let load = |text: &str| {
        std::fs::write(&path, text).unwrap();
        resilience::config::reload().unwrap();
    };
    let now = || {
        let snapshot = point("load::slots").unwrap().bulkhead().unwrap().snapshot();
        (snapshot.in_use, snapshot.waiting)
    };
    runtime().block_on(async {
        let until = std::sync::Arc::new(tokio::sync::Notify::new());
        let call = || tokio::spawn(resilience::testing::in_world(slots(until.clone())));
        let settle = || async {
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
        };
        let mut calls = vec![call()];
        settle().await;
        calls.push(call());
        settle().await;
        assert_eq!(now(), (1, 1));
        load("[\"load::slots\".bulkhead]\nslots = 3\n");
        settle().await;
        assert_eq!(now(), (2, 0));
        load("[\"load::slots\".bulkhead]\nslots = 1\n");
        calls.push(call());
        settle().await;
        assert_eq!(now(), (2, 1), "nobody loses a slot");
        load("[\"load::slots\".bulkhead]\nenabled = false\n");
        settle().await;
        assert_eq!(now(), (3, 0));
        until.notify_waiters();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), 1);
        }
        assert_eq!(now(), (0, 0));
    });
}

#[circuit_breaker(threshold = 1000000, name = "load::hot")]
fn hot(fails: bool) -> Result<u32, std::io::Error> {
    if fails { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(1) }
}

/// Threads call while another one reloads: nothing is lost, and nothing hangs.
#[test]
fn calls_work_while_another_thread_reloads() {
    let world = resilience::testing::isolate();
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", "# nothing\n");
    Config::new().file(&path).load().unwrap();
    let is_over = AtomicBool::new(false);
    let breaker = point("load::hot").unwrap().breaker().unwrap();
    std::thread::scope(|scope| {
        let callers: Vec<_> = (0..2)
            .map(|_| {
                let handle = world.handle();
                let is_over = &is_over;
                scope.spawn(move || {
                    handle.run(|| {
                        let mut calls = 0_u64;
                        while !is_over.load(Ordering::Relaxed) {
                            let _ = hot(calls.is_multiple_of(2));
                            calls += 1;
                        }
                        calls.div_ceil(2)
                    })
                })
            })
            .collect();
        for n in 0..200 {
            let text = format!("[\"load::hot\".circuit_breaker]\nthreshold = {}\n", 1_000_000 + n % 7);
            std::fs::write(&path, text).unwrap();
            resilience::config::reload().unwrap();
        }
        is_over.store(true, Ordering::Relaxed);
        let failed: u64 = callers.into_iter().map(|caller| caller.join().unwrap()).sum();
        let counted = point("load::hot").unwrap().snapshot().policies[0].counters.clone();
        assert!(counted.contains(&("failures", failed)), "{counted:?}, {failed} failed");
    });
    assert!(breaker.is_available());
}
