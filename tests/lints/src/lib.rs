//! Annotated functions under every lint that a strict crate denies: what the attributes add must not show.
//!
//! `cargo clippy -p resilience-lints -- -D warnings` is the test; `.ci/run` runs it.

#![forbid(unsafe_code)]
#![deny(
    warnings,
    missing_docs,
    unused,
    unused_results,
    unused_qualifications,
    unreachable_pub,
    rust_2024_compatibility,
    single_use_lifetimes,
    trivial_casts,
    clippy::all,
    clippy::pedantic,
    clippy::nursery,
    clippy::restriction
)]
#![allow(
    clippy::blanket_clippy_restriction_lints,
    reason = "the point of this crate: new lints of the group are tried, too"
)]
#![allow(
    clippy::implicit_return,
    clippy::question_mark_used,
    clippy::single_call_fn,
    clippy::missing_inline_in_public_items,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::pub_with_shorthand,
    clippy::pub_without_shorthand,
    clippy::separated_literal_suffix,
    clippy::unseparated_literal_suffix,
    clippy::min_ident_chars,
    clippy::arbitrary_source_item_ordering,
    clippy::missing_trait_methods,
    clippy::absolute_paths,
    clippy::std_instead_of_core,
    clippy::std_instead_of_alloc,
    clippy::default_numeric_fallback,
    reason = "about how this crate itself is written, and contradicting each other in part"
)]

pub mod explicit_returns;

use resilience::durable::MemoryStore;
use resilience::policy::{BudgetOf, Jitter};
use resilience::{
    Classify, Simplify, bulkhead, cached, checkpoint, circuit_breaker, degrade, hedge, job, rate_limit,
    timeout, with_fallback, with_lock, with_recovery, with_retry,
};
use std::sync::{Arc, LazyLock};

/// An error.
#[derive(Debug, thiserror::Error, Classify)]
pub enum Failure {
    /// The service is busy.
    #[error("busy")]
    #[classify(unavailable)]
    Busy,
    /// A policy refused.
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] resilience::Rejected),
}

/// What a service is asked to do.
#[derive(Debug)]
pub struct Work {
    /// The question.
    pub question: String,
}

impl Simplify for Work {
    fn simplify(&self, level: u32) -> Option<Self> {
        (level == 1).then(|| Self { question: self.question.to_uppercase() })
    }
}

/// The store of the locks.
static STORE: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));

/// A service.
#[derive(Debug)]
pub struct Service {
    /// Where it is.
    host: String,
}

impl Service {
    /// A service at `host`.
    #[must_use]
    pub const fn new(host: String) -> Self {
        Self { host }
    }

    /// Everything at once.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[with_fallback(Self::last, value = 0)]
    #[timeout(10s)]
    #[with_retry(max = 3, backoff = 2.0, when = |error| matches!(error, Failure::Busy), context(host = self.host))]
    #[circuit_breaker(threshold = 5, recovery = 60s, key = self.host)]
    #[timeout(2s)]
    pub async fn ask(&self, question: &str) -> Result<usize, Failure> {
        if question.is_empty() {
            return Err(Failure::Busy);
        }
        Ok(question.len())
    }

    /// What is known.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[with_fallback(value = 0)]
    #[cached(ttl = 60s, stale_if_error = 1h, key = (self.host, question), weight = |length| *length)]
    #[with_retry(max = 3)]
    pub async fn known(&self, question: &str) -> Result<usize, Failure> {
        self.ask(question).await
    }

    /// A read that is made once more where it is slow.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[with_retry(max = 1)]
    #[hedge(after = p95, idempotent, key = self.host, clone(suffix))]
    #[circuit_breaker]
    pub async fn hedged(&self, suffix: String, mut times: u8) -> Result<String, Failure> {
        times = times.saturating_add(1);
        let known = self.known(&suffix).await?;
        Ok(suffix.repeat(known.saturating_mul(usize::from(times))))
    }

    /// One call at a time, in all processes.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[with_retry(max = 1)]
    #[with_lock("{self.host}/{question}", wait = 1s, shared, common)]
    pub async fn locked(&self, question: &str) -> Result<usize, Failure> {
        self.ask(question).await
    }

    /// One call at a time, of all that use the store.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[with_lock("{self.host}/{question}", store = &*STORE, lease = 10s)]
    pub fn leased(&self, question: &str) -> Result<usize, Failure> {
        Ok(question.len())
    }

