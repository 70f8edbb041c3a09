//! The `static`s of annotated steps, and what their expansions call.
//!
//! The expansion renders the key and the inputs, and calls `begin` and `end` with them; everything else is here,
//! outside of generic code.

use super::begin::{StepRequest, earlier};
use super::namesakes;
use super::policy::Checkpoint;
#[cfg(feature = "config")]
use super::policy::CheckpointConfig;
use super::running::RunningStep;
use crate::base::block_on::{Mode, block_on};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, judged};
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::site::Site;
use crate::durable::call::{Identity, NotRun};
use crate::durable::record::args::{Args, InputHashes, RecordedValue};
use crate::durable::store::Store;
use crate::outcome::Outcome;
use crate::point::{Layer, POINTS_0_1, PointSite};
use crate::policy::Verdict;
use crate::rejected::Rejected;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

/// A store as an attribute may name it: an `Arc`, or a reference to one.
#[doc(hidden)]
pub trait IntoStore {
    /// Returns the store.
    fn into_store(self) -> Arc<dyn Store>;
}

impl<S: Store> IntoStore for Arc<S> {
    fn into_store(self) -> Arc<dyn Store> {
        self
    }
}

impl IntoStore for Arc<dyn Store> {
    fn into_store(self) -> Arc<dyn Store> {
        self
    }
}

impl<S: IntoStore + Clone> IntoStore for &S {
    fn into_store(self) -> Arc<dyn Store> {
        self.clone().into_store()
    }
}

/// The steps of the binary that share a name, by that name.
pub(crate) static NAMESAKES: LazyLock<HashMap<String, Vec<&'static PointSite>>> =
    LazyLock::new(|| namesakes::among(POINTS_0_1.iter().flat_map(at).map(|site| (site.point, site.names()))));

/// Returns the steps among the layers of `point`: one at most.
pub(crate) fn at(point: &'static PointSite) -> impl Iterator<Item = &'static CheckpointSite> {
    point.layers().iter().filter_map(|layer| layer.policy())
}

/// Returns the steps of this program that have or had the name `function`.
pub(crate) fn named(function: &str) -> impl Iterator<Item = &'static CheckpointSite> {
    POINTS_0_1.iter().flat_map(at).filter(move |site| site.names().iter().any(|name| name == function))
}

/// A function that begins to undo a recorded value; the error of the future says why that failed.
pub(crate) type Undo = fn(Vec<u8>) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// The checkpoint of one annotated function.
#[derive(Debug)]
#[doc(hidden)]
pub struct CheckpointSite {
    point: &'static PointSite,
    template: Option<&'static str>,
    policy: Checkpoint,
    /// Undoes a recorded value, if the step can be undone.
    pub(crate) undo: Option<Undo>,
    recorded: Site<AtomicU64>,
    reused: Site<AtomicU64>,
}

impl CheckpointSite {
    /// Creates the site of the step of `point`; `template` is its key as written, if it has one.
    pub const fn new(point: &'static PointSite, template: Option<&'static str>, policy: Checkpoint) -> Self {
        #[expect(clippy::declare_interior_mutable_const, reason = "every counter is a copy of its own")]
        const NONE: Site<AtomicU64> = Site::new(AtomicU64::new(0), AtomicU64::default);
        Self { point, template, policy, undo: None, recorded: NONE, reused: NONE }
    }

    /// Sets the function that undoes a recorded value, also after a crash.
    pub const fn undone(mut self, undo: Undo) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Returns the name of the function in records, and its former names.
    fn names(&self) -> Vec<String> {
        let own = self.point.identity();
        let earlier = earlier(&own, self.policy.was);
        std::iter::once(own).chain(earlier).collect()
    }

    /// Returns the policy with the settings that are in force.
    fn in_force(&self) -> Checkpoint {
        #[cfg(feature = "config")]
        if let Some(changed) = self.point.pinned().of(self).and_then(crate::point::Override::get) {
            return self.policy.with(*changed);
        }
        self.policy
    }

