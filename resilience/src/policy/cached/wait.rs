//! The call that waits for another one of its key.

use super::call::{Call, CallContext};
use super::flight::{Role, WaitOutcome};
use super::table::{FlightResult, Table};
use crate::base::clock::{Timer, alarm};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

/// A call that waits for another one of its key.
pub(super) struct WaitForLeader {
    pub(super) place: CallContext,
    pub(super) flight: u64,
    pub(super) number: u64,
    pub(super) is_over: bool,
}

impl Drop for WaitForLeader {
    fn drop(&mut self) {
        if !self.is_over {
            self.place.table.flights.leave(self.flight, self.number);
        }
    }
}

impl WaitForLeader {
    /// Waits for the leader, at most as long as the settings say.
    ///
    /// The timer is made at the first poll that finds no result. A caller whose wait is over takes the place of a
    /// leader that does not end, unless another caller has done so before; then it runs alone.
    ///
    /// Returns its call, or what the leader has left to it.
    pub(super) async fn until_over(mut self) -> Result<Call, FlightResult> {
        let wait = self.place.config.wait;
        let mut timer: Option<Box<Timer>> = None;
        let turn = poll_fn(|cx| {
            if let Poll::Ready(turn) = self.place.table.flights.poll(self.flight, self.number, cx.waker()) {
                self.is_over = true;
                return Poll::Ready(Some(turn));
            }
            let timer = timer.get_or_insert_with(|| Box::new(alarm(wait)));
            Pin::new(&mut **timer).poll(cx).map(|()| None)
        })
        .await;
        let flights = &self.place.table.flights;
        let role = match turn {
            Some(WaitOutcome::Landed(landing)) => {
                Table::count(&self.place.table.joined);
                return Err(landing);
            }
            Some(WaitOutcome::Lead) => Role::Leads(self.flight),
            None => {
                self.is_over = true;
                flights.leave(self.flight, self.number);
                flights.lead_or_alone(self.place.hash, self.place.key.clone(), Some(self.flight))
            }
        };
        Ok(Call::new(self.place.clone(), role))
    }
}
