//! Classes that are found in errors whose type has none.

use super::*;

#[derive(Debug, thiserror::Error, Classify)]
enum Registered {
    #[error("slow")]
    #[classify(timeout)]
    Slow,
    #[error("wrong")]
    #[classify(invalid)]
    Wrong,
}

#[derive(Debug, thiserror::Error)]
#[error("outer")]
struct Outer(#[source] Registered);

/// Derives, but is no `Error`: cannot be found, and need not.
#[derive(Debug, Classify)]
#[classify(auth)]
struct NoError;

#[test]
fn errors_behind_dyn_error_are_classified() {
    let boxed: Box<dyn Error> = Box::new(Registered::Slow);
    assert_eq!(category(&boxed), Category::Timeout);
    assert_eq!(of_dyn(&Registered::Wrong).category, Category::Invalid);
    let send: Box<dyn Error + Send> = Box::new(Outer(Registered::Wrong));
    assert_eq!(category(&send), Category::Invalid);
    let sync: Box<dyn Error + Send + Sync> = Box::new(Outer(Registered::Slow));
    assert_eq!(category(&sync), Category::Timeout);
    assert_eq!(probe!(&sync), Category::Timeout);
    assert_eq!(probe!(&Outer(Registered::Slow)), Category::Timeout);
    assert_eq!(category(&NoError), Category::Auth);
    let text: Box<dyn Error> = "connection refused".into();
    assert_eq!(category(&text), Category::Unknown, "text is read only where asked for");
}

#[test]
fn errors_behind_anyhow_contexts_are_classified() {
    use anyhow::Context;
    let error = anyhow::Error::new(Registered::Slow);
    assert_eq!(category(&error), Category::Timeout);
    let error = error.context("while quoting").context("while answering");
    assert_eq!(category(&error), Category::Timeout);
    assert_eq!(probe!(&error), Category::Timeout);
    let parsed = "x".parse::<u8>().context("not a number").unwrap_err();
    assert_eq!(category(&parsed), Category::Invalid);
    assert_eq!(category(&anyhow::anyhow!("timed out")), Category::Unknown);
}

#[test]
fn in_a_box_that_anyhow_took() {
    use anyhow::Context;
    let boxed = |error: Box<dyn Error + Send + Sync>| {
        [
            anyhow::anyhow!(error),
            anyhow::Error::from_boxed(Box::new(io::Error::other(Registered::Wrong))),
            anyhow::Error::from_boxed(Box::new(Arc::new(Registered::Wrong))),
        ]
    };
    for error in boxed(Box::new(Registered::Wrong)) {
        assert_eq!(category(&error), Category::Invalid, "{error:?}");
        assert_eq!(probe!(&error), Category::Invalid, "{error:?}");
        let error = Err::<(), _>(error).context("while quoting").context("while answering").unwrap_err();
        assert_eq!(category(&error), Category::Invalid, "{error:?}");
        let error = error.context(Registered::Slow);
        assert_eq!(category(&error), Category::Timeout, "the outermost decides");
    }
    let refused = resilience::testing::rejected::bulkhead_full("quote");
    let error = anyhow::Error::from_boxed(Box::new(refused));
    assert_eq!(category(&error), Category::Rejected);
    assert_eq!(category(&anyhow::Error::from_boxed("timed out".into())), Category::Unknown);
}

/// What hides an error: a `Box`, an `Arc`, both.
fn hidden(error: fn() -> Registered) -> [Box<dyn Error>; 8] {
    #[derive(Debug, thiserror::Error)]
    #[error("boxed")]
    struct Boxed(#[source] Box<Registered>);
    #[derive(Debug, thiserror::Error)]
    #[error("shared")]
    struct Shared(#[source] Arc<Registered>);
    [
        Box::new(error()),
        Box::new(Box::new(error())),
        Box::new(Arc::new(error())),
        Box::new(Boxed(Box::new(error()))),
        Box::new(Shared(Arc::new(error()))),
        Box::new(io::Error::other(Arc::new(error()))),
        Box::new(io::Error::other(Box::new(error()))),
        Box::new(io::Error::new(ErrorKind::TimedOut, Arc::new(error()))),
    ]
}

#[test]
fn errors_behind_pointers_are_classified() {
    for error in hidden(|| Registered::Wrong) {
        assert_eq!(category(&error), Category::Invalid, "{error:?}");
        assert_eq!(probe!(&error), Category::Invalid, "{error:?}");
    }
    let shared = || Err::<(), _>(Arc::new(Registered::Wrong));
    fn boxed(result: Result<(), Arc<Registered>>) -> Result<(), Box<dyn Error>> {
        Ok(result?)
    }
    fn any(result: Result<(), Arc<Registered>>) -> anyhow::Result<()> {
        Ok(result?)
    }
    assert_eq!(category(&boxed(shared()).unwrap_err()), Category::Invalid);
    assert_eq!(category(&any(shared()).unwrap_err()), Category::Invalid);
    assert_eq!(probe!(&shared().unwrap_err()), Category::Invalid);
}

#[test]
fn std_errors_behind_pointers_are_classified() {
    let parse = || "x".parse::<u8>().unwrap_err();
    let boxed: Box<dyn Error> = Box::new(Arc::new(parse()));
    assert_eq!(category(&boxed), Category::Invalid);
    let boxed: Box<dyn Error> = Box::new(Box::new(parse()));
    assert_eq!(category(&boxed), Category::Invalid);
    let json = serde_json::from_str::<u8>("{").unwrap_err();
    assert_eq!(category(&io::Error::other(Box::new(json))), Category::Corrupt);
}

mod contexts {
    use super::*;
    use anyhow::Context;

    #[derive(Debug, thiserror::Error, Classify)]
    enum Api {
        #[error("missing")]
        #[classify(not_found)]
        Missing,
        #[error("forbidden")]
        #[classify(auth)]
        Forbidden,
    }

    #[derive(Debug, thiserror::Error, Classify)]
    #[error("unit")]
    #[classify(conflict)]
    struct Unit;

    /// A context is no `Error` of necessity.
    #[derive(Debug, Classify)]
    #[classify(resource)]
    struct Plain;

    impl fmt::Display for Plain {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("plain")
        }
    }

    fn reset() -> io::Error {
        ErrorKind::ConnectionReset.into()
    }

    #[test]
    fn the_outermost_known_error_decides() {
        let none: Option<()> = None;
        let on = |context: Api| Err::<(), _>(reset()).context(context).unwrap_err();
        for (error, expected) in [
            (on(Api::Missing), Category::NotFound),
            (on(Api::Forbidden), Category::Auth),
            (none.context(Api::Missing).unwrap_err(), Category::NotFound),
            (on(Api::Missing).context("text"), Category::NotFound),
            (on(Api::Missing).context("text").context(Api::Forbidden), Category::Auth),
            (on(Api::Missing).context(Unit), Category::Conflict),
            (on(Api::Missing).context(Unit).context("text"), Category::Conflict),
            (anyhow::Error::new(Unit).context(Api::Missing), Category::NotFound),
            (anyhow::Error::new(Api::Missing).context(Unit), Category::Conflict),
            (anyhow::Error::new(Api::Missing).context(Api::Forbidden), Category::Auth),
            (anyhow::Error::new(Unit), Category::Conflict),
            (anyhow::Error::new(Unit).context("text"), Category::Conflict),
            (Err::<(), _>(Unit).context(Api::Missing).unwrap_err(), Category::NotFound),
            (Err::<(), _>(Api::Missing).context(Unit).unwrap_err(), Category::Conflict),
            (Err::<(), _>(Unit).context("text").unwrap_err(), Category::Conflict),
            (on(Api::Missing).context(Plain), Category::Resource),
            (anyhow::Error::msg("text").context(Plain), Category::Resource),
            (on(Api::Missing).context(http::StatusCode::TOO_MANY_REQUESTS), Category::RateLimited),
            (anyhow::Error::new(reset()).context("text"), Category::Connection),
            (anyhow::anyhow!("text").context("text"), Category::Unknown),
        ] {
            assert_eq!(category(&error), expected, "{error:#}");
            assert_eq!(probe!(&error), expected, "{error:#}");
        }
    }

    #[test]
    fn classification_uses_the_value_and_not_only_its_type() {
        let error = anyhow::Error::new(reset()).context(Waits(7 * SECOND)).context("text");
        assert_eq!(of(&error).retry_after, Some(7 * SECOND));
        let shared = Arc::new(error);
        assert_eq!(of(&shared).retry_after, Some(7 * SECOND));

        #[derive(Debug, thiserror::Error, Classify)]
        #[error("wait")]
        #[classify(rate_limited, retry_after = .0)]
        struct Waits(Duration);
    }
}

#[test]
fn errors_inside_io_errors_are_classified() {
    assert_eq!(category(&io::Error::other(Registered::Slow)), Category::Timeout);
    assert_eq!(category(&io::Error::other(Outer(Registered::Slow))), Category::Timeout);
    let reset = io::Error::new(ErrorKind::ConnectionReset, Registered::Wrong);
    assert_eq!(category(&reset), Category::Invalid, "the error that was wrapped knows more");
    let far = io::Error::new(ErrorKind::ConnectionReset, Outer(Registered::Wrong));
    assert_eq!(category(&far), Category::Connection, "a distant cause does not");
}

#[test]
fn a_local_type_can_be_registered() {
    #[derive(Debug, thiserror::Error, Classify)]
    #[error("local")]
    #[classify(conflict)]
    struct Local;
    assert_eq!(of_dyn(&Local).category, Category::Conflict);
}

/// A pointer, which thiserror shows as the source, not the error behind it.
#[derive(Debug, thiserror::Error)]
#[error("around a pointer")]
struct Pointer(#[source] Arc<dyn Error + Send + Sync>);

/// An error whose source, a pointer or an I/O error, is set later, so that it can be the error itself.
#[derive(Debug, Default)]
struct Cycle {
    pointer: OnceLock<Arc<dyn Error + Send + Sync>>,
    io: OnceLock<Arc<io::Error>>,
}

impl std::fmt::Display for Cycle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("cycle")
    }
}

impl Error for Cycle {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let io = self.io.get().map(|source| &**source as &(dyn Error + 'static));
        io.or_else(|| self.pointer.get().map(|source| source as &(dyn Error + 'static)))
    }
}

/// Each known error in these chains asks the next one, so that the number of sources alone does not end the search.
#[test]
fn known_errors_that_wrap_themselves_are_unknown() {
    let is_unknown = |error: &(dyn Error + Send + Sync + 'static)| {
        assert_eq!(of_dyn(error).category, Category::Unknown);
        assert_eq!(category(error), Category::Unknown);
        assert_eq!(error.recorded_text(), None);
        assert_eq!(category(&io::Error::other(Outer(Registered::Slow))), Category::Timeout, "as before");
    };
    let pointer = Arc::new(Cycle::default());
    pointer.pointer.set(pointer.clone()).unwrap();
    is_unknown(&*pointer);
    is_unknown(&Pointer(pointer.clone()));
    is_unknown(&io::Error::other(pointer));

    let around_io = Arc::new(Cycle::default());
    around_io.io.set(Arc::new(io::Error::other(around_io.clone()))).unwrap();
    is_unknown(&*around_io);
    is_unknown(&io::Error::other(around_io));

    let pointers = |many| {
        let inner: Arc<dyn Error + Send + Sync> = Arc::new(Registered::Slow);
        (0..many).fold(inner, |inner, _| Arc::new(Pointer(inner)))
    };
    assert_eq!(category(&pointers(30)), Category::Timeout);
    let deep = pointers(20_000);
    is_unknown(&*deep);
    // Dropping a chain of this length would overflow the stack as well.
    std::mem::forget(deep);
}
