//! Many clients of one service: what their policies do to it together.

use resilience::testing::fleet::{Fleet, Report, Server, Service, ServiceError};
use resilience::{
    Budget, Category, CircuitBreaker, Classify, Rejected, Retry, circuit_breaker, timeout, with_retry,
};
use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

const fn s(n: u64) -> Duration {
    Duration::from_secs(n)
}

async fn plain(service: &Service) -> Result<(), ServiceError> {
    service.request().await
}

fn well() -> Server {
    Server::new(20, ms(50))
}

#[test]
fn calls_are_spread_and_counted_in_their_second() {
    let report = Fleet::new(10).every(ms(500)).run(s(5), Server::new(20, ms(40)), plain).unwrap();
    assert_eq!((report.calls, report.requests), (100, 100));
    assert_eq!((report.succeeded, report.failed), (100, 0), "the last begins at 4.95 s");
    assert_eq!(report.seconds.len(), 5);
    assert!(report.seconds.iter().all(|second| second.calls == 20 && second.requests == 20), "{report:?}");
    assert_eq!(report.amplification(), 1.0);
    assert_eq!(report.recovery(), Some(s(0)));
}

#[test]
fn a_server_answers_within_its_capacity() {
    // 20 at once, 50 ms each: 400 requests a second, of 800.
    let report = Fleet::new(800).run(s(10), well().queue(40), plain).unwrap();
    assert!((395.0..=401.0).contains(&report.goodput()), "{report}");
    assert_eq!(report.recovery(), None, "half of the calls fail");
    let overloaded = Fleet::new(800).run(s(2), well().queue(0), async |service| {
        let answer = service.request().await;
        assert!(matches!(answer, Ok(()) | Err(ServiceError::Overloaded)));
        answer
    });
    assert!(overloaded.unwrap().failed > 0);
}

#[test]
fn a_request_in_the_queue_waits_for_a_worker() {
    static LAST: AtomicU32 = AtomicU32::new(0);
    // All at once: one worker, 10 ms each.
    let report = Fleet::new(4).every(s(10)).run(s(1), Server::new(1, ms(3000)), plain).unwrap();
    assert_eq!((report.requests, report.succeeded), (1, 0), "clients are spread over the interval");
    let burst = async |service: &Service| {
        let begin = tokio::time::Instant::now();
        let (a, b, c) = tokio::join!(service.request(), service.request(), service.request());
        LAST.store(u32::try_from(begin.elapsed().as_millis()).unwrap(), Ordering::Relaxed);
        a.and(b).and(c)
    };
    let report = Fleet::new(1).every(s(5)).run(s(1), Server::new(1, ms(10)), burst).unwrap();
    assert_eq!((report.succeeded, report.requests), (1, 3));
    assert_eq!(LAST.load(Ordering::Relaxed), 30);
    assert!(matches!(report.amplification(), 3.0));
}

#[test]
fn outages_refuse_lose_hang_and_slow_down() {
    let of = |server: Server| Fleet::new(1).every(ms(100)).run(s(3), server, plain).unwrap();
    let server = || Server::new(10, ms(50));

    let report = of(server().down(ms(1025)..ms(2000)));
    // The request of 1.0 s is lost, those of 1.1 s to 1.9 s are refused.
    assert_eq!((report.failed, report.seconds[1].failed), (10, 10));
    assert_eq!(report.recovery(), Some(s(0)));

    let report = of(server().hangs(s(1)..s(2)));
    assert_eq!((report.failed, report.seconds[1].succeeded), (0, 0), "answers come after it");
    assert!(report.seconds[2].succeeded >= 19, "{report:?}");

    // One that begins before the end of another one goes on after that.
    let report = of(server().hangs(s(2)..s(3)).hangs(ms(500)..s(2)));
    assert_eq!((report.succeeded, report.failed), (5, 0), "{report:?}");

    let report = of(server().slow(s(1)..s(2), ms(1500)));
    assert_eq!(report.seconds[1].succeeded, 0);
    assert_eq!(report.failed, 0);

    // In a hang the queue fills up.
    let report = of(server().queue(3).hangs(s(1)..s(2)));
    assert_eq!(report.failed, 7, "{report:?}");
}

#[test]
fn service_errors_have_the_right_category() {
    assert_eq!(ServiceError::Refused.classify().category, Category::Connection);
    assert_eq!(ServiceError::Lost.classify().category, Category::Connection);
    assert_eq!(ServiceError::Overloaded.classify().category, Category::Unavailable);
    let rejected = ServiceError::from(resilience::testing::rejected::bulkhead_full("search"));
    assert_eq!(rejected.classify().category, Category::Rejected);
    assert!(matches!(rejected, ServiceError::Rejected(Rejected::BulkheadFull { .. })));
}

#[with_retry(max = 3, base = 50ms, cap = 500ms, budget = none)]
#[timeout(300ms)]
async fn without_budget(service: &Service) -> Result<(), ServiceError> {
    service.request().await
}

#[with_retry(max = 3, base = 50ms, cap = 500ms)]
#[timeout(300ms)]
async fn with_budget(service: &Service) -> Result<(), ServiceError> {
    service.request().await
}

#[with_retry(max = 3, base = 50ms, cap = 500ms)]
#[circuit_breaker(threshold = 5, recovery = 1s)]
#[timeout(300ms)]
async fn with_breaker(service: &Service) -> Result<(), ServiceError> {
    service.request().await
}

