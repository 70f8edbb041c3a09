//! The annotated function: its signature, its opaque body, and the keys that are about it.

pub(crate) mod async_kind;
pub(crate) mod item;
pub(crate) mod options;
pub(crate) mod types;
pub(crate) mod uses;
