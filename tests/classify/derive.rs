//! `#[derive(Classify)]`: every form, alone and together.

#![allow(clippy::redundant_closure, reason = "the derive takes closures, too")]

use super::*;

#[derive(Debug, Classify)]
#[rustfmt::skip]
enum Each {
    #[classify(timeout)]      Timeout,
    #[classify(rate_limited)] RateLimited,
    #[classify(connection)]   Connection,
    #[classify(unavailable)]  Unavailable,
    #[classify(transient)]    Transient,
    #[classify(resource)]     Resource,
    #[classify(corrupt)]      Corrupt,
    #[classify(conflict)]     Conflict,
    #[classify(auth)]         Auth,
    #[classify(not_found)]    NotFound,
    #[classify(invalid)]      Invalid,
    #[classify(permanent)]    Permanent,
    #[classify(cancelled)]    Cancelled,
    #[classify(rejected)]     Rejected,
    #[classify(unknown)]      Unknown,
}

#[test]
#[rustfmt::skip]
fn every_category_has_a_keyword() {
    use Each::*;
    let each = [
        Timeout, RateLimited, Connection, Unavailable, Transient, Resource, Corrupt, Conflict, Auth,
        NotFound, Invalid, Permanent, Cancelled, Rejected, Unknown,
    ];
    for (error, category) in each.iter().zip(Category::ALL) {
        assert_eq!(of(error), Classification::new(category));
        assert_eq!(format!("{error:?}"), format!("{category:?}"));
    }
}

