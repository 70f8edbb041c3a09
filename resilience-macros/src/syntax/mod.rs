//! The syntax of the arguments of an attribute: keys with values, tokens and their places, units of time, and
//! the nearest word to a wrong one.

mod entries;
pub(crate) mod keys;
pub(crate) mod suggest;
pub(crate) mod tokens;
pub(crate) mod units;
