//! `sticky`: calls begin with the value that answered last, for a time.

use super::*;
use std::collections::HashMap;
use std::future::Future as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Waker};
use tokio::sync::oneshot;

#[failover(value = ["a", "b", "c"], sticky = 60s)]
fn sticky(value: &str, down: &str, seen: &Mutex<String>) -> Result<String, Fails> {
    ask(value, down, seen)
}

#[failover(value = ["a", "b", "c"], sticky = 60s)]
async fn sticky_async(value: String, down: &str, seen: &Mutex<String>) -> Result<String, Fails> {
    ask(&value, down, seen)
}

/// Which values a call goes through, sync and async alike.
async fn order(own: &str, down: &str) -> String {
    let (one, other) = (Mutex::default(), Mutex::default());
    let outcome = sticky(own, down, &one);
    assert_eq!(outcome, sticky_async(own.to_owned(), down, &other).await);
    let (one, other) = (one.into_inner().unwrap(), other.into_inner().unwrap());
    assert_eq!(one, other);
    one
}

#[tokio::test]
async fn calls_start_with_the_last_good_value_after_a_switch() {
    let world = testing::isolate();
    assert_eq!(order("a", "").await, "a");
    assert_eq!(order("a", "a").await, "ab");
    world.advance(30 * SECOND);
    assert_eq!(order("a", "a").await, "b");
    assert_eq!(order("b", "").await, "b", "another value of its own has its own memory");
    assert_eq!(order("x", "x").await, "xa");
    assert_eq!(order("x", "x").await, "a");
    world.advance(29 * SECOND);
    assert_eq!(order("a", "").await, "b");
    world.advance(SECOND);
    assert_eq!(order("a", "a").await, "ab", "its time is not prolonged by a success");
    assert_eq!(order("a", "").await, "b", "the switch of the probe counts anew");
    world.advance(60 * SECOND);
    assert_eq!(order("a", "").await, "a");
    assert_eq!(order("a", "").await, "a", "the first value answers again");
}

#[tokio::test]
async fn the_remaining_order_is_that_of_the_caller() {
    let _world = testing::isolate();
    assert_eq!(order("a", "ab").await, "abc");
    assert_eq!(order("a", "c").await, "ca", "then the own value");
    assert_eq!(order("a", "").await, "a", "which has answered, and is the good one");
    assert_eq!(order("a", "a").await, "ab");
    assert_eq!(order("a", "ab").await, "bac");
    assert_eq!(order("a", "").await, "c");
    assert_eq!(order("a", "abc").await, "cab");
    assert_eq!(order("a", "").await, "c", "a call that nothing has answered changes nothing");
}

#[tokio::test]
async fn an_unanswered_probe_is_followed_by_another() {
    #[failover(value = ["a", "b"], sticky = 60s)]
    fn panics(value: &str, when: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        assert_ne!(value, when, "the body panics");
        ask(value, "a", seen)
    }
    #[failover(value = ["a", "b"], sticky = 60s)]
    async fn hangs(value: &str, when: &str) -> Result<String, Fails> {
        if value == when {
            std::future::pending::<()>().await;
        }
        ask(value, "a", &Mutex::default())
    }
    let world = testing::isolate();
    let seen = Mutex::default();
    assert_eq!(panics("a", "", &seen), ok("b"));
    world.advance(60 * SECOND);
    assert!(catch_unwind(AssertUnwindSafe(|| panics("a", "a", &seen))).is_err());
    assert_eq!(panics("a", "", &seen), ok("b"));
    assert_eq!(panics("a", "", &seen), ok("b"));
    assert_eq!(seen.into_inner().unwrap(), "abab".to_owned() + "b", "a probe after the panic");

    assert_eq!(hangs("a", "").await, ok("b"));
    world.advance(60 * SECOND);
    let mut cx = Context::from_waker(Waker::noop());
    {
        let mut probe = pin!(hangs("a", "a"));
        assert!(probe.as_mut().poll(&mut cx).is_pending());
        assert_eq!(hangs("a", "a").await, ok("b"), "the others stay");
        world.advance(59 * SECOND);
        assert_eq!(hangs("a", "a").await, ok("b"));
    }
    let mut next = pin!(hangs("a", "a"));
    assert!(next.as_mut().poll(&mut cx).is_pending(), "the next call is the probe");
    world.advance(60 * SECOND);
    let mut after_it = pin!(hangs("a", "a"));
    assert!(after_it.as_mut().poll(&mut cx).is_pending(), "a probe that never ends holds up no other");
}

