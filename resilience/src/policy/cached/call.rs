//! One call of a cached function: it is answered from the cache, waits for another call of its key, or runs.

use super::flight::{NONE, Turn};
use super::key::{AskedKey, CacheKey, Ids, OwnedKey, Shape};
use super::table::{Erased, Failure, Freshness, Landing, SharedError, Stamp, Stored, Table, freshness};
use super::{Cache, CacheConfig};
use crate::base::block_on::block_on;
use crate::base::clock::{Timer, alarm, nanos, now};
use crate::base::guarded::guarded;
use crate::base::marks::{self, Mark};
use crate::base::scope::{Stack, is_cut, remaining};
use crate::classify::Classification;
use crate::event::{Event, blocks, emit, is_heard};
use crate::failure::{Category, Counts};
use crate::outcome::Outcome;
use crate::point::PointName;
use crate::policy::Verdict;
use std::any::{Any, TypeId};
use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Is what a cache can keep: anything that can be cloned for each caller, shared between threads, and borrows
/// nothing.
#[diagnostic::on_unimplemented(
    message = "a cache cannot keep `{Self}`",
    label = "is not `Clone + Send + Sync + 'static`",
    note = "each caller gets a clone: derive `Clone`, or return an `Arc<{Self}>`"
)]
pub trait Cacheable: Clone + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: Clone + Send + Sync + 'static> Cacheable for T {}

/// What a cache needs to know of one call.
#[derive(Clone)]
struct Place {
    table: Arc<Table>,
    point: PointName,
    stack: Stack,
    config: CacheConfig,
    hash: u64,
    /// The hash of the key for all types of a generic function, where values were put by hand.
    plain: Option<u64>,
    key: Arc<OwnedKey>,
    /// How much time the call had at its start, in nanoseconds.
    left: u64,
}

/// What a call finds.
enum Boarded {
    Answer(Erased),
    Run(Call),
    Wait(Waits),
}

/// A call whose body runs. Dropped before its end, it hands over to a call that waits for it.
struct Call {
    place: Place,
    role: Role,
    mark: Arc<Mark>,
    /// Whether what a simpler call answered is kept.
    keeps_degraded: bool,
}

#[derive(Clone, Copy)]
enum Role {
    /// Others wait for it: the number of its flight.
    Leads(u64),
    /// No one does: the number of changes when it began.
    Alone(u64),
    Ended,
}

/// A call that waits for another one of its key.
struct Waits {
    place: Place,
    flight: u64,
    number: u64,
    is_over: bool,
}

impl Drop for Waits {
    fn drop(&mut self) {
        if !self.is_over {
            self.place.table.flights.leave(self.flight, self.number);
        }
    }
}

/// The time left, and when it ends.
fn time_left() -> (u64, u64) {
    remaining().map_or((NONE, NONE), |left| {
        let left = crate::base::scope::nanos(left);
        (left, nanos(now()).saturating_add(left))
    })
}

