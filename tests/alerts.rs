//! The file of alerts, with real files and real processes.

#![cfg(all(target_os = "linux", feature = "ops"))]
// What the tests of files and locks share has more than these tests use.
#![allow(dead_code)]

#[path = "alerts/automatic.rs"]
mod automatic;
#[path = "fs/common.rs"]
mod common;
#[path = "alerts/file.rs"]
mod file;
#[path = "alerts/processes.rs"]
mod processes;
