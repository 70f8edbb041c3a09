//! The protocol of `docs/durable.md`, checked over all interleavings of a few processes.
//!
//! The model has one store with one job of two steps, and two or three processes. A breadth-first search visits
//! every state that any order of their moves leads to, and after each move checks the promises:
//!
//! - at most one process holds a fence that counts;
//! - what was acknowledged is recorded, with its first value, for as long as its incarnation lasts, and its
//!   step is not run again;
//! - a live process's job is not taken over, unless its lock cannot be judged and it was stopped;
//! - an idempotency key is the same in all repetitions of a step within an incarnation, and differs from
//!   those of other incarnations;
//! - a job ends with all steps of its own incarnation, and of no other;
//! - from every state the job can still reach its end.
//!
//! [`Rules`] has a switch for each rule of the page that is marked *(checked)*, and a test for each switch
//! takes the rule out and expects the search to fail, with a shortest counterexample (run with `--nocapture`
//! to see it).
//!
//! The bounds are in the configurations below ([`Bounds`]); the tests of the whole protocol state how many
//! states they visit, about 96,000 in all. What the model leaves out: rolling back (an undo is a step of a job
//! that is held), steps outside of jobs (a claim like that of a job), and several jobs at once (records share
//! nothing but the fence counter, which other claims move on here, too).
//!
//! The checker is written for this model, since it needs little: a library such as `stateright` brings a web
//! server and an actor runtime along, and does not answer whether an end can be reached from every state.

mod protocol;
mod search;

use protocol::{ALL, Bounds, Config, Rules};
use search::Search;

const NOTHING: Bounds = Bounds {
    crashes: 0,
    stops: 0,
    power_cuts: 0,
    reruns: 0,
    drops: 0,
    removals: 0,
    replacements: 0,
    other_claims: 0,
    clock_steps: 0,
};

/// Three processes of one host that crash and are started anew. No time passes: a job whose owner has died is
/// taken over at once. A process that is stopped is one that makes no move for a while.
const ONE_HOST: Config = Config {
    hosts: &[0, 0, 0],
    bounds: Bounds { crashes: 2, power_cuts: 1, reruns: 1, drops: 1, ..NOTHING },
    ticks: false,
};

/// Two processes whose power is cut and whose clock is set, while other records take fences, too.
const POWER: Config = Config {
    hosts: &[0, 0],
    bounds: Bounds { crashes: 1, power_cuts: 2, reruns: 1, other_claims: 1, clock_steps: 1, ..NOTHING },
    ticks: false,
};

/// Two processes of one host whose lock files are removed and replaced.
const FILES: Config = Config {
    hosts: &[0, 0],
    bounds: Bounds { stops: 1, removals: 1, replacements: 1, ..NOTHING },
    ticks: true,
};

/// Two processes of one host, of which one crashes and may have lost its lock file before.
const REMOVED: Config = Config { bounds: Bounds { crashes: 1, stops: 1, removals: 1, ..NOTHING }, ..FILES };

/// Two processes of two hosts, which judge each other by their counters and are stopped meanwhile.
const TWO_HOSTS: Config =
    Config { hosts: &[0, 1], bounds: Bounds { crashes: 1, stops: 2, ..NOTHING }, ticks: true };

/// The same, with a result that is run again.
const RERUN: Config = Config { bounds: Bounds { stops: 1, reruns: 1, ..NOTHING }, ..TWO_HOSTS };

/// Two processes of one host and one of another.
const MIXED: Config =
    Config { hosts: &[0, 1, 0], bounds: Bounds { crashes: 1, stops: 1, ..NOTHING }, ticks: true };

/// The whole protocol keeps its promises in all `states` states.
#[track_caller]
fn holds(config: Config, states: usize) {
    assert_eq!(Search::run(&ALL, &config), Ok(states));
}

/// Without the rule that `take_out` takes out, a promise is broken.
#[track_caller]
fn breaks(config: Config, take_out: impl FnOnce(&mut Rules), promise: &'static str) {
    let mut rules = ALL;
    take_out(&mut rules);
    assert_eq!(Search::run(&rules, &config), Err(promise));
}

const TAKEN: &str = "the job of a live process was taken over";
const STUCK: &str = "the job cannot reach its end";

