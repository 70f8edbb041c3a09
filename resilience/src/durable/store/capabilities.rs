//! The promises of a store, and what it knows of its owners.

use std::fmt;

/// The liveness of a process, as far as a store can tell.
///
/// A store answers this at once, without waiting for a lease: it asks the operating system for the lock that each
/// process holds beside the store. `Unknown` is decided later, by a counter that the owner raises three times in
/// a lease.
///
/// # Examples
///
/// ```
/// use resilience::durable::store::Liveness;
/// use resilience::durable::{MemoryStore, Store};
///
/// let store = MemoryStore::new();
/// assert_eq!(store.liveness(&store.owner()), Liveness::Alive);
/// assert_eq!(store.liveness("4711-00c0ffee"), Liveness::Unknown);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Liveness {
    /// The owner holds its lock, stopped or not.
    Alive,
    /// The owner does not hold its lock.
    Dead,
    /// Its lock cannot be judged: it is of another host, or its file is missing. Its counter decides.
    Unknown,
}

impl Liveness {
    /// Returns its name in snake case, which does not change: `alive`, `dead`, `unknown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Serialises like its `Display`.
impl serde::Serialize for Liveness {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The promises of a store.
///
/// # Examples
///
/// ```
/// use resilience::durable::{MemoryStore, Store};
/// use resilience::durable::store::Capabilities;
///
/// assert!(!MemoryStore::new().capabilities().durable);
/// assert!(Capabilities::new().durable().multi_host().multi_host);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Acknowledged records survive `kill -9` and, as far as the disk keeps its word, a power cut.
    pub durable: bool,
    /// Several hosts can share it: its owners are judged by their counters where they are on other hosts.
    pub multi_host: bool,
    /// The store knows that an owner's process has died, without waiting for its lease: jobs are taken over at the next
    /// look, and waiting callers at their next try.
    pub sees_dead_owners: bool,
}

impl Capabilities {
    /// Creates the capabilities of a store that promises nothing.
    pub const fn new() -> Self {
        Self { durable: false, multi_host: false, sees_dead_owners: false }
    }

    /// Promises that acknowledged records survive `kill -9` and a power cut.
    ///
    /// Do not promise it where a write is acknowledged before it has been synced: a job that was reported as done
    /// would run again.
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// Promises that several hosts can share it.
    ///
    /// Such a store has to judge an owner whose lock it cannot see by its counter, and by the observer's own clock.
    pub const fn multi_host(mut self) -> Self {
        self.multi_host = true;
        self
    }

    /// Promises that dead owners are seen at once.
    ///
    /// Without it a take-over waits until a counter was seen unchanged for a whole lease.
    pub const fn sees_dead_owners(mut self) -> Self {
        self.sees_dead_owners = true;
        self
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self::new()
    }
}
