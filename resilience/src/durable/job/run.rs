//! A job whose body runs: what has to be settled before it, and how it ends.

use crate::classify::{Category, Classification};
use crate::durable::job::undo;
use crate::durable::lease::block_on::Mode;
use crate::durable::lease::hold::Lease;
use crate::durable::record::codec;
use crate::durable::record::error::{JobError, Place};
use crate::durable::record::history::{JobEvent, Note};
use crate::durable::record::key::place;
use crate::durable::record::{Corrupt, Record, Status};
use crate::durable::recovery::strategy::count_resumed;
use crate::durable::scope::{Scope, Wanted};
use crate::durable::step::policy::completed;
use crate::durable::store::{Completion, Query, Store, StoreError};
use crate::event::{Event, emit};
use crate::outcome::{Outcome, Refuse};
use crate::policy::Verdict;
use crate::rejected::Rejected;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// What the look-up says.
#[derive(Debug)]
#[doc(hidden)]
pub enum Begun {
    /// The body has to run.
    Run(Running),
    /// It ran before: its record.
    Kept(Record, Box<Place>),
    /// It may not run.
    Refused(Rejected),
}

impl Begun {
    pub(crate) fn or_refuse<R: Refuse<Value: DeserializeOwned>>(self) -> R {
        let rejected = match self {
            Self::Kept(record, at) => match kept(&record, at) {
                Ok(value) => return R::success(value),
                Err(rejected) => rejected,
            },
            Self::Refused(rejected) => rejected,
            Self::Run(running) => JobError::Fenced { at: running.at }.into(),
        };
        R::refuse(rejected)
    }
}

/// The recorded result of a job.
pub(crate) fn kept<T: DeserializeOwned>(record: &Record, at: Box<Place>) -> Result<T, Rejected> {
    codec::decode(&record.value).map_err(|message| {
        JobError::Codec { at, message: format!("the recorded result cannot be read: {message}") }.into()
    })
}

/// A job whose body runs, or whose steps are being undone.
#[derive(Debug)]
#[doc(hidden)]
#[must_use]
pub struct Running {
    pub(crate) at: Box<Place>,
    pub(crate) lease: Lease,
    pub(crate) scope: Scope,
    pub(crate) record: Record,
}

