//! Stores, and what jobs and checkpoints do when a store fails: the conformance suite, released formats and
//! schemas, damaged bytes, disks that are full or lie, and processes that contend.

mod common;
mod conformance;
#[cfg(unix)]
mod contention;
mod damage;
#[cfg(unix)]
mod deaths;
#[cfg(target_os = "linux")]
mod disk;
mod ends;
mod faulty;
#[path = "../shared/forward.rs"]
mod forward;
mod golden;
#[cfg(all(target_os = "linux", feature = "ops"))]
mod health;
#[cfg(target_os = "linux")]
mod hostile;
mod keys;
mod leases;
#[cfg(target_os = "linux")]
mod million;
mod mismatch;
#[cfg(target_os = "linux")]
mod opening;
mod outage;
#[cfg(unix)]
mod owners;
mod places;
#[cfg(target_os = "linux")]
mod power_cut;
mod released;
#[cfg(target_os = "linux")]
mod shim;
mod undoing;
#[cfg(target_os = "linux")]
mod upkeep;
