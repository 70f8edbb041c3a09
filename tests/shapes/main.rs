//! Every shape of function under every policy, executed: how often the body ran, and what came back.
//!
//! `docs/shapes.md` is what this test has seen; `cargo xtask accept shapes` rewrites it.

#![allow(dead_code, unused_imports, reason = "every shape is stamped six times, with one set of imports")]
#![allow(clippy::all, reason = "shapes are as people write them, not as they might better be written")]

#[macro_use]
mod kit;

mod arguments;
mod attributes;
mod bodies;
mod by_hand;
mod by_hand_rows;
mod editions;
mod futures;
mod generics;
mod hosts;
mod methods;
mod outcomes;
mod silent;
mod table;
mod trait_objects;
mod traits;

#[test]
fn every_shape_works_with_every_policy() {
    let rows: Vec<kit::Row> = [
        arguments::rows(),
        methods::rows(),
        generics::rows(),
        traits::rows(),
        trait_objects::rows(),
        futures::rows(),
        outcomes::rows(),
        bodies::rows(),
        attributes::rows(),
        hosts::rows(),
        editions::rows(),
        silent::rows(),
        by_hand_rows::rows(),
    ]
    .into_iter()
    .flatten()
    .collect();
    table::check(&rows);
}

/// The experiments see the difference: a function without a policy passes none of them.
#[test]
fn a_function_without_a_policy_is_detected() {
    use kit::now::Step;
    let call = |runs: &kit::Runs| kit::Came::from(runs.step());
    assert!(kit::retried(call).is_err());
    assert!(kit::broken_off(call).is_err());
    assert!(kit::timed(call).is_err());
    assert!(kit::answered(call).is_err());
    assert!(kit::recorded(call).is_err());
    assert!(kit::stacked("xx.", call).is_err());
}
