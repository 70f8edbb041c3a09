//! What a person can do about the errors that steps and jobs have in common.

pub(super) const BUSY: &str = "wait for the other holder, or look at the process that holds it";
pub(super) const FENCED: &str = "find what kept the process from renewing its lease";
pub(super) const NOT_RECORDED: &str = "check the store, then record the value that the error carries";
pub(super) const MISMATCH: &str =
    "correct the key, `was` or `version`, or begin anew with `on_mismatch = rerun`";
pub(super) const CORRUPT: &str = "look at the quarantined bytes, or begin anew with `on_corrupt = rerun`";
pub(super) const UNDECODABLE: &str = "restore the type, or begin anew with `on_mismatch = rerun`";
pub(super) const ENCODE: &str = "change the type so that serde writes and reads its values";
pub(super) const TOO_LARGE: &str = "store the value elsewhere and record a reference to it";
pub(super) const STORE: &str = "check that the store can be used";
