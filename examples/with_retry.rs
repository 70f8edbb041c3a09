//! A retry that waits as the service asks, gives one category a rule of its own, and tells what it does; and one that
//! is throttled: calls are refused here while the service accepts too few.

use resilience::{Classify, Event, Rejected, point, with_retry};
use std::cell::Cell;
use std::time::Duration;

#[derive(Debug, Classify)]
enum Failure {
    #[classify(rate_limited, retry_after = .0)]
    Busy(Duration),
    #[classify(invalid)]
    BadRequest,
}

#[with_retry(max = 3, base = 10ms, jitter = equal, give_up_after = 30s, on(invalid, max = 1), on_retry = tell)]
fn ask(calls: &Cell<u32>, answers_at: u32) -> Result<u32, Failure> {
    calls.set(calls.get() + 1);
    match calls.get() {
        call if call == answers_at => Ok(call),
        1 => Err(Failure::Busy(Duration::from_millis(50))),
        _ => Err(Failure::BadRequest),
    }
}

fn tell(event: &Event) {
    if let Event::Retrying { attempt, class, delay, .. } = event {
        println!("attempt {attempt} failed ({}), the next one in {delay:?}", class.category);
    }
}

#[derive(Debug, Classify)]
enum SearchError {
    #[classify(unavailable)]
    Overloaded,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for SearchError {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

// Refused at once while the service accepts less than half of the attempts of the last two minutes.
#[with_retry(max = 1, base = 0s, throttle = 2.0, name = "search")]
fn search(sent: &Cell<u32>) -> Result<u32, SearchError> {
    sent.set(sent.get() + 1);
    Err(SearchError::Overloaded)
}

fn main() {
    println!("{:?}", ask(&Cell::new(0), 2));
    println!("{:?}", ask(&Cell::new(0), 9));

    let sent = Cell::new(0);
    let refused = (0..100).filter(|_| matches!(search(&sent), Err(SearchError::Rejected(_)))).count();
    println!("of 100 calls {refused} were refused here, and {} attempts were made", sent.get());
    if let Some(budget) = point("search").and_then(|point| point.budget()) {
        println!("{:.0} of 100 calls are refused now", budget.refusal() * 100.0);
    }
}