    fn identity(&self) -> Identity {
        Identity { point: self.point.name(), name: self.point.identity() }
    }

    /// Looks the step up, and claims it if it has to run.
    ///
    /// # Errors
    ///
    /// The recorded outcome, or why there is none.
    pub async fn begin<R>(
        &self,
        key: Option<String>,
        inputs: Option<Result<InputHashes, String>>,
        store: Option<Arc<dyn Store>>,
    ) -> Result<RunningStep, Result<R, Rejected>>
    where
        R: Outcome<Value: RecordedValue>,
    {
        self.begin_in(Mode::Async, key, inputs, store).await
    }

    /// Begins like [`begin`](Self::begin), from sync code.
    ///
    /// # Errors
    ///
    /// The recorded outcome, or why there is none.
    pub fn begin_blocking<R>(
        &self,
        key: Option<String>,
        inputs: Option<Result<InputHashes, String>>,
        store: Option<Arc<dyn Store>>,
    ) -> Result<RunningStep, Result<R, Rejected>>
    where
        R: Outcome<Value: RecordedValue>,
    {
        block_on(self.begin_in(Mode::Blocking, key, inputs, store))
    }

    async fn begin_in<R>(
        &self,
        mode: Mode,
        key: Option<String>,
        inputs: Option<Result<InputHashes, String>>,
        store: Option<Arc<dyn Store>>,
    ) -> Result<RunningStep, Result<R, Rejected>>
    where
        R: Outcome<Value: RecordedValue>,
    {
        let identity = self.identity();
        let has_namesakes = NAMESAKES.contains_key(&identity.name);
        let note = namesakes::note(self.point, has_namesakes, self.undo.is_some());
        let ask = StepRequest { inputs, store, note, ..StepRequest::new::<R::Value>(key) };
        self.counted(self.in_force().begin(mode, &identity, ask).await).map_err(NotRun::outcome)
    }

    /// Counts a call. A refusal counts as neither begun nor reused: it has an event of its own.
    fn counted<W>(&self, begun: Result<W, NotRun>) -> Result<W, NotRun> {
        match &begun {
            Err(NotRun::Recorded(..)) => self.reused.fetch_add(1, Ordering::Relaxed),
            Ok(_) => self.recorded.fetch_add(1, Ordering::Relaxed),
            Err(NotRun::Refused(_)) => 0,
        };
        begun
    }
}

impl RunningStep {
    /// Records a success, and returns the recorded outcome.
    ///
    /// # Errors
    ///
    /// Why it could not be recorded.
    pub async fn end<R>(self, outcome: R, verdict: Verdict) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: RecordedValue>,
    {
        self.settle(Mode::Async, outcome, verdict).await
    }

    /// Ends like [`end`](Self::end), from sync code.
    ///
    /// # Errors
    ///
    /// Why it could not be recorded.
    pub fn end_blocking<R>(self, outcome: R, verdict: Verdict) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: RecordedValue>,
    {
        block_on(self.settle(Mode::Blocking, outcome, verdict))
    }

    /// Makes this thread part of the step until the returned value is dropped.
    pub fn enter(&self) -> impl Drop + use<> {
        self.scope().enter()
    }
}

impl Layer for CheckpointSite {
    fn kind(&self) -> &'static str {
        "checkpoint"
    }

    fn settings(&self) -> Vec<Effective> {
        let key = self.template.unwrap_or("function#occurrence");
        let mut settings = vec![Effective::text("key", key)];
        settings.extend(self.in_force().config().effective());
        if self.undo.is_some() {
            settings.push(Effective::text("rollback", "true"));
        }
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![("begun", count(&self.recorded)), ("reused", count(&self.reused))]
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        CheckpointConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        match setting {
            "wait" => None,
            "lease" => Some("the claims of running steps rely on it"),
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
        Some("callers rely on a body that does not run again")
    }
}

/// Returns the hashes of the values that `inputs(..)` names.
#[doc(hidden)]
pub fn inputs(args: Args) -> Result<InputHashes, String> {
    args.hashes()
}
