//! Every public async function in `tokio::spawn` and in a handler of axum, with closures that capture.

use resilience::{
    Checkpoint, CircuitBreaker, Degrade, Fallback, Job, Progress, Rejected, Retry, Simplify, Timeout,
    checkpoints, jobs,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A client as programs have it: shared, and used by reference.
#[derive(Debug, Default)]
struct Client {
    base: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Failure {
    Status(u16),
    Rejected(Rejected),
}

impl resilience::Classify for Failure {
    fn classify(&self) -> resilience::Classification {
        match self {
            Self::Status(status) => resilience::Category::from_status(*status).into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Client {
    async fn get(&self) -> Result<String, Failure> {
        tokio::task::yield_now().await;
        Ok(self.base.clone())
    }
}

fn client() -> Arc<Client> {
    Arc::new(Client { base: "there".into() })
}

async fn spawned<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static) -> T {
    tokio::spawn(call).await.unwrap()
}

const RETRY: Retry = Retry::new();
static BREAKER: CircuitBreaker = CircuitBreaker::new("spawned");
const LIMIT: Timeout = Timeout::new(Duration::from_secs(9)).name("spawned");
const IMPORT: Job = Job::new("import").version(2);
const FALLBACK: Fallback = Fallback::new("spawned");
const FEWER: Degrade = Degrade::new("spawned");

#[tokio::test]
async fn a_retry_future_is_send_for_each_form_of_closure() {
    let there = Ok("there".to_owned());
    let shared = client();
    assert_eq!(spawned(async move { RETRY.call_async(async || shared.get().await).await }).await, there);
    let shared = client();
    assert_eq!(spawned(async move { RETRY.call_async(|| shared.get()).await }).await, there);
    let shared = client();
    let call = RETRY.call_async(move || {
        let client = shared.clone();
        async move { client.get().await }
    });
    assert_eq!(spawned(call).await, there);
    let shared = client();
    let call = async move {
        let retry = Retry::new().max(2).unless(|failure: &Failure| *failure == Failure::Status(404));
        retry.call_async(async || shared.get().await).await
    };
    assert_eq!(spawned(call).await, there);
    let shared = client();
    let call = async move {
        RETRY.call_async_judged(async || shared.get().await, |outcome| outcome.is_err().then(class)).await
    };
    assert_eq!(spawned(call).await, there);
}

fn class() -> resilience::Classification {
    resilience::Category::Connection.into()
}

#[tokio::test]
async fn a_breaker_future_is_send_for_each_form_of_closure() {
    let there = Ok("there".to_owned());
    let shared = client();
    assert_eq!(spawned(async move { BREAKER.call_async(async || shared.get().await).await }).await, there);
    let shared = client();
    assert_eq!(spawned(async move { BREAKER.call_async(|| shared.get()).await }).await, there);
    let shared = client();
    assert_eq!(spawned(BREAKER.call_async(async move || shared.get().await)).await, there);
    let shared = client();
    let call = async move {
        let breaker = Arc::new(CircuitBreaker::named(format!("breaker of {shared:?}")));
        breaker.when(|_: &Failure| true).call_async(async || shared.get().await).await
    };
    assert_eq!(spawned(call).await, there);
    let shared = client();
    let call = async move {
        BREAKER.call_async_judged(async || shared.get().await, |outcome| outcome.is_err().then(class)).await
    };
    assert_eq!(spawned(call).await, there);
}

#[tokio::test]
async fn a_timeout_future_is_send_for_each_form_of_closure() {
    let there = Ok("there".to_owned());
    let shared = client();
    assert_eq!(spawned(async move { LIMIT.call_async(async || shared.get().await).await }).await, there);
    let shared = client();
    assert_eq!(spawned(async move { LIMIT.call_async(|| shared.get()).await }).await, there);
    let shared = client();
    let call = async move { LIMIT.call_async(async move || shared.get().await).await };
    assert_eq!(spawned(call).await, there);
}

#[tokio::test]
async fn a_fallback_future_is_send() {
    let there = Ok("there".to_owned());
    let shared = client();
    let call = async move {
        let down = Err(Failure::Status(503));
        FALLBACK.or_else_async(down, async |_: &Failure| shared.get().await).await
    };
    assert_eq!(spawned(call).await, there);
    let (shared, other) = (client(), client());
    let call = async move {
        let broken = async || {
            shared.get().await?;
            Err(Failure::Status(503))
        };
        FALLBACK.call_async(broken, async |_: &Failure| other.get().await).await
    };
    assert_eq!(spawned(call).await, there);
}

struct Pages(u32);

impl Simplify for Pages {
    fn simplify(&self, level: u32) -> Option<Self> {
        Some(Self(self.0 - level))
    }
}

impl Client {
    async fn search(&self, pages: &Pages) -> Result<u32, Failure> {
        self.get().await?;
        if pages.0 > 8 { Err(Failure::Status(503)) } else { Ok(pages.0) }
    }
}

#[tokio::test]
async fn a_degrade_future_is_send_for_each_form_of_closure() {
    let shared = client();
    let call = async move { FEWER.call_async(&Pages(9), async |pages| shared.search(pages).await).await };
    assert_eq!(spawned(call).await, Ok(8));
    let (shared, mut calls) = (client(), 0);
    let call = async move {
        let body = |pages: &Pages| {
            calls += 1;
            let (shared, pages) = (Arc::clone(&shared), Pages(pages.0 - calls));
            async move { shared.search(&pages).await }
        };
        FEWER.call_async(&Pages(12), body).await
    };
    assert_eq!(spawned(call).await, Ok(7));
    async fn search(pages: &Pages) -> Result<u32, Failure> {
        client().search(pages).await
    }
    assert_eq!(spawned(async { FEWER.call_async(&Pages(8), search).await }).await, Ok(8));
}

#[tokio::test]
async fn a_future_of_nested_values_is_send() {
    let shared = client();
    let call =
        async move { RETRY.call_async(async || BREAKER.call_async(async || shared.get().await).await).await };
    assert_eq!(spawned(call).await, Ok("there".to_owned()));
}

#[tokio::test]
async fn a_retry_works_in_an_axum_handler() {
    use axum::extract::State;
    async fn handler(State(client): State<Arc<Client>>) -> String {
        let answer = RETRY.call_async(async || BREAKER.call_async(async || client.get().await).await).await;
        answer.unwrap_or_default()
    }
    let router: axum::Router = axum::Router::new()
        .route("/method", axum::routing::get(handler))
        .route(
            "/closure",
            axum::routing::get(async |State(client): State<Arc<Client>>| {
                RETRY.call_async(|| client.get()).await.unwrap_or_default()
            }),
        )
        .with_state(client());
    assert!(router.has_routes());
}

/// Only compiled: the futures of durable functions are `Send`, too.
#[allow(dead_code, reason = "what matters is that it compiles")]
async fn durable_functions_are_spawned() {
    fn send<F: Future + Send>(_: F) {}
    let shared = client();
    send(Job::run("import", 7_u32, async |_: u32| shared.get().await));
    send(IMPORT.call_async("import:7", 7_u32, async |_: u32| shared.get().await));
    let step = Checkpoint::new("page");
    send(step.call_async("page:1", async || shared.get().await));
    let mut progress = Progress::<u64>::open("rows");
    send(progress.restore());
    send(progress.save(&1));
    send(progress.flush());
    send(progress.finish());
    send(async { resilience::recover().await });
    send(async { resilience::recover().until_done().await });
    send(resilience::in_scope(shared.get()));
    send(resilience::sleep_until("nap", SystemTime::now()));
    send(jobs::list(jobs::Filter::default()));
    send(jobs::steps("import:7"));
    send(jobs::fork_from("import:7", "page:1"));
    send(jobs::sweep());
    send(jobs::get("import:7"));
    send(jobs::resume("import:7"));
    send(jobs::cancel("import:7"));
    send(jobs::remove("import:7"));
    send(checkpoints::list("page:"));
    send(checkpoints::quarantine(10));
    send(checkpoints::quarantined(1));
    send(checkpoints::remove_quarantined(1));
    send(jobs::count());
    send(checkpoints::load::<u32>("page:1"));
    send(checkpoints::remove("page:1"));
    send(checkpoints::clear());
    send(checkpoints::cleanup(Duration::ZERO));
}
