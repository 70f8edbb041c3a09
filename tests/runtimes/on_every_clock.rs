//! Limits, ages, windows and good values, while a clock goes on: they do the same on every clock.

use super::*;
use resilience::{Category, Classification, Classify, cached, failover};
use std::fmt::Write as _;

#[derive(Clone, Debug)]
enum Failure {
    Down,
    Rejected,
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Down => Category::Unavailable.into(),
            Self::Rejected => Category::Rejected.into(),
        }
    }
}

impl From<Rejected> for Failure {
    fn from(_: Rejected) -> Self {
        Self::Rejected
    }
}

fn answer(fails: bool, value: u32) -> Result<u32, Failure> {
    if fails { Err(Failure::Down) } else { Ok(value) }
}

#[rate_limit(2, per = 1s)]
fn limited() -> Result<u32, Failure> {
    Ok(1)
}

#[cached(ttl = 60s, stale_if_error = 1h, key = name)]
fn aged(name: &str, step: u32, fails: bool) -> Result<u32, Failure> {
    let _ = name;
    answer(fails, step)
}

#[circuit_breaker(rate = 50%, window = 10s, min_calls = 2, recovery = 5s)]
fn windowed(fails: bool) -> Result<u32, Failure> {
    answer(fails, 1)
}

#[failover(value = [1_u32, 2], sticky = 60s)]
fn sticks(value: u32, fails: bool) -> Result<u32, Failure> {
    answer(fails && value == 1, value)
}

/// Seconds that pass before a step, and whether the service fails in it.
const STEPS: [(u64, bool); 12] = [
    (0, false),
    (0, true),
    (1, true),
    (3, true),
    (5, false),
    (11, true),
    (30, false),
    (7_200, true),
    (0, false),
    (61, true),
    (59, false),
    (86_400, false),
];

/// What each call returns at each step.
async fn story(advance: impl AsyncFn(Duration)) -> Vec<String> {
    let mut story = Vec::new();
    for (number, (seconds, fails)) in (1..).zip(STEPS) {
        advance(Duration::from_secs(seconds)).await;
        let mut line = String::new();
        let limits = [limited(), limited(), limited()];
        let calls = [aged("a", number, fails), windowed(fails), windowed(false), sticks(1, fails)];
        for outcome in limits.into_iter().chain(calls) {
            write!(line, "{} ", outcome.map_or_else(|error| format!("{error:?}"), |value| value.to_string()))
                .unwrap();
        }
        story.push(line);
    }
    story
}

#[test]
fn manual_and_paused_clocks_behave_alike() {
    let paused = || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap()
    };
    let of_a_world = {
        let world = testing::isolate();
        futures::executor::block_on(story(async |by| world.advance(by)))
    };
    let of_both = {
        let _world = testing::isolate();
        paused().block_on(story(async |by| tokio::time::advance(by).await))
    };
    let of_tokio = paused().block_on(story(async |by| tokio::time::advance(by).await));
    assert_eq!(of_a_world, of_both);
    assert_eq!(of_a_world, of_tokio);
    // Two calls a second; fresh for a minute and stale for an hour; half of the calls of 10 s, open for 5 s; the
    // second value for a minute.
    let expected = [
        "1 1 Rejected 1 1 1 1 ",
        "Rejected Rejected Rejected 1 Down 1 2 ",
        "1 1 Rejected 1 Down 1 2 ",
        "1 1 Rejected 1 Down 1 2 ",
        "1 1 Rejected 1 1 1 2 ",
        "1 1 Rejected 1 Down 1 2 ",
        "1 1 Rejected 1 1 1 2 ",
        "1 1 Rejected Down Down Rejected 2 ",
        "Rejected Rejected Rejected 9 Rejected Rejected 2 ",
        "1 1 Rejected 9 Down Rejected 2 ",
        "1 1 Rejected 11 1 1 2 ",
        "1 1 Rejected 12 1 1 1 ",
    ];
    assert_eq!(of_a_world, expected);
}
