//! Events as lines for people.
//!
//! Each group of events has a function of its own, so that a new event is one arm. The lines are for reading: programs
//! match the variants, or read the serialised form.

use super::kinds::Event;
use crate::base::name::PointName;
use crate::base::text::About;
use crate::base::visible::{VisibleTo, in_one_line};
use std::fmt::{self, Write};

/// Writes one line without the key, which is made of arguments:
/// `search: opened after 5 failures, unavailable (503), medium, for 60s`.
///
/// Control characters and marks that turn the direction of writing are written out, so that a terminal shows
/// the line and does nothing else.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut line = VisibleTo(f);
        write!(line, "{}: ", self.point())?;
        match self {
            Self::AttemptFailed { .. }
            | Self::Retrying { .. }
            | Self::Recovered { .. }
            | Self::GaveUp { .. } => retry(&mut line, self).and_then(|()| repeated(&mut line, self.inside())),
            Self::Opened { .. } | Self::HalfOpened { .. } | Self::Closed { .. } | Self::Rejected { .. } => {
                refusal(&mut line, self)
            }
            Self::StepRecorded { .. }
            | Self::StepReused { .. }
            | Self::StepRefused { .. }
            | Self::JobStarted { .. }
            | Self::JobResumed { .. }
            | Self::JobDone { .. }
            | Self::JobFailed { .. }
            | Self::JobInterrupted { .. }
            | Self::RolledBack { .. } => durable(&mut line, self),
            Self::TimedOut { .. }
            | Self::FellBack { .. }
            | Self::FailedOver { .. }
            | Self::Simplified { .. }
            | Self::Hedged { .. }
            | Self::Injected { .. }
            | Self::ChaosArmed { .. }
            | Self::ServedStale { .. }
            | Self::Locked { .. }
            | Self::Lost { .. } => call(&mut line, self),
            Self::Alert { .. } | Self::Health { .. } | Self::Config { .. } => operation(&mut line, self),
        }
    }
}

fn retry(line: &mut impl Write, event: &Event) -> fmt::Result {
    match event {
        Event::AttemptFailed { attempt, attempts_max, class, reason, .. } => {
            write!(line, "attempt {attempt} of {attempts_max} failed: {class}")?;
            reason.map_or(Ok(()), |reason| write!(line, "; {reason}"))
        }
        Event::Retrying { attempt, attempts_max, class, delay, .. } => {
            write!(line, "retrying after attempt {attempt} of {attempts_max}: {class}; in {}", About(*delay))
        }
        Event::Recovered { attempt, attempts_max, .. } => {
            write!(line, "recovered in attempt {attempt} of {attempts_max}")
        }
        Event::GaveUp { attempt, attempts_max, class, reason, .. } => {
            write!(line, "gave up after attempt {attempt} of {attempts_max}: {class}; {reason}")
        }
        _ => Ok(()),
    }
}

fn repeated(line: &mut impl Write, inside: &[PointName]) -> fmt::Result {
    let mut points = inside.iter();
    points.next().map_or(Ok(()), |first| write!(line, "; in a retry of {first}"))?;
    points.try_for_each(|point| write!(line, ", in one of {point}"))
}

fn refusal(line: &mut impl Write, event: &Event) -> fmt::Result {
    match event {
        Event::Opened { class, failures, slow, recovery, .. } => {
            match class {
                _ if *slow > 0 => write!(line, "opened after {slow} slow calls")?,
                Some(class) => write!(line, "opened after {failures} failures, {class}")?,
                None => line.write_str("forced open")?,
            }
            recovery.map_or(Ok(()), |recovery| write!(line, ", for {recovery:?}"))
        }
        Event::HalfOpened { .. } => line.write_str("half-open"),
        Event::Closed { .. } => line.write_str("closed"),
        Event::Rejected { policy, retry_after, .. } => {
            write!(line, "rejected by {policy}")?;
            retry_after.map_or(Ok(()), |wait| write!(line, ", for {}", About(wait)))
        }
        _ => Ok(()),
    }
}

fn call(line: &mut impl Write, event: &Event) -> fmt::Result {
    match event {
        Event::TimedOut { limit, .. } => write!(line, "timed out after {limit:?}"),
        Event::FellBack { class, step, .. } => write!(line, "fallback {step} answered: {class}"),
        Event::FailedOver { class, value, .. } => {
            let value = value.as_deref().unwrap_or("the caller's own value");
            write!(line, "failed over to {value}: {class}")
        }
        Event::Simplified { class, level, .. } => write!(line, "simplified to level {level}: {class}"),
        Event::Hedged { number, after, .. } => write!(line, "extra call {number} after {}", About(*after)),
        Event::Injected { fault, .. } => write!(line, "injected a fault: {fault}"),
        Event::ChaosArmed { limit, .. } => write!(line, "faults are armed for {limit:?}"),
        Event::ServedStale { class, age, .. } => {
            write!(line, "served a value of {} ago: {class}", About(*age))
        }
        Event::Locked { waited, .. } => write!(line, "locked after {}", About(*waited)),
        Event::Lost { reason, .. } => write!(line, "lost its lock while it ran: {reason}"),
        _ => Ok(()),
    }
}

fn durable(line: &mut impl Write, event: &Event) -> fmt::Result {
    match event {
        Event::StepRecorded { job, .. } => step(line, "step recorded", job.as_deref()),
        Event::StepReused { job, .. } => step(line, "recorded step reused", job.as_deref()),
        Event::StepRefused { job, reason, .. } => {
            step(line, "step refused", job.as_deref())?;
            write!(line, ": {reason}")
        }
        Event::JobStarted { job, .. } => write!(line, "job {job} started"),
        Event::JobResumed { job, .. } => write!(line, "job {job} resumed"),
        Event::JobDone { job, .. } => write!(line, "job {job} done"),
        Event::JobFailed { job, status, class, .. } => {
            write!(line, "job {job} {status}")?;
            class.map_or(Ok(()), |class| write!(line, ": {class}"))
        }
        Event::JobInterrupted { job, problem, .. } => write!(line, "job {job} interrupted: {problem}"),
        Event::RolledBack { job, steps, .. } => write!(line, "job {job} rolled back, {steps} steps"),
        _ => Ok(()),
    }
}

fn step(line: &mut impl Write, what: &str, job: Option<&str>) -> fmt::Result {
    line.write_str(what)?;
    job.map_or(Ok(()), |job| write!(line, ", job {job}"))
}

fn operation(line: &mut impl Write, event: &Event) -> fmt::Result {
    match event {
        Event::Alert { job, level, message, reason, .. } => {
            write!(line, "{}: ", level.as_str())?;
            job.as_ref().map_or(Ok(()), |job| write!(line, "job {job}: "))?;
            write!(line, "{message}: {reason}")
        }
        Event::Health { level, before, .. } => {
            write!(line, "health {level}")?;
            before.map_or(Ok(()), |before| write!(line, ", before {before}"))
        }
        Event::Config { problem: Some(problem), refused, .. } => {
            let refused = if *refused { "refused: " } else { "" };
            write!(line, "{refused}{}", in_one_line(problem))
        }
        Event::Config { settings, .. } => write!(line, "{settings} settings are in force"),
        _ => Ok(()),
    }
}
