//! The stores that this process uses, without opening another one.

use crate::base::clock;
use crate::durable::default_store::asked_default;
use crate::durable::lease::heartbeat;
use crate::durable::store::{Store, StoreError, same};
use std::sync::Arc;

/// Returns the stores that jobs and steps of this process have used, and that are still open.
///
/// # Errors
///
/// What keeps the default store from being opened, once one has asked for it.
pub(crate) fn stores() -> Result<Vec<Arc<dyn Store>>, StoreError> {
    // In a test world no lease is kept: the kept ones belong to other tests of the process.
    let mut stores = if clock::is_manual() { Vec::new() } else { heartbeat::stores() };
    if let Some(store) = asked_default().transpose()? {
        stores.push(store);
    }
    let mut different: Vec<Arc<dyn Store>> = Vec::new();
    for store in stores {
        if !different.iter().any(|other| same(other, &store)) {
            different.push(store);
        }
    }
    Ok(different)
}
