//! Sinks besides the file: of the program, and webhooks on a real server.

use crate::common::Scratch;
use resilience::alerts::{self, Alert, AlertLevel, Raised, add_sink, escalate, recent};
use resilience::testing;
use resilience::webhook::Webhook;
use serde_json::{Value, json};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn raise(message: &str) -> Raised {
    alerts::raise(AlertLevel::Warning, message, message, &[])
}

/// Waits until the sinks have everything. One call waits for at most 2 s, and a busy machine may need more.
fn flush() {
    assert!((0..30).any(|_| alerts::flush(LONG)));
}

/// The messages in the file.
fn messages() -> Vec<String> {
    recent(1000).expect("a look").alerts.into_iter().map(|alert| alert.message).collect()
}

#[test]
fn a_sink_receives_the_alerts_of_the_file_until_removed() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = add_sink("list", {
        let seen = Arc::clone(&seen);
        move |alert: &Alert| {
            seen.lock().expect("a list").push(alert.clone());
            Ok::<(), io::Error>(())
        }
    });
    assert_eq!([raise("a"), raise("a"), raise("b")], [Raised::Written, Raised::HeldBack, Raised::Written]);
    flush();
    assert_eq!(*seen.lock().expect("a list"), recent(10).expect("a look").alerts);
    sink.remove();
    assert_eq!(raise("c"), Raised::Written);
    flush();
    assert_eq!(seen.lock().expect("a list").len(), 2);
}

/// An error whose text panics.
#[derive(Debug)]
struct Unprintable;

impl std::fmt::Display for Unprintable {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        panic!("a fault of the test's")
    }
}

impl std::error::Error for Unprintable {}

#[test]
fn a_failing_or_panicking_sink_raises_an_alert() {
    let fails: fn() -> Result<(), Box<dyn std::error::Error + Send + Sync>> =
        || Err("no line: token=CANARYCANARYCANARY".into());
    let (panics, panics_later): (fn() -> _, fn() -> _) =
        (|| panic!("a fault of the test's"), || Err(Unprintable.into()));
    for (fault, words) in
        [(fails, "no line: token=***"), (panics, "it panicked"), (panics_later, "it panicked")]
    {
        let (_world, scratch) = (testing::isolate(), Scratch::new());
        alerts::use_dir(scratch.path(""));
        let pager = add_sink("pager", move |alert: &Alert| {
            assert!(alert.message != "an alert sink failed", "it gets no alert about itself");
            fault()
        });
        let (sender, seen) = mpsc::channel();
        let list = add_sink("list", move |alert: &Alert| sender.send(alert.clone()));
        assert!(raise("a").is_written());
        flush();
        flush();
        assert_eq!(messages(), ["a", "an alert sink failed"]);
        let seen: Vec<Alert> = seen.try_iter().collect();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[1].details["sink"], "pager");
        assert_eq!(seen[1].details["reason"], words);
        assert_eq!((pager.failed(), list.failed(), pager.skipped()), (1, 0, 0));
    }
}

#[test]
fn two_sinks_that_raise_alerts_do_not_loop() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    for name in ["one", "other"] {
        add_sink(name, move |alert: &Alert| {
            let message = format!("{name} after {}", alert.message);
            alerts::raise(AlertLevel::Warning, &message, &message, &[]);
            Ok::<(), io::Error>(())
        });
    }
    assert!(raise("a").is_written());
    // What a sink has raised waits for the next sink.
    (0..4).for_each(|_| flush());
    let mut all = messages();
    all.sort();
    let expected =
        ["a", "one after a", "one after other after a", "other after a", "other after one after a"];
    assert_eq!(all, expected);
}

