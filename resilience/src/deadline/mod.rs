//! Deadlines that travel with requests: the time left is sent along, taken from a request, and kept to.
//!
//! Work for a caller that no longer waits is wasted, and in an overload it is most of the work. A request
//! therefore carries the time that its caller still waits, in the header `grpc-timeout` or `x-timeout-ms`, and each
//! service passes on the rest. The header has a length of time, not a moment: clocks of different hosts differ.
//!
//! # Sending
//!
//! [`Header::value`] renders [`remaining()`](crate::remaining()), the time left of the timeouts and
//! deadlines around the call; `Header::write_to` puts it into an `http::HeaderMap` (feature `http`). The
//! time is rounded down. With nothing left the call is not made: the result is
//! [`Rejected::TimedOut`], with `delivered = No`.
//!
//! # Receiving
//!
//! [`Deadline::at_most`] is the longest time that the service works on a request, and [`Deadline::header`] or
//! `Deadline::headers` shortens it to what the client sent. It only shortens: a value that cannot be read is ignored,
//! and a longer one has no effect. [`Deadline::run`] ends the work when the time is over, and rejects at once a request
//! that came without any time. Within it [`remaining()`](crate::remaining()) is the time left, and all policies respect
//! it: a retry does not wait beyond it, and a bulkhead does not queue a call that would get its slot too late.
//!
//! # What it counts as
//!
//! A deadline says how long a client waits, and nothing about the services that are called in that time. A call
//! that ends by the deadline of a request counts in a circuit breaker as cancelled, whether it is dropped or
//! fails because its time is over; otherwise one client that sends deadlines of 1 ms would open the breaker
//! for all. For the same reason no call with another value or a simpler one follows it, it enters no percentile, and it
//! keeps no other caller from refreshing a cached value. Limits of the function's own count as they always do, so put a
//! [`timeout`](macro@crate::timeout) of a reasonable length on each attempt.
//!
//! # Tasks and threads
//!
//! The limits belong to the running task. [`carry`](crate::carry()) and [`carry_fn`](crate::carry_fn) take
//! them into `tokio::spawn`, `spawn_blocking` and threads.
//!
//! # Examples
//!
//! A server that takes the deadline of a request and passes on the remaining time:
//!
//! ```
//! use resilience::Rejected;
//! use resilience::deadline::{Deadline, Header};
//! use std::time::Duration;
//!
//! async fn serve(timeout_ms: &str) -> Result<String, Rejected> {
//!     let deadline = Deadline::at_most(Duration::from_secs(30)).header(Header::TimeoutMs, timeout_ms);
//!     deadline.run(ask_the_next_service()).await?
//! }
//!
//! async fn ask_the_next_service() -> Result<String, Rejected> {
//!     let left = Header::TimeoutMs.value()?.unwrap_or_default();
//!     Ok(format!("x-timeout-ms: {left}"))
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
//! let sent = serve("200").await.unwrap();
//! let left: u32 = sent.trim_start_matches("x-timeout-ms: ").parse().unwrap();
//! assert!((1..=200).contains(&left), "{left}");
//!
//! assert!(serve("0").await.is_err(), "its caller has left");
//! assert_eq!(serve("a moment").await.unwrap(), "x-timeout-ms: 29999", "ignored");
//! # });
//! ```

mod header;

pub use header::Header;

use crate::base::clock::{Timer, alarm, later, now};
use crate::base::scope::{RequestEnd, within_until};
use crate::event::{Event, emit};
use crate::point::PointName;
use crate::rejected::Rejected;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// The time that a request may take: at most the service's own limit, shortened by the client's.
///
/// It counts from [`at_most`](Self::at_most), so make it when the request arrives. The
/// [module](crate::deadline) says what a call counts as that ends by it.
///
/// # Examples
///
/// ```
/// use resilience::deadline::{Deadline, Header};
/// use std::time::Duration;
///
/// let second = Duration::from_secs(1);
/// let deadline = |header| Deadline::at_most(second).header(Header::GrpcTimeout, header).limit();
/// assert_eq!(deadline("200m"), Duration::from_millis(200));
/// assert_eq!(deadline("99999999H"), second, "it only shortens");
/// assert_eq!(deadline("-1S"), second, "ignored");
/// assert_eq!(deadline("0n"), Duration::ZERO, "rejected at once");
/// ```
#[derive(Clone, Copy, Debug)]
#[must_use = "a deadline limits only what it runs"]
pub struct Deadline {
    since: Instant,
    limit: Duration,
    /// Whether the client's limit is the shorter one.
    is_of_client: bool,
    name: &'static str,
}

