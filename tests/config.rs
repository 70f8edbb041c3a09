//! Settings from files and variables: what they change in a running program, and what they do not.

#[path = "config/admission.rs"]
mod admission;
#[path = "config/changes.rs"]
mod changes;
#[path = "config/every_setting.rs"]
mod every_setting;
#[cfg(feature = "ops")]
#[path = "config/notes.rs"]
mod notes;
#[path = "config/process.rs"]
mod process;
#[path = "config/recorded.rs"]
mod recorded;
#[path = "config/refused.rs"]
mod refused;
#[path = "config/support.rs"]
mod support;
#[cfg(feature = "ops")]
#[path = "config/timed.rs"]
mod timed;
#[path = "config/under_load.rs"]
mod under_load;
#[path = "config/watching.rs"]
mod watching;
