//! Steps: functions whose success is recorded under a key.
//!
//! ```text
//!  policy   the settings, and the setters of `Checkpoint`      plain   `Checkpoint` as a plain value
//!     │                                                           │
//!  begin    key, inputs, store, scope; then the claim  ◀─────  site   the `static`s of `#[checkpoint]`
//!     │
//!  running  what guards the body, and how its value is recorded
//! ```
//!
//! `namesakes` distinguishes functions of one name, for undos. `progress` is the cursor of one long loop, and `sleep` a
//! wait that is over restarts: both are records like a step, and neither has a body.

pub(crate) mod begin;
pub(crate) mod namesakes;
mod plain;
pub(crate) mod policy;
pub(crate) mod progress;
pub(crate) mod running;
pub(crate) mod site;
pub(crate) mod sleep;
