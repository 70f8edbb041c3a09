//! `#[circuit_breaker]`: calls to what is known to be down are refused at once.

#![allow(clippy::type_complexity, reason = "a list of two calls is plainer than a name for it")]

#[macro_use]
#[path = "circuit_breaker/guarded.rs"]
mod guarded;
#[path = "circuit_breaker/half_open.rs"]
mod half_open;
#[path = "circuit_breaker/handles.rs"]
mod handles;
#[path = "circuit_breaker/in_flight.rs"]
mod in_flight;
#[path = "circuit_breaker/instances.rs"]
mod instances;
#[path = "circuit_breaker/keys.rs"]
mod keys;
#[path = "circuit_breaker/outside.rs"]
mod outside;
#[path = "circuit_breaker/rates.rs"]
mod rates;
#[path = "circuit_breaker/slow.rs"]
mod slow;

use guarded::{Failure, down};
use resilience::{Category, CircuitBreaker, Classification, Event, Rejected, circuit_breaker, testing};
use std::cell::Cell;
use std::time::Duration;

guarded!(three: circuit_breaker(threshold = 3));
guarded!(defaults: circuit_breaker());

#[test]
fn the_breaker_opens_at_the_threshold_and_rejects_calls() {
    three(&|it| {
        it.fail(Category::Unavailable);
        it.fail(Category::Unavailable);
        assert!(!it.rejects_without_counting());
        assert!(it.fail(Category::Unavailable), "the third failure is the function's own");
        let ran = Cell::new(false);
        let Err(Failure::Rejected(rejected @ Rejected::CircuitOpen { .. })) = it.run(|| {
            ran.set(true);
            Ok(1)
        }) else {
            panic!("not refused")
        };
        assert!(!ran.get(), "the body ran");
        assert!(rejected.point().starts_with("circuit_breaker::"), "{rejected}");
        assert_eq!(rejected.retry_after(), Some(Duration::from_secs(60)));
    });
}

#[test]
fn five_failures_and_sixty_seconds_are_the_defaults() {
    defaults(&|it| {
        (0..4).for_each(|_| assert!(it.fail(Category::Timeout)));
        assert!(!it.rejects_without_counting());
        it.fail(Category::Timeout);
        assert!(it.refuses());
        it.pass(Duration::from_secs(59));
        assert!(it.refuses());
        it.pass(Duration::from_secs(1));
        assert_eq!(it.succeed(), Ok(1));
    });
}

#[test]
fn a_success_clears_consecutive_failures() {
    three(&|it| {
        it.fail(Category::Unavailable);
        it.fail(Category::Unavailable);
        it.succeed().unwrap();
        it.fail(Category::Unavailable);
        it.fail(Category::Unavailable);
        assert!(!it.rejects_without_counting());
        it.fail(Category::Unavailable);
        assert!(it.refuses());
    });
}

#[test]
fn the_category_decides_what_counts() {
    for failure in [
        Category::Timeout,
        Category::RateLimited,
        Category::Connection,
        Category::Unavailable,
        Category::Transient,
        Category::Resource,
        Category::Corrupt,
        Category::Unknown,
    ] {
        three(&|it| {
            (0..3).for_each(|_| assert!(it.fail(failure)));
            assert!(it.refuses(), "{failure:?}");
        });
    }
    for success in
        [Category::Conflict, Category::Auth, Category::NotFound, Category::Invalid, Category::Permanent]
    {
        three(&|it| {
            (0..9).for_each(|_| assert!(it.fail(success)));
            assert!(!it.refuses(), "{success:?}");
            it.fail(down());
            it.fail(down());
            it.fail(success);
            it.fail(down());
            assert!(!it.rejects_without_counting(), "{success:?} does not clear the row");
        });
    }
    for nothing in [Category::Cancelled, Category::Rejected] {
        three(&|it| {
            (0..9).for_each(|_| assert!(it.fail(nothing)));
            it.fail(down());
            it.fail(down());
            it.fail(nothing);
            assert!(!it.rejects_without_counting(), "{nothing:?} counts");
            it.fail(down());
            assert!(it.refuses(), "{nothing:?} clears the row");
        });
    }
}

#[test]
fn a_window_ignores_successes_and_expires_old_failures() {
    guarded!(window_of_ten: circuit_breaker(threshold = 3, window = 10s));
    window_of_ten(&|it| {
        it.fail(down());
        it.succeed().unwrap();
        it.fail(down());
        it.succeed().unwrap();
        it.fail(down());
        assert!(it.refuses());
    });
    window_of_ten(&|it| {
        it.fail(down());
        it.pass(Duration::from_secs(6));
        it.fail(down());
        it.pass(Duration::from_secs(5));
        it.fail(down());
        assert!(!it.refuses(), "the first failure is eleven seconds old");
        it.pass(Duration::from_secs(1));
        it.fail(down());
        assert!(it.refuses());
    });
}