impl Deadline {
    /// Creates a deadline `max` from now: the service's own limit to any request.
    ///
    /// It is required, because what a client sends can be as long as it likes, or missing.
    ///
    /// Zero is a deadline that has passed: nothing runs. `Duration::MAX` never passes.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::Deadline;
    /// use std::time::Duration;
    ///
    /// let deadline = Deadline::at_most(Duration::from_secs(30));
    /// assert!(deadline.remaining() <= deadline.limit());
    /// assert!(Deadline::at_most(Duration::ZERO).run_blocking(|| ()).is_err());
    /// ```
    pub fn at_most(max: Duration) -> Self {
        Self { since: now(), limit: max, is_of_client: false, name: "deadline" }
    }

    /// Sets the name in events and errors; default `"deadline"`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::Deadline;
    /// use std::time::Duration;
    ///
    /// let late = Deadline::at_most(Duration::ZERO).name("GET /quotes").run_blocking(|| ());
    /// assert!(late.unwrap_err().to_string().contains("`GET /quotes`"));
    /// ```
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Shortens the deadline to the time that a client waits, counted from [`at_most`](Self::at_most).
    ///
    /// It is for protocols of your own; [`header`](Self::header) reads those of this module.
    ///
    /// A limit that is as long as the service's own, or longer, has no effect, and then the deadline counts as the
    /// service's: see [what it counts as](crate::deadline#what-it-counts-as).
    ///
    /// # Examples
    ///
    /// A queue whose messages say how long their sender waits:
    ///
    /// ```
    /// use resilience::deadline::Deadline;
    /// use std::time::Duration;
    ///
    /// let own = Deadline::at_most(Duration::from_secs(30));
    /// assert_eq!(own.client_waits(Duration::from_secs(5)).limit(), Duration::from_secs(5));
    /// assert_eq!(own.client_waits(Duration::from_secs(300)).limit(), Duration::from_secs(30));
    /// ```
    pub fn client_waits(mut self, limit: Duration) -> Self {
        if limit < self.limit {
            (self.limit, self.is_of_client) = (limit, true);
        }
        self
    }

    /// Shortens the deadline to the value of a header, if that can be read.
    ///
    /// Several calls leave the shortest. What cannot be read has no effect, because a request with a header that is
    /// wrong is still a request.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::{Deadline, Header};
    /// use std::time::Duration;
    ///
    /// let deadline = Deadline::at_most(Duration::from_secs(30))
    ///     .header(Header::TimeoutMs, "2000")
    ///     .header(Header::GrpcTimeout, "5S")
    ///     .header(Header::GrpcTimeout, "soon");
    /// assert_eq!(deadline.limit(), Duration::from_secs(2));
    /// ```
    pub fn header(self, header: Header, value: &str) -> Self {
        match header.read(value) {
            Some(limit) => self.client_waits(limit),
            None => self,
        }
    }

    /// Shortens the deadline to the shortest of the values of all [`Header`]s that can be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{HeaderMap, HeaderValue};
    /// use resilience::deadline::Deadline;
    /// use std::time::Duration;
    ///
    /// let mut headers = HeaderMap::new();
    /// headers.insert("x-timeout-ms", HeaderValue::from_static("250"));
    /// let deadline = Deadline::at_most(Duration::from_secs(30)).headers(&headers);
    /// assert_eq!(deadline.limit(), Duration::from_millis(250));
    /// ```
    #[cfg(feature = "http")]
    #[cfg_attr(docsrs, doc(cfg(feature = "http")))]
    pub fn headers(self, headers: &http::HeaderMap) -> Self {
        Header::ALL.into_iter().fold(self, |deadline, header| {
            let values = headers.get_all(header.name()).iter().filter_map(|value| value.to_str().ok());
            values.fold(deadline, |deadline, value| deadline.header(header, value))
        })
    }

    /// Returns the whole time that the request was given.
    ///
    /// The limit stays the same while time passes; [`remaining`](Self::remaining) is the rest of it.
    pub const fn limit(&self) -> Duration {
        self.limit
    }

