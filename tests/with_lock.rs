//! `#[with_lock]`: one call at a time for each name.

use futures::FutureExt as _;
use futures::executor::block_on;
use resilience::{
    Category, Classify, Event, Rejected, lock, point, testing, timeout, with_fallback, with_lock, with_retry,
};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

mod shared;

use shared::Scratch;

const SECOND: Duration = Duration::from_secs(1);

type Outcome = Result<u32, Rejected>;

fn is_free(name: &str) -> bool {
    lock::named(name).wait(Duration::ZERO).acquire().is_ok()
}

#[with_lock("task:{id}", wait = 0s, name = "lock_sync")]
fn sync(id: u32) -> Outcome {
    assert!(!is_free(&format!("task:{id}")));
    Ok(id)
}

#[with_lock("task:{id}", wait = 0s, name = "lock_later")]
async fn later(id: u32) -> Outcome {
    tokio::task::yield_now().await;
    assert!(!is_free(&format!("task:{id}")));
    Ok(id)
}

/// Plays a scene for the sync and for the async function.
fn both(scene: impl Fn(&testing::World, &'static str, &dyn Fn(u32) -> Outcome)) {
    scene(&testing::isolate(), "lock_sync", &sync);
    scene(&testing::isolate(), "lock_later", &|id| block_on(later(id)));
}

#[test]
fn a_call_holds_only_its_own_lock() {
    both(|world, name, call| {
        let held = lock::task("8").acquire().expect("a lock");
        assert_eq!((call(7), call(7)), (Ok(7), Ok(7)));
        assert!(is_free("task:7"));
        let rejected = call(8).expect_err("it is held");
        assert!(matches!(rejected, Rejected::LockTimeout { .. }));
        assert_eq!((rejected.point(), rejected.key(), rejected.retry_after()), (name, Some("task:8"), None));
        assert_eq!(rejected.classify().category, Category::Transient);
        let words = rejected.to_string();
        assert!(
            words.starts_with(&format!("the lock of `{name}` could not be taken: the lock \"task:8\"")),
            "{words}"
        );
        drop(held);
        assert_eq!(call(8), Ok(8));
        let events = world.events();
        let [Event::Locked { key, waited, .. }, _, Event::Rejected { policy, key: other, .. }, last] =
            &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((&**key, *waited), ("task:7", Duration::ZERO));
        assert_eq!((*policy, other.as_deref(), last.key()), ("with_lock", Some("task:8"), Some("task:8")));
        let now = point(name).expect("a point").snapshot();
        let counters = &now.policies[0].counters;
        let count = |of: &str| counters.iter().find(|(name, _)| *name == of).expect("a counter").1;
        assert_eq!((count("locked"), count("rejected"), count("lost")), (3, 1, 0));
    });
}

#[test]
fn the_inventory_shows_the_lock_and_its_settings() {
    let info = point("lock_sync").expect("a point").info();
    let shown: Vec<_> =
        info.stack[0].settings.iter().map(|setting| format!("{} {}", setting.name, setting.value)).collect();
    assert_eq!(shown, ["lock task:{id}", "wait 0s"]);
    #[with_lock("x", wait = 2s, name = "lock_above_a_retry")]
    #[with_retry]
    fn above_a_retry() -> Outcome {
        Ok(1)
    }
    let _world = testing::isolate();
    assert_eq!(above_a_retry(), Ok(1));
    let info = point("lock_above_a_retry").expect("a point").info();
    assert!(
        info.stack[0].notes.iter().any(|note| note.contains("through the waits of the retry")),
        "{info:?}"
    );
}

#[test]
fn a_call_waits_for_its_lock() {
    #[with_lock("x", name = "lock_waits")]
    async fn waits() -> Outcome {
        Ok(1)
    }
    let world = testing::isolate();
    let held = lock::named("x").acquire().expect("a lock");
    let mut call = Box::pin(waits());
    assert!(call.as_mut().now_or_never().is_none());
    drop(held);
    assert_eq!(block_on(call), Ok(1));
    let Event::Locked { waited, .. } = &world.events()[0] else { panic!("{:?}", world.events()) };
    assert!(*waited > Duration::ZERO);
    assert_eq!(lock::stats().waited, 1);
    // One that is dropped while it waits takes the lock neither then nor later.
    let held = lock::named("x").acquire().expect("a lock");
    let mut call = Box::pin(waits());
    assert!(call.as_mut().now_or_never().is_none());
    drop(call);
    drop(held);
    assert!(is_free("x"));
}

#[test]
fn a_reentrant_call_is_rejected_at_once() {
    #[with_lock("x", name = "lock_outer", wait = 60s)]
    fn outer() -> Outcome {
        inner()
    }
    #[with_lock("x", name = "lock_inner", wait = 60s)]
    fn inner() -> Outcome {
        Ok(1)
    }
    #[with_lock("x", name = "lock_outer_later", wait = 60s)]
    async fn outer_later() -> Outcome {
        tokio::task::yield_now().await;
        inner_later().await
    }
    #[with_lock("x", name = "lock_inner_later", wait = 60s)]
    async fn inner_later() -> Outcome {
        tokio::task::yield_now().await;
        Ok(1)
    }
    let _world = testing::isolate();
    for outcome in [outer(), block_on(outer_later())] {
        let words = outcome.expect_err("its own lock").to_string();
        assert!(words.contains("held by the call that asks for it"), "{words}");
    }
    assert_eq!((inner(), block_on(inner_later())), (Ok(1), Ok(1)));
    let both = block_on(async { futures::join!(inner_later(), inner_later()) });
    assert_eq!(both, (Ok(1), Ok(1)), "two branches of one task wait for each other");
}

#[test]
fn a_reentrant_lock_is_not_retried() {
    fn attempts(event: &Event) {
        if let Event::Retrying { .. } = event {
            RETRIES.fetch_add(1, Ordering::Relaxed);
        }
    }
    static RETRIES: AtomicU32 = AtomicU32::new(0);
    #[with_lock("again", name = "lock_around", wait = 60s)]
    fn around() -> Outcome {
        again()
    }
    #[with_retry(max = 3, on_retry = attempts)]
    #[with_lock("again", name = "lock_again", wait = 60s)]
    fn again() -> Outcome {
        Ok(1)
    }
    #[with_retry(max = 3, on_retry = attempts)]
    fn by_value() -> Outcome {
        lock::named("again").call(|| Ok(1))
    }
    #[with_lock("again", name = "lock_around_value")]
    fn around_a_value() -> Outcome {
        by_value()
    }
    #[with_retry(max = 3, on_retry = attempts)]
    #[with_lock("{name}", name = "lock_named")]
    fn named(name: &str) -> Outcome {
        let _ = name;
        Ok(1)
    }
    #[with_lock("again", name = "lock_busy", wait = 0s)]
    fn busy() -> Outcome {
        Ok(1)
    }
    let _world = testing::isolate();
    for outcome in [around(), around_a_value(), named(""), named(&"x".repeat(2_000))] {
        let error = outcome.expect_err("no lock");
        assert!(matches!(error, Rejected::LockTimeout { .. }), "{error}");
        assert_eq!(error.classify().category, Category::Transient);
        assert!(!error.classify().is_retryable(), "{error}");
    }
    assert_eq!(RETRIES.load(Ordering::Relaxed), 0);
    let held = lock::named("again").acquire().expect("a lock");
    let error = busy().expect_err("it is held");
    drop(held);
    assert!(error.classify().is_retryable(), "{error}");
}

#[test]
fn a_panic_or_a_dropped_future_frees_the_lock() {
    #[with_lock("x", name = "lock_panics")]
    fn panics() -> Outcome {
        panic!("on purpose")
    }
    #[with_lock("x", name = "lock_hangs")]
    async fn hangs() -> Outcome {
        std::future::pending().await
    }
    let _world = testing::isolate();
    assert!(std::panic::catch_unwind(panics).is_err());
    assert!(is_free("x"));
    let mut call = Box::pin(hangs());
    assert!(call.as_mut().now_or_never().is_none());
    assert!(!is_free("x"));
    drop(call);
    assert!(is_free("x"));
}

#[test]
fn shared_locks_run_concurrently_and_common_locks_are_separate() {
    #[with_lock("x", shared, name = "lock_reads")]
    async fn reads() -> Outcome {
        tokio::task::yield_now().await;
        Ok(1)
    }
    #[with_lock("x", common, wait = 0s, name = "lock_common")]
    fn common() -> Outcome {
        Ok(1)
    }
    let _world = testing::isolate();
    let (mut one, mut other) = (Box::pin(reads()), Box::pin(reads()));
    assert!(one.as_mut().now_or_never().is_none() && other.as_mut().now_or_never().is_none());
    assert!(!is_free("x"));
    assert_eq!(common(), Ok(1));
    assert_eq!((block_on(one), block_on(other)), (Ok(1), Ok(1)));
    let held = lock::common("x").acquire().expect("a lock");
    assert!(common().is_err());
    drop(held);
}

#[test]
fn a_removed_lock_file_is_reported_at_the_end() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    #[with_lock("x", name = "lock_lost")]
    fn lost() -> Outcome {
        let held = lock::list().expect("a listing").remove(0);
        std::fs::remove_file(held.path).expect("a file");
        SEEN.fetch_add(1, Ordering::Relaxed);
        Ok(1)
    }
    let world = testing::isolate();
    assert_eq!(lost(), Ok(1));
    let events = world.events();
    assert!(matches!(&events[..], [Event::Locked { .. }, Event::Lost { .. }]), "{events:?}");
    assert_eq!(events[1].to_string(), "lock_lost: lost its lock while it ran: its file was removed");
}

