//! Jobs: named calls that are recorded with their arguments, found after a crash, and run again.
//!
//! ```text
//!  policy   the settings, and `Job` as a plain value          site   the `static`s of `#[job]`
//!     │                                                          │
//!  begin    look up, claim, compare with the code  ◀─────────────┘
//!     │
//!  run      before the body: recoveries, lost steps, rollback; after it: how it ended
//!     │
//!  running  the lease, the scope and the record of a job whose body runs  ──▶  unfinished: the report of its end
//!     │
//!  undo     the steps of a job that is rolled back
//! ```
//!
//! `call` is what recovery needs to run a recorded job: its provided values, and its function with the arguments.

pub(crate) mod begin;
pub(crate) mod call;
pub(crate) mod policy;
pub(crate) mod run;
pub(crate) mod running;
pub(crate) mod site;
pub(crate) mod undo;
mod unfinished;
