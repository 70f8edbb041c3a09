//! The model of a retry's waits: ranges of milliseconds.

use serde_json::Value;

pub(crate) struct Schedule {
    /// How many retries there are at most.
    pub(crate) retries: u64,
    pub(crate) give_up: Option<f64>,
    pub(crate) cap: f64,
    floor: f64,
    base: f64,
    shape: Shape,
    jitter: Jitter,
}

enum Shape {
    Power(f64),
    Steps(f64),
    List(Vec<f64>),
}

enum Jitter {
    /// By factors.
    Factors(f64, f64),
    /// Between milliseconds, whatever the wait is.
    Millis(f64, f64),
}

impl Schedule {
    pub(crate) fn read(policy: &Value) -> Option<Self> {
        let (backoff, base) = (&policy["backoff"], policy["delay_ms"].as_f64().unwrap_or(0.0));
        let endless = ["max_attempts", "max_retries"].iter().any(|key| policy.get(key).is_some());
        let retries = match (policy["max_attempts"].as_u64(), policy["max_retries"].as_u64()) {
            _ if policy["enabled"] == false => 0,
            (Some(attempts), _) => attempts.checked_sub(1)?,
            (None, Some(retries)) => retries,
            (None, None) if endless => u64::MAX,
            (None, None) => 3,
        };
        let factor = backoff["factor"].as_f64().unwrap_or(2.0);
        let increment = backoff["increment_ms"].as_f64().or(backoff["increment"].as_f64());
        let shape = match backoff["type"].as_str().unwrap_or("exponential") {
            _ if backoff.is_null() => Shape::Power(1.0),
            "constant" | "fixed" => Shape::Power(1.0),
            "exponential" => Shape::Power(factor),
            "linear" => Shape::Steps(base),
            "incrementing" => Shape::Steps(increment?),
            "list" => Shape::List(backoff["list_ms"].as_array()?.iter().filter_map(Value::as_f64).collect()),
            _ => return None,
        };
        let limit = |key: &str| backoff[key].as_f64().or(policy[key].as_f64());
        Some(Self {
            retries,
            give_up: policy["max_elapsed_ms"].as_f64(),
            cap: limit("max_delay_ms").unwrap_or(f64::INFINITY),
            floor: limit("min_delay_ms").unwrap_or(0.0),
            base,
            shape,
            jitter: Jitter::read(&policy["jitter"], base)?,
        })
    }

    pub(crate) fn is_jittered(&self) -> bool {
        !matches!(self.jitter, Jitter::Factors(1.0, 1.0))
    }

    /// The wait before retry number `made`, from 0; jittered after the cap, too, or only before it.
    pub(crate) fn own(&self, made: u64, cap_first: bool) -> (f64, f64) {
        let plain = match &self.shape {
            Shape::Power(factor) => self.base * factor.powf(made as f64),
            Shape::Steps(step) => self.base + step * made as f64,
            Shape::List(all) => all.get(made as usize).or(all.last()).copied().unwrap_or(0.0),
        };
        let plain = plain.max(self.floor);
        let plain = if cap_first { plain.min(self.cap) } else { plain };
        let (low, high) = match self.jitter {
            Jitter::Factors(low, high) => (plain * low, plain * high),
            Jitter::Millis(low, high) => (low, high),
        };
        (low.min(self.cap), high.min(self.cap))
    }
}

impl Jitter {
    fn read(jitter: &Value, base: f64) -> Option<Self> {
        let (factor, by, to) = (jitter["factor"].as_f64(), jitter["ms"].as_f64(), jitter["max_ms"].as_f64());
        Some(match (jitter["type"].as_str().unwrap_or("none"), factor, by, to) {
            ("none", ..) => Self::Factors(1.0, 1.0),
            ("full", ..) => Self::Factors(0.0, 1.0),
            ("equal", ..) => Self::Factors(0.5, 1.0),
            ("factor", Some(factor), ..) => Self::Factors(1.0 - factor, 1.0 + factor),
            ("plus_minus", _, Some(by), _) => Self::Millis(base - by, base + by),
            ("additive", _, Some(by), _) => Self::Millis(base, base + by),
            ("range", _, _, Some(to)) => Self::Millis(base, to),
            _ => return None,
        })
    }
}
