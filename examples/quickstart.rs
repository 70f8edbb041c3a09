//! The main job: calls to a real HTTP service that misbehaves in every usual way, each of which ends as
//! the attributes promise. Run it with `cargo run --example quickstart`.
//!
//! It starts a server on loopback that follows a script, calls it through an annotated async function and
//! an annotated sync one, prints what happened and why, and ends with a non-zero status if anything went
//! other than promised.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use resilience::{Classify, Event, Rejected, circuit_breaker, timeout, with_fallback, with_retry};
use std::collections::{HashMap, VecDeque};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

// --- What a user writes: an error that says what it means, and two functions. ---

#[derive(Debug, thiserror::Error, Classify)]
enum WeatherError {
    #[error("busy, asks to wait {after:?}")]
    #[classify(rate_limited, retry_after = .after)]
    Busy { after: Option<Duration> },
    #[error("HTTP {0}")]
    #[classify(status = .0)]
    Http(u16),
    #[error(transparent)]
    #[classify(transparent)]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

/// The last answer for each city.
type Cache = Mutex<HashMap<String, String>>;

#[with_fallback(last_known(cache, city), on(timeout, connection, unavailable, rejected), on_fallback = tell)]
#[timeout(10s)]
#[with_retry(max = 3, backoff = 2.0, on_retry = tell, on_give_up = tell)]
#[circuit_breaker(
    threshold = 5,
    recovery = 1s,
    on_open = tell,
    on_half_open = tell,
    on_close = tell,
    on_reject = tell
)]
#[timeout(500ms)]
async fn forecast(
    client: &reqwest::Client,
    cache: &Cache,
    base: &str,
    city: &str,
) -> Result<String, WeatherError> {
    let response = client.get(format!("{base}/{city}")).send().await?;
    check(response.status(), response.headers())?;
    let text = response.text().await?;
    remember(cache, city, &text);
    Ok(text)
}

#[with_retry(max = 3, base = 50ms, on_retry = tell, on_give_up = tell)]
fn forecast_blocking(
    client: &reqwest::blocking::Client,
    base: &str,
    city: &str,
) -> Result<String, WeatherError> {
    let response = client.get(format!("{base}/{city}")).send()?;
    check(response.status(), response.headers())?;
    Ok(response.text()?)
}

fn check(status: reqwest::StatusCode, headers: &reqwest::header::HeaderMap) -> Result<(), WeatherError> {
    if status == StatusCode::TOO_MANY_REQUESTS {
        let header = headers.get("retry-after").and_then(|value| value.to_str().ok());
        let after = header.and_then(|text| resilience::classify::retry_after(text, SystemTime::now()));
        return Err(WeatherError::Busy { after });
    }
    if status.is_success() { Ok(()) } else { Err(WeatherError::Http(status.as_u16())) }
}

fn remember(cache: &Cache, city: &str, text: &str) {
    if let Ok(mut cache) = cache.lock() {
        cache.insert(city.to_owned(), text.to_owned());
    }
}

fn last_known(cache: &Cache, city: &str) -> Option<String> {
    cache.lock().ok()?.get(city).map(|text| format!("{text} (last known)"))
}

/// Prints what a policy did.
fn tell(event: &Event) {
    match event {
        Event::Retrying { attempt, attempts_max, class, delay, .. } => {
            println!(
                "    attempt {attempt}/{attempts_max} failed: {}; next one in {delay:.0?}",
                class.category
            );
        }
        Event::GaveUp { attempt, class, reason, .. } => {
            println!("    attempt {attempt} failed: {}; no retry: {reason}", class.category);
        }
        Event::Opened { failures, recovery, .. } => {
            println!("    breaker: open after {failures} failures, for {:.0?}", recovery.unwrap_or_default());
        }
        Event::HalfOpened { .. } => println!("    breaker: half-open, lets a probe through"),
        Event::Closed { .. } => println!("    breaker: closed again"),
        Event::Rejected { retry_after, .. } => {
            println!("    breaker: refused the call, try again in {:.0?}", retry_after.unwrap_or_default());
        }
        Event::FellBack { class, .. } => {
            println!("    fallback: last known answer instead of {}", class.category)
        }
        other => println!("    {other:?}"),
    }
}

