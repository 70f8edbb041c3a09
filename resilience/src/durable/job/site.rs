//! The `static`s of annotated jobs, and what their expansions call.
//!
//! A [`JobSite`] holds three functions that the expansion writes: whether everything that the job needs was provided,
//! whether its recorded arguments can be read, and the call itself. Recovery asks the first two before it claims
//! anything.
//!
//! A call that recovery makes has the recorded key and the recorded arguments, even if the code renders another key by
//! now, and it must not be another job: the first job of that name that the call begins is the one.

use super::call::{Call, Provided};
use super::policy::Job;
#[cfg(feature = "config")]
use super::policy::JobConfig;
use super::running::RunningJob;
use crate::base::block_on::{Mode, block_on};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, judged};
use crate::base::linked::linked;
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::site::Site;
use crate::classify::Classification;
use crate::durable::call::{Identity, NotRun};
use crate::durable::record::args::{Args, RecordedValue};
use crate::durable::record::codec;
use crate::durable::record::key::place;
use crate::durable::scope::{self, OnFailure};
use crate::durable::store::Store;
use crate::outcome::Outcome;
use crate::point::{Layer, PointSite};
use crate::policy::Verdict;
use crate::rejected::Rejected;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

linked! {
    /// Every annotated job of the binary, filled in by the linker.
    pub static JOBS_0_1: [JobSite];
}

/// The job of one annotated function.
#[derive(Debug)]
#[doc(hidden)]
pub struct JobSite {
    point: &'static PointSite,
    template: &'static str,
    name: &'static str,
    policy: Job,
    needs: fn(&Provided) -> Result<(), &'static str>,
    reads: fn(&mut Args) -> Result<(), String>,
    run: fn(&Provided, &mut Args) -> Result<Call, String>,
    begun: Site<AtomicU64>,
    reused: Site<AtomicU64>,
}

impl JobSite {
    /// Creates the site of the job of `point`: its key as written, how to check its requirements, how to read its
    /// arguments, and how to call it.
    pub const fn new(
        point: &'static PointSite,
        template: &'static str,
        policy: Job,
        needs: fn(&Provided) -> Result<(), &'static str>,
        reads: fn(&mut Args) -> Result<(), String>,
        run: fn(&Provided, &mut Args) -> Result<Call, String>,
    ) -> Self {
        #[expect(clippy::declare_interior_mutable_const, reason = "every counter is a copy of its own")]
        const NONE: Site<AtomicU64> = Site::new(AtomicU64::new(0), AtomicU64::default);
        Self { point, template, name: policy.name, policy, needs, reads, run, begun: NONE, reused: NONE }
    }

