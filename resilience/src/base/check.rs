//! Whether the running code is part of a health check.
//!
//! A call that is made only to look must not change what it looks at: it takes no probe of a half-open breaker, which
//! the traffic needs to close it, and spends no retry budget. The mark travels where the limits of timeouts travel.
//! Without the feature `ops` there are no checks, and the question costs nothing.

#[cfg(feature = "ops")]
pub(crate) use marked::*;

#[cfg(feature = "ops")]
mod marked {
    use std::cell::Cell;

    thread_local! {
        static INSIDE: Cell<bool> = const { Cell::new(false) };
    }

    fn replace(inside: bool) -> bool {
        INSIDE.try_with(|before| before.replace(inside)).unwrap_or(false)
    }

    /// Whether the running code is part of a health check.
    pub(crate) fn is_inside() -> bool {
        INSIDE.try_with(Cell::get).unwrap_or(false)
    }

    /// The running code is part of a check, or of none, until this is dropped.
    #[derive(Debug)]
    pub(crate) struct Inside {
        before: bool,
    }

    /// Makes the running code part of a check, or of none.
    pub(crate) fn enter(inside: bool) -> Inside {
        Inside { before: replace(inside) }
    }

    impl Drop for Inside {
        fn drop(&mut self) {
            replace(self.before);
        }
    }
}

/// Whether the running code is part of a health check: there are none.
#[cfg(not(feature = "ops"))]
#[inline]
pub(crate) const fn is_inside() -> bool {
    false
}