// --- A service that fails on script. ---

#[derive(Clone, Copy)]
enum Step {
    Answer,
    Status(u16),
    RetryAfter(u64),
    Cut,
    Hang,
}

/// What each city answers, in order; the last step repeats. And how often it was asked.
type Script = Arc<Mutex<HashMap<String, (VecDeque<Step>, u32)>>>;

async fn serve(State(script): State<Script>, Path(city): Path<String>) -> Response {
    match next_step(&script, &city) {
        Step::Answer => format!("{city}: sunny").into_response(),
        Step::Status(code) => StatusCode::from_u16(code).unwrap_or_default().into_response(),
        Step::RetryAfter(seconds) => {
            (StatusCode::TOO_MANY_REQUESTS, [("retry-after", seconds.to_string())]).into_response()
        }
        Step::Cut => {
            let cut = futures::stream::iter([Ok("half an ans"), Err(std::io::Error::other("cut"))]);
            Body::from_stream(cut).into_response()
        }
        Step::Hang => std::future::pending().await,
    }
}

fn next_step(script: &Script, city: &str) -> Step {
    let Ok(mut script) = script.lock() else { return Step::Status(500) };
    let Some((steps, asked)) = script.get_mut(city) else { return Step::Status(404) };
    *asked += 1;
    if steps.len() > 1 { steps.pop_front() } else { steps.front().copied() }.unwrap_or(Step::Answer)
}

// --- What is promised, and whether it came true. ---

struct World {
    client: reqwest::Client,
    cache: Cache,
    base: String,
    script: Script,
    rows: Vec<Row>,
}

struct Row {
    what: &'static str,
    promised: String,
    happened: String,
}

impl World {
    fn play(&self, city: &str, steps: &[Step]) {
        if let Ok(mut script) = self.script.lock() {
            script.insert(city.to_owned(), (steps.iter().copied().collect(), 0));
        }
    }

    fn asked(&self, city: &str) -> u32 {
        self.script.lock().map_or(0, |script| script.get(city).map_or(0, |(_, asked)| *asked))
    }

    fn note(&mut self, what: &'static str, promised: impl Into<String>, happened: impl Into<String>) {
        self.rows.push(Row { what, promised: promised.into(), happened: happened.into() });
    }

    /// One call whose outcome and number of requests are promised.
    async fn call(&mut self, what: &'static str, city: &str, requests: u32, ends: &str) -> Duration {
        println!("\n{what}");
        let before = self.asked(city);
        let start = Instant::now();
        let outcome = forecast(&self.client, &self.cache, &self.base, city).await;
        let took = start.elapsed();
        let happened = describe(&outcome);
        println!("  -> {happened} after {took:.0?}");
        let made = self.asked(city) - before;
        self.note(what, format!("{requests} requests, {ends}"), format!("{made} requests, {happened}"));
        took
    }
}

fn describe(outcome: &Result<String, WeatherError>) -> String {
    match outcome {
        Ok(text) => text.clone(),
        Err(error) => format!("{} ({error})", error.classify().category),
    }
}

async fn passing_faults(world: &mut World) {
    world.play("oslo", &[Step::Answer]);
    world.call("A healthy service answers", "oslo", 1, "oslo: sunny").await;

    world.play("rome", &[Step::RetryAfter(1), Step::Answer]);
    let took = world.call("429 with Retry-After: 1 is waited for", "rome", 2, "rome: sunny").await;
    let waited = if took >= Duration::from_secs(1) { "at least 1 s" } else { "less" };
    world.note("  the stated wait was kept", "at least 1 s", waited);

    world.play("bonn", &[Step::Status(503), Step::Status(503), Step::Answer]);
    world.call("503 twice, then well", "bonn", 3, "bonn: sunny").await;

    world.play("cork", &[Step::Cut, Step::Answer]);
    world.call("A connection cut in the middle of the answer", "cork", 2, "cork: sunny").await;

    world.play("lima", &[Step::Hang, Step::Answer]);
    world.call("A hang is cut off after 500 ms", "lima", 2, "lima: sunny").await;
}

