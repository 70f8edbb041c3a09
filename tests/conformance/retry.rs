//! `config.retry`: read, and played.

use crate::failure::{Answer, Failure, listed_category};
use crate::fields::{Fields, Refusal, accepted, lacks, unknown};
use crate::gaps::Gap;
use crate::waits::{self, Table};
use resilience::classify::{Category, Classify, Retryable};
use resilience::policy::{BudgetOf, RetryConfig, Rule, Verdict};
use resilience::testing::isolate;
use resilience::{Backoff, Jitter, Retry};
use std::time::Duration;

/// A retry of a stack.
#[derive(Debug)]
pub(crate) struct RetryLayer {
    pub(crate) retry: Retry,
    /// The same waits without an end, to be asked for.
    endless: Retry,
    pub(crate) judge: Judge,
    table: Option<Table>,
    slot: usize,
}

/// Which outcomes are retried.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) retry_on: Option<Vec<String>>,
    abort_on: Vec<String>,
    on_message: Option<Vec<String>>,
    on_cause: Option<Vec<String>>,
    on_result: Vec<String>,
    respects_wait: bool,
}

struct Spread {
    base: Duration,
    jitter: Jitter,
}

impl RetryLayer {
    pub(crate) fn read(mut fields: Fields, slot: usize) -> Result<Self, Refusal> {
        let max = max(&mut fields)?;
        let base = fields.millis("delay_ms")?.unwrap_or_default();
        let shape = fields.object("backoff")?;
        let jitter = fields.object("jitter")?;
        let mut limits = (fields.millis("min_delay_ms")?, fields.millis("max_delay_ms")?);
        let (backoff, table) = backoff(shape, base, slot, &mut limits)?;
        let is_constant = matches!(backoff, Backoff::Constant);
        let Spread { base, jitter } = spread(jitter, base, is_constant, limits.0.is_some())?;
        let give_up_after = fields.millis("max_elapsed_ms")?;
        let judge = Judge::read(&mut fields)?;
        // What the library does anyway: no wait begins that would pass the limit.
        fields.switch("stop_before_deadline")?;
        fields.finish()?;
        let config = RetryConfig {
            max,
            backoff,
            base,
            cap: limits.1.unwrap_or(Duration::MAX),
            jitter: Some(jitter),
            give_up_after,
            retry_after_cap: Duration::MAX,
            on: judge.rules(),
            budget: BudgetOf::None,
            ..RetryConfig::default()
        };
        let make = |config| accepted(Retry::try_new(config)).map(|retry| retry.name(NAMES[slot]));
        let endless = make(RetryConfig { max: u32::MAX, give_up_after: None, on: &[], ..config })?;
        Ok(Self { retry: make(config)?, endless, judge, table, slot })
    }

    /// Makes the waits of this layer known to this thread.
    pub(crate) fn enter_thread(&self) {
        waits::set(self.slot, self.table.clone());
    }

    /// The wait after the `attempt`th failure, `samples` times, in milliseconds.
    pub(crate) fn sample(&self, attempt: u32, samples: u32) -> Vec<f64> {
        let world = isolate();
        let mut sampled = Vec::new();
        for _ in 0..samples {
            let (before, mut run) = (world.waits().len(), 0);
            let fails = || {
                run += 1;
                run <= attempt
            };
            self.endless.call_judged(fails, |failed| failed.then(|| Category::Transient.into()));
            let waits = world.waits().split_off(before);
            sampled.extend(waits.last().map(|wait| wait.as_secs_f64() * 1000.0));
        }
        sampled
    }
}

pub(crate) const NAMES: [&str; 2] = ["retry", "retry_inner"];

fn max(fields: &mut Fields) -> Result<u32, Refusal> {
    let is_endless = ["max_attempts", "max_retries"].iter().any(|key| fields.has(key));
    let attempts = fields.count("max_attempts")?;
    let retries = fields.count("max_retries")?;
    let max = match (attempts, retries) {
        (Some(0), _) => {
            return Err(Refusal::Unwritable("no attempt at all: no count of retries says that".into()));
        }
        (Some(attempts), _) => attempts - 1,
        (None, Some(retries)) => retries,
        (None, None) if is_endless => u32::MAX,
        (None, None) => RetryConfig::default().max,
    };
    Ok(if fields.switch("enabled")? == Some(false) { 0 } else { max })
}