#[test]
fn with_lock_composes_with_retry_and_fallback() {
    #[with_fallback(value = 9)]
    #[with_lock("x", wait = 0s, name = "lock_fallback")]
    fn answered() -> Outcome {
        Ok(1)
    }
    #[with_retry(max = 2, base = 1s, jitter = none)]
    #[with_lock("x", wait = 0s, name = "lock_retried")]
    fn retried() -> Outcome {
        Ok(1)
    }
    let world = testing::isolate();
    let held = lock::named("x").acquire().expect("a lock");
    assert_eq!(answered(), Ok(9));
    assert!(retried().is_err());
    assert_eq!(world.waits(), [SECOND, 2 * SECOND]);
    drop(held);
    assert_eq!((answered(), retried()), (Ok(1), Ok(1)));
}

#[test]
fn an_abandoned_body_keeps_the_lock_until_it_ends() {
    type Gate = mpsc::Receiver<()>;
    #[with_lock("x", name = "lock_thread")]
    #[timeout(1ms, thread)]
    fn abandoned(begun: mpsc::Sender<bool>, gate: Gate) -> Outcome {
        let inner: Outcome = lock::named("x").wait(60 * SECOND).call(|| Ok(1));
        let _ = begun.send(inner.is_err());
        let _ = gate.recv();
        Ok(1)
    }
    let _world = testing::isolate();
    let ((begun, has_begun), (go, gate)) = (mpsc::channel(), mpsc::channel());
    let outcome = abandoned(begun, gate);
    assert!(matches!(outcome, Err(Rejected::TimedOut { .. })), "{outcome:?}");
    assert_eq!(has_begun.recv(), Ok(true), "the helper thread knows that it holds the lock");
    assert!(!is_free("x"));
    drop(go);
    drop(lock::named("x").wait(60 * SECOND).acquire().expect("free at the end"));
}

