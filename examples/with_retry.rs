//! A retry that waits as the service asks, gives one category a rule of its own, and tells what it does.

use resilience::{Classify, Event, with_retry};
use std::cell::Cell;
use std::time::Duration;

#[derive(Debug, Classify)]
enum Failure {
    #[classify(rate_limited, retry_after = .0)]
    Busy(Duration),
    #[classify(invalid)]
    BadRequest,
}

#[with_retry(max = 3, base = 10ms, on(invalid, max = 1), on_retry = tell)]
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

fn main() {
    println!("{:?}", ask(&Cell::new(0), 2));
    println!("{:?}", ask(&Cell::new(0), 9));
}
