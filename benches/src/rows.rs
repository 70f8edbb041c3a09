//! The rows of the table: the calls, and their allowed cost.

pub(crate) mod breaker;
mod bulkhead;
pub(crate) mod by_hand;
mod cached;
mod chaos;
mod failover;
mod hedge;
pub(crate) mod keyed;
pub(crate) mod peers;
mod rate_limit;
mod retry;
mod stack;
mod timeout;
mod tower;

use crate::op::{CallError, Failed, call, op};

/// A function that makes this number of calls.
pub(crate) type Calls = fn(u64);

/// One line of the table.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) sync: Option<Calls>,
    pub(crate) future: Option<Calls>,
    /// The most instructions that a call may take, sync and async, where there is such a number.
    pub(crate) bars: (Option<u64>, Option<u64>),
}

/// Rows that belong together; the first one of all is the call without any policy.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) rows: Vec<Row>,
}

impl Row {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, sync: None, future: None, bars: (None, None) }
    }

    pub(crate) const fn sync(mut self, calls: Calls) -> Self {
        self.sync = Some(calls);
        self
    }

    pub(crate) const fn future(mut self, calls: Calls) -> Self {
        self.future = Some(calls);
        self
    }

    pub(crate) const fn at_most(mut self, sync: Option<u64>, future: Option<u64>) -> Self {
        self.bars = (sync, future);
        self
    }
}

/// Returns all rows. Each has a function of its own, so that the compiler may inline it into the loop, as it does with
/// a function that is called in one place.
pub(crate) fn all() -> Vec<Group> {
    let itself = Row::new("the call itself").sync(sync!(|x| op(x))).future(future!(|x| itself(x)));
    let bare = Row::new("the call, with `?`").sync(sync!(|x| call(x))).future(future!(|x| bare(x)));
    vec![
        Group { title: "no policy", rows: vec![itself, bare] },
        Group { title: "retry, the first attempt succeeds", rows: retry::rows() },
        Group { title: "retry, the call fails", rows: retry::failing() },
        Group { title: "circuit breaker, closed", rows: breaker::closed() },
        Group { title: "circuit breaker, open", rows: breaker::open() },
        Group { title: "circuit breaker per key, 10,000 keys", rows: keyed::rows() },
        Group { title: "timeout, the body is ready at once", rows: timeout::rows() },
        Group { title: "bulkhead, a slot is free", rows: bulkhead::rows() },
        Group { title: "rate limit, the call is admitted", rows: rate_limit::rows() },
        Group { title: "failover, the first value answers", rows: failover::rows() },
        Group { title: "hedge, the body is ready at once", rows: hedge::rows() },
        Group { title: "chaos, not armed", rows: chaos::rows() },
        Group { title: "cached, the value is there", rows: cached::rows() },
        Group { title: "fallback(retry(breaker(timeout)))", rows: stack::rows() },
    ]
}

/// Returns the row of this name.
pub(crate) fn find(name: &str) -> Option<Row> {
    all().into_iter().flat_map(|group| group.rows).find(|row| row.name == name)
}

#[expect(clippy::unused_async, reason = "the future is what is measured")]
async fn itself(x: u64) -> Result<u64, Failed> {
    op(x)
}

async fn bare(x: u64) -> Result<u64, CallError> {
    call(x)
}

/// Returns the runtime that the async rows run on: one `block_on` for all calls of a row.
fn runtime() -> tokio::runtime::Runtime {
    match tokio::runtime::Builder::new_current_thread().enable_time().build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("no runtime: {error}"),
    }
}

/// A loop around a call.
macro_rules! sync {
    (|$x:ident| $call:expr) => { $crate::rows::sync!(let _nothing = (); |$x| $call) };
    ($(let $name:pat = $value:expr;)+ |$x:ident| $call:expr) => {{
        fn calls(n: u64) {
            $(let $name = $value;)+
            for i in 0..n {
                let $x = std::hint::black_box(i);
                let _ = std::hint::black_box($call);
            }
        }
        calls as $crate::rows::Calls
    }};
}

/// A loop around a call that is awaited.
macro_rules! future {
    (|$x:ident| $call:expr) => { $crate::rows::future!(let _nothing = (); |$x| $call) };
    ($(let $name:pat = $value:expr;)+ |$x:ident| $call:expr) => {{
        fn calls(n: u64) {
            $(let $name = $value;)+
            $crate::rows::runtime().block_on(async {
                for i in 0..n {
                    let $x = std::hint::black_box(i);
                    let _ = std::hint::black_box($call.await);
                }
            });
        }
        calls as $crate::rows::Calls
    }};
}

pub(crate) use {future, sync};
