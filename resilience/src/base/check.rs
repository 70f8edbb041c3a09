//! Whether the running code is part of a health check.
//!
//! A call that is made only to look must not change what it looks at: it takes no probe of a half-open breaker, which
//! the traffic needs to close it, and spends no retry budget. The mark travels where the limits of timeouts travel.
//! Without the feature `ops` there are no checks, and the question costs nothing.

#[cfg(feature = "ops")]
pub(crate) use marked::*;

#[cfg(feature = "ops")]
mod marked {
    use crate::base::replaced::{Replaced, replace};
    use std::cell::Cell;

    thread_local! {
        static INSIDE: Cell<bool> = const { Cell::new(false) };
    }

    /// Returns whether the running code is part of a health check.
    pub(crate) fn is_inside() -> bool {
        INSIDE.try_with(Cell::get).unwrap_or(false)
    }

    /// Makes the running code part of a check, or of none, until the guard is dropped.
    pub(crate) fn enter(inside: bool) -> Replaced<Cell<bool>> {
        replace(&INSIDE, inside)
    }
}

/// Returns `false`: there are no health checks.
#[cfg(not(feature = "ops"))]
#[inline]
pub(crate) const fn is_inside() -> bool {
    false
}
