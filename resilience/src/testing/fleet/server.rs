//! The model of a service: the number of requests at work, the time of each, and the outages.

use super::moment;
use super::report::{Report, Second};
use crate::base::sync::locked;
use crate::failure::{Category, Classification, Classify};
use crate::rejected::Rejected;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// A model of a service with a fixed number of workers; see [the module](super).
///
/// A request that finds no worker waits in a queue, and a request that finds the queue full is refused as overloaded. A
/// request whose caller has gone is worked at all the same: the service does not know. So it answers at most
/// `capacity / latency` requests a second.
///
/// Times are counted from the begin of the run.
///
/// # Examples
///
/// ```
/// use resilience::testing::fleet::{Fleet, Server};
/// use std::time::Duration;
///
/// // It answers 100 requests a second, and is asked 150.
/// let server = Server::new(10, Duration::from_millis(100)).queue(20);
/// let report = Fleet::new(150).run(Duration::from_secs(20), server, async |service| service.request().await).unwrap();
/// assert!((95.0..=101.0).contains(&report.goodput()), "{report}");
/// ```
#[derive(Clone, Debug)]
#[must_use = "it serves in `Fleet::run`"]
pub struct Server {
    capacity: usize,
    latency: Duration,
    queue: usize,
    down: Vec<Range<Duration>>,
    hangs: Vec<Range<Duration>>,
    slow: Vec<(Range<Duration>, Duration)>,
}

impl Server {
    /// Creates a service that works at `capacity` requests at once, each of which takes `latency`.
    ///
    /// A capacity of zero counts as one. Its queue takes ten times as many requests as it works at.
    pub const fn new(capacity: usize, latency: Duration) -> Self {
        let capacity = if capacity == 0 { 1 } else { capacity };
        Self {
            capacity,
            latency,
            queue: capacity.saturating_mul(10),
            down: Vec::new(),
            hangs: Vec::new(),
            slow: Vec::new(),
        }
    }

    /// Sets the number of requests that wait for a worker; more are refused as overloaded.
    pub const fn queue(mut self, length: usize) -> Self {
        self.queue = length;
        self
    }

    /// Takes the service down for a time: it loses what it works at, and refuses every request at once.
    pub fn down(mut self, time: Range<Duration>) -> Self {
        self.down.push(time);
        self.down.sort_by_key(|time| time.start);
        self
    }

    /// Lets the service hang for a time: requests are taken, and the work at them begins when the time is over.
    pub fn hangs(mut self, time: Range<Duration>) -> Self {
        self.hangs.push(time);
        self.hangs.sort_by_key(|time| time.start);
        self
    }

    /// Lets each request whose work begins in a time take `latency`.
    pub fn slow(mut self, time: Range<Duration>, latency: Duration) -> Self {
        self.slow.push((time, latency));
        self
    }

    /// Returns the end of its last outage, and zero if it has none.
    fn healthy_since(&self) -> Duration {
        let slow = self.slow.iter().map(|(time, _)| time.end);
        self.down.iter().chain(&self.hangs).map(|time| time.end).chain(slow).max().unwrap_or_default()
    }

    /// Returns when the work at a request begins for which there is a worker at `at`, and how long it takes.
    fn work(&self, at: Duration) -> (Duration, Duration) {
        // In the order of their starts: a hang may begin before the one before it ends.
        let begins =
            self.hangs.iter().fold(at, |begins, time| if time.contains(&begins) { time.end } else { begins });
        let slow = self.slow.iter().find(|(time, _)| time.contains(&begins));
        (begins, slow.map_or(self.latency, |(_, latency)| *latency))
    }
}

/// The error of a request of a [`Service`], or of a policy around it.
///
/// Each is of the category of what it models: `Refused` is a connection that is refused, `Overloaded` an answer with
/// status 503.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The service is down.
    #[error("the service is down")]
    Refused,
    /// The service went down while it worked at the request.
    #[error("the service went down during the request")]
    Lost,
    /// The queue of the service is full.
    #[error("the service is overloaded")]
    Overloaded,
    /// A policy rejected the call.
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