fn backoff(
    shape: Option<Fields>,
    base: Duration,
    slot: usize,
    limits: &mut (Option<Duration>, Option<Duration>),
) -> Result<(Backoff, Option<Table>), Refusal> {
    let Some(mut shape) = shape else { return Ok(floored(Backoff::Constant, base, slot, limits.0)) };
    limits.0 = shape.millis("min_delay_ms")?.or(limits.0);
    limits.1 = shape.millis("max_delay_ms")?.or(limits.1);
    let word = shape.word("type")?.unwrap_or_else(|| "exponential".to_owned());
    let factor = shape.number("factor")?.unwrap_or(2.0);
    let increment = increment(&mut shape)?;
    let list = shape.words("list_ms")?;
    shape.finish()?;
    let made = match word.as_str() {
        "constant" | "fixed" => Backoff::Constant,
        "linear" => Backoff::Linear,
        "exponential" => Backoff::Exponential(factor),
        "incrementing" => match increment {
            Some(step) => {
                return Ok((waits::reader(slot), Some(Table::Steps { base, step, floor: limits.0 })));
            }
            None => return unknown("`incrementing` without `increment_ms`"),
        },
        "list" => return Ok((waits::reader(slot), Some(listed(list)?))),
        other => return unknown(format!("the runner does not know the backoff `{other}`")),
    };
    Ok(floored(made, base, slot, limits.0))
}

fn increment(shape: &mut Fields) -> Result<Option<Duration>, Refusal> {
    let increment = shape.millis("increment_ms").and_then(|long| Ok(long.or(shape.millis("increment")?)));
    match increment {
        Err(Refusal::Unwritable(_)) => lacks(Gap::ShrinkingWaits),
        increment => increment,
    }
}

/// A lower bound is no setting of the library; a function of one's own has it.
fn floored(made: Backoff, base: Duration, slot: usize, floor: Option<Duration>) -> (Backoff, Option<Table>) {
    match (floor, made) {
        (None, made) => (made, None),
        (Some(floor), Backoff::Exponential(factor)) => {
            (waits::reader(slot), Some(Table::Factor { base, factor, floor }))
        }
        (floor, Backoff::Linear) => (waits::reader(slot), Some(Table::Steps { base, step: base, floor })),
        (floor, _) => (waits::reader(slot), Some(Table::Steps { base, step: Duration::ZERO, floor })),
    }
}

fn listed(list: Option<Vec<String>>) -> Result<Table, Refusal> {
    let list: Result<Vec<u64>, _> = list.unwrap_or_default().iter().map(|wait| wait.parse()).collect();
    match list {
        Ok(list) if list.is_empty() => lacks(Gap::EmptyList),
        Ok(list) => Ok(Table::List(list.into_iter().map(Duration::from_millis).collect())),
        Err(_) => Err(Refusal::Unwritable("a wait that no `Duration` holds".to_owned())),
    }
}

