//! The foundation of the crate: time, randomness, state and text. It knows nothing of failures or policies.
//!
//! This module owns the seams of the crate: the clock, waiting and random numbers. Nothing outside of it reads a clock,
//! sleeps or draws a number, so that a test world can put its own in their place and no test has to wait. It also owns
//! the declaration of settings, because every policy and the durable part have some.
//!
//! It never names an error, a point, an event or a policy: `tests/structure.rs` fails on an import from above. What has
//! to reach up all the same, such as the job that a helper thread takes along, is a function pointer that the upper
//! module sets (see [`carry::set_job`](carry)).
//!
//! | what | modules |
//! |---|---|
//! | time | `clock` (the seam), `time`, `timer`, `real_clock` and `paused` (its implementations), `calendar` |
//! | randomness and test worlds | `rng`, `world`, `site` (state that a world replaces) |
//! | scopes of the running code | `scope` (limits), `admission`, `repeats`, `payers`, `marks`, `holding`, `handling`, `check`; `carry` takes it along to other tasks and threads, all but `admission`; `replaced` is their guard, `each_poll` a future that enters them |
//! | threads | `sync`, `block_on`, `promise` (a value of another thread), `own_thread`, `repeating`, `runtime`, `shards`, `of_process` (forks), `guarded` (panics of the program), `wakers` |
//! | settings | `setting` (as data), `settings` (the declaration), `forms` (kinds of values), `change` (from a configuration) |
//! | text | `name`, `template` (keys), `text` (without allocation), `scrub` (without secrets), `visible` (for terminals), `serialise` |
//! | the rest | `linked` (tables that the linker fills), `files`, `regular_file` and `state_dir`, `percentile`, `stopping` (the flag of a shutdown), `alert_level` |
//!
//! # Thread-locals
//!
//! The scopes of the running code are kept in thread-locals, most with a guard that restores the former value.
//! Three rules hold for all of them. A guard is dropped on the thread that made it. A future sets them for the time
//! of each poll, as tasks share a thread. And a thread whose locals are gone is not an error: code that runs in the
//! destructor of another thread-local is part of nothing.

pub(crate) mod admission;
pub(crate) mod alert_level;
pub(crate) mod block_on;
pub(crate) mod calendar;
pub(crate) mod carry;
#[cfg(feature = "config")]
pub(crate) mod change;
pub(crate) mod check;
pub(crate) mod clock;
#[cfg(any(feature = "durable", feature = "fs"))]
pub(crate) mod digest;
pub(crate) mod each_poll;
#[cfg(any(feature = "sqlite", feature = "fs", feature = "ops"))]
pub(crate) mod files;
#[cfg(any(
    feature = "durable",
    all(feature = "fs", target_os = "linux", feature = "serde", feature = "serde_json")
))]
pub(crate) mod finite;
mod forms;
pub(crate) mod guarded;
#[cfg(feature = "ops")]
pub(crate) mod handling;
pub(crate) mod holding;
pub(crate) mod linked;
#[cfg(feature = "cache")]
pub(crate) mod marks;
pub(crate) mod name;
#[cfg(any(feature = "durable", feature = "fs", feature = "ops"))]
pub(crate) mod of_process;
#[cfg(feature = "ops")]
pub(crate) mod own_thread;
#[cfg(feature = "tokio")]
mod paused;
pub(crate) mod payers;
pub(crate) mod percentile;
#[cfg(any(feature = "durable", all(feature = "fs", target_os = "linux")))]
pub(crate) mod promise;
mod real_clock;
#[cfg(any(feature = "config", feature = "fs", feature = "ops", feature = "sqlite"))]
pub(crate) mod regular_file;
#[cfg(any(feature = "config", feature = "ops"))]
pub(crate) mod repeating;
pub(crate) mod repeats;
pub(crate) mod replaced;
pub(crate) mod rng;
#[cfg(all(feature = "tokio", any(feature = "durable", feature = "ops")))]
pub(crate) mod runtime;
pub(crate) mod scope;
#[cfg(any(feature = "durable", feature = "ops"))]
pub(crate) mod scrub;
#[cfg(feature = "serde")]
pub(crate) mod serialise;
pub mod setting;
pub(crate) mod settings;
pub(crate) mod shards;
pub(crate) mod site;
#[cfg(any(feature = "durable", feature = "fs", feature = "ops"))]
pub(crate) mod state_dir;
pub(crate) mod stopping;
pub(crate) mod sync;
pub(crate) mod template;
pub(crate) mod text;
mod time;
mod timer;
pub(crate) mod visible;
pub(crate) mod wakers;
pub(crate) mod world;
