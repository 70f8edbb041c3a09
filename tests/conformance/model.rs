//! A slow reference model of the library: what a scenario comes to, by the design or without one of its rules.
//!
//! It shares no code with the library, only the reading of outcomes with the rest of the runner. Where it has
//! no answer it says nothing, and then nothing is explained.

use crate::design::Rule;
use crate::failure::AppError;
use crate::gate::{Counted, Gate, GateConfig, Ticket};
use crate::outcome::Outcome;
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Expectations as scenarios write them, by field; `metrics.retries` names one inside a group.
pub(crate) type Facts = BTreeMap<String, Value>;

/// Rounding of milliseconds.
const CLOSE: f64 = 1e-3;

const CATEGORIES: [&str; 15] = [
    "timeout",
    "rate_limited",
    "connection",
    "unavailable",
    "transient",
    "resource",
    "corrupt",
    "conflict",
    "auth",
    "not_found",
    "invalid",
    "permanent",
    "cancelled",
    "rejected",
    "unknown",
];
const RETRIED: [&str; 6] = ["timeout", "rate_limited", "connection", "unavailable", "transient", "unknown"];
const ANSWERED: [&str; 5] = ["conflict", "auth", "not_found", "invalid", "permanent"];
const COUNTED_AS_NOTHING: [&str; 2] = ["cancelled", "rejected"];

/// How a call or a part of it ends.
#[derive(Clone, Debug, PartialEq)]
enum End {
    Ok(String),
    Err(AppError),
    Open,
    Timeout,
    Panic,
    /// Dropped by a limit further out.
    Cut,
    /// The process went away.
    Crash,
}

enum Layer {
    Retry { schedule: Schedule, lists: Lists },
    Breaker { slot: usize, config: GateConfig, lists: Lists },
    Timeout(f64),
    Fallback { outcome: Value, lists: Lists },
}

/// The lists of words of one policy.
#[derive(Default)]
struct Lists(Map<String, Value>);

struct Call {
    script: Vec<Outcome>,
    key: String,
    arguments: String,
    /// When the caller drops it.
    cancel: f64,
    runs: usize,
    attempts: usize,
    delays: Vec<(f64, f64)>,
    has_fallen_back: bool,
    /// Whether a run of the function was dropped before its end.
    was_cut: bool,
}

/// The model of one scenario while it is played.
pub(crate) struct Model<'a> {
    scenario: &'a Scenario,
    off: &'a [Rule],
    /// The waits that were seen, if the model follows a scenario that was played.
    seen: Option<std::slice::Iter<'a, f64>>,
    layers: Vec<Layer>,
    now: f64,
    /// How much longer than `now` it may have taken, by jitter that was not seen.
    slack: f64,
    gates: HashMap<(usize, String), Gate>,
    held: HashMap<String, (Ticket, f64, String)>,
    executions: usize,
    retries: usize,
    timeouts: usize,
    answers: usize,
    steps: HashMap<String, usize>,
    runs: HashMap<String, Run>,
    /// Whether somebody set a state, which other libraries tell of in other words.
    was_controlled: bool,
}

#[derive(Default)]
struct Run {
    recorded: Vec<String>,
    is_done: bool,
}

/// What the step number `step` shows the `time`th time, without the rules `off`.
///
/// With the waits that were seen, jitter is checked in place of being a range.
pub(crate) fn facts(
    scenario: &Scenario,
    off: &[Rule],
    waits: Option<&[f64]>,
    step: usize,
    time: u64,
) -> Option<Facts> {
    let mut model = Model {
        scenario,
        off,
        seen: waits.map(<[f64]>::iter),
        layers: layers(&scenario.config)?,
        now: 0.0,
        slack: 0.0,
        gates: HashMap::new(),
        held: HashMap::new(),
        executions: 0,
        retries: 0,
        timeouts: 0,
        answers: 0,
        steps: HashMap::new(),
        runs: HashMap::new(),
        was_controlled: false,
    };
    for (number, value) in scenario.steps.iter().enumerate().take(step + 1) {
        model.now = model.now.max(value["at_ms"].as_f64().unwrap_or(0.0));
        let times = value["times"].as_u64().unwrap_or(1);
        for played in 1..=times {
            let facts = model.act(value)?;
            if (number, played) == (step, time) {
                return Some(facts);
            }
        }
    }
    None
}

