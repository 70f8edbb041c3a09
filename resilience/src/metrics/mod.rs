//! Metrics of the whole program as text, for Prometheus and what reads its format.
//!
//! [`prometheus`] writes one page from one look at the inventory; a route of the program's own server returns it.
//! Nothing is counted for it: a program that is never scraped has no cost. With the feature `metrics` the function
//! `publish` passes the same numbers to the recorder of the crate of that name, and so to its exporters: Prometheus,
//! OpenTelemetry, `StatsD`.
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `resilience_calls_total` | counter | `name`, `outcome`: `success`, `error`, `rejected`, `timeout`, `cancelled`, `panic` |
//! | `resilience_calls_in_flight` | gauge | `name` |
//! | `resilience_call_duration_seconds` | histogram | `name`, `outcome`; only with `timed` |
//! | `resilience_attempt_duration_seconds` | histogram | `name`, `handled`: `true` if a retry followed; only with `timed` |
//! | `resilience_retry_delay_seconds` | histogram | `name`, `source`: `backoff`, `retry_after`; only with `timed` |
//! | `resilience_bulkhead_wait_seconds`, `resilience_ratelimit_wait_seconds` | histogram | `name`; only with `timed` |
//! | `resilience_errors_total` | counter | `name`, `category`, `severity` |
//! | `resilience_attempts_total` | counter | `name`, `category` (`none` without an error), `handled`: `true` if a retry followed |
//! | `resilience_retry_amplification` | gauge | `name` |
//! | `resilience_degraded` | gauge, 0 or 1 | `name` |
//! | `resilience_breaker_state` | gauge, 0 or 1 | `name`, `state` |
//! | `resilience_breaker_state_seconds_total` | counter | `name`, `state`; only of breakers without keys |
//! | `resilience_breaker_transitions_total` | counter | `name`, `from`, `to`, `cause`: the category of the error, `slow`, `timer`, `probe` or `manual` |
//! | `resilience_breaker_opened_total` | counter | `name` |
//! | `resilience_breaker_calls_total` | counter | `name`, `result`: `failure`, `rejected`, `cancelled`, `panicked`, `slow` (a success that took too long), `ignored` (an error that says nothing of the service) |
//! | `resilience_breaker_failure_ratio` | gauge, -1 for too few calls | `name`; only with a `rate` or `slow` |
//! | `resilience_breaker_keys`, `resilience_breaker_keys_evicted_total`, `resilience_breaker_series_overflow_total`, and those of `bulkhead`, `ratelimit` and `hedge` | gauge, counter | `name` |
//! | `resilience_retry_calls_total` | counter | `name`, `result`: `ok_retried`, `not_retryable`, `exhausted`, `deadline`, `retry_after` (the server asked for too long a wait), `budget_denied` |
//! | `resilience_retry_budget_tokens` | gauge | `name` |
//! | `resilience_retry_budget_denied_total`, `resilience_retry_throttled_total`, `resilience_nested_retries_total` | counter | `name` |
//! | `resilience_timeouts_total` | counter | `name`, `scope`: `attempt` below a retry, else `total` |
//! | `resilience_timeout_abandoned` | gauge | `name` |
//! | `resilience_fallbacks_total` | counter | `name`, `result`: `answered`, `failed`; `step`: that answered, `1` to `4` (and later), or `all` |
//! | `resilience_bulkhead_in_use`, `resilience_bulkhead_limit`, `resilience_bulkhead_waiting` | gauge | `name` |
//! | `resilience_ratelimit_available`, `resilience_ratelimit_waiting` | gauge | `name` |
//! | `resilience_bulkhead_rejected_total`, `resilience_ratelimit_rejected_total` | counter | `name` |
//! | `resilience_bulkhead_waited_total`, `resilience_ratelimit_waited_total`, `resilience_lock_waited_total` | counter | `name` |
//! | `resilience_bulkhead_keys_shared_total`, `resilience_ratelimit_keys_shared_total` | counter | `name` |
//! | `resilience_hedges_total`, `resilience_hedge_budget_denied_total` | counter | `name` |
//! | `resilience_hedge_wins_total` | counter | `name`, `winner`: `hedge` |
//! | `resilience_cache_requests_total` | counter | `name`, `result`: `miss`, `joined`, `stale` |
//! | `resilience_cache_entries` | gauge | `name` |
//! | `resilience_degraded_calls_total` | counter | `name`, `result`: `simplified`, `answered` |
//! | `resilience_failovers_total` | counter | `name`, `result`: `failed_over`, `answered` |
//! | `resilience_lock_acquisitions_total`, `resilience_lock_lost_total` | counter | `name`, the first `result`: `ok`, `timeout` |
//! | `resilience_checkpoint_calls_total`, `resilience_job_calls_total` | counter | `name`, `result`: `begun`, `reused` |
//! | `resilience_recovery_strategies_total` | counter | `name` |
//! | `resilience_chaos_injected_total` | counter | `name`, `kind` |
//! | `resilience_jobs_total` | counter | `result`: `started`, `resumed`, `done`, `failed`, `interrupted` |
//! | `resilience_checkpoint_refused_total` | counter | `reason`: `busy`, `mismatch`, `not_recorded`, .. |
//! | `resilience_checkpoint_writes_total`, `resilience_checkpoint_write_seconds` | counter, histogram | `store`: `memory`, `sqlite`, `other` or what `Store::kind` of a store of your own says; `result`: `ok`, or the error as `unavailable`, `full`, `fenced`, .. |
//! | `resilience_lock_wait_seconds` | histogram | `result`: `ok`, `timeout` |
//! | `resilience_rollbacks_total`, `resilience_checkpoint_bytes_total`, `resilience_hook_panics_total` | counter | |
//! | `resilience_recoveries_total` | counter | `strategy`, `result`: `ok`, `failed` |
//! | `resilience_alerts_total` | counter | `level` |
//! | `resilience_alerts_dropped_total` | counter | `reason`: `held_back`, `full`, `not_written` |
//! | `resilience_events_dropped_total` | counter | `reason`: `lagged`, `full` |
//! | `resilience_health_status` | gauge: 1 pass, 0.5 warn, 0 fail | `component` |
//!
//! `name` is the point. A series that was never counted is left out, but for the calls with success and error, the
//! state of breakers and the gauges of a point. Counters start at zero with the process and never go down: a policy
//! that is reset keeps them. Health is the last answer of each check: a page looks at none.
//!
//! All numbers of one point's calls are read in one pass, and totals are their sums: `resilience_attempts_total` with
//! `handled="false"` is the sum of `resilience_calls_total` on each page, also under load. What succeeds at once is
//! counted only there: the calls that a retry had no work with are those with success less `ok_retried`.
//!
//! For the same reason some series that one might look for do not exist: counting them would cost every call that
//! succeeds. Successes of a breaker, hits of a cache, and calls that the first call of a hedge or the first value of a
//! failover answered are those of `resilience_calls_total` less the others of their metric. Records by store and state
//! are not on the page, since a page asks no store; the inventory of jobs has them. A wait that a server asks for is
//! never cut: a wait longer than `retry_after_cap` ends the call as `retry_after`.
//!
//! # Durations
//!
//! They exist for the functions that have `timed` in one of their attributes. Each call of such a function reads the
//! clock twice, and twice more for each attempt of a retry, each bulkhead and each rate limit. A configuration (feature
//! `config`) can switch that off, or on for other functions: of these it measures calls and the waits before retries,
//! which need no preparation in the code. The buckets end at 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
//! 30 and 60 seconds. On a clock that goes back a duration is 0.
//!
//! An attempt of a retry lasts from its start to its failure or success, without the wait and the hooks after it. There
//! are as many attempts with `handled="true"` as in `resilience_attempts_total`. Those with `handled="false"` are the
//! last one of each call that came to the retry, also if the call was dropped in the wait after it: they are fewer than
//! in `resilience_attempts_total` by the calls that a policy above the retry has answered, and more by those that it
//! has repeated.
//!
//! The writes of results and positions of jobs and steps are always measured, each try separately: a try that the
//! caller does not wait for is not counted. How many records a store has is not on the page, since nothing in the
//! program counts them by itself.
//!
//! The waits for file locks are always measured, whichever code takes the lock: a lock that was free counts with 0.
//! They are real time, also in a test world, as other processes hold the locks.
//!
//! The waits for a slot and for a turn are those of the calls, and of the attempts below a retry, that were admitted: a
//! call that was admitted at once counts with next to nothing, and a refused one does not count.
//!
//! # Keys
//!
//! A policy with `key` has one series for all keys together. With `key_label` (or `RESILIENCE_KEY_LABELS=1`) it has one
//! for each of the first 100 keys that are used 20 times, with the label `key`, and one with `key="_other"` for the
//! rest; `series_overflow` counts the keys that were used as much but got no label. A key of more than 1,024 bytes gets
//! none, nor does one that is itself `_other`. A key keeps its label until the process ends, also when its state is
//! evicted; what it counted before it had one stays in `_other`, so that no series ever falls and their sum is what all
//! keys have counted.
//!
//! # Examples
//!
//! ```
//! use resilience::{metrics, with_retry};
//!
//! #[with_retry(max = 2, base = 0s, name = "metrics::search")]
//! fn search() -> std::io::Result<u32> {
//!     Err(std::io::ErrorKind::TimedOut.into())
//! }
//!
//! # let _world = resilience::testing::isolate();
//! search().unwrap_err();
//! let page = metrics::prometheus();
//! assert!(page.contains("resilience_calls_total{name=\"metrics::search\",outcome=\"timeout\"} 1\n"), "{page}");
//! assert!(page.contains("resilience_attempts_total{name=\"metrics::search\",category=\"timeout\",handled=\"true\"} 2\n"), "{page}");
//! ```

#[cfg(feature = "metrics")]
mod bridge;
mod calls;
mod family;
mod keys;
mod policies;
mod program;
mod text;

#[cfg(feature = "metrics")]
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub use bridge::publish;

use crate::base::site::Site;
use crate::base::sync::locked;
use crate::point::registry::snapshot;
use family::Sink;
use keys::KeySplits;
use std::sync::Mutex;
use text::Page;

/// The `Content-Type` of what [`prometheus`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns the metrics of every point in the text format of Prometheus, version 0.0.4.
///
/// The module has the table of metrics and an example.
pub fn prometheus() -> String {
    let mut page = Page::default();
    write(&mut page);
    page.0
}

/// The division of the counters of keys on the last page.
static SPLITS: Site<Mutex<Option<KeySplits>>> = Site::new(Mutex::new(None), Mutex::default);

/// Passes every series to `sink`, of one look at the inventory.
fn write(sink: &mut dyn Sink) {
    // Locked before the look: else a page could show values that are older than those of another thread's page.
    let mut splits = locked(&SPLITS);
    let points = snapshot().points;
    calls::write(sink, &points);
    policies::write(sink, &points, splits.get_or_insert_default());
    program::write(sink);
}