#[test]
fn an_outer_timeout_limits_the_wait() {
    #[timeout(50ms)]
    #[with_lock("x", wait = 60s, name = "lock_limited")]
    async fn limited() -> Outcome {
        Ok(1)
    }
    let _world = testing::no_waits();
    let scratch = Scratch::new();
    lock::use_dir(scratch.path("locks"));
    let held = lock::named("x").acquire().expect("a lock");
    let words = block_on(limited()).expect_err("it is held").to_string();
    assert!(words.contains("lock_limited"), "{words}");
    drop(held);
}

struct Tasks {
    tenant: String,
}

#[async_trait::async_trait]
trait Work {
    async fn run(&self, id: u32) -> Outcome;
}

impl Tasks {
    #[with_lock("{self.tenant}/{id}", name = "lock_method")]
    fn method(&mut self, id: u32) -> Outcome {
        assert!(!is_free(&format!("{}/{id}", self.tenant)));
        self.tenant.push('!');
        Ok(id)
    }
}

#[async_trait::async_trait]
impl Work for Tasks {
    #[with_lock("{self.tenant}/{id}", name = "lock_trait")]
    async fn run(&self, id: u32) -> Outcome {
        assert!(!is_free(&format!("{}/{id}", self.tenant)));
        Ok(id)
    }
}

