//! The model of a breaker.

use serde_json::Value;

/// What an end of a call counts as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Counted {
    Success,
    Failure,
    Nothing,
}

/// A call that was admitted: before or after which transitions, and when.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ticket {
    generation: u32,
    began: f64,
}

/// The shares of failures and of slow calls that open a breaker.
#[derive(Clone, Debug)]
struct Rate {
    ratio: f64,
    /// How long a call takes at least that is slow, and the share of such calls.
    slow: Option<(f64, f64)>,
    min_calls: usize,
    /// The number of calls that it is of, or else the time.
    calls: Option<usize>,
    time: f64,
}

#[derive(Clone, Debug)]
pub(crate) struct GateConfig {
    threshold: usize,
    rate: Option<Rate>,
    /// The time within which failures count together; without one they count in a row.
    window: Option<f64>,
    open: f64,
    factor: f64,
    cap: f64,
    permits: u32,
    successes: u32,
    /// Whether the rates decide on all probes together.
    pub(crate) judges_probes_by_rate: bool,
    initial: String,
    pub(crate) is_keyed: bool,
}

/// A call that has ended: when, and how.
#[derive(Clone, Copy, Debug)]
struct Ended {
    at: f64,
    has_failed: bool,
    was_slow: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Gate {
    config: GateConfig,
    state: String,
    failures: Vec<f64>,
    /// The calls inside the window of a rate.
    calls: Vec<Ended>,
    until: f64,
    reopenings: i32,
    successes: u32,
    probes: u32,
    /// Counts transitions: a call admitted before one does not count after it.
    generation: u32,
    transitions: Vec<String>,
    rejected: u32,
}

impl GateConfig {
    pub(crate) fn read(policy: &Value) -> Option<Self> {
        let number = |key: &str| policy[key].as_f64();
        let growth = &policy["open_backoff"];
        let threshold = number("failure_threshold").unwrap_or(5.0);
        let window = &policy["window"];
        let trip = policy["trip"].as_str().unwrap_or("consecutive");
        let calls = window["size"].as_u64().map(|size| size as usize);
        let rate = (trip == "rate").then(|| Rate {
            ratio: number("failure_ratio").unwrap_or(f64::INFINITY),
            slow: number("slow_call_ms").map(|slow| (slow, number("slow_ratio").unwrap_or(0.8))),
            min_calls: (number("min_calls").unwrap_or(20.0) as usize).min(calls.unwrap_or(usize::MAX)),
            calls: calls.or(window.is_null().then_some(100)),
            time: window["ms"].as_f64().unwrap_or(f64::INFINITY),
        });
        let window = match (trip, window["type"].as_str()) {
            ("consecutive", None) | ("rate", _) => None,
            ("count", Some("time")) => Some(window["ms"].as_f64()?),
            ("count", Some("count")) if window["size"].as_f64() == Some(threshold) => None,
            _ => return None,
        };
        // Beside another trip, slowness is not modelled.
        if trip != "rate" && !policy["slow_call_ms"].is_null() {
            return None;
        }
        let permits = number("half_open_permits").unwrap_or(1.0) as u32;
        let is_by_rate = policy["half_open_rule"] == "rate";
        let initial =
            if policy["enabled"] == false { Some("disabled") } else { policy["initial_state"].as_str() };
        Some(Self {
            threshold: threshold as usize,
            rate,
            window,
            open: number("open_ms").unwrap_or(60_000.0),
            factor: growth["factor"].as_f64().unwrap_or(1.0),
            cap: growth["max_ms"].as_f64().or(growth["max_open_ms"].as_f64()).unwrap_or(f64::INFINITY),
            permits,
            successes: number("success_threshold").map_or(if is_by_rate { permits } else { 1 }, |n| n as u32),
            judges_probes_by_rate: is_by_rate,
            initial: initial.unwrap_or("closed").to_owned(),
            is_keyed: policy["per_key"] == true,
        })
    }
}

impl Gate {
    pub(crate) fn new(config: GateConfig) -> Self {
        Self {
            state: config.initial.clone(),
            until: config.open,
            config,
            failures: Vec::new(),
            calls: Vec::new(),
            reopenings: 0,
            successes: 0,
            probes: 0,
            generation: 0,
            transitions: Vec::new(),
            rejected: 0,
        }
    }

    pub(crate) fn rejected(&self) -> u32 {
        self.rejected
    }

    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    pub(crate) fn transitions(&self) -> &[String] {
        &self.transitions
    }

    /// When it may admit calls again, while it is open.
    pub(crate) fn opens_at(&self) -> Option<f64> {
        (self.state == "open").then_some(self.until)
    }

    pub(crate) fn failures_in_a_row(&self) -> Option<usize> {
        let counts = self.state == "closed" && self.config.window.is_none() && self.config.rate.is_none();
        counts.then_some(self.failures.len())
    }

    /// How many failures count together at `now`, in a breaker with a window.
    pub(crate) fn failures_inside(&self, now: f64) -> Option<usize> {
        let window = self.config.window.filter(|_| self.state == "closed")?;
        Some(self.failures.iter().filter(|at| now - **at <= window).count())
    }