#[test]
fn a_hanging_sink_blocks_nothing_and_drops_its_oldest_warnings() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let (go, gate) = mpsc::channel::<()>();
    let (began, has_begun) = mpsc::channel();
    let (sender, seen) = mpsc::channel();
    let sink = add_sink("slow", move |alert: &Alert| {
        let _ = began.send(());
        let _ = gate.recv();
        sender.send(alert.component.clone())
    });
    assert!(alerts::raise(AlertLevel::Critical, "first", "a", &[]).is_written());
    has_begun.recv().expect("the sink");
    assert!(alerts::raise(AlertLevel::Critical, "critical", "a", &[]).is_written());
    (0..120).for_each(|n| assert!(raise(&n.to_string()).is_written()));
    assert!(!alerts::flush(Duration::from_millis(1)));
    assert_eq!(messages().len(), 122);
    drop(go);
    flush();
    let seen: Vec<String> = seen.try_iter().collect();
    assert_eq!((sink.skipped(), seen.len()), (21, 101));
    assert_eq!((&*seen[0], &*seen[1], &*seen[2], &*seen[100]), ("first", "critical", "21", "119"));
}

/// A request as a server has read it: the first line, the headers and the body.
pub(crate) type Request = (String, Vec<String>, Value);

/// A server on loopback that gives each request the next of `answers`, and hangs up; after them it refuses connections.
pub(crate) fn server(answers: &'static [&'static str]) -> (SocketAddr, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    let (sender, requests) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut client, _) = listener.accept().expect("a client");
            let _ = sender.send(request(&client));
            let headers = "content-length: 0\r\nconnection: close\r\n\r\n";
            let _ = client.write_all(format!("HTTP/1.1 {answer}\r\n{headers}").as_bytes());
        }
    });
    (address, requests)
}

fn request(client: &TcpStream) -> Request {
    let mut reader = BufReader::new(client);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a line");
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_lowercase());
    }
    let length = lines.iter().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.expect("a length").parse().expect("a number")];
    reader.read_exact(&mut body).expect("a body");
    (lines.remove(0), lines, serde_json::from_slice(&body).expect("JSON"))
}

#[test]
fn a_webhook_retries_until_the_alert_is_accepted() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let (address, requests) = server(&["503 Unavailable", "429 Busy\r\nretry-after: 2", "204 No Content"]);
    let hook = Webhook::new(&format!("http://{address}/hooks/T0?key=CANARY"));
    let sink = hook.header("authorization", "Bearer 0123").add().expect("a webhook");
    assert!(raise("a").is_written());
    flush();
    let requests: Vec<Request> = requests.iter().collect();
    assert_eq!(requests.len(), 3);
    for (line, headers, body) in requests {
        assert_eq!(line, "post /hooks/t0?key=canary http/1.1");
        assert!(headers.contains(&"authorization: bearer 0123".to_owned()), "{headers:?}");
        assert!(headers.contains(&"content-type: application/json".to_owned()), "{headers:?}");
        assert_eq!(body, serde_json::to_value(&recent(1).expect("a look").alerts[0]).expect("JSON"));
    }
    assert_eq!((messages(), sink.failed()), (vec!["a".to_owned()], 0));
}

#[test]
fn a_failing_webhook_raises_an_alert_without_its_url() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    // A redirect is not followed, and not tried again.
    let answers = &["400 Bad Request", "302 Found\r\nlocation: http://127.0.0.1:1/", "401 Unauthorized"];
    let (address, requests) = server(answers);
    let hook = Webhook::new(&format!("http://{address}/hooks/CANARY"));
    let sink = hook.body(|alert| json!({"text": alert.to_string()})).add().expect("a webhook");
    for n in 0..8 {
        assert!(raise(&n.to_string()).is_written());
        flush();
    }
    // From the fourth alert on nobody is at the port, and after five failures nothing is posted.
    assert_eq!(sink.failed(), 8);
    let bodies: Vec<Value> = requests.iter().map(|(_, _, body)| body).collect();
    assert_eq!(bodies, [0, 1, 2].map(|n| json!({"text": format!("WARNING {n}: {n}")})));
    let all = recent(100).expect("a look").alerts;
    let about: Vec<_> = all.iter().filter(|alert| alert.component == "alerts").collect();
    assert_eq!((about.len(), &about[0].details["reason"]), (1, &"invalid (400)".into()));
    assert_eq!(about[0].details["sink"], "webhook 127.0.0.1");
    assert!(all.iter().any(|alert| alert.message == "a circuit breaker opened"));
    let text = std::fs::read_to_string(scratch.path("alerts.jsonl")).expect("the file");
    assert!(!text.contains("CANARY"), "{text}");
}

