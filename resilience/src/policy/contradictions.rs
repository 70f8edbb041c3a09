//! Contradictions between the policies of one stack that need their values: judged while compiling, and
//! again by whoever changes a value at run time.
//!
//! The macro refuses stacks that are wrong whatever their numbers are (`stack/rules.rs` there). Rules about numbers,
//! which may be constants of the program, are judged here by `const fn`s: the expansion calls them in a `const`, and
//! the compiler shows a failure at the token of the value.

use crate::base::text::Text;
#[cfg(feature = "config")]
use crate::point::Facts;
use std::time::Duration;

/// The mistake in two values.
type Sentence = Text<240>;

#[track_caller]
const fn refuse(contradiction: Option<Sentence>) {
    if let Some(text) = contradiction {
        panic!("{}", text.as_str());
    }
}

/// Refuses an attempt's timeout that is not shorter than that of the whole call.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_attempt(total: Duration, attempt: Duration) {
    refuse(attempt_complaint(total, attempt));
}

const fn attempt_complaint(total: Duration, attempt: Duration) -> Option<Sentence> {
    if attempt.as_nanos() >= total.as_nanos() {
        let text = Sentence::new()
            .push("the timeout of one attempt (")
            .time(attempt)
            .push(") is not shorter than that of the whole call (")
            .time(total)
            .push("), which would always go off first: lower the one or raise the other");
        return Some(text);
    }
    None
}

/// Refuses a breaker's `slow` that is not shorter than a timeout of its stack.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_slow(slow: Duration, limit: Duration) {
    refuse(slow_complaint(slow, limit));
}

const fn slow_complaint(slow: Duration, limit: Duration) -> Option<Sentence> {
    if slow.as_nanos() >= limit.as_nanos() {
        let text = Sentence::new()
            .push("`slow` of the circuit breaker (")
            .time(slow)
            .push(") is not shorter than a timeout of its stack (")
            .time(limit)
            .push("), which would end every call before it is slow: lower the one or raise the other");
        return Some(text);
    }
    None
}

/// Refuses a breaker's time window that is shorter than the timeout of one attempt below it.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_window(window: Duration, attempt: Duration) {
    refuse(window_complaint(window, attempt));
}

const fn window_complaint(window: Duration, attempt: Duration) -> Option<Sentence> {
    if window.as_nanos() < attempt.as_nanos() {
        let text = Sentence::new()
            .push("the window of the circuit breaker (")
            .time(window)
            .push(") is shorter than the timeout of one attempt (")
            .time(attempt)
            .push("): two timed-out calls would never be seen together");
        return Some(text);
    }
    None
}

/// Refuses a hedge whose extra call never has the time that it needs: more than `after` until the timeout above.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_hedge(total: Duration, after: Duration) {
    refuse(hedge_complaint(total, after));
}

const fn hedge_complaint(total: Duration, after: Duration) -> Option<Sentence> {
    if after.as_nanos().saturating_mul(2) >= total.as_nanos() {
        let text = Sentence::new()
            .push("the extra call of the hedge follows after ")
            .time(after)
            .push(", when no more than that is left of the timeout above it (")
            .time(total)
            .push("), so it would never be made: lower the one or raise the other");
        return Some(text);
    }
    None
}

/// Refuses a hedge whose extra call follows when the timeout below has ended the call.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_hedged(attempt: Duration, after: Duration) {
    refuse(hedged_complaint(attempt, after));
}

const fn hedged_complaint(attempt: Duration, after: Duration) -> Option<Sentence> {
    if after.as_nanos() >= attempt.as_nanos() {
        let text = Sentence::new()
            .push("the extra call of the hedge follows after ")
            .time(after)
            .push(", when the timeout below it (")
            .time(attempt)
            .push(") has ended the call: lower the one or raise the other");
        return Some(text);
    }
    None
}

/// Returns what is wrong with the numbers of a stack, whose policies are listed from the top.
///
/// It asks what the expansion asks of the numbers in the code.
#[cfg(feature = "config")]
pub(crate) fn contradiction(stack: &[Facts]) -> Option<String> {
    let pairs = stack
        .iter()
        .enumerate()
        .flat_map(|(at, above)| stack.iter().skip(at + 1).map(move |below| (above, below)));
    let found = pairs.filter_map(|(above, below)| {
        let slow = |slow: &Facts, limit: &Facts| slow_complaint(slow.slow?, limit.limit?);
        let window = || window_complaint(above.window?, below.limit?);
        let hedge = || hedge_complaint(above.limit?, below.after?);
        let hedged = || hedged_complaint(below.limit?, above.after?);
        window().or_else(|| slow(above, below)).or_else(|| slow(below, above)).or_else(hedge).or_else(hedged)
    });
    let attempts =
        (0..stack.len()).filter_map(|at| attempt_complaint(total(stack, at)?, stack.get(at)?.limit?));
    found.chain(attempts).next().map(|text| text.as_str().to_owned())
}

/// Returns the limit of the whole call, for the policy at this place: the nearest above that is not itself run more
/// than once.
#[cfg(feature = "config")]
pub(crate) fn total(stack: &[Facts], at: usize) -> Option<Duration> {
    let above = stack.iter().take(at).take_while(|facts| !facts.loops);
    above.filter_map(|facts| facts.limit).last()
}
