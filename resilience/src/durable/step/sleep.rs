//! Waiting that goes on after a restart.

use crate::base::block_on::block_on;
use crate::base::stopping;
use crate::durable::call::note_refusal;
use crate::durable::scope;
use crate::durable::step::policy::Checkpoint;
use crate::durable::under_way::refusal;
use crate::point::PointName;
use crate::rejected::Rejected;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest wait at a stretch: after it the time of day is looked at again, which may have been set.
const STRETCH: Duration = Duration::from_secs(60);

/// The function of the recorded times, in records, events and errors.
const NAME: &str = "resilience::sleep_until";
const SLEEP: Checkpoint = Checkpoint::new(NAME);

/// Waits until `at`, a time of day, as the step `key`; after a restart it waits for that same time.
///
/// The time is recorded at the first call, whatever `at` says in later ones. Inside a job the wait goes on
/// when the job is recovered. The time of day is read again at least every minute, so that a clock that is
/// set is followed.
///
/// A time that has passed ends the wait at once, and is recorded all the same. Dropped while it waits, the future
/// leaves the recorded time: the next call waits for the rest.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the time cannot be recorded; [`Rejected::ShuttingDown`] once the process
/// [shuts down](crate::shutdown()): a job around it is interrupted, and waits on when it is recovered.
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
        Box::pin(stopping::pause(left.min(STRETCH))).await;
        not_cut(end)?;
    }
    Ok(())
}

/// Waits until `at` as the step `key`, from sync code; see [`sleep_until`].
///
/// # Errors
///
/// Fails like [`sleep_until`].
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
        stopping::sleep(left.min(STRETCH));
        not_cut(end)?;
    }
    Ok(())
}

/// # Errors
///
/// That the shutdown of the process has ended the wait; a job around it is interrupted.
fn not_cut(end: SystemTime) -> Result<(), Rejected> {
    if left(end).is_none() || !stopping::has_begun() {
        return Ok(());
    }
    let refused = refusal(&PointName::new(NAME));
    if let Some(job) = scope::current().job {
        note_refusal(&job, NAME.to_owned(), &refused);
    }
    Err(refused)
}

/// Returns milliseconds since 1970: a time before that is 1970, so that the wait is over.
fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX / 2)
}

/// Returns how long to wait yet, by the time of day; `None` once it is over.
fn left(end: SystemTime) -> Option<Duration> {
    end.duration_since(crate::base::clock::time_of_day()).ok().filter(|left| !left.is_zero())
}