impl Classify for ServiceError {
    fn classify(&self) -> Classification {
        match self {
            Self::Refused | Self::Lost => Category::Connection.into(),
            Self::Overloaded => Category::Unavailable.into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

/// The service, as a client of a [`Fleet`](super::Fleet) calls it.
#[derive(Clone, Debug)]
pub struct Service {
    load: Arc<Mutex<Load>>,
}

impl Service {
    pub(super) const fn new(load: Arc<Mutex<Load>>) -> Self {
        Self { load }
    }

    /// Makes one request, and waits for its answer.
    ///
    /// # Errors
    ///
    /// [`ServiceError::Refused`], [`Lost`](ServiceError::Lost) and [`Overloaded`](ServiceError::Overloaded), as the
    /// model of the server says.
    pub async fn request(&self) -> Result<(), ServiceError> {
        let (at, answer) = locked(&self.load).request(Instant::now());
        sleep_until(at).await;
        answer
    }
}

/// The service at work, and its counts.
#[derive(Debug)]
pub(super) struct Load {
    server: Server,
    begin: Instant,
    /// The times at which the busy workers are free.
    busy: BinaryHeap<Reverse<Duration>>,
    /// The times at which the work at the waiting requests begins.
    waiting: VecDeque<Duration>,
    /// The number of outages that have begun.
    outages: usize,
    report: Report,
}

impl Load {
    pub(super) fn new(server: Server, begin: Instant, lasting: Duration) -> Self {
        let report = Report::new(server.healthy_since(), lasting);
        Self { server, begin, busy: BinaryHeap::new(), waiting: VecDeque::new(), outages: 0, report }
    }

    fn second(&mut self, at: Instant) -> Option<&mut Second> {
        let second = at.saturating_duration_since(self.begin).as_secs();
        self.report.seconds.get_mut(usize::try_from(second).ok()?)
    }

    /// Counts the start of a call.
    pub(super) fn begins(&mut self, at: Instant) {
        self.report.calls += 1;
        self.second(at).into_iter().for_each(|second| second.calls += 1);
    }

    /// Counts the end of a call.
    pub(super) fn ends(&mut self, at: Instant, is_success: bool) {
        *(if is_success { &mut self.report.succeeded } else { &mut self.report.failed }) += 1;
        let Some(second) = self.second(at) else { return };
        *(if is_success { &mut second.succeeded } else { &mut second.failed }) += 1;
    }

    /// Returns when and with what a request is answered that arrives at `at`.
    fn request(&mut self, at: Instant) -> (Instant, Result<(), ServiceError>) {
        self.report.requests += 1;
        self.second(at).into_iter().for_each(|second| second.requests += 1);
        let (answered, answer) = self.answer(at.saturating_duration_since(self.begin));
        (moment(self.begin, answered), answer)
    }

    fn answer(&mut self, now: Duration) -> (Duration, Result<(), ServiceError>) {
        let begun = self.server.down.iter().filter(|time| time.start <= now).count();
        if begun > self.outages {
            self.outages = begun;
            self.busy.clear();
            self.waiting.clear();
        }
        if self.server.down.iter().any(|time| time.contains(&now)) {
            return (now, Err(ServiceError::Refused));
        }
        while self.waiting.front().is_some_and(|begins| *begins <= now) {
            self.waiting.pop_front();
        }
        let free = match self.busy.peek() {
            Some(Reverse(free)) if self.busy.len() >= self.server.capacity => now.max(*free),
            _ => now,
        };
        let (begins, takes) = self.server.work(free);
        if begins > now {
            if self.waiting.len() >= self.server.queue {
                return (now, Err(ServiceError::Overloaded));
            }
            self.waiting.push_back(begins);
        }
        if self.busy.len() >= self.server.capacity {
            self.busy.pop();
        }
        let ends = begins.saturating_add(takes);
        self.busy.push(Reverse(ends));
        let outage = self.server.down.iter().find(|time| time.start > now && time.start < ends);
        outage.map_or((ends, Ok(())), |time| (time.start, Err(ServiceError::Lost)))
    }

    pub(super) fn report(&self) -> Report {
        self.report.clone()
    }
}
