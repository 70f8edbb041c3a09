//! Many threads that call at once.

use crate::call::{Call, Ending};
use crate::fields::{Fields, Refusal};
use crate::outcome::Outcome;
use crate::seen::Seen;
use crate::stack::Stack;
use crate::stage::{Stage, script};
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
    if script.iter().any(|outcome| matches!(outcome, Outcome::Slow(..) | Outcome::Hang)) {
        return Err(Refusal::Unsupported("a thread of a crowd waits: its clock is nobody's".to_owned()));
    }
    let runtime = tokio::runtime::Handle::current();
    let (world, stack, executions) = (stage.world.handle(), &stage.stack, &stage.executions);
    let counted: Vec<Option<usize>> = std::thread::scope(|scope| {
        let work = || {
            // The clock of this runtime is the scenario's, and stands still meanwhile.
            let _runtime = runtime.enter();
            world.run(|| {
                stack.enter_thread();
                calls(stack, executions, &script, each, key)
            })
        };
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join().unwrap_or(None)).collect()
    });
    match counted.into_iter().sum::<Option<usize>>() {
        Some(rejected) => Ok(Seen { rejected: Some(rejected), ..Seen::of(key.to_owned()) }),
        None => Err(Refusal::Unsupported("a call of a crowd waits or breaks".to_owned())),
    }
}

/// How many of `each` calls were refused; nothing if one waits, or panics on its own account.
fn calls(
    stack: &Arc<Stack>,
    executions: &Arc<AtomicUsize>,
    script: &[Outcome],
    each: u32,
    key: &str,
) -> Option<usize> {
    let mut rejected = 0;
    for outcome in script.iter().cycle().take(each as usize) {
        let call = Call::new(vec![outcome.clone()], executions).with(key.to_owned(), String::new());
        let call = pin!(stack.clone().execute(Arc::new(call)));
        match call.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Pending | Poll::Ready(Ending::Broken(_)) => return None,
            Poll::Ready(ending) => rejected += usize::from(ending.rejection().is_some()),
        }
    }
    Some(rejected)
}
