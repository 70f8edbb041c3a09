//! `#[with_fallback]`: what the caller gets when everything below has failed.

use resilience::{Category, Event, testing, with_fallback};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

fn doubled(id: u32) -> Result<u32, String> {
    Ok(id * 2)
}

fn nothing(_: u32) -> Option<u32> {
    None
}

async fn doubled_later(id: u32) -> Option<u32> {
    tokio::task::yield_now().await;
    Some(id * 2)
}

fn boxed(id: u32) -> Pin<Box<dyn Future<Output = Result<u32, u8>> + Send>> {
    Box::pin(async move { Ok(id * 3) })
}

#[with_fallback(doubled)]
fn sync_even(id: u32) -> Result<u32, io::Error> {
    if id.is_multiple_of(2) {
        return Ok(id);
    }
    let never: Result<u32, io::Error> = Err(broken());
    let value = never?;
    Ok(value)
}

#[with_fallback(doubled_later)]
async fn async_even(id: u32) -> Result<u32, io::Error> {
    if id.is_multiple_of(2) { Ok(id) } else { Err(broken()) }
}

#[test]
fn a_success_is_left_alone_and_the_fallback_does_not_run() {
    let world = testing::isolate();
    assert_eq!(sync_even(2).unwrap(), 2);
    assert_eq!(world.events(), []);
}

#[test]
fn a_failure_is_answered_with_the_arguments_of_the_call() {
    let world = testing::isolate();
    assert_eq!(sync_even(3).unwrap(), 6);
    let events = world.events();
    assert!(
        matches!(&events[..], [Event::FellBack { class, step: 1, .. }] if class.category == Category::Connection),
        "{events:?}"
    );
}

#[tokio::test]
async fn an_async_function_awaits_a_future_and_takes_a_value_at_once() {
    #[with_fallback(doubled)]
    async fn value_at_once(id: u32) -> Result<u32, io::Error> {
        let _ = id;
        Err(broken())
    }
    #[with_fallback(boxed)]
    async fn boxed_future(_id: u32) -> Result<u32, io::Error> {
        Err(broken())
    }
    #[with_fallback(|id| async move { Some(id + 100) })]
    async fn closure(id: u32) -> Option<u32> {
        let _ = id;
        None
    }
    assert_eq!(async_even(3).await.unwrap(), 6);
    assert_eq!(value_at_once(4).await.unwrap(), 8);
    assert_eq!(boxed_future(4).await.unwrap(), 12);
    assert_eq!(closure(1).await, Some(101));
}