#[derive(Debug, thiserror::Error, Classify)]
enum QuoteError {
    #[error("busy")]
    #[classify(rate_limited, retry_after = .after)]
    Busy { after: Duration },
    #[error("busy, perhaps for {after:?}")]
    #[classify(unavailable, retry_after = .after)]
    Perhaps { name: &'static str, after: Option<Duration> },
    #[error("HTTP {0}")]
    #[classify(status = .0)]
    Http(u16),
    #[error("HTTP {code} after {wait:?}")]
    #[classify(status = .code, retry_after = .wait)]
    Both { code: http::StatusCode, wait: Option<Duration> },
    #[error("HTTP {0}")]
    #[classify(status=.0)]
    Wide(u64),
    #[error("HTTP 503")]
    #[classify(status = 503)]
    Gone,
    #[error(transparent)]
    #[classify(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
    #[error("while {task}")]
    #[classify(transparent, severity = critical)]
    Marked {
        task: String,
        #[source]
        cause: Nested,
    },
    #[error("named")]
    #[classify(transparent)]
    Named { source: Box<dyn Error + Send + Sync>, at: u32 },
    #[error("{0}")]
    #[classify(text)]
    Text(String),
    #[error("asked")]
    #[classify(with = severe)]
    Path,
    #[error("asked {0}")]
    #[classify(with = |code| Category::from_status(*code))]
    Closure(u16),
    #[error("all")]
    #[classify(auth, retry = once, severity = fatal, delivered = yes, action = "call the bank")]
    #[classify(retry_after = .0)]
    All(Duration),
    #[error("raw")]
    #[classify(retry_after = .r#type, timeout)]
    Raw { r#type: Duration },
}

#[derive(Debug, thiserror::Error, Classify)]
#[error("nested")]
#[classify(transparent)]
struct Nested(#[from] io::Error);

fn severe(error: &QuoteError) -> Classification {
    let category = if matches!(error, QuoteError::Path) { Category::Corrupt } else { Category::Unknown };
    Classification::new(category).severity(Severity::Critical)
}

#[test]
fn retry_after_may_come_from_a_field() {
    assert_eq!(of(&QuoteError::Busy { after: SECOND }).retry_after, Some(SECOND));
    assert_eq!(category(&QuoteError::Busy { after: SECOND }), Category::RateLimited);
    let perhaps = |after| of(&QuoteError::Perhaps { name: "x", after }).retry_after;
    assert_eq!(perhaps(Some(SECOND)), Some(SECOND));
    assert_eq!(perhaps(None), None);
    assert_eq!(of(&QuoteError::Raw { r#type: SECOND }).retry_after, Some(SECOND));
}

#[test]
fn a_status_may_come_from_a_field_or_a_literal() {
    assert_eq!(category(&QuoteError::Http(404)), Category::NotFound);
    assert_eq!(category(&QuoteError::Wide(429)), Category::RateLimited);
    assert_eq!(category(&QuoteError::Wide(1 << 40 | 429)), Category::Unknown);
    assert_eq!(category(&QuoteError::Gone), Category::Unavailable);
    let both = of(&QuoteError::Both { code: http::StatusCode::BAD_GATEWAY, wait: Some(SECOND) });
    assert_eq!((both.category, both.retry_after), (Category::Unavailable, Some(SECOND)));
}

#[test]
fn transparent_delegates_to_the_field() {
    let refused = || io::Error::from(ErrorKind::ConnectionRefused);
    let io = of(&QuoteError::Io(refused()));
    assert_eq!((io.category, io.delivered), (Category::Connection, Delivered::No));
    let marked = of(&QuoteError::Marked { task: String::new(), cause: Nested(refused()) });
    assert_eq!((marked.category, marked.severity), (Category::Connection, Severity::Critical));
    let named = QuoteError::Named { source: refused().into(), at: 1 };
    assert_eq!(category(&named), Category::Connection);
    let shared = QuoteError::Named { source: Box::new(QuoteError::Http(409)), at: 1 };
    assert_eq!(category(&shared), Category::Conflict);
}

#[test]
fn texts_paths_and_closures_classify() {
    assert_eq!(category(&QuoteError::Text("429 Too Many Requests".into())), Category::RateLimited);
    assert_eq!(category(&QuoteError::Text("port 4290".into())), Category::Unknown);
    let path = of(&QuoteError::Path);
    assert_eq!((path.category, path.severity), (Category::Corrupt, Severity::Critical));
    assert_eq!(category(&QuoteError::Closure(504)), Category::Timeout);
}

#[test]
fn everything_can_be_overridden() {
    let expected = Classification::new(Category::Auth)
        .retry(Retryable::Once)
        .severity(Severity::Fatal)
        .delivered(Delivered::Yes)
        .action("call the bank")
        .retry_after(SECOND);
    assert_eq!(of(&QuoteError::All(SECOND)), expected);
}

#[derive(Debug, Classify)]
#[classify(default = permanent)]
enum Mostly {
    Silent,
    #[classify(severity = low)]
    Milder,
    #[classify(timeout)]
    Slow,
}

#[test]
fn a_default_applies_to_variants_without_attributes() {
    assert_eq!(of(&Mostly::Silent), Classification::new(Category::Permanent));
    let milder = Classification::new(Category::Permanent).severity(Severity::Low);
    assert_eq!(of(&Mostly::Milder), milder);
    assert_eq!(category(&Mostly::Slow), Category::Timeout);
}

#[derive(Classify)]
enum Never {}

#[derive(Classify)]
#[classify(conflict)]
struct Unit;

#[derive(Classify)]
#[classify(status = .code)]
struct Coded {
    code: u16,
}

#[derive(Classify)]
#[classify(transparent)]
struct Tuple(io::Error);

#[derive(Debug, thiserror::Error, Classify)]
#[error("cannot read {name}")]
#[classify(transparent, action = "look at the disk")]
struct Borrows<'a> {
    name: &'a str,
    source: io::Error,
}

#[test]
fn structs_and_empty_enums_are_supported() {
    fn is_classify<T: Classify>() {}
    is_classify::<Never>();
    assert_eq!(category(&Unit), Category::Conflict);
    assert_eq!(category(&Coded { code: 401 }), Category::Auth);
    assert_eq!(category(&Tuple(ErrorKind::NotFound.into())), Category::NotFound);
    let name = String::from("local");
    let borrows = of(&Borrows { name: &name, source: ErrorKind::StorageFull.into() });
    assert_eq!((borrows.category, borrows.action), (Category::Resource, "look at the disk"));
}

#[derive(Debug, Classify)]
enum Either<'a, L, R: fmt::Debug, const N: usize = 1>
where
    L: fmt::Debug,
{
    #[classify(transparent)]
    Left(L),
    #[classify(transparent)]
    Right(Box<R>),
    #[classify(invalid)]
    Neither(#[allow(dead_code, reason = "its type is what matters")] &'a [u8; N]),
    #[classify(transparent)]
    Again(Box<Either<'a, L, R, N>>),
}

#[derive(Classify)]
#[classify(status = .status, retry_after = .wait)]
struct Answer<S, W> {
    status: S,
    wait: W,
}

#[derive(Classify)]
#[classify(text)]
struct Says<T>(T);

impl<T: fmt::Display> fmt::Display for Says<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[test]
fn generic_types_are_supported() {
    type Two<'a> = Either<'a, io::Error, Unit2>;
    assert_eq!(category(&Two::Left(ErrorKind::TimedOut.into())), Category::Timeout);
    assert_eq!(category(&Two::Right(Box::new(Unit2))), Category::Auth);
    assert_eq!(category(&Two::Neither(&[1])), Category::Invalid);
    let again = Two::Again(Box::new(Either::Neither(&[1])));
    assert_eq!(category(&again), Category::Invalid);
    let answer = of(&Answer { status: 503_u32, wait: Some(SECOND) });
    assert_eq!((answer.category, answer.retry_after), (Category::Unavailable, Some(SECOND)));
    assert_eq!(category(&Answer { status: 503_i16, wait: Some(SECOND) }), Category::Unavailable);
    assert_eq!(category(&Answer { status: -503_i128, wait: Some(SECOND) }), Category::Unknown);
    assert_eq!(category(&Answer { status: 503_isize, wait: Some(SECOND) }), Category::Unavailable);
    assert_eq!(category(&Says("connection reset")), Category::Connection);
}

#[derive(Debug, Classify)]
#[classify(auth)]
struct Unit2;

mod elsewhere {
    pub(crate) use ::resilience as renamed;
}

#[derive(resilience::Classify)]
#[classify(timeout, crate = elsewhere::renamed)]
struct Renamed;

macro_rules! error_with {
    ($name:ident, $category:ident, $status:literal, $retry:ident, $action:expr) => {
        #[derive(Classify)]
        enum $name {
            #[classify($category, retry = $retry)]
            A,
            #[classify(status = $status)]
            B,
        }
    };
}
error_with!(ByMacro, transient, 404, never, "x");

#[test]
fn renamed_crates_and_macros_are_supported() {
    assert_eq!(category(&Renamed), Category::Timeout);
    assert_eq!(of(&ByMacro::A).retry, Retryable::Never);
    assert_eq!(category(&ByMacro::B), Category::NotFound);
}

/// A type of another crate that nothing classifies.
#[derive(Debug)]
struct Foreign {
    code: u8,
}

#[derive(Debug, thiserror::Error)]
#[error("wraps")]
struct Wraps(#[source] io::Error);

fn foreign(error: &Foreign) -> Category {
    if error.code == 4 { Category::NotFound } else { Category::Unavailable }
}

#[derive(Debug, Classify)]
#[allow(dead_code, reason = "some fields are there to be left alone")]
enum Asked {
    #[classify(with = foreign)]
    Only(Foreign),
    #[classify(with = foreign)]
    Named { source: Foreign },
    #[classify(with = foreign)]
    Boxed(Box<Foreign>),
    #[classify(with = foreign(.1))]
    Second(u8, Foreign),
    #[classify(with = self::foreign(.cause), severity = critical, retry_after = .after)]
    Chosen { cause: Foreign, after: Duration },
    #[classify(with = Self::whole)]
    Several(u8, u8),
    #[classify(with = Self::whole(self))]
    Whole(u8),
    #[classify(with = Self::whole)]
    Nothing,
    #[classify(with = |error| foreign(error))]
    Closure(Foreign),
    #[classify(with = |error: &Foreign| match error.code { 4 => Category::Auth, _ => Category::Invalid })]
    Typed { inner: Foreign },
    #[classify(with = (|error| foreign(error))(.0))]
    ClosureOf(Foreign, u8),
    #[classify(with = (|error: &Self| error.whole())(self))]
    ClosureOfWhole(u8),
    #[classify(with = classify::of_dyn)]
    Sources(Wraps),
    #[classify(with = classify::of)]
    Generic(http::StatusCode),
    #[classify(with = |wait: &Duration| Classification::new(seconds(*wait)), retry_after = .0)]
    Both(Duration),
}

fn seconds(wait: Duration) -> Category {
    if wait > SECOND { Category::RateLimited } else { Category::Transient }
}

impl Asked {
    fn whole(&self) -> Category {
        match self {
            Self::Several(..) => Category::Timeout,
            Self::Whole(_) => Category::Conflict,
            Self::ClosureOfWhole(_) => Category::Cancelled,
            _ => Category::Resource,
        }
    }
}

#[derive(Debug, Classify)]
#[classify(with = Self::whole)]
struct WholeStruct(u16);

impl WholeStruct {
    fn whole(&self) -> Category {
        Category::from_status(self.0)
    }
}

#[derive(Debug, Classify)]
#[classify(with = foreign(.0))]
struct FieldOfStruct(Foreign);

#[test]
fn with_receives_the_only_or_the_chosen_field() {
    let four = || Foreign { code: 4 };
    for (error, expected) in [
        (Asked::Only(four()), Category::NotFound),
        (Asked::Only(Foreign { code: 5 }), Category::Unavailable),
        (Asked::Named { source: four() }, Category::NotFound),
        (Asked::Boxed(Box::new(four())), Category::NotFound),
        (Asked::Second(9, four()), Category::NotFound),
        (Asked::Chosen { cause: four(), after: SECOND }, Category::NotFound),
        (Asked::Several(1, 2), Category::Timeout),
        (Asked::Whole(1), Category::Conflict),
        (Asked::Nothing, Category::Resource),
        (Asked::Closure(four()), Category::NotFound),
        (Asked::Typed { inner: four() }, Category::Auth),
        (Asked::ClosureOf(four(), 1), Category::NotFound),
        (Asked::ClosureOfWhole(1), Category::Cancelled),
        (Asked::Sources(Wraps(ErrorKind::TimedOut.into())), Category::Timeout),
        (Asked::Generic(http::StatusCode::CONFLICT), Category::Conflict),
    ] {
        assert_eq!(category(&error), expected, "{error:?}");
    }
    let both = of(&Asked::Both(2 * SECOND));
    assert_eq!((both.category, both.retry_after), (Category::RateLimited, Some(2 * SECOND)));
    let chosen = of(&Asked::Chosen { cause: four(), after: SECOND });
    assert_eq!((chosen.severity, chosen.retry_after), (Severity::Critical, Some(SECOND)));
    assert_eq!(category(&WholeStruct(404)), Category::NotFound);
    assert_eq!(category(&FieldOfStruct(four())), Category::NotFound);
}
