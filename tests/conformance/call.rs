//! One protected call: what its function does, and what is seen of it from inside.

use crate::failure::{Answer, Failure};
use crate::outcome::Outcome;
use resilience::Rejected;
use std::any::Any;
use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::Notify;

/// How a call ended.
#[derive(Clone, Debug)]
pub(crate) enum Ending {
    Returned(Answer),
    /// The function panicked as it was told to.
    Panicked,
    /// Its caller dropped it.
    Cancelled,
    /// It was still running a year later.
    Hung,
    /// Its process went away.
    Crashed,
    /// Something else panicked.
    Broken(String),
}

/// A call, shared by its future and those who look at it.
#[derive(Debug)]
pub(crate) struct Call {
    script: Mutex<Vec<Outcome>>,
    executions: Arc<AtomicUsize>,
    key: String,
    arguments: String,
    /// Holds the first run open until it is notified.
    gate: Option<Notify>,
    /// Who drops everything when the process goes away.
    crashed: Option<Arc<Notify>>,
    /// The calls that run at once.
    crowd: Option<Arc<Concurrency>>,
    runs: AtomicUsize,
    attempts: AtomicUsize,
    has_fallen_back: AtomicBool,
    was_cut: AtomicBool,
}

/// How many runs of a function there are at once.
#[derive(Debug, Default)]
pub(crate) struct Concurrency {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Concurrency {
    /// Counts a run until what it returns is dropped.
    fn enter(&self) -> impl Drop {
        struct Run<'a>(&'a AtomicUsize);

        impl Drop for Run<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, SeqCst);
            }
        }

        self.most.fetch_max(self.now.fetch_add(1, SeqCst) + 1, SeqCst);
        Run(&self.now)
    }

    /// The most that there were.
    pub(crate) fn most(&self) -> usize {
        self.most.load(SeqCst)
    }
}

/// The payload of a panic that a scenario asks for.
pub(crate) struct Scripted;

impl Call {
    pub(crate) fn new(script: Vec<Outcome>, executions: &Arc<AtomicUsize>) -> Self {
        Self {
            script: Mutex::new(script),
            executions: executions.clone(),
            key: String::new(),
            arguments: String::new(),
            gate: None,
            crashed: None,
            crowd: None,
            runs: AtomicUsize::new(0),
            attempts: AtomicUsize::new(0),
            has_fallen_back: AtomicBool::new(false),
            was_cut: AtomicBool::new(false),
        }
    }

    /// A call whose first run waits until somebody [`end`](Self::end)s it.
    pub(crate) fn held(executions: &Arc<AtomicUsize>) -> Self {
        Self { gate: Some(Notify::new()), ..Self::new(Vec::new(), executions) }
    }

    pub(crate) fn with(mut self, key: String, arguments: String) -> Self {
        self.key = key;
        self.arguments = arguments;
        self
    }

    /// A run of a step, whose crash is for `crashed` to carry out.
    pub(crate) fn of_step(
        script: Vec<Outcome>,
        executions: &Arc<AtomicUsize>,
        crashed: &Arc<Notify>,
    ) -> Self {
        Self { crashed: Some(crashed.clone()), ..Self::new(script, executions) }
    }

    /// A call among others, whose runs are counted by `crowd`.
    pub(crate) fn among(mut self, crowd: &Arc<Concurrency>) -> Self {
        self.crowd = Some(crowd.clone());
        self
    }

    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    pub(crate) fn arguments(&self) -> &str {
        &self.arguments
    }

    /// Lets the held run end as `script` says.
    pub(crate) fn end(&self, script: Vec<Outcome>) {
        *self.script.lock().unwrap_or_else(PoisonError::into_inner) = script;
        if let Some(gate) = &self.gate {
            gate.notify_one();
        }
    }

    pub(crate) fn note_attempt(&self) {
        self.attempts.fetch_add(1, Relaxed);
    }

    pub(crate) fn note_fallback(&self) {
        self.has_fallen_back.store(true, Relaxed);
    }