/// Jitter is a range of factors; one of milliseconds says the same only of a wait that never changes.
fn spread(
    jitter: Option<Fields>,
    base: Duration,
    is_constant: bool,
    is_floored: bool,
) -> Result<Spread, Refusal> {
    let Some(mut jitter) = jitter else { return Ok(Spread { base, jitter: Jitter::None }) };
    let word = jitter.word("type")?.unwrap_or_else(|| "none".to_owned());
    let factor = jitter.number("factor")?;
    let by = jitter.millis("ms")?.map(|by| by.as_secs_f64());
    let to = jitter.millis("max_ms")?;
    jitter.finish()?;
    if is_floored && word != "none" {
        return lacks(Gap::JitterOnFloor);
    }
    let in_millis = |of: Duration, low: f64, high: f64| match of.as_secs_f64() {
        _ if !is_constant => lacks(Gap::JitterInMillis),
        0.0 => Ok(Spread { base: Duration::from_secs_f64(high), jitter: Jitter::Full }),
        wait if high / wait > 10.0 => lacks(Gap::JitterAboveTen),
        wait => Ok(Spread { base: of, jitter: Jitter::Range(low / wait, high / wait) }),
    };
    let own = base.as_secs_f64();
    match (word.as_str(), factor, by, to) {
        ("none", ..) => Ok(Spread { base, jitter: Jitter::None }),
        ("full", ..) => Ok(Spread { base, jitter: Jitter::Full }),
        ("equal", ..) => Ok(Spread { base, jitter: Jitter::Equal }),
        ("factor", Some(factor), ..) => {
            Ok(Spread { base, jitter: Jitter::Range(1.0 - factor, 1.0 + factor) })
        }
        ("plus_minus", _, Some(by), _) => in_millis(base, own - by, own + by),
        ("additive", _, Some(by), _) => in_millis(base, own, own + by),
        ("range", _, _, Some(to)) => in_millis(to, own, to.as_secs_f64()),
        _ => unknown(format!("the runner does not know the jitter `{word}` with these fields")),
    }
}

/// Returned values that are retried; the format leaves open how a retry calls them.
fn results(fields: &mut Fields) -> Result<Vec<String>, Refusal> {
    let names = ["fail_if_result", "retry_on_result", "retry_if_result"];
    let all: Result<Vec<_>, _> = names.into_iter().map(|name| fields.words(name)).collect();
    Ok(all?.into_iter().flatten().flatten().collect())
}

impl Judge {
    fn read(fields: &mut Fields) -> Result<Self, Refusal> {
        Ok(Self {
            retry_on: fields.words("retry_on")?,
            abort_on: fields.words("abort_on")?.unwrap_or_default(),
            on_message: fields.words("retry_on_message")?,
            on_cause: fields.words("retry_on_cause")?,
            on_result: results(fields)?,
            respects_wait: fields.switch("respect_retry_after")?.unwrap_or(false),
        })
    }

    /// Refusals of other policies are repeated only where a rule asks for it.
    fn rules(&self) -> &'static [Rule] {
        let asks = self.retry_on.iter().flatten().any(|word| listed_category(word) == Category::Rejected);
        if asks { const { &[Rule::new(Category::Rejected)] } } else { &[] }
    }

    /// Whether the lists leave it to the library to say what is retried.
    pub(crate) fn is_silent(&self) -> bool {
        self.retry_on.is_none() && self.on_message.is_none() && self.on_cause.is_none()
    }

    pub(crate) fn verdict(&self, answer: &Answer) -> Verdict {
        match answer {
            Ok(value) => is_listed(value, &self.on_result).then(|| Category::Unknown.into()),
            Err(error) => {
                let mut class = error.classify();
                if !self.respects_wait && error.refusal().is_none() {
                    class.retry_after = None;
                }
                match self.wants(error) {
                    Some(true) => Some(class.retry(Retryable::Backoff)),
                    Some(false) => Some(class.retry(Retryable::Never)),
                    None => Some(class),
                }
            }
        }
    }

    /// What the lists say of `error`; nothing if they are silent.
    fn wants(&self, error: &Failure) -> Option<bool> {
        if error.is_one_of(&self.abort_on) {
            return Some(false);
        }
        if self.is_silent() {
            return None;
        }
        let by_kind = self.retry_on.as_ref().is_some_and(|kinds| error.is_one_of(kinds));
        let by_cause = self.on_cause.as_ref().is_some_and(|kinds| error.is_caused_by(kinds));
        Some(by_kind || by_cause || self.on_message.as_ref().is_some_and(|texts| error.says_one_of(texts)))
    }
}

/// Whether `values` lists the returned `value`, with or without its `ok:`.
pub(crate) fn is_listed(value: &str, values: &[String]) -> bool {
    values.iter().any(|listed| listed == value || value.strip_prefix("ok:") == Some(listed))
}
