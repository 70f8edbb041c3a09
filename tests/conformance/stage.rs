//! The course of events of one scenario, on virtual time.

use crate::call::{Call, Ending};
use crate::fields::{Fields, Refusal, lacks, unknown};
use crate::gaps::Gap;
use crate::outcome::Outcome;
use crate::runs::Runs;
use crate::scenario::Scenario;
use crate::seen::{Admitted, Seen};
use crate::stack::Stack;
use crate::{breaker, classes, crowd};
use resilience::CircuitBreaker;
use resilience::testing::World;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// After so long a call is taken for one that never ends.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// So many attempts are made for the sake of the wait after the last of them, at most.
const MANY: u32 = 10_000;

/// Where a scenario is played: its world, its policies, and its open calls.
pub(crate) struct Stage<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) world: &'a World,
    pub(crate) stack: Arc<Stack>,
    pub(crate) start: Instant,
    pub(crate) executions: Arc<AtomicUsize>,
    /// How many events the making of the policies itself took.
    pub(crate) first_event: usize,
    pub(crate) runs: Option<Runs>,
    held: HashMap<String, Held>,
    /// The ids of all calls that were ever begun.
    begun: HashSet<String>,
}

struct Held {
    call: Arc<Call>,
    task: JoinHandle<Ending>,
    since: Instant,
    waits: usize,
    key: String,
}

impl<'a> Stage<'a> {
    pub(crate) fn new(scenario: &'a Scenario, world: &'a World, stack: Stack) -> Result<Self, Refusal> {
        let stack = Arc::new(stack);
        Ok(Self {
            scenario,
            world,
            runs: Runs::read(&scenario.config, &stack)?,
            stack,
            start: Instant::now(),
            executions: Arc::default(),
            first_event: world.events().len(),
            held: HashMap::new(),
            begun: HashSet::new(),
        })
    }

    /// Waits until `step` begins: at its time, or when the one before it is over.
    pub(crate) async fn arrive(&self, step: &Value) {
        let at = self.start + Duration::from_millis(step["at_ms"].as_u64().unwrap_or(0));
        if at > Instant::now() {
            tokio::time::sleep_until(at).await;
        }
        settled().await;
    }

    /// Does what `step` says, once.
    ///
    /// # Errors
    ///
    /// What cannot be done.
    pub(crate) async fn act(&mut self, step: &Value) -> Result<Seen, Refusal> {
        let mut fields = Fields::of("step", step)?;
        for words in ["at_ms", "expect", "times", "note", "intent"] {
            fields.take(words);
        }
        let what = fields.word("do")?.unwrap_or_default();
        let key = fields.words("key")?.unwrap_or_default().join("/");
        let seen = match what.as_str() {
            "call" => self.call(&mut fields, &key).await?,
            "begin" => self.begin(&mut fields, &key).await?,
            "end" => self.end(&mut fields).await?,
            "cancel" => self.cancel(&mut fields).await?,
            "parallel" => crowd::parallel(self, &mut fields, &key)?,
            "check" => Seen::of(key),
            "reset" => self.control(key, CircuitBreaker::reset)?,
            "set_state" => {
                let state = breaker::state(&fields.word("to")?.unwrap_or_default())?;
                self.control(key, |breaker| breaker.set_state(state))?
            }
            "delay" => self.delay(&mut fields)?,
            "run" | "start" | "recover" | "resume" | "fork" => self.run(&what, &mut fields).await?,
            "classify" => classes::classify(self.scenario, &mut fields)?,
            other => {
                return unknown(format!("the runner does not know the step `{other}`"));
            }
        };
        fields.finish()?;
        match &seen.ending {
            Some(Ending::Broken(panic)) => Err(Refusal::Broken(format!("a call panicked: {panic}"))),
            _ => Ok(seen),
        }
    }

    async fn call(&mut self, fields: &mut Fields, key: &str) -> Result<Seen, Refusal> {
        let script = script(fields)?;
        let arguments = fields.words("args")?.unwrap_or_default().join(",");
        let cancel = fields.millis("cancel_at_ms")?;
        let call = Arc::new(Call::new(script, &self.executions).with(key.to_owned(), arguments));
        let (since, waits) = (Instant::now(), self.world.waits().len());
        // A time of the scenario, like `at_ms`; one that is over already is meant from now on.
        let cut = cancel.map(|at| if self.start + at > since { self.start + at } else { since + at });
        let execution = self.stack.clone().execute(call.clone());
        let ending = match (tokio::time::timeout_at(cut.unwrap_or(since + FOREVER), execution).await, cut) {
            (Ok(ending), _) => ending,
            (Err(_), Some(_)) => Ending::Cancelled,
            (Err(_), None) => Ending::Hung,
        };
        Ok(self.seen(&call, Some(ending), since, waits, key.to_owned()))
    }

    fn seen(&self, call: &Call, ending: Option<Ending>, since: Instant, waits: usize, key: String) -> Seen {
        let admitted = match (call.runs(), &ending) {
            (1.., _) => Admitted::Yes,
            (0, None) => Admitted::Queued,
            (0, Some(_)) => Admitted::No,
        };
        let waits = self.world.waits().split_off(waits);
        Seen {
            admitted: Some(admitted),
            attempts: Some(call.attempts()),
            waits: Some(waits.into_iter().map(millis).collect()),
            elapsed: Some(millis(since.elapsed())),
            has_fallen_back: Some(call.has_fallen_back()),
            was_cut: Some(call.was_cut()),
            retry_after: ending
                .as_ref()
                .map(|ending| ending.rejection().and_then(resilience::Rejected::retry_after).map(millis)),
            ending,
            ..Seen::of(key)
        }
    }

