//! Health checks: what they find, how looks are shared, and what they must not change.

#[path = "health_check/looks.rs"]
mod looks;
#[path = "health_check/policies.rs"]
mod policies;

use futures::poll;
use resilience::health::{self, Answer, Check, Level, Status};
use resilience::testing::{World, isolate};
use resilience::{
    Budget, Classify, Event, Rejected, State, carry_fn, circuit_breaker, health_check, point, timeout,
    with_retry,
};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

#[path = "health_check/endpoint.rs"]
mod endpoint;
#[cfg(target_os = "linux")]
#[path = "health_check/threads.rs"]
mod threads;

const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn look(name: &str) -> Status {
    health::check(name).expect("a check of this name")
}

#[track_caller]
fn text(name: &str) -> String {
    look(name).to_string()
}

// What a check returns.

#[health_check("unit")]
fn unit() {}

#[health_check("text")]
async fn of_text() -> String {
    "7 entries".to_owned()
}

#[health_check("error")]
fn error() -> Result<(), Box<dyn std::error::Error>> {
    Err("no such host".into())
}

#[health_check("error later")]
async fn error_later() -> Result<&'static str, io::Error> {
    Err(io::Error::other("no such host"))
}

#[health_check("answer", timeout = 5s, critical)]
fn answer() -> Answer {
    Answer::warn("nearly full").action("delete the oldest files").detail("percent", 91).detail("files", 3)
}

#[test]
fn a_check_returns_its_status() {
    let _world = isolate();
    assert_eq!(text("unit"), "unit: pass");
    assert_eq!(text("text"), "text: pass: 7 entries");
    assert_eq!(text("error"), "error: fail: no such host");
    assert_eq!(text("error later"), "error later: fail: no such host");
    assert_eq!(text("answer"), "answer: warn: nearly full (percent: 91, files: 3); delete the oldest files");
    let status = look("answer");
    assert_eq!((status.level, status.healthy, status.critical), (Level::Warn, true, true));
    assert!(!look("error").healthy && health::check("no such check").is_none());
}

#[health_check("each:{name}", each = NAMES)]
fn each(name: &str) -> Result<(), String> {
    if name == "a" { Ok(()) } else { Err(format!("{name} is missing")) }
}

static NAMES: &[&str] = &["a", "b"];

#[health_check("each number {number:02}", each = numbers())]
async fn each_number(number: u8) -> Answer {
    Answer::pass(format!("{number}"))
}

#[health_check("each raw {type}", each = NAMES)]
fn each_raw(r#type: &str) {
    let _ = r#type;
}

fn numbers() -> Vec<u8> {
    vec![1, 2]
}

#[health_check("same")]
fn same() {}

#[health_check("same")]
fn same_again() {}

#[health_check("unlisted:{name}", each = unlisted())]
fn unlisted_value(name: String) {
    drop(name);
}

fn unlisted() -> Vec<String> {
    panic!("no configuration");
}

#[test]
fn each_argument_value_has_its_own_check() {
    let _world = isolate();
    assert_eq!([text("each:a"), text("each:b")], ["each:a: pass", "each:b: fail: b is missing"]);
    assert_eq!(text("each number 02"), "each number 02: pass: 2");
    assert_eq!(text("each raw a"), "each raw a: pass");
    assert_eq!([text("same"), text("same#2")], ["same: pass", "same#2: pass"]);
    assert!(text("unlisted:{name}").contains("fail: the values of `each` could not be listed"));
}

#[health_check("panics")]
fn panics() {
    panic!("out of range");
}

#[health_check("panics later")]
async fn panics_later() {
    let number = std::future::ready(7).await;
    panic!("out of range: {number}");
}

#[test]
fn a_panicking_check_fails() {
    let _world = isolate();
    assert_eq!(text("panics"), "panics: fail: panicked: out of range");
    assert_eq!(text("panics later"), "panics later: fail: panicked: out of range: 7");
}

// By hand.

