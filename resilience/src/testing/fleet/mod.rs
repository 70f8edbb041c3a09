//! Simulates many clients of one service, to see what their policies do to it together.
//!
//! A retry that helps one client can hold a service down when a thousand have it. [`Fleet`] runs many clients, each in
//! a world of its own, so that each has breakers, budgets and limits of its own as a process would; they call a
//! [`Server`] with a capacity, a latency and outages. The policies are those of the program: its annotated functions,
//! and its values in a `static` or `const`. Time is tokio's paused clock: minutes of a fleet take seconds, and the same
//! seed results in the same [`Report`].
//!
//! # Examples
//!
//! Two hundred clients, of which each searches twice a second, and an outage of ten seconds:
//!
//! ```
//! use resilience::testing::fleet::{Fleet, Server, Service, ServiceError};
//! use resilience::{circuit_breaker, timeout, with_retry};
//! use std::time::Duration;
//!
//! #[with_retry(max = 3, base = 50ms, cap = 1s)]
//! #[circuit_breaker(threshold = 5, recovery = 1s)]
//! #[timeout(200ms)]
//! async fn search(service: &Service) -> Result<(), ServiceError> {
//!     service.request().await
//! }
//!
//! let seconds = Duration::from_secs;
//! let server = Server::new(50, Duration::from_millis(50)).down(seconds(10)..seconds(20));
//! let fleet = Fleet::new(200).every(Duration::from_millis(500));
//! let report = fleet.run(seconds(40), server, search).unwrap();
//! assert!(report.amplification() < 1.0, "{report}");
//! assert!(report.goodput() > 250.0, "{report}");
//! assert!(report.recovery().is_some_and(|it_took| it_took < seconds(5)), "{report}");
//! ```

mod report;
mod server;

pub use report::{Report, Second};
pub use server::{Server, Service, ServiceError};

use crate::base::sync::locked;
use crate::base::world::{InWorld, World};
use server::Load;
use std::any::Any;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep_until};

/// Clients that call one service at a steady pace; see [the module](self).
///
/// A client begins a call at each of its moments, whether the one before has ended or not: as users do, who do not wait
/// for each other. The moments of the clients are spread over the interval.
///
/// # Examples
///
/// ```
/// use resilience::testing::fleet::{Fleet, Server};
/// use std::time::Duration;
///
/// let server = Server::new(10, Duration::from_millis(10));
/// let report = Fleet::new(5).run(Duration::from_secs(10), server, async |service| service.request().await).unwrap();
/// assert_eq!((report.calls, report.succeeded, report.requests), (50, 50, 50));
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `run`"]
pub struct Fleet {
    clients: u32,
    every: Duration,
    seed: u64,
}

impl Fleet {
    /// Creates a fleet of `clients` clients, each of which begins one call a second.
    pub const fn new(clients: u32) -> Self {
        Self { clients, every: Duration::from_secs(1), seed: 0 }
    }

    /// Sets the time from the start of one call of a client to the start of its next; default 1 s, at least 1 ms.
    ///
    /// The load is the number of clients divided by it.
    pub const fn every(mut self, every: Duration) -> Self {
        self.every = every;
        self
    }

    /// Sets the seed of the jitter, from which each client gets one of its own. Default: 0.
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Runs the clients for `lasting`, at most a day, and returns what has happened.
    ///
    /// `call` is one call of a client, with the policies to try: it makes [requests](Service::request), and waits only
    /// by tokio's timers or by policies. A wait that blocks the thread holds up all clients. Calls that still run at
    /// the end are dropped.
    ///
    /// It runs on a thread of its own, and may be called in a runtime, which it blocks.
    ///
    /// # Errors
    ///
    /// That of the system, if it cannot start a thread or a runtime.
    ///
    /// # Panics
    ///
    /// If `call` panics, with its panic.
    pub fn run<C, T: 'static, E: 'static>(
        self,
        lasting: Duration,
        server: Server,
        call: C,
    ) -> io::Result<Report>
    where
        C: AsyncFn(&Service) -> Result<T, E> + Send + 'static,
    {
        let work = move || self.simulate(lasting, server, call);
        match thread::Builder::new().name("resilience-fleet".to_owned()).spawn(work)?.join() {
            Ok(report) => report,
            Err(panic) => resume_unwind(panic),
        }
    }