    /// The same, later.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[with_lock("{self.host}/{question}", store = &*STORE)]
    pub async fn leased_later(&self, question: &str) -> Result<usize, Failure> {
        self.ask(question).await
    }

    /// What is asked of a service under load.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[degrade(work, max = 2)]
    #[bulkhead(16, wait = 1s, queue = 8, key = self.host)]
    #[rate_limit(100, per = 1s, burst = 10, wait = 1s)]
    #[hedge(after = p95, max = 2, idempotent)]
    pub async fn loaded(&self, work: &Work) -> Result<usize, Failure> {
        self.ask(&work.question).await
    }

    /// What a caller does not wait for.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[bulkhead(adaptive, floor = 2, cap = 100)]
    #[rate_limit(100, per = 1s)]
    pub fn at_once(&self, work: &Work) -> Result<usize, Failure> {
        if work.question == self.host { Err(Failure::Busy) } else { Ok(work.question.len()) }
    }

    /// What is known of a type.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[cached(key = "{question}")]
    pub fn known_of<T: Into<u64>, const N: usize>(&self, question: &str, of: T) -> Result<u64, Failure> {
        u64::try_from(question.len())
            .map(|length| length.saturating_add(of.into()))
            .map_err(|_error| Failure::Busy)
    }

    /// The last answer.
    async fn last(&self, question: &str) -> Option<usize> {
        core::future::ready(question.len().checked_sub(self.host.len())).await
    }

    /// Changes itself.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[with_retry(clone(suffix))]
    pub fn rename(&mut self, suffix: String, mut times: u8) -> Result<u8, Failure> {
        times = times.saturating_add(1);
        self.host.push_str(&suffix);
        drop(suffix);
        Ok(times)
    }

    /// A job that is a method.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[job("scan:{self.host}:{depth}", on = Service)]
    pub fn scan(&self, depth: u8) -> Result<u64, Failure> {
        charge(u64::from(depth), 0)
    }

    /// What may be left out.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    #[with_recovery(on(not_found, invalid, skip), on(corrupt, rollback), rollback = Self::forget)]
    pub fn optional(&self, name: &str) -> Result<Vec<u8>, Failure> {
        if self.host == name { Err(Failure::Busy) } else { Ok(Vec::new()) }
    }

    /// Undoes it.
    fn forget(&self, name: &str) {
        debug_assert_ne!(self.host, name, "never both");
    }
}

/// A sync function.
///
/// # Errors
///
/// [`Failure`].
#[with_fallback(value = 1)]
#[with_retry(max = 1, base = 1ms)]
#[circuit_breaker(threshold = 5)]
pub fn read<T: AsRef<str>>(text: &T) -> Result<usize, Failure> {
    Ok(text.as_ref().len())
}

/// What a user imports by name, and an expansion names by path.
pub const UNPAID: BudgetOf = BudgetOf::None;
/// As above.
pub const EXACT: Jitter = Jitter::None;

/// Words in the attribute that stand for types this crate has imported.
///
/// # Errors
///
/// [`Failure`].
#[with_retry(budget = none, jitter = none, backoff = linear)]
pub fn exactly(text: &str) -> Result<usize, Failure> {
    Ok(text.len())
}

/// A step that can be undone.
///
/// # Errors
///
/// [`Failure`].
#[checkpoint("charge:{order}", inputs(amount), ttl = 7d, rollback = refund)]
#[with_retry(max = 2)]
pub fn charge(order: u64, amount: u64) -> Result<u64, Failure> {
    order.checked_add(amount).ok_or(Failure::Busy)
}

/// Undoes it.
fn refund(receipt: u64) {
    debug_assert_ne!(receipt, 0, "no receipt");
}

/// The same, awaited.
///
/// # Errors
///
/// [`Failure`].
#[checkpoint("page:{name}:{n}", lease = 5s, wait = 0s, on_mismatch = rerun)]
pub async fn page(name: &str, n: u32) -> Result<Vec<String>, Failure> {
    core::future::ready(()).await;
    Ok(vec![name.repeat(usize::try_from(n).unwrap_or(1))])
}

