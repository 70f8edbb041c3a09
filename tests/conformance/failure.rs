//! The error type of the protected function.

use crate::outcome::millis;
use resilience::{Category, Classification, Classify, Rejected};
use std::fmt;
use std::time::Duration;

/// What a protected call returns.
pub(crate) type Answer = Result<String, Failure>;

/// The function's own error, or a policy's.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    App(AppError),
    Refused(Rejected),
}

/// Errors of one kind, with a text in their content, or both.
#[derive(Clone, Debug)]
pub(crate) struct Described {
    pub(crate) kind: Option<String>,
    pub(crate) content: Option<String>,
}

/// `kind(content)@wait>source`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct AppError {
    pub(crate) kind: String,
    pub(crate) content: Option<String>,
    pub(crate) wait: Option<Duration>,
    pub(crate) source: Option<Box<AppError>>,
}

impl AppError {
    /// Reads what follows `err:`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let end = text.find(['(', '@', '>']).unwrap_or(text.len());
        let (kind, mut rest) = text.split_at(end);
        let mut error = Self { kind: kind.to_owned(), content: None, wait: None, source: None };
        if let Some(inside) = rest.strip_prefix('(') {
            let (content, after) = inside.split_once(')')?;
            error.content = Some(content.to_owned());
            rest = after;
        }
        if let Some(wait) = rest.strip_prefix('@') {
            let end = wait.find('>').unwrap_or(wait.len());
            error.wait = Some(millis(&wait[..end])?);
            rest = &wait[end..];
        }
        if let Some(source) = rest.strip_prefix('>') {
            error.source = Some(Box::new(Self::parse(source)?));
            rest = "";
        }
        (!kind.is_empty() && rest.is_empty()).then_some(error)
    }

    /// This error and its sources, outermost first.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |error| error.source.as_deref())
    }

    /// Whether this is the error that `expected` writes, or a wrapper whose source it is.
    pub(crate) fn answers_to(&self, expected: &Self) -> bool {
        self.chain().any(|error| {
            error.kind == expected.kind
                && (expected.content.is_none() || expected.content == error.content)
                && expected
                    .source
                    .as_deref()
                    .is_none_or(|source| error.source.as_deref().is_some_and(|own| own.answers_to(source)))
        })
    }
}

impl fmt::Display for AppError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if let Some(content) = &self.content {
            write!(f, "({content})")?;
        }
        match &self.source {
            Some(source) => write!(f, ">{source}"),
            None => Ok(()),
        }
    }
}

/// The category that a kind of error is named after; other words say nothing.
pub(crate) fn category(kind: &str) -> Category {
    Category::ALL.into_iter().find(|category| category.as_str() == kind).unwrap_or(Category::Unknown)
}

/// The category behind a word of a list such as `retry_on`, policies' own errors included.
pub(crate) fn listed_category(word: &str) -> Category {
    match word {
        "open" | "full" => Category::Rejected,
        "rate" => Category::RateLimited,
        kind => category(kind),
    }
}

impl Failure {
    /// The word for a policy's own error.
    pub(crate) fn refusal(&self) -> Option<&'static str> {
        match self {
            Self::App(_) => None,
            Self::Refused(Rejected::CircuitOpen { .. }) => Some("open"),
            Self::Refused(Rejected::BulkheadFull { .. }) => Some("full"),
            Self::Refused(Rejected::RateLimited { .. }) => Some("rate"),
            Self::Refused(Rejected::TimedOut { .. }) => Some("timeout"),
            Self::Refused(_) => Some("other"),
        }
    }

    /// Whether one of `kinds` names this error or one of its sources.
    pub(crate) fn is_one_of(&self, kinds: &[String]) -> bool {
        match self {
            Self::App(error) => error.chain().any(|error| kinds.contains(&error.kind)),
            Self::Refused(_) => self.refusal().is_some_and(|word| kinds.iter().any(|kind| kind == word)),
        }
    }

    /// Whether `described` is this error or one of its sources.
    pub(crate) fn fits(&self, described: &Described) -> bool {
        let Self::App(error) = self else { return false };
        error.chain().any(|error| {
            let has_content = |text: &String| error.content.as_ref().is_some_and(|own| own.contains(text));
            described.kind.as_ref().is_none_or(|kind| *kind == error.kind)
                && described.content.as_ref().is_none_or(has_content)
        })
    }

    /// Whether one of `kinds` names a source of this error.
    pub(crate) fn is_caused_by(&self, kinds: &[String]) -> bool {
        let Self::App(error) = self else { return false };
        error.chain().skip(1).any(|error| kinds.contains(&error.kind))
    }

    /// Whether its content contains one of `texts`.
    pub(crate) fn says_one_of(&self, texts: &[String]) -> bool {
        let Self::App(error) = self else { return false };
        error
            .chain()
            .filter_map(|error| error.content.as_ref())
            .any(|content| texts.iter().any(|text| content.contains(text.as_str())))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.refusal()) {
            (Self::App(error), _) => write!(f, "err:{error}"),
            (_, Some("timeout")) => f.write_str("timeout"),
            (Self::Refused(rejected), word) => match crate::runs::refusal(rejected) {
                Some(word) => f.write_str(&word),
                None => write!(f, "rejected:{}", word.unwrap_or("other")),
            },
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Refused(rejected)
    }
}

impl Classify for AppError {
    /// The class of the first error in the chain whose kind is a category's name.
    fn classify(&self) -> Classification {
        let known = |error: &&Self| category(&error.kind) != Category::Unknown;
        let class =
            Classification::new(self.chain().find(known).map_or(Category::Unknown, |e| category(&e.kind)));
        match self.chain().find_map(|error| error.wait) {
            Some(wait) => class.retry_after(wait),
            None => class,
        }
    }
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::App(error) => error.classify(),
            Self::Refused(rejected) => rejected.classify(),
        }
    }
}
