//! What makes sense: the one judge of settings, asked by setters, by `try_new` and by the attribute.

use super::backoff::{Backoff, Jitter, Schedule};
use super::budget::BudgetConfig;
use super::config::Retry;
use super::rule::Rule;
use super::waits;
use crate::defaults::with_retry as defaults;
use std::time::Duration;

/// What is wrong, in a sentence; nothing where all is well.
pub(super) type Complaint = Option<&'static str>;

/// Panics with the complaint, if there is one: a compile error in a `const`.
#[track_caller]
pub(super) const fn enforce(complaint: Complaint) {
    if let Some(complaint) = complaint {
        panic!("{}", complaint)
    }
}

const fn first(complaints: &[Complaint]) -> Complaint {
    let mut n = 0;
    while n < complaints.len() {
        if complaints[n].is_some() {
            return complaints[n];
        }
        n += 1;
    }
    None
}

pub(super) const fn backoff(backoff: Backoff) -> Complaint {
    match backoff {
        Backoff::Exponential(factor) if factor.is_nan() => Some("`backoff` is not a number"),
        Backoff::Exponential(factor) if factor < 1.0 => {
            Some("`backoff` is below 1: each wait would be shorter than the one before")
        }
        Backoff::Exponential(f64::INFINITY) => Some("`backoff` is infinite"),
        _ => None,
    }
}

pub(super) const fn jitter(jitter: Jitter) -> Complaint {
    let Jitter::Range(low, high) = jitter else { return None };
    if low.is_nan() || high.is_nan() {
        Some("the range of `jitter` has an end that is not a number")
    } else if low < 0.0 || high < 0.0 {
        Some("the range of `jitter` goes below 0: no wait is negative")
    } else if low > high {
        Some("the range of `jitter` is reversed: write the smaller multiplier first")
    } else if high > defaults::JITTER_LIMIT {
        Some("the range of `jitter` goes above 10, the largest multiplier")
    } else {
        None
    }
}

pub(super) const fn order(base: Duration, cap: Duration) -> Complaint {
    if base.as_nanos() > cap.as_nanos() {
        return Some("`base` is longer than `cap`: the first wait would already be cut");
    }
    None
}

pub(super) const fn give_up_after(limit: Duration) -> Complaint {
    if limit.is_zero() {
        return Some("`give_up_after` is zero: to make no retry, write `max = 0`");
    }
    None
}

/// `jitter` beside a backoff that has its own.
pub(super) const fn jitters(backoff: Backoff, jitter: Option<Jitter>) -> Complaint {
    match (backoff, jitter) {
        (Backoff::Decorrelated, Some(_)) => Some("`decorrelated` has its own jitter: leave out `jitter`"),
        _ => None,
    }
}

const NO_RETRY: &str = "`give_up_after` is shorter than the first wait, at the mean of its jitter: no retry could ever be made\nraise it, or lower `base`";
const NO_RULED_RETRY: &str = "`give_up_after` is shorter than the first wait of an `on(..)`, at the mean of its jitter: that rule could never retry\nraise it, or lower the `base` of the rule";

pub(super) const fn whole(retry: &Retry) -> Complaint {
    let own = first(&[
        backoff(retry.backoff),
        jitter(retry.jitter_or_default()),
        jitters(retry.backoff, retry.jitter),
        order(retry.base_or_default(), retry.cap_or_default()),
        match retry.give_up_after {
            Some(limit) => give_up_after(limit),
            None => None,
        },
        twice(retry.rules),
        fits(retry, &retry.schedule(None), NO_RETRY),
    ]);
    let mut n = 0;
    while n < retry.rules.len() {
        let complaint = rule(retry, &retry.rules[n]);
        if own.is_none() && complaint.is_some() {
            return complaint;
        }
        n += 1;
    }
    own
}

const fn rule(retry: &Retry, rule: &Rule) -> Complaint {
    let schedule = retry.schedule(Some(rule));
    first(&[
        backoff(schedule.backoff),
        jitter(schedule.jitter),
        jitters(schedule.backoff, rule.jitter),
        order(schedule.base, schedule.cap),
        fits(retry, &schedule, NO_RULED_RETRY),
    ])
}

/// Refuses a schedule whose first wait does not fit into `give_up_after`.
const fn fits(retry: &Retry, schedule: &Schedule, complaint: &'static str) -> Complaint {
    match retry.give_up_after {
        Some(limit) if schedule.max > 0 && waits::mean_of_first(schedule) > limit.as_nanos() => {
            Some(complaint)
        }
        _ => None,
    }
}

pub(super) const fn twice(rules: &[Rule]) -> Complaint {
    let mut n = 0;
    while n < rules.len() {
        let mut earlier = 0;
        while earlier < n {
            if rules[earlier].category as usize == rules[n].category as usize {
                return Some("two `on(..)` name one category: join them");
            }
            earlier += 1;
        }
        n += 1;
    }
    None
}

pub(super) const fn budget(config: &BudgetConfig) -> Complaint {
    first(&[
        at_least_one(config.capacity),
        at_least_one(config.cost),
        at_least_one(config.timeout_cost),
        at_most(config.deposit),
        at_most(config.refill),
        flows_back(config.deposit, config.refill),
    ])
}

pub(super) const fn at_least_one(tokens: u32) -> Complaint {
    match tokens {
        0 => Some("a budget whose `capacity`, `cost` or `timeout_cost` is zero limits nothing"),
        _ => at_most(tokens),
    }
}

pub(super) const fn at_most(tokens: u32) -> Complaint {
    if tokens > defaults::BUDGET_LIMIT {
        return Some("a budget counts at most 200,000 tokens: scale all its numbers down");
    }
    None
}

pub(super) const fn flows_back(deposit: u32, refill: u32) -> Complaint {
    if deposit == 0 && refill == 0 {
        return Some("`deposit` and `refill` of a budget are both zero: once used up it would stay empty");
    }
    None
}
