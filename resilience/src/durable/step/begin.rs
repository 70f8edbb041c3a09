//! The look-up of a step: whether its body has to run.
//!
//! Everything that is the code's fault is found before the store is asked: a key that is empty or too long, a step
//! outside of its job, a step inside of itself, inputs that cannot be encoded. What the store answers decides the rest.
//! In a job the claim carries the job's lease ([`Holder`](crate::durable::store::Holder)) and writes nothing: the step
//! is one transaction, at its end.
//!
//! `on_store_error = run` lets the body run without a record when the store is out of order, never when it answers
//! something else.
//!
//! # Checks before the store is asked
//!
//! 1. Which key: the one of the attribute, or the next number of the function in its job.
//! 2. Whether the place is right: `in_job` outside of a job is an error, and without it a WARN while jobs run.
//! 3. Whether the key has a length from 1 to 512 bytes, and the inputs can be encoded.
//! 4. Which store: the one of the attribute, of the job, or the default one.
//! 5. Whether the running code is part of this very step: waiting for itself would never end.

use super::namesakes::could_be_undone;
use super::policy::{Checkpoint, OnStoreError};
use super::running::{RunningStep, warn_unprotected};
use crate::base::block_on::Mode;
use crate::base::of_process::OfProcess;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::durable::call::{Identity, NotRun, record_begin};
use crate::durable::lease::acquire::{ClaimResult, claim, patience};
use crate::durable::record::args::InputHashes;
use crate::durable::record::codec;
use crate::durable::record::error::{CheckpointError, Subject};
use crate::durable::record::{Record, Status, key};
use crate::durable::scope::{self, Occurrence, Scope};
use crate::durable::store::{self, Claim, Store, StoreError};
use crate::durable::under_way::UnderWay;
use crate::event::{Event, emit};
use crate::point::PointName;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The request of a call.
pub(crate) struct StepRequest {
    /// `None` for a step without a key of its own.
    pub(crate) key: Option<String>,
    pub(crate) inputs: Option<Result<InputHashes, String>>,
    pub(crate) store: Option<Arc<dyn Store>>,
    /// Whether recorded bytes are a value of the caller's type.
    pub(crate) reads: fn(&[u8]) -> bool,
    /// The facts that the record of a step in a job keeps of its function, beside the name.
    pub(crate) note: Vec<u8>,
}

impl StepRequest {
    /// Creates the request of a step with this key, whose value is a `T`.
    pub(crate) fn new<T: DeserializeOwned>(key: Option<String>) -> Self {
        Self { key, inputs: None, store: None, reads: codec::reads::<T>, note: Vec::new() }
    }
}

/// A step that is about to be looked up.
struct PreparedStep {
    at: Box<Subject>,
    store: Arc<dyn Store>,
    scope: Scope,
    claim: Claim,
    occurrence: Option<Occurrence>,
    note: Vec<u8>,
}

impl Checkpoint {
    /// Looks the step of `identity` up, and claims it if it has to run.
    pub(crate) async fn begin(
        &self,
        mode: Mode,
        identity: &Identity,
        ask: StepRequest,
    ) -> Result<RunningStep, NotRun> {
        record_begin(self.look_up(mode, identity, ask).await)
    }

    /// Claims the step and returns it as running, unless a record or another process decides otherwise.
    ///
    /// # Errors
    ///
    /// Why the body does not run: a recorded value, another holder, a contradiction, or an error of the
    /// store.
    async fn look_up(
        &self,
        mode: Mode,
        identity: &Identity,
        ask: StepRequest,
    ) -> Result<RunningStep, NotRun> {
        let reads = ask.reads;
        let prepared = match self.prepare(identity, ask) {
            Err(CheckpointError::Store { .. }) if self.config().on_store_error == OnStoreError::Run => {
                return Ok(RunningStep::unprotected(identity.point.clone(), scope::current()));
            }
            prepared => prepared?,
        };
        let PreparedStep { at, scope, store, claim: request, .. } = &prepared;
        let under_way = UnderWay::step(scope, store, &at.point, &at.key, request.key.clone());
        let under_way = under_way.map_err(NotRun::Refused)?;
        let answer = claim(mode, store, request, Status::Free, reads, patience(self.config().wait)).await;
        prepared.answered(answer, self.config().on_store_error).map(|step| step.under(under_way))
    }

