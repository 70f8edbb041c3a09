//! `timed` in a configuration: calls are measured that the code does not have measured, and the other way round.

use crate::support::{Scratch, info, load, mistakes};
use resilience::config::{self, Config};
use resilience::testing::{World, isolate};
use resilience::{Rejected, circuit_breaker, metrics, with_retry};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

#[with_retry(max = 1, budget = none, name = "timed::shop::quote")]
fn quote(world: &World) -> Result<u32, Rejected> {
    world.advance(Duration::from_millis(300));
    Ok(1)
}

#[circuit_breaker(timed, name = "timed::shop::stock")]
fn stock(world: &World) -> Result<u32, Rejected> {
    world.advance(Duration::from_millis(300));
    Ok(1)
}

/// Ready at the second poll.
#[with_retry(max = 1, budget = none, name = "timed::slow")]
async fn slow() -> Result<u32, Rejected> {
    let mut polls = 0;
    poll_fn(|_| {
        polls += 1;
        if polls > 1 { Poll::Ready(Ok(1)) } else { Poll::Pending }
    })
    .await
}

/// How many calls of a function were measured, and how long they took.
fn measured(name: &str) -> Option<(u64, f64)> {
    let page = metrics::prometheus();
    let at = |suffix: &str| {
        let start =
            format!("resilience_call_duration_seconds_{suffix}{{name=\"{name}\",outcome=\"success\"}} ");
        page.lines().find_map(|line| line.strip_prefix(&start).map(str::to_owned))
    };
    Some((at("count")?.parse().unwrap(), at("sum")?.parse().unwrap()))
}

fn calls(world: &World) -> [Option<(u64, f64)>; 2] {
    quote(world).unwrap();
    stock(world).unwrap();
    [measured("timed::shop::quote"), measured("timed::shop::stock")]
}

#[test]
fn a_load_starts_measuring_and_a_reload_reverts_it() {
    let world = isolate();
    assert_eq!(calls(&world), [None, Some((1, 0.3))], "as in the code");
    let report =
        load("[\"timed::shop::quote\"]\ntimed = true\n[\"timed::shop::stock\"]\ntimed = false\n").unwrap();
    assert_eq!((report.settings, report.warnings.len()), (2, 0));
    assert_eq!(calls(&world), [Some((1, 0.3)), Some((1, 0.3))]);
    assert_eq!(calls(&world), [Some((2, 0.6)), Some((1, 0.3))]);
    Config::new().load().unwrap();
    assert_eq!(calls(&world), [Some((2, 0.6)), Some((2, 0.6))], "no count falls, and none goes on");
    load("[\"timed::shop::quote\"]\ntimed = true\n").unwrap();
    assert_eq!(calls(&world), [Some((3, 0.9)), Some((3, 0.9))]);
}

#[test]
fn the_narrower_scope_wins_and_variables_override_the_file() {
    let world = isolate();
    let (on, off) = (Some((1, 0.3)), None);
    for (text, variable, expected) in [
        ("timed = true\n", None, [on, on]),
        ("timed = true\n[\"timed::shop\"]\ntimed = false\n", None, [off, off]),
        ("timed = false\n[\"timed::shop\"]\ntimed = true\n", None, [on, on]),
        ("[\"timed::shop\"]\ntimed = false\n[\"timed::shop::quote\"]\ntimed = true\n", None, [on, off]),
        ("timed = false\n", Some(("RESILIENCE__TIMED", "true")), [on, on]),
        ("[\"timed::shop\"]\ntimed = true\n", Some(("RESILIENCE__TIMED", "false")), [on, on]),
        ("# Nothing.\n", Some(("RESILIENCE__TIMED_SHOP__TIMED", "false")), [off, off]),
        ("timed = false\n", Some(("resilience__timed_shop_quote__timed", "true")), [on, off]),
    ] {
        let scratch = Scratch::new();
        let config = Config::new().file(scratch.write("shop.toml", text));
        let inner = isolate();
        config.variables(variable).load().unwrap();
        assert_eq!(calls(&inner), expected, "{text} {variable:?}");
    }
    drop(world);
}

#[test]
fn the_inventory_shows_the_value_and_its_source() {
    let _world = isolate();
    let shown = |name: &str| -> Vec<String> {
        let all = info(name).settings;
        all.iter().map(|setting| setting.to_string()).collect()
    };
    assert_eq!(shown("timed::shop::quote"), [""; 0]);
    assert_eq!(shown("timed::shop::stock"), ["timed = true"]);
    load("timed = true\n[\"timed::shop::stock\"]\ntimed = false\n").unwrap();
    let setting = shown("timed::shop::quote").remove(0);
    assert!(setting.starts_with("timed = true from ") && setting.ends_with("shop.toml:1"), "{setting}");
    assert!(info("timed::shop::quote").to_string().contains(&format!("up to 2 calls, {setting}\n")));
    let setting = shown("timed::shop::stock").remove(0);
    assert!(setting.starts_with("timed = false from ") && setting.ends_with("shop.toml:3"), "{setting}");
    Config::new().variables([("RESILIENCE__TIMED_SHOP_STOCK__TIMED", "true")]).load().unwrap();
    assert_eq!(shown("timed::shop::stock"), ["timed = true from RESILIENCE__TIMED_SHOP_STOCK__TIMED"]);
    Config::new().load().unwrap();
    assert_eq!(shown("timed::shop::stock"), ["timed = true"]);
}

