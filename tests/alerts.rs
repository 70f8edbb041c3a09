//! The file of alerts, with real files and real processes.

#![cfg(all(target_os = "linux", feature = "ops"))]
#![allow(dead_code, reason = "the helpers are shared with other tests, and each uses its part")]

#[path = "alerts/automatic.rs"]
mod automatic;
#[path = "alerts/canary.rs"]
mod canary;
#[path = "fs/common.rs"]
mod common;
#[path = "alerts/file.rs"]
mod file;
#[path = "alerts/full.rs"]
mod full;
#[path = "alerts/names.rs"]
mod names;
#[path = "alerts/places.rs"]
mod places;
#[path = "alerts/processes.rs"]
mod processes;
#[path = "store/shim.rs"]
mod shim;
#[path = "alerts/sinks.rs"]
mod sinks;
