//! A service that fails while there are stale values.

use super::*;
use std::sync::Mutex;

/// What the service answers next, and how often it was asked.
#[derive(Default)]
struct Service {
    answer: Mutex<Option<(Category, Option<Duration>)>>,
    asked: AtomicU32,
}

#[derive(Clone, Debug, PartialEq)]
struct Status(Category, Option<Duration>);

impl Classify for Status {
    fn classify(&self) -> Classification {
        let class = Classification::new(self.0);
        self.1.map_or(class, |wait| class.retry_after(wait))
    }
}

impl From<resilience::Rejected> for Status {
    fn from(rejected: resilience::Rejected) -> Self {
        Self(rejected.classify().category, None)
    }
}

impl Service {
    fn fails(&self, category: Category) {
        *self.answer.lock().unwrap() = Some((category, None));
    }

    fn works(&self) {
        *self.answer.lock().unwrap() = None;
    }

    fn asked(&self) -> u32 {
        self.asked.swap(0, Ordering::Relaxed)
    }

    fn ask(&self) -> Result<u32, Status> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answer.lock().unwrap().map_or(Ok(7), |(category, wait)| Err(Status(category, wait)))
    }
}

#[cached(ttl = 60s, stale_if_error = 1h, key = ())]
async fn quote(service: &Service) -> Result<u32, Status> {
    sleep(SECOND).await;
    service.ask()
}

#[cached(ttl = 60s, stale_if_error = 1h, key = ())]
fn quote_sync(service: &Service) -> Result<u32, Status> {
    service.ask()
}

#[tokio::test(start_paused = true)]
async fn later_callers_do_not_wait_during_an_outage() {
    let _world = testing::isolate();
    let service = Service::default();
    assert_eq!((quote(&service).await, service.asked()), (Ok(7), 1));
    sleep(60 * SECOND).await;
    service.fails(Category::Unavailable);
    let outage = Instant::now();
    let mut asked = 0;
    while outage.elapsed() < 600 * SECOND {
        let start = Instant::now();
        assert_eq!(quote(&service).await, Ok(7), "the first caller tries");
        assert_eq!(start.elapsed(), SECOND);
        asked += service.asked();
        for _ in 0..10 {
            let start = Instant::now();
            assert_eq!((quote(&service).await, start.elapsed()), (Ok(7), Duration::ZERO));
        }
        sleep(5 * SECOND).await;
    }
    assert_eq!((asked, service.asked()), (100, 0));
    service.works();
    let start = Instant::now();
    assert_eq!((quote(&service).await, start.elapsed()), (Ok(7), SECOND));
    sleep(30 * SECOND).await;
    assert_eq!((quote(&service).await, service.asked()), (Ok(7), 1), "fresh again");
}

#[tokio::test(start_paused = true)]
async fn only_one_caller_refreshes_after_five_seconds() {
    let _world = testing::isolate();
    let service = Service::default();
    quote(&service).await.unwrap();
    sleep(60 * SECOND).await;
    service.fails(Category::Unavailable);
    quote(&service).await.unwrap();
    sleep(5 * SECOND).await;
    service.asked();
    let timed = || async {
        let start = Instant::now();
        (quote(&service).await, start.elapsed())
    };
    let mut all = join_all((0..50).map(|_| timed())).await;
    assert_eq!((all.remove(0), service.asked()), ((Ok(7), SECOND), 1));
    assert_eq!(all, vec![(Ok(7), Duration::ZERO); 49]);
}

#[test]
fn retry_after_delays_the_next_refresh() {
    let world = testing::isolate();
    let service = Service::default();
    quote_sync(&service).unwrap();
    world.advance(60 * SECOND);
    *service.answer.lock().unwrap() = Some((Category::RateLimited, Some(30 * SECOND)));
    service.asked();
    let mut asked_at = Vec::new();
    for second in 0..65 {
        assert_eq!(quote_sync(&service), Ok(7));
        if service.asked() > 0 {
            asked_at.push(second);
        }
        world.advance(SECOND);
    }
    assert_eq!(asked_at, [0, 30, 60]);
}

#[test]
fn a_value_past_stale_if_error_is_not_returned() {
    let world = testing::isolate();
    let service = Service::default();
    quote_sync(&service).unwrap();
    service.fails(Category::Connection);
    world.advance(60 * SECOND + 3600 * SECOND - Duration::from_nanos(1));
    assert_eq!(quote_sync(&service), Ok(7));
    world.advance(Duration::from_nanos(1));
    assert_eq!(quote_sync(&service), Err(Status(Category::Connection, None)));
}

#[test]
fn only_service_failures_and_rejections_get_a_stale_answer() {
    let world = testing::isolate();
    let service = Service::default();
    for category in Category::ALL {
        cache("outages::quote_sync").clear();
        service.works();
        quote_sync(&service).unwrap();
        world.advance(60 * SECOND);
        service.fails(category);
        let answer = quote_sync(&service);
        let is_stale = matches!(
            category,
            Category::Timeout
                | Category::RateLimited
                | Category::Connection
                | Category::Unavailable
                | Category::Transient
                | Category::Resource
                | Category::Corrupt
                | Category::Unknown
                | Category::Rejected
        );
        assert_eq!(answer, if is_stale { Ok(7) } else { Err(Status(category, None)) }, "{category}");
        world.advance(5 * SECOND);
        // What was deleted or revoked does not come back with the next outage.
        service.fails(Category::Unavailable);
        let is_gone = matches!(category, Category::NotFound | Category::Auth);
        assert_eq!(quote_sync(&service).is_err(), is_gone, "{category}");
    }
}