#[tokio::test]
async fn closures_can_be_registered_replaced_and_removed() {
    let _world = isolate();
    health::register("queue", || Err::<(), _>("9000 entries wait"));
    assert_eq!(health::check_async("queue").await.unwrap().to_string(), "queue: fail: 9000 entries wait");
    Check::new_async("queue", async || Ok::<_, io::Error>("empty")).register();
    assert_eq!(health::check_async("queue").await.unwrap().to_string(), "queue: pass: empty");
    let all = health::check_all_async().await;
    assert!(all.is_sorted_by(|one, other| one.component.to_string() < other.component.to_string()));
    assert!(all.iter().any(|status| &*status.component == "queue"));
    assert!(health::unregister("queue") && !health::unregister("queue"));
    assert!(health::check("queue").is_none());
}

#[test]
fn all_checks_run_concurrently() {
    let _world = isolate();
    let meet = Arc::new(Barrier::new(2));
    for name in ["first", "second"] {
        let meet = meet.clone();
        health::register(name, move || {
            meet.wait();
        });
    }
    let passed =
        |name: &str, all: &[Status]| all.iter().any(|status| status.to_string() == format!("{name}: pass"));
    let all = health::check_all();
    assert!(passed("first", &all) && passed("second", &all), "each waits for the other: {all:?}");
}

// Looks are shared.

fn counted(name: &str) -> Arc<AtomicU32> {
    let looks = Arc::new(AtomicU32::new(0));
    let count = looks.clone();
    health::register(name, move || count.fetch_add(1, Ordering::Relaxed).to_string());
    looks
}

#[test]
fn an_answer_is_reused_for_a_second() {
    let world = isolate();
    let looks = counted("counted");
    assert_eq!((0..100).map(|_| text("counted")).collect::<Vec<_>>(), vec!["counted: pass: 0"; 100]);
    world.advance(Duration::from_millis(900));
    let status = look("counted");
    assert_eq!((status.age, looks.load(Ordering::Relaxed)), (Duration::from_millis(900), 1));
    world.advance(Duration::from_millis(100));
    assert_eq!((look("counted").age, looks.load(Ordering::Relaxed)), (Duration::ZERO, 2));
}

fn is_ready(name: &str) -> bool {
    !health::ready().down.iter().any(|down| down == name)
}

// Readiness and changes.

/// A check that finds what it is set to.
fn set_by_hand(world: &World, name: &str) -> Arc<Mutex<Answer>> {
    let found = Arc::new(Mutex::new(Answer::pass("")));
    let finds = found.clone();
    Check::new(name, move || finds.lock().unwrap().clone()).critical().register();
    world.advance(SECOND);
    found
}

#[test]
fn three_consecutive_failures_end_readiness() {
    let world = isolate();
    let found = set_by_hand(&world, "component");
    let looks = |answer: Answer| {
        *found.lock().unwrap() = answer;
        world.advance(SECOND);
        is_ready("component")
    };
    assert!(looks(Answer::pass("")));
    assert_eq!([(); 2].map(|()| looks(Answer::fail(""))), [true, true]);
    assert!(looks(Answer::warn("")), "a warning ends the row");
    assert_eq!([(); 4].map(|()| looks(Answer::fail(""))), [true, true, false, false]);
    assert!(looks(Answer::pass("")));
}

#[test]
fn a_status_change_emits_an_event() {
    let world = isolate();
    let found = set_by_hand(&world, "component");
    let looks = |answer: Answer| {
        *found.lock().unwrap() = answer;
        world.advance(SECOND);
        look("component");
    };
    for answer in [Answer::pass(""), Answer::fail(""), Answer::fail(""), Answer::warn(""), Answer::pass("")] {
        looks(answer);
    }
    let is_health = |event: &&Event| matches!(event, Event::Health { .. });
    let seen = || world.events().iter().filter(is_health).map(ToString::to_string).collect::<Vec<_>>();
    // The thread of the check emits the event when the answer is known already.
    while seen().len() < 3 {
        std::thread::yield_now();
    }
    assert_eq!(
        seen(),
        [
            "component: health fail, before pass",
            "component: health warn, before fail",
            "component: health pass, before warn",
        ]
    );
}

