//! Runs of recorded steps: a job by its key, each step a checkpoint with the scenario's policies inside.
//!
//! A crash drops the run in the middle, with everything that it holds; `tests/crash.rs` kills processes.

use crate::call::{Call, Ending, Scripted, caught};
use crate::failure::{Answer, Failure};
use crate::fields::{Fields, Refusal, lacks, unknown};
use crate::gaps::Gap;
use crate::outcome::Outcome;
use crate::stack::Stack;
use resilience::durable::{Checkpoint, Job, MemoryStore, Status, use_store};
use resilience::{Rejected, jobs};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// The runs of one scenario.
#[derive(Debug)]
pub(crate) struct Runs {
    plan: Rc<Plan>,
    under_way: BTreeMap<String, JoinHandle<Ending>>,
}

#[derive(Debug)]
struct Plan {
    job: Job,
    steps: Vec<Step>,
    goes_on: bool,
    stack: Arc<Stack>,
    /// The steps whose bodies ran since the last look.
    ran: RefCell<Vec<String>>,
    crashed: Arc<Notify>,
}

#[derive(Debug)]
struct Step {
    name: String,
    outcomes: Vec<Moment>,
    executions: Arc<AtomicUsize>,
}

/// What one run of a step's body does.
#[derive(Clone, Debug)]
enum Moment {
    Plain(Outcome),
    Unserializable,
}

/// A step's value: one that JSON has, or one that it has not.
#[derive(Debug, Serialize, Deserialize)]
enum Kept {
    Text(String),
    Odd(BTreeMap<(u8, u8), u8>),
}

const STEP: Checkpoint = Checkpoint::new("conformance::step");

impl Moment {
    fn parse(text: &str) -> Result<Self, Refusal> {
        match text {
            "unserializable" => Ok(Self::Unserializable),
            "interrupt" => lacks(Gap::Interrupt),
            other => Outcome::parse(other).map(Self::Plain).or_else(unknown),
        }
    }
}

impl Step {
    fn read(value: &Value) -> Result<Self, Refusal> {
        let mut fields = Fields::of("checkpoint.steps", value)?;
        let name = fields.word("name")?.unwrap_or_default();
        let words = fields.words("outcomes")?.unwrap_or_else(|| vec!["ok".to_owned()]);
        fields.finish()?;
        let outcomes = words.iter().map(|word| Moment::parse(word)).collect::<Result<_, _>>()?;
        Ok(Self { name, outcomes, executions: Arc::default() })
    }

    /// What the next runs of the body do.
    fn script(&self) -> (Option<Moment>, Vec<Outcome>) {
        let done = self.executions.load(Ordering::Relaxed);
        let rest = self.outcomes.get(done..).filter(|rest| !rest.is_empty());
        let rest = rest.or_else(|| Some(std::slice::from_ref(self.outcomes.last()?))).unwrap_or_default();
        let plain = rest.iter().map_while(|moment| match moment {
            Moment::Plain(outcome) => Some(outcome.clone()),
            _ => None,
        });
        (rest.first().cloned(), plain.collect())
    }

    async fn body(&self, plan: &Plan) -> Result<Kept, Failure> {
        plan.ran.borrow_mut().push(self.name.clone());
        match self.script() {
            (Some(Moment::Unserializable), _) => {
                self.executions.fetch_add(1, Ordering::Relaxed);
                Ok(Kept::Odd([((1, 2), 3)].into()))
            }
            (_, script) => {
                let call = Arc::new(Call::of_step(script, &self.executions, &plan.crashed));
                match plan.stack.clone().execute(call).await {
                    Ending::Returned(answer) => answer.map(Kept::Text),
                    Ending::Panicked => resume_unwind(Box::new(Scripted)),
                    other => panic!("a step ended otherwise than by returning: {other}"),
                }
            }
        }
    }
}

impl Runs {
    /// The runs that `config` describes; none without recorded steps.
    pub(crate) fn read(config: &Value, stack: &Arc<Stack>) -> Result<Option<Self>, Refusal> {
        if config["checkpoint"].is_null() {
            return Ok(None);
        }
        let mut fields = Fields::of("checkpoint", &config["checkpoint"])?;
        let steps = fields.take("steps").unwrap_or_default();
        let goes_on = fields.switch("continue_on_error")?.unwrap_or(false);
        let job = Job::new("conformance::run");
        let job = fields.count("max_recoveries")?.map_or(job, |most| job.max_recoveries(most));
        fields.finish()?;
        let plan = Plan {
            job,
            steps: read_all(&steps)?,
            goes_on,
            stack: stack.clone(),
            ran: RefCell::default(),
            crashed: Arc::default(),
        };
        use_store(Arc::new(MemoryStore::new()));
        Ok(Some(Self { plan: Rc::new(plan), under_way: BTreeMap::new() }))
    }

