//! The entry points of the attributes.
