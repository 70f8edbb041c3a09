//! The wakers of those that wait for one thing.

use std::task::Waker;

/// Adds `waker` to `waiting`, unless it is there: polled in a loop, a future leaves one waker behind, not one for each
/// poll.
///
/// A clone is passed, which is code of the program: it can be made before a lock is taken.
pub(crate) fn add(waiting: &mut Vec<Waker>, waker: Waker) {
    if !waiting.iter().any(|other| other.will_wake(&waker)) {
        waiting.push(waker);
    }
}
