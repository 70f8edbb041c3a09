//! A supervisor that opens a breaker for a service that fails often but not in a row, and calls a function of the program.
//!
//! `cargo run --example supervisor`; a real program starts the supervisor in `main`, and it looks every 10 s by itself.
//! Here the clock is that of a test world, so that ten minutes pass at once.

use resilience::supervisor::Supervisor;
use resilience::{Severity, circuit_breaker, point, testing};
use std::io::{Error, ErrorKind};
use std::time::Duration;

/// Its own breaker counts failures in a row, of which there are never five.
#[circuit_breaker(threshold = 5, recovery = 60s, name = "search")]
fn search(number: u32) -> Result<u32, Error> {
    if number.is_multiple_of(3) { Err(ErrorKind::ConnectionReset.into()) } else { Ok(number) }
}

fn main() -> Result<(), Error> {
    let world = testing::isolate();
    search(1)?;
    let (sender, patterns) = std::sync::mpsc::channel();
    let page = move |pattern: &resilience::supervisor::Pattern| drop(sender.send(pattern.to_string()));
    let supervision = Supervisor::new().action(Severity::High, page).start()?;

    let state = || point("search").and_then(|point| point.breaker()).map(|breaker| breaker.state());
    for round in 0..4_u32 {
        supervision.look();
        for number in 0..9 {
            let _ = search(number);
        }
        println!("after {} s: {:?}", round * 10, state());
        world.advance(Duration::from_secs(10));
    }
    println!("the function got: {}", patterns.recv().unwrap_or_default());

    // The next call after the recovery is a probe.
    world.advance(Duration::from_secs(60));
    search(1)?;
    println!("after the recovery: {:?}", state());
    Ok(())
}