    fn simulate<C, T: 'static, E: 'static>(
        self,
        lasting: Duration,
        server: Server,
        call: C,
    ) -> io::Result<Report>
    where
        C: AsyncFn(&Service) -> Result<T, E> + 'static,
    {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
        let clients = LocalSet::new();
        let end = clients.block_on(&runtime, async {
            let begin = Instant::now();
            let lasting = lasting.min(LONGEST);
            let load = Arc::new(Mutex::new(Load::new(server, begin, lasting)));
            let (call, failed) = (Rc::new(call), Rc::new(Mutex::new(None)));
            for client in 0..self.clients {
                let world = World::new(false);
                world.seed(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(u64::from(client)));
                let first = moment(begin, self.offset(client));
                let one = Client { call: call.clone(), load: load.clone(), failed: failed.clone(), world };
                spawn_local(one.run(first, self.interval(), begin + lasting));
            }
            let over = poll_until(&failed, begin + lasting).await;
            over.map_or_else(|| Ok(locked(&load).report()), Err)
        });
        // The calls that still run are dropped in the runtime, before its clock is gone.
        runtime.block_on(async { drop(clients) });
        end.or_else(|panic| resume_unwind(panic))
    }

    fn interval(&self) -> Duration {
        self.every.max(Duration::from_millis(1))
    }

    /// Returns when the client begins its first call, from the start of the run.
    fn offset(&self, client: u32) -> Duration {
        self.interval().mul_f64(f64::from(client) / f64::from(self.clients.max(1)))
    }
}

/// The longest run, so that a report has a bounded size.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// Returns the moment that is `by` after `begin`, or one after the end of every run if the clock does not reach that
/// far.
fn moment(begin: Instant, by: Duration) -> Instant {
    begin.checked_add(by).unwrap_or_else(|| begin + 2 * LONGEST)
}

/// The panic of a call.
type Panic = Box<dyn Any + Send>;

/// Waits until `end`, or until a call has panicked.
async fn poll_until(failed: &Mutex<Option<Panic>>, end: Instant) -> Option<Panic> {
    let mut over = std::pin::pin!(sleep_until(end));
    poll_fn(|cx| match locked(failed).take() {
        Some(panic) => Poll::Ready(Some(panic)),
        None => over.as_mut().poll(cx).map(|()| None),
    })
    .await
}

/// One client, in a world of its own.
struct Client<C> {
    call: Rc<C>,
    load: Arc<Mutex<Load>>,
    failed: Rc<Mutex<Option<Panic>>>,
    world: World,
}

impl<C> Client<C> {
    /// Begins a call at `first` and after each interval.
    async fn run<T: 'static, E: 'static>(self, first: Instant, every: Duration, end: Instant)
    where
        C: AsyncFn(&Service) -> Result<T, E> + 'static,
    {
        let mut next = first;
        while next < end {
            sleep_until(next).await;
            next = moment(next, every);
            let (call, load, failed) = (self.call.clone(), self.load.clone(), self.failed.clone());
            locked(&load).begins(Instant::now());
            let service = Service::new(load.clone());
            spawn_local(InWorld::new(self.world.clone(), async move {
                match caught(call(&service)).await {
                    Ok(result) => locked(&load).ends(Instant::now(), result.is_ok()),
                    Err(panic) => *locked(&failed) = Some(panic),
                }
            }));
        }
    }
}

/// Returns the result of `future`, or its panic.
async fn caught<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = std::pin::pin!(future);
    poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(polled) => polled.map(Ok),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}
