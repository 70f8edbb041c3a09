//! The leases of locks that this process holds, by the numbers under which the running code holds them.

use crate::base::of_process::OfProcess;
use crate::base::sync::locked;
use crate::durable::lease::state::LeaseState;
use crate::durable::store::{self, Store};
use crate::fs::lock::held::{self, HeldLock};
use crate::point::PointName;
use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};

/// The leases of this process by the number that each has in the scope of the code that holds it.
static HELD: OfProcess<Mutex<BTreeMap<usize, Arc<LeaseState>>>> = OfProcess::locked(BTreeMap::new());

/// Notes that `lease`, which is the lock `name`, was taken at the point `at`: its body can ask for it until
/// [`leave`]. Returns its number, which is odd, as those of all locks are, and not used again while it is held.
pub(super) fn enter(name: &PointName, at: &PointName, lease: &Arc<LeaseState>) -> usize {
    // A lease has no place in the order of locks that are files.
    let lock = HeldLock { inode: None, label: name.to_string(), taken_at: at.to_string() };
    let number = held::enter(lock);
    locked(&HELD).insert(number, lease.clone());
    number
}

/// Notes that the call that holds the lease is over.
pub(super) fn leave(number: usize) {
    held::leave(number);
    let left = locked(&HELD).remove(&number);
    // Its store may be closed with it.
    drop(left);
}

/// Returns the leases that the running code holds, the innermost last.
///
/// Numbers that are not in the table are those of bulkheads, and of locks that are files.
fn here() -> Vec<Arc<LeaseState>> {
    held::held_in(&HELD)
}

/// Returns whether the running code holds the lease of `key` in `store`: a wait for it here would wait for itself.
pub(super) fn is_held_here(store: &Arc<dyn Store>, key: &str) -> bool {
    here().iter().any(|lease| lease.key == key && store::same(&lease.store, store))
}

/// The lease of a lock, for the body that runs under it; see [`lock_lease`].
///
/// It refers to the lease, and can be sent to another thread or task; there it says the same. Its fence protects a
/// service outside of the store: a lease is a promise with an end, and a process that was suspended for longer goes on
/// as if it held the lock, until it looks.
///
/// # Examples
///
/// A service that remembers the highest fence it has seen, and refuses a lower one:
///
/// ```
/// use resilience::durable::{MemoryStore, lock_lease};
/// use resilience::{Rejected, with_lock};
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::sync::{Arc, LazyLock};
///
/// static STORE: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));
/// static HIGHEST: AtomicU64 = AtomicU64::new(0);
///
/// #[with_lock("ledger", store = &*STORE)]
/// fn book() -> Result<u64, Rejected> {
///     let fence = lock_lease().expect("the body holds the lock").fence();
///     assert!(HIGHEST.fetch_max(fence, Ordering::Relaxed) <= fence, "a late writer");
///     Ok(fence)
/// }
///
/// # let _world = resilience::testing::isolate();
/// assert!(book().unwrap() < book().unwrap());
/// ```
#[derive(Clone, Debug)]
pub struct LockLease {
    state: Arc<LeaseState>,
}

impl LockLease {
    /// Returns the number of this lease, which is higher than that of every earlier one.
    ///
    /// It is at least 1, and one store gives it out once. Send it along with the body's writes to another service; a
    /// service that refuses a number lower than the highest it has seen cannot be written to by a holder that has lost
    /// its lock.
    pub fn fence(&self) -> u64 {
        self.state.fence
    }

    /// Returns whether the lease is known to be lost: others may work under the same lock.
    ///
    /// It is an estimate. A lease can be lost without being known to be, and a lease that was lost in an outage of the
    /// store can be found again.
    ///
    /// In a test world there is no heartbeat, and it stays `false`.
    pub fn is_lost(&self) -> bool {
        self.state.loss.is_lost()
    }

    /// Waits until the lease is known to be lost; select on it beside long work, and stop that work.
    ///
    /// It never ends for a lease that is kept, and goes on waiting when the lock has been given back: drop it with
    /// the work. The future does not borrow from this value, and can be sent to another task.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, lock_lease};
    /// use resilience::{Rejected, with_lock};
    /// use std::sync::{Arc, LazyLock};
    ///
    /// static STORE: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));
    ///
    /// #[with_lock("ledger", store = &*STORE)]
    /// async fn book() -> Result<u32, Rejected> {
    ///     let lost = lock_lease().expect("the body holds the lock").lost();
    ///     tokio::select! {
    ///         () = lost => Ok(0), // another process may be booking by now
    ///         booked = std::future::ready(7) => Ok(booked),
    ///     }
    /// }
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// assert_eq!(book().await.unwrap(), 7);
    /// # });
    /// ```
    pub fn lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let state = self.state.clone();
        std::future::poll_fn(move |cx| state.loss.poll_lost(cx))
    }
}

/// Returns the lease of the innermost lock in a store that the running code holds; `None` where it holds none.
///
/// The lock is that of a function with `#[with_lock(.., store = ..)]`. A spawned task or thread holds it only with
/// [`in_scope`](crate::in_scope) or [`in_scope_blocking`](crate::in_scope_blocking).
///
/// A lock that is a file has none: its holder keeps it for as long as the process lives.
///
/// # Examples
///
/// ```
/// assert!(resilience::durable::lock_lease().is_none());
/// ```
pub fn lock_lease() -> Option<LockLease> {
    here().pop().map(|state| LockLease { state })
}
