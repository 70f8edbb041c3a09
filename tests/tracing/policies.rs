//! The lines of each policy.

use super::*;

#[test]
fn breaker_transitions_and_rejections_have_their_levels() {
    #[circuit_breaker(threshold = 2, recovery = 10s)]
    fn guarded(fails: bool) -> Result<u32, Secret> {
        if fails { Err(Secret(Category::Connection)) } else { Ok(1) }
    }
    let seen = reported(|world| {
        drop([guarded(true), guarded(true)]);
        (0..50).for_each(|_| drop(guarded(false)));
        world.advance(Duration::from_secs(1));
        (0..50).for_each(|_| drop(guarded(false)));
        world.advance(Duration::from_secs(9));
        drop(guarded(false));
    });
    assert!(seen.iter().all(|seen| seen.target == "resilience::breaker"), "{seen:#?}");
    let breaker = &seen;
    let opened = breaker.first().unwrap();
    assert_eq!(
        (opened.level, opened.field("failures"), opened.field("category")),
        (Level::WARN, "2", "connection")
    );
    assert_eq!(breaker.last().unwrap().level, Level::INFO);
    let refused: Vec<_> =
        seen.iter().filter(|seen| seen.fields.values().any(|text| text.contains("rejected"))).collect();
    assert_eq!(refused.len(), 2, "{seen:#?}");
    assert!(refused.iter().all(|seen| seen.level == Level::DEBUG && seen.target.starts_with("resilience::")));
    assert!(seen.iter().all(|seen| seen.field("point").ends_with("guarded")), "{seen:#?}");
}

#[test]
fn arming_faults_is_a_warning() {
    use resilience::chaos::{Plan, arm};
    let minute = Duration::from_secs(60);
    let seen = reported(|_| {
        drop(arm(minute));
        drop(arm(Plan::new(minute).only("shop::charge")));
    });
    let warnings: Vec<_> = seen.iter().filter(|seen| seen.level == Level::WARN).collect();
    assert_eq!(warnings.len(), 2, "{seen:#?}");
    assert!(warnings.iter().all(|seen| seen.target == "resilience::chaos"), "{seen:#?}");
    assert!(format!("{:?}", warnings[1].fields).contains("shop::charge"), "{seen:#?}");
}

#[test]
fn a_nested_retry_logs_its_depth_and_its_outer_retry() {
    #[with_retry(max = 1, base = 0s, name = "nested::outer")]
    fn outer() -> Result<u32, Secret> {
        inner()
    }
    #[with_retry(max = 1, base = 0s, name = "nested::inner")]
    fn inner() -> Result<u32, Secret> {
        Err(Secret(Category::Connection))
    }
    let seen = reported(|_| drop(outer()));
    let of_inner: Vec<_> = seen.iter().filter(|seen| seen.field("point") == "nested::inner").collect();
    let inside: Vec<_> = of_inner.iter().map(|seen| (seen.field("depth"), seen.field("inside"))).collect();
    let (first, again) = inside.split_at(inside.len() / 2);
    assert!(first.len() > 1 && first.iter().all(|fields| *fields == ("", "")), "{seen:#?}");
    assert!(again.iter().all(|fields| *fields == ("1", "nested::outer")), "{seen:#?}");
    let of_outer = seen.iter().filter(|seen| seen.field("point") == "nested::outer");
    assert!(of_outer.into_iter().all(|seen| !seen.fields.contains_key("depth")), "{seen:#?}");
}

#[test]
fn the_key_is_a_field_only_with_key_label() {
    #[circuit_breaker(threshold = 1, recovery = 1s, key = host, key_label)]
    fn shown(host: &str, fails: bool) -> Result<u32, Secret> {
        let _ = host;
        if fails { Err(Secret(Category::Connection)) } else { Ok(1) }
    }
    #[circuit_breaker(threshold = 1, recovery = 1s, key = host)]
    fn hidden(host: &str, fails: bool) -> Result<u32, Secret> {
        let _ = host;
        if fails { Err(Secret(Category::Connection)) } else { Ok(1) }
    }
    let told_by = |call: fn(&str, bool) -> Result<u32, Secret>| {
        reported(move |world| {
            drop([call("a.example", true), call("a.example", true)]);
            world.advance(Duration::from_secs(1));
            drop(call("a.example", false));
        })
    };
    let seen = told_by(shown);
    assert_eq!(seen.iter().filter(|seen| seen.field("key") == "a.example").count(), 4, "{seen:#?}");
    let seen = told_by(hidden);
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|seen| !seen.fields.contains_key("key")), "{seen:#?}");
    assert!(!format!("{seen:?}").contains("a.example"), "{seen:#?}");
}