    /// Returns the job of this name; a job with this name goes before one that had it earlier.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        let own = JOBS_0_1.iter().find(|site| site.name == name);
        own.or_else(|| JOBS_0_1.iter().find(|site| site.has_name(name)))
    }

    /// Returns whether this is or was its name.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        self.name == name || self.policy.was.contains(&name)
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn point(&self) -> &'static PointSite {
        self.point
    }

    /// Returns file and line of the function, for messages.
    pub(crate) fn place(&self) -> String {
        let place = self.point.place();
        format!("{}:{}", place.file(), place.line())
    }

    /// Finds the first provided type that is missing, without a call.
    pub(crate) fn needs(&self) -> fn(&Provided) -> Result<(), &'static str> {
        self.needs
    }

    /// Makes the call of the function from the recorded arguments; it runs only when it is polled or called.
    pub(crate) fn run(&self) -> fn(&Provided, &mut Args) -> Result<Call, String> {
        self.run
    }

    /// Returns the policy with the settings that are in force.
    fn in_force(&self) -> Job {
        #[cfg(feature = "config")]
        if let Some(changed) = self.point.pinned().of(self).and_then(crate::point::Override::get) {
            return self.policy.with(*changed);
        }
        self.policy
    }

    /// Returns the point, which events and errors show, and the name, which records have.
    fn identity(&self) -> Identity {
        Identity { point: self.point.name(), name: self.name.to_owned() }
    }

    /// Looks the job up, and claims it if it has to run.
    ///
    /// # Errors
    ///
    /// The recorded outcome, or why there is none.
    pub async fn begin<R>(
        &self,
        key: String,
        args: Args,
        store: Option<Arc<dyn Store>>,
    ) -> Result<RunningJob, Result<R, Rejected>>
    where
        R: Outcome<Value: RecordedValue>,
    {
        let ((key, args, store), reads) = (self.recorded(key, args, store), codec::reads::<R::Value>);
        let begun = self.in_force().begin(Mode::Async, &self.identity(), key, args, store, reads).await;
        self.counted(begun).map_err(NotRun::outcome)
    }

    /// Begins like [`begin`](Self::begin), from sync code.
    ///
    /// # Errors
    ///
    /// The recorded outcome, or why there is none.
    pub fn begin_blocking<R>(
        &self,
        key: String,
        args: Args,
        store: Option<Arc<dyn Store>>,
    ) -> Result<RunningJob, Result<R, Rejected>>
    where
        R: Outcome<Value: RecordedValue>,
    {
        let ((key, args, store), reads) = (self.recorded(key, args, store), codec::reads::<R::Value>);
        let begun =
            block_on(self.in_force().begin(Mode::Blocking, &self.identity(), key, args, store, reads));
        self.counted(begun).map_err(NotRun::outcome)
    }

    /// Returns the key, the arguments and the store of this call; those of the record, if recovery makes it: the
    /// code that renders the key, or the provided values, may have changed.
    fn recorded(
        &self,
        key: String,
        args: Args,
        store: Option<Arc<dyn Store>>,
    ) -> (String, Args, Option<Arc<dyn Store>>) {
        let resumption = scope::current().resumption;
        let has_name = |name: &str| self.has_name(name);
        match resumption.as_ref().and_then(|resumption| resumption.record_of(has_name, &key)) {
            Some((record, its)) => {
                let store = store.or_else(|| Some(its.clone()));
                (place::id(&record.key).to_owned(), args.read_from(record), store)
            }
            None => (key, args.read_back(self.reads), store),
        }
    }

    /// Counts the answer, and notes for the recovery that made the call why it was refused.
    fn counted<W>(&self, begun: Result<W, NotRun>) -> Result<W, NotRun> {
        match &begun {
            Err(NotRun::Recorded(..)) => {
                self.reused.fetch_add(1, Ordering::Relaxed);
            }
            Ok(_) => {
                self.begun.fetch_add(1, Ordering::Relaxed);
            }
            Err(NotRun::Refused(Rejected::Job(error))) => {
                if let Some(resumption) = scope::current().resumption {
                    resumption.refuse(|name| self.has_name(name), error);
                }
            }
            Err(NotRun::Refused(_)) => {}
        }
        begun
    }
}

impl RunningJob {
    /// Records how the body ended, and returns the recorded outcome; `strategy` chooses what is done with a job
    /// whose body failed.
    ///
    /// # Errors
    ///
    /// Why it could not be recorded.
    pub async fn end<R>(
        self,
        outcome: R,
        verdict: Verdict,
        strategy: impl FnOnce(&Classification) -> OnFailure,
    ) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: RecordedValue>,
    {
        self.settle(Mode::Async, outcome, verdict, strategy).await
    }

    /// Ends like [`end`](Self::end), from sync code.
    ///
    /// # Errors
    ///
    /// Why it could not be recorded.
    pub fn end_blocking<R>(
        self,
        outcome: R,
        verdict: Verdict,
        strategy: impl FnOnce(&Classification) -> OnFailure,
    ) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: RecordedValue>,
    {
        block_on(self.settle(Mode::Blocking, outcome, verdict, strategy))
    }
}

impl Layer for JobSite {
    fn kind(&self) -> &'static str {
        "job"
    }

    fn settings(&self) -> Vec<Effective> {
        let mut settings = vec![Effective::text("key", self.template), Effective::text("name", self.name)];
        settings.extend(self.in_force().config().effective());
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![("begun", count(&self.begun)), ("reused", count(&self.reused))]
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        JobConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        match setting {
            "wait" | "max_recoveries" => None,
            "lease" => Some("the claims of running jobs rely on it"),
            "version" | "ttl" => Some("the records of earlier runs rely on it"),
            _ => Some("when the body may run is part of the code"),
        }
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        judged(self.policy.settings, changes, |setting| Layer::fixed(self, setting))
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        Some("callers rely on a job that is recorded")
    }
}
