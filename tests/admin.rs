//! What an operator does: look at the jobs and steps of any store, and take care of the store itself.

#[path = "store/common.rs"]
#[allow(dead_code, reason = "the tests of stores use the rest")]
mod common;
#[path = "admin/counted.rs"]
mod counted;
#[cfg(unix)]
#[path = "shared/forward.rs"]
mod forward;
#[path = "admin/inspect.rs"]
mod inspect;
#[path = "admin/listings.rs"]
mod listings;
#[path = "admin/manage.rs"]
mod manage;
#[path = "admin/retention.rs"]
mod retention;
#[cfg(target_os = "linux")]
#[path = "store/shim.rs"]
mod shim;
#[path = "admin/texts.rs"]
mod texts;
#[path = "admin/upkeep.rs"]
mod upkeep;
#[path = "admin/values.rs"]
mod values;
