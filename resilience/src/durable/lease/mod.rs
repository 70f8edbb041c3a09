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
//! A lease is never renewed by itself: the process has one counter in each store, and one write keeps everything that
//! it holds. `state` is what the heartbeat and the holder both see: the fence, and whether the lease is lost.
//!
//! The rule for all of it: a lease whose end the store did not take is kept, and its end is owed. Given up instead, the
//! record would look like that of a dead process, and its work would be done a second time while this one lives.
//!
//! # One claim, from the call to its end
//!
//! 1. The caller waits in memory for the other callers of its key in this process (`key_lock`).
//! 2. The process makes sure that its counter is raised often enough for the new lease (`heartbeat`).
//! 3. The store grants the lease, in one transaction, with a *fence*: a number above all earlier ones.
//! 4. The body runs. Every write for it carries the fence, and the store refuses a write whose fence is not that of
//!    the record.
//! 5. The end is written, also if the caller was dropped before, and the lock of the key is free again.
//!
//! # What holds, and what does not
//!
//! - Of two processes that believe they hold one key, at most one can write: the fence decides, and no clock takes
//!   part.
//! - Two *bodies* can still overlap. A process that is suspended for longer than its lease runs on when it wakes up,
//!   until its next write or its next look at `LeaseLoss`. Effects of a body outside of the store need the fence, or
//!   have to bear a second run.
//! - A process that ends without releasing its leases is dead to the others as soon as its lock is free; if the lock
//!   cannot be judged, as soon as one of them has seen its counter unchanged for a whole lease (`store::owners`).
//! - A fork's child holds nothing. It has copies of the leases and locks of its parent, which know the process that
//!   made them, and end nothing in another one.

pub(crate) mod acquire;
pub(crate) mod end;
pub(crate) mod heartbeat;
pub(crate) mod hold;
pub(crate) mod key_lock;
pub(crate) mod state;