#[tokio::test]
async fn a_call_from_before_a_switch_does_not_undo_it() {
    #[failover(value = ["a", "b", "c"], sticky = 60s, name = "in flight")]
    async fn call(value: &str, answers: &Mutex<Vec<oneshot::Receiver<bool>>>) -> Result<String, Fails> {
        let answer = answers.lock().unwrap().pop();
        let answers = match answer {
            Some(answer) => answer.await.unwrap(),
            None => true,
        };
        if answers { ok(value) } else { fails(Category::Timeout, value) }
    }
    let script = || {
        let (sends, receives): (Vec<_>, Vec<_>) = (0..2).map(|_| oneshot::channel()).unzip();
        (sends, Mutex::new(receives))
    };
    let none = Mutex::default();
    let begins_with =
        || point("in flight").unwrap().failover().unwrap().snapshot().sticky.first().map(|s| s.value.clone());
    let _world = testing::isolate();
    let mut cx = Context::from_waker(Waker::noop());
    // Two calls are at the first value; both fail there, and are answered by different ones.
    let ((mut slow_sends, slow), (mut fast_sends, fast)) = (script(), script());
    let mut slow_call = pin!(call("a", &slow));
    let mut fast_call = pin!(call("a", &fast));
    assert!(slow_call.as_mut().poll(&mut cx).is_pending() && fast_call.as_mut().poll(&mut cx).is_pending());
    fast_sends.pop().unwrap().send(false).unwrap();
    fast_sends.pop().unwrap().send(true).unwrap();
    assert_eq!(fast_call.await, ok("b"));
    assert_eq!(begins_with().as_deref(), Some("b"));
    slow_sends.pop().unwrap().send(false).unwrap();
    slow_sends.pop().unwrap().send(false).unwrap();
    assert_eq!(slow_call.await, ok("c"));
    assert_eq!(begins_with().as_deref(), Some("b"), "it began before the switch");
    assert_eq!(call("a", &none).await, ok("b"));

    // A call that began at the own value before the switch does not switch back.
    point("in flight").unwrap().failover().unwrap().reset();
    assert_eq!(begins_with(), None);
    let ((mut slow_sends, slow), (mut fast_sends, fast)) = (script(), script());
    let mut slow_call = pin!(call("a", &slow));
    assert!(slow_call.as_mut().poll(&mut cx).is_pending());
    fast_sends.pop().unwrap().send(false).unwrap();
    fast_sends.pop().unwrap().send(true).unwrap();
    assert_eq!(call("a", &fast).await, ok("b"));
    slow_sends.pop().unwrap().send(true).unwrap();
    assert_eq!(slow_call.await, ok("a"));
    assert_eq!(begins_with().as_deref(), Some("b"));
}

#[test]
fn only_one_of_64_threads_is_the_probe() {
    #[failover(value = ["a", "b"], sticky = 60s)]
    fn probed(value: &str, down: &str, firsts: &AtomicU32, all: Option<&Barrier>) -> Result<String, Fails> {
        firsts.fetch_add(u32::from(value == "a"), Ordering::Relaxed);
        if let (Some(all), true) = (all, value == "a" || down.is_empty()) {
            // Every call is in its body at once.
            all.wait();
        }
        ask(value, down, &Mutex::default())
    }
    let world = testing::isolate();
    let firsts = AtomicU32::new(0);
    for down in ["a", ""] {
        assert_eq!(probed("a", "a", &firsts, None), ok("b"));
        world.advance(60 * SECOND);
        firsts.store(0, Ordering::Relaxed);
        let all = Barrier::new(64);
        std::thread::scope(|scope| {
            for _ in 0..64 {
                let (handle, firsts, all) = (world.handle(), &firsts, &all);
                scope.spawn(move || {
                    handle.run(|| {
                        let all = down.is_empty().then_some(all);
                        probed("a", down, firsts, all).unwrap();
                    });
                });
            }
        });
        assert_eq!(firsts.load(Ordering::Relaxed), 1, "down: {down}");
    }
    assert_eq!(probed("a", "", &firsts, None), ok("a"), "the probe was answered");
}