#[test]
fn a_hanging_webhook_blocks_neither_the_file_nor_other_sinks() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    Webhook::new(&format!("http://{address}/")).add().expect("a webhook");
    let (sender, seen) = mpsc::channel();
    add_sink("list", move |alert: &Alert| sender.send(alert.message.clone()));
    assert!(raise("a").is_written());
    let (client, _) = listener.accept().expect("the webhook");
    assert!(raise("b").is_written());
    assert_eq!((seen.recv(), seen.recv()), (Ok("a".to_owned()), Ok("b".to_owned())));
    assert!(!alerts::flush(Duration::from_millis(1)));
    drop((client, listener));
}

#[test]
fn an_invalid_webhook_is_rejected_without_showing_its_url() {
    let refused = |hook: Webhook| {
        let error = hook.add().expect_err("it is not valid");
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert!(!error.to_string().contains("CANARY"), "{error}");
        error.to_string()
    };
    for address in ["", "CANARY", "/CANARY", "ftp://host/CANARY", "https://", "http://a b/CANARY"] {
        assert!(refused(Webhook::new(address)).contains("address"), "{address}");
    }
    // The HTTP client would take the port of the scheme.
    for address in ["http://host:65536/CANARY", "https://host:99999", "http://CANARY:1@[::1]:123456/"] {
        assert!(refused(Webhook::new(address)).contains("port"), "{address}");
    }
    for address in
        ["http://host:65535/", "http://host:/", "http://host", "http://a:99999@host/", "http://[::1]/"]
    {
        Webhook::new(address).add().expect(address).remove();
    }
    let hook = || Webhook::new("https://host.invalid/");
    assert!(refused(hook().header("a CANARY", "b")).contains("name of a header"));
    assert!(refused(hook().header("a", "CANARY\r\nb: c")).contains("value of a header"));
    assert!(!format!("{:?}", Webhook::new("https://host/CANARY").header("a", "CANARY")).contains("CANARY"));
}

#[test]
fn escalations_stay_open_until_acknowledged() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    assert_eq!(alerts::escalations().expect("a look"), []);
    assert!(!alerts::acknowledge("0123", "Ada").expect("no file"));
    assert!(raise("no escalation").is_written());
    for feed in ["prices", "rates"] {
        assert!(escalate(feed, "a new format", &[("feed", feed), ("escalation", "no")]).is_written());
    }
    let open = alerts::escalations().expect("a look");
    assert_eq!(open.iter().map(|open| &*open.alert.component).collect::<Vec<_>>(), ["prices", "rates"]);
    assert!(open.iter().all(|open| open.is_open() && open.alert.level == AlertLevel::Critical));
    let id = open[0].alert.id();
    assert!(alerts::acknowledge(id, "Ada\n\u{1b}[2J").expect("the file"));
    assert!(!alerts::acknowledge(id, "Bob").expect("the file"));
    assert!(!alerts::acknowledge("0123", "Bob").expect("the file"));
    let after = alerts::escalations().expect("a look");
    assert_eq!((after[0].is_open(), after[1].is_open()), (false, true));
    let by = after[0].acknowledged_by.as_deref().expect("a name");
    assert!(by.starts_with("Ada") && !by.chars().any(char::is_control), "{by:?}");
    assert!(after[0].acknowledged_at.as_deref().expect("a time").ends_with('Z'));
    let kept = recent(10).expect("a look").alerts;
    assert_eq!(kept.iter().filter(|alert| alert.details.contains_key("escalation")).count(), 2);
}
