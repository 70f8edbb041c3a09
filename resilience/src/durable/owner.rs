//! Who this process is to the stores.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// `pid/random`: the number is for people, the rest is new for each start of a process.
pub(crate) fn this_process() -> &'static str {
    static OWNER: OnceLock<String> = OnceLock::new();
    OWNER.get_or_init(|| {
        let random = || RandomState::new().hash_one(std::process::id());
        format!("{}-{:016x}{:016x}", std::process::id(), random(), random())
    })
}
