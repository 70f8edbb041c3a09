//! Edition 2021, a renamed dependency and `unsafe fn`: the functions are in the crate `tests/rename`.

use crate::kit::{Row, Runs, answered, broken_off, recorded, retried, stacked, timed, wait};
use resilience_rename::rows::{later, now, safe};
use std::future::Future;
use std::io;
use std::pin::Pin;

type Boxed = Pin<Box<dyn Future<Output = io::Result<u32>>>>;

fn step(runs: &Runs) -> impl Fn() -> io::Result<u32> {
    || crate::kit::now::Step::step(runs)
}

fn steps(runs: &Runs) -> impl Fn() -> Boxed + use<> {
    let runs = runs.clone();
    move || {
        let runs = runs.clone();
        Box::pin(async move { crate::kit::later::Step::step(&runs).await })
    }
}

pub fn rows() -> Vec<Row> {
    let row = |shape, kind, cells| Row { group: "Editions and names of the crate", shape, kind, cells };
    vec![
        row(
            "edition 2021, renamed dependency, `crate = ::failsafe`",
            "sync",
            [
                Some(retried(|runs| now::retry(&step(runs), "abc").into())),
                Some(broken_off(|runs| now::breaker(&step(runs), "abc").into())),
                None,
                Some(answered(|runs| now::fallback(&step(runs), "abc").into())),
                None,
                Some(recorded(|runs| now::recorded(&step(runs), "abc").into())),
                Some(stacked("xx.", |runs| now::all(&step(runs), "abc").into())),
            ],
        ),
        row(
            "edition 2021, renamed dependency, `crate = ::failsafe`",
            "async",
            [
                Some(retried(|runs| wait(later::retry(&steps(runs), "abc")).into())),
                Some(broken_off(|runs| wait(later::breaker(&steps(runs), "abc")).into())),
                Some(timed(|runs| wait(later::limit(&steps(runs), "abc")).into())),
                Some(answered(|runs| wait(later::fallback(&steps(runs), "abc")).into())),
                None,
                Some(recorded(|runs| wait(later::recorded(&steps(runs), "abc")).into())),
                Some(stacked("x-.", |runs| wait(later::all(&steps(runs), "abc")).into())),
            ],
        ),
        row(
            "`unsafe fn`",
            "sync",
            [
                Some(retried(|runs| safe::retry(&step(runs)).into())),
                Some(broken_off(|runs| safe::breaker(&step(runs)).into())),
                None,
                Some(answered(|runs| safe::fallback(&step(runs)).into())),
                None,
                Some(recorded(|runs| safe::recorded(&step(runs)).into())),
                Some(stacked("xx.", |runs| safe::all(&step(runs)).into())),
            ],
        ),
    ]
}
