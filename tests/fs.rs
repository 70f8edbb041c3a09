//! Locks between processes and transactions of files, with real files and real processes.

#![cfg(target_os = "linux")]

#[path = "fs/common.rs"]
mod common;
#[path = "fs/foreign.rs"]
mod foreign;
#[path = "fs/formats.rs"]
mod formats;
#[path = "fs/full.rs"]
mod full;
#[path = "fs/given.rs"]
mod given;
#[path = "fs/kills.rs"]
mod kills;
#[path = "fs/locks.rs"]
mod locks;
#[path = "fs/marker.rs"]
mod marker;
#[path = "fs/moved.rs"]
mod moved;
#[path = "fs/power.rs"]
mod power;
#[path = "fs/processes.rs"]
mod processes;
#[path = "fs/rights.rs"]
mod rights;
#[path = "fs/rollback.rs"]
mod rollback;
#[path = "store/shim.rs"]
mod shim;
#[path = "fs/transactions.rs"]
mod transactions;
#[path = "fs/two_disks.rs"]
mod two_disks;
