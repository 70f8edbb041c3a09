//! An order that fails at its last step and is undone, although the program is killed twice on the way.
//!
//! Run it with `cargo run --example order_saga`. A real payment service on loopback counts charges and
//! refunds. The order runs in a child process: it reserves goods, charges the card, and tries to ship,
//! which the carrier refuses for good; so the charge is refunded and the goods are released, in reverse
//! order. The first child is killed just after the service has charged and before it has answered, the
//! second just after the refund. The third finishes. One charge, one refund, nothing reserved: the program
//! ends with a non-zero status if it was otherwise.

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use resilience::durable::{SqliteStore, Status, use_store};
use resilience::{Classify, Rejected, checkpoint, job, jobs, recover, with_recovery, with_retry};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

type Failure = Box<dyn std::error::Error + Send + Sync>;

// --- What a user writes: an error that says what it means, three steps, two of which can be undone. ---

#[derive(Debug, thiserror::Error, Classify)]
enum OrderError {
    #[error("HTTP {0}")]
    #[classify(status = .0)]
    Http(u16),
    #[error("the carrier does not go there")]
    #[classify(permanent)]
    Undeliverable,
    #[error(transparent)]
    #[classify(transparent)]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    #[classify(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

/// A failure that will not pass undoes what was done; anything else leaves the job to be resumed.
#[with_recovery(on(permanent, rollback), otherwise = escalate)]
#[job("order:{id}")]
async fn order(id: u64, goods: String, cents: u64) -> Result<String, OrderError> {
    reserve(id, &goods).await?;
    let charge = charge(id, cents).await?;
    ship(id, &charge).await
}

#[checkpoint("reserve:{id}", rollback = release)]
async fn reserve(id: u64, goods: &str) -> Result<PathBuf, OrderError> {
    let slip = shop().join(format!("reserved-{id}"));
    std::fs::write(&slip, goods)?;
    println!("  reserved {goods}");
    Ok(slip)
}

async fn release(slip: PathBuf) -> Result<(), OrderError> {
    match std::fs::remove_file(slip) {
        // Done again after a crash, it finds nothing left to do.
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.into()),
        _ => {
            println!("  released the goods");
            Ok(())
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Charge {
    number: u64,
    cents: u64,
}

#[checkpoint("charge:{id}", inputs(cents), rollback = refund)]
#[with_retry(max = 5, base = 20ms, idempotent)]
async fn charge(id: u64, cents: u64) -> Result<Charge, OrderError> {
    let number = ask("charge", cents).await?;
    println!("  charged {cents} cents: number {number}");
    Ok(Charge { number, cents })
}

#[with_retry(max = 5, base = 20ms, idempotent)]
async fn refund(charge: Charge) -> Result<u64, OrderError> {
    let number = ask("refund", charge.cents).await?;
    println!("  refunded {} cents: number {number}", charge.cents);
    Ok(number)
}

#[checkpoint("ship:{id}")]
async fn ship(id: u64, charge: &Charge) -> Result<String, OrderError> {
    println!("  order {id} is paid by charge {}; the carrier refuses it", charge.number);
    Err(OrderError::Undeliverable)
}

/// Asks the payment service for something that must happen once: the key of the running step is the same
/// in every attempt, also in another process after a crash.
async fn ask(what: &str, cents: u64) -> Result<u64, OrderError> {
    let key = resilience::step().map(|step| step.idempotency_key()).unwrap_or_default();
    let url = std::env::var("PAYMENT_SERVICE").unwrap_or_default();
    let client = reqwest::Client::new();
    let request = client.post(format!("{url}/{what}")).header("Idempotency-Key", key).body(cents.to_string());
    let response = request.send().await?;
    match response.status() {
        StatusCode::OK => Ok(response.text().await?.trim().parse().unwrap_or(0)),
        status => Err(OrderError::Http(status.as_u16())),
    }
}

/// Where the shop keeps its things.
fn shop() -> PathBuf {
    std::env::var_os("ORDER_SAGA_SHOP").map(PathBuf::from).unwrap_or_default()
}

/// The process that is killed: recovers what the one before it left, or begins.
async fn work() -> Result<(), Failure> {
    use_store(Arc::new(SqliteStore::open(shop().join("state"))?));
    let recovered = recover().until_done().await?;
    println!("  recovered: {recovered}");
    match order(7, "a lamp".to_owned(), 4_200).await {
        Ok(parcel) => println!("  shipped: {parcel}"),
        Err(error) => println!("  the order ended: {error}"),
    }
    Ok(())
}

// --- The payment service, which can be asked twice and does it once. ---

#[derive(Debug, Default, Clone)]
struct Books {
    /// How often each thing was asked for, and how often it was done.
    asked: BTreeMap<String, u64>,
    done: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Bank {
    books: Mutex<Books>,
    /// The answer of each idempotency key.
    answers: Mutex<BTreeMap<String, u64>>,
    /// Tells that something was done and will not be answered.
    silent: mpsc::UnboundedSender<&'static str>,
}

impl Bank {
    async fn serve(self: Arc<Self>) -> Result<String, Failure> {
        let charge = |State(bank): State<Arc<Self>>, headers: HeaderMap| bank.answer("charge", headers);
        let refund = |State(bank): State<Arc<Self>>, headers: HeaderMap| bank.answer("refund", headers);
        let router =
            Router::new().route("/charge", post(charge)).route("/refund", post(refund)).with_state(self);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(url)
    }

    /// The first request is turned away, the second is done and never answered, the third is answered.
    async fn answer(self: Arc<Self>, what: &'static str, headers: HeaderMap) -> Result<String, StatusCode> {
        let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or("");
        if key.is_empty() {
            return Err(StatusCode::BAD_REQUEST);
        }
        let (asked, number) = {
            let mut books = self.books.lock().unwrap();
            let asked = books.asked.entry(what.to_owned()).or_default();
            *asked += 1;
            let asked = *asked;
            if asked == 1 {
                return Err(StatusCode::SERVICE_UNAVAILABLE);
            }
            let mut answers = self.answers.lock().unwrap();
            let number = *answers.entry(format!("{what} {key}")).or_insert_with(|| {
                let done = books.done.entry(what.to_owned()).or_default();
                *done += 1;
                *done
            });
            (asked, number)
        };
        if asked == 2 {
            let _ = self.silent.send(what);
            std::future::pending::<()>().await;
        }
        Ok(number.to_string())
    }
}

// --- The play: three children, two of which are killed. ---

fn child(shop: &Path, url: &str) -> Result<Child, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("work").env("ORDER_SAGA_SHOP", shop).env("PAYMENT_SERVICE", url);
    Ok(command.stdin(Stdio::null()).kill_on_drop(true).spawn()?)
}

async fn play(shop: &Path) -> Result<(), Failure> {
    let (silent, mut done) = mpsc::unbounded_channel();
    let bank = Arc::new(Bank { books: Mutex::default(), answers: Mutex::default(), silent });
    let url = bank.clone().serve().await?;
    for round in 1..=3 {
        println!("process {round}:");
        let mut child = child(shop, &url)?;
        tokio::select! {
            what = done.recv() => {
                println!("  the service has done the {}; killed before it answers", what.unwrap_or(""));
                child.start_kill()?;
                child.wait().await?;
            }
            status = child.wait() => expect(status?.success(), "the process ends well")?,
        }
    }
    let books = bank.books.lock().unwrap().clone();
    println!("the service was asked {:?} and has done {:?}", books.asked, books.done);
    use_store(Arc::new(SqliteStore::open(shop.join("state"))?));
    let info = jobs::get("order:7").await?.ok_or("the order is not recorded")?;
    println!("order:7 is {} after {} begins", info.status, info.attempts);
    expect(books.done.get("charge") == Some(&1), "one charge")?;
    expect(books.done.get("refund") == Some(&1), "one refund")?;
    expect(books.asked.values().all(|asked| *asked >= 3), "each was asked for again and again")?;
    expect(!shop.join("reserved-7").exists(), "nothing is reserved any more")?;
    expect(info.status == Status::RolledBack, "the order is undone")
}

fn expect(holds: bool, promise: &str) -> Result<(), Failure> {
    println!("{} {promise}", if holds { "ok  " } else { "NOT " });
    if holds { Ok(()) } else { Err(format!("broken promise: {promise}").into()) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = if std::env::args().nth(1).as_deref() == Some("work") {
        work().await
    } else {
        let shop = std::env::temp_dir().join(format!("resilience-order-saga-{}", std::process::id()));
        let played = match std::fs::create_dir_all(&shop) {
            Ok(()) => tokio::time::timeout(Duration::from_secs(60), play(&shop)).await,
            Err(error) => Ok(Err(error.into())),
        };
        let _ = std::fs::remove_dir_all(&shop);
        played.unwrap_or_else(|_| Err("it takes too long".into()))
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