fn layers(config: &Value) -> Option<Vec<Layer>> {
    let families = ["fallback", "retry", "breaker", "timeout"];
    let order: Vec<String> = match config["order"].as_array() {
        Some(order) => order.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        None => {
            families.iter().filter(|name| !config[**name].is_null()).map(|name| (*name).to_owned()).collect()
        }
    };
    order.iter().map(|name| layer(name, &config[name])).collect()
}

fn layer(name: &str, policy: &Value) -> Option<Layer> {
    let slot = usize::from(name.ends_with("_inner"));
    let lists = Lists(policy.as_object()?.clone());
    let is_described = policy["ignore_if"].as_array().is_some_and(|all| all.iter().any(Value::is_object));
    if is_described || policy["ignore_if"].is_object() {
        return None;
    }
    Some(match name.trim_end_matches("_inner") {
        "retry" => Layer::Retry { schedule: Schedule::read(policy)?, lists },
        "breaker" => Layer::Breaker { slot, config: GateConfig::read(policy)?, lists },
        "timeout" => Layer::Timeout(policy["ms"].as_f64()?),
        "fallback" => Layer::Fallback { outcome: policy["outcome"].clone(), lists },
        _ => return None,
    })
}

impl Lists {
    fn list(&self, key: &str) -> Option<Vec<&str>> {
        match self.0.get(key)? {
            Value::Array(all) => Some(all.iter().filter_map(Value::as_str).collect()),
            one => one.as_str().map(|one| vec![one]),
        }
    }

    /// Whether the list `key` names `end`; nothing where there is no such list.
    fn names(&self, key: &str, end: &End) -> Option<bool> {
        let list = self.list(key)?;
        Some(match end {
            End::Err(error) => error.chain().any(|error| list.contains(&error.kind.as_str())),
            End::Open => list.contains(&"open"),
            End::Timeout => list.contains(&"timeout"),
            End::Ok(value) => {
                list.iter().any(|listed| listed == value || value.strip_prefix("ok:") == Some(listed))
            }
            End::Panic | End::Cut | End::Crash => false,
        })
    }

    /// Whether the list `key` names a source of `end`.
    fn names_cause(&self, key: &str, end: &End) -> Option<bool> {
        let list = self.list(key)?;
        let End::Err(error) = end else { return Some(false) };
        Some(error.chain().skip(1).any(|error| list.contains(&error.kind.as_str())))
    }

    fn quotes(&self, key: &str, end: &End) -> Option<bool> {
        let texts = self.list(key)?;
        let End::Err(error) = end else { return Some(false) };
        let mut contents = error.chain().filter_map(|error| error.content.as_ref());
        Some(contents.any(|content| texts.iter().any(|text| content.contains(text))))
    }
}

/// The category by which an error is judged: the first known one of its chain.
fn category(error: &AppError) -> &'static str {
    let known = |error: &AppError| CATEGORIES.into_iter().find(|category| *category == error.kind);
    error.chain().find_map(known).unwrap_or("unknown")
}

fn stated(end: &End) -> Option<f64> {
    let End::Err(error) = end else { return None };
    error.chain().find_map(|error| error.wait).map(crate::stage::millis)
}

