//! Functions of edition 2021, where `gen` is an ordinary name, under a renamed dependency.

use std::future::Future;
use std::io;
use std::pin::Pin;

/// What an async body does.
pub type Steps<'a> = &'a dyn Fn() -> Pin<Box<dyn Future<Output = io::Result<u32>>>>;

pub mod now {
    use std::io;
    use tough::{checkpoint, circuit_breaker, with_fallback, with_retry};

    #[with_retry(max = 3, crate = ::tough)]
    pub fn retry(step: &dyn Fn() -> io::Result<u32>, gen: &str) -> io::Result<u32> {
        let run = step()?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[circuit_breaker(threshold = 2, crate = ::tough)]
    pub fn breaker(step: &dyn Fn() -> io::Result<u32>, gen: &str) -> io::Result<u32> {
        let run = step()?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[with_fallback(value = 0, crate = ::tough)]
    pub fn fallback(step: &dyn Fn() -> io::Result<u32>, gen: &str) -> io::Result<u32> {
        let run = step()?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[checkpoint("row:{gen}", crate = ::tough)]
    pub fn recorded(step: &dyn Fn() -> io::Result<u32>, gen: &str) -> io::Result<u32> {
        let run = step()?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[with_fallback(value = 0, crate = ::tough)]
    #[with_retry(max = 3)]
    #[circuit_breaker(threshold = 9)]
    pub fn all(step: &dyn Fn() -> io::Result<u32>, gen: &str) -> io::Result<u32> {
        let run = step()?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }
}

pub mod later {
    use super::Steps;
    use std::io;
    use tough::{checkpoint, circuit_breaker, timeout, with_fallback, with_retry};

    #[with_retry(max = 3, crate = ::tough)]
    pub async fn retry(step: Steps<'_>, gen: &str) -> io::Result<u32> {
        let run = step().await?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[circuit_breaker(threshold = 2, crate = ::tough)]
    pub async fn breaker(step: Steps<'_>, gen: &str) -> io::Result<u32> {
        let run = step().await?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[timeout(50ms, crate = ::tough)]
    pub async fn limit(step: Steps<'_>, gen: &str) -> io::Result<u32> {
        let run = step().await?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[with_fallback(value = 0, crate = ::tough)]
    pub async fn fallback(step: Steps<'_>, gen: &str) -> io::Result<u32> {
        let run = step().await?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[checkpoint("row:{gen}", crate = ::tough)]
    pub async fn recorded(step: Steps<'_>, gen: &str) -> io::Result<u32> {
        let run = step().await?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }

    #[with_fallback(value = 0, crate = ::tough)]
    #[timeout(10s)]
    #[with_retry(max = 3)]
    #[circuit_breaker(threshold = 9)]
    #[timeout(2s)]
    pub async fn all(step: Steps<'_>, gen: &str) -> io::Result<u32> {
        let run = step().await?;
        debug_assert_eq!(gen, "abc");
        Ok(run)
    }
}

/// `unsafe fn`: the suite itself forbids the word.
pub mod unsound {
    use std::io;
    use tough::{checkpoint, circuit_breaker, with_fallback, with_retry};

    #[with_retry(max = 3, crate = ::tough)]
    /// # Safety
    ///
    /// `text` must point to a number.
    pub unsafe fn retry(step: &dyn Fn() -> io::Result<u32>, text: *const u8) -> io::Result<u32> {
        let run = step()?;
        // SAFETY: as this function asks of its caller.
        let read = unsafe { *text };
        Ok(run + u32::from(read) - 3)
    }

    #[circuit_breaker(threshold = 2, crate = ::tough)]
    /// # Safety
    ///
    /// `text` must point to a number.
    pub unsafe fn breaker(step: &dyn Fn() -> io::Result<u32>, text: *const u8) -> io::Result<u32> {
        let run = step()?;
        // SAFETY: as this function asks of its caller.
        let read = unsafe { *text };
        Ok(run + u32::from(read) - 3)
    }

    #[with_fallback(value = 0, crate = ::tough)]
    /// # Safety
    ///
    /// `text` must point to a number.
    pub unsafe fn fallback(step: &dyn Fn() -> io::Result<u32>, text: *const u8) -> io::Result<u32> {
        let run = step()?;
        // SAFETY: as this function asks of its caller.
        let read = unsafe { *text };
        Ok(run + u32::from(read) - 3)
    }

    #[checkpoint("row", inputs(), crate = ::tough)]
    /// # Safety
    ///
    /// `text` must point to a number.
    pub unsafe fn recorded(step: &dyn Fn() -> io::Result<u32>, text: *const u8) -> io::Result<u32> {
        let run = step()?;
        // SAFETY: as this function asks of its caller.
        let read = unsafe { *text };
        Ok(run + u32::from(read) - 3)
    }

    #[with_fallback(value = 0, crate = ::tough)]
    #[with_retry(max = 3)]
    #[circuit_breaker(threshold = 9)]
    /// # Safety
    ///
    /// `text` must point to a number.
    pub unsafe fn all(step: &dyn Fn() -> io::Result<u32>, text: *const u8) -> io::Result<u32> {
        let run = step()?;
        // SAFETY: as this function asks of its caller.
        let read = unsafe { *text };
        Ok(run + u32::from(read) - 3)
    }
}

/// The functions of `unsound`, with a pointer that is good.
pub mod safe {
    use super::unsound;
    use std::io;

    const THREE: &u8 = &3;

    pub fn retry(step: &dyn Fn() -> io::Result<u32>) -> io::Result<u32> {
        // SAFETY: the pointer comes from a reference.
        unsafe { unsound::retry(step, THREE) }
    }

    pub fn breaker(step: &dyn Fn() -> io::Result<u32>) -> io::Result<u32> {
        // SAFETY: the pointer comes from a reference.
        unsafe { unsound::breaker(step, THREE) }
    }

    pub fn fallback(step: &dyn Fn() -> io::Result<u32>) -> io::Result<u32> {
        // SAFETY: the pointer comes from a reference.
        unsafe { unsound::fallback(step, THREE) }
    }

    pub fn recorded(step: &dyn Fn() -> io::Result<u32>) -> io::Result<u32> {
        // SAFETY: the pointer comes from a reference.
        unsafe { unsound::recorded(step, THREE) }
    }

    pub fn all(step: &dyn Fn() -> io::Result<u32>) -> io::Result<u32> {
        // SAFETY: the pointer comes from a reference.
        unsafe { unsound::all(step, THREE) }
    }
}