/// 150 calls a second of a service that answers 200, and is down from 10 s to 60 s.
fn outage<C>(call: C) -> Report
where
    C: AsyncFn(&Service) -> Result<(), ServiceError> + Send + 'static,
{
    let server = Server::new(10, ms(50)).queue(200).down(s(10)..s(60));
    Fleet::new(30).every(ms(200)).run(s(70), server, call).unwrap()
}

/// Requests a call in the second half of the outage, when the tokens of the budgets are used up.
fn in_outage(report: &Report) -> f64 {
    let seconds = &report.seconds[35..59];
    let sum = |of: fn(&resilience::testing::fleet::Second) -> u64| seconds.iter().map(of).sum::<u64>() as f64;
    sum(|second| second.requests) / sum(|second| second.calls)
}

#[test]
fn only_retries_without_a_budget_amplify_an_outage() {
    let (without, with) = (outage(without_budget), outage(with_budget));
    assert!((3.9..=4.1).contains(&in_outage(&without)), "{}: {without}", in_outage(&without));
    assert!(in_outage(&with) < 1.25, "{}: {with}", in_outage(&with));
    for report in [&without, &with] {
        assert!(report.recovery().is_some_and(|took| took <= s(3)), "{report}");
    }
}

#[test]
fn a_breaker_keeps_requests_from_a_service_that_is_down() {
    let report = outage(with_breaker);
    assert!(in_outage(&report) < 0.25, "{}: {report}", in_outage(&report));
    assert!(report.recovery().is_some_and(|took| took <= s(3)), "{report}");
}

#[test]
fn a_budget_ends_a_retry_storm() {
    // Answers that come late are asked for again: without a budget the queue never becomes short enough.
    let server = || Server::new(10, ms(50)).queue(200).hangs(s(5)..s(8));
    let fleet = Fleet::new(35).every(ms(200));
    let without = fleet.clone().run(s(45), server(), without_budget).unwrap();
    assert_eq!(without.recovery(), None, "{without}");
    let with = fleet.run(s(45), server(), with_budget).unwrap();
    assert!(with.recovery().is_some_and(|took| took <= s(30)), "{with}");
    assert!(with.goodput() > without.goodput());
}

#[test]
fn each_client_has_its_own_state() {
    static BREAKER: CircuitBreaker =
        CircuitBreaker::new("shared by name only").threshold(2).recovery(s(3600));
    static BUDGET: Budget = Budget::new();
    const RETRY: Retry = Retry::new().max(1).base(Duration::ZERO).budget(&BUDGET);
    let call = async |service: &Service| BREAKER.call_async(|| service.request()).await;
    let report = Fleet::new(7).run(s(10), well().down(s(0)..s(3600)), call).unwrap();
    assert_eq!(report.requests, 14, "two of each client open its breaker");
    assert!(BREAKER.is_available(), "the program's own is another one");

    let call = async |service: &Service| RETRY.call_async(async || service.request().await).await;
    let report = Fleet::new(7).run(s(10), well().down(s(0)..s(3600)), call).unwrap();
    assert_eq!(report.requests % 7, 0, "each client has the same budget: {report}");
    assert_eq!(BUDGET.tokens(), BUDGET.max_tokens());
}

#[test]
fn the_same_seed_gives_the_same_report() {
    let report = |seed| {
        let server = well().queue(50).down(s(2)..s(4));
        Fleet::new(40).every(ms(100)).seed(seed).run(s(8), server, without_budget).unwrap()
    };
    let first = report(1);
    assert_eq!(report(1), first);
    assert_ne!(report(2).seconds, first.seconds);
}

#[tokio::test]
async fn a_fleet_can_run_inside_a_runtime_and_a_world() {
    let world = resilience::testing::isolate();
    let report = Fleet::new(3).run(s(3), well(), plain).unwrap();
    assert_eq!(report.calls, 9);
    assert!(world.events().is_empty() && world.waits().is_empty(), "the clients have their own worlds");
}

#[test]
fn a_panic_in_a_call_ends_the_run() {
    let run =
        || Fleet::new(3).run(s(3600), well(), async |_| -> Result<(), ServiceError> { panic!("a mistake") });
    let panic = catch_unwind(run).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a mistake"));
}

#[test]
fn extreme_settings_are_accepted() {
    let report = Fleet::new(0).run(s(2), Server::new(0, Duration::ZERO), plain).unwrap();
    assert_eq!((report.calls, report.amplification(), report.goodput()), (0, 1.0, 0.0));
    let report =
        Fleet::new(1).every(Duration::ZERO).run(s(1), Server::new(0, Duration::ZERO), plain).unwrap();
    assert_eq!((report.calls, report.succeeded), (1000, 1000), "one each millisecond");
    let report = Fleet::new(5).run(Duration::ZERO, well(), plain).unwrap();
    assert_eq!((report.calls, report.goodput(), report.recovery()), (0, 0.0, None));
    let report = Fleet::new(1).run(s(3), Server::new(usize::MAX, Duration::MAX), plain).unwrap();
    assert_eq!((report.calls, report.succeeded, report.failed), (3, 0, 0), "they run at the end");
}

#[test]
fn a_report_is_printed_as_one_line() {
    let report = Fleet::new(10).run(s(10), well().down(s(2)..s(4)), plain).unwrap();
    assert_eq!(
        report.to_string(),
        "100 calls, 80.0 % succeeded, 8.0 a second; 1.00 requests a call; recovered after 0ns"
    );
}