    /// How many calls are inside the window of a rate at `now`, and how many of them failed.
    pub(crate) fn calls_inside(&self, now: f64) -> Option<(usize, usize)> {
        let rate = self.config.rate.as_ref().filter(|_| self.state == "closed")?;
        let older = self.calls.len().saturating_sub(rate.calls.unwrap_or(usize::MAX));
        let inside = || self.calls.iter().skip(older).filter(|call| now - call.at < rate.time);
        Some((inside().count(), inside().filter(|call| call.has_failed).count()))
    }

    /// Whether the share of failures opens it, which is asked after a failure and once there are enough calls.
    fn trips(&mut self, call: Ended) -> bool {
        let Some(rate) = self.config.rate.clone() else { return false };
        let before = self.calls_inside(call.at).map_or(0, |(calls, _)| calls);
        self.calls.push(call);
        let (calls, _) = self.calls_inside(call.at).unwrap_or_default();
        let is_asked = call.has_failed || call.was_slow || before < rate.min_calls;
        is_asked && calls >= rate.min_calls && self.is_over(&rate, calls)
    }

    /// Whether the last `calls` calls reach one of the shares.
    fn is_over(&self, rate: &Rate, calls: usize) -> bool {
        let last = || self.calls.iter().rev().take(calls);
        let failures = last().filter(|call| call.has_failed).count() as f64;
        let slow = last().filter(|call| call.was_slow).count() as f64;
        let all = calls as f64;
        failures >= rate.ratio * all || rate.slow.is_some_and(|(_, ratio)| slow >= ratio * all)
    }

    /// Records a call of a breaker with a rate, which may open it.
    fn judge(&mut self, call: Ended, asked: Option<f64>) {
        if self.trips(call) {
            self.reopenings = 0;
            self.open(call.at, asked);
        }
    }

    fn turn(&mut self, state: &str) {
        self.transitions.push(format!("{}>{state}", self.state));
        self.state = state.to_owned();
        self.generation += 1;
        self.failures.clear();
        self.calls.clear();
        (self.successes, self.probes) = (0, 0);
    }

    /// Sets a state by hand.
    pub(crate) fn set(&mut self, state: &str, now: f64) {
        self.turn(state);
        self.reopenings = 0;
        self.until = now + self.config.open;
    }

    /// A ticket for a call that may enter.
    pub(crate) fn admit(&mut self, now: f64) -> Option<Ticket> {
        let ticket = self.ticket(now);
        self.rejected += u32::from(ticket.is_none());
        ticket
    }

    fn ticket(&mut self, now: f64) -> Option<Ticket> {
        if self.state == "open" && now >= self.until {
            self.turn("half_open");
        }
        match self.state.as_str() {
            "open" | "forced_open" => return None,
            "half_open" if self.probes >= self.config.permits => return None,
            "half_open" => self.probes += 1,
            _ => {}
        }
        Some(Ticket { generation: self.generation, began: now })
    }

    /// Counts the end of a call, whose error may have asked for a wait.
    pub(crate) fn settle(&mut self, ticket: Ticket, counted: Counted, now: f64, asked: Option<f64>) {
        if ticket.generation != self.generation {
            return;
        }
        let slow = self.config.rate.as_ref().and_then(|rate| rate.slow);
        let was_slow = slow.is_some_and(|(limit, _)| now - ticket.began > limit);
        let call = Ended { at: now, has_failed: counted == Counted::Failure, was_slow };
        match (self.state.as_str(), counted) {
            ("half_open", _) => {
                self.probes -= 1;
                self.probed(counted, call, asked);
            }
            ("closed", Counted::Failure | Counted::Success) if self.config.rate.is_some() => {
                self.judge(call, asked);
            }
            ("closed", Counted::Failure) => {
                self.failures.push(now);
                if let Some(window) = self.config.window {
                    self.failures.retain(|at| now - at <= window);
                }
                if self.failures.len() >= self.config.threshold {
                    self.reopenings = 0;
                    self.open(now, asked);
                }
            }
            ("closed", Counted::Success) if self.config.window.is_none() => self.failures.clear(),
            _ => {}
        }
    }

    fn probed(&mut self, counted: Counted, call: Ended, asked: Option<f64>) {
        let rate = self.config.rate.clone().filter(|_| self.config.judges_probes_by_rate);
        match (counted, rate) {
            (Counted::Nothing, _) => {}
            (_, Some(rate)) => {
                self.calls.push(call);
                let probes = self.calls.len();
                if probes < self.config.permits as usize {
                    return;
                }
                if self.is_over(&rate, probes) {
                    self.reopenings += 1;
                    self.open(call.at, asked);
                } else {
                    self.reopenings = 0;
                    self.turn("closed");
                }
            }
            (Counted::Failure, None) => {
                self.reopenings += 1;
                self.open(call.at, asked);
            }
            (Counted::Success, None) if call.was_slow => {
                self.reopenings += 1;
                self.open(call.at, asked);
            }
            (Counted::Success, None) => {
                self.successes += 1;
                if self.successes >= self.config.successes {
                    self.reopenings = 0;
                    self.turn("closed");
                }
            }
        }
    }

    fn open(&mut self, now: f64, asked: Option<f64>) {
        let own = self.config.open * self.config.factor.powi(self.reopenings);
        self.turn("open");
        self.until = now + own.min(self.config.cap).max(asked.unwrap_or(0.0).min(300_000.0));
    }
}
