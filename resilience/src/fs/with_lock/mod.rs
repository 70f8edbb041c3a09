//! The lock of an annotated function: what `#[with_lock]` expands to.

mod config;
mod site;

pub use config::WithLockConfig;
pub use site::{CallLock, Enter, LockSite};

pub use crate::base::holding::Holding;
