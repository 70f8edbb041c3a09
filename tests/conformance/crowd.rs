//! Many threads that call at once.

use crate::call::{Call, Concurrency, Ending, message};
use crate::fields::{Fields, Refusal, lacks};
use crate::gaps::Gap;
use crate::outcome::Outcome;
use crate::scenario::Scenario;
use crate::seen::Seen;
use crate::stack::Stack;
use crate::stage::{Stage, script};
use serde_json::Value;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Waker};

/// `threads` threads, `each` calls in each of them, outcomes by turns.
pub(crate) fn parallel(stage: &Stage<'_>, fields: &mut Fields, key: &str) -> Result<Seen, Refusal> {
    let threads = fields.count("threads")?.unwrap_or(1);
    let each = fields.count("each")?.unwrap_or(1);
    let script = script(fields)?;
    if waits(stage.scenario, &script) {
        return lacks(Gap::WaitingCrowd);
    }
    let runtime = tokio::runtime::Handle::current();
    let (world, stack, executions) = (stage.world.handle(), &stage.stack, &stage.executions);
    let crowd = Arc::new(Concurrency::default());
    let counted: Vec<Result<usize, String>> = std::thread::scope(|scope| {
        let work = || {
            // The clock of this runtime is the scenario's, and stands still meanwhile.
            let _runtime = runtime.enter();
            world.run(|| {
                stack.enter_thread();
                calls(stack, executions, &crowd, &script, each, key)
            })
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| Err(message(&*panic))))
            .collect()
    });
    match counted.into_iter().sum::<Result<usize, String>>() {
        Ok(rejected) => {
            Ok(Seen { rejected: Some(rejected), most: Some(crowd.most()), ..Seen::of(key.to_owned()) })
        }
        Err(problem) => Err(Refusal::Broken(format!("a call of a thread {problem}"))),
    }
}

/// Whether the scenario itself makes a call wait: by its function, a retry, or for its admission.
fn waits(scenario: &Scenario, script: &[Outcome]) -> bool {
    let is_slow = |outcome: &Outcome| matches!(outcome, Outcome::Slow(..) | Outcome::Hang);
    let states_wait = |outcome: &Outcome| outcome.error().is_some_and(|error| error.wait.is_some());
    let retries_late = ["retry", "retry_inner"].into_iter().any(|name| {
        let setting = |key| scenario.setting(&[name, key]);
        let is_wait = |value: &Value| value.as_f64().is_some_and(|wait| wait > 0.0);
        is_wait(setting("delay_ms")) || ["backoff", "jitter"].iter().any(|key| !setting(key).is_null())
    });
    let fails = script.iter().any(|outcome| !matches!(outcome, Outcome::Ok(_)));
    let is_set =
        |(policy, key): (&str, &str)| scenario.setting(&[policy, key]).as_f64().is_some_and(|n| n > 0.0);
    let queues = [("bulkhead", "max_wait_ms"), ("bulkhead", "queue"), ("rate_limit", "max_wait_ms")];
    if queues.into_iter().any(is_set) {
        return true;
    }
    script.iter().any(|outcome| is_slow(outcome) || states_wait(outcome)) || fails && retries_late
}

/// How many of `each` calls were rejected.
///
/// # Errors
///
/// What one did instead of ending: it waited, or panicked of its own accord.
fn calls(
    stack: &Arc<Stack>,
    executions: &Arc<AtomicUsize>,
    crowd: &Arc<Concurrency>,
    script: &[Outcome],
    each: u32,
    key: &str,
) -> Result<usize, String> {
    let mut rejected = 0;
    for outcome in script.iter().cycle().take(each as usize) {
        let call =
            Call::new(vec![outcome.clone()], executions).with(key.to_owned(), String::new()).among(crowd);
        let call = pin!(stack.clone().execute(Arc::new(call)));
        match call.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending => return Err("waits, though nothing makes it wait".to_owned()),
            Poll::Ready(Ending::Broken(panic)) => return Err(format!("panicked: {panic}")),
            Poll::Ready(ending) => rejected += usize::from(ending.rejection().is_some()),
        }
    }
    Ok(rejected)
}