impl Running {
    /// What the body is part of.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(crate) fn id(&self) -> &str {
        &self.at.key
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.lease.shared().store
    }

    pub(crate) fn fence(&self) -> u64 {
        self.lease.shared().fence
    }

    /// What has to be settled before a body may run that ran before.
    pub(crate) async fn admitted(self, mode: Mode, max_recoveries: u32) -> Result<Begun, JobError> {
        crate::durable::point("after claim");
        crate::durable::recovery::remind();
        if self.record.attempts <= 1 {
            return Ok(Begun::Run(self));
        }
        let at = self.at.clone();
        if self.record.recoveries > max_recoveries {
            let reason = "recovered too often";
            alert(&at, "the job is dead", reason);
            self.stop(mode, Status::Dead, None, reason).await?;
            return Err(JobError::Stopped { at, status: Status::Dead, class: None });
        }
        if let Some((recorded, found)) = self.lost().await? {
            alert(&at, "records of the job are lost", "steps that were done are missing");
            self.stop(mode, Status::Manual, None, "records of steps are lost").await?;
            return Err(JobError::Lost { at, recorded, found });
        }
        if self.record.status == Status::RollingBack {
            let status = undo::finish(self, mode).await?;
            return Err(JobError::Stopped { at, status, class: None });
        }
        emit(&Event::JobResumed { point: at.point.clone(), job: at.key.clone() }, None);
        Ok(Begun::Run(self))
    }

    /// How many steps were recorded and how many are there, if the two differ.
    async fn lost(&self) -> Result<Option<(u64, u64)>, JobError> {
        let failed = |error| JobError::store(self.at.clone(), error);
        let tally = self.store().get(&place::tally(self.id())).await.map_err(failed)?;
        let recorded = tally.map_or(0, |tally| tally.order);
        let query = Query::new(place::step(Some(self.id()), ""));
        let (steps, damaged) = listed(self.store(), query).await.map_err(failed)?;
        let mut places: Vec<_> = steps.iter().map(|step| step.order).filter(|order| *order > 0).collect();
        places.sort_unstable();
        places.dedup();
        // What is damaged is there: its own step says what becomes of it.
        let found = (places.len() + damaged.len()) as u64;
        Ok((found < recorded).then_some((recorded, found)))
    }

    /// An entry in the job's history.
    pub(crate) fn event(&self, strategy: &str, result: &str, reason: &str) -> JobEvent {
        JobEvent {
            at: self.record.updated,
            step: None,
            attempt: self.record.attempts,
            category: None,
            code: None,
            strategy: strategy.to_owned(),
            result: result.to_owned(),
            owner: self.record.owner.clone(),
            reason: reason.to_owned(),
        }
    }

    /// Ends the job without a result.
    pub(crate) async fn stop(
        self,
        mode: Mode,
        status: Status,
        class: Option<Classification>,
        reason: &str,
    ) -> Result<Record, JobError> {
        let event = self.event(status.as_str(), "ok", reason);
        let event = match &class {
            Some(class) => event.because(class),
            None => event,
        };
        let before = Note::read(&self.record.note);
        let note = Note { class: class.or(before.class), events: before.events }.with(event);
        let key = self.lease.shared().key.clone();
        // Steps that are undone are done again if the job starts again: from the beginning.
        let removes = (self.record.status == Status::RollingBack).then(|| place::cursors(self.id()));
        let completion =
            Completion { note: note.write(), removes, ..Completion::of(key, self.fence(), status) };
        match completed(mode, self.store(), completion).await {
            Ok(record) => {
                if !status.is_held() {
                    self.lease.ended();
                }
                Ok(record)
            }
            Err((error, _)) => Err(JobError::store(self.at.clone(), error)),
        }
    }

    /// Records how the body ended.
    pub(crate) async fn settle<R>(
        self,
        mode: Mode,
        outcome: R,
        verdict: Verdict,
        strategy: impl FnOnce(&Classification) -> Wanted,
    ) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: Serialize + DeserializeOwned>,
    {
        crate::durable::point("after body");
        if let Some(class) = verdict {
            let class =
                if self.is_cancelled().await { Classification::new(Category::Cancelled) } else { class };
            let wanted = self.scope.job.as_ref().and_then(|job| job.wanted());
            let wanted = wanted.unwrap_or_else(|| strategy(&class));
            self.fail(mode, class, wanted).await?;
            return Ok((outcome, verdict));
        }
        let encoded = match outcome.judge() {
            Ok(value) => codec::encode(value),
            Err(_) => return Ok((outcome, verdict)),
        };
        let decoded = encoded.as_ref().map_err(Clone::clone).and_then(|bytes| codec::decode(bytes));
        let at = self.at.clone();
        match (encoded, decoded) {
            (Ok(bytes), Ok(value)) => {
                self.record(mode, bytes).await?;
                Ok((R::success(value), verdict))
            }
            (_, Err(message)) | (Err(message), _) => {
                let class = Classification::new(Category::Permanent);
                self.fail(mode, class, Wanted::Fail).await?;
                let message = format!("the result cannot be recorded: {message}");
                Err(JobError::Codec { at, message }.into())
            }
        }
    }

    async fn record(self, mode: Mode, value: Vec<u8>) -> Result<(), JobError> {
        let is_resumed = self.record.recoveries > 0;
        let ended = is_resumed.then(|| self.event("resume", "ok", "begun again, and done"));
        let Self { at, lease, record, .. } = self;
        let note = match ended {
            Some(event) => Note::read(&record.note).with(event).write(),
            None => record.note,
        };
        let shared = lease.shared().clone();
        let removes = Some(place::cursors(&at.key));
        let completion =
            Completion { note, removes, ..Completion::done(shared.key.clone(), shared.fence, value) };
        match completed(mode, &shared.store, completion).await {
            Ok(_) => {
                lease.ended();
                crate::durable::point("after complete");
                if is_resumed {
                    count_resumed(true);
                }
                Ok(())
            }
            Err((error, completion)) if error.is_outage() => {
                let (value, store) = (completion.value, Box::new(error));
                Err(JobError::NotRecorded { at, value, store })
            }
            Err((StoreError::Fenced { .. }, _)) => {
                lease.ended();
                Err(JobError::Fenced { at })
            }
            Err((error, _)) => Err(JobError::store(at, error)),
        }
    }

    /// Whether it was asked to stop: then that is why it failed, whatever its body made of it.
    async fn is_cancelled(&self) -> bool {
        let stored = self.store().get(&self.lease.shared().key).await;
        matches!(stored, Ok(Some(record)) if record.cancelled)
    }

    async fn fail(self, mode: Mode, class: Classification, wanted: Wanted) -> Result<(), JobError> {
        let at = self.at.clone();
        if self.record.recoveries > 0 {
            count_resumed(false);
        }
        let ended = match wanted {
            Wanted::Fail => self.stop(mode, Status::Failed, Some(class), "the body failed").await.map(drop),
            Wanted::Manual => {
                let ended = self.stop(mode, Status::Manual, Some(class), "parked for a person").await;
                alert(&at, "the job waits for a person", class.category.as_str());
                ended.map(drop)
            }
            Wanted::Rollback => undo::start(self, mode, class).await.map(drop),
        };
        match ended {
            Err(JobError::Fenced { at }) => Err(JobError::Fenced { at }),
            // The body's own error says more; the record stays as it is, and recovery will find it.
            _ => Ok(()),
        }
    }
}

/// Every step of a job, whatever its state.
pub(crate) async fn steps(store: &Arc<dyn Store>, job: &str) -> Result<Vec<Record>, StoreError> {
    all(store, Query::new(place::step(Some(job), ""))).await
}

/// Every record of `query`; damaged ones are an error.
async fn all(store: &Arc<dyn Store>, query: Query) -> Result<Vec<Record>, StoreError> {
    let (found, damaged) = listed(store, query).await?;
    match damaged.into_iter().next() {
        Some((key, reason)) => Err(StoreError::Corrupt { key, reason }),
        None => Ok(found),
    }
}

/// Every record of `query`, page by page, and the keys of those that are damaged.
pub(crate) async fn listed(
    store: &Arc<dyn Store>,
    query: Query,
) -> Result<(Vec<Record>, Vec<(String, Corrupt)>), StoreError> {
    let (mut found, mut damaged) = (Vec::new(), Vec::new());
    let mut query = query.limit(1_000);
    loop {
        let page = store.list(query.clone()).await?;
        found.extend(page.records);
        damaged.extend(page.corrupt);
        match page.next {
            Some(next) => query.after = next,
            None => return Ok((found, damaged)),
        }
    }
}

/// A person has to look at this.
pub(crate) fn alert(at: &Place, message: &'static str, reason: &str) {
    let event = Event::Alert {
        point: at.point.clone(),
        level: crate::event::AlertLevel::Critical,
        message,
        reason: reason.to_owned(),
    };
    emit(&event, None);
}
