//! What went wrong lately: bounded, counted, forgotten, and written for other programs.

use super::*;
use resilience::classify::{ErrorHistory, ErrorRecord, history, report};

fn record(point: &str, category: Category) -> ErrorRecord {
    ErrorRecord::new(point.to_owned(), &Classification::new(category))
}

#[test]
fn records_are_bounded_and_counts_are_not() {
    let _world = testing::isolate();
    let history = ErrorHistory::new();
    for n in 0..250 {
        history.record(record("quote", Category::Timeout).attempt(n));
    }
    let records = history.records();
    assert_eq!(records.len(), 100);
    assert_eq!((records[0].attempt, records[99].attempt), (150, 249));
    assert_eq!(history.count(Category::Timeout), 250);
    assert_eq!(history.count_at("quote", Category::Timeout), 250);
    assert_eq!(history.count_at("quote", Category::Auth), 0);
    assert_eq!(history.count_at("other", Category::Timeout), 0);
    let small = ErrorHistory::with_limit(0);
    small.record(record("quote", Category::Timeout));
    assert_eq!((small.records().len(), small.count(Category::Timeout)), (0, 1));
}

#[test]
fn a_record_has_the_details_of_the_error() {
    let before = SystemTime::now();
    let class = Classification::new(Category::Auth).severity(Severity::Critical).action("call");
    let record = ErrorRecord::new("login", &class).code("401").context("user", "7").attempt(3);
    assert_eq!(&*record.point, "login");
    assert_eq!((record.category, record.severity), (Category::Auth, Severity::Critical));
    assert_eq!((record.code.as_deref(), record.action), (Some("401"), "call"));
    assert_eq!(record.context, [("user".to_owned(), "7".to_owned())]);
    assert_eq!(record.attempt, 3);
    assert!(record.at >= before);
}

#[test]
fn patterns_unseen_for_ten_minutes_are_dropped() {
    let world = testing::isolate();
    let history = ErrorHistory::new();
    history.record(record("old", Category::Timeout));
    world.advance(Duration::from_secs(300));
    history.record(record("new", Category::Auth));
    history.record(record("new", Category::Auth));
    world.advance(Duration::from_secs(299));
    assert_eq!(history.count_at("old", Category::Timeout), 1);
    world.advance(SECOND);
    assert_eq!(history.count_at("old", Category::Timeout), 0);
    assert_eq!(history.count(Category::Timeout), 1, "totals stay");
    let patterns = history.patterns();
    assert_eq!(patterns.len(), 1);
    assert_eq!((&*patterns[0].point, patterns[0].count), ("new", 2));
    history.record(record("old", Category::Timeout));
    assert_eq!(history.count_at("old", Category::Timeout), 1, "it counts from one again");
    assert_eq!(history.patterns().len(), 2);
}

#[test]
fn the_time_of_day_follows_the_clock_of_the_world() {
    let world = testing::isolate();
    let first = record("a", Category::Timeout).at;
    world.advance(Duration::from_secs(3_600));
    let passed = record("a", Category::Timeout).at.duration_since(first).unwrap();
    assert!(passed >= Duration::from_secs(3_590), "{passed:?}");
}

#[test]
fn the_number_of_points_is_bounded() {
    let world = testing::isolate();
    let history = ErrorHistory::new();
    for n in 0..1_200 {
        world.advance(Duration::from_millis(1));
        history.record(record(&format!("p{n}"), Category::Timeout));
    }
    assert_eq!(history.patterns().len(), 1_000);
    assert_eq!(history.count_at("p199", Category::Timeout), 0);
    assert_eq!(history.count_at("p200", Category::Timeout), 1);
    assert_eq!(history.count(Category::Timeout), 1_200);
}

#[test]
fn a_history_can_be_cleared_and_shared_between_threads() {
    let history = ErrorHistory::new();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| history.record(record("t", Category::Corrupt))));
        }
    });
    assert_eq!(history.count(Category::Corrupt), 200);
    history.clear();
    assert_eq!(history.count(Category::Corrupt), 0);
    assert!(history.records().is_empty() && history.patterns().is_empty());
}

#[test]
fn reports_reach_the_history_of_their_world() {
    let count = || history().count_at("mailer", Category::NotFound);
    let world = testing::isolate();
    report("mailer", &io::Error::from(ErrorKind::NotFound));
    let boxed: Box<dyn Error> = Box::new(io::Error::from(ErrorKind::NotFound));
    classify::report("mailer", &*boxed);
    assert_eq!(count(), 2);
    drop(world);
    assert_eq!(count(), 0);
    let _fresh = testing::isolate();
    assert_eq!(count(), 0);
}

#[test]
fn a_record_serializes_to_json() {
    let _world = testing::isolate();
    let class = Classification::from_status(401).severity(Severity::Critical);
    let mut record = ErrorRecord::new("login", &class).context("user", "7").context("user", "8").attempt(3);
    record.at = UNIX_EPOCH + Duration::from_millis(784_111_777_250);
    let written = serde_json::to_value(&record).unwrap();
    let expected = serde_json::json!({
        "point": "login", "category": "auth", "severity": "critical", "code": "401",
        "action": "check the credentials", "context": {"user": "8"}, "attempt": 3,
        "at": "1994-11-06T08:49:37.250Z",
    });
    assert_eq!(written, expected);
    let bare = serde_json::to_value(self::record("login", Category::Timeout)).unwrap();
    assert_eq!((&bare["code"], &bare["context"]), (&serde_json::Value::Null, &serde_json::json!({})));

    let history = ErrorHistory::new();
    history.record(record);
    let patterns = serde_json::to_value(history.patterns()).unwrap();
    assert_eq!(patterns, serde_json::json!([{"point": "login", "category": "auth", "count": 1}]));
}