    /// Begins a run, or goes on with it; it is under way from then on.
    ///
    /// A run that is cancelled asks to be stopped just before the step `cancel_before`.
    pub(crate) fn start(&mut self, id: &str, changed: Option<Vec<String>>, cancel_before: Option<String>) {
        self.plan.ran.borrow_mut().clear();
        let (plan, id_too) = (self.plan.clone(), id.to_owned());
        let task = tokio::task::spawn_local(async move {
            let named = |name: &String| plan.steps.iter().find(|step| step.name == *name);
            let steps: Vec<Step> = match &changed {
                None => plan.steps.iter().map(Step::again).collect(),
                Some(names) => names
                    .iter()
                    .map(|name| named(name).map_or_else(|| Step::new(name), Step::again))
                    .collect(),
            };
            let run = plan.job.call_async(&id_too, (), async |()| {
                work(&id_too, &steps, &plan, cancel_before.as_deref()).await
            });
            tokio::select! {
                ending = caught(Box::pin(run)) => ending,
                () = plan.crashed.notified() => Ending::Crashed,
            }
        });
        if let Some(before) = self.under_way.insert(id.to_owned(), task) {
            // The library makes the second wait for the first: this one is looked at, and goes away again.
            let second = self.under_way.insert(id.to_owned(), before);
            drop(second.map(|second| tokio::task::spawn_local(after_a_while(second))));
        }
    }

    /// The end of the run `id`.
    pub(crate) async fn end(&mut self, id: &str) -> Option<Ending> {
        let task = self.under_way.remove(id)?;
        Some(task.await.unwrap_or_else(|error| Ending::Broken(error.to_string())))
    }

    /// Whether the run `id` is under way.
    pub(crate) fn is_under_way(&self, id: &str) -> bool {
        self.under_way.get(id).is_some_and(|task| !task.is_finished())
    }

    /// Has the run `id` begin again at `step`.
    pub(crate) async fn fork(&self, id: &str, step: &str) -> Result<(), Refusal> {
        jobs::fork_from(id, step).await.map_err(|error| Refusal::Broken(format!("`fork_from`: {error}")))
    }

    /// Has the run `id` start again, however it ended.
    pub(crate) async fn resume(&self, id: &str) -> Result<(), Refusal> {
        jobs::resume(id).await.map_err(|error| Refusal::Broken(format!("`resume`: {error}")))
    }

    pub(crate) fn ran(&self) -> Vec<String> {
        self.plan.ran.borrow().clone()
    }

    pub(crate) async fn running(&self) -> usize {
        let running = jobs::list(jobs::Filter::new().status(&[Status::Running])).await;
        running.map_or(usize::MAX, |jobs| jobs.len())
    }

    pub(crate) fn executions(&self, name: &str) -> Option<usize> {
        let step = self.plan.steps.iter().find(|step| step.name == name)?;
        Some(step.executions.load(Ordering::Relaxed))
    }
}

async fn after_a_while(task: JoinHandle<Ending>) {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
    task.abort();
}

fn read_all(steps: &Value) -> Result<Vec<Step>, Refusal> {
    steps.as_array().into_iter().flatten().map(Step::read).collect()
}

impl Step {
    /// A step that the scenario does not describe.
    fn new(name: &str) -> Self {
        let outcomes = vec![Moment::Plain(Outcome::Ok("ok".to_owned()))];
        Self { name: name.to_owned(), outcomes, executions: Arc::default() }
    }

    /// The same step, counted together.
    fn again(&self) -> Self {
        let Self { name, outcomes, executions } = self;
        Self { name: name.clone(), outcomes: outcomes.clone(), executions: executions.clone() }
    }
}

async fn work(id: &str, steps: &[Step], plan: &Plan, cancel_before: Option<&str>) -> Answer {
    for step in steps {
        if cancel_before == Some(&step.name) {
            jobs::cancel(id).await?;
        }
        let done: Result<Kept, Failure> = STEP.call_async(&step.name, async || step.body(plan).await).await;
        if let Err(error) = done
            && !plan.goes_on
        {
            return Err(error);
        }
    }
    Ok("ok".to_owned())
}

/// The word for what a job or a step refuses.
pub(crate) fn refusal(rejected: &Rejected) -> Option<String> {
    use resilience::durable::{CheckpointError, JobError};
    match rejected {
        Rejected::Checkpoint(error) => match &**error {
            CheckpointError::Encode { .. } => Some("err:serialize".to_owned()),
            CheckpointError::Cancelled { .. } => Some("cancelled".to_owned()),
            _ => None,
        },
        Rejected::Job(error) => match &**error {
            JobError::Stopped { status: Status::Dead, .. } => Some("dead_letter".to_owned()),
            JobError::Stopped { status, .. } => Some(format!("stopped as {status}")),
            _ => None,
        },
        _ => None,
    }
}