impl Cache {
    /// Looks up `key`, and decides what the call does.
    fn board(&self, shape: &Shape, key: &dyn AskedKey, stack: Stack) -> Boarded {
        let table = self.table();
        let hash = table.hash(shape, key);
        let mut owned: Option<Arc<OwnedKey>> = None;
        loop {
            let is = |owned: &OwnedKey| owned.shape == *shape && key.is(owned);
            let mut found = table.find(hash, is);
            let mut plain = None;
            if found.stored.is_none() && !shape.is_plain() && table.has_plain(shape.value) {
                let shape = Shape::plain(shape.value);
                let hash = table.hash(&shape, key);
                plain = Some(hash);
                found.stored = table.find(hash, |owned| owned.shape == shape && key.is(owned)).stored;
            }
            let mut is_failing = false;
            if let Some(stored) = &found.stored {
                let now = Stamp::now();
                match freshness(&self.config(), stored.at.age(now)) {
                    Freshness::Fresh => return Boarded::Answer(stored.value.clone()),
                    Freshness::Stale => match stored.failed() {
                        Some(failed) if failed.holds(now) => return self.answer_stale(table, stored),
                        Some(_) => is_failing = true,
                        None => {}
                    },
                    Freshness::Over => {}
                }
            }
            let is_inside = marks::is_inside((table_address(table), hash));
            let current = if is_inside { None } else { table.flights.current(hash) };
            if let (true, Some(_), Some(stored)) = (is_failing, &current, &found.stored) {
                return self.answer_stale(table, stored);
            }
            let owned = owned.get_or_insert_with(|| {
                table.note(shape);
                Arc::new(key.owned(shape))
            });
            let (left, ends) = time_left();
            let config = self.config();
            let key_of = || owned.clone();
            let place = |key| Place {
                table: table.clone(),
                point: self.owner.clone(),
                stack,
                config,
                hash,
                plain,
                key,
                left,
            };
            if is_inside {
                let changes = table.flights.changes();
                return Boarded::Run(Call::new(place(key_of()), Role::Alone(changes)));
            }
            match current {
                Some((_, other)) if !is(&other) => {
                    let changes = table.flights.changes();
                    return Boarded::Run(Call::new(place(key_of()), Role::Alone(changes)));
                }
                Some((flight, _)) => {
                    if let Some(number) = table.flights.join(flight, ends) {
                        let waits = Waits { place: place(key_of()), flight, number, is_over: false };
                        return Boarded::Wait(waits);
                    }
                }
                None => {
                    let is_unchanged = || table.is_still(hash, found.raw.as_ref());
                    if let Some(flight) = table.flights.lead(hash, key_of(), is_unchanged) {
                        return Boarded::Run(Call::new(place(key_of()), Role::Leads(flight)));
                    }
                }
            }
        }
    }

    /// Answers with a stale value although nothing failed in this call.
    #[cold]
    fn answer_stale(&self, table: &Table, stored: &Arc<Stored>) -> Boarded {
        if let Some(failed) = stored.failed() {
            note_stale(table, &self.owner, stored, failed.class);
        }
        Boarded::Answer(stored.value.clone())
    }
}

fn table_address(table: &Arc<Table>) -> usize {
    Arc::as_ptr(table).addr()
}

#[cold]
fn note_stale(table: &Table, point: &PointName, stored: &Stored, class: Classification) {
    Table::count(&table.stale);
    if is_heard(None) {
        let age = stored.at.age(Stamp::now());
        emit(&Event::ServedStale { point: point.clone(), class, age }, None);
    }
}

impl Place {
    /// What is stored for the key of this call.
    fn stored(&self) -> Option<Arc<Stored>> {
        let own = self.table.find(self.hash, |owned| *owned == *self.key).stored;
        own.or_else(|| {
            let plain =
                self.table.find(self.plain?, |owned| owned.shape.is_plain() && owned.is_key_of(&self.key));
            plain.stored
        })
    }

    /// The stored value, if it may answer in place of an error.
    fn stale(&self) -> Option<Arc<Stored>> {
        self.stored().filter(|stored| {
            freshness(&self.config, stored.at.age(Stamp::now())) != Freshness::Over
                && self.config.stale_if_error.is_some()
        })
    }
}

/// Whether a stale value may answer in place of an error of this category.
fn may_answer(category: Category) -> bool {
    category.counts() == Counts::Failure || category == Category::Rejected
}

impl Call {
    fn new(place: Place, role: Role) -> Self {
        Table::count(&place.table.misses);
        let mark = Mark::new((table_address(&place.table), place.hash));
        Self { place, role, mark, keeps_degraded: false }
    }

    /// The call ends with `landing`; `keep` stores what is to be stored, if nothing has changed meanwhile.
    fn end(&mut self, landing: Landing, keep: impl FnOnce(&Table, &mut Vec<Arc<Stored>>)) {
        let mut dropped = Vec::new();
        let table = &self.place.table;
        match std::mem::replace(&mut self.role, Role::Ended) {
            Role::Leads(flight) => table.flights.land(flight, landing, || keep(table, &mut dropped)),
            Role::Alone(changes) => table.flights.keep_alone(changes, || keep(table, &mut dropped)),
            Role::Ended => {}
        }
    }

