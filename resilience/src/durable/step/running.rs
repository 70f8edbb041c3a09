//! A step whose body runs: what guards it, and how its value is recorded.
//!
//! | guard | when | its end in the store |
//! |---|---|---|
//! | `ByJob` | inside a job of the same store | one transaction that checks the job's fence and writes the record |
//! | `ByItself` | outside of jobs, or in another store than the job's | the claim is on disk before the body; its end completes it |
//! | `Unprotected` | the store is out of order and `on_store_error = run` | none |
//!
//! The body's value is encoded, decoded and compared before it is recorded, and the caller gets the decoded one. What
//! does not survive the way is an error now, and not after the crash that would need it.
//!
//! # When the value cannot be recorded
//!
//! | why | the caller gets | the key |
//! |---|---|---|
//! | it is read back as another value | `Encode` | free: the next call runs the body again |
//! | more than 1 MiB | `TooLarge`, with the value | free |
//! | the store is out of order | `NotRecorded`, with the value; with `on_store_error = run` the value itself | free, once the store takes that |
//! | another holder has the lease | the store's `Fenced` | the other holder's |
//!
//! In each case the effect has happened. The errors that have the value let the caller use it
//! ([`Rejected::not_recorded`]).

use super::policy::OnStoreError;
use crate::base::block_on::Mode;
use crate::durable::call::{note_end, report_refusal};
use crate::durable::lease::end::completed;
use crate::durable::lease::hold::Lease;
use crate::durable::lease::key_lock::KeyLock;
use crate::durable::record::codec;
use crate::durable::record::error::{CheckpointError, Subject};
use crate::durable::record::key::place;
use crate::durable::record::{Record, Status};
use crate::durable::scope::{JobScope, Occurrence, Scope, Step, StepBody};
use crate::durable::store::{Claim, Completion, Release, Store, StoreError};
use crate::durable::under_way::UnderWay;
use crate::event::{Event, emit};
use crate::outcome::Outcome;
use crate::point::PointName;
use crate::policy::Verdict;
use crate::policy::recoveries::count_recorded;
use crate::rejected::Rejected;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A step whose body runs.
#[derive(Debug)]
#[doc(hidden)]
#[must_use]
pub struct RunningStep {
    at: Box<Subject>,
    held: StepGuard,
    scope: Scope,
    on_store_error: OnStoreError,
    _occurrence: Option<Occurrence>,
    _body: Option<StepBody>,
    /// A shutdown waits until this is dropped, last.
    _under_way: Option<UnderWay>,
}

/// The protection of a step while its body runs.
#[derive(Debug)]
enum StepGuard {
    /// None: the store cannot be used.
    Unprotected,
    /// A lease of its own.
    ByItself(Lease),
    /// The lease of its job.
    ByJob {
        job: Arc<JobScope>,
        /// The record to be written when it ends.
        record: Box<Record>,
        /// Kept until it has ended.
        _lock: Arc<KeyLock>,
    },
}

impl RunningStep {
    /// Creates the step that `claim` was granted for, with its `record`.
    pub(super) fn held(
        at: Box<Subject>,
        store: Arc<dyn Store>,
        scope: Scope,
        claim: Claim,
        record: Record,
        lock: Arc<KeyLock>,
    ) -> Self {
        let body = scope.job.as_ref().map(|job| StepBody::new(job, &at.key));
        let job = scope.job.clone().filter(|_| claim.holder.is_some());
        let (held, step) = if let Some(job) = job {
            let step = Step::in_job(&job, &record);
            (StepGuard::ByJob { job, record: Box::new(record), _lock: lock }, step)
        } else {
            let (key, length) = (claim.key.clone(), claim.lease);
            let lease = Lease::new(store, key, record.fence, length, Some(lock), Status::Free);
            let step = Step::of_its_own(lease.state(), &record);
            (StepGuard::ByItself(lease), step)
        };
        let scope = scope.in_step(step, claim.key);
        Self {
            at,
            held,
            scope,
            on_store_error: OnStoreError::Fail,
            _occurrence: None,
            _body: body,
            _under_way: None,
        }
    }

    /// Creates a step of `point` whose store cannot be used.
    pub(super) fn unprotected(point: PointName, scope: Scope) -> Self {
        let at = Subject::new(point, "");
        let held = StepGuard::Unprotected;
        Self {
            at,
            held,
            scope,
            on_store_error: OnStoreError::Run,
            _occurrence: None,
            _body: None,
            _under_way: None,
        }
    }

    /// Returns the step with the handling of a failing store, and its occurrence, if it is a step without a key.
    pub(super) fn with(self, on_store_error: OnStoreError, occurrence: Option<Occurrence>) -> Self {
        Self { on_store_error, _occurrence: occurrence, ..self }
    }

