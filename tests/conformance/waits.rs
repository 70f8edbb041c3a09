//! Waits that no setting spells, as functions of the kind that `Backoff::Custom` takes.
//!
//! Such a function captures nothing: a program writes its numbers into it. Here they are known only when a
//! scenario is read, so it finds them in its thread.

use resilience::Backoff;
use std::cell::RefCell;
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) enum Table {
    /// One after the other; the last repeats.
    List(Vec<Duration>),
    Steps {
        base: Duration,
        step: Duration,
        floor: Option<Duration>,
    },
    Factor {
        base: Duration,
        factor: f64,
        floor: Duration,
    },
}

impl Table {
    fn wait(&self, n: u32) -> Duration {
        match self {
            Self::List(waits) => waits.get(n as usize).or(waits.last()).copied().unwrap_or_default(),
            Self::Steps { base, step, floor } => {
                base.saturating_add(step.saturating_mul(n)).max(floor.unwrap_or_default())
            }
            Self::Factor { base, factor, floor } => {
                let wait = base.as_secs_f64() * factor.powf(f64::from(n));
                Duration::try_from_secs_f64(wait).unwrap_or(Duration::MAX).max(*floor)
            }
        }
    }
}

thread_local! {
    static TABLES: RefCell<[Option<Table>; 2]> = const { RefCell::new([None, None]) };
}

/// The waits of the retry number `slot` in this thread, from now on.
pub(crate) fn set(slot: usize, table: Option<Table>) {
    TABLES.with(|tables| tables.borrow_mut()[slot] = table);
}

fn wait(slot: usize, n: u32) -> Duration {
    TABLES.with(|tables| tables.borrow()[slot].as_ref().map(|table| table.wait(n)).unwrap_or_default())
}

/// The backoff that reads the table of `slot`.
pub(crate) fn reader(slot: usize) -> Backoff {
    Backoff::Custom(if slot == 0 { |n| wait(0, n) } else { |n| wait(1, n) })
}