    /// Checks the request and finds its key and store, without asking the store.
    ///
    /// # Errors
    ///
    /// A mistake in the call itself, or a missing store.
    fn prepare(&self, identity: &Identity, ask: StepRequest) -> Result<PreparedStep, CheckpointError> {
        let scope = scope::current();
        let place = |key: &str| Subject::new(identity.point.clone(), key);
        let (key, occurrence) = match (ask.key, &scope.job) {
            (Some(key), _) => (key, None),
            (None, None) => return Err(CheckpointError::NoKey { at: place("") }),
            (None, Some(job)) => {
                let (key, occurrence) = job
                    .occurrence(&identity.name)
                    .map_err(|key| CheckpointError::Overlap { at: place(&key) })?;
                (key, Some(occurrence))
            }
        };
        if scope.job.is_none() {
            if self.config().in_job {
                return Err(CheckpointError::OutsideJob { at: place(&key) });
            }
            if scope::running_jobs() > 0 {
                warn_once(&identity.point, OUTSIDE);
            }
        }
        check_key(place(&key))?;
        let inputs = ask.inputs.transpose();
        let inputs = inputs.map_err(|message| CheckpointError::Encode { at: place(&key), message })?;
        let store = match (ask.store, &scope.job) {
            (Some(store), _) => store,
            (None, Some(job)) => job.store().clone(),
            (None, None) => {
                crate::durable::default_store().map_err(|error| CheckpointError::store(place(&key), error))?
            }
        };
        let full = scope.place_of_step(&store, &key);
        if scope.holds(&store, &full) {
            return Err(CheckpointError::Recursive { at: place(&key) });
        }
        // A step in another store than its job's is not under the job's lease.
        let job = scope.job.as_ref().filter(|job| store::same(job.store(), &store));
        if scope.job.is_some() && job.is_none() && could_be_undone(&ask.note) {
            warn_once(&identity.point, NOT_UNDONE);
        }
        let claim = Claim {
            lease: self.config().lease,
            was: earlier(&identity.name, self.was),
            version: self.config().version,
            inputs: inputs.as_ref().map(|inputs| inputs.hash),
            input: inputs.map_or(Vec::new(), |inputs| inputs.each),
            ttl: self.config().ttl,
            holder: job.map(|job| job.holder()),
            on_mismatch: self.config().on_mismatch,
            on_corrupt: self.config().on_corrupt,
            ..Claim::new(full, store.owner(), identity.name.clone())
        };
        Ok(PreparedStep { at: place(&key), store, scope, claim, occurrence, note: ask.note })
    }
}

impl PreparedStep {
    /// Returns the meaning of the answer to the claim.
    fn answered(
        self,
        answer: Result<ClaimResult, StoreError>,
        on_store_error: OnStoreError,
    ) -> Result<RunningStep, NotRun> {
        let Self { at, store, scope, claim, occurrence, note } = self;
        let error = match answer {
            Ok(ClaimResult::Held(record, lock)) => {
                let record = Record { note, ..record };
                let step = RunningStep::held(at, store, scope, claim, record, lock);
                return Ok(step.with(on_store_error, occurrence));
            }
            Ok(ClaimResult::Done(record)) => {
                let (point, key, job) = (at.point.clone(), at.key.clone(), scope.job_id());
                emit(&Event::StepReused { point, key, job }, None);
                return Err(NotRun::Recorded(Box::new(record), at));
            }
            Ok(ClaimResult::Busy { owner, left }) => CheckpointError::Busy { at, owner, retry_after: left },
            Ok(ClaimResult::Mismatch(contradiction)) => CheckpointError::Mismatch { at, contradiction },
            Ok(ClaimResult::Stopped(record)) => {
                let owner = record.owner;
                CheckpointError::Busy { at, owner, retry_after: Duration::ZERO }
            }
            Err(error) if error.is_outage() && on_store_error == OnStoreError::Run => {
                warn_unprotected(&at.point, &error);
                return Ok(RunningStep::unprotected(at.point.clone(), scope));
            }
            Err(error) => CheckpointError::store(at, error),
        };
        Err(error.into())
    }
}

/// Returns the place, if a step or cursor can be recorded under its key.
pub(crate) fn check_key(at: Box<Subject>) -> Result<Box<Subject>, CheckpointError> {
    key::check_key(
        at,
        |at| CheckpointError::EmptyKey { at },
        |at, bytes| CheckpointError::KeyTooLong { at, bytes },
    )
}

/// The warning of a step that runs outside of every job while jobs run: its result belongs to none of them.
const OUTSIDE: &str = "a step runs outside of every job while jobs run: make the task that calls it part of its job with \
                       `resilience::in_scope(..)`; `in_job` makes this an error";
/// The warning of a step with a `rollback` in another store than its job's.
const NOT_UNDONE: &str =
    "a step in another store than its job's is not undone with the job: its `rollback` never runs";

/// Logs a warning once for each function.
fn warn_once(point: &PointName, warning: &'static str) {
    type Warned = BTreeSet<(&'static str, String)>;
    static WARNED: Site<OfProcess<Mutex<Warned>>> =
        Site::new(OfProcess::locked(BTreeSet::new()), || OfProcess::locked(BTreeSet::new()));
    let is_first = locked(&WARNED).insert((warning, point.to_string()));
    #[cfg(not(feature = "tracing"))]
    let _ = is_first;
    #[cfg(feature = "tracing")]
    if is_first {
        crate::base::guarded::guarded(|| {
            tracing::warn!(target: "resilience::checkpoint", point = &**point, job = scope::job(), "{warning}");
        });
    }
}

/// Returns earlier names as records have them: a name without a crate is one of the same crate.
pub(crate) fn earlier(function: &str, was: &[&str]) -> Vec<String> {
    let home = function.split("::").next().unwrap_or(function);
    let full = |name: &&str| if name.contains("::") { (*name).to_owned() } else { format!("{home}::{name}") };
    was.iter().map(full).chain(was.iter().map(|name| (*name).to_owned())).collect()
}
