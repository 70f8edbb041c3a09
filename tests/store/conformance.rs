//! The stores of the crate pass the suite; and the suite sees what a broken store does.

use crate::common::{Scratch, block_on};
use crate::faulty::{Fault, Faulty};
use resilience::durable::{MemoryStore, SqliteStore};
use resilience::testing::store::conformance;
use std::sync::Arc;

#[test]
fn the_store_in_memory_conforms() {
    let cases =
        block_on(conformance(|| Arc::new(MemoryStore::new()))).unwrap_or_else(|broken| panic!("{broken}"));
    assert!(cases >= 46, "{cases} cases");
}

#[test]
fn the_sqlite_store_conforms() {
    let scratch = Scratch::new();
    let mut names = 0..;
    let fresh = || {
        let dir = scratch.path(&names.next().unwrap_or(0).to_string());
        Arc::new(SqliteStore::open(dir).expect("a store"))
    };
    block_on(conformance(fresh)).unwrap_or_else(|broken| panic!("{broken}"));
}

/// The names of the cases that a store with `fault` fails.
fn failed(fault: &Fault) -> Vec<&'static str> {
    let fresh = || Arc::new(Faulty::new(fault.clone()));
    let broken = block_on(conformance(fresh)).expect_err("the fault is seen");
    broken.failed.into_iter().map(|(case, _)| case).collect()
}

#[test]
fn the_suite_detects_each_fault() {
    for (fault, case) in [
        (Fault::NoFence, "a_late_holder_is_fenced_in_everything_it_does"),
        (Fault::NoExpiry, "a_lapsed_lease_is_taken_under_a_higher_fence"),
        (Fault::NoLease, "a_held_key_is_busy"),
        (Fault::NoVersion, "another_version_is_reported"),
        (Fault::NoQuarantine, "a_replaced_record_is_quarantined"),
        (Fault::NoOrder, "listings_are_in_the_order_of_keys"),
        (Fault::NoMercy, "only_ended_records_are_deleted_by_age"),
        (Fault::NoHolder, "a_step_needs_the_lease_of_its_job"),
    ] {
        let failed = failed(&fault);
        assert!(failed.contains(&case), "{fault:?} was seen by {failed:?} only");
    }
}

#[test]
fn violations_are_reported_case_by_case() {
    let fresh = || Arc::new(Faulty::new(Fault::NoOrder));
    let broken = block_on(conformance(fresh)).expect_err("the fault is seen");
    let text = broken.to_string();
    assert!(
        text.contains("cases failed\n  listings_are_in_the_order_of_keys: the order of bytes: expected"),
        "{text}"
    );
}
