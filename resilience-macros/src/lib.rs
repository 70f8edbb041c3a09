//! The entry points of the attributes.

mod diag;
mod nearest;