    /// Returns the time that is left.
    ///
    /// It is zero once the deadline has passed, and never negative. Inside of [`run`](Self::run) use
    /// [`remaining()`](crate::remaining()), which also knows the timeouts around the code.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::Deadline;
    /// use std::time::Duration;
    ///
    /// let world = resilience::testing::isolate();
    /// let deadline = Deadline::at_most(Duration::from_secs(10));
    /// world.advance(Duration::from_secs(4));
    /// assert_eq!(deadline.remaining(), Duration::from_secs(6));
    /// world.advance(Duration::from_secs(60));
    /// assert_eq!(deadline.remaining(), Duration::ZERO);
    /// ```
    pub fn remaining(&self) -> Duration {
        self.ends().saturating_duration_since(now())
    }

    fn ends(&self) -> Instant {
        later(self.since, self.limit)
    }

    /// Runs `work`, and drops it when the deadline has passed.
    ///
    /// The future holds that of `work` once, is `Send` where it is, and needs no runtime.
    ///
    /// A result that is ready at the same poll as the deadline is returned. The work is dropped within the deadline's
    /// scope, so that what it holds sees why it ends. Dropping the future drops the work.
    ///
    /// # Errors
    ///
    /// [`Rejected::TimedOut`] when the deadline has passed; if it has at the first poll, `work` is not polled.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Rejected;
    /// use resilience::deadline::Deadline;
    /// use std::time::Duration;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
    /// let answer = Deadline::at_most(Duration::from_secs(60)).run(async { 42 }).await;
    /// assert_eq!(answer, Ok(42));
    /// let late = Deadline::at_most(Duration::from_millis(10)).run(std::future::pending::<()>()).await;
    /// assert!(matches!(late, Err(Rejected::TimedOut { .. })));
    /// # });
    /// ```
    pub fn run<F: Future>(self, work: F) -> impl Future<Output = Result<F::Output, Rejected>> {
        WithinDeadline { work: Some(work), timer: None, deadline: self }
    }

    /// Runs `work` on this thread, within the deadline.
    ///
    /// Sync code cannot be stopped: it goes on after the deadline and its result is returned. The policies in it
    /// respect the deadline, and `timeout(.., thread)` abandons its body when that has passed.
    ///
    /// # Errors
    ///
    /// [`Rejected::TimedOut`] where no time is left: then `work` does not run.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::deadline::Deadline;
    /// use std::time::Duration;
    ///
    /// let left = Deadline::at_most(Duration::from_secs(2)).run_blocking(resilience::remaining)?;
    /// assert!(left.is_some_and(|left| left <= Duration::from_secs(2)));
    /// # Ok::<(), resilience::Rejected>(())
    /// ```
    pub fn run_blocking<T>(self, work: impl FnOnce() -> T) -> Result<T, Rejected> {
        if self.remaining().is_zero() { Err(self.refusal()) } else { Ok(self.around(work)) }
    }

    /// Runs `work` as part of what answers the request.
    fn around<T>(&self, work: impl FnOnce() -> T) -> T {
        let ends = self.ends();
        let _limits = within_until(ends);
        let _request = RequestEnd::here().until(ends, self.is_of_client).enter();
        work()
    }

    #[cold]
    fn refusal(&self) -> Rejected {
        self.report(Rejected::no_time_left(PointName::new(self.name)))
    }

    #[cold]
    fn timed_out(&self) -> Rejected {
        self.report(Rejected::timed_out(PointName::new(self.name), self.limit, false))
    }

    fn report(&self, rejected: Rejected) -> Rejected {
        emit(&Event::TimedOut { point: PointName::new(self.name), key: None, limit: self.limit }, None);
        rejected
    }
}

pin_project_lite::pin_project! {
    /// Work within a deadline.
    #[must_use = "futures do nothing unless polled"]
    struct WithinDeadline<F> {
        #[pin]
        work: Option<F>,
        timer: Option<Timer>,
        deadline: Deadline,
    }
}

impl<F: Future> Future for WithinDeadline<F> {
    type Output = Result<F::Output, Rejected>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.timer.is_none() {
            let left = this.deadline.remaining();
            if left.is_zero() {
                this.work.set(None);
                return Poll::Ready(Err(this.deadline.refusal()));
            }
            *this.timer = Some(alarm(left));
        }
        if let Some(work) = this.work.as_mut().as_pin_mut()
            && let Poll::Ready(done) = this.deadline.around(|| work.poll(cx))
        {
            return Poll::Ready(Ok(done));
        }
        if let Some(timer) = this.timer
            && Pin::new(timer).poll(cx).is_pending()
        {
            return Poll::Pending;
        }
        // A breaker counts it as cancelled, and what measures calls sees that the client has left.
        this.deadline.around(|| this.work.set(None));
        Poll::Ready(Err(this.deadline.timed_out()))
    }
}