    fn succeeded(&mut self, value: Erased, weight: u64) {
        let stored = Stored::new(self.place.key.clone(), value.clone(), weight);
        let hash = self.place.hash;
        let is_kept = self.keeps_degraded || !self.mark.is_degraded();
        self.end(Landing::Value(value, None), |table, dropped| {
            if is_kept {
                table.store(hash, stored, dropped);
            }
        });
    }

    /// The stale value that answers in place of an error of this class.
    fn stale(&mut self, class: Classification) -> Option<Erased> {
        let stored = may_answer(class.category).then(|| self.place.stale())??;
        stored.note_failure(class);
        note_stale(&self.place.table, &self.place.point, &stored, class);
        self.end(Landing::Value(stored.value.clone(), None), |_, _| {});
        Some(stored.value.clone())
    }

    fn failed(&mut self, class: Classification, error: Option<SharedError>) {
        let is_out_of_time = matches!(class.category, Category::Timeout | Category::Cancelled);
        let is_out_of_time = is_out_of_time || self.mark.is_out_of_time();
        let failure = Failure { class, error, left: self.place.left, is_out_of_time };
        // What was deleted, or may no longer be seen, answers no later error.
        let is_gone = matches!(class.category, Category::NotFound | Category::Auth);
        let hashes = [Some(self.place.hash), self.place.plain];
        self.end(Landing::Failed(Arc::new(failure)), |table, dropped| {
            if is_gone {
                hashes.into_iter().flatten().for_each(|hash| table.remove(hash, dropped));
            }
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let Role::Leads(flight) = self.role else { return };
        // A timeout of this stack ends the refresh: it has failed.
        if is_cut(self.place.stack) && self.stale(Classification::new(Category::Timeout)).is_some() {
            return;
        }
        self.role = Role::Ended;
        self.place.table.flights.abandon(flight);
    }
}

/// What a waiter does when its wait is over.
enum Waited {
    Landed(Landing),
    Run(Call),
}

impl Waits {
    /// Waits for the leader, at most as long as the settings say.
    async fn until_over(mut self) -> Waited {
        let wait = self.place.config.wait;
        let mut timer: Option<Box<Timer>> = None;
        let turn = poll_fn(|cx| {
            if let Poll::Ready(turn) = self.place.table.flights.poll(self.flight, self.number, cx.waker()) {
                self.is_over = true;
                return Poll::Ready(Some(turn));
            }
            let timer = timer.get_or_insert_with(|| Box::new(alarm(wait)));
            Pin::new(&mut **timer).poll(cx).map(|()| None)
        })
        .await;
        let flights = &self.place.table.flights;
        let role = match turn {
            Some(Turn::Landed(landing)) => {
                Table::count(&self.place.table.joined);
                return Waited::Landed(landing);
            }
            Some(Turn::Lead) => Role::Leads(self.flight),
            None => {
                self.is_over = true;
                flights.leave(self.flight, self.number);
                alone_or_leading(flights.lead_or_alone(
                    self.place.hash,
                    self.place.key.clone(),
                    Some(self.flight),
                ))
            }
        };
        Waited::Run(Call::new(self.place.clone(), role))
    }
}

fn alone_or_leading(started: Result<u64, u64>) -> Role {
    started.map_or_else(Role::Alone, Role::Leads)
}

/// A call that was not answered at once.
#[doc(hidden)]
#[must_use]
pub struct Pending<R> {
    boarded: Box<Boarded>,
    of: PhantomData<fn() -> R>,
}

/// A call whose body runs.
#[doc(hidden)]
#[must_use]
pub struct Lead<R> {
    call: Box<Call>,
    of: PhantomData<fn() -> R>,
}

impl<R> std::fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl<R> Lead<R> {
    /// Also keeps what a simpler call answers.
    pub fn keeping_degraded(mut self) -> Self {
        self.call.keeps_degraded = true;
        self
    }

    /// Runs the code that follows as part of this call, until the returned value is dropped.
    pub fn enter(&self) -> impl Drop + use<R> {
        marks::enter(Some(self.call.mark.clone()))
    }
}

impl<R> std::fmt::Debug for Lead<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lead").finish_non_exhaustive()
    }
}

