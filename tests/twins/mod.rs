//! One stack on two functions, a sync and an async one, which must behave alike: write `#[macro_use] mod twins;` at the
//! head of the test, then `twins!(name: with_retry(..))`.
#![allow(dead_code, unused_macros, reason = "each test binary uses its part")]

use resilience::testing::{World, isolate};
use resilience::{Classification, Classify, Event};
use std::cell::Cell;
use std::time::{Duration, Instant};

/// The error of every twin: what it means, and the call that failed with it.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub class: Classification,
    pub call: u32,
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        self.class
    }
}

/// What a service answers, call by call; the last step repeats.
#[derive(Clone, Debug)]
pub struct Script {
    steps: Vec<Option<Classification>>,
    takes: Duration,
    seed: u64,
}

/// A service that never gets well.
pub fn always(class: impl Into<Classification>) -> Script {
    steps([Some(class.into())])
}

/// A service that fails `times` times and is well from then on.
pub fn fails(times: usize, class: impl Into<Classification>) -> Script {
    let class = class.into();
    let mut script = always(class);
    script.steps = vec![Some(class); times];
    script.steps.push(None);
    script
}

/// A service that answers as listed; `None` is a success.
pub fn steps<const N: usize>(steps: [Option<Classification>; N]) -> Script {
    Script { steps: steps.to_vec(), takes: Duration::ZERO, seed: 0 }
}

impl Script {
    pub fn taking(mut self, takes: Duration) -> Self {
        self.takes = takes;
        self
    }

    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// The service in a world of its own.
pub struct Service {
    pub world: World,
    script: Script,
    calls: Cell<u32>,
    start: Instant,
}

impl Service {
    pub fn new(script: &Script) -> Self {
        let world = isolate();
        world.seed(script.seed);
        let start = world.now();
        Self { world, script: script.clone(), calls: Cell::new(0), start }
    }

    /// The next answer: the number of the call, or a failure that carries it.
    pub fn answer(&self) -> Result<u32, Failure> {
        let call = self.calls.get() + 1;
        self.calls.set(call);
        self.world.advance(self.script.takes);
        let step = self.script.steps.get(call as usize - 1).or(self.script.steps.last());
        match step.copied().flatten() {
            Some(class) => Err(Failure { class, call }),
            None => Ok(call),
        }
    }

    pub fn calls(&self) -> u32 {
        self.calls.get()
    }

    fn seen(&self, outcome: Result<u32, Failure>) -> Seen {
        Seen {
            outcome,
            calls: self.calls(),
            waits: self.world.waits(),
            elapsed: self.world.now() - self.start,
            events: self.world.events(),
        }
    }
}

/// What one call did.
#[derive(Debug)]
pub struct Seen {
    pub outcome: Result<u32, Failure>,
    pub calls: u32,
    pub waits: Vec<Duration>,
    pub elapsed: Duration,
    pub events: Vec<Event>,
}

impl Seen {
    /// Everything but the name of the point.
    fn anonymous(&self) -> String {
        let mut points: Vec<_> = self.events.iter().map(Event::point).collect();
        points.dedup();
        points.iter().fold(format!("{self:?}"), |text, point| text.replace(point, "it"))
    }
}

/// Plays `script` to both functions, each in its own world; they must do the same.
pub fn alike(
    script: &Script,
    now: impl Fn(&Service) -> Result<u32, Failure>,
    later: impl Fn(&Service) -> Result<u32, Failure>,
) -> Seen {
    let play = |call: &dyn Fn(&Service) -> Result<u32, Failure>| {
        let service = Service::new(script);
        let outcome = call(&service);
        service.seen(outcome)
    };
    let (now, later) = (play(&now), play(&later));
    assert_eq!(now.anonymous(), later.anonymous(), "the sync and the async function differ");
    now
}

/// `twins!(name: with_retry(max = 3))` makes `name(&Script) -> Seen`.
macro_rules! twins {
    ($name:ident: $($policy:ident($($settings:tt)*)),+) => {
        fn $name(script: &$crate::twins::Script) -> $crate::twins::Seen {
            $(#[$policy($($settings)*)])+
            fn sync_fn(service: &$crate::twins::Service) -> Result<u32, $crate::twins::Failure> {
                service.answer()
            }
            $(#[$policy($($settings)*)])+
            async fn async_fn(service: &$crate::twins::Service) -> Result<u32, $crate::twins::Failure> {
                tokio::task::yield_now().await;
                service.answer()
            }
            $crate::twins::alike(script, sync_fn, |service| futures::executor::block_on(async_fn(service)))
        }
    };
}

pub fn millis<const N: usize>(all: [u64; N]) -> Vec<Duration> {
    all.map(Duration::from_millis).to_vec()
}
