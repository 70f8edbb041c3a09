//! Waiting that goes on after a restart.

use crate::durable::lease::block_on::block_on;
use crate::durable::step::policy::Checkpoint;
use crate::rejected::Rejected;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest wait at a stretch: after it the time of day is looked at again, which may have been set.
const STRETCH: Duration = Duration::from_secs(60);

const SLEEP: Checkpoint = Checkpoint::new("resilience::sleep_until");

/// Waits until `at`, a time of day, as the step `key`; after a restart it waits for that same time.
///
/// The time is recorded at the first call, whatever `at` says in later ones. Inside a job the wait goes on
/// when the job is recovered. The time of day is read again at least every minute, so that a clock that is
/// set is followed.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the time cannot be recorded.
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::{Duration, SystemTime};
///
/// resilience::sleep_until("cool down", SystemTime::now() + Duration::from_secs(1)).await?;
/// # Ok::<(), resilience::Rejected>(())
/// # }).unwrap();
/// ```
pub async fn sleep_until(key: &str, at: SystemTime) -> Result<(), Rejected> {
    let end: Result<u64, Rejected> = SLEEP.call_async(key, async || Ok(millis(at))).await;
    let end = UNIX_EPOCH + Duration::from_millis(end?);
    while let Some(left) = left(end) {
        Box::pin(crate::base::clock::pause(left.min(STRETCH))).await;
    }
    Ok(())
}

/// Waits until `at` as the step `key`, from sync code; see [`sleep_until`].
///
/// # Errors
///
/// The same as those of [`sleep_until`].
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// use std::time::{Duration, SystemTime};
///
/// resilience::sleep_until_blocking("cool down", SystemTime::now() + Duration::from_secs(3600))?;
/// # Ok::<(), resilience::Rejected>(())
/// ```
pub fn sleep_until_blocking(key: &str, at: SystemTime) -> Result<(), Rejected> {
    let end: Result<u64, Rejected> = block_on(SLEEP.call_async(key, async || Ok(millis(at))));
    let end = UNIX_EPOCH + Duration::from_millis(end?);
    while let Some(left) = left(end) {
        crate::base::clock::sleep(left.min(STRETCH));
    }
    Ok(())
}

fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX / 2)
}

fn left(end: SystemTime) -> Option<Duration> {
    end.duration_since(crate::base::clock::time_of_day()).ok().filter(|left| !left.is_zero())
}
