//! The counters of a policy by key, divided among the keys that have a label.
//!
//! A policy counts for each key that it has state for, and for all keys together, evicted ones included. What a page
//! shows is the difference: a key that has a label shows its counts since then, and `_other` the rest of
//! the total. Three things would make a series fall, and are accounted for here:
//!
//! - A key gets its label after it was counted in `_other`: only the counts since the last page are shown below the
//!   label.
//! - A key is evicted and used again, so that its own count begins at zero: what a page has shown of it stays.
//! - A count of a key is read before that of the total, or after: what a label gains is never more than what the total
//!   has gained since the last page, and the rest is shown by the next one.
//!
//! So on each page the labels and `_other` add up to the total, and none of them is less than on the page before.

use std::collections::HashMap;

/// The division of the counters of keys on the last page.
#[derive(Debug, Default)]
pub(super) struct KeySplits(HashMap<Counter, KeySplit>);

/// A counter of a point, by its name, its metric and its labels.
type Counter = (String, &'static str, &'static str);

/// One counter of one point.
#[derive(Debug, Default)]
struct KeySplit {
    /// The shown values, without a label and with each.
    other: u64,
    labels: HashMap<String, Label>,
}

#[derive(Debug, Default)]
struct Label {
    shown: u64,
    /// The part of the key's present count that is in `shown`, or stays in `_other`.
    seen: u64,
}

/// The values of the series of one counter: those of the keys that have a label, in their order, and the rest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KeyShares {
    pub(super) labels: Vec<u64>,
    pub(super) other: u64,
}

impl KeySplits {
    /// Divides the `total` of a counter; `keys` have a label, each with its present count.
    pub(super) fn divide(&mut self, counter: Counter, total: u64, keys: &[(&str, u64)]) -> KeyShares {
        self.0.entry(counter).or_default().divide(total, keys)
    }
}

impl KeySplit {
    fn divide(&mut self, total: u64, keys: &[(&str, u64)]) -> KeyShares {
        let before: u64 = self.labels.values().map(|label| label.shown).sum();
        let mut gained = total.saturating_sub(before).saturating_sub(self.other);
        for (key, count) in keys {
            let is_new = !self.labels.contains_key(*key);
            let label = self.labels.entry((*key).to_owned()).or_default();
            if *count < label.seen {
                label.seen = 0;
            }
            let share = (count - label.seen).min(gained);
            gained -= share;
            label.shown += share;
            label.seen = if is_new { *count } else { label.seen + share };
        }
        self.other += gained;
        let shown = |(key, _): &(&str, u64)| self.labels.get(*key).map_or(0, |label| label.shown);
        KeyShares { labels: keys.iter().map(shown).collect(), other: self.other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares<const N: usize>(labels: [u64; N], other: u64) -> KeyShares {
        KeyShares { labels: labels.into(), other }
    }

    #[test]
    fn the_first_page_shows_the_counts_of_each_key() {
        let mut split = KeySplit::default();
        assert_eq!(split.divide(30, &[("a", 12), ("b", 8)]), shares([12, 8], 10));
    }

    #[test]
    fn a_newly_labelled_key_keeps_earlier_calls_under_other() {
        let mut split = KeySplit::default();
        assert_eq!(split.divide(30, &[]), shares([], 30));
        // 25 of the 30 were its own, and four are new.
        assert_eq!(split.divide(35, &[("a", 29)]), shares([5], 30));
        assert_eq!(split.divide(36, &[("a", 30)]), shares([6], 30));
    }

    #[test]
    fn calls_around_an_eviction_count_under_other() {
        let mut split = KeySplit::default();
        assert_eq!(split.divide(10, &[("a", 10)]), shares([10], 0));
        // The key counted 3 more before it was evicted, and 2 after it came back.
        assert_eq!(split.divide(15, &[("a", 2)]), shares([12], 3));
        assert_eq!(split.divide(16, &[("a", 0)]), shares([12], 4), "evicted again");
    }

    #[test]
    fn a_count_that_is_read_before_the_total_is_shown_later() {
        let mut split = KeySplit::default();
        assert_eq!(split.divide(10, &[("a", 11)]), shares([10], 0));
        assert_eq!(split.divide(12, &[("a", 11)]), shares([10], 2), "a new key's rest is not its own");
        assert_eq!(split.divide(12, &[("a", 13)]), shares([10], 2));
        assert_eq!(split.divide(14, &[("a", 13)]), shares([12], 2));
    }

    #[test]
    fn no_series_ever_decreases() {
        use crate::base::rng;
        for _ in 0..200 {
            let (mut split, mut counts, mut total) = (KeySplit::default(), [0_u64; 3], 0_u64);
            let mut last = shares([0, 0, 0], 0);
            for _ in 0..50 {
                let draw = |below: u32| (rng::uniform() * f64::from(below)) as u64;
                let at = draw(3) as usize;
                let more = draw(5);
                (counts[at], total) = (counts[at] + more, total + more + draw(3));
                if draw(6) == 0 {
                    counts[at] = 0;
                }
                let keys: Vec<_> = ["a", "b", "c"].into_iter().zip(counts).collect();
                // The total lags behind, as if another thread counts at the same time.
                let lag = draw(2);
                let now = split.divide(total.saturating_sub(lag).max(sum(&last)), &keys);
                let falls = now.labels.iter().zip(&last.labels).any(|(now, last)| now < last);
                assert!(!falls && now.other >= last.other, "{last:?} then {now:?}");
                last = now;
            }
            assert!(sum(&last) <= total);
        }
    }

    fn sum(shares: &KeyShares) -> u64 {
        shares.labels.iter().sum::<u64>() + shares.other
    }
}