#[test]
fn when_replaces_the_category_and_unless_exempts() {
    guarded!(all: circuit_breaker(threshold = 2, when = |_| true));
    guarded!(none: circuit_breaker(threshold = 2, when = |_| false));
    guarded!(spared: circuit_breaker(threshold = 2, when = |_| true, unless = Failure::is_not_found));
    all(&|it| {
        it.fail(Category::NotFound);
        it.fail(Category::NotFound);
        assert!(it.refuses());
    });
    none(&|it| {
        (0..9).for_each(|_| assert!(it.fail(down())));
        assert!(!it.refuses());
    });
    spared(&|it| {
        (0..9).for_each(|_| assert!(it.fail(Category::NotFound)));
        it.fail(down());
        it.fail(Category::NotFound);
        assert!(!it.rejects_without_counting(), "it counts as a failure");
        it.fail(down());
        assert!(it.refuses(), "it counts as a success");
    });
}

#[test]
fn a_value_can_count_as_a_failure() {
    guarded!(odd: circuit_breaker(threshold = 2, when_ok = |value| *value == 0));
    odd(&|it| {
        assert_eq!(it.run(|| Ok(0)), Ok(0), "the value is returned as it is");
        it.run(|| Ok(0)).unwrap();
        assert!(it.refuses());
    });
}

#[test]
fn classify_categorizes_a_foreign_type() {
    #[circuit_breaker(threshold = 1, rejected = |r| r.to_string(), classify = |e| if e == "down" { Category::Unavailable } else { Category::NotFound })]
    fn by_text(text: &str) -> Result<(), String> {
        Err(text.to_owned())
    }
    let _world = testing::isolate();
    assert_eq!(by_text("absent").unwrap_err(), "absent");
    assert_eq!(by_text("down").unwrap_err(), "down");
    assert_eq!(
        by_text("absent").unwrap_err(),
        "circuit breaker of `circuit_breaker::by_text` is open; retry in 60s"
    );
}

#[test]
fn the_open_time_grows_up_to_a_cap_and_starts_again_after_closing() {
    guarded!(grows: circuit_breaker(threshold = 1, recovery = 1s, growth = 2.0, cap = 3s));
    grows(&|it| {
        it.fail(down());
        for seconds in [1, 2, 3, 3] {
            assert_eq!(it.retry_after(), Some(Duration::from_secs(seconds)));
            it.pass(Duration::from_secs(seconds));
            assert!(it.fail(down()), "this is a probe");
        }
        it.pass(Duration::from_secs(3));
        it.succeed().unwrap();
        it.fail(down());
        assert_eq!(it.retry_after(), Some(Duration::from_secs(1)));
    });
}

#[test]
fn a_policy_sets_defaults_that_other_keys_override() {
    const fn two() -> CircuitBreaker {
        CircuitBreaker::new("two").threshold(2).recovery(Duration::from_secs(9))
    }
    guarded!(as_named: circuit_breaker(policy = two()));
    guarded!(overridden: circuit_breaker(policy = two(), threshold = 1));
    for (scenario, failures) in [(as_named as fn(&dyn Fn(&guarded::Guarded)), 2), (overridden, 1)] {
        scenario(&|it| {
            (0..failures).for_each(|_| assert!(it.fail(down())));
            assert_eq!(it.retry_after(), Some(Duration::from_secs(9)));
        });
    }
}

#[test]
fn the_open_time_is_constant_without_growth() {
    guarded!(steady: circuit_breaker(threshold = 1, recovery = 2s));
    steady(&|it| {
        it.fail(down());
        for _ in 0..3 {
            assert_eq!(it.retry_after(), Some(Duration::from_secs(2)));
            it.pass(Duration::from_secs(2));
            it.fail(down());
        }
    });
}

#[test]
fn retry_after_lengthens_the_open_time_up_to_its_cap() {
    guarded!(short: circuit_breaker(threshold = 2, recovery = 1s));
    guarded!(capped: circuit_breaker(threshold = 2, recovery = 1s, retry_after_cap = 20s));
    let busy = |seconds| Classification::new(Category::RateLimited).retry_after(Duration::from_secs(seconds));
    let open_for = |scenario: fn(&dyn Fn(&guarded::Guarded)),
                    first: Classification,
                    second: Classification,
                    expected| {
        scenario(&|it| {
            it.fail(first);
            it.fail(second);
            assert_eq!(it.retry_after(), Some(Duration::from_secs(expected)));
        });
    };
    open_for(short, down().into(), busy(10), 10);
    open_for(short, down().into(), busy(0), 1);
    open_for(short, down().into(), busy(3_600), 300);
    open_for(short, down().into(), busy(u64::MAX), 300);
    open_for(capped, down().into(), busy(25), 20);
    // Only the error that trips it is asked.
    open_for(short, busy(10), down().into(), 1);
}

