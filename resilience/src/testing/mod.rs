//! Worlds of their own for tests: a manual clock, seeded jitter and fresh state, so that tests take no time
//! and run side by side.
//!
//! Enable the feature in the tests only:
//!
//! ```toml
//! [dev-dependencies]
//! resilience = { version = "0.1", features = ["testing"] }
//! ```
//!
//! | to test | use |
//! |---|---|
//! | what a function does over time: retries, a breaker that recovers, a budget | [`isolate`] |
//! | code around it, where waits only cost time | [`no_waits`] |
//! | tasks and threads that a test starts | [`in_world`], [`World::handle`] |
//! | a dependency that fails a few times | [`Flaky`] |
//! | what many clients do to one service | `fleet` (feature `tokio`) |
//! | how a caller handles a rejection | [`rejected`] |
//! | a store of your own | [`store::conformance`] (feature `durable`) |
//!
//! A world belongs to the thread that made it, and ends when its guard is dropped: tests that run in parallel
//! do not see each other's breakers. Name the guard (`let world`, or `let _world`): `let _ = isolate()` drops
//! it at once.
//!
//! # A sync function
//!
//! ```
//! use resilience::testing::{Flaky, isolate};
//! use resilience::{Event, with_retry};
//! use std::io;
//!
//! #[with_retry(max = 3, base = 100ms, jitter = none)]
//! fn load(service: &Flaky) -> io::Result<u32> {
//!     service.next().map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
//!     Ok(7)
//! }
//!
//! let world = isolate();
//! let service = Flaky::script("e e ok");
//! assert_eq!(load(&service).unwrap(), 7);
//! assert_eq!(service.calls(), 3);
//! let waits: Vec<_> = world.waits().iter().map(|wait| wait.as_millis()).collect();
//! assert_eq!(waits, [100, 200]);
//! assert!(matches!(world.events().last(), Some(Event::Recovered { attempt: 3, .. })));
//! ```
//!
//! # A breaker over time
//!
//! ```
//! use resilience::testing::isolate;
//! use resilience::{Rejected, State, circuit_breaker, point};
//! use std::io;
//! use std::time::Duration;
//!
//! #[circuit_breaker(threshold = 2, recovery = 60s, name = "stock")]
//! fn stock(is_up: bool) -> io::Result<u32> {
//!     if is_up { Ok(7) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
//! }
//!
//! let world = isolate();
//! let breaker = point("stock").unwrap().breaker().unwrap();
//! for _ in 0..2 {
//!     stock(false).unwrap_err();
//! }
//! assert_eq!(breaker.state(), State::Open);
//! assert!(stock(true).is_err(), "rejected");
//!
//! world.advance(Duration::from_secs(60));
//! assert_eq!(stock(true).unwrap(), 7, "the probe");
//! assert_eq!(breaker.state(), State::Closed);
//! ```
//!
//! # An async function
//!
//! A current-thread runtime on the thread of the test is part of its world. With tokio's clock paused
//! (`#[tokio::test(start_paused = true)]`) waits and timeouts pass on that clock, in the order in which they
//! end:
//!
//! ```
//! use resilience::testing::isolate;
//! use resilience::{Rejected, timeout};
//! use std::time::Duration;
//!
//! #[timeout(2s)]
//! async fn slow() -> Result<u32, Rejected> {
//!     tokio::time::sleep(Duration::from_secs(3600)).await;
//!     Ok(7)
//! }
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
//! # runtime.block_on(async {
//! let world = isolate();
//! let start = world.now();
//! assert!(matches!(slow().await, Err(Rejected::TimedOut { .. })));
//! assert_eq!((world.now() - start).as_secs(), 2, "no real time has passed");
//! # });
//! ```
//!
//! Tokio moves a paused clock on as soon as all tasks wait, and a task that waits for a socket is one of them: a call of
//! a real server, on loopback, too, times out at once. Test such calls with a clock that is not paused.
//!
//! With a clock that is not paused, a wait between attempts moves the world's clock at once, and a timeout
//! goes off when [`World::advance`] passes it, else in real time.

mod world;

#[cfg(any(feature = "durable", feature = "fs"))]
pub use crate::base::world::on_moment;
pub use crate::base::world::{InWorld, in_world};
pub use world::{NoWaits, World, WorldHandle, isolate, no_waits};

mod flaky;
pub use flaky::Flaky;

#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod fleet;

pub mod rejected;

#[cfg(feature = "durable")]
pub mod store;