#[with_lock("generic:{id}", name = "lock_generic")]
async fn generic<T: std::fmt::Display + Send>(id: T, calls: &mut u32) -> Option<&mut u32> {
    *calls += 1;
    Some(calls)
}

#[with_lock(NAME, name = "lock_const")]
fn boxed() -> Pin<Box<dyn Future<Output = Outcome> + Send>> {
    Box::pin(async { Ok(1) })
}

const NAME: &str = "a constant";

trait Named {
    const NAME: &'static str;

    #[with_lock(Self::NAME, name = "lock_self_const")]
    fn of_self(&self) -> Outcome {
        Ok(1)
    }
}

impl Named for Tasks {
    const NAME: &'static str = "of self";
}

#[with_lock(T::NAME, name = "lock_type_const")]
fn of_type<T: Named>() -> Option<bool> {
    Some(is_free("of type"))
}

struct Jobs;

impl Named for Jobs {
    const NAME: &'static str = "of type";
}

#[with_lock(N, name = "lock_const_parameter")]
async fn of_number<const N: u32>() -> Outcome {
    Ok(N)
}

#[test]
fn a_name_may_be_a_constant_of_a_type_parameter() {
    let _world = testing::isolate();
    assert_eq!(Tasks { tenant: "acme".to_owned() }.of_self(), Ok(1));
    assert_eq!(of_type::<Jobs>(), Some(false));
    assert_eq!(block_on(of_number::<7>()), Ok(7));
    let names: Vec<_> = lock::list().expect("a listing").into_iter().map(|lock| lock.name).collect();
    assert_eq!(names, ["7", "of self", "of type"]);
}

#[test]
fn functions_of_every_shape_are_supported() {
    let _world = testing::isolate();
    let mut tasks = Tasks { tenant: "acme".to_owned() };
    assert_eq!(tasks.method(7), Ok(7));
    assert_eq!(block_on(Tasks { tenant: "acme".to_owned() }.run(7)), Ok(7));
    let mut calls = 0;
    assert_eq!(block_on(generic("a/b", &mut calls)).copied(), Some(1));
    assert_eq!(block_on(boxed()), Ok(1));
    let names: Vec<_> = lock::list().expect("a listing").into_iter().map(|lock| lock.name).collect();
    assert_eq!(names, ["a constant", "acme/7", "generic:a%2Fb"]);
    let id = Arc::new("a/b");
    assert_eq!(lock::task(*id).acquire().expect("a lock").name(), "task:a%2Fb");
}

#[with_lock("task:{id}", wait = 0s)]
fn of_an_unprintable(id: std::fmt::Arguments<'_>) -> Outcome {
    let _ = id;
    panic!("it must not run")
}

#[test]
fn a_name_that_cannot_be_printed_is_refused() {
    struct Unprintable;
    impl std::fmt::Display for Unprintable {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("7")?;
            Err(std::fmt::Error)
        }
    }
    let _world = testing::isolate();
    // Another task has the name that it began with.
    let held = lock::task("7").acquire().expect("a lock");
    let refused = of_an_unprintable(format_args!("{Unprintable}")).unwrap_err();
    assert!(refused.to_string().contains("1 to 1024 bytes"), "{refused}");
    drop(held);
}
