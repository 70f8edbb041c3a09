//! `config.fallback`: read, and played.

use crate::call::Call;
use crate::failure::{Answer, Failure, listed_category};
use crate::fields::{Fields, Refusal, unknown};
use crate::outcome::Outcome;
use resilience::{Category, Classification, Classify, Fallback};
use serde_json::Value;

/// A fallback of a stack.
///
/// The library decides which errors it answers, by their category. A scenario lists kinds of error, so each
/// listed kind has a category of its own.
#[derive(Debug)]
pub(crate) struct FallbackLayer {
    fallback: Fallback,
    answer: Reply,
    labels: Vec<(String, Category)>,
}

#[derive(Debug)]
enum Reply {
    Outcome(Outcome),
    Error,
    Arguments,
}

/// An error under the category that stands for its kind.
#[derive(Debug)]
struct Labelled {
    error: Failure,
    category: Category,
}

impl Classify for Labelled {
    fn classify(&self) -> Classification {
        Classification::new(self.category)
    }
}

impl FallbackLayer {
    pub(crate) fn read(mut fields: Fields) -> Result<Self, Refusal> {
        let outcome = fields.take("outcome").unwrap_or(Value::Null);
        let answer = match outcome.as_str() {
            Some("echo_error") => Reply::Error,
            Some("echo_args") => Reply::Arguments,
            _ => Reply::Outcome(Outcome::parse_all(&outcome).or_else(unknown)?.swap_remove(0)),
        };
        let (on, skip) = (fields.words("on")?, fields.words("skip")?.unwrap_or_default());
        fields.finish()?;
        // What is skipped comes first: an error of two kinds is skipped if one of them is.
        let mut labels: Vec<(String, Category)> = Vec::new();
        for word in skip.iter().chain(on.iter().flatten()) {
            let category = match listed_category(word) {
                Category::Unknown => spare(&labels),
                known => known,
            };
            labels.push((word.clone(), category));
        }
        let is_skipped = |category: &Category| labels.iter().take(skip.len()).any(|(_, its)| its == category);
        let answered: Vec<Category> = match &on {
            Some(_) => labels.iter().skip(skip.len()).map(|(_, category)| *category).collect(),
            None => Category::ALL.to_vec(),
        };
        let answered: Vec<_> = answered.into_iter().filter(|category| !is_skipped(category)).collect();
        let fallback = Fallback::new("fallback");
        let fallback = match (on, answered.is_empty()) {
            (_, true) => return unknown("a fallback that answers nothing"),
            (None, _) if skip.is_empty() => fallback,
            // Leaked: a program writes a const list.
            _ => fallback.on(Vec::leak(answered)),
        };
        Ok(Self { fallback, answer, labels })
    }

    /// What the caller gets in place of `answer`.
    pub(crate) async fn settle(&self, answer: Answer, call: &Call) -> Answer {
        let labelled = answer.map_err(|error| Labelled { category: self.category(&error), error });
        let reply = async |failed: &Labelled| self.reply(&failed.error, call).await;
        self.fallback.or_else_async(labelled, reply).await.map_err(|failed| failed.error)
    }

    fn category(&self, error: &Failure) -> Category {
        let listed = self.labels.iter().find(|(word, _)| error.is_one_of(std::slice::from_ref(word)));
        let own = error.classify().category;
        match listed {
            Some((_, category)) => *category,
            // Its own category may stand for another kind here.
            None if self.labels.iter().any(|(_, category)| *category == own) => spare(&self.labels),
            None => own,
        }
    }

    /// The answer to `error`; nothing if answering fails, too.
    async fn reply(&self, error: &Failure, call: &Call) -> Option<String> {
        call.note_fallback();
        match &self.answer {
            Reply::Outcome(outcome) => call.play(outcome.clone()).await.ok(),
            Reply::Error => Some(format!("ok:{error}")),
            Reply::Arguments => Some(format!("ok:{}", call.arguments())),
        }
    }
}

/// A category that stands for no kind yet, the rarest ones first.
fn spare(labels: &[(String, Category)]) -> Category {
    let is_free = |category: &Category| labels.iter().all(|(_, taken)| taken != category);
    let mut all = Category::ALL.into_iter().rev().filter(|category| *category != Category::Unknown);
    all.find(is_free).unwrap_or(Category::Unknown)
}