/// With an error that is shared by clones, and with one that cannot be cloned, so that each asks by itself.
#[tokio::test(start_paused = true)]
async fn a_deleted_or_forbidden_value_is_never_answered_stale() {
    #[cached(ttl = 60s, stale_if_error = 1h, key = ())]
    async fn unique(service: &Service) -> Result<u32, Unique> {
        sleep(SECOND).await;
        service.ask().map_err(|Status(category, _)| Unique(category))
    }
    for status in [404, 401, 403, 410] {
        let category = Category::from_status(status);
        assert!(matches!(category, Category::NotFound | Category::Auth), "{status}");
        let (_world, service) = (testing::isolate(), Service::default());
        quote(&service).await.unwrap();
        unique(&service).await.unwrap();
        sleep(60 * SECOND).await;
        service.fails(Category::Unavailable);
        assert_eq!((quote(&service).await, unique(&service).await), (Ok(7), Ok(7)));
        sleep(5 * SECOND).await;
        service.fails(category);
        // One asks for each function, and those that come while it does have the value that was good until now.
        let (first, (clones, uniques)) =
            tokio::join!(async { (quote(&service).await, unique(&service).await) }, async {
                (join_all((0..20).map(|_| quote(&service))).await, unique(&service).await)
            },);
        assert_eq!(first, (Err(Status(category, None)), Err(Unique(category))), "{status}");
        assert!(clones.iter().all(|answer| *answer == Ok(7)), "they came before it was known");
        drop(uniques);
        service.fails(Category::Unavailable);
        let after = join_all((0..20).map(|_| quote(&service))).await;
        assert!(after.iter().all(Result::is_err), "{status}: the value is gone");
        assert!(unique(&service).await.is_err(), "{status}: the value is gone");
    }
}

#[tokio::test(start_paused = true)]
async fn waiters_of_a_failed_refresh_get_the_stale_value() {
    let _world = testing::isolate();
    let service = Service::default();
    quote(&service).await.unwrap();
    sleep(60 * SECOND).await;
    service.fails(Category::Unavailable);
    service.asked();
    let all = join_all((0..10).map(|_| quote(&service))).await;
    assert_eq!((all, service.asked()), (vec![Ok(7); 10], 1));
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_counts_as_a_failed_refresh() {
    static IS_UP: AtomicU32 = AtomicU32::new(1);
    static ASKED: AtomicU32 = AtomicU32::new(0);
    #[resilience::timeout(2s)]
    #[cached(ttl = 60s, stale_if_error = 1h)]
    async fn hangs() -> Result<u32, Fails> {
        ASKED.fetch_add(1, Ordering::Relaxed);
        if IS_UP.load(Ordering::Relaxed) == 1 { Ok(7) } else { std::future::pending().await }
    }
    let _world = testing::isolate();
    hangs().await.unwrap();
    IS_UP.store(0, Ordering::Relaxed);
    sleep(60 * SECOND).await;
    let (first, waited) = tokio::join!(hangs(), async {
        sleep(SECOND).await;
        hangs().await
    });
    assert_eq!(first, Err(Fails(Category::Timeout)));
    assert_eq!(waited, Ok(7), "it waited for the call that was cut");
    let start = Instant::now();
    assert_eq!((hangs().await, start.elapsed()), (Ok(7), Duration::ZERO));
    assert_eq!(ASKED.load(Ordering::Relaxed), 2);
}

#[test]
fn a_stale_answer_emits_an_event() {
    let world = testing::isolate();
    let service = Service::default();
    quote_sync(&service).unwrap();
    world.advance(90 * SECOND);
    service.fails(Category::Unavailable);
    quote_sync(&service).unwrap();
    world.advance(SECOND);
    quote_sync(&service).unwrap();
    let events = world.events();
    let stale = events.iter().filter(|event| matches!(event, Event::ServedStale { .. }));
    let lines: Vec<_> = stale.map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "cached::outages::quote_sync: served a value of 90s ago: unavailable, medium",
            "cached::outages::quote_sync: served a value of 91s ago: unavailable, medium",
        ]
    );
    assert_eq!(cache("outages::quote_sync").snapshot().stale, 2);
}

#[test]
fn a_value_refused_by_when_ok_is_answered_stale() {
    static NEXT: AtomicU32 = AtomicU32::new(7);
    #[cached(ttl = 60s, stale_if_error = 1h, when_ok = |n| *n == 0)]
    fn number() -> Result<u32, Fails> {
        Ok(NEXT.load(Ordering::Relaxed))
    }
    let world = testing::isolate();
    assert_eq!(number(), Ok(7));
    NEXT.store(0, Ordering::Relaxed);
    world.advance(60 * SECOND);
    assert_eq!(number(), Ok(7));
}
