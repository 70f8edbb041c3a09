//! Steps: functions whose success is recorded under a key.

pub(crate) mod begin;
pub(crate) mod namesakes;
mod plain;
pub(crate) mod policy;
pub(crate) mod progress;
pub(crate) mod running;
pub(crate) mod site;
pub(crate) mod sleep;
