//! `instance = ..`: a breaker that the program owns, wherever it is kept.

use crate::guarded::{Failure, down};
use resilience::policy::keyed::Keyed;
use resilience::{CircuitBreaker, Rejected, State, circuit_breaker, point, testing};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

fn failed() -> Result<u32, Failure> {
    Err(Failure::Own(down().into()))
}

fn is_open(outcome: &Result<u32, Failure>) -> bool {
    matches!(outcome, Err(Failure::Rejected(Rejected::CircuitOpen { .. })))
}

fn breaker() -> CircuitBreaker {
    CircuitBreaker::new("owned").threshold(1)
}

static PLAIN: CircuitBreaker = CircuitBreaker::new("plain").threshold(1);
static LAZY: LazyLock<CircuitBreaker> = LazyLock::new(|| {
    let threshold = std::env::var("NO_SUCH_THRESHOLD").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    CircuitBreaker::new("lazy").threshold(threshold)
});
static KEYED: Keyed<CircuitBreaker> = Keyed::new(breaker);
static REGISTRY: Mutex<Option<HashMap<String, Arc<CircuitBreaker>>>> = Mutex::new(None);

fn registered(name: &str) -> Arc<CircuitBreaker> {
    let mut registry = REGISTRY.lock().unwrap();
    registry.get_or_insert_default().entry(name.to_owned()).or_insert_with(|| Arc::new(breaker())).clone()
}

struct Owner {
    field: CircuitBreaker,
    shared: Arc<CircuitBreaker>,
    boxed: Box<CircuitBreaker>,
}

/// The same function twice: sync and async, each failing.
macro_rules! failing {
    ($(fn $now:ident, $later:ident($($argument:tt)*): $instance:expr;)+) => {
        $(
            #[circuit_breaker(instance = $instance)]
            fn $now($($argument)*) -> Result<u32, Failure> {
                failed()
            }

            #[circuit_breaker(instance = $instance)]
            async fn $later($($argument)*) -> Result<u32, Failure> {
                tokio::task::yield_now().await;
                failed()
            }
        )+
    };
}

failing! {
    fn plain, plain_later(): PLAIN;
    fn lazy, lazy_later(): LAZY;
    fn keyed, keyed_later(host: &str): KEYED.get(host);
    fn from_registry, from_registry_later(name: &str): registered(&name.to_uppercase());
    fn dereferenced, dereferenced_later(name: &str): *registered(name);
    fn argument, argument_later(given: &CircuitBreaker): given;
    fn shared_argument, shared_argument_later(given: Arc<CircuitBreaker>): given;
}

impl Owner {
    #[circuit_breaker(instance = self.field)]
    async fn by_field(&self) -> Result<u32, Failure> {
        failed()
    }

    #[circuit_breaker(instance = self.shared)]
    fn by_arc(&self) -> Result<u32, Failure> {
        failed()
    }

    #[circuit_breaker(instance = self.boxed)]
    fn by_box(&self) -> Result<u32, Failure> {
        failed()
    }

    #[circuit_breaker(instance = &self.field)]
    fn by_reference(&self) -> Result<u32, Failure> {
        failed()
    }
}

fn is_send<T: Send>(future: T) -> T {
    future
}

#[tokio::test]
async fn an_instance_may_be_anything_that_derefs_to_a_breaker() {
    let _world = testing::isolate();
    assert!(!is_open(&plain()) && is_open(&is_send(plain_later()).await));
    assert!(!is_open(&is_send(lazy_later()).await) && is_open(&lazy()));
    assert!(!is_open(&keyed("a")) && is_open(&is_send(keyed_later("a")).await) && !is_open(&keyed("b")));
    assert!(!is_open(&from_registry("x")) && is_open(&is_send(from_registry_later("x")).await));
    assert!(!is_open(&dereferenced_later("y").await) && is_open(&dereferenced("y")));
    let given = Arc::new(breaker());
    assert!(!is_open(&argument(&given)) && is_open(&is_send(argument_later(&given)).await));
    assert!(
        is_open(&shared_argument(given.clone())) && is_open(&is_send(shared_argument_later(given)).await)
    );
    let owner = Owner { field: breaker(), shared: Arc::new(breaker()), boxed: Box::new(breaker()) };
    assert!(!is_open(&is_send(owner.by_field()).await) && is_open(&owner.by_reference()));
    assert!(!is_open(&owner.by_arc()) && is_open(&owner.by_arc()));
    assert!(!is_open(&owner.by_box()) && is_open(&owner.by_box()));
}

#[test]
fn a_breaker_that_leaves_its_registry_lives_until_the_call_ends() {
    #[circuit_breaker(instance = registered("leaves"))]
    fn leaves() -> Result<u32, Failure> {
        let removed = REGISTRY.lock().unwrap().as_mut().unwrap().remove("leaves").unwrap();
        assert_eq!(Arc::strong_count(&removed), 2, "the call keeps it");
        LAST.set(Some(removed));
        failed()
    }
    thread_local! { static LAST: std::cell::Cell<Option<Arc<CircuitBreaker>>> = const { std::cell::Cell::new(None) }; }
    let _world = testing::isolate();
    let _ = leaves();
    assert_eq!(LAST.take().unwrap().state(), State::Open);
}

#[test]
fn the_inventory_shows_the_settings_once_they_are_known() {
    #[circuit_breaker(instance = PLAIN, name = "by instance")]
    fn by_instance() -> Result<u32, Failure> {
        failed()
    }
    let _world = testing::isolate();
    let policy = || point("by instance").unwrap().info().stack[0].clone();
    assert_eq!(policy().settings[0].to_string(), "instance = ..");
    let _ = by_instance();
    assert!(policy().to_string().contains("threshold = 1"), "{}", policy());
}
