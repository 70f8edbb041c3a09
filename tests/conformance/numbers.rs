//! Numbers as scenarios expect them: exact, `[lo, hi]` inclusive, or `null` for none.

use crate::expect::{Check, met, skipped};
use serde_json::Value;

/// Milliseconds are held against each other to the nanosecond, with room for the rounding of one.
const CLOSE: f64 = 2e-6;

fn range(expected: &Value) -> Option<(f64, f64)> {
    match expected {
        Value::Array(ends) => match ends.as_slice() {
            [low, high] => Some((low.as_f64()?, high.as_f64()?)),
            _ => None,
        },
        exact => exact.as_f64().map(|exact| (exact, exact)),
    }
}

fn holds(expected: &Value, actual: f64) -> Option<bool> {
    range(expected).map(|(low, high)| low - CLOSE <= actual && actual <= high + CLOSE)
}

/// One number, or none.
pub(crate) fn one(expected: &Value, actual: Option<f64>) -> Check {
    let shown = || actual.map_or_else(|| "none".to_owned(), |actual| actual.to_string());
    match (expected.is_null(), actual) {
        (true, actual) => met(actual.is_none(), shown()),
        (false, None) => Check::Missed(shown()),
        (false, Some(actual)) => match holds(expected, actual) {
            Some(holds) => met(holds, shown()),
            None => skipped(format!("{expected} is no number")),
        },
    }
}

pub(crate) fn count(expected: &Value, actual: usize) -> Check {
    one(expected, Some(actual as f64))
}

/// A number for each of `actual`, in order.
pub(crate) fn each(expected: &Value, actual: &[f64]) -> Check {
    let Some(all) = expected.as_array() else { return skipped(format!("{expected} is no list")) };
    let fits = all.len() == actual.len()
        && all.iter().zip(actual).all(|(expected, actual)| holds(expected, *actual) == Some(true));
    met(fits, format!("{actual:?}"))
}

/// One number for all of `actual`.
pub(crate) fn all(expected: &Value, actual: &[f64]) -> Check {
    let out: Vec<_> = actual.iter().filter(|actual| holds(expected, **actual) != Some(true)).collect();
    let shown = format!("{} of {} outside, such as {:?}", out.len(), actual.len(), out.first());
    met(out.is_empty() && !actual.is_empty(), shown)
}

pub(crate) fn mean(expected: &Value, actual: &[f64]) -> Check {
    one(expected, (!actual.is_empty()).then(|| actual.iter().sum::<f64>() / actual.len() as f64))
}

pub(crate) fn distinct(expected: &Value, actual: &[f64]) -> Check {
    let mut sorted = actual.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.dedup();
    met(expected.as_u64().is_some_and(|least| sorted.len() as u64 >= least), sorted.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_exact_ranges_or_none() {
        assert_eq!(one(&json!(5), Some(5.0)), Check::Met);
        assert_eq!(one(&json!([4, 5]), Some(5.0)), Check::Met);
        assert_eq!(one(&json!(null), None), Check::Met);
        assert!(matches!(one(&json!(null), Some(0.0)), Check::Missed(_)));
        assert!(matches!(one(&json!(0), None), Check::Missed(_)));
        assert!(matches!(one(&json!([4, 5]), Some(5.1)), Check::Missed(_)));
        assert!(matches!(one(&json!("5"), Some(5.0)), Check::Skipped(_)));
    }

    #[test]
    fn lists_are_as_long_as_expected() {
        assert_eq!(each(&json!([1, [2, 3]]), &[1.0, 2.5]), Check::Met);
        assert!(matches!(each(&json!([1]), &[1.0, 2.5]), Check::Missed(_)));
        assert!(matches!(all(&json!([0, 1]), &[]), Check::Missed(_)));
        assert!(matches!(all(&json!([0, 1]), &[0.5, 1.5]), Check::Missed(_)));
        assert_eq!(distinct(&json!(2), &[1.0, 2.0, 1.0]), Check::Met);
        assert!(matches!(distinct(&json!(3), &[1.0, 2.0, 1.0]), Check::Missed(_)));
    }
}
