//! What holds for all policies that bear load: refusals, overload, worlds of tests, dropped calls and panics.

use resilience::classify::Delivered;
use resilience::{Category, Classification, Classify, Rejected, testing};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

#[path = "load/drops.rs"]
mod drops;
#[path = "load/idle.rs"]
mod idle;
#[path = "load/overload.rs"]
mod overload;
#[path = "load/panics.rs"]
mod panics;
#[path = "load/refusals.rs"]
mod refusals;
#[path = "load/worlds.rs"]
mod worlds;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug, PartialEq)]
enum Failure {
    Own(Category),
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Own(category) => (*category).into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

type Outcome = Result<u32, Failure>;

const DOWN: Outcome = Err(Failure::Own(Category::Unavailable));

fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls `future` up to `polls` times, a quarter of a second apart, and drops it.
fn drop_after<T>(polls: u32, world: &testing::World, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..polls {
        if let Poll::Ready(outcome) = poll(future.as_mut()) {
            return Some(outcome);
        }
        world.advance(MS * 250);
    }
    None
}

fn panics<T>(call: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}
