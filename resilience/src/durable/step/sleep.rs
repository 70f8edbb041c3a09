//! Waiting that goes on after a restart.
//!
//! A wait of more than [`BRIEF`] leaves the place of a recovered job among those that run at once to another, and takes
//! one again after it. A job that waits is still `Running`, under its lease. Every few seconds the wait looks whether
//! the job was asked to stop, or has another holder, as its next step would.

use crate::base::block_on::{Mode, block_on};
use crate::base::{clock, stopping};
use crate::durable::call::{note_refusal, report_refusal};
use crate::durable::record::error::{CheckpointError, Subject};
use crate::durable::record::key::place;
use crate::durable::scope::{self, Scope};
use crate::durable::seat::SeatPause;
use crate::durable::step::policy::Checkpoint;
use crate::durable::store::{Claim, StoreError};
use crate::durable::under_way::refusal;
use crate::point::PointName;
use crate::rejected::Rejected;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The longest wait at a stretch: after it the time of day is looked at again, which may have been set.
const STRETCH: Duration = Duration::from_secs(60);

/// The least time between two looks of one job. All of them together make about 500 looks a second, until each looks
/// once in a [`STRETCH`].
const LOOK: Duration = Duration::from_secs(2);

/// The longest wait during which a recovered job keeps its place.
const BRIEF: Duration = Duration::from_secs(10);

/// The function of the recorded times, in records, events and errors.
const NAME: &str = "resilience::sleep_until";
const SLEEP: Checkpoint = Checkpoint::new(NAME);

/// Waits until `at`, a time of day, as the step `key`; after a restart it waits for that same time.
///
/// The time is recorded at the first call, whatever `at` says in later ones. Inside a job the wait goes on
/// when the job is recovered. The time of day is read again at least every minute, so that a clock that is
/// set is followed. While it waits for more than 10 s, a recovered job is not one of the 16 that run at once.
///
/// A job that is [cancelled](crate::jobs::cancel) while it waits is refused within a few seconds, or a minute where
/// tens of thousands wait.
///
/// A time that has passed ends the wait at once, and is recorded all the same. Dropped while it waits, the future
/// leaves the recorded time: the next call waits for the rest.
///
/// # Errors
///
/// [`Rejected::Checkpoint`] if the time cannot be recorded, or the job around was cancelled or has another holder;
/// [`Rejected::ShuttingDown`] once the process [shuts down](crate::shutdown()): a job around it is interrupted, and
/// waits on when it is recovered.
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
    wait(Mode::Async, key, at).await
}

/// Waits until `at` as the step `key`, from sync code; see [`sleep_until`].
///
/// A sync job keeps its thread while it waits: at most 512 recovered ones leave their places at once. Jobs that sleep
/// by the thousand are better async.
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
    block_on(wait(Mode::Blocking, key, at))
}

async fn wait(mode: Mode, key: &str, at: SystemTime) -> Result<(), Rejected> {
    let end: Result<u64, Rejected> = SLEEP.call_async(key, async || Ok(millis(at))).await;
    let end = UNIX_EPOCH + Duration::from_millis(end?);
    let scope = scope::current();
    let mut away = None;
    let mut sleeps = None;
    while let Some(left) = left(end) {
        if left > BRIEF {
            away.get_or_insert_with(|| SeatPause::from(scope.seat()));
        }
        sleeps.get_or_insert_with(Sleeps::begin);
        let stretch = left.min(stretch(&scope));
        match mode {
            Mode::Async => Box::pin(stopping::pause(stretch)).await,
            Mode::Blocking => stopping::sleep(stretch),
        }
        not_cut(end)?;
        Box::pin(still_held(&scope, key)).await?;
    }
    // A limit around this must not end the job because others have its place: it takes one at once.
    if let Some(away) = away.filter(|_| crate::base::scope::remaining().is_none()) {
        Box::pin(away.back()).await;
    }
    Ok(())
}

/// The number of waits of this process that have not ended.
static SLEEPERS: AtomicU32 = AtomicU32::new(0);

/// A wait that [`SLEEPERS`] counts until it is dropped.
#[derive(Debug)]
struct Sleeps;

impl Sleeps {
    fn begin() -> Self {
        SLEEPERS.fetch_add(1, Ordering::Relaxed);
        Self
    }
}

impl Drop for Sleeps {
    fn drop(&mut self) {
        SLEEPERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns how long to wait at a stretch: until the next look at the job, if there is one.
fn stretch(scope: &Scope) -> Duration {
    if scope.job.is_none() || clock::is_of_a_test() {
        return STRETCH;
    }
    let sleepers = SLEEPERS.load(Ordering::Relaxed);
    (LOOK + Duration::from_secs(u64::from(sleepers / 500))).min(STRETCH)
}

/// Looks whether the job still has its lease and may go on, as far as the store answers.
///
/// A step that waits is not refused: like every step that runs, it ends as it can.
///
/// # Errors
///
/// Those of the job's next step if it was cancelled or has another holder.
async fn still_held(scope: &Scope, key: &str) -> Result<(), Rejected> {
    let Scope { job: Some(job), step: None, .. } = scope else { return Ok(()) };
    let store = job.store();
    let step = place::step(Some(&job.id), key);
    let look = Claim { holder: Some(job.holder()), ..Claim::new(step, store.owner(), NAME) };
    let Err(error @ (StoreError::Cancelled { .. } | StoreError::Fenced { .. })) = store.claim(look).await
    else {
        return Ok(());
    };
    let at = Subject::new(PointName::new(NAME), key);
    let rejected: Rejected = CheckpointError::store(at, error).into();
    report_refusal(&rejected);
    note_refusal(job, key.to_owned(), &rejected);
    Err(rejected)
}

/// Checks that no shutdown has cut the wait until `end`.
///
/// # Errors
///
/// The shutdown of the process has ended the wait early; a job around it is interrupted.
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
    end.duration_since(clock::time_of_day()).ok().filter(|left| !left.is_zero())
}