#[test]
fn a_failover_logs_only_listed_values() {
    #[failover(value = ["listed", "other"], sticky = 60s)]
    fn fails_over(value: &str, down: &str) -> Result<usize, Secret> {
        if down.contains(value) { Err(Secret(Category::Timeout)) } else { Ok(value.len()) }
    }
    let seen = reported(|_| {
        assert!(fails_over(SECRET, SECRET).is_ok());
        assert!(fails_over(SECRET, "listed").is_ok());
    });
    let lines: Vec<_> = seen.iter().map(|line| (line.field("value"), line.field("step"))).collect();
    assert_eq!(lines, [("listed", "1"), ("", "1")]);
    for line in seen {
        assert_eq!((&*line.target, line.level), ("resilience::failover", Level::DEBUG));
        assert_eq!((line.field("message"), line.field("category")), ("failed over", "timeout"));
    }
}

#[test]
fn an_extra_call_of_a_hedge_is_logged_at_debug() {
    #[hedge(after = 10ms, idempotent, key = host)]
    async fn hidden(host: &str, world: &testing::World) -> Result<usize, Secret> {
        for _ in 0..2 {
            world.advance(Duration::from_millis(20));
            tokio::task::yield_now().await;
        }
        Ok(host.len())
    }
    #[hedge(after = 10ms, idempotent, key = host, key_label)]
    async fn shown(host: &str, world: &testing::World) -> Result<usize, Secret> {
        hidden(host, world).await
    }
    let seen = reported(|world| {
        let both = async { (hidden(SECRET, world).await.is_ok(), shown("a.example", world).await.is_ok()) };
        assert_eq!(futures::executor::block_on(both), (true, true));
    });
    assert!(!seen.is_empty());
    for line in seen {
        assert_eq!((&*line.target, line.level), ("resilience::hedge", Level::DEBUG));
        assert_eq!((line.field("number"), line.field("after_ms")), ("1", "10"));
        let key = if line.field("point").starts_with("tracing::policies::shown") { "a.example" } else { "" };
        assert_eq!(line.field("key"), key, "{line:?}");
    }
}

#[test]
fn rejections_of_each_breaker_are_reported_at_most_once_a_second() {
    let seen = reported(|_| {
        for name in ["first", "second"] {
            let breaker = resilience::CircuitBreaker::named(name);
            breaker.force_open();
            (0..9).for_each(|_| drop(breaker.acquire()));
        }
    });
    let rejected: Vec<_> = seen.iter().filter(|seen| seen.field("policy") == "circuit_breaker").collect();
    assert_eq!(rejected.len(), 2, "{seen:#?}");
}

#[test]
fn rejections_of_all_keys_are_logged_at_most_once_a_second() {
    #[circuit_breaker(threshold = 1, key = tenant)]
    fn guarded(tenant: u32) -> Result<u32, Secret> {
        Err(Secret(Category::Connection))
    }
    let rejected =
        |seen: &[Seen]| seen.iter().filter(|seen| seen.field("policy") == "circuit_breaker").count();
    let seen = reported(|_| (0..40).for_each(|call| drop(guarded(call % 10))));
    assert_eq!(rejected(&seen), 1, "{seen:#?}");
    let seen = reported(|world| {
        (0..40).for_each(|call| drop(guarded(call % 10)));
        world.advance(Duration::from_secs(1));
        (0..40).for_each(|call| drop(guarded(call % 10)));
    });
    assert_eq!(rejected(&seen), 2, "{seen:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_reported() {
    #[timeout(2s)]
    async fn slow(_password: &str) -> Result<u32, Secret> {
        std::future::pending().await
    }
    let capture = Capture::default();
    let _world = testing::isolate();
    {
        let _guard = tracing::subscriber::set_default(capture.clone());
        assert!(slow(SECRET).await.is_err());
    }
    let seen = capture.0.lock().unwrap().clone();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert!(seen[0].target.starts_with("resilience::") && seen[0].field("point").ends_with("slow"));
}

#[test]
fn fallbacks_for_permanent_errors_warn_at_most_once_a_minute() {
    #[with_fallback(value = 0)]
    fn hides(category: Category) -> Result<u32, Secret> {
        Err(Secret(category))
    }
    let warnings = |seen: &[Seen]| levels(seen).iter().filter(|level| **level == Level::WARN).count();
    let seen = reported(|_| drop(hides(Category::Unavailable)));
    assert_eq!((warnings(&seen), seen.len()), (0, 1), "{seen:#?}");
    let seen = reported(|world| {
        for _ in 0..10 {
            drop([Category::Auth, Category::Invalid, Category::Permanent].map(hides));
        }
        world.advance(Duration::from_secs(61));
        drop(hides(Category::Auth));
    });
    assert_eq!(warnings(&seen), 2, "{seen:#?}");
}