#[test]
fn invalid_settings_are_rejected_with_a_reason() {
    let world = isolate();
    let key = "[\"timed::shop::quote\".key.\"eu\"]\n";
    for (text, line, reason) in [
        ("timed = 1\n", 1, "`timed` takes true or false, and this is 1"),
        ("timed = \"yes\"\n", 1, "`timed` takes true or false, and this is \"yes\""),
        ("[\"timed::shop\"]\ntimed = \"on\"\n", 2, "`timed` takes true or false, and this is \"on\""),
        (
            "[with_retry]\ntimed = true\n",
            2,
            "`timed` is about the function and not about `with_retry`: write it in",
        ),
        (&format!("{key}timed = true\n"), 2, "`timed` is the same for all keys: write it at the function"),
    ] {
        let all = mistakes(text);
        assert!(matches!(&all[..], [(at, words)] if *at == line && words.starts_with(reason)), "{all:?}");
    }
    for (variable, reason) in [
        ("RESILIENCE__TIMED", "`timed` takes true or false, and this is \"1\""),
        ("RESILIENCE__WITH_RETRY__TIMED", "`timed` is about the function and not about `with_retry`"),
        ("RESILIENCE__TIMED_SHOP_QUOTE__WITH_RETRY__TIMED", "`timed` is about the function"),
    ] {
        let errors = Config::new().variables([(variable, "1")]).load().unwrap_err();
        assert!(errors.errors()[0].reason.starts_with(reason), "{errors}");
    }
    assert_eq!(calls(&world), [None, Some((1, 0.3))], "nothing has changed");
}

#[test]
fn an_unknown_function_is_a_warning() {
    let _world = isolate();
    let warned = |report: config::Report| report.warnings.iter().map(ToString::to_string).collect::<String>();
    let words = warned(load("[\"timed::shop::quota\"]\ntimed = true\n").unwrap());
    assert!(
        words.ends_with("no function is called `timed::shop::quota`: did you mean `timed::shop::quote`?")
    );
    let variables = || Config::new().variables([("RESILIENCE__NO_SUCH_SHOP__TIMED", "true")]);
    assert!(warned(variables().load().unwrap()).contains("no function is called `NO_SUCH_SHOP`"));
    assert_eq!(variables().strict_points().load().unwrap_err().errors().len(), 1);
}

#[test]
fn a_running_call_keeps_its_initial_setting() {
    let world = isolate();
    let cx = &mut Context::from_waker(Waker::noop());
    let mut untimed = pin!(slow());
    assert!(untimed.as_mut().poll(cx).is_pending());
    load("timed = true\n").unwrap();
    let mut timed = pin!(slow());
    assert!(timed.as_mut().poll(cx).is_pending());
    Config::new().load().unwrap();
    world.advance(Duration::from_secs(2));
    assert!(untimed.as_mut().poll(cx).is_ready() && timed.as_mut().poll(cx).is_ready());
    assert_eq!(measured("timed::slow"), Some((1, 2.0)));
}

#[test]
fn no_call_is_half_counted_while_timed_is_toggled() {
    const CALLS: u32 = 4_000;
    #[with_retry(max = 1, base = 0s, budget = none, name = "timed::load")]
    fn switched(n: u32) -> std::io::Result<u32> {
        if n.is_multiple_of(4) { Err(std::io::ErrorKind::InvalidInput.into()) } else { Ok(n) }
    }
    let _world = isolate();
    let sum = |metric: &str| -> u64 {
        let start = format!("resilience_{metric}{{name=\"timed::load\"");
        let page = metrics::prometheus();
        let rows = page.lines().filter(|line| line.starts_with(&start));
        rows.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    thread::scope(|scope| {
        let work = || (0..CALLS).for_each(|n| drop(switched(n)));
        let workers: Vec<_> = (0..2).map(|_| scope.spawn(resilience::carry_fn(work))).collect();
        let mut last = 0;
        while !workers.iter().all(thread::ScopedJoinHandle::is_finished) {
            for is_on in [true, false] {
                Config::new().variables([("RESILIENCE__TIMED", is_on.to_string())]).load().unwrap();
                let now = sum("call_duration_seconds_count");
                assert!(now >= last, "{now} after {last}");
                last = now;
            }
        }
    });
    assert_eq!(sum("calls_total"), u64::from(2 * CALLS));
    assert_eq!(sum("calls_in_flight"), 0);
    assert!(sum("call_duration_seconds_count") <= u64::from(2 * CALLS));
    let measured = sum("call_duration_seconds_count");
    Config::new().variables([("RESILIENCE__TIMED", "true")]).load().unwrap();
    (0..8).for_each(|n| drop(switched(n)));
    assert_eq!(sum("call_duration_seconds_count"), measured + 8);
}
