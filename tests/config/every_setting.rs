//! Every setting of every policy: a configuration changes it, or refuses it with a reason.

use crate::support::{load, shown};
use resilience::policy::AdaptiveTimeoutConfig;
use resilience::settings::{Kind, Setting};
use resilience::{
    Rejected, bulkhead, cached, chaos, checkpoint, circuit_breaker, degrade, failover, hedge, job,
    rate_limit, timeout, with_lock, with_retry,
};

type Answer = Result<u32, Rejected>;

#[with_retry(max = 3, name = "every::plain_retry")]
fn plain_retry() -> Answer {
    Ok(1)
}

#[with_retry(give_up_after = 1h, name = "every::timed_retry")]
fn timed_retry() -> Answer {
    Ok(1)
}

#[circuit_breaker(name = "every::plain_breaker")]
fn plain_breaker() -> Answer {
    Ok(1)
}

#[circuit_breaker(rate = 50%, slow = 2s, key = key, name = "every::rate_breaker")]
fn rate_breaker(key: u32) -> Answer {
    Ok(key)
}

#[timeout(2s, name = "every::plain_timeout")]
async fn plain_timeout() -> Answer {
    Ok(1)
}

#[timeout(2s, thread, name = "every::thread_timeout")]
fn thread_timeout() -> Answer {
    Ok(1)
}

#[timeout(adaptive, floor = 1s, cap = 10s, name = "every::adaptive_timeout")]
async fn adaptive_timeout() -> Answer {
    Ok(1)
}

#[bulkhead(4, wait = 1s, name = "every::plain_bulkhead")]
fn plain_bulkhead() -> Answer {
    Ok(1)
}

#[bulkhead(adaptive, name = "every::adaptive_bulkhead")]
fn adaptive_bulkhead() -> Answer {
    Ok(1)
}

#[rate_limit(100, per = 1s, name = "every::plain_limit")]
fn plain_limit() -> Answer {
    Ok(1)
}

#[hedge(after = 50ms, idempotent, name = "every::plain_hedge")]
async fn plain_hedge() -> Answer {
    Ok(1)
}

#[hedge(after = p95, idempotent, name = "every::measured_hedge")]
async fn measured_hedge() -> Answer {
    Ok(1)
}

#[failover(model = ["a", "b"], sticky = 5s, name = "every::plain_failover")]
fn plain_failover(model: &'static str) -> Answer {
    let _ = model;
    Ok(1)
}

struct Size(u32);

impl resilience::Simplify for Size {
    fn simplify(&self, level: u32) -> Option<Self> {
        self.0.checked_sub(level).map(Self)
    }
}

#[degrade(size, max = 2, name = "every::plain_degrade")]
fn plain_degrade(size: Size) -> Answer {
    Ok(size.0)
}

#[chaos(rate = 0.5, fault = std::fmt::Error, name = "every::plain_faults")]
fn plain_faults() -> Result<u32, std::fmt::Error> {
    Ok(1)
}

#[cached(ttl = 1m, name = "every::plain_cache")]
fn plain_cache(id: u32) -> Answer {
    Ok(id)
}

#[with_lock("every", name = "every::plain_lock")]
fn plain_lock() -> Answer {
    Ok(1)
}

#[checkpoint("every:{id}", name = "every::plain_step")]
fn plain_step(id: u32) -> Answer {
    Ok(id)
}

#[job("every:{id}", name = "every::plain_job")]
fn plain_job(id: u32) -> Answer {
    Ok(id)
}

/// A value that is valid beside those of the functions above.
fn value(kind: &str, row: &Setting) -> &'static str {
    match (kind, row.name) {
        ("circuit_breaker", "cap") => "\"2m\"",
        ("circuit_breaker", "window_calls") | ("bulkhead", "cap") => "70",
        ("bulkhead", "floor") => "2",
        ("with_retry", "give_up_after") => "\"2h\"",
        ("with_retry", "backoff") => "\"linear\"",
        ("with_retry", "jitter") => "\"equal\"",
        ("timeout", "cap") => "\"50s\"",
        ("checkpoint", "on_store_error") => "\"run\"",
        ("timeout", "limit") => "\"3s\"",
        _ => match row.kind {
            Kind::Count => "7",
            Kind::Factor => "3.0",
            Kind::Ratio => "\"70%\"",
            Kind::Time => "\"7s\"",
            Kind::Bytes => "\"1MiB\"",
            Kind::Switch => "true",
            _ => "\"error\"",
        },
    }
}

struct Function {
    name: &'static str,
    kind: &'static str,
    table: &'static [Setting],
    /// Settings that it refuses, each with the reason.
    refused: &'static [(&'static str, &'static str)],
}

/// The settings of an attribute.
fn table(attr: &str) -> &'static [Setting] {
    let found = resilience::config::tables().find(|(kind, _)| *kind == attr);
    found.expect("`settings` in its `DEFINITION`").1
}

fn function(name: &'static str, kind: &'static str) -> Function {
    Function { name, kind, table: table(kind), refused: &[] }
}

const RECORDS: &str = "the records of earlier runs rely on it";
const CODE: &str = "when the body may run is part of the code";

