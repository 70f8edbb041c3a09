//! The check of the stores of jobs and steps.

use super::answer::Answer;
use crate::base::block_on::block_on;
use crate::durable::in_use;
use crate::durable::store::StoreError;

/// The number of an entry of the quarantine that no store has.
const NO_ENTRY: u64 = i64::MAX as u64;

/// Tests whether every store in use takes a write.
///
/// A store that nothing has used is not opened. The write deletes an entry that is not there: it changes no record, and
/// in a store on disk it takes the turn to write, the transaction and the sync that the next step will need, too.
pub(super) fn look() -> Answer {
    let looked = in_use::stores().and_then(|stores| {
        for store in &stores {
            block_on(store.remove_quarantined(NO_ENTRY))?;
        }
        Ok(stores.len())
    });
    match looked {
        Ok(0) => Answer::pass("no job and no step has used a store"),
        Ok(1) => Answer::pass("the store takes writes"),
        Ok(count) => Answer::pass(format!("{count} stores take writes")),
        Err(error) => {
            let action = match error {
                StoreError::Full => "free space on the disk of the store",
                StoreError::Poisoned | StoreError::Lost(_) => {
                    "look at the files of the store, and restart the program"
                }
                _ => "look at the store; until it is back, calls of jobs and steps are refused",
            };
            Answer::fail(error.to_string()).action(action)
        }
    }
}
