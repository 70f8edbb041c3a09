//! The checks of a retry with its rules, beyond each setting: by `try_new` and by `checked`.
//!
//! The first complaint is returned, in the order of the settings. The sentences are those of the compile error, of
//! `InvalidPolicy` and of the panic of a setter, so they name the setting first and say what to change last.

use super::backoff::Schedule;
use super::config::{Retry, Rule, jitters, order};
use super::waits;
use crate::base::setting::Complaint;

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

const NO_RETRY: &str = "`give_up_after` is shorter than the first wait, at the mean of its jitter: no retry could ever be made\nraise it, or lower `base`";
const NO_RULED_RETRY: &str = "`give_up_after` is shorter than the first wait of an `on(..)`, at the mean of its jitter: that rule could never retry\nraise it, or lower the `base` of the rule";

pub(super) const fn whole(retry: &Retry) -> Complaint {
    let rules = retry.config().on;
    let own =
        first(&[retry.config().complaint(), twice(rules), fits(retry, &retry.schedule(None), NO_RETRY)]);
    let mut n = 0;
    while n < rules.len() {
        let complaint = rule(retry, &rules[n]);
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
        jitters(schedule.backoff, rule.settings.config.jitter),
        order(schedule.base, schedule.cap),
        fits(retry, &schedule, NO_RULED_RETRY),
    ])
}

/// Refuses a schedule whose first wait does not fit into `give_up_after`.
const fn fits(retry: &Retry, schedule: &Schedule, complaint: &'static str) -> Complaint {
    match retry.config().give_up_after {
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
