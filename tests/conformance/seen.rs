//! What is seen of one step.

use crate::call::Ending;
use resilience::Category;
use serde_json::Value;
use std::fmt;

#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// The key of the step, on a keyed breaker.
    pub(crate) key: String,
    pub(crate) admitted: Option<Admitted>,
    pub(crate) ending: Option<Ending>,
    pub(crate) attempts: Option<usize>,
    /// The waits between the attempts of this call, in milliseconds.
    pub(crate) waits: Option<Vec<f64>>,
    pub(crate) elapsed: Option<f64>,
    /// When a refused caller may come back, if the call is over; inside, if that is known.
    pub(crate) retry_after: Option<Option<f64>>,
    pub(crate) has_fallen_back: Option<bool>,
    pub(crate) was_cut: Option<bool>,
    /// The waits that the backoff was asked for.
    pub(crate) samples: Option<Vec<f64>>,
    /// How many calls of a crowd were refused.
    pub(crate) rejected: Option<usize>,
    /// How many calls ran at once.
    pub(crate) most: Option<usize>,
    pub(crate) category: Option<Category>,
    /// The steps of a run whose bodies ran.
    pub(crate) ran: Option<Vec<String>>,
    /// How many runs are under way.
    pub(crate) running: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Admitted {
    Yes,
    No,
    Queued,
}

impl Seen {
    pub(crate) fn of(key: String) -> Self {
        Self { key, ..Self::default() }
    }
}

impl Admitted {
    /// As scenarios write it.
    pub(crate) fn value(self) -> Value {
        match self {
            Self::Yes => Value::Bool(true),
            Self::No => Value::Bool(false),
            Self::Queued => Value::from("queued"),
        }
    }
}

impl fmt::Display for Admitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}
