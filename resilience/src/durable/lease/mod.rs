//! The right to work on a key: asking for it, keeping it, and waiting for it.
//!
//! ```text
//!  key_lock   one caller of this process at a time
//!     │
//!  acquire    claim in the store; wait while another process has it
//!     │
//!  hold       a `Lease`: ends with the work, or when it is dropped
//!     │   ╲
//!  end     heartbeat    raises this process's counter while any lease is held
//! ```
//!
//! A lease is never renewed by itself: the process has one counter in each store, and one write keeps everything that it
//! holds. `shared` is what the heartbeat and the holder both see: the fence, and whether the lease is lost.
//!
//! The rule for all of it: a lease whose end the store did not take is kept, and its end is owed. Given up instead, the
//! record would look like that of a dead process, and its work would be done a second time while this one lives.

pub(crate) mod acquire;
pub(crate) mod end;
pub(crate) mod heartbeat;
pub(crate) mod hold;
pub(crate) mod key_lock;
pub(crate) mod shared;

pub(crate) use crate::base::block_on;