    /// How often the function ran.
    pub(crate) fn runs(&self) -> usize {
        self.runs.load(Relaxed)
    }

    /// How many attempts the retry made, refused ones included; without a retry, how often the function ran.
    pub(crate) fn attempts(&self) -> usize {
        self.attempts.load(Relaxed).max(self.runs())
    }

    pub(crate) fn has_fallen_back(&self) -> bool {
        self.has_fallen_back.load(Relaxed)
    }

    pub(crate) fn was_cut(&self) -> bool {
        self.was_cut.load(Relaxed)
    }

    /// One run of the protected function.
    pub(crate) async fn body(&self) -> Answer {
        let run = self.runs.fetch_add(1, Relaxed);
        self.executions.fetch_add(1, Relaxed);
        let unfinished = Unfinished(&self.was_cut);
        if let (0, Some(gate)) = (run, &self.gate) {
            gate.notified().await;
        }
        let outcome = {
            let script = self.script.lock().unwrap_or_else(PoisonError::into_inner);
            script.get(run).or(script.last()).cloned()
        };
        let run = self.crowd.as_ref().map(|crowd| crowd.enter());
        let answer = self.play(outcome.unwrap_or(Outcome::Hang)).await;
        drop(run);
        std::mem::forget(unfinished);
        answer
    }

    /// Does what `outcome` says.
    pub(crate) async fn play(&self, mut outcome: Outcome) -> Answer {
        loop {
            match outcome {
                Outcome::Ok(value) => return Ok(value),
                Outcome::Err(error) => return Err(Failure::App(error)),
                Outcome::Panic => resume_unwind(Box::new(Scripted)),
                Outcome::Hang => pending().await,
                Outcome::Crash => {
                    if let Some(crashed) = &self.crashed {
                        crashed.notify_one();
                    }
                    pending().await
                }
                Outcome::Slow(wait, then) => {
                    tokio::time::sleep(wait).await;
                    outcome = *then;
                }
            }
        }
    }
}

/// Notes that a run was dropped before its end.
struct Unfinished<'a>(&'a AtomicBool);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.0.store(true, Relaxed);
        }
    }
}

/// The end of `call`, whether it returns or panics.
pub(crate) async fn caught(call: Pin<Box<dyn Future<Output = Answer> + '_>>) -> Ending {
    match Caught(call).await {
        Ok(answer) => Ending::Returned(answer),
        Err(panic) if panic.is::<Scripted>() => Ending::Panicked,
        Err(panic) => Ending::Broken(message(&*panic)),
    }
}

struct Caught<'a>(Pin<Box<dyn Future<Output = Answer> + 'a>>);

impl Future for Caught<'_> {
    type Output = Result<Answer, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let polled = catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)));
        match polled {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(answer)) => Poll::Ready(Ok(answer)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// What a panic says.
pub(crate) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic".to_owned())
}

impl Ending {
    /// The policy's own error that it ended with.
    pub(crate) fn rejection(&self) -> Option<&Rejected> {
        match self {
            Self::Returned(Err(Failure::Refused(rejected))) => Some(rejected),
            _ => None,
        }
    }

    /// Whether scenarios write this ending as `expected`.
    pub(crate) fn is(&self, expected: &str) -> bool {
        match self {
            Self::Returned(Err(Failure::App(error))) => match Outcome::parse(expected) {
                Ok(Outcome::Err(expected)) => error.answers_to(&expected),
                _ => false,
            },
            // An echoed error is a value, with or without its `err:`.
            Self::Returned(Ok(value)) if value.starts_with("ok:err:") => {
                value == expected || value.replacen("err:", "", 1) == expected
            }
            other => other.to_string() == expected,
        }
    }
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Returned(Ok(value)) => f.write_str(value),
            Self::Returned(Err(error)) => write!(f, "{error}"),
            Self::Panicked => f.write_str("panic"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Hung => f.write_str("never"),
            Self::Crashed => f.write_str("crashed"),
            Self::Broken(message) => write!(f, "broken: {message}"),
        }
    }
}