/// A clone of a value that is shared, as the outcome of a call; of another type there is none.
fn cloned<R: Outcome<Value: Cacheable>>(value: &Erased) -> Option<R> {
    value.downcast_ref::<R::Value>().map(|value| R::success(value.clone()))
}

impl Cache {
    /// Begins a call in the stack of `stack`: it is answered at once, or pending.
    ///
    /// # Errors
    ///
    /// The answer, if there is one at once.
    pub(super) fn begin<R, K>(&self, ids: Ids, key: &K, stack: Stack) -> Result<Pending<R>, (R, Verdict)>
    where
        R: Outcome<Value: Cacheable, Error: 'static>,
        K: CacheKey,
    {
        let shape = Shape { ids, value: TypeId::of::<R::Value>() };
        match self.board(&shape, key, stack) {
            Boarded::Answer(value) => match cloned(&value) {
                Some(answer) => Err((answer, None)),
                None => unreachable!("the type of the value is part of the key"),
            },
            boarded => Ok(Pending { boarded: Box::new(boarded), of: PhantomData }),
        }
    }
}

impl<R: Outcome<Value: Cacheable, Error: 'static>> Pending<R> {
    /// Waits until the body is to run.
    ///
    /// # Errors
    ///
    /// The answer of the call that this one waited for.
    pub async fn lead(self) -> Result<Lead<R>, (R, Verdict)> {
        match *self.boarded {
            Boarded::Wait(waits) => {
                // Boxed: most calls do not wait.
                let place = waits.place.clone();
                Lead::after(&place, Box::pin(waits.until_over()).await)
            }
            Boarded::Run(call) => Ok(Lead { call: Box::new(call), of: PhantomData }),
            Boarded::Answer(_) => unreachable!("answered at once"),
        }
    }

    /// As [`lead`](Self::lead), on this thread.
    ///
    /// # Errors
    ///
    /// The answer of the call that this one waited for.
    pub fn lead_blocking(self) -> Result<Lead<R>, (R, Verdict)> {
        if let Boarded::Wait(waits) = &*self.boarded {
            blocks(&waits.place.point);
        }
        block_on(self.lead())
    }
}

impl<R: Outcome<Value: Cacheable, Error: 'static>> Lead<R> {
    /// What follows the wait for another call.
    fn after(place: &Place, waited: Waited) -> Result<Self, (R, Verdict)> {
        let call = match waited {
            Waited::Run(call) => call,
            Waited::Landed(Landing::Value(value, class)) => match cloned(&value) {
                Some(answer) => return Err((answer, class)),
                None => unreachable!("the type of the value is part of the key"),
            },
            Waited::Landed(Landing::Failed(failure)) => {
                let (left, _) = time_left();
                let is_for_us = !(failure.is_out_of_time && left > failure.left);
                let error = failure.error.as_ref().filter(|_| is_for_us);
                if let Some(Ok(error)) = error.map(|error| error().downcast::<R::Error>()) {
                    return Err((R::failure(*error), Some(failure.class)));
                }
                let flights = &place.table.flights;
                let started = flights.lead_or_alone(place.hash, place.key.clone(), None);
                Call::new(Place { left, ..place.clone() }, alone_or_leading(started))
            }
        };
        Ok(Self { call: Box::new(call), of: PhantomData })
    }

    /// Ends the call with the outcome of its body, which is stored, shared, or replaced by a stale value.
    pub fn end(
        self,
        outcome: R,
        verdict: Verdict,
        share: Option<fn(&R::Error) -> SharedError>,
    ) -> (R, Verdict) {
        self.end_as(outcome, verdict, share, None::<fn(&R::Value) -> u64>)
    }

    /// As [`end`](Self::end), with the weight of the value.
    pub fn end_weighed<N: TryInto<u64>>(
        self,
        outcome: R,
        verdict: Verdict,
        share: Option<fn(&R::Error) -> SharedError>,
        weigh: impl Fn(&R::Value) -> N + Send + Sync + 'static,
    ) -> (R, Verdict) {
        self.end_as(outcome, verdict, share, Some(weigh))
    }

    fn end_as<N: TryInto<u64>>(
        mut self,
        outcome: R,
        verdict: Verdict,
        share: Option<fn(&R::Error) -> SharedError>,
        weigh: Option<impl Fn(&R::Value) -> N + Send + Sync + 'static>,
    ) -> (R, Verdict) {
        let call = &mut self.call;
        let clone = |value: &R::Value| guarded(|| value.clone()).map(|value| Arc::new(value) as Erased);
        match (outcome.judge(), verdict) {
            (Ok(value), None) => {
                let weight = weigh.map_or(Some(1), |weigh| {
                    let weight = guarded(|| weighed(&weigh, value));
                    call.place.table.weigh_with(|| Box::new(move |value| any_weighed(&weigh, value)));
                    weight
                });
                if let (Some(value), Some(weight)) = (clone(value), weight) {
                    call.succeeded(value, weight);
                }
            }
            (Ok(value), Some(class)) => {
                if let Some(answer) = call.stale(class).as_ref().and_then(cloned) {
                    return (answer, None);
                }
                if let Some(value) = clone(value) {
                    call.end(Landing::Value(value, Some(class)), |_, _| {});
                }
            }
            (Err(error), verdict) => {
                let class = verdict.unwrap_or(Classification::new(Category::Unknown));
                if let Some(answer) = call.stale(class).as_ref().and_then(cloned) {
                    return (answer, None);
                }
                let shared = share.and_then(|share| guarded(|| share(error)));
                call.failed(class, shared);
            }
        }
        (outcome, verdict)
    }
}

