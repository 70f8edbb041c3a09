//! The look-up of a job: whether its body has to run.
//!
//! A job is looked up by its key, and, if it has an earlier one (`was`), by that: the record is continued under the key
//! that it has. The hash of the arguments is compared by the store, which is exact and fast; only when it differs are
//! the arguments themselves compared, as this code reads them: code that got or lost an `Option` argument, or a field
//! with a default, since the record was made is no contradiction. The answer names the arguments that differ.

use super::policy::Job;
use super::running::{RunningJob, dropped};
use super::unfinished::Unfinished;
use crate::base::block_on::Mode;
use crate::base::stopping;
use crate::durable::call::{Identity, NotRun, record_begin};
use crate::durable::lease::acquire::{ClaimResult, claim, patience};
use crate::durable::lease::hold::Lease;
use crate::durable::record::Status;
use crate::durable::record::args::{Args, UnorderedArgs};
use crate::durable::record::codec;
use crate::durable::record::error::{JobError, Subject};
use crate::durable::record::history::JobHistory;
use crate::durable::record::key::{check_key, place};
use crate::durable::scope::{self, JobScope};
use crate::durable::store::{Claim, Mismatch, Otherwise, Store, StoreError};
use crate::durable::under_way::{UnderWay, refusal};
use std::sync::Arc;

impl Job {
    /// Looks the job `id` of `identity` up, and claims it if it has to run.
    pub(crate) async fn begin(
        &self,
        mode: Mode,
        identity: &Identity,
        id: String,
        args: Args,
        store: Option<Arc<dyn Store>>,
        reads: fn(&[u8]) -> bool,
    ) -> Result<RunningJob, NotRun> {
        record_begin(self.look_up(mode, identity, id, args, store, reads).await)
    }

    /// Claims the job and returns it as running, unless a record or another process decides otherwise.
    ///
    /// A missing store, a key that cannot be recorded, a job inside itself and a shutdown are found before the claim.
    ///
    /// # Errors
    ///
    /// The reason why the body does not run: the recorded result, another holder, a contradiction, or an error of the
    /// store.
    async fn look_up(
        &self,
        mode: Mode,
        identity: &Identity,
        id: String,
        mut args: Args,
        store: Option<Arc<dyn Store>>,
        reads: fn(&[u8]) -> bool,
    ) -> Result<RunningJob, NotRun> {
        let at = check_key(
            Subject::new(identity.point.clone(), id),
            |at| JobError::EmptyKey { at },
            |at, bytes| JobError::KeyTooLong { at, bytes },
        )?;
        let store = match store.map_or_else(crate::durable::default_store, Ok) {
            Ok(store) => store,
            Err(error) => return Err(JobError::store(at, error).into()),
        };
        let at = match args.earlier.take() {
            Some(earlier) => match self.is_under(&store, &at.key, &earlier).await {
                Ok(true) => Subject::new(identity.point.clone(), earlier),
                Ok(false) => at,
                Err(error) => return Err(JobError::store(at, error).into()),
            },
            None => at,
        };
        let key = place::job(&at.key);
        if scope::current().holds(&store, &key) {
            return Err(JobError::Recursive { at }.into());
        }
        let under_way = UnderWay::job(&store, &at.point, &at.key).map_err(NotRun::Refused)?;
        let sets = args.sets();
        let (input, inputs) = match args.finish() {
            Ok(args) => args,
            Err(message) => return Err(JobError::Codec { at, message }.into()),
        };
        let request = Claim {
            lease: self.config().lease,
            was: self.was.iter().map(|name| (*name).to_owned()).collect(),
            version: self.config().version,
            inputs: Some(inputs),
            input,
            ttl: self.config().ttl,
            on_corrupt: self.config().on_corrupt,
            restart: self.config().rerun,
            ..Claim::new(key, store.owner(), identity.name.clone())
        };
        let (key, answer) = self.answer(mode, &store, request, sets, reads).await;
        let running = self.answered(at, store, key, answer, under_way)?;
        Ok(running.admitted(mode, self.config().max_recoveries).await?)
    }

