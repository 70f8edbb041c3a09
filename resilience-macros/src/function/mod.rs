//! The annotated function: its signature and its opaque body.

pub(crate) mod async_kind;
pub(crate) mod item;
pub(crate) mod types;
pub(crate) mod uses;
