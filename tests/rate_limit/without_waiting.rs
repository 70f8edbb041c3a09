//! Calls that are let through or rejected at once.

use super::*;

#[rate_limit(2, per = 1s, name = "two")]
fn two() -> Outcome {
    Ok(1)
}

#[rate_limit(2, per = 1s, name = "two_later")]
async fn two_later() -> Outcome {
    tokio::task::yield_now().await;
    Ok(1)
}

type Scene<'a> = &'a dyn Fn(&testing::World, &str, &dyn Fn() -> Outcome);

fn both(scene: Scene<'_>) {
    scene(&testing::isolate(), "two", &two);
    scene(&testing::isolate(), "two_later", &|| futures::executor::block_on(two_later()));
}

#[test]
fn a_call_beyond_the_limit_is_rejected_with_retry_after() {
    both(&|world, name, call| {
        assert_eq!((call(), call()), (Ok(1), Ok(1)));
        assert_eq!(retry_after(call()), 500 * MILLI);
        world.advance(499 * MILLI);
        assert_eq!(retry_after(call()), MILLI);
        world.advance(MILLI);
        assert_eq!(call(), Ok(1));
        assert_eq!(retry_after(call()), 500 * MILLI);
        assert_eq!(usage(name), (0, 0));
        let rejections: Vec<_> = world.events();
        assert_eq!(rejections.len(), 3);
        let Event::Rejected { policy, retry_after, .. } = &rejections[0] else { panic!() };
        assert_eq!((*policy, *retry_after), ("rate_limit", Some(500 * MILLI)));
    });
}

#[test]
fn at_most_a_burst_passes_after_a_pause() {
    both(&|world, name, call| {
        for pause in [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(7200)] {
            world.advance(pause);
            assert_eq!(usage(name), (2, 0));
            assert_eq!((call(), call()), (Ok(1), Ok(1)));
            assert!(is_limited(&call()));
        }
    });
}

#[test]
fn a_burst_of_one_spaces_calls_evenly() {
    #[rate_limit(10, per = 1s, burst = 1, name = "even")]
    fn even() -> Outcome {
        Ok(1)
    }
    let world = testing::isolate();
    for _ in 0..20 {
        assert_eq!(even(), Ok(1));
        assert_eq!(retry_after(even()), 100 * MILLI);
        world.advance(100 * MILLI);
    }
    let text = point("even").unwrap().to_string();
    let note =
        "note: `burst = 1` without `wait` rejects one call of three that arrive at random at half the limit";
    assert!(text.contains(note), "{text}");
    assert!(!point("two").unwrap().to_string().contains("note"));
}

#[test]
fn a_panicking_hook_does_not_affect_the_call() {
    fn broken(event: &Event) {
        panic!("{event}");
    }
    #[rate_limit(1, per = 1m, on_reject = broken)]
    fn one() -> Outcome {
        Ok(1)
    }
    let _world = testing::isolate();
    assert_eq!(one(), Ok(1));
    assert_eq!(retry_after(one()), Duration::from_secs(60));
}

#[test]
fn the_handle_can_reset_the_limit() {
    let _world = testing::isolate();
    assert_eq!((two(), two()), (Ok(1), Ok(1)));
    let limit = point("two").unwrap().rate_limit().unwrap();
    assert!(!limit.is_available());
    assert_eq!(limit.snapshot().retry_after, Some(500 * MILLI));
    limit.reset();
    assert_eq!(usage("two"), (2, 0));
    assert_eq!((two(), two()), (Ok(1), Ok(1)));
    assert!(is_limited(&two()));
}
