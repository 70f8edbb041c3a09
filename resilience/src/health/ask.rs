//! The code that answers one question.

use super::flight::{Entry, QuestionTask, RunningLook, late};
use super::run::start;
use super::status::Status;
use crate::base::clock;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

/// Answers one question.
pub(super) async fn ask(entry: Arc<Entry>) -> Status {
    let (number, mut left) = match entry.flight.question(entry.limit) {
        QuestionTask::Answered(status) => return status,
        QuestionTask::Late(number) => return late(&entry, number),
        QuestionTask::Joins(number, left) => (number, left),
        QuestionTask::Begins(number) => {
            start(RunningLook::new(entry.clone(), number));
            (number, entry.limit)
        }
    };
    // The body may begin after the question: then its limit is over later.
    for _ in 0..2 {
        let mut alarm = Box::pin(clock::alarm_of_thread(left));
        let answer = poll_fn(|cx| match entry.flight.poll(number, cx.waker()) {
            Some(status) => Poll::Ready(Some(status)),
            None => Pin::new(&mut *alarm).poll(cx).map(|()| None),
        });
        if let Some(status) = answer.await {
            return status;
        }
        match entry.flight.left(number, entry.limit) {
            Some(more) => left = more,
            None => break,
        }
    }
    late(&entry, number)
}