impl Model<'_> {
    fn is_on(&self, rule: Rule) -> bool {
        !self.off.contains(&rule)
    }

    fn act(&mut self, step: &Value) -> Option<Facts> {
        let key = match &step["key"] {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("/"),
            one => one.as_str().unwrap_or_default().to_owned(),
        };
        let mut facts = match step["do"].as_str()? {
            "call" => self.call(step, &key)?,
            "check" => Facts::new(),
            "begin" => self.begin(step, &key)?,
            "end" | "cancel" => self.end(step)?,
            "reset" => self.set_state("closed", &key)?,
            "set_state" => self.set_state(step["to"].as_str()?, &key)?,
            "delay" => self.delay(step)?,
            "run" | "recover" | "resume" | "fork" => self.run_of_steps(step)?,
            _ => return None,
        };
        // Runs of steps are counted by `step_executions`.
        if self.scenario.setting(&["checkpoint"]).is_null() {
            facts.insert("executions".to_owned(), json!(self.executions));
        }
        facts.insert("metrics.retries".to_owned(), json!(self.retries));
        for (slot, field) in ["state", "inner_state"].into_iter().enumerate() {
            if let Some(gate) = self.gate(slot, &key) {
                facts.insert(field.to_owned(), json!(gate.state()));
            }
        }
        let now = self.now;
        if let Some(gate) = self.gate(0, &key) {
            let inside = gate.calls_inside(now);
            let counts = [
                ("metrics.consecutive_failures", gate.failures_in_a_row()),
                ("metrics.failures", gate.failures_inside(now).or(inside.map(|(_, failures)| failures))),
                ("metrics.calls", inside.map(|(calls, _)| calls)),
                ("metrics.successes", inside.map(|(calls, failures)| calls - failures)),
                ("metrics.not_permitted", Some(gate.rejected() as usize)),
            ];
            for (field, count) in counts {
                if let Some(count) = count {
                    facts.insert(field.to_owned(), json!(count));
                }
            }
        }
        let rejected: u32 = self.gates.values().map(Gate::rejected).sum();
        for name in ["retry", "retries"] {
            facts.insert(format!("events_count.{name}"), json!(self.retries));
        }
        for name in ["rejected", "not_permitted"] {
            facts.insert(format!("events_count.{name}"), json!(rejected));
        }
        facts.insert("events_count.timeout".to_owned(), json!(self.timeouts));
        facts.insert("events_count.fallback".to_owned(), json!(self.answers));
        if !self.was_controlled && self.gates.len() == 1 {
            let transitions = self.gates.values().flat_map(Gate::transitions).collect::<Vec<_>>();
            for (name, end) in [("opened", ">open"), ("half_opened", ">half_open"), ("closed", ">closed")] {
                let count = transitions.iter().filter(|one| one.ends_with(end)).count();
                facts.insert(format!("events_count.{name}"), json!(count));
            }
            facts.insert("events".to_owned(), json!(transitions));
        }
        Some(facts)
    }

    /// The breaker number `slot` of the stack, for `key`.
    fn gate(&mut self, slot: usize, key: &str) -> Option<&mut Gate> {
        let config = self.layers.iter().find_map(|layer| match layer {
            Layer::Breaker { slot: its, config, .. } if *its == slot => Some(config.clone()),
            _ => None,
        })?;
        Some(self.gate_of(slot, config, key))
    }

    fn set_state(&mut self, state: &str, key: &str) -> Option<Facts> {
        self.was_controlled = true;
        let now = self.now;
        self.gate(0, key)?.set(state, now);
        Some(Facts::new())
    }

    fn delay(&mut self, step: &Value) -> Option<Facts> {
        let is_on = self.is_on(Rule::CapJitter);
        let schedule = self.layers.iter().find_map(|layer| match layer {
            Layer::Retry { schedule, .. } => Some(schedule),
            _ => None,
        })?;
        let range = schedule.own(step["attempt"].as_u64().unwrap_or(1) - 1, is_on);
        let range = json!([range.0, range.1]);
        Some([("delay_ms".to_owned(), range.clone()), ("mean_ms".to_owned(), range)].into())
    }

    fn call(&mut self, step: &Value, key: &str) -> Option<Facts> {
        let script = match &step["outcome"] {
            Value::Null => vec![Outcome::Ok("ok".to_owned())],
            outcome => Outcome::parse_all(outcome).ok()?,
        };
        let since = self.now;
        self.slack = 0.0;
        let cancel = step["cancel_at_ms"].as_f64();
        let mut call = Call {
            arguments: words(&step["args"]).join(","),
            cancel: cancel.map_or(f64::INFINITY, |at| if at > since { at } else { since + at }),
            ..Call::new(script, key)
        };
        let layers = std::mem::take(&mut self.layers);
        let end = self.run(&layers, &mut call, f64::INFINITY);
        self.layers = layers;
        let end = end?;
        let elapsed = self.now - since;
        let mut facts = Facts::new();
        let mut fact = |name: &str, value: Value| facts.insert(name.to_owned(), value);
        fact("result", json!(end.word()));
        fact("admitted", json!(call.runs > 0));
        fact("attempts", json!(call.attempts.max(call.runs)));
        fact("elapsed_ms", json!([elapsed, elapsed + self.slack]));
        fact("fallback_called", json!(call.has_fallen_back));
        fact("work_cancelled", json!(call.was_cut));
        if end != End::Cut {
            let delays = call.delays.iter().map(|(low, high)| json!([low, high]));
            fact("delays_ms", Value::Array(delays.collect()));
        }
        Some(facts)
    }

    /// A part of the stack, whose timeouts end at `limit` at the latest.
    fn run(&mut self, layers: &[Layer], call: &mut Call, limit: f64) -> Option<End> {
        let Some((layer, inner)) = layers.split_first() else { return self.body(call, limit) };
        match layer {
            Layer::Retry { schedule, lists } => self.retry(schedule, lists, inner, call, limit),
            Layer::Timeout(ms) => {
                let own = self.now + ms;
                let end = self.run(inner, call, limit.min(own))?;
                if end != End::Cut || self.now < own {
                    return Some(end);
                }
                self.timeouts += 1;
                Some(End::Timeout)
            }
            Layer::Breaker { slot, lists, .. } => {
                let now = self.now;
                let Some(ticket) = self.gate_in(layers, *slot, &call.key)?.admit(now) else {
                    return Some(End::Open);
                };
                let end = self.run(inner, call, limit)?;
                let (counted, now) = (self.counted(lists, &end, call), self.now);
                self.gate_in(layers, *slot, &call.key)?.settle(ticket, counted, now, stated(&end));
                Some(end)
            }
            Layer::Fallback { outcome, lists } => {
                let end = self.run(inner, call, limit)?;
                self.fallback(outcome, lists, end, call, limit)
            }
        }
    }

    /// As `gate`, while the layers are borrowed by the call.
    fn gate_in(&mut self, layers: &[Layer], slot: usize, key: &str) -> Option<&mut Gate> {
        let Some(Layer::Breaker { config, .. }) = layers.first() else { return None };
        Some(self.gate_of(slot, config.clone(), key))
    }

    fn gate_of(&mut self, slot: usize, mut config: GateConfig, key: &str) -> &mut Gate {
        config.judges_probes_by_rate &= !self.is_on(Rule::ProbesOneByOne);
        let key = if config.is_keyed { key } else { "" };
        self.gates.entry((slot, key.to_owned())).or_insert_with(|| Gate::new(config))
    }

    fn body(&mut self, call: &mut Call, limit: f64) -> Option<End> {
        let outcome = call.script.get(call.runs).or(call.script.last())?.clone();
        call.runs += 1;
        self.executions += 1;
        let end = self.play(outcome, limit.min(call.cancel));
        call.was_cut |= end == Some(End::Cut);
        end
    }

    fn play(&mut self, outcome: Outcome, limit: f64) -> Option<End> {
        match outcome {
            Outcome::Ok(value) => Some(End::Ok(value)),
            Outcome::Err(error) => Some(End::Err(error)),
            Outcome::Panic => Some(End::Panic),
            Outcome::Crash => Some(End::Crash),
            Outcome::Hang if limit.is_infinite() => None,
            Outcome::Hang => {
                self.now = limit;
                Some(End::Cut)
            }
            Outcome::Slow(wait, then) => {
                let then_at = self.now + crate::stage::millis(wait);
                if then_at > limit {
                    self.now = limit;
                    return Some(End::Cut);
                }
                self.now = then_at;
                self.play(*then, limit)
            }
        }
    }

    fn counted(&self, lists: &Lists, end: &End, call: &Call) -> Counted {
        let is_ignored =
            lists.names("ignore", end) == Some(true) || lists.quotes("ignore_if", end) == Some(true);
        match end {
            End::Ok(_) if lists.names("fail_if_result", end) == Some(true) => Counted::Failure,
            End::Ok(_) => Counted::Success,
            End::Crash => Counted::Nothing,
            End::Cut if self.now >= call.cancel => Counted::Nothing,
            End::Cut => Counted::Failure,
            End::Panic if self.is_on(Rule::PanicCountsAsNothing) => Counted::Nothing,
            End::Panic => Counted::Failure,
            _ if is_ignored => Counted::Nothing,
            End::Err(_) | End::Open | End::Timeout => match (lists.names("record", end), end) {
                (Some(true), _) => Counted::Failure,
                (Some(false), _) => Counted::Success,
                (None, _) if !self.is_on(Rule::CategoryCounts) => Counted::Failure,
                (None, End::Open) => Counted::Nothing,
                (None, End::Err(error)) if ANSWERED.contains(&category(error)) => Counted::Success,
                (None, End::Err(error)) if COUNTED_AS_NOTHING.contains(&category(error)) => Counted::Nothing,
                (None, _) => Counted::Failure,
            },
        }
    }

    fn fallback(
        &mut self,
        outcome: &Value,
        lists: &Lists,
        end: End,
        call: &mut Call,
        limit: f64,
    ) -> Option<End> {
        let is_error = matches!(end, End::Err(_) | End::Open | End::Timeout);
        let is_left = lists.names("on", &end) == Some(false) || lists.names("skip", &end) == Some(true);
        let is_cancelled = matches!(&end, End::Err(error) if category(error) == "cancelled");
        let is_spared = is_cancelled && lists.list("on").is_none() && !self.is_on(Rule::EveryErrorIsAnswered);
        if !is_error || is_left || is_spared {
            return Some(end);
        }
        call.has_fallen_back = true;
        let answer = match outcome.as_str() {
            Some("echo_error") => End::Ok(format!("ok:{}", end.word())),
            Some("echo_args") => End::Ok(format!("ok:{}", call.arguments)),
            _ => {
                let outcome = Outcome::parse_all(outcome).ok()?.swap_remove(0);
                self.play(outcome, limit.min(call.cancel))?
            }
        };
        Some(match answer {
            End::Err(_) if self.is_on(Rule::FirstError) => end,
            answer => {
                self.answers += usize::from(matches!(answer, End::Ok(_)));
                answer
            }
        })
    }

    fn retry(
        &mut self,
        schedule: &Schedule,
        lists: &Lists,
        inner: &[Layer],
        call: &mut Call,
        limit: f64,
    ) -> Option<End> {
        let (start, mut made, mut once) = (self.now, 0, false);
        let is_innermost = !inner.iter().any(|layer| matches!(layer, Layer::Retry { .. }));
        loop {
            call.attempts += usize::from(is_innermost);
            let end = self.run(inner, call, limit)?;
            if !self.wants(lists, &end, &mut once) || made >= schedule.retries {
                return Some(end);
            }
            let (low, high) = self.wait(schedule, lists, inner, &end, made, call);
            let latest = limit.min(schedule.give_up.map_or(f64::INFINITY, |after| start + after + CLOSE));
            let wait = match &self.seen {
                Some(seen) if high - low > CLOSE => {
                    // One that is not made is not seen: it was too long, or it is not the next one.
                    match seen.as_slice().first() {
                        Some(next) if (low - CLOSE..=high + CLOSE).contains(next) => *next,
                        _ => high,
                    }
                }
                _ => low,
            };
            if self.is_on(Rule::NoWaitWithoutTime) {
                if self.now + wait >= latest {
                    return Some(end);
                }
            } else if schedule.give_up.is_some_and(|after| self.now - start >= after) {
                return Some(end);
            }
            if let Some(seen) = &mut self.seen {
                let next = seen.next()?;
                if !(low - CLOSE..=high + CLOSE).contains(next) {
                    return None;
                }
            } else {
                self.slack += high - low;
            }
            made += 1;
            self.retries += 1;
            let cut = limit.min(call.cancel);
            if self.now + wait > cut {
                self.now = cut;
                return Some(End::Cut);
            }
            // The clock of the runtime goes on in whole milliseconds.
            self.slack += if wait.fract() > CLOSE { 1.0 } else { 0.0 };
            self.now += wait;
            call.delays.push((low, high));
        }
    }

    fn wants(&self, lists: &Lists, end: &End, once: &mut bool) -> bool {
        match end {
            End::Panic | End::Cut | End::Crash => return false,
            End::Ok(_) => {
                let keys = ["fail_if_result", "retry_on_result", "retry_if_result"];
                return keys.iter().any(|key| lists.names(key, end) == Some(true));
            }
            _ if lists.names("abort_on", end) == Some(true) => return false,
            _ => {}
        }
        let lists_of_errors = [
            lists.names("retry_on", end),
            lists.quotes("retry_on_message", end),
            lists.names_cause("retry_on_cause", end),
        ];
        if lists_of_errors.iter().any(Option::is_some) {
            return lists_of_errors.contains(&Some(true));
        }
        match end {
            End::Open => !self.is_on(Rule::RejectionEnds),
            End::Err(error) if self.is_on(Rule::CategoryRetries) => match category(error) {
                "conflict" => !std::mem::replace(once, true),
                category => RETRIED.contains(&category),
            },
            _ => true,
        }
    }

    /// The range of the wait before retry number `made`, from 0.
    fn wait(
        &mut self,
        schedule: &Schedule,
        lists: &Lists,
        inner: &[Layer],
        end: &End,
        made: u64,
        call: &Call,
    ) -> (f64, f64) {
        let own = schedule.own(made, self.is_on(Rule::CapJitter));
        let respects = lists.0.get("respect_retry_after") == Some(&Value::Bool(true));
        let (now, is_waited_for) = (self.now, self.is_on(Rule::RejectionIsWaitedFor));
        let asked = match end {
            End::Open if is_waited_for => inner.iter().enumerate().find_map(|(place, layer)| match layer {
                Layer::Breaker { slot, .. } => {
                    self.gate_in(&inner[place..], *slot, &call.key)?.opens_at().map(|until| until - now)
                }
                _ => None,
            }),
            End::Err(_) if respects => stated(end),
            _ => None,
        };
        match asked {
            Some(asked) if self.is_on(Rule::NeverUndercut) || *end == End::Open => {
                let spread = if schedule.is_jittered() { 1.1 } else { 1.0 };
                (own.0.max(asked), own.1.max(asked * spread))
            }
            Some(asked) => (asked.min(schedule.cap), asked.min(schedule.cap)),
            None => own,
        }
    }

    /// A call that enters, and is held open. Only a breaker alone looks at one.
    fn begin(&mut self, step: &Value, key: &str) -> Option<Facts> {
        if self.layers.iter().any(|layer| !matches!(layer, Layer::Breaker { slot: 0, .. })) {
            return None;
        }
        let now = self.now;
        let ticket = match self.gate(0, key) {
            Some(gate) => gate.admit(now),
            None => Some(Ticket::default()),
        };
        if let Some(ticket) = ticket {
            self.executions += 1;
            self.held.insert(step["id"].as_str()?.to_owned(), (ticket, now, key.to_owned()));
        }
        Some([("admitted".to_owned(), json!(ticket.is_some()))].into())
    }

    fn end(&mut self, step: &Value) -> Option<Facts> {
        let (ticket, since, key) = self.held.remove(step["id"].as_str()?)?;
        let mut call = Call::new(Vec::new(), &key);
        let end = match (step["do"].as_str(), &step["outcome"]) {
            (Some("cancel"), _) => {
                call.cancel = self.now;
                End::Cut
            }
            (_, Value::Null) => End::Ok("ok".to_owned()),
            (_, outcome) => {
                let outcome = Outcome::parse_all(outcome).ok()?.swap_remove(0);
                self.play(outcome, f64::INFINITY)?
            }
        };
        let now = self.now;
        let counted = self.layers.iter().find_map(|layer| match layer {
            Layer::Breaker { lists, .. } => Some(self.counted(lists, &end, &call)),
            _ => None,
        });
        if let (Some(counted), Some(gate)) = (counted, self.gate(0, &key)) {
            gate.settle(ticket, counted, now, stated(&end));
        }
        let elapsed = ("elapsed_ms".to_owned(), json!(now - since));
        Some([("result".to_owned(), json!(end.word())), elapsed].into())
    }

    /// A run of recorded steps.
    fn run_of_steps(&mut self, step: &Value) -> Option<Facts> {
        let plan = self.scenario.setting(&["checkpoint", "steps"]).as_array()?;
        let goes_on = *self.scenario.setting(&["checkpoint", "continue_on_error"]) == true;
        let name = |step: &Value| step["name"].as_str().unwrap_or_default().to_owned();
        let names: Vec<String> = plan.iter().map(name).collect();
        let id = step["run_id"].as_str().unwrap_or_default().to_owned();
        let mut run = self.runs.remove(&id).unwrap_or_default();
        if step["do"] == "fork" {
            let from = names.iter().position(|name| step["from_step"] == *name)?;
            let dropped: BTreeSet<_> = names.iter().skip(from).collect();
            run.recorded.retain(|name| !dropped.contains(name));
            run.is_done = false;
        }
        let wanted = match words(&step["changed_steps"]) {
            changed if changed.is_empty() => names.clone(),
            changed => changed.into_iter().map(str::to_owned).collect(),
        };
        let (mut ran, mut result) = (Vec::new(), "ok".to_owned());
        let is_moved = wanted.iter().zip(&run.recorded).any(|(wanted, recorded)| wanted != recorded);
        if is_moved && !self.is_on(Rule::StepsByName) {
            result = "err:unexpected_step".to_owned();
        } else if !run.is_done {
            for wanted in wanted {
                if run.recorded.contains(&wanted) {
                    continue;
                }
                ran.push(wanted.clone());
                match self.one_step(plan, &wanted)? {
                    End::Ok(_) => run.recorded.push(wanted),
                    End::Crash => {
                        result = "crashed".to_owned();
                        break;
                    }
                    _ if goes_on => {}
                    end => {
                        result = end.word();
                        break;
                    }
                }
            }
            run.is_done = result == "ok";
            // What a run that failed does when it is called once more is not the model's.
            let may_go_on = result == "ok" || result == "crashed";
            if may_go_on {
                self.runs.insert(id, run);
            }
        }
        let mut facts: Facts = [("result".to_owned(), json!(result)), ("ran".to_owned(), json!(ran))].into();
        for name in &names {
            let count = self.steps.get(name).copied().unwrap_or_default();
            facts.insert(format!("step_executions.{name}"), json!(count));
        }
        Some(facts)
    }

    fn one_step(&mut self, plan: &[Value], name: &str) -> Option<End> {
        let Some(step) = plan.iter().find(|step| step["name"] == name) else {
            return Some(End::Ok("ok".to_owned()));
        };
        let done = self.steps.get(name).copied().unwrap_or_default();
        let outcomes = match words(&step["outcomes"]) {
            none if none.is_empty() => vec!["ok"],
            outcomes => outcomes,
        };
        let rest = outcomes
            .get(done..)
            .filter(|rest| !rest.is_empty())
            .or(outcomes.last().map(std::slice::from_ref))?;
        let script: Result<Vec<_>, _> = rest.iter().map(|text| Outcome::parse(text)).collect();
        let mut call = Call::new(script.ok()?, "");
        let layers = std::mem::take(&mut self.layers);
        let end = self.run(&layers, &mut call, f64::INFINITY);
        self.layers = layers;
        self.steps.insert(name.to_owned(), done + call.runs);
        end
    }
}

fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        one => one.as_str().into_iter().collect(),
    }
}

impl Call {
    fn new(script: Vec<Outcome>, key: &str) -> Self {
        Self {
            script,
            key: key.to_owned(),
            arguments: String::new(),
            cancel: f64::INFINITY,
            runs: 0,
            attempts: 0,
            delays: Vec::new(),
            has_fallen_back: false,
            was_cut: false,
        }
    }
}

impl End {
    fn word(&self) -> String {
        match self {
            Self::Ok(value) => value.clone(),
            Self::Err(error) => format!("err:{error}"),
            Self::Open => "rejected:open".to_owned(),
            Self::Timeout => "timeout".to_owned(),
            Self::Panic => "panic".to_owned(),
            Self::Cut => "cancelled".to_owned(),
            Self::Crash => "crashed".to_owned(),
        }
    }
}

/// Whether `fact` can be what `expected` means.
pub(crate) fn fits(expected: &Value, fact: &Value) -> bool {
    let range = |value: &Value| match value {
        Value::Array(ends) => match ends.as_slice() {
            [low, high] => Some((low.as_f64()?, high.as_f64()?)),
            _ => None,
        },
        one => one.as_f64().map(|one| (one, one)),
    };
    match (range(expected), range(fact)) {
        (Some(expected), Some(fact)) => expected.0 <= fact.1 + CLOSE && fact.0 <= expected.1 + CLOSE,
        _ => match (expected, fact) {
            (Value::Array(expected), Value::Array(facts)) => {
                expected.len() == facts.len()
                    && expected.iter().zip(facts).all(|(expected, fact)| fits(expected, fact))
            }
            (Value::String(expected), Value::String(fact)) => says(expected, fact),
            _ => expected == fact,
        },
    }
}

/// Whether the result `fact` is the one that `expected` writes, or a wrapper of it.
fn says(expected: &str, fact: &str) -> bool {
    match (Outcome::parse(expected), Outcome::parse(fact)) {
        (Ok(Outcome::Err(expected)), Ok(Outcome::Err(fact))) => fact.answers_to(&expected),
        _ => expected == fact,
    }
}