fn weighed<V, N: TryInto<u64>>(weigh: &impl Fn(&V) -> N, value: &V) -> u64 {
    weigh(value).try_into().unwrap_or(u64::MAX)
}

fn any_weighed<V: 'static, N: TryInto<u64>>(
    weigh: &impl Fn(&V) -> N,
    value: &(dyn Any + Send + Sync),
) -> Option<u64> {
    let value = value.downcast_ref()?;
    guarded(|| weighed(weigh, value))
}

pin_project_lite::pin_project! {
    /// The body of a call that others may wait for.
    #[must_use = "futures do nothing unless polled"]
    #[doc(hidden)]
    pub struct Leading<F> {
        mark: Arc<Mark>,
        #[pin]
        body: F,
    }
}

impl<F> std::fmt::Debug for Leading<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leading").finish_non_exhaustive()
    }
}

impl<F: Future> Leading<F> {
    /// The `body` of the call of `lead`.
    pub fn new<R>(lead: &Lead<R>, body: F) -> Self {
        Self { mark: lead.call.mark.clone(), body }
    }
}

impl<F: Future> Future for Leading<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _inside = marks::enter(Some(this.mark.clone()));
        this.body.poll(cx)
    }
}

/// How an expansion asks whether the error of an outcome can be cloned for those that wait.
#[doc(hidden)]
#[derive(Debug)]
pub struct Sharing<E>(Unshared<E>);

/// The other case of [`Sharing`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Unshared<E>(PhantomData<fn() -> E>);

impl<E> Sharing<E> {
    /// The question for the error of `outcome`.
    pub fn of<R: Outcome<Error = E>>(outcome: &R) -> Self {
        let _ = outcome;
        Self(Unshared(PhantomData))
    }
}

impl<E> Deref for Sharing<E> {
    type Target = Unshared<E>;

    fn deref(&self) -> &Unshared<E> {
        &self.0
    }
}

impl<E: Clone + Send + Sync + 'static> Sharing<E> {
    /// How to share the error.
    pub fn sharing(&self) -> Option<fn(&E) -> SharedError> {
        Some(|error| {
            let error = error.clone();
            Box::new(move || Box::new(error.clone()))
        })
    }
}

impl<E> Unshared<E> {
    /// It cannot be shared.
    pub fn sharing(&self) -> Option<fn(&E) -> SharedError> {
        None
    }
}
