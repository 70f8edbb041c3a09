//! What a configuration changes in a running program, and how it goes back.

use crate::support::{Scratch, info, load, shown};
use futures::executor::block_on;
use resilience::config::{Config, current, reload};
use resilience::{
    Budget, Rejected, Retry, State, bulkhead, circuit_breaker, point, rate_limit, timeout, with_retry,
};
use std::cell::Cell;
use std::fs;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[derive(Debug, resilience::Classify)]
enum Failure {
    #[classify(unavailable)]
    Down,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
}

fn calls_of(call: impl FnOnce()) -> u32 {
    CALLS.set(0);
    call();
    CALLS.get()
}

fn down() -> Result<u32, Failure> {
    CALLS.set(CALLS.get() + 1);
    Err(Failure::Down)
}

mod orders {
    use super::*;

    #[with_retry(max = 2, base = 0s, name = "orders::retried")]
    pub fn retried() -> Result<u32, Failure> {
        down()
    }

    #[with_retry(max = 2, base = 0s, name = "orders::awaited")]
    pub async fn awaited() -> Result<u32, Failure> {
        down()
    }

    #[circuit_breaker(threshold = 3, name = "orders::guarded")]
    pub fn guarded() -> Result<u32, Failure> {
        down()
    }

    #[circuit_breaker(threshold = 3, key = host, name = "orders::by_host")]
    pub fn by_host(host: &str) -> Result<u32, Failure> {
        let _ = host;
        down()
    }

    #[timeout(2s, name = "orders::limited")]
    pub async fn limited(takes: Duration) -> Result<u32, Failure> {
        tokio::time::sleep(takes).await;
        Ok(1)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime")
}

#[test]
fn a_file_changes_the_retry_count_and_removal_reverts_it() {
    let _world = resilience::testing::isolate();
    let retried = || calls_of(|| drop(orders::retried()));
    let awaited = || calls_of(|| drop(runtime().block_on(orders::awaited())));
    assert_eq!((retried(), awaited()), (3, 3));
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", "[\"orders::retried\".with_retry]\nmax = 5\n");
    let report = Config::new().file(&path).load().unwrap();
    assert_eq!((report.changed, report.settings), (true, 1));
    assert_eq!((retried(), awaited()), (6, 3));
    assert_eq!(info("orders::retried").max_calls, 6);
    assert_eq!(shown("orders::retried", "with_retry", "max"), format!("max = 5 from {}:2", path.display()));
    assert_eq!(shown("orders::retried", "with_retry", "base"), "base = 0s");

    fs::write(&path, "[with_retry]\nmax = 0\n").unwrap();
    assert_eq!((retried(), awaited()), (6, 3), "nothing changes by itself");
    assert!(reload().unwrap().changed);
    assert_eq!((retried(), awaited()), (1, 1));
    assert!(!reload().unwrap().changed);
    assert_eq!(current().unwrap().settings, 1);

    fs::write(&path, "# nothing\n").unwrap();
    reload().unwrap();
    assert_eq!((retried(), awaited()), (3, 3));
    assert_eq!(shown("orders::retried", "with_retry", "max"), "max = 2");
}

#[test]
fn a_wait_may_begin_to_depend_on_the_one_before() {
    let world = resilience::testing::isolate();
    load("[\"orders::retried\".with_retry]\nmax = 12\nbase = \"1s\"\ncap = \"1h\"\nbackoff = \"decorrelated\"\n").unwrap();
    assert_eq!(calls_of(|| drop(orders::retried())), 13);
    let waits = world.waits();
    assert!(waits.iter().all(|wait| *wait >= SECOND), "{waits:?}");
    assert!(waits.windows(2).all(|pair| pair[1] <= pair[0] * 3), "{waits:?}");
    assert!(waits.iter().any(|wait| *wait > 3 * SECOND), "each is drawn from the first: {waits:?}");
}

#[test]
fn a_retry_can_be_disabled_and_enabled() {
    let _world = resilience::testing::isolate();
    load("[\"orders::retried\".with_retry]\nenabled = false\n").unwrap();
    assert_eq!(calls_of(|| drop(orders::retried())), 1);
    assert_eq!(info("orders::retried").max_calls, 1);
    assert!(shown("orders::retried", "with_retry", "enabled").starts_with("enabled = false from "));
    load("[with_retry]\nenabled = false\n[\"orders::retried\".with_retry]\nenabled = true\n").unwrap();
    assert_eq!(calls_of(|| drop(orders::retried())), 3);
    assert_eq!(calls_of(|| drop(runtime().block_on(orders::awaited()))), 1);
    load("\"orders::retried\".enabled = false\n").unwrap();
    assert_eq!(calls_of(|| drop(orders::retried())), 1);
    Config::new().load().unwrap();
    assert_eq!(calls_of(|| drop(orders::retried())), 3);
}

static SHARED: Budget = Budget::new().refill(0);

mod shared {
    use super::*;

