//! Pages that are read while calls run: keys come and go, calls are cancelled, and some panic.
//!
//! `CALLS=1000000` makes that many calls; without it there are 24,000.

use super::page::series;
use super::promtool;
use resilience::testing::isolate;
use resilience::{carry_fn, circuit_breaker, metrics, with_retry};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;

const TASKS: u64 = 8;
const KEYS: u64 = 2_000;
const NAME: &str = "metrics::busy";

#[with_retry(max = 1, base = 0s, budget = none, timed, name = "metrics::busy")]
#[circuit_breaker(threshold = 1_000_000_000, key = key, key_label, max_keys = 200)]
async fn busy(key: u64, how: u64) -> io::Result<u64> {
    match how {
        0 => Err(ErrorKind::TimedOut.into()),
        1 => Err(ErrorKind::InvalidInput.into()),
        2 => resume_unwind(Box::new("on purpose")),
        3 => std::future::pending().await,
        _ => Ok(key),
    }
}

/// Makes the calls of one task: polled once, and cancelled if they are not ready then.
fn work(task: u64, calls: u64) {
    for n in 0..calls {
        // Some hundred keys at a time, others after a while, and ten that all tasks use again and again.
        let shifting = (n / 200 * 97 + n * 31 % 150 + task * 250) % KEYS;
        let key = if n % 4 == 0 { n / 4 % 10 } else { shifting };
        let mut call = pin!(busy(key, n % 8));
        let poll = || call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
        let _ = catch_unwind(AssertUnwindSafe(poll));
    }
}

/// What a page says of the function: its calls by outcome, and whether the sums agree.
struct Sums(BTreeMap<String, f64>);

impl Sums {
    fn of(&self, metric: &str, label: &str) -> f64 {
        let start = format!("resilience_{metric}{{name=\"{NAME}\"");
        let rows = self.0.iter().filter(|(name, _)| name.starts_with(&start) && name.contains(label));
        rows.map(|(_, value)| value).sum()
    }

    #[track_caller]
    fn expect_invariants(&self) {
        assert_eq!(self.of("calls_total", ""), self.of("attempts_total", "handled=\"false\""));
        for outcome in ["success", "error", "timeout", "cancelled", "panic"] {
            let label = format!("outcome=\"{outcome}\"");
            let last = self.of("call_duration_seconds_bucket", &format!("{label},le=\"+Inf\""));
            assert_eq!(last, self.of("call_duration_seconds_count", &label), "{outcome}");
        }
        for handled in ["handled=\"false\"", "handled=\"true\""] {
            let last = self.of("attempt_duration_seconds_bucket", &format!("{handled},le=\"+Inf\""));
            assert_eq!(last, self.of("attempt_duration_seconds_count", handled), "{handled}");
        }
    }

    #[track_caller]
    fn expect_none_falls(&self, before: &Self) {
        let counted =
            |name: &str| name.contains("_total{") || name.contains("_count{") || name.contains("_bucket{");
        for (name, value) in before.0.iter().filter(|(name, _)| counted(name)) {
            let now = self.0.get(name);
            assert!(now.is_some_and(|now| now >= value), "{name} fell from {value} to {now:?}");
        }
    }
}

#[test]
fn series_never_decrease_while_keys_are_evicted() {
    let all: u64 = std::env::var("CALLS").ok().and_then(|calls| calls.parse().ok()).unwrap_or(24_000);
    let calls = all / TASKS;
    let _world = isolate();
    let working = AtomicUsize::new(TASKS as usize);
    let mut pages = 0;
    let mut middle = String::new();
    thread::scope(|scope| {
        for task in 0..TASKS {
            let working = &working;
            scope.spawn(carry_fn(move || {
                work(task, calls);
                working.fetch_sub(1, Ordering::Release);
            }));
        }
        let mut last = Sums(series(&metrics::prometheus()));
        let mut is_over = false;
        while !is_over {
            // One more page after the last call.
            is_over = working.load(Ordering::Acquire) == 0;
            let page = metrics::prometheus();
            let now = Sums(series(&page));
            now.expect_invariants();
            now.expect_none_falls(&last);
            (last, middle, pages) = (now, page, pages + 1);
        }
        let eighth = (TASKS * calls / 8) as f64;
        let outcomes = ["timeout", "error", "panic", "cancelled", "success"];
        let counts = outcomes.map(|outcome| last.of("calls_total", &format!("outcome=\"{outcome}\"")));
        assert_eq!(counts, [eighth, eighth, eighth, eighth, eighth * 4.0]);
        assert_eq!(last.of("call_duration_seconds_count", ""), eighth * 8.0);
        assert_eq!(last.of("attempts_total", "handled=\"true\""), eighth, "each timeout is tried again");
        for handled in ["handled=\"false\"", "handled=\"true\""] {
            assert_eq!(
                last.of("attempt_duration_seconds_count", handled),
                last.of("attempts_total", handled)
            );
        }
        // Of all keys, evicted ones included: both attempts of each timeout.
        let of_keys = ["failure", "cancelled", "panicked"]
            .map(|result| last.of("breaker_calls_total", &format!("result=\"{result}\"")));
        assert_eq!(of_keys, [eighth * 2.0, eighth, eighth]);
        assert!(last.of("breaker_keys_evicted_total", "") > 0.0, "keys were evicted");
        assert!(
            last.0.keys().filter(|name| name.contains("key=\"") && name.contains("state=\"open\"")).count()
                > 1
        );
    });
    eprintln!("{pages} pages");
    match promtool(&middle) {
        Some(said) => assert!(said.starts_with("exit status: 0"), "{said}"),
        None => eprintln!("SKIPPED: `promtool` is not installed (Debian package `prometheus`)"),
    }
}
