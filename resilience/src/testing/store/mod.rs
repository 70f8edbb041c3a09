//! The suite that every store has to pass.
//!
//! A [`Store`] of your own has to keep its promises under contention, after lapsed leases and in front of
//! records of other code. The suite checks them from the outside: each case gets an empty store and checks
//! one rule, and its words say what a violation means for jobs and checkpoints. Leases lapse in the store's
//! own clock, so that the suite needs no control over it.
//!
//! | cases | rules |
//! |---|---|
//! | leases | one holder a key, fences that only grow, no write by a holder that lost its lease |
//! | results | one recorded result a key, what a release leaves behind, limits on sizes |
//! | mismatch | other functions, versions and inputs are reported, never returned as values |
//! | cursors | recorded progress is written by the holder only |
//! | progress | which of a job's records show that it got further |
//! | listings | the order of bytes, literal prefixes, pages that show each record once |
//! | deletion | the records that are removed with a job, and those that must not be |
//!
//! The suite cannot see what only a crash shows: that an acknowledged write survives. Test that with
//! processes that are killed ([`on_moment`](crate::testing::on_moment)).
//!
//! # Examples
//!
//! A test of a store of your own:
//!
//! ```
//! use resilience::durable::MemoryStore as MyStore;
//! use std::sync::Arc;
//!
//! // #[tokio::test]
//! async fn my_store_keeps_the_rules() {
//!     match resilience::testing::store::conformance(|| Arc::new(MyStore::new())).await {
//!         Ok(cases) => println!("{cases} cases passed"),
//!         Err(violations) => panic!("{violations}"),
//!     }
//! }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
//! #     .block_on(my_store_keeps_the_rules());
//! ```

mod cursors;
mod deletion;
mod leases;
mod listings;
mod mismatch;
mod progress;
mod results;

use crate::base::clock;
use crate::durable::store::{Claim, Claimed, Release, Store, StoreError};
use crate::durable::{Record, Status};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The result of one case: the rule that was broken, in words.
type Verdict = Result<(), String>;
/// A rule, checked on an empty store.
type Case = for<'a> fn(&'a dyn Store) -> Pin<Box<dyn Future<Output = Verdict> + 'a>>;

/// Turns `async fn name(store: &dyn Store) -> Verdict` into rows of the suite's table.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(super) const CASES: &[(&str, super::Case)] = &[
            $((stringify!($name), |store| Box::pin($name(store)))),*
        ];
    };
}
use cases;

/// The rules that a store broke; it is the error of [`conformance`].
///
/// Its text has a line for each, which `panic!("{violations}")` shows in the output of a test.
///
/// # Examples
///
/// A store that keeps the rules has none, and a store that is not empty at the beginning breaks some:
///
/// ```
/// use resilience::durable::{MemoryStore, Store};
/// use resilience::testing::store::{Violations, conformance};
/// use std::sync::Arc;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let shared = Arc::new(MemoryStore::new());
/// let violations: Violations = conformance(|| shared.clone()).await.unwrap_err();
/// assert!(!violations.failed.is_empty());
/// assert!(violations.to_string().contains("cases failed"));
/// # });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violations {
    /// The name of each failed case, and the result that was seen.
    pub failed: Vec<(&'static str, String)>,
    /// The number of cases.
    pub cases: usize,
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} cases failed", self.failed.len(), self.cases)?;
        self.failed.iter().try_for_each(|(case, words)| write!(f, "\n  {case}: {words}"))
    }
}

impl std::error::Error for Violations {}

/// Runs every case on a store of its own, and returns their number.
///
/// `fresh` makes an empty store, once for each case; a store must not see the records of another: give
/// each a directory, a schema or a prefix of its own. The suite waits some milliseconds for leases to lapse,
/// in real time, or in that of the test world it runs in. All cases run, also after one has failed.
///
/// # Errors
///
/// Every rule that was broken, with the result that was seen.
///
/// # Panics
///
/// Where the store panics.
///
/// # Examples
///
/// ```
/// use resilience::durable::MemoryStore;
/// use std::sync::Arc;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// let cases = resilience::testing::store::conformance(|| Arc::new(MemoryStore::new())).await.unwrap();
/// assert!(cases > 40);
/// # });
/// ```
pub async fn conformance<S: Store>(mut fresh: impl FnMut() -> Arc<S>) -> Result<usize, Violations> {
    let tables = [
        leases::CASES,
        results::CASES,
        mismatch::CASES,
        cursors::CASES,
        progress::CASES,
        listings::CASES,
        deletion::CASES,
    ];
    let mut violations = Violations { failed: Vec::new(), cases: 0 };
    for (name, case) in tables.into_iter().flatten() {
        violations.cases += 1;
        let store = fresh();
        if let Err(words) = case(&*store).await {
            violations.failed.push((name, words));
        }
    }
    if violations.failed.is_empty() { Ok(violations.cases) } else { Err(violations) }
}

