//! `config.breaker`: read, and played.

use crate::failure::{Answer, Described, Failure};
use crate::fields::{Fields, Refusal, accepted, lacks, unknown};
use crate::gaps::Gap;
use crate::retry::is_listed;
use resilience::classify::{Category, Classify};
use resilience::policy::circuit_breaker::{CircuitBreakerConfig, State};
use resilience::policy::keyed::Keyed;
use resilience::policy::{CircuitBreaker, Ruling, Verdict};
use serde_json::Value;
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// A breaker of a stack.
#[derive(Debug)]
pub(crate) struct BreakerLayer {
    breakers: Breakers,
    plan: Plan,
    slot: usize,
    pub(crate) judge: Judge,
}

#[derive(Debug)]
enum Breakers {
    One(CircuitBreaker),
    PerKey(Keyed<CircuitBreaker>),
}

/// What a breaker is made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) config: CircuitBreakerConfig,
    pub(crate) initial: State,
}

/// What outcomes count as.
#[derive(Debug)]
pub(crate) struct Judge {
    ignore: Vec<String>,
    ignore_if: Vec<Described>,
    pub(crate) record: Option<Vec<String>>,
    on_result: Vec<String>,
}

pub(crate) const NAMES: [&str; 2] = ["breaker", "breaker_inner"];

thread_local! {
    /// What the breakers for new keys are made from: a function that makes one captures nothing.
    static PLANS: RefCell<[Option<Plan>; 2]> = const { RefCell::new([None, None]) };
}

impl Plan {
    fn make(&self, slot: usize) -> Result<CircuitBreaker, Refusal> {
        let breaker = accepted(CircuitBreaker::try_new(NAMES[slot], self.config))?;
        if self.initial != State::Closed {
            breaker.set_state(self.initial);
        }
        Ok(breaker)
    }
}

fn make(slot: usize) -> CircuitBreaker {
    let plan = PLANS.with(|plans| plans.borrow()[slot]);
    plan.and_then(|plan| plan.make(slot).ok()).unwrap_or_else(|| CircuitBreaker::new(NAMES[slot]))
}

/// A state by its name in scenarios, which is the library's, too.
pub(crate) fn state(word: &str) -> Result<State, Refusal> {
    let all =
        [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];
    match all.into_iter().find(|state| state.as_str() == word) {
        Some(state) => Ok(state),
        None => unknown(format!("the state `{word}` is not known")),
    }
}

impl BreakerLayer {
    pub(crate) fn read(mut fields: Fields, slot: usize) -> Result<Self, Refusal> {
        let config = trip(&mut fields)?;
        let judge = Judge {
            ignore: fields.words("ignore")?.unwrap_or_default(),
            ignore_if: described(&mut fields)?,
            record: fields.words("record")?,
            on_result: fields.words("fail_if_result")?.unwrap_or_default(),
        };
        let is_keyed = fields.switch("per_key")?.unwrap_or(false);
        let is_on = fields.switch("enabled")?.unwrap_or(true);
        let initial = match fields.word("initial_state")? {
            _ if !is_on => State::Disabled,
            Some(word) => state(&word)?,
            None => State::Closed,
        };
        let (growth, cap) = growth(&mut fields)?;
        let default = CircuitBreakerConfig::default();
        let probes = fields.count("half_open_permits")?.unwrap_or(default.probes);
        // By a rate, all probes are made before it is judged; here each of them has to succeed.
        let successes = match fields.word("half_open_rule")?.as_deref() {
            None | Some("successes") => default.successes,
            Some("rate") => probes,
            Some(other) => return unknown(format!("the rule `{other}` of a half-open breaker")),
        };
        let config = CircuitBreakerConfig {
            recovery: fields.millis("open_ms")?.unwrap_or(default.recovery),
            growth: growth.unwrap_or(default.growth),
            cap: cap.or(growth.map(|_| Duration::MAX)),
            probes,
            successes: fields.count("success_threshold")?.unwrap_or(successes),
            ..config
        };
        fields.finish()?;
        let plan = Plan { config, initial };
        let one = plan.make(slot)?;
        let per_key = if slot == 0 { || make(0) } else { || make(1) };
        let breakers = if is_keyed { Breakers::PerKey(Keyed::new(per_key)) } else { Breakers::One(one) };
        Ok(Self { breakers, plan, slot, judge })
    }

    /// Makes the settings known to this thread, where a new key may come up.
    pub(crate) fn enter_thread(&self) {
        PLANS.with(|plans| plans.borrow_mut()[self.slot] = Some(self.plan));
    }

    pub(crate) const fn plan(&self) -> &Plan {
        &self.plan
    }

