//! How the arguments of an attribute are written: keys with values, and the nearest word to a wrong one.

pub(crate) mod keys;
pub(crate) mod suggest;
