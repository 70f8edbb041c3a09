//! Checks of a service and of the models behind it, as a load balancer and a person ask for them.
//!
//! `cargo run --example health_check`

use resilience::health::{self, Answer, Check, Endpoint};
use resilience::{Rejected, cached, circuit_breaker, health_check, point};
use serde::Deserialize;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

/// The models that the program cannot do without.
const MODELS: [&str; 2] = ["llama3", "mistral"];

/// Where the server of the models is.
static SERVER: OnceLock<SocketAddr> = OnceLock::new();

/// What a model server such as Ollama answers to `GET /api/tags`.
#[derive(Clone, Deserialize)]
struct Tags {
    models: Vec<Model>,
}

#[derive(Clone, Deserialize)]
struct Model {
    name: String,
}

/// One request for the checks of all models.
#[cached(ttl = 1s)]
fn tags() -> Result<Tags, Box<dyn Error + Send + Sync>> {
    let address = SERVER.get().ok_or("the server has no address")?;
    let text = Endpoint::new(&format!("http://{address}/api/tags"))?.get()?;
    Ok(serde_json::from_str(&text)?)
}

/// One check for each model.
#[health_check("model:{name}", each = MODELS, timeout = 1s)]
fn model(name: &str) -> Result<Answer, Box<dyn Error + Send + Sync>> {
    let models = tags()?.models;
    if models.iter().any(|model| model.name.split(':').next() == Some(name)) {
        return Ok(Answer::pass("loaded").detail("models", models.len()));
    }
    Ok(Answer::fail(format!("the model {name} is not loaded")).action(format!("ollama pull {name}")))
}

/// In place of Ollama: a server that has two models.
fn serve(listener: &TcpListener) -> io::Result<()> {
    let answer = |mut client: TcpStream| {
        // A request ends with an empty line.
        BufReader::new(&client)
            .lines()
            .map_while(Result::ok)
            .take_while(|line| !line.is_empty())
            .for_each(drop);
        let body = r#"{"models": [{"name": "llama3:latest"}, {"name": "nomic-embed-text:v1.5"}]}"#;
        let length = body.len();
        write!(client, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
    };
    listener.incoming().try_for_each(|client| answer(client?))
}

/// The policies below are part of the check: where one rejects the call, it says nothing about the component.
#[health_check("payments", critical)]
#[circuit_breaker(name = "payments::ping", threshold = 5)]
fn payments() -> Result<(), Rejected> {
    Ok(())
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    SERVER.get_or_init(|| listener.local_addr().expect("a bound port"));
    thread::spawn(move || serve(&listener));

    Check::new("queue", || Answer::warn("9000 entries wait").action("start another worker"))
        .timeout(Duration::from_millis(200))
        .register();
    point("payments::ping").and_then(|point| point.breaker()).expect("the breaker").force_open();

    for status in health::check_all() {
        println!("{status}");
    }
    println!("{}", health::ready());
    Ok(())
}