#[test]
fn several_are_tried_in_order_and_the_first_error_stays_if_all_fail() {
    #[with_fallback(nothing, doubled)]
    fn second_answers(id: u32) -> Result<u32, io::Error> {
        let _ = id;
        Err(broken())
    }
    #[with_fallback(nothing, nothing)]
    fn none_answers(id: u32) -> Result<u32, io::Error> {
        let _ = id;
        Err(broken())
    }
    #[with_fallback(nothing, value = id + 1)]
    fn value_answers(id: u32) -> Result<u32, io::Error> {
        let _ = id;
        Err(broken())
    }
    assert_eq!(second_answers(5).unwrap(), 10);
    assert_eq!(none_answers(5).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(value_answers(5).unwrap(), 6);
}

#[test]
fn it_gets_the_error_and_chosen_arguments() {
    fn explain(error: &io::Error, name: &str) -> Result<String, io::Error> {
        Ok(format!("{name}: {:?}", error.kind()))
    }
    #[with_fallback(explain(error, name))]
    fn fails(_id: u32, name: &str) -> Result<String, io::Error> {
        Err(broken())
    }
    assert_eq!(fails(1, "a").unwrap(), "a: ConnectionReset");
}

#[tokio::test]
async fn methods_pass_self_first() {
    struct Quotes {
        last: AtomicU32,
    }
    impl Quotes {
        #[with_fallback(Self::cached)]
        async fn quote(&self, id: u32) -> Result<u32, io::Error> {
            let _ = id;
            Err(broken())
        }
        async fn cached(&self, id: u32) -> Result<u32, io::Error> {
            Ok(self.last.load(Ordering::Relaxed) + id)
        }
    }
    let quotes = Quotes { last: AtomicU32::new(40) };
    assert_eq!(quotes.quote(2).await.unwrap(), 42);
}

#[test]
fn an_argument_that_the_body_moves_is_kept_by_clone() {
    fn length(text: String) -> Option<usize> {
        Some(text.len())
    }
    #[with_fallback(length, clone(text))]
    fn consume(text: String) -> Result<usize, io::Error> {
        drop(text);
        Err(broken())
    }
    assert_eq!(consume("abc".to_owned()).unwrap(), 3);
}

#[test]
fn when_unless_and_on_limit_it() {
    #[derive(Debug, PartialEq)]
    enum Failure {
        A,
        B,
    }
    fn zero() -> Option<u32> {
        Some(0)
    }
    #[with_fallback(zero(), when = |e| *e == Failure::A)]
    fn only_a(failure: Failure) -> Result<u32, Failure> {
        Err(failure)
    }
    #[with_fallback(zero(), unless = |e| *e == Failure::A)]
    fn all_but_a(failure: Failure) -> Result<u32, Failure> {
        Err(failure)
    }
    #[with_fallback(zero(), when = |_| true, unless = |e| *e == Failure::A)]
    fn unless_beats_when(failure: Failure) -> Result<u32, Failure> {
        Err(failure)
    }
    #[with_fallback(zero(), on(timeout, connection))]
    fn only_connection(kind: io::ErrorKind) -> Result<u32, io::Error> {
        Err(kind.into())
    }
    assert_eq!(only_a(Failure::A), Ok(0));
    assert_eq!(only_a(Failure::B), Err(Failure::B));
    assert_eq!(all_but_a(Failure::A), Err(Failure::A));
    assert_eq!(all_but_a(Failure::B), Ok(0));
    assert_eq!(unless_beats_when(Failure::A), Err(Failure::A));
    assert_eq!(unless_beats_when(Failure::B), Ok(0));
    assert_eq!(only_connection(io::ErrorKind::ConnectionReset).unwrap(), 0);
    assert_eq!(only_connection(io::ErrorKind::TimedOut).unwrap(), 0);
    assert!(only_connection(io::ErrorKind::PermissionDenied).is_err());
}

#[test]
fn a_value_that_counts_as_a_failure_is_answered() {
    #[with_fallback(value = vec![0], when_ok = |found| found.is_empty())]
    fn search(found: &[u32]) -> Result<Vec<u32>, io::Error> {
        Ok(found.to_vec())
    }
    assert_eq!(search(&[]).unwrap(), [0]);
    assert_eq!(search(&[7]).unwrap(), [7]);
}

#[test]
fn a_hook_hears_of_it_and_may_panic() {
    static HEARD: AtomicU32 = AtomicU32::new(0);
    fn hear(event: &Event) {
        assert!(matches!(event, Event::FellBack { step: 1, .. }));
        HEARD.fetch_add(1, Ordering::Relaxed);
        panic!("a hook that panics is ignored");
    }
    #[with_fallback(value = 1, on_fallback = hear)]
    fn fails() -> Option<u32> {
        None
    }
    assert_eq!(fails(), Some(1));
    assert_eq!(HEARD.load(Ordering::Relaxed), 1);
}

#[test]
fn a_panic_in_the_body_or_the_fallback_goes_on_to_the_caller() {
    #[with_fallback(value = 1)]
    fn body_panics(panics: bool) -> Option<u32> {
        assert!(!panics, "body");
        None
    }
    #[with_fallback(panicking)]
    fn fallback_panics() -> Option<u32> {
        None
    }
    fn panicking() -> Option<u32> {
        panic!("fallback")
    }
    assert!(std::panic::catch_unwind(|| body_panics(true)).is_err());
    assert_eq!(body_panics(false), Some(1));
    assert!(std::panic::catch_unwind(fallback_panics).is_err());
    assert!(std::panic::catch_unwind(fallback_panics).is_err());
}

#[tokio::test]
async fn a_call_that_its_caller_drops_gets_no_fallback() {
    let world = testing::isolate();
    #[with_fallback(value = 1)]
    async fn hangs() -> Option<u32> {
        std::future::pending().await
    }
    let dropped = tokio::time::timeout(std::time::Duration::ZERO, hangs()).await;
    assert!(dropped.is_err());
    assert_eq!(world.events(), []);
}

#[tokio::test]
async fn futures_stay_send_with_borrowed_arguments() {
    #[with_fallback(shout)]
    async fn fails(name: &str) -> Result<String, io::Error> {
        tokio::task::yield_now().await;
        let _ = name;
        Err(broken())
    }
    async fn shout(name: &str) -> Option<String> {
        tokio::task::yield_now().await;
        Some(name.to_uppercase())
    }
    let spawned = tokio::spawn(async { fails("a").await });
    assert_eq!(spawned.await.unwrap().unwrap(), "A");
}