#[test]
fn a_watch_runs_the_checks_every_thirty_seconds() {
    let world = isolate();
    let (looked, looks) = channel();
    let looked = Mutex::new(looked);
    health::register("watched", move || looked.lock().unwrap().send(()).unwrap());
    let watch = health::watch().unwrap();
    for _ in 0..3 {
        // The clock may be moved before the thread waits for it.
        while looks.recv_timeout(Duration::from_millis(1)).is_err() {
            world.advance(Duration::from_secs(30));
        }
    }
    drop(watch);
    health::unregister("watched");
    // Until the check is dropped.
    while looks.recv().is_ok() {}
}

// Outputs.

#[test]
fn a_status_has_no_secrets_and_no_control_characters() {
    let _world = isolate();
    health::register("a\n\u{1b}[31m", || {
        Answer::fail("refused: password=hunter2\u{7}\n")
            .action("rotate sk-proj-CANARY_canary-123456")
            .detail("url", "postgres://app:hunter2@db/")
    });
    let status = look("a\n\u{1b}[31m");
    let (line, json) = (status.to_string(), serde_json::to_string(&status).unwrap());
    assert!(line.starts_with("a\\u{a}\\u{1b}[31m: fail: refused: password=***"), "{line}");
    for text in [&line, &json] {
        assert!(!text.chars().any(char::is_control), "{text}");
        assert!(!text.contains("hunter2") && !text.contains("CANARY"), "{text}");
    }
}

#[test]
fn a_status_serializes_to_a_map() {
    let _world = isolate();
    health::register("queue", || {
        Answer::warn("long").action("wait").detail("entries", 3).detail("entries", 4)
    });
    let mut json = serde_json::to_value(look("queue")).unwrap();
    assert!(json["timestamp"].take().as_str().unwrap().ends_with('Z'));
    assert_eq!(
        json,
        serde_json::json!({
            "component": "queue", "level": "warn", "healthy": true, "critical": false, "message": "long",
            "action": "wait", "details": {"entries": "4"}, "timestamp": null, "age_s": 0.0,
        })
    );
}

// Built in.

#[cfg(feature = "chaos")]
#[test]
fn armed_faults_are_a_warning_until_they_expire() {
    use resilience::chaos::{Plan, arm};
    let world = isolate();
    assert_eq!(text("chaos"), "chaos: pass: no faults are armed");
    let all = arm(SECOND * 60);
    let one = arm(Plan::new(SECOND * 5).only("search"));
    world.advance(SECOND);
    let armed = text("chaos");
    assert!(
        armed.starts_with("chaos: warn: chaos armed (*: 59s left, search: 4s left); drop the guard"),
        "{armed}"
    );
    assert!(look("chaos").healthy, "the program does as it was told to");
    world.advance(SECOND * 4);
    assert!(text("chaos").starts_with("chaos: warn: chaos armed (*: 55s left);"), "{}", text("chaos"));
    drop((all, one));
    world.advance(SECOND);
    assert_eq!(text("chaos"), "chaos: pass: no faults are armed");
}

#[circuit_breaker(name = "health::keyed", threshold = 1, key = host)]
fn of_host(host: &str) -> Result<(), io::Error> {
    let _ = host;
    Err(io::ErrorKind::ConnectionReset.into())
}

#[test]
fn open_breakers_of_keys_are_counted_and_not_named() {
    let world = isolate();
    for (host, words) in [("a", "open for 1 key"), ("b", "open for 2 keys")] {
        of_host(host).unwrap_err();
        let expected = format!("breakers: warn: 1 breaker is open (health::keyed: {words}); look at");
        assert!(text("breakers").starts_with(&expected), "{}", text("breakers"));
        world.advance(SECOND);
    }
}

#[test]
fn an_open_breaker_is_a_warning() {
    let world = isolate();
    assert_eq!(text("breakers"), "breakers: pass: no breaker is open");
    point("health::elsewhere").unwrap().breaker().unwrap().force_open();
    world.advance(SECOND);
    assert!(
        text("breakers")
            .starts_with("breakers: warn: 1 breaker is open (health::elsewhere: forced_open); look at")
    );
}
