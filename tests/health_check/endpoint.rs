//! Checks of an HTTP endpoint, on a real server.

use crate::{SECOND, look};
use resilience::health::{self, Answer, Check, Endpoint, Level};
use resilience::testing::isolate;
use resilience::{Category, Rejected, circuit_breaker, classify, health_check};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(3_600);

/// A server on loopback that answers each request by its path, and counts them.
fn server() -> (SocketAddr, Arc<AtomicU32>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("a port");
    let count = Arc::new(AtomicU32::new(0));
    let counted = count.clone();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for client in listener.incoming() {
            let mut client = client.expect("a client");
            let number = counted.fetch_add(1, Ordering::SeqCst);
            let (path, headers) = request(&client);
            // A client that has left is no fault.
            let _ = answer(&mut client, &path, &headers, number);
            // Hanging means that nobody closes it.
            if path == "/hangs" || path == "/stalls" {
                kept.push(client);
            }
        }
    });
    (address, count)
}

fn request(client: &TcpStream) -> (String, Vec<String>) {
    let lines = BufReader::new(client).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
    let mut lines: Vec<String> = lines.collect();
    let first = if lines.is_empty() { String::new() } else { lines.remove(0) };
    (first.split(' ').nth(1).unwrap_or_default().to_owned(), lines)
}

