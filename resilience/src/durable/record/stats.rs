//! How often a failure was recovered from, by strategy and point.

use crate::durable::of_process::OfProcess;
use crate::point::PointName;
use crate::site::Site;
use crate::sync::locked;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

/// How often a strategy was taken, and how often it worked.
pub(crate) type Count = (u64, u64);

type Counts = BTreeMap<&'static str, HashMap<PointName, Count>>;

static COUNTS: Site<OfProcess<Mutex<Counts>>> =
    Site::new(OfProcess::new(Mutex::new(BTreeMap::new()), |_| Mutex::default()), || {
        OfProcess::new(Mutex::default(), |_| Mutex::default())
    });

/// How many points are counted one by one: names of jobs made by hand have no limit.
const MOST_POINTS: usize = 1_000;

fn counts() -> MutexGuard<'static, Counts> {
    let counts: &'static OfProcess<Mutex<Counts>> = &COUNTS;
    locked(counts)
}

/// Counts that `strategy` was taken at `point`.
pub(crate) fn count(point: &PointName, strategy: &'static str, worked: bool) {
    let mut counts = counts();
    let points = counts.entry(strategy).or_default();
    let is_one_by_one = points.len() < MOST_POINTS || points.contains_key(point);
    let point = if is_one_by_one { point.clone() } else { PointName::new("_other") };
    let (taken, works) = points.entry(point).or_default();
    *taken += 1;
    *works += u64::from(worked);
}

/// Counts how a job that was begun again has ended.
pub(crate) fn count_resumed(point: &PointName, worked: bool) {
    count(point, "resume", worked);
}

/// What was counted so far.
pub(crate) fn counted() -> Vec<(&'static str, PointName, Count)> {
    let counts = counts();
    let all = counts.iter().flat_map(|(strategy, points)| {
        points.iter().map(|(point, count)| (*strategy, point.clone(), *count))
    });
    all.collect()
}