    pub(crate) fn get(&self, key: &str) -> impl Deref<Target = CircuitBreaker> + '_ {
        match &self.breakers {
            Breakers::One(breaker) => Found::Lent(breaker),
            Breakers::PerKey(keyed) => Found::Shared(keyed.get(key)),
        }
    }
}

enum Found<'a> {
    Lent(&'a CircuitBreaker),
    Shared(Arc<CircuitBreaker>),
}

impl Deref for Found<'_> {
    type Target = CircuitBreaker;

    fn deref(&self) -> &CircuitBreaker {
        match self {
            Self::Lent(breaker) => breaker,
            Self::Shared(breaker) => breaker,
        }
    }
}

/// When it trips: by how many failures or which share of them, inside which window.
fn trip(fields: &mut Fields) -> Result<CircuitBreakerConfig, Refusal> {
    let trip = fields.word("trip")?.unwrap_or_else(|| "consecutive".to_owned());
    let default = CircuitBreakerConfig::default();
    let threshold = fields.count("failure_threshold")?.unwrap_or(default.threshold);
    let rate = fields.number("failure_ratio")?;
    let min_calls = fields.count("min_calls")?.unwrap_or(default.min_calls);
    let slow = fields.millis("slow_call_ms")?;
    let slow_rate = fields.number("slow_ratio")?.unwrap_or(default.slow_rate);
    let mut config = CircuitBreakerConfig { threshold, rate, min_calls, slow, slow_rate, ..default };
    let window = fields.object("window")?.map(|mut window| {
        let read = (window.word("type")?, window.count("size")?, window.millis("ms")?);
        window.finish().map(|()| read)
    });
    let Some((word, size, time)) = window.transpose()? else {
        return match trip.as_str() {
            "consecutive" | "rate" => Ok(config),
            _ => unknown(format!("the trip `{trip}` without a window")),
        };
    };
    match (trip.as_str(), word.as_deref()) {
        ("count" | "rate", Some("time")) => config.window = time,
        ("rate", Some("count")) => config.window_calls = size,
        // The last n calls hold n failures: n failures in a row.
        ("count", Some("count")) if size == Some(threshold) => {}
        // A share of as many failures, where fewer calls than the window has cannot reach it with fewer failures.
        ("count", Some("count"))
            if size.is_some_and(|size| threshold * threshold > size * (threshold - 1)) =>
        {
            config.rate = size.map(|size| f64::from(threshold) / f64::from(size));
            (config.window_calls, config.min_calls) = (size, threshold);
        }
        ("count", Some("count")) => return lacks(Gap::CountWindow),
        _ => return unknown(format!("the trip `{trip}` with a window")),
    }
    Ok(config)
}

fn growth(fields: &mut Fields) -> Result<(Option<f64>, Option<Duration>), Refusal> {
    let Some(mut growth) = fields.object("open_backoff")? else { return Ok((None, None)) };
    let factor = growth.number("factor")?;
    let cap = growth.millis("max_ms")?.or(growth.millis("max_open_ms")?);
    growth.finish()?;
    Ok((factor, cap))
}

/// Errors described by what they contain, and perhaps by their kind.
fn described(fields: &mut Fields) -> Result<Vec<Described>, Refusal> {
    let all = match fields.take("ignore_if") {
        None => Vec::new(),
        Some(Value::Array(all)) => all,
        Some(one) => vec![one],
    };
    let read = |value: Value| match value {
        Value::String(content) => Ok(Described { kind: None, content: Some(content) }),
        value => {
            let mut fields = Fields::of("ignore_if", &value)?;
            let kind = fields.word("kind")?;
            let content = fields.word("content")?.or(fields.word("message")?).or(fields.word("contains")?);
            fields.finish()?;
            Ok(Described { kind, content })
        }
    };
    all.into_iter().map(read).collect()
}

impl Judge {
    /// What `answer` counts as, the lists before the category.
    pub(crate) fn ruling(&self, answer: &Answer) -> (Verdict, Ruling) {
        match answer {
            Ok(value) if is_listed(value, &self.on_result) => (Some(Category::Unknown.into()), Ruling::Yes),
            Ok(_) => (None, Ruling::ByCategory),
            Err(error) => (Some(error.classify()), self.of(error)),
        }
    }

    fn of(&self, error: &Failure) -> Ruling {
        if error.is_one_of(&self.ignore) || self.ignore_if.iter().any(|described| error.fits(described)) {
            return Ruling::Exempt;
        }
        match &self.record {
            Some(record) if error.is_one_of(record) => Ruling::Yes,
            Some(_) => Ruling::No,
            None => Ruling::ByCategory,
        }
    }
}
