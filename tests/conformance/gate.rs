//! The model of a breaker.

use serde_json::Value;

/// What an end of a call counts as.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Counted {
    Success,
    Failure,
    Nothing,
}

/// The share of failures that opens a breaker.
#[derive(Clone, Debug)]
struct Rate {
    ratio: f64,
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
    initial: String,
    pub(crate) is_keyed: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Gate {
    config: GateConfig,
    state: String,
    failures: Vec<f64>,
    /// The calls inside the window of a rate: when each ended, and whether it failed.
    calls: Vec<(f64, bool)>,
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
            ratio: number("failure_ratio").unwrap_or(1.0),
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
        let initial =
            if policy["enabled"] == false { Some("disabled") } else { policy["initial_state"].as_str() };
        Some(Self {
            threshold: threshold as usize,
            rate,
            window,
            open: number("open_ms").unwrap_or(60_000.0),
            factor: growth["factor"].as_f64().unwrap_or(1.0),
            cap: growth["max_ms"].as_f64().or(growth["max_open_ms"].as_f64()).unwrap_or(f64::INFINITY),
            permits: number("half_open_permits").unwrap_or(1.0) as u32,
            successes: number("success_threshold").unwrap_or(1.0) as u32,
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
        let inside = || self.calls.iter().skip(older).filter(|(at, _)| now - at < rate.time);
        Some((inside().count(), inside().filter(|(_, failed)| *failed).count()))
    }

    /// Whether the share of failures opens it, which is asked after a failure and once there are enough calls.
    fn trips(&mut self, now: f64, failed: bool) -> bool {
        let Some(rate) = self.config.rate.clone() else { return false };
        let before = self.calls_inside(now).map_or(0, |(calls, _)| calls);
        self.calls.push((now, failed));
        let (calls, failures) = self.calls_inside(now).unwrap_or_default();
        let is_asked = failed || before < rate.min_calls;
        is_asked && calls >= rate.min_calls && failures as f64 >= rate.ratio * calls as f64
    }

    /// Records a call of a breaker with a rate, which may open it.
    fn judge(&mut self, now: f64, failed: bool, asked: Option<f64>) {
        if self.trips(now, failed) {
            self.reopenings = 0;
            self.open(now, asked);
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
    pub(crate) fn admit(&mut self, now: f64) -> Option<u32> {
        let ticket = self.ticket(now);
        self.rejected += u32::from(ticket.is_none());
        ticket
    }

    fn ticket(&mut self, now: f64) -> Option<u32> {
        if self.state == "open" && now >= self.until {
            self.turn("half_open");
        }
        match self.state.as_str() {
            "open" | "forced_open" => return None,
            "half_open" if self.probes >= self.config.permits => return None,
            "half_open" => self.probes += 1,
            _ => {}
        }
        Some(self.generation)
    }

    /// Counts the end of a call, whose error may have asked for a wait.
    pub(crate) fn settle(&mut self, ticket: u32, counted: Counted, now: f64, asked: Option<f64>) {
        if ticket != self.generation {
            return;
        }
        match (self.state.as_str(), counted) {
            ("half_open", _) => {
                self.probes -= 1;
                self.probed(counted, now, asked);
            }
            ("closed", Counted::Failure | Counted::Success) if self.config.rate.is_some() => {
                self.judge(now, counted == Counted::Failure, asked);
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

    fn probed(&mut self, counted: Counted, now: f64, asked: Option<f64>) {
        match counted {
            Counted::Nothing => {}
            Counted::Failure => {
                self.reopenings += 1;
                self.open(now, asked);
            }
            Counted::Success => {
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