async fn lasting_faults(world: &mut World) {
    world.play("kiev", &[Step::Status(401)]);
    world.call("401 is not repeated", "kiev", 1, "auth (HTTP 401)").await;

    world.play("suva", &[Step::Status(404)]);
    world.call("404 is not repeated", "suva", 1, "not_found (HTTP 404)").await;
}

async fn an_outage(world: &mut World) {
    world.play("oslo", &[Step::Status(503)]);
    world.call("A long outage: used-up retries fall back", "oslo", 4, "oslo: sunny (last known)").await;
    world.call("The fifth failure in a row opens the breaker", "oslo", 1, "oslo: sunny (last known)").await;
    world.call("The open breaker spares the service", "oslo", 0, "oslo: sunny (last known)").await;
    let state = breaker_state();
    world.note("  state of the breaker", "open", state);

    world.play("oslo", &[Step::Answer]);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    world.call("The service is back: a probe closes the breaker", "oslo", 1, "oslo: sunny").await;
    let state = breaker_state();
    world.note("  state of the breaker", "closed", state);
}

fn breaker_state() -> &'static str {
    let breaker = resilience::point("quickstart::forecast").and_then(|point| point.breaker());
    breaker.map_or("missing", |breaker| breaker.state().as_str())
}

/// The same from a sync function, on a thread of its own.
fn sync_calls(base: &str) -> Vec<String> {
    let client = reqwest::blocking::Client::new();
    let call = |city| {
        println!("\nSync: {city}");
        let happened = describe(&forecast_blocking(&client, base, city));
        println!("  -> {happened}");
        happened
    };
    vec![call("pisa"), call("nowhere")]
}

fn summary(world: &World) -> bool {
    println!("\nEvery annotated function of this program:");
    for point in resilience::points() {
        println!("  {point}");
    }
    println!("\nWhat was counted:");
    for point in resilience::snapshot().points {
        for policy in point.policies {
            let counted: Vec<_> = policy
                .counters
                .iter()
                .filter(|(_, n)| *n > 0)
                .map(|(name, n)| format!("{name} {n}"))
                .collect();
            println!(
                "  {:34} {:16} {:7} {}",
                &*point.name,
                policy.kind,
                policy.state.unwrap_or("-"),
                counted.join(", ")
            );
        }
    }
    println!("\n{:52} {:42} as promised", "what", "happened");
    for Row { what, promised, happened } in &world.rows {
        let kept = if promised == happened { "yes".to_owned() } else { format!("NO: {promised}") };
        println!("{what:52} {happened:42} {kept}");
    }
    world.rows.iter().all(|row| row.promised == row.happened)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let script = Script::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let app = axum::Router::new().route("/{city}", axum::routing::get(serve)).with_state(script.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = reqwest::Client::builder().no_proxy().build()?;
    let mut world = World { client, cache: Cache::default(), base, script, rows: Vec::new() };
    passing_faults(&mut world).await;
    lasting_faults(&mut world).await;
    an_outage(&mut world).await;

    world.play("pisa", &[Step::Status(503), Step::Answer]);
    let base = world.base.clone();
    let happened = tokio::task::spawn_blocking(move || sync_calls(&base)).await?;
    for (what, promised, happened) in [
        ("Sync: 503, then well", "pisa: sunny", &happened[0]),
        ("Sync: 404 is not repeated", "not_found (HTTP 404)", &happened[1]),
    ] {
        world.note(what, promised, happened);
    }
    let kept = summary(&world);
    println!(
        "\n{}",
        if kept { "Everything went as promised." } else { "Something went other than promised." }
    );
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