fn functions() -> Vec<Function> {
    vec![
        Function {
            refused: &[("give_up_after", "its calls read no clock")],
            ..function("every::plain_retry", "with_retry")
        },
        function("every::timed_retry", "with_retry"),
        Function {
            refused: &[("rate", "its calls count no successes"), ("slow", "its calls are not measured")],
            ..function("every::plain_breaker", "circuit_breaker")
        },
        function("every::rate_breaker", "circuit_breaker"),
        Function {
            refused: &[
                ("threads", "the function has no helper thread"),
                ("stack", "the function has no helper thread"),
            ],
            ..function("every::plain_timeout", "timeout")
        },
        Function {
            refused: &[("strict", "on a helper thread the time always counts from the call")],
            ..function("every::thread_timeout", "timeout")
        },
        Function {
            refused: &[
                ("threads", "the function has no helper thread"),
                ("stack", "the function has no helper thread"),
            ],
            table: AdaptiveTimeoutConfig::TABLE,
            ..function("every::adaptive_timeout", "timeout")
        },
        Function {
            refused: &[
                ("adaptive", "whether its calls are measured is part of the code"),
                ("floor", "`floor` and `cap` need `adaptive`"),
                ("cap", "`floor` and `cap` need `adaptive`"),
            ],
            ..function("every::plain_bulkhead", "bulkhead")
        },
        Function {
            refused: &[
                ("adaptive", "whether its calls are measured is part of the code"),
                ("queue", "`queue` needs a `wait`"),
            ],
            ..function("every::adaptive_bulkhead", "bulkhead")
        },
        function("every::plain_limit", "rate_limit"),
        function("every::plain_hedge", "hedge"),
        Function {
            refused: &[("after", "`after` stays a time, or the percentile of the attribute")],
            ..function("every::measured_hedge", "hedge")
        },
        function("every::plain_failover", "failover"),
        function("every::plain_degrade", "degrade"),
        function("every::plain_faults", "chaos"),
        Function {
            refused: &[("max", "the table of the values is made once")],
            ..function("every::plain_cache", "cached")
        },
        Function {
            refused: &[
                ("shared", "which lock it is"),
                ("common", "which lock it is"),
                ("lease", "a file has no lease"),
            ],
            ..function("every::plain_lock", "with_lock")
        },
        Function {
            refused: &[
                ("version", RECORDS),
                ("ttl", RECORDS),
                ("lease", "the claims of running steps rely on it"),
                ("on_mismatch", CODE),
                ("on_corrupt", CODE),
                ("on_store_error", CODE),
                ("in_job", CODE),
            ],
            ..function("every::plain_step", "checkpoint")
        },
        Function {
            refused: &[
                ("version", RECORDS),
                ("ttl", RECORDS),
                ("lease", "the claims of running jobs rely on it"),
                ("on_mismatch", CODE),
                ("on_corrupt", CODE),
                ("rerun", CODE),
            ],
            ..function("every::plain_job", "job")
        },
    ]
}

#[test]
fn each_setting_can_be_changed_or_is_rejected_with_a_reason() {
    let _world = resilience::testing::isolate();
    let mut changed = 0;
    for Function { name, kind, table, refused } in functions() {
        for row in table {
            let text = format!("[\"{name}\".{kind}]\n{} = {}\n", row.name, value(kind, row));
            let refusal = refused.iter().find(|(setting, _)| *setting == row.name).map(|(_, reason)| *reason);
            match (load(&text), refusal) {
                (Ok(_), None) => {
                    let shown = shown(name, kind, row.name);
                    // A setting that means nothing beside the others is not listed.
                    assert!(shown.contains(" from ") || shown == "nothing", "{text}: {shown}");
                    changed += usize::from(shown.contains(" from "));
                }
                (Err(errors), Some(reason)) => {
                    let only = errors.errors();
                    assert!(only.len() == 1 && only[0].reason.contains(reason), "{text}: {errors}");
                }
                (Ok(_), Some(reason)) => panic!("{text} was loaded in spite of: {reason}"),
                (Err(errors), None) => panic!("{text}: {errors}"),
            }
        }
    }
    assert!(changed > 50, "{changed} settings were changed");
}

/// Each key of each attribute that is no setting is refused, too, by name.
#[test]
fn settings_fixed_in_the_code_are_rejected_by_name() {
    let _world = resilience::testing::isolate();
    for (kind, key) in [
        ("with_retry", "on"),
        ("with_retry", "budget"),
        ("with_retry", "when"),
        ("with_retry", "policy"),
        ("with_retry", "on_retry"),
        ("circuit_breaker", "key"),
        ("circuit_breaker", "max_keys"),
        ("circuit_breaker", "instance"),
        ("circuit_breaker", "on_open"),
        ("timeout", "thread"),
        ("timeout", "adaptive"),
        ("cached", "key"),
        ("checkpoint", "rollback"),
    ] {
        let errors = load(&format!("[{kind}]\n{key} = 1\n")).unwrap_err();
        let words = format!("`{key}` of `{kind}` cannot change while the program runs");
        assert!(errors.errors()[0].reason.starts_with(&words), "{errors}");
    }
    let _ = (plain_faults, plain_retry, timed_retry, plain_breaker, rate_breaker);
    let _ = (plain_timeout, thread_timeout, adaptive_timeout, plain_bulkhead, adaptive_bulkhead, plain_limit);
    let _ = (
        plain_hedge,
        measured_hedge,
        plain_failover,
        plain_degrade,
        plain_cache,
        plain_lock,
        plain_step,
        plain_job,
    );
}