    /// Returns the key, and the answer to the claim. The hash of the recorded arguments decides nothing by itself: the
    /// code may have more or fewer of them by now.
    ///
    /// Claims can follow each other: with the recorded hash where the arguments do not differ after all, and with
    /// `on_mismatch` only once it is certain that something does. Each of them may wait as long as a whole call.
    async fn answer(
        &self,
        mode: Mode,
        store: &Arc<dyn Store>,
        mut request: Claim,
        sets: UnorderedArgs,
        reads: fn(&[u8]) -> bool,
    ) -> (String, Result<ClaimResult, StoreError>) {
        let patience = patience(self.config().wait);
        let ask =
            async |request: &Claim| claim(mode, store, request, Status::Interrupted, reads, patience).await;
        let mut answer = ask(&request).await;
        if let Ok(ClaimResult::Mismatch(contradiction)) = &mut answer
            && contradiction.what == Mismatch::Inputs
            && let Ok(Some(recorded)) = store.get(&request.key).await
            && let before = sets.rewritten(&recorded.input)
            && let sets = sets.names_in(&request.input)
            && let Some(difference) = codec::difference(&before, &request.input, &sets)
        {
            contradiction.names = difference.changed;
            if contradiction.names.is_empty() {
                request.inputs = recorded.inputs;
                answer = ask(&request).await;
            }
        }
        let is_other = match &answer {
            Ok(ClaimResult::Mismatch(_)) => true,
            Ok(ClaimResult::Done(record)) => !reads(&record.value),
            _ => false,
        };
        if is_other && self.config().on_mismatch == Otherwise::Rerun {
            request.on_mismatch = Otherwise::Rerun;
            answer = ask(&request).await;
        }
        (request.key, answer)
    }

    /// Returns the meaning of the answer to the claim of `key`.
    ///
    /// `Held` makes the lease and the scope of the body; from there on every end, a dropped future included, is
    /// written.
    fn answered(
        &self,
        at: Box<Subject>,
        store: Arc<dyn Store>,
        key: String,
        answer: Result<ClaimResult, StoreError>,
        under_way: UnderWay,
    ) -> Result<RunningJob, NotRun> {
        let error = match answer {
            Ok(ClaimResult::Held(record, lock)) => {
                let lease = Lease::new(
                    store,
                    key,
                    record.fence,
                    self.config().lease,
                    Some(lock),
                    Status::Interrupted,
                );
                let lease = lease.with_note(dropped);
                under_way.holds(lease.state());
                let scope = Arc::new(JobScope::new(at.key.clone(), lease.state().clone(), &record));
                let unfinished = Unfinished::new(&at);
                let scope = scope::current().in_job(scope);
                return Ok(RunningJob {
                    at,
                    lease,
                    scope,
                    record,
                    unfinished,
                    text: None,
                    _under_way: under_way,
                });
            }
            Ok(ClaimResult::Done(record)) => return Err(NotRun::Recorded(Box::new(record), at)),
            // The shutdown has ended the wait.
            Ok(ClaimResult::Busy { .. }) if stopping::has_begun() => {
                return Err(NotRun::Refused(refusal(&at.point)));
            }
            Ok(ClaimResult::Busy { owner, left }) => JobError::Busy { at, owner, retry_after: left },
            Ok(ClaimResult::Mismatch(contradiction)) => JobError::Mismatch { at, contradiction },
            Ok(ClaimResult::Stopped(record)) => {
                let JobHistory { class, text, .. } = JobHistory::read(&record.note);
                JobError::Stopped { at, status: record.status, class: class.map(Box::new), text }
            }
            Err(error) => JobError::store(at, error),
        };
        Err(error.into())
    }

    /// Returns whether the job is recorded under its `earlier` key, and not under `id`. A damaged record counts:
    /// the claim decides about it.
    async fn is_under(&self, store: &Arc<dyn Store>, id: &str, earlier: &str) -> Result<bool, StoreError> {
        match store.get(&place::job(id)).await {
            Ok(None) => {}
            Ok(Some(_)) | Err(StoreError::Corrupt { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let stored = match store.get(&place::job(earlier)).await {
            Ok(None) => return Ok(false),
            Ok(Some(stored)) => stored,
            Err(StoreError::Corrupt { .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        let name = stored.function.as_str();
        let is_own = name == self.name || self.was.contains(&name);
        Ok(is_own && !stored.is_expired(store.now().await?))
    }
}
