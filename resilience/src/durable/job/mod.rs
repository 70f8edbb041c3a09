//! Jobs: named calls that are recorded with their arguments, found after a crash, and run again.

pub(crate) mod begin;
pub(crate) mod call;
pub(crate) mod policy;
pub(crate) mod run;
pub(crate) mod running;
pub(crate) mod site;
pub(crate) mod undo;