fn answer(client: &mut TcpStream, path: &str, headers: &[String], number: u32) -> io::Result<()> {
    let whole = |status: &str, body: &str| {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    let text = match path {
        "/api/tags" => {
            whole("200 OK", r#"{"models":[{"name":"llama3:latest"},{"name":"nomic-embed-text:v1"}]}"#)
        }
        "/500" => whole("500 CANARY", "CANARY"),
        "/429" => whole("429 Busy", ""),
        "/redirects" => {
            format!("HTTP/1.1 302 Found\r\nlocation: /api/tags?from={number}\r\ncontent-length: 0\r\n\r\n")
        }
        "/hangs" | "/closes" => return Ok(()),
        "/stalls" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_owned(),
        "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nabc".to_owned(),
        "/garbage" => "SSH-2.0-CANARY\r\n\r\n".to_owned(),
        "/huge" => {
            client.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n")?;
            // Without an end, until the client leaves.
            loop {
                client.write_all(&[b'x'; 64 << 10])?;
            }
        }
        "/bytes" => {
            return client
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n\xff\xfe");
        }
        "/key" if headers.iter().any(|line| line.eq_ignore_ascii_case("authorization: Bearer CANARY")) => {
            whole("200 OK", "")
        }
        _ => whole("404 Not Found", ""),
    };
    client.write_all(text.as_bytes())
}

fn endpoint(address: SocketAddr, path: &str) -> Endpoint {
    Endpoint::new(&format!("http://{address}{path}")).expect("an address")
}

#[test]
fn only_a_successful_response_passes() {
    let _world = isolate();
    let (address, count) = server();
    let nobody = TcpListener::bind("127.0.0.1:0").and_then(|port| port.local_addr()).expect("a port");
    for (at, path, category, text) in [
        (address, "/500", Category::Unavailable, "fail: http status: 500"),
        (address, "/429", Category::RateLimited, "fail: http status: 429"),
        (address, "/404", Category::NotFound, "fail: http status: 404"),
        (address, "/redirects", Category::Permanent, "fail: http status: 302"),
        (address, "/closes", Category::Connection, "fail: "),
        (address, "/cut", Category::Connection, "fail: "),
        (address, "/garbage", Category::Corrupt, "fail: "),
        (address, "/huge", Category::Invalid, "fail: "),
        (address, "/bytes", Category::Corrupt, "fail: the answer is not valid UTF-8"),
        (nobody, "/", Category::Connection, "fail: Connection refused"),
    ] {
        let before = count.load(Ordering::SeqCst);
        let asked = endpoint(at, path);
        let error = asked.get().expect_err(path);
        assert_eq!(classify::of(&error).category, category, "{path}: {error:?}");
        let requests = count.load(Ordering::SeqCst) - before;
        assert_eq!(requests, u32::from(at == address), "{path}: one request, and no redirect is followed");
        Check::new("service", move || asked.get().map(drop)).timeout(LONG).register();
        let status = look("service");
        assert_eq!(status.level, Level::Fail, "{path}");
        assert!(status.to_string().starts_with(&format!("service: {text}")), "{path}: {status}");
        assert!(!format!("{status} {error:?}").contains("CANARY"), "{status} {error:?}");
    }
    let asked = endpoint(address, "/key").header("authorization", "Bearer CANARY").expect("a header");
    assert!(!format!("{asked:?}").contains("CANARY"), "{asked:?}");
    assert_eq!(asked.get().expect("the header is sent"), "");
}

#[test]
fn a_hanging_service_is_abandoned_after_the_timeout() {
    for path in ["/hangs", "/stalls"] {
        let world = isolate();
        let (address, count) = server();
        let asked = endpoint(address, path);
        let limit = Duration::from_millis(50);
        let check = move || {
            assert!(resilience::remaining().expect("the limit of the look") <= limit);
            asked.get().map(drop)
        };
        Check::new("service", check).timeout(limit).register();
        assert_eq!(look("service").level, Level::Fail, "{path}");
        // Only a look that has ended is followed by another one.
        while count.load(Ordering::SeqCst) < 3 {
            world.advance(SECOND);
            assert_eq!(look("service").level, Level::Fail, "{path}");
            thread::yield_now();
        }
    }
}

#[test]
fn an_invalid_address_is_rejected_without_showing_it() {
    let invalid = ["", "CANARY", "/CANARY", "ftp://host/CANARY", "https://", "http://a b/CANARY"];
    for address in invalid.into_iter().chain(["http://host:65536/CANARY"]) {
        let error = Endpoint::new(address).expect_err(address);
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("the address of the endpoint"), "{error}");
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
    let endpoint = || Endpoint::new("http://CANARY:CANARY@host/CANARY?CANARY").expect("an address");
    assert!(!format!("{:?}", endpoint()).contains("CANARY"));
    for (name, value) in [("a CANARY", "b"), ("a", "CANARY\r\nb: c")] {
        let error = endpoint().header(name, value).expect_err("it is not valid");
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
}

// The models of a server such as Ollama, behind a breaker.

static SERVER: OnceLock<SocketAddr> = OnceLock::new();

#[derive(Debug, thiserror::Error, resilience::Classify)]
enum Failure {
    #[error(transparent)]
    #[classify(transparent)]
    Io(#[from] io::Error),
    #[error("the list of models is not readable")]
    #[classify(corrupt)]
    Unreadable(#[from] serde_json::Error),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

#[circuit_breaker(name = "ollama::models", threshold = 5)]
fn models() -> Result<Vec<String>, Failure> {
    let address = *SERVER.get_or_init(|| server().0);
    let tags: serde_json::Value = serde_json::from_str(&endpoint(address, "/api/tags").get()?)?;
    let models = tags["models"].as_array().into_iter().flatten();
    Ok(models.filter_map(|model| model["name"].as_str().map(str::to_owned)).collect())
}

#[health_check("model:{name}", each = ["llama3", "mistral"], timeout = 3600s)]
fn model(name: &str) -> Result<Answer, Failure> {
    let models = models()?;
    let is_there = models.iter().any(|model| model.split(':').next() == Some(name));
    Ok(if is_there {
        Answer::pass("loaded").detail("models", models.len())
    } else {
        Answer::fail("not loaded").action("pull the model")
    })
}

#[test]
fn each_model_of_the_server_has_its_own_check() {
    let _world = isolate();
    assert_eq!(look("model:llama3").to_string(), "model:llama3: pass: loaded (models: 2)");
    assert_eq!(look("model:mistral").to_string(), "model:mistral: fail: not loaded; pull the model");
    resilience::point("ollama::models").and_then(|point| point.breaker()).expect("the breaker").force_open();
    assert!(health::unregister("model:llama3") && health::unregister("model:mistral"));
    Check::new("model:llama3", || model("llama3")).register();
    let status = look("model:llama3");
    assert!(status.to_string().starts_with("model:llama3: warn: not judged: "), "{status}");
}