#[test]
fn sticky_values_are_kept_for_each_key_and_world() {
    #[failover(value = ["a", "b"], sticky = 60s, name = "of tenants")]
    #[circuit_breaker(key = tenant, threshold = 9)]
    fn tenants(value: &str, tenant: u32, down: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        let _ = tenant;
        ask(value, down, seen)
    }
    let order = |tenant, down| {
        let seen = Mutex::default();
        tenants("a", tenant, down, &seen).unwrap();
        seen.into_inner().unwrap()
    };
    let world = testing::isolate();
    assert_eq!((order(1, "a"), order(1, ""), order(2, "")), ("ab".into(), "b".into(), "a".into()));
    let failover = point("of tenants").unwrap().failover().unwrap();
    let now = failover.snapshot();
    assert_eq!((now.sticky.len(), &*now.sticky[0].key, now.sticky[0].left), (1, "1/a", 60 * SECOND));
    let shown = point("of tenants").unwrap().snapshot().policies[0].keys[0].to_string();
    assert_eq!(shown, "b: begins, answered 2");
    failover.reset();
    assert_eq!(order(1, ""), "a");
    assert_eq!(order(1, "a"), "ab");
    drop(world);
    let _other = testing::isolate();
    assert_eq!(order(1, ""), "a");
}

#[test]
fn the_number_of_sticky_values_is_bounded() {
    let _world = testing::isolate();
    let seen = Mutex::default();
    for own in 0..1_100 {
        assert_eq!(sticky(&format!("x{own}"), &format!("x{own}"), &seen), ok("a"));
    }
    let failover = point("failover::sticky::sticky").unwrap().failover().unwrap();
    assert_eq!(failover.snapshot().sticky.len(), 1024);
    failover.reset();
    assert!(failover.snapshot().sticky.is_empty());
}

/// The rules of `sticky` for calls that follow each other, in as few words as possible.
#[derive(Default)]
struct Model {
    good: HashMap<char, (char, u64)>,
}

impl Model {
    /// Which values a call goes through.
    fn call(&mut self, own: char, down: &str, now: u64) -> String {
        let mut order: Vec<char> = "abc".chars().filter(|value| own == 'x' || *value > own).collect();
        order.insert(0, own);
        let known = self.good.get(&own).copied();
        let first = known.filter(|(_, ends)| now < *ends).map(|(value, _)| value);
        if let Some(first) = first {
            order.retain(|value| *value != first);
            order.insert(0, first);
        }
        let answers = order.iter().position(|value| !down.contains(*value));
        match answers.map(|at| order[at]) {
            Some(value) if value == own => drop(self.good.remove(&own)),
            Some(value) if first != Some(value) => drop(self.good.insert(own, (value, now + 60))),
            _ => {}
        }
        order.truncate(answers.map_or(order.len(), |at| at + 1));
        order.into_iter().collect()
    }
}

#[test]
fn random_calls_agree_with_the_model() {
    let world = testing::isolate();
    let (mut model, mut now, mut seed) = (Model::default(), 0, 7_u64);
    let mut random = |below: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    for step in 0..20_000 {
        let own = ['a', 'b', 'c', 'x'][usize::try_from(random(4)).unwrap()];
        let down: String = "abcx".chars().filter(|_| random(3) == 0).collect();
        let wait = if random(2) == 0 { 0 } else { random(40) };
        world.advance(u32::try_from(wait).unwrap() * SECOND);
        now += wait;
        let seen = Mutex::default();
        let outcome = sticky(&own.to_string(), &down, &seen);
        let expected = model.call(own, &down, now);
        assert_eq!(seen.into_inner().unwrap(), expected, "step {step}: {own}, {down} are down, at {now} s");
        assert_eq!(outcome.is_ok(), !down.contains(expected.chars().last().unwrap()));
    }
}