    /// Returns the step, which a shutdown waits for.
    pub(super) fn under(self, under_way: UnderWay) -> Self {
        Self { _under_way: Some(under_way), ..self }
    }

    /// Returns the scopes of the body.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Records the outcome, if it is a success, and returns the recorded one.
    pub(crate) async fn settle<R>(
        self,
        mode: Mode,
        outcome: R,
        verdict: Verdict,
    ) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: Serialize + DeserializeOwned>,
    {
        let (job, key) = (self.scope.job.clone(), self.at.key.clone());
        let settled = self.try_settle(mode, outcome, verdict).await;
        if let Err(rejected) = &settled {
            report_refusal(rejected);
        }
        if let Some(job) = job {
            note_end(&job, &key, &settled);
        }
        settled
    }

    /// Records the value of a success. Any other outcome, or one that the verdict calls a failure, is returned
    /// unchanged, and the key is free again.
    async fn try_settle<R>(self, mode: Mode, outcome: R, verdict: Verdict) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: Serialize + DeserializeOwned>,
    {
        let (None, Ok(value)) = (&verdict, outcome.judge()) else {
            self.give_back().await;
            return Ok((outcome, verdict));
        };
        if matches!(self.held, StepGuard::Unprotected) {
            return Ok((outcome, verdict));
        }
        // A value that cannot be read back is not recorded in the first place.
        match codec::read_back(value) {
            Ok((bytes, value)) => self.record(mode, bytes).await.map(|()| (R::success(value), verdict)),
            Err(message) => Err(self.unrecordable(message).await),
        }
    }

    /// Releases the key. A step under the lease of its job has written nothing yet.
    async fn give_back(self) {
        crate::durable::moment::reached("after body");
        if let StepGuard::ByItself(lease) = self.held {
            lease.give_back().await;
        }
    }

    /// Returns the error of a value whose encoding is another value: no record of it could be trusted.
    async fn unrecordable(self, message: String) -> Rejected {
        let at = self.at.clone();
        self.give_back().await;
        CheckpointError::Encode { at, message }.into()
    }

    /// Records `value` in the store, durably when this returns.
    ///
    /// # Errors
    ///
    /// See the module: none of them undoes the effect of the body.
    async fn record(self, mode: Mode, value: Vec<u8>) -> Result<(), Rejected> {
        let Self { at, held, scope, on_store_error, .. } = self;
        crate::durable::moment::reached("after body");
        let (store, completion, mut lease) = match held {
            StepGuard::Unprotected => return Ok(()),
            StepGuard::ByItself(lease) => {
                let state = lease.state();
                let completion = Completion::done(state.key.clone(), state.fence, value);
                (state.store.clone(), completion, Some(lease))
            }
            StepGuard::ByJob { job, record, .. } => {
                let tally = (!place::is_of_undo(&record.key)).then(|| place::tally(&job.id));
                let completion = Completion::step(*record, job.holder(), value);
                (job.store().clone(), Completion { tally, ..completion }, None)
            }
        };
        let completion = Arc::new(completion);
        let completed = match &mut lease {
            Some(lease) => lease.complete(mode, &completion).await,
            None => completed(mode, &store, &completion).await,
        };
        match completed {
            Ok(_) => {
                crate::durable::moment::reached("after complete");
                count_recorded(completion.value.len());
                let (point, key, job) = (at.point.clone(), at.key.clone(), scope.job_id());
                emit(&Event::StepRecorded { point, key, job }, None);
                Ok(())
            }
            Err(error) if error.is_outage() && on_store_error == OnStoreError::Run => {
                warn_unprotected(&at.point, &error);
                Ok(())
            }
            Err(error) if error.is_outage() => {
                // The caller has the value, and decides what to do with it.
                if let Some(lease) = lease {
                    lease.release_later(Release::new(completion.key.clone(), completion.fence, Status::Free));
                }
                let (value, store) = (completion.value.clone().into(), Box::new(error));
                Err(CheckpointError::NotRecorded { at, value, store }.into())
            }
            Err(error) => {
                if let Some(lease) = lease {
                    lease.give_back().await;
                }
                Err(match error {
                    StoreError::TooLarge { bytes } => {
                        CheckpointError::TooLarge { at, bytes, value: completion.value.clone().into() }.into()
                    }
                    error => CheckpointError::store(at, error).into(),
                })
            }
        }
    }
}

/// Reports that a step runs without its store.
pub(super) fn warn_unprotected(point: &PointName, error: &StoreError) {
    #[cfg(feature = "tracing")]
    crate::base::guarded::guarded(|| {
        tracing::warn!(target: "resilience::checkpoint", point = &**point, reason = error.as_str(), "runs unprotected");
    });
    #[cfg(feature = "ops")]
    crate::event::alert::store_is_down(point, error);
    #[cfg(not(any(feature = "tracing", feature = "ops")))]
    let _ = (point, error);
}
