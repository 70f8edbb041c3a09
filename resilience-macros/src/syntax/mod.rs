//! How the arguments of an attribute are written: keys with values, tokens and where they are, units of time, and
//! the nearest word to a wrong one.

mod entries;
pub(crate) mod keys;
pub(crate) mod suggest;
pub(crate) mod tokens;
pub(crate) mod units;
