//! What is understood of the many kinds of errors, without being told.

use futures::executor::block_on;
use resilience::{Category, Classification, Classify, Event, Rejected, testing, with_retry};
use std::cell::Cell;
use std::error::Error;
use std::{fmt, io};

type Boxed = Box<dyn Error + Send + Sync>;

/// How many calls `body` gets when it always fails, and as what that counts.
fn calls(body: impl FnOnce(&Cell<u32>)) -> (u32, Option<Category>) {
    let world = testing::isolate();
    let calls = Cell::new(0);
    body(&calls);
    let category = world.events().iter().find_map(|event| match event {
        Event::AttemptFailed { class, .. } | Event::GaveUp { class, .. } => Some(class.category),
        _ => None,
    });
    (calls.get(), category)
}

/// `kinds!(name, E, value)`: a sync and an async function that count and fail with `value`.
macro_rules! kinds {
    ($now:ident, $later:ident, $error:ty, |$argument:ident: $kind:ty| $value:expr) => {
        #[with_retry(max = 3)]
        fn $now(calls: &Cell<u32>, $argument: $kind) -> Result<(), $error> {
            calls.set(calls.get() + 1);
            Err($value)
        }
        #[with_retry(max = 3)]
        async fn $later(calls: &Cell<u32>, $argument: $kind) -> Result<(), $error> {
            tokio::task::yield_now().await;
            calls.set(calls.get() + 1);
            Err($value)
        }
    };
}

kinds!(io_now, io_later, io::Error, |kind: io::ErrorKind| kind.into());
kinds!(boxed_now, boxed_later, Boxed, |kind: io::ErrorKind| Box::new(io::Error::from(kind)));
kinds!(local_now, local_later, Box<dyn Error>, |kind: io::ErrorKind| Box::new(io::Error::from(kind)));
kinds!(anyhow_now, anyhow_later, anyhow::Error, |kind: io::ErrorKind| io::Error::from(kind).into());
kinds!(context_now, context_later, anyhow::Error, |kind: io::ErrorKind| {
    anyhow::Error::from(io::Error::from(kind)).context("while reading").context("while starting")
});

#[test]
fn io_errors_are_classified_when_boxed_or_in_anyhow() {
    for (kind, expected) in [
        (io::ErrorKind::ConnectionRefused, (4, Some(Category::Connection))),
        (io::ErrorKind::ConnectionReset, (4, Some(Category::Connection))),
        (io::ErrorKind::TimedOut, (4, Some(Category::Timeout))),
        (io::ErrorKind::NotFound, (1, Some(Category::NotFound))),
        (io::ErrorKind::PermissionDenied, (1, Some(Category::Auth))),
        (io::ErrorKind::OutOfMemory, (1, Some(Category::Resource))),
        (io::ErrorKind::StorageFull, (1, Some(Category::Resource))),
    ] {
        assert_eq!(calls(|c| drop(io_now(c, kind))), expected, "io {kind:?}");
        assert_eq!(calls(|c| drop(block_on(io_later(c, kind)))), expected, "io, async {kind:?}");
        assert_eq!(calls(|c| drop(boxed_now(c, kind))), expected, "boxed {kind:?}");
        assert_eq!(calls(|c| drop(block_on(boxed_later(c, kind)))), expected, "boxed, async {kind:?}");
        assert_eq!(calls(|c| drop(local_now(c, kind))), expected, "local box {kind:?}");
        assert_eq!(calls(|c| drop(block_on(local_later(c, kind)))), expected, "local box, async {kind:?}");
        assert_eq!(calls(|c| drop(anyhow_now(c, kind))), expected, "anyhow {kind:?}");
        assert_eq!(calls(|c| drop(block_on(anyhow_later(c, kind)))), expected, "anyhow, async {kind:?}");
        assert_eq!(calls(|c| drop(context_now(c, kind))), expected, "context {kind:?}");
        assert_eq!(calls(|c| drop(block_on(context_later(c, kind)))), expected, "context, async {kind:?}");
    }
}

#[test]
fn anyhow_and_boxed_errors_reach_the_caller_unchanged() {
    let _world = testing::isolate();
    let error = context_now(&Cell::new(0), io::ErrorKind::NotFound).unwrap_err();
    assert_eq!(format!("{error:#}"), "while starting: while reading: entity not found");
    let error = boxed_now(&Cell::new(0), io::ErrorKind::TimedOut).unwrap_err();
    assert_eq!(error.downcast_ref::<io::Error>().unwrap().kind(), io::ErrorKind::TimedOut);
}

#[test]
fn question_mark_may_convert_errors() {
    #[with_retry]
    fn converts(calls: &Cell<u32>) -> anyhow::Result<u32> {
        calls.set(calls.get() + 1);
        Ok("x".parse::<u32>()?)
    }
    #[with_retry]
    async fn boxes(calls: &Cell<u32>) -> Result<u32, Boxed> {
        calls.set(calls.get() + 1);
        Ok("x".parse::<u32>()?)
    }
    assert_eq!(calls(|c| drop(converts(c))), (1, Some(Category::Invalid)));
    assert_eq!(calls(|c| drop(block_on(boxes(c)))), (1, Some(Category::Invalid)));
}

