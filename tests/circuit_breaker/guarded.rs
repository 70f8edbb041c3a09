//! Scenes of many calls, played to a sync and to an async function with the same breaker.

use resilience::testing::World;
use resilience::{Category, Classification, Classify, Rejected};
use std::cell::Cell;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    Own(Classification),
    Rejected(Rejected),
}

impl Failure {
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Own(class) if class.category == Category::NotFound)
    }
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Own(class) => *class,
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

pub type Outcome = Result<u32, Failure>;

/// What a server that is down fails with.
pub fn down() -> Category {
    Category::Connection
}

/// One function with a breaker, in a world of its own.
pub struct Guarded<'a> {
    pub world: World,
    pub call: &'a dyn Fn(&dyn Fn() -> Outcome) -> Outcome,
}

impl Guarded<'_> {
    pub fn run(&self, body: impl Fn() -> Outcome) -> Outcome {
        (self.call)(&body)
    }

    /// Makes a call that fails with `class`, if it is admitted; says whether it was.
    pub fn fail(&self, class: impl Into<Classification>) -> bool {
        let class = class.into();
        let outcome = self.run(|| Err(Failure::Own(class)));
        assert!(matches!(outcome, Err(Failure::Rejected(_))) || outcome == Err(Failure::Own(class)));
        outcome == Err(Failure::Own(class))
    }

    pub fn succeed(&self) -> Outcome {
        self.run(|| Ok(1))
    }

    pub fn pass(&self, time: Duration) {
        self.world.advance(time);
    }

    /// Whether a call is refused; one that is not counts as a success.
    pub fn refuses(&self) -> bool {
        let ran = Cell::new(false);
        let outcome = self.run(|| {
            ran.set(true);
            Ok(1)
        });
        let refused = matches!(outcome, Err(Failure::Rejected(Rejected::CircuitOpen { .. })));
        assert!(refused != ran.get(), "refused: {refused}, ran: {}", ran.get());
        refused
    }

    /// As [`refuses`](Self::refuses), with a call that counts as nothing.
    pub fn rejects_without_counting(&self) -> bool {
        !self.fail(Category::Cancelled)
    }

    /// What an open breaker says of its remaining time.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.succeed() {
            Err(Failure::Rejected(rejected)) => rejected.retry_after(),
            other => panic!("not refused: {other:?}"),
        }
    }
}

/// `guarded!(name: circuit_breaker(..))` makes `name(scene)`.
macro_rules! guarded {
    ($name:ident: $($policy:ident($($settings:tt)*)),+) => {
        fn $name(scene: &dyn Fn(&$crate::guarded::Guarded)) {
            use $crate::guarded::{Guarded, Outcome};
            $(#[$policy($($settings)*)])+
            fn sync_fn(body: &dyn Fn() -> Outcome) -> Outcome {
                body()
            }
            $(#[$policy($($settings)*)])+
            async fn async_fn(body: &dyn Fn() -> Outcome) -> Outcome {
                tokio::task::yield_now().await;
                body()
            }
            scene(&Guarded { world: resilience::testing::isolate(), call: &|body| sync_fn(body) });
            let awaited = |body: &dyn Fn() -> Outcome| futures::executor::block_on(async_fn(body));
            scene(&Guarded { world: resilience::testing::isolate(), call: &awaited });
        }
    };
}