#[test]
fn processes_of_one_host_keep_the_promises() {
    holds(ONE_HOST, 15_492);
}

#[test]
fn power_cuts_and_clock_steps_break_no_promise() {
    holds(POWER, 25_472);
}

#[test]
fn removed_and_replaced_lock_files_break_no_promise() {
    holds(FILES, 18_822);
    holds(REMOVED, 11_014);
}

#[test]
fn processes_of_two_hosts_keep_the_promises() {
    holds(TWO_HOSTS, 23_988);
    holds(RERUN, 1_724);
}

#[test]
fn processes_of_one_host_and_of_another_keep_the_promises() {
    holds(MIXED, 20_545);
}

#[test]
fn without_judging_the_owner_a_live_job_is_taken_over() {
    breaks(ONE_HOST, |rules| rules.death = false, TAKEN);
}

#[test]
fn without_the_lock_a_stopped_owner_is_taken_for_dead() {
    breaks(MIXED, |rules| rules.locks = false, TAKEN);
}

#[test]
fn without_inodes_an_owner_with_a_replaced_file_seems_dead() {
    breaks(FILES, |rules| rules.inodes = false, TAKEN);
}

#[test]
fn if_a_missing_file_meant_death_cleaners_would_steal_jobs() {
    breaks(FILES, |rules| rules.missing = false, TAKEN);
}

#[test]
fn without_the_old_lock_a_recreated_file_looks_like_death() {
    breaks(FILES, |rules| rules.old_lock = false, TAKEN);
}

#[test]
fn if_dead_owners_files_were_removed_early_jobs_would_wait() {
    breaks(ONE_HOST, |rules| rules.clearing = false, STUCK);
}

#[test]
fn without_counters_jobs_of_a_dead_remote_process_hang() {
    breaks(TWO_HOSTS, |rules| rules.counters = false, STUCK);
}

#[test]
fn without_a_gap_limit_a_stopped_observer_takes_over() {
    breaks(TWO_HOSTS, |rules| rules.gaps = false, TAKEN);
}

#[test]
fn if_a_wall_clock_decided_a_clock_step_would_steal_jobs() {
    breaks(POWER, |rules| rules.no_clock = false, TAKEN);
}

#[test]
fn without_one_transaction_two_processes_take_over() {
    breaks(ONE_HOST, |rules| rules.one_transaction = false, TAKEN);
}

#[test]
fn without_a_new_fence_two_processes_hold_the_same() {
    breaks(TWO_HOSTS, |rules| rules.new_fence = false, "two processes hold one fence");
}

#[test]
fn without_step_fences_late_writes_replace_values() {
    breaks(TWO_HOSTS, |rules| rules.step_fence = false, "a step is acknowledged with two values");
}

#[test]
fn without_end_fences_a_late_end_ends_the_next_incarnation() {
    let fault = "a job ended without steps of its own incarnation";
    breaks(RERUN, |rules| rules.end_fence = false, fault);
}

#[test]
fn without_release_fences_a_late_release_frees_a_live_job() {
    let bounds = Bounds { drops: 1, ..TWO_HOSTS.bounds };
    breaks(Config { bounds, ..TWO_HOSTS }, |rules| rules.release_fence = false, TAKEN);
}

#[test]
fn without_a_new_incarnation_a_rerun_reuses_idempotency_keys() {
    let fault = "two incarnations have one idempotency key";
    breaks(ONE_HOST, |rules| rules.incarnation = false, fault);
}

#[test]
fn without_deletion_a_rerun_reuses_old_steps() {
    breaks(ONE_HOST, |rules| rules.deletion = false, "a step of another incarnation is used");
}

#[test]
fn keys_derived_from_the_claim_change_after_a_crash() {
    breaks(ONE_HOST, |rules| rules.key = false, "a repeated step has another idempotency key");
}

#[test]
fn an_unsynced_claim_loses_its_idempotency_key() {
    breaks(POWER, |rules| rules.claim_synced = false, "a repeated step has another idempotency key");
}

#[test]
fn an_unsynced_step_is_lost_after_a_power_cut() {
    let fault = "an acknowledged step is lost or has another value";
    breaks(POWER, |rules| rules.step_synced = false, fault);
}