#[test]
fn none_is_an_unknown_failure() {
    #[with_retry]
    fn now(calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + 1);
        None
    }
    #[with_retry]
    async fn later(calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + 1);
        None
    }
    assert_eq!(calls(|c| assert_eq!(now(c), None)), (4, Some(Category::Unknown)));
    assert_eq!(calls(|c| assert_eq!(block_on(later(c)), None)), (4, Some(Category::Unknown)));
}

/// An error of an application, not classified, with or without a source.
#[derive(Debug)]
struct Wrapped(Option<io::Error>);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_ref().map(|source| source as _)
    }
}

kinds!(wrapped_now, wrapped_later, Wrapped, |kind: Option<io::ErrorKind>| Wrapped(kind.map(Into::into)));

#[test]
fn the_source_chain_is_searched() {
    for (kind, expected) in [
        (Some(io::ErrorKind::NotFound), (1, Some(Category::NotFound))),
        (Some(io::ErrorKind::TimedOut), (4, Some(Category::Timeout))),
        (None, (4, Some(Category::Unknown))),
    ] {
        assert_eq!(calls(|c| drop(wrapped_now(c, kind))), expected);
        assert_eq!(calls(|c| drop(block_on(wrapped_later(c, kind)))), expected);
    }
}

#[test]
fn a_type_that_is_not_an_error_is_unknown() {
    struct Plain;
    kinds!(plain_now, plain_later, Plain, |_unused: ()| Plain);
    kinds!(text_now, text_later, String, |text: &str| text.to_owned());
    assert_eq!(calls(|c| drop(plain_now(c, ()))), (4, Some(Category::Unknown)));
    assert_eq!(calls(|c| drop(block_on(plain_later(c, ())))), (4, Some(Category::Unknown)));
    assert_eq!(
        calls(|c| drop(text_now(c, "401"))),
        (4, Some(Category::Unknown)),
        "text is read only if asked"
    );
    assert_eq!(calls(|c| drop(block_on(text_later(c, "401")))), (4, Some(Category::Unknown)));
}

struct Denied;

impl Classify for Denied {
    fn classify(&self) -> Classification {
        Category::Auth.into()
    }
}

#[with_retry]
fn bounded<E: Classify>(calls: &Cell<u32>, fail: impl Fn() -> E) -> Result<(), E> {
    calls.set(calls.get() + 1);
    Err(fail())
}

#[with_retry]
async fn bounded_by_where<E>(calls: &Cell<u32>, fail: impl Fn() -> E) -> Result<(), E>
where
    E: Classify,
{
    calls.set(calls.get() + 1);
    Err(fail())
}

#[with_retry]
fn unbounded<E>(calls: &Cell<u32>, fail: impl Fn() -> E) -> Result<(), E> {
    calls.set(calls.get() + 1);
    Err(fail())
}

#[with_retry]
async fn unbounded_later<E>(calls: &Cell<u32>, fail: impl Fn() -> E) -> Result<(), E> {
    calls.set(calls.get() + 1);
    Err(fail())
}

#[test]
fn the_trait_bound_decides_in_generic_code() {
    assert_eq!(calls(|c| drop(bounded(c, || Denied))), (1, Some(Category::Auth)));
    assert_eq!(calls(|c| drop(block_on(bounded_by_where(c, || Denied)))), (1, Some(Category::Auth)));
    assert_eq!(calls(|c| drop(unbounded(c, || Denied))), (4, Some(Category::Unknown)));
    assert_eq!(calls(|c| drop(block_on(unbounded_later(c, || Denied)))), (4, Some(Category::Unknown)));
}

#[test]
fn aliases_of_result_are_supported() {
    type Outcome<T> = Result<T, Denied>;
    type Settled = Outcome<()>;
    #[with_retry]
    fn aliased(calls: &Cell<u32>) -> Outcome<u8> {
        calls.set(calls.get() + 1);
        Err(Denied)
    }
    #[with_retry]
    async fn settled(calls: &Cell<u32>) -> Settled {
        calls.set(calls.get() + 1);
        Err(Denied)
    }
    #[with_retry]
    fn of_io(calls: &Cell<u32>) -> io::Result<()> {
        calls.set(calls.get() + 1);
        Err(io::ErrorKind::NotFound.into())
    }
    assert_eq!(calls(|c| drop(aliased(c))).0, 1);
    assert_eq!(calls(|c| drop(block_on(settled(c)))).0, 1);
    assert_eq!(calls(|c| drop(of_io(c))).0, 1);
}

#[test]
fn a_rejection_of_another_function_is_judged_by_its_cause() {
    fn refused() -> Rejected {
        block_on(async {
            #[resilience::timeout(1ms)]
            async fn hangs() -> Result<(), Rejected> {
                std::future::pending().await
            }
            hangs().await.unwrap_err()
        })
    }
    #[with_retry]
    fn timed_out(calls: &Cell<u32>, error: &Rejected) -> Result<(), Rejected> {
        calls.set(calls.get() + 1);
        Err(error.clone())
    }
    let error = refused();
    assert_eq!(calls(|c| drop(timed_out(c, &error))), (4, Some(Category::Timeout)));
}
