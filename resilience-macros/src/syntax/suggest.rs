//! Finds the word that a misspelt one was probably meant to be.

use std::iter::{once, repeat};

/// Returns the candidate nearest to `word`, if it is near enough to be a slip: at most a third of it differs.
pub(crate) fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let word = word.to_lowercase();
    let close = |candidate: &&'a str| (distance(&word, candidate), *candidate);
    let (off, best) = candidates.iter().map(close).min_by_key(|(off, _)| *off)?;
    let longest = word.chars().count().max(best.chars().count());
    (off <= longest.div_ceil(3) && off < longest).then_some(best)
}

/// Returns `, did you mean ..?` with the nearest candidate, or an empty text.
pub(crate) fn hint(word: &str, candidates: &[&str]) -> String {
    nearest(word, candidates).map_or(String::new(), |near| format!(", did you mean `{near}`?"))
}

/// Returns the number of letters to add, drop, change, or swap with their neighbour.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last = None;
    for (n, from) in a.chars().enumerate() {
        let next = next_row(n, from, last, &b, &row, &above);
        above = std::mem::replace(&mut row, next);
        last = Some(from);
    }
    row.last().copied().unwrap_or(0)
}

fn next_row(
    n: usize,
    from: char,
    last: Option<char>,
    b: &[char],
    row: &[usize],
    above: &[usize],
) -> Vec<usize> {
    let mut next = vec![n + 1];
    // The cost two rows up and two columns to the left, for a swap.
    let two_back = once(None).chain(above.iter().copied().map(Some)).chain(repeat(None));
    let before = once(None).chain(b.iter().copied().map(Some));
    let pairs = row.iter().zip(row.iter().skip(1));
    for ((((diagonal, up), to), before), two_back) in pairs.zip(b).zip(before).zip(two_back) {
        let left = next.last().copied().unwrap_or(usize::MAX - 1);
        let changed = diagonal + usize::from(from != *to);
        let swapped = match two_back {
            Some(cost) if before == Some(from) && last == Some(*to) => cost + 1,
            _ => usize::MAX,
        };
        next.push((left + 1).min(up + 1).min(changed).min(swapped));
    }
    next
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_a_number_of_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("timeout", "timeout", 0),
            ("tiemout", "timeout", 1),
            ("ab", "ba", 1),
            ("kitten", "sitting", 3),
            ("colour", "color", 1),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn typos_get_a_suggestion_and_unrelated_words_do_not() {
        let words = ["timeout", "rate_limited", "auth", "not_found"];
        assert_eq!(nearest("tiemout", &words), Some("timeout"));
        assert_eq!(nearest("RateLimited", &words), Some("rate_limited"));
        assert_eq!(nearest("ratelimit", &words), Some("rate_limited"));
        assert_eq!(nearest("notfound", &words), Some("not_found"));
        assert_eq!(nearest("banana", &words), None);
        assert_eq!(nearest("1", &["0"]), None, "nothing of it is right");
        assert_eq!(nearest("timeout", &[]), None);
    }
}