#[test]
fn rejections_convert_into_every_outcome_type() {
    #[circuit_breaker(threshold = 1)]
    fn option(fails: bool) -> Option<u32> {
        (!fails).then_some(1)
    }
    #[circuit_breaker(threshold = 1)]
    fn io_error() -> std::io::Result<u32> {
        Err(std::io::ErrorKind::ConnectionReset.into())
    }
    #[circuit_breaker(threshold = 1)]
    async fn boxed() -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
        Err("down".into())
    }
    #[circuit_breaker(threshold = 1)]
    async fn any() -> anyhow::Result<u32> {
        Err(anyhow::anyhow!("down"))
    }
    #[circuit_breaker(threshold = 1)]
    fn itself() -> Result<u32, Rejected> {
        three_times_open()
    }
    fn three_times_open() -> Result<u32, Rejected> {
        #[resilience::timeout(1ms)]
        async fn hangs() -> Result<u32, Rejected> {
            std::future::pending().await
        }
        futures::executor::block_on(hangs())
    }
    let _world = testing::isolate();
    assert_eq!((option(false), option(true), option(false)), (Some(1), None, None));
    assert_eq!(io_error().unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    let refused = io_error().unwrap_err();
    assert!(refused.get_ref().unwrap().is::<Rejected>(), "{refused:?}");
    use futures::executor::block_on;
    assert_eq!(block_on(boxed()).unwrap_err().to_string(), "down");
    assert!(block_on(boxed()).unwrap_err().is::<Rejected>());
    assert_eq!(block_on(any()).unwrap_err().to_string(), "down");
    assert!(block_on(any()).unwrap_err().is::<Rejected>());
    assert!(matches!(itself(), Err(Rejected::TimedOut { .. })));
    assert!(matches!(itself(), Err(Rejected::CircuitOpen { .. })));
}

#[test]
fn every_transition_emits_an_event() {
    guarded!(told: circuit_breaker(threshold = 2, recovery = 1s));
    told(&|it| {
        it.fail(down());
        it.fail(down());
        assert!(it.refuses());
        it.pass(Duration::from_secs(1));
        it.succeed().unwrap();
        let events = it.world.events();
        let [
            Event::Opened { class: Some(class), failures: 2, recovery: Some(recovery), key: None, .. },
            Event::Rejected { policy: "circuit_breaker", retry_after: Some(_), .. },
            Event::HalfOpened { .. },
            Event::Closed { .. },
        ] = &events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((class.category, *recovery), (down(), Duration::from_secs(1)));
    });
}

#[test]
fn hooks_run_on_every_transition_and_may_panic() {
    thread_local! { static HEARD: Cell<[u32; 4]> = const { Cell::new([0; 4]) }; }
    fn hear(which: usize) -> ! {
        let mut heard = HEARD.get();
        heard[which] += 1;
        HEARD.set(heard);
        panic!("a hook that panics is ignored")
    }
    fn opened(event: &Event) {
        assert!(matches!(event, Event::Opened { .. }));
        hear(0)
    }
    fn half_opened(_: &Event) {
        hear(1)
    }
    fn closed(_: &Event) {
        hear(2)
    }
    fn rejected(event: &Event) {
        assert!(matches!(event, Event::Rejected { .. }));
        hear(3)
    }
    guarded!(heard: circuit_breaker(threshold = 1, recovery = 1s, on_open = opened, on_half_open = half_opened, on_close = closed, on_reject = rejected));
    HEARD.set([0; 4]);
    heard(&|it| {
        it.fail(down());
        assert!(it.refuses());
        assert!(it.refuses());
        it.pass(Duration::from_secs(1));
        it.succeed().unwrap();
    });
    assert_eq!(HEARD.get(), [2, 2, 2, 4], "from a sync and an async function");
}

#[test]
fn no_clone_is_required_without_a_retry() {
    #[circuit_breaker]
    fn consume(text: String) -> Result<usize, Rejected> {
        Ok(text.into_bytes().len())
    }
    let _world = testing::isolate();
    assert_eq!(consume("abc".to_owned()), Ok(3));
}