    async fn begin(&mut self, fields: &mut Fields, key: &str) -> Result<Seen, Refusal> {
        let id = fields.word("id")?.unwrap_or_default();
        self.begun.insert(id.clone());
        let call = Arc::new(Call::held(&self.executions).with(key.to_owned(), String::new()));
        let (since, waits) = (Instant::now(), self.world.waits().len());
        let task = tokio::task::spawn_local(self.stack.clone().execute(call.clone()));
        settled().await;
        let mut held = Held { call, task, since, waits, key: key.to_owned() };
        if !held.task.is_finished() {
            let seen = self.seen(&held.call, None, since, waits, held.key.clone());
            self.held.insert(id, held);
            return Ok(seen);
        }
        let ending = ended(&mut held.task).await;
        Ok(self.seen(&held.call, Some(ending), since, waits, held.key))
    }

    fn take(&mut self, fields: &mut Fields) -> Result<Held, Refusal> {
        let id = fields.word("id")?.unwrap_or_default();
        let none = || match self.begun.contains(&id) {
            true => Refusal::Broken(format!("the call `{id}` ended before it was let end")),
            false => Refusal::Unsupported(Gap::Format, format!("no call `{id}` was begun")),
        };
        self.held.remove(&id).ok_or_else(none)
    }

    async fn end(&mut self, fields: &mut Fields) -> Result<Seen, Refusal> {
        let mut held = self.take(fields)?;
        held.call.end(script(fields)?);
        let ending = tokio::time::timeout(FOREVER, ended(&mut held.task)).await.unwrap_or(Ending::Hung);
        Ok(self.seen(&held.call, Some(ending), held.since, held.waits, held.key))
    }

    async fn cancel(&mut self, fields: &mut Fields) -> Result<Seen, Refusal> {
        let mut held = self.take(fields)?;
        held.task.abort();
        let ending = ended(&mut held.task).await;
        Ok(self.seen(&held.call, Some(ending), held.since, held.waits, held.key))
    }

    async fn run(&mut self, what: &str, fields: &mut Fields) -> Result<Seen, Refusal> {
        let id = fields.word("run_id")?.unwrap_or_default();
        let (changed, from) = (fields.words("changed_steps")?, fields.word("from_step")?);
        let cancel_before = fields.word("cancel_before")?;
        let Some(runs) = &mut self.runs else {
            return unknown("a run is asked for where no steps are");
        };
        match (what, from) {
            ("resume", _) => runs.resume(&id).await?,
            ("fork", Some(step)) => runs.fork(&id, &step).await?,
            ("fork", None) => return unknown("a fork from nowhere"),
            _ => {}
        }
        let was_under_way = runs.is_under_way(&id);
        runs.start(&id, changed, cancel_before);
        settled().await;
        settled().await;
        let ending = if what == "start" || was_under_way { None } else { runs.end(&id).await };
        let (ran, running) = (Some(runs.ran()), Some(runs.running().await));
        Ok(Seen { ending, ran, running, ..Seen::of(String::new()) })
    }

    fn control(&self, key: String, action: impl FnOnce(&CircuitBreaker)) -> Result<Seen, Refusal> {
        let Some(layer) = self.stack.breakers().next() else {
            return unknown("a state is set where no breaker is");
        };
        action(&layer.get(&key));
        Ok(Seen::of(key))
    }

    fn delay(&self, fields: &mut Fields) -> Result<Seen, Refusal> {
        let attempt = fields.count("attempt")?.unwrap_or(1);
        let samples = fields.count("samples")?.unwrap_or(1);
        match attempt {
            0 => return unknown("a wait before the first attempt"),
            1..=MANY => {}
            _ => return lacks(Gap::WaitAfterMany),
        }
        let Some(retry) = self.stack.retries().next() else {
            return unknown("a wait is asked for where no retry is");
        };
        Ok(Seen { samples: Some(retry.sample(attempt, samples)), ..Seen::of(String::new()) })
    }
}

pub(crate) fn script(fields: &mut Fields) -> Result<Vec<Outcome>, Refusal> {
    match fields.take("outcome") {
        Some(outcome) => match Outcome::parse_all(&outcome) {
            Ok(all) if all.iter().any(|one| matches!(one.end(), Outcome::Crash)) => {
                unknown("a call that crashes: only a run of steps goes on after a crash")
            }
            parsed => parsed.or_else(unknown),
        },
        None => Ok(vec![Outcome::Ok("ok".to_owned())]),
    }
}

pub(crate) fn millis(wait: Duration) -> f64 {
    wait.as_secs_f64() * 1000.0
}

/// Lets every open call go as far as it comes without waiting.
async fn settled() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

async fn ended(task: &mut JoinHandle<Ending>) -> Ending {
    match task.await {
        Ok(ending) => ending,
        Err(error) if error.is_cancelled() => Ending::Cancelled,
        Err(error) => Ending::Broken(error.to_string()),
    }
}
