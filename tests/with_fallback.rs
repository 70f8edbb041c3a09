//! `#[with_fallback]`: what the caller gets when everything below has failed.

use resilience::{Category, Event, testing, with_fallback, with_retry};
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
fn the_fallback_does_not_run_after_a_success() {
    let world = testing::isolate();
    assert_eq!(sync_even(2).unwrap(), 2);
    assert_eq!(world.events(), []);
}

#[test]
fn the_fallback_receives_the_arguments_of_the_call() {
    let world = testing::isolate();
    assert_eq!(sync_even(3).unwrap(), 6);
    let events = world.events();
    assert!(
        matches!(&events[..], [Event::FellBack { class, step: 1, .. }] if class.category == Category::Connection),
        "{events:?}"
    );
}

#[tokio::test]
async fn an_async_function_accepts_sync_and_async_fallbacks() {
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
fn steps_are_tried_in_order_and_the_first_error_is_returned() {
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
fn a_fallback_receives_the_error_and_chosen_arguments() {
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
fn an_argument_moved_by_a_step_is_kept_by_clone() {
    fn none(_: String, _: &str) -> Option<usize> {
        None
    }
    async fn none_later(text: String, _: &str) -> Option<usize> {
        tokio::task::yield_now().await;
        drop(text);
        None
    }
    #[with_fallback(none, |text: String, _: &str| text.is_empty().then_some(0), none, value = text.len(), clone(text))]
    fn sync(text: String, _also: &str) -> Result<usize, io::Error> {
        drop(text);
        Err(broken())
    }
    #[with_fallback(none_later, none, value = text.len())]
    #[with_retry(max = 1, base = 0s, clone(text))]
    async fn later(text: String, _also: &str) -> Result<usize, io::Error> {
        drop(text);
        Err(broken())
    }
    #[with_fallback(none, none, clone(text))]
    fn kept(text: String, _also: &str) -> Result<usize, io::Error> {
        if text.is_empty() { Ok(0) } else { Err(broken()) }
    }
    #[with_fallback(|text: String, _: &str| Some(text.len()))]
    #[with_fallback(none, on(connection), clone(text))]
    fn by_the_upper(text: String, _also: &str) -> Result<usize, io::Error> {
        drop(text);
        Err(broken())
    }
    let _world = testing::isolate();
    assert_eq!(by_the_upper("seven".to_owned(), "").unwrap(), 5);
    assert_eq!(sync("seven".to_owned(), "").unwrap(), 5);
    assert_eq!(futures::executor::block_on(later("seven".to_owned(), "")).unwrap(), 5);
    assert!(kept("seven".to_owned(), "").is_err());
}

#[test]
fn an_argument_moved_by_the_body_is_kept_by_clone() {
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
fn when_unless_and_on_limit_the_fallback() {
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
fn a_value_counted_as_a_failure_is_replaced() {
    #[with_fallback(value = vec![0], when_ok = |found| found.is_empty())]
    fn search(found: &[u32]) -> Result<Vec<u32>, io::Error> {
        Ok(found.to_vec())
    }
    assert_eq!(search(&[]).unwrap(), [0]);
    assert_eq!(search(&[7]).unwrap(), [7]);
}

#[test]
fn a_hook_runs_on_a_fallback_and_may_panic() {
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
fn a_panic_in_the_body_or_the_fallback_reaches_the_caller() {
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
async fn no_fallback_runs_for_a_dropped_call() {
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

mod error {
    //! A module of the user's with the name that a step gives the error.
    pub const CODE: u32 = 900;

    pub fn answer(id: u32) -> Option<u32> {
        Some(id + 100)
    }
}

/// A step that takes the error, and says that it ran.
fn explained(id: u32, error: &io::Error) -> Option<u32> {
    (error.kind() != io::ErrorKind::NotFound).then_some(id + 1_000)
}

#[tokio::test]
async fn a_refused_value_is_answered_by_steps_without_an_error() {
    #[with_fallback(explained(id, error), plain(id), when_ok = |id| *id == 7)]
    fn sync(id: u32) -> io::Result<u32> {
        if id == 9 { Err(broken()) } else { Ok(id) }
    }
    #[with_fallback(explained(id, error), plain(id), when_ok = |id| *id == 7)]
    async fn later(id: u32) -> io::Result<u32> {
        tokio::task::yield_now().await;
        if id == 9 { Err(broken()) } else { Ok(id) }
    }
    #[with_fallback(nothing, explained(id, error), explained(id, error), value = id + 1, when_ok = |id| *id == 7)]
    fn several(id: u32) -> io::Result<u32> {
        match id {
            8 => Err(io::ErrorKind::NotFound.into()),
            9 => Err(broken()),
            id => Ok(id),
        }
    }
    #[with_fallback(explained(id, error), plain(id), when = |_| false, when_ok = |id| *id == 7)]
    fn with_when(id: u32) -> io::Result<u32> {
        if id == 9 { Err(broken()) } else { Ok(id) }
    }
    #[with_fallback(explained(id, error), plain(id), unless = |_| true, when_ok = |id| *id == 7)]
    fn with_unless(id: u32) -> io::Result<u32> {
        if id == 9 { Err(broken()) } else { Ok(id) }
    }
    #[with_fallback(explained(id, error), on(connection), when_ok = |id| *id == 7)]
    fn with_on(id: u32) -> io::Result<u32> {
        if id == 9 { Err(broken()) } else { Ok(id) }
    }
    fn plain(id: u32) -> Option<u32> {
        Some(id + 100)
    }
    let world = testing::isolate();
    assert_eq!([1, 7, 9].map(|id| sync(id).unwrap()), [1, 107, 1_009]);
    let steps = |event: &Event| matches!(event, Event::FellBack { step: 2, .. });
    assert!(world.events().iter().any(steps), "{:?}", world.events());
    assert_eq!([later(1).await.unwrap(), later(7).await.unwrap(), later(9).await.unwrap()], [1, 107, 1_009]);
    assert_eq!([1, 7, 8, 9].map(|id| several(id).unwrap()), [1, 8, 9, 1_009]);
    assert_eq!(with_when(7).unwrap(), 107, "`when` judges errors alone");
    assert!(with_when(9).is_err());
    assert_eq!(with_unless(7).unwrap(), 107, "`unless` judges errors alone");
    assert!(with_unless(9).is_err());
    assert_eq!(with_on(9).unwrap(), 1_009);
    assert_eq!(with_on(7).unwrap(), 7, "a refused value is of category `unknown`");
}

#[tokio::test]
async fn only_the_variable_named_error_is_the_error() {
    struct Request {
        error: u32,
    }
    impl Request {
        fn error(&self, id: u32) -> Option<u32> {
            Some(self.error + id)
        }
    }
    fn same(id: u32) -> Option<u32> {
        Some(id)
    }
    #[with_fallback(crate::error::answer(id), when_ok = |id| *id == 7)]
    fn module(id: u32) -> io::Result<u32> {
        Ok(id)
    }
    #[with_fallback(same(id + error::CODE), when_ok = |id| *id == 7)]
    fn constant(id: u32) -> io::Result<u32> {
        Ok(id)
    }
    #[with_fallback(same(request.error), when_ok = |id| *id == 7)]
    fn field(request: &Request, id: u32) -> io::Result<u32> {
        let _ = request;
        Ok(id)
    }
    #[with_fallback(request.error(id), when_ok = |id| *id == 7)]
    async fn method(request: &Request, id: u32) -> io::Result<u32> {
        let _ = request;
        Ok(id)
    }
    #[with_fallback(same(Some(id).into_iter().map(|error| error + 1).sum()))]
    fn binding(id: u32) -> io::Result<u32> {
        let _ = id;
        Err(broken())
    }
    // The argument is called like the error, and no step names it.
    #[with_fallback(same)]
    fn argument(error: u32) -> io::Result<u32> {
        let _ = error;
        Err(broken())
    }
    #[with_fallback(|error| Some(error + 1))]
    fn closure(error: u32) -> io::Result<u32> {
        let _ = error;
        Err(broken())
    }
    #[with_fallback(value = error + 2)]
    fn value(error: u32) -> io::Result<u32> {
        let _ = error;
        Err(broken())
    }
    let request = Request { error: 50 };
    assert_eq!(module(7).unwrap(), 107);
    assert_eq!(constant(7).unwrap(), 907);
    assert_eq!(field(&request, 7).unwrap(), 50);
    assert_eq!(method(&request, 7).await.unwrap(), 57);
    assert_eq!(binding(3).unwrap(), 4);
    assert_eq!((argument(9).unwrap(), closure(9).unwrap(), value(9).unwrap()), (9, 10, 11));
}

#[tokio::test]
async fn the_error_is_found_anywhere_in_a_step() {
    fn text(text: impl AsRef<str>) -> Option<String> {
        Some(text.as_ref().to_owned())
    }
    macro_rules! kind_of {
        ($error:expr) => {
            text(format!("{:?}", $error.kind()))
        };
    }
    trait Answer {
        fn answer(&self, name: &str) -> Option<String>;
    }
    impl Answer for io::Error {
        fn answer(&self, name: &str) -> Option<String> {
            Some(format!("{name}: {self}"))
        }
    }
    #[with_fallback(text(format!("{error}")))]
    fn in_a_string() -> io::Result<String> {
        Err(broken())
    }
    #[with_fallback(text(format!("{:?}", error.kind())))]
    fn in_a_macro() -> io::Result<String> {
        Err(broken())
    }
    #[with_fallback(kind_of!(error))]
    fn macro_step() -> io::Result<String> {
        Err(broken())
    }
    #[with_fallback(error.answer(name))]
    async fn receiver(name: &str) -> io::Result<String> {
        let _ = name;
        Err(broken())
    }
    #[with_fallback(|name: &str| text(format!("{name} {:?}", error.kind())))]
    async fn in_a_closure(name: &str) -> io::Result<String> {
        let _ = name;
        Err(broken())
    }
    #[with_fallback(text(match error.kind() { io::ErrorKind::ConnectionReset => "reset", _ => "other" }))]
    fn in_a_match() -> io::Result<String> {
        Err(broken())
    }
    macro_rules! client {
        ($name:ident, $step:expr) => {
            #[with_fallback($step)]
            fn $name() -> io::Result<String> {
                Err(broken())
            }
        };
    }
    client!(made_by_a_macro, text(error.to_string()));
    assert_eq!(in_a_string().unwrap(), "connection reset");
    assert_eq!(
        (in_a_macro().unwrap(), macro_step().unwrap()),
        ("ConnectionReset".into(), "ConnectionReset".into())
    );
    assert_eq!(receiver("a").await.unwrap(), "a: connection reset");
    assert_eq!(in_a_closure("a").await.unwrap(), "a ConnectionReset");
    assert_eq!(in_a_match().unwrap(), "reset");
    assert_eq!(made_by_a_macro().unwrap(), "connection reset");
}

type Large = [u8; 1_000];

async fn large_later() -> Option<Large> {
    tokio::task::yield_now().await;
    None
}

#[with_fallback(large_later())]
async fn large(answer: fn() -> io::Result<Large>) -> io::Result<Large> {
    tokio::task::yield_now().await;
    answer()
}

#[tokio::test]
async fn a_future_that_waits_for_a_fallback_holds_the_outcome_once() {
    let call = large(|| Err(broken()));
    let size = size_of_val(&call);
    assert!(size < 2 * size_of::<Large>(), "{size}");
    assert_eq!(call.await.unwrap_err().kind(), broken().kind());
    assert_eq!(large(|| Ok([7; 1_000])).await.unwrap(), [7; 1_000]);
}
