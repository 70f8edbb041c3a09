//! Contradictions between the policies of one stack that need their values: judged while compiling, and
//! again by whoever changes a value at run time.
//!
//! The macro refuses stacks that are wrong whatever their numbers are (`stack/rules.rs` there). What depends on numbers,
//! which may be constants of the program, is judged here by `const fn`s: the expansion calls them in a `const`, and the
//! compiler shows a failure at the token of the value.

use crate::base::text::Text;
use std::time::Duration;

/// Refuses an attempt's timeout that is not shorter than that of the whole call.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_attempt(total: Duration, attempt: Duration) {
    if attempt.as_nanos() >= total.as_nanos() {
        let text = Text::<200>::new()
            .push("the timeout of one attempt (")
            .time(attempt)
            .push(") is not shorter than that of the whole call (")
            .time(total)
            .push("), which would always go off first: lower the one or raise the other");
        panic!("{}", text.as_str());
    }
}

/// Refuses a breaker's `slow` that is not shorter than a timeout of its stack.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_slow(slow: Duration, limit: Duration) {
    if slow.as_nanos() >= limit.as_nanos() {
        let text = Text::<200>::new()
            .push("`slow` of the circuit breaker (")
            .time(slow)
            .push(") is not shorter than a timeout of its stack (")
            .time(limit)
            .push("), which would end every call before it is slow: lower the one or raise the other");
        panic!("{}", text.as_str());
    }
}

/// Refuses a breaker's time window that is shorter than the timeout of one attempt below it.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_window(window: Duration, attempt: Duration) {
    if window.as_nanos() < attempt.as_nanos() {
        let text = Text::<200>::new()
            .push("the window of the circuit breaker (")
            .time(window)
            .push(") is shorter than the timeout of one attempt (")
            .time(attempt)
            .push("): two timed-out calls would never be seen together");
        panic!("{}", text.as_str());
    }
}

/// Refuses a hedge whose extra call never has the time that it needs: more than `after` until the timeout above.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_hedge(total: Duration, after: Duration) {
    if after.as_nanos().saturating_mul(2) >= total.as_nanos() {
        let text = Text::<240>::new()
            .push("the extra call of the hedge follows after ")
            .time(after)
            .push(", when no more than that is left of the timeout above it (")
            .time(total)
            .push("), so it would never be made: lower the one or raise the other");
        panic!("{}", text.as_str());
    }
}

/// Refuses a hedge whose extra call follows when the timeout below has ended the call.
///
/// # Panics
///
/// In that case; in a `const` that is a compile error.
#[track_caller]
pub const fn check_hedged(attempt: Duration, after: Duration) {
    if after.as_nanos() >= attempt.as_nanos() {
        let text = Text::<240>::new()
            .push("the extra call of the hedge follows after ")
            .time(after)
            .push(", when the timeout below it (")
            .time(attempt)
            .push(") has ended the call: lower the one or raise the other");
        panic!("{}", text.as_str());
    }
}