/// Returns `rule` as an error, unless `holds`.
fn rule(holds: bool, rule: impl Into<String>) -> Verdict {
    if holds { Ok(()) } else { Err(rule.into()) }
}

/// Returns `rule` and both values as an error, unless they are equal.
#[expect(clippy::needless_pass_by_value, reason = "most callers give what they have no more use for")]
fn same<T: PartialEq + fmt::Debug>(seen: T, expected: T, rule: &str) -> Verdict {
    if seen == expected { Ok(()) } else { Err(format!("{rule}: expected {expected:?}, saw {seen:?}")) }
}

/// Returns the result of an operation that must not fail.
fn ok<T>(result: Result<T, StoreError>, doing: &str) -> Result<T, String> {
    result.map_err(|error| format!("{doing}: {error}"))
}

/// Checks that the operation was refused because the lease of `key` is no longer held.
///
/// The error names the key whose lease is lost: that of the job where a step was refused.
fn fenced<T: fmt::Debug>(result: Result<T, StoreError>, key: &str, rule: &str) -> Verdict {
    same(result.map(drop), Err(StoreError::Fenced { key: key.to_owned() }), rule)
}

/// Longer than any case takes: such a lease lapses in none of them.
const LONG: Duration = Duration::from_secs(600);
/// A duration so short that a case can wait for its end.
const SHORT: Duration = Duration::from_millis(2);

/// Returns a claim of `key` that lasts for the whole case.
fn claim(store: &dyn Store, key: &str) -> Claim {
    Claim { lease: LONG, ..Claim::new(key, store.owner(), "suite::step") }
}

/// Returns a claim of `key` by an owner of another host, whose lease lapses at once.
fn short(store: &dyn Store, key: &str) -> Claim {
    Claim { lease: SHORT, owner: "elsewhere/1".to_owned(), ..claim(store, key) }
}

/// Claims what must be free.
async fn hold(store: &dyn Store, claim: Claim) -> Result<Record, String> {
    match ok(store.claim(claim).await, "a claim")? {
        Claimed::Held(record) => Ok(record),
        other => Err(format!("a claim of what is free was answered by {other:?}")),
    }
}

/// Returns the record of `key`, which must exist.
async fn present(store: &dyn Store, key: &str) -> Result<Record, String> {
    ok(store.get(key).await, "a read")?.ok_or_else(|| format!("nothing is recorded under {key:?}"))
}

/// Waits until the store's clock is at `deadline`.
///
/// By the clock of the store, which need not be that of this process.
async fn lapse(store: &dyn Store, deadline: u64) -> Verdict {
    for _ in 0..100 {
        if ok(store.now().await, "the clock")? >= deadline {
            return Ok(());
        }
        clock::pause(SHORT).await;
    }
    Err("the store's clock stands still, or its leases last longer than asked for".to_owned())
}

/// Claims `key` for an owner of another host, watches the owner for longer than its lease, and returns the record
/// of the claim.
async fn lapsed(store: &dyn Store, key: &str) -> Result<Record, String> {
    let first = hold(store, short(store, key)).await?;
    watch(store, key).await?;
    Ok(first)
}

/// Looks at the owner of `key` for longer than a short lease, without changing anything.
///
/// A store that judges owners by counters has to see the owner unchanged for a whole lease: each look is a claim
/// that cannot be granted.
async fn watch(store: &dyn Store, key: &str) -> Verdict {
    for _ in 0..6 {
        // Another version than any: the answer is a mismatch, whoever holds it.
        let look = Claim { version: u32::MAX, ..claim(store, key) };
        ok(store.claim(look).await, "a look")?;
        clock::pause(SHORT * 2).await;
    }
    Ok(())
}

/// Releases what `record` holds.
async fn release(store: &dyn Store, record: &Record, status: Status) -> Result<(), StoreError> {
    store.release(Release::new(record.key.clone(), record.fence, status)).await
}

/// Claims `key` and ends it as `status`.
async fn ended(store: &dyn Store, claim: Claim, status: Status, value: &[u8]) -> Result<Record, String> {
    use crate::durable::store::Completion;
    let key = claim.key.clone();
    let held = hold(store, claim).await?;
    let end = Completion { value: value.to_vec(), ..Completion::of(key, held.fence, status) };
    ok(store.complete(end).await, "an end")
}
