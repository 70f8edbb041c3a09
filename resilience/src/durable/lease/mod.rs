//! The right to work on a key: asking for it, keeping it, and waiting for it.

pub(crate) mod acquire;
pub(crate) mod end;
pub(crate) mod heartbeat;
pub(crate) mod hold;
pub(crate) mod key_lock;
pub(crate) mod shared;

pub(crate) use crate::base::block_on;
