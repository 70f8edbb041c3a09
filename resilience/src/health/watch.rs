//! Looking again and again, for programs that nothing asks.

use super::ask::ask;
use super::registry;
use crate::base::block_on::{all, block_on};
use crate::base::repeating::{Repeating, repeat};
use std::io;
use std::time::Duration;

/// The wait of the thread between two looks.
const EVERY: Duration = Duration::from_secs(30);

/// A thread that looks at every component until this is dropped; see [`watch`].
#[derive(Debug)]
#[must_use = "the looks end when it is dropped"]
pub struct Watch {
    #[expect(dead_code, reason = "it ends the looks when it is dropped")]
    looks: Repeating,
}

/// Looks at every component now and every 30 s, on a thread of its own.
///
/// Each change of a level is an [`Event::Health`](crate::Event::Health), in `tracing` under the target
/// `resilience::health`. Questions, too, make such events: a program whose health is asked for regularly does not
/// need it.
///
/// # Errors
///
/// The system has no thread left.
///
/// # Examples
///
/// ```
/// // In `main`, for as long as the program runs:
/// let _watch = resilience::health::watch()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn watch() -> io::Result<Watch> {
    let look = |_: &_| drop(block_on(all(registry::all().into_iter().map(ask))));
    Ok(Watch { looks: repeat("resilience-watch", EVERY, look)? })
}
