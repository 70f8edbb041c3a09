//! Rows of services: tower's own layers, and those of tower-resilience.

use super::{Calls, bare, runtime};
use crate::op::{CallError, FAILS};
use failsafe::futures::CircuitBreaker as _;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::time::Duration;
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_resilience::circuitbreaker::CircuitBreakerLayer;
use tower_resilience::fallback::FallbackLayer;
use tower_resilience::retry::RetryLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

const LIMIT: Duration = Duration::from_secs(2);
const BASE: Duration = Duration::from_millis(100);

/// Calls a service so often, the first `failing` times with what makes it fail.
fn call<S: Service<u64, Response = u64>>(mut service: S, failing: u64, n: u64) {
    runtime().block_on(async {
        for _ in 0..failing {
            one(&mut service, FAILS).await;
        }
        for i in 0..n {
            one(&mut service, black_box(i)).await;
        }
    });
}

#[inline]
async fn one<S: Service<u64, Response = u64>>(service: &mut S, x: u64) {
    if let Ok(service) = service.ready().await {
        let _ = black_box(service.call(x).await);
    }
}

/// Three retries at once; that it would have to wait costs the happy path nothing.
#[derive(Clone, Copy)]
struct Thrice(u32);

impl<T, E> tower::retry::Policy<u64, T, E> for Thrice {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut u64, result: &mut Result<T, E>) -> Option<Ready<()>> {
        if result.is_ok() || self.0 == 0 {
            return None;
        }
        self.0 -= 1;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &u64) -> Option<u64> {
        Some(*request)
    }
}

/// Any error of a stack.
#[derive(Debug)]
struct Any;

impl<E> From<failsafe::Error<E>> for Any {
    fn from(_: failsafe::Error<E>) -> Self {
        Self
    }
}

pub(super) fn retry() -> Calls {
    |n| call(ServiceBuilder::new().retry(Thrice(3)).service(service_fn(bare)), 0, n)
}

pub(super) fn timeout() -> Calls {
    |n| call(ServiceBuilder::new().timeout(LIMIT).service(service_fn(bare)), 0, n)
}

pub(super) fn stack() -> Calls {
    |n| {
        let breaker = super::peers::failsafe();
        let guarded = service_fn(|x| {
            let limited = ServiceBuilder::new().timeout(LIMIT).service(service_fn(bare)).oneshot(x);
            breaker.call(limited)
        });
        let retried = ServiceBuilder::new().retry(Thrice(3)).service(guarded);
        call(retried.then(|done: Result<u64, _>| ready(Ok::<_, Any>(done.unwrap_or(1)))), 0, n);
    }
}

pub(super) fn resilience_retry() -> Calls {
    |n| {
        let layer =
            RetryLayer::<u64, u64, CallError>::builder().max_attempts(4).exponential_backoff(BASE).build();
        call(ServiceBuilder::new().layer(layer).service(service_fn(bare)), 0, n);
    }
}

fn breaker(failing: u64, n: u64) {
    let built =
        CircuitBreakerLayer::builder().consecutive_failures(5).wait_duration_in_open(LIMIT * 1800).build();
    match built {
        Ok(layer) => call(ServiceBuilder::new().layer(layer).service(service_fn(bare)), failing, n),
        Err(error) => panic!("{error}"),
    }
}

pub(super) fn resilience_breaker() -> Calls {
    |n| breaker(0, n)
}

pub(super) fn resilience_breaker_open() -> Calls {
    |n| breaker(200, n)
}

pub(super) fn resilience_timeout() -> Calls {
    |n| {
        let layer = TimeLimiterLayer::builder().timeout_duration(LIMIT).build();
        call(ServiceBuilder::new().layer(layer).service(service_fn(bare)), 0, n);
    }
}

pub(super) fn resilience_stack() -> Calls {
    |n| {
        let limited = ServiceBuilder::new()
            .layer(TimeLimiterLayer::builder().timeout_duration(LIMIT).build())
            .service(service_fn(bare));
        let guarded = match CircuitBreakerLayer::builder().consecutive_failures(5).build() {
            Ok(layer) => ServiceBuilder::new().layer(layer).service(limited),
            Err(error) => panic!("{error}"),
        };
        let retried = RetryLayer::builder().max_attempts(4).exponential_backoff(BASE).build();
        let retried = ServiceBuilder::new().layer(retried).service(guarded);
        call(ServiceBuilder::new().layer(FallbackLayer::value(1)).service(retried), 0, n);
    }
}