/// A job of such steps.
///
/// # Errors
///
/// [`Failure`].
#[with_recovery(on(corrupt, rollback), on(severity >= high, manual), otherwise = escalate)]
#[job("import:{id}", provided(service), max_recoveries = 3)]
pub async fn import(service: &Service, id: u64, names: &[String]) -> Result<usize, Failure> {
    let mut rows = usize::from(charge(id, 1)? == 0);
    for name in names {
        rows = rows.saturating_add(page(name, 1).await?.len());
    }
    Ok(rows.saturating_sub(service.host.len()))
}

/// Bodies on one line: the compiler looks for needless braces only there.
#[rustfmt::skip]
pub mod one_line {
    use super::{Failure, checkpoint, circuit_breaker, hedge, job, timeout, with_fallback, with_recovery, with_retry};

    /// # Errors
    ///
    /// The body's own.
    #[with_retry]
    pub fn sync(id: u32) -> Result<u32, Failure> { id.checked_add(1).ok_or(Failure::Busy) }

    /// # Errors
    ///
    /// The body's own.
    #[with_retry]
    pub async fn retried(id: u32) -> Result<u32, Failure> { plain(id).await }

    /// # Errors
    ///
    /// The body's own.
    #[circuit_breaker(threshold = 2)]
    pub async fn guarded(id: u32) -> Result<u32, Failure> { plain(id).await }

    /// # Errors
    ///
    /// The body's own.
    #[timeout(1s)]
    pub async fn limited(id: u32) -> Result<u32, Failure> { plain(id).await }

    /// # Errors
    ///
    /// The body's own.
    #[hedge(after = 50ms, idempotent)]
    pub async fn hedged(id: u32) -> Result<u32, Failure> { plain(id).await }

    /// # Errors
    ///
    /// The body's own.
    #[with_fallback(value = 1)]
    pub async fn answered(id: u32) -> Result<u32, Failure> { plain(id).await }

    /// # Errors
    ///
    /// The body's own.
    #[with_fallback(value = 1)]
    #[with_retry]
    #[circuit_breaker(threshold = 2)]
    #[timeout(1s)]
    pub async fn stacked(id: u32) -> Result<u32, Failure> { plain(id).await }

    /// # Errors
    ///
    /// The body's own.
    #[with_retry(clone(text))]
    pub async fn cloned(text: String) -> Result<String, Failure> { same(text).await }

    /// # Errors
    ///
    /// The body's own.
    #[with_fallback(kept, clone(text))]
    #[with_retry]
    #[timeout(1s, thread)]
    pub fn elsewhere(text: String) -> Result<String, Failure> { Ok(text) }

    /// `text` itself.
    fn kept(text: String) -> Option<String> { text.is_ascii().then_some(text) }

    /// # Errors
    ///
    /// The body's own.
    #[with_retry]
    #[timeout(1s)]
    pub async fn of_items(id: u32) -> Result<u32, Failure> {
        #[derive(Clone, Copy)]
        struct Step(u32);
        const FIRST: Step = Step(1);
        plain(id.min(FIRST.0)).await
    }

    /// # Errors
    ///
    /// The body's own.
    #[with_retry]
    pub async fn of_async_items(id: u32) -> Result<u32, Failure> {
        async fn inner(id: u32) -> Result<u32, Failure> { plain(id).await }
        inner(id).await
    }

    /// # Errors
    ///
    /// The body's own.
    #[with_retry]
    pub async fn of_visible_items(id: u32) -> Result<u32, Failure> {
        pub(super) const FIRST: u32 = 1;
        plain(id.min(FIRST)).await
    }

    /// # Errors
    ///
    /// The body's own.
    #[with_retry]
    pub async fn forever(id: u32) -> Result<(), Failure> { loop { let _: u32 = plain(id).await?; } }

    /// # Errors
    ///
    /// The body's own.
    #[with_recovery(otherwise = escalate)]
    #[job("one_line:{id}")]
    pub async fn worked(id: u32) -> Result<u32, Failure> { step(id).await }

    /// # Errors
    ///
    /// The body's own.
    #[checkpoint("step:{id}")]
    pub async fn step(id: u32) -> Result<u32, Failure> { plain(id).await }

    /// The number after `id`.
    #[expect(clippy::unused_async, reason = "a body is needed that can wait")]
    async fn plain(id: u32) -> Result<u32, Failure> { id.checked_add(1).ok_or(Failure::Busy) }

    /// `text` itself.
    #[expect(clippy::unused_async, reason = "a body is needed that can wait")]
    async fn same(text: String) -> Result<String, Failure> { Ok(text) }
}