    #[with_retry(max = 2, base = 0s, budget = SHARED, name = "shared::outer")]
    pub fn outer(calls_inside: bool) -> Result<u32, Failure> {
        if calls_inside { inner() } else { Ok(7) }
    }

    #[with_retry(max = 2, base = 0s, budget = SHARED, name = "shared::inner")]
    pub fn inner() -> Result<u32, Failure> {
        Ok(7)
    }

    #[with_retry(max = 2, base = 0s, budget = SHARED, name = "shared::awaited")]
    pub async fn awaited(calls_inside: bool) -> Result<u32, Failure> {
        if calls_inside { inner() } else { Ok(7) }
    }

    #[with_retry(policy = PATIENT, name = "shared::policy")]
    pub fn policy() -> Result<u32, Failure> {
        Ok(7)
    }

    const PATIENT: Retry = Retry::new().max(2).base(Duration::ZERO).budget(&SHARED);
}

#[test]
fn a_disabled_retry_still_returns_tokens_to_a_shared_budget() {
    let world = resilience::testing::isolate();
    let returned = |call: &dyn Fn()| {
        SHARED.reset();
        let retry = Retry::new().max(2).base(Duration::ZERO).budget(&SHARED);
        let _: Result<(), Failure> = retry.call(|| Err(Failure::Down));
        let before = SHARED.tokens();
        call();
        SHARED.tokens() - before
    };
    let all: [(&str, &dyn Fn()); 5] = [
        ("outer", &|| drop(shared::outer(false))),
        ("awaited", &|| drop(block_on(shared::awaited(false)))),
        ("policy", &|| drop(shared::policy())),
        ("outer around inner", &|| drop(shared::outer(true))),
        ("awaited around inner", &|| drop(block_on(shared::awaited(true)))),
    ];
    let each = || all.map(|(name, call)| (name, returned(call)));
    let enabled = each();
    assert_eq!(enabled.map(|(_, tokens)| tokens), [1; 5], "the innermost returns one");
    for point in ["outer", "inner", "awaited", "policy"] {
        load(&format!("[\"shared::{point}\".with_retry]\nenabled = false\n")).unwrap();
        assert_eq!(each(), enabled, "{point} is disabled");
        let listed = info(&format!("shared::{point}"));
        assert!(listed.to_string().contains("budget = shared"), "{listed}");
    }
    load("[with_retry]\nenabled = false\n").unwrap();
    assert_eq!(each(), enabled);
    drop(world);
}

#[test]
fn a_breaker_threshold_can_be_lowered_and_disabled() {
    let _world = resilience::testing::isolate();
    let breaker = point("orders::guarded").unwrap().breaker().unwrap();
    drop(orders::guarded());
    assert_eq!(breaker.state(), State::Closed);
    load("[\"orders::guarded\".circuit_breaker]\nthreshold = 2\nrecovery = \"5s\"\n").unwrap();
    assert_eq!(breaker.state(), State::Closed, "the failure before counts, and no new one has come");
    drop(orders::guarded());
    assert_eq!(breaker.state(), State::Open);
    let left = breaker.snapshot().retry_after.unwrap();
    assert!(left <= 5 * SECOND, "{left:?}");
    assert_eq!(calls_of(|| drop(orders::guarded())), 0);

    load("[\"orders::guarded\".circuit_breaker]\nenabled = false\n").unwrap();
    assert_eq!(calls_of(|| (0..5).for_each(|_| drop(orders::guarded()))), 5);
    assert!(breaker.is_available());
    assert_eq!(breaker.state(), State::Disabled, "no call is rejected");
    let off = breaker.snapshot();
    assert_eq!((off.state, off.since, off.retry_after), (State::Disabled, None, None));
    let listed = || point("orders::guarded").unwrap().snapshot().policies.swap_remove(0).state;
    assert_eq!(listed(), Some("disabled"));
    Config::new().load().unwrap();
    assert_eq!((breaker.state(), listed()), (State::Open, Some("open")), "it was kept");
    assert_eq!(calls_of(|| drop(orders::guarded())), 0, "it is still open");
    breaker.reset();
    (0..2).for_each(|_| drop(orders::guarded()));
    assert_eq!(breaker.state(), State::Closed, "three failures again");
}

#[test]
fn a_load_does_not_close_a_breaker_opened_by_an_operator() {
    let _world = resilience::testing::isolate();
    let breaker = point("orders::guarded").unwrap().breaker().unwrap();
    let off = "[\"orders::guarded\".circuit_breaker]\nenabled = false\n";
    breaker.force_open();
    load(off).unwrap();
    assert_eq!(calls_of(|| drop(orders::guarded())), 0);
    assert!(!breaker.is_available());
    Config::new().load().unwrap();
    assert_eq!(breaker.state(), State::ForcedOpen);
    breaker.reset();
    breaker.open_until(std::time::Instant::now() + 3600 * SECOND);
    load(off).unwrap();
    assert_eq!(calls_of(|| drop(orders::guarded())), 0);
    breaker.reset();
    assert_eq!(calls_of(|| drop(orders::guarded())), 1);
    Config::new().load().unwrap();
    (0..3).for_each(|_| drop(orders::guarded()));
    load(off).unwrap();
    assert_eq!(breaker.state(), State::Disabled, "its failures opened it");
    breaker.set_state(State::Open);
    assert_eq!((breaker.state(), calls_of(|| drop(orders::guarded()))), (State::Open, 0));
    breaker.reset();
    breaker.disable();
    load("[circuit_breaker]\nthreshold = 1\n").unwrap();
    assert_eq!(calls_of(|| (0..3).for_each(|_| drop(orders::guarded()))), 3);
    assert_eq!(breaker.state(), State::Disabled);
}

#[test]
fn a_missing_file_changes_nothing() {
    let _world = resilience::testing::isolate();
    let scratch = crate::support::Scratch::new();
    let breaker = point("orders::guarded").unwrap().breaker().unwrap();
    let threshold = || shown("orders::guarded", "circuit_breaker", "threshold");
    let text = |threshold| format!("[\"orders::guarded\".circuit_breaker]\nthreshold = {threshold}\n");
    let path = scratch.write("shop.toml", &text(2));
    Config::new().file(&path).load().unwrap();
    breaker.force_open();

    std::fs::remove_file(&path).unwrap();
    let errors = resilience::config::reload().unwrap_err().to_string();
    assert!(errors.contains("shop.toml: it cannot be read"), "{errors}");
    assert!(threshold().starts_with("threshold = 2 from"), "{}", threshold());
    assert_eq!(breaker.state(), State::ForcedOpen);

    scratch.write("shop.toml", &text(4));
    assert!(resilience::config::reload().unwrap().changed);
    assert!(threshold().starts_with("threshold = 4 from"), "{}", threshold());
    assert_eq!(breaker.state(), State::ForcedOpen);
    assert_eq!(calls_of(|| drop(orders::guarded())), 0);
    breaker.reset();
    (0..3).for_each(|_| drop(orders::guarded()));
    assert_eq!(breaker.state(), State::Closed, "the loaded threshold is in force");
    drop(orders::guarded());
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn one_key_of_a_function_may_have_its_own_settings() {
    let _world = resilience::testing::isolate();
    let text = "\
        [\"orders::by_host\".circuit_breaker]\n\
        threshold = 2\n\
        [\"orders::by_host\".key.\"eu \\\"1\\\"\\n\".circuit_breaker]\n\
        threshold = 1\n\
        [\"orders::by_host\".key.us.circuit_breaker]\n\
        enabled = false\n";
    load(text).unwrap();
    let failures = |host: &str| calls_of(|| (0..4).for_each(|_| drop(orders::by_host(host))));
    assert_eq!(failures("eu \"1\"\n"), 1);
    assert_eq!(failures("us"), 4);
    assert_eq!(failures("asia"), 2);
    assert!(shown("orders::by_host", "circuit_breaker", "threshold").starts_with("threshold = 2 from"));
    point("orders::by_host").unwrap().key("us").breaker().unwrap().force_open();
    assert_eq!(failures("us"), 0);
}

#[circuit_breaker(threshold = 1, key = tenant, name = "labels::breaker")]
fn by_breaker(tenant: &str) -> Result<u32, Failure> {
    let _ = tenant;
    Err(Failure::Down)
}

#[rate_limit(1, per = 1h, key = tenant, name = "labels::limit")]
fn by_limit(tenant: &str) -> Result<u32, Failure> {
    let _ = tenant;
    Ok(1)
}

#[bulkhead(1, key = tenant, name = "labels::bulkhead")]
fn by_bulkhead(tenant: &str, is_nested: bool) -> Result<u32, Failure> {
    if is_nested { Ok(1) } else { by_bulkhead(tenant, true) }
}

#[test]
fn rejections_show_keys_while_a_configuration_says_so() {
    let _world = resilience::testing::isolate();
    drop((by_breaker("acme"), by_limit("acme")));
    let texts = || {
        let rejected = [by_breaker("acme"), by_limit("acme"), by_bulkhead("acme", false)];
        rejected.map(|outcome| match outcome {
            Err(Failure::Rejected(rejected)) => rejected.to_string(),
            other => panic!("{other:?}"),
        })
    };
    let show = |text: &String| text.contains("(key `acme`)");
    let labels =
        "[circuit_breaker]\nkey_label = true\n[rate_limit]\nkey_label = true\n[bulkhead]\nkey_label = true\n";
    for _ in 0..2 {
        assert!(!texts().iter().any(show), "{:?}", texts());
        load(labels).unwrap();
        assert!(texts().iter().all(show), "{:?}", texts());
        load("# nothing\n").unwrap();
    }
}

#[test]
fn a_timeout_can_be_changed_and_disabled() {
    let _world = resilience::testing::isolate();
    let takes = |time| runtime().block_on(orders::limited(time));
    assert!(matches!(takes(3 * SECOND), Err(Failure::Rejected(Rejected::TimedOut { .. }))));
    load("[\"orders::limited\".timeout]\nlimit = \"5s\"\n").unwrap();
    assert_eq!(takes(3 * SECOND).unwrap(), 1);
    assert!(takes(6 * SECOND).is_err());
    assert_eq!(info("orders::limited").worst_case, Some(5 * SECOND));
    load("[\"orders::limited\".timeout]\nenabled = false\n").unwrap();
    assert_eq!(takes(1_000_000 * SECOND).unwrap(), 1);
    assert_eq!(info("orders::limited").worst_case, None);
}

mod others {
    use super::*;
    use resilience::{Category, Simplify, cached, chaos, degrade};

    #[cached(name = "others::cached")]
    pub fn cached_value(id: u32) -> Option<u32> {
        CALLS.set(CALLS.get() + 1);
        Some(id)
    }

    pub struct Size(pub u32);

    impl Simplify for Size {
        fn simplify(&self, level: u32) -> Option<Self> {
            self.0.checked_sub(level).map(Self)
        }
    }

    #[degrade(size, max = 3, classify = |_| Category::Timeout, name = "others::degraded")]
    pub fn degraded(size: Size) -> Result<u32, u32> {
        CALLS.set(CALLS.get() + 1);
        Err(size.0)
    }

    #[chaos(rate = 1.0, fault = Failure::Down, name = "others::faulty")]
    pub fn faulty() -> Result<u32, Failure> {
        Ok(1)
    }
}

#[test]
fn a_disabled_cache_keeps_its_values_but_returns_none() {
    let _world = resilience::testing::isolate();
    let calls = || calls_of(|| (0..3).for_each(|_| assert_eq!(others::cached_value(7), Some(7))));
    assert_eq!((calls(), calls()), (1, 0));
    load("[cached]\nenabled = false\n").unwrap();
    assert_eq!(calls(), 3);
    Config::new().load().unwrap();
    assert_eq!(calls(), 0, "what it has kept before");
    load("[\"others::cached\".cached]\nttl = \"1s\"\n").unwrap();
    assert_eq!(calls(), 0);
    let world = resilience::testing::isolate();
    load("[\"others::cached\".cached]\nttl = \"1s\"\n").unwrap();
    assert_eq!(calls(), 1);
    world.advance(2 * SECOND);
    assert_eq!(calls(), 1);
}

#[test]
fn degrade_and_chaos_can_be_limited_and_disabled() {
    let _world = resilience::testing::isolate();
    let degraded = || calls_of(|| assert!(others::degraded(others::Size(9)).is_err()));
    assert_eq!(degraded(), 4);
    load("[\"others::degraded\".degrade]\nmax = 1\n").unwrap();
    assert_eq!((degraded(), info("others::degraded").max_calls), (2, 2));
    load("[\"others::degraded\".degrade]\nenabled = false\n").unwrap();
    assert_eq!((degraded(), info("others::degraded").max_calls), (1, 1));

    let _armed = resilience::chaos::arm(3600 * SECOND);
    assert!(others::faulty().is_err());
    load("[chaos]\nenabled = false\n").unwrap();
    assert!(others::faulty().is_ok());
    load("[chaos]\nrate = 0.000001\n").unwrap();
    assert!(others::faulty().is_ok());
}

#[test]
fn faults_are_armed_only_by_code() {
    let _world = resilience::testing::isolate();
    for text in ["[chaos]\nenabled = true\n", "[\"others::faulty\".chaos]\nenabled = true\nrate = 1.0\n"] {
        load(text).unwrap();
        assert!(!resilience::chaos::is_armed() && others::faulty().is_ok(), "{text}");
    }
    for text in ["[chaos]\narmed = true\n", "[chaos]\narm = \"60s\"\n", "[chaos]\nlimit = \"60s\"\n"] {
        assert!(load(text).is_err(), "{text}");
    }
    let on = [("RESILIENCE__CHAOS__ENABLED", "true"), ("RESILIENCE__OTHERS_FAULTY__CHAOS__RATE", "1.0")];
    Config::new().variables(on).load().unwrap();
    assert!(!resilience::chaos::is_armed() && others::faulty().is_ok());
    for name in ["RESILIENCE__CHAOS__ARMED", "RESILIENCE_CHAOS", "RESILIENCE__OTHERS_FAULTY__CHAOS__ARM"] {
        let _ = Config::new().variables([(name, "true")]).load();
        assert!(!resilience::chaos::is_armed() && others::faulty().is_ok(), "{name}");
    }
}

#[test]
fn variables_override_the_file() {
    let _world = resilience::testing::isolate();
    let scratch = Scratch::new();
    let file = scratch.write("shop.toml", "[\"orders::retried\".with_retry]\nmax = 5\n");
    let variables = [
        ("RESILIENCE__ORDERS_RETRIED__WITH_RETRY__MAX", "1"),
        ("resilience__orders_guarded__circuit_breaker__threshold", "1"),
        ("RESILIENCE__Orders_Limited__Timeout__Limit", "9s"),
        ("RESILIENCE_KEY_LABELS", "1"),
        ("PATH", "/bin"),
    ];
    let config = Config::new().file(&file).variables(variables);
    let report = config.load().unwrap();
    assert_eq!((report.settings, report.warnings.len()), (4, 0));
    assert_eq!(calls_of(|| drop(orders::retried())), 2);
    let shown = shown("orders::retried", "with_retry", "max");
    assert_eq!(shown, "max = 1 from RESILIENCE__ORDERS_RETRIED__WITH_RETRY__MAX");
    assert_eq!(calls_of(|| (0..3).for_each(|_| drop(orders::guarded()))), 1);
    assert_eq!(info("orders::limited").worst_case, Some(9 * SECOND));
}
