//! Faults on purpose: what do the retries, the breaker and the fallback make of a service that fails?

use resilience::chaos::{Fault, Plan};
use resilience::{Event, chaos, circuit_breaker, point, with_fallback, with_retry};
use std::io::{Error, ErrorKind};
use std::time::Duration;

#[with_fallback(value = 0)]
#[with_retry(max = 2, base = 1ms, on_retry = print, on_give_up = print)]
#[circuit_breaker(threshold = 4, on_open = print)]
#[chaos(rate = 30%, fault = Error::from(ErrorKind::ConnectionReset), latency = 1ms..5ms, seed = 10, name = "stock")]
fn stock(lamps: u32) -> Result<u32, Error> {
    Ok(lamps)
}

fn print(event: &Event) {
    println!("  {event}");
}

fn main() {
    println!("nothing is armed: {:?}", stock(3));
    {
        let _armed = chaos::arm(Duration::from_secs(60));
        for n in 1..=5 {
            println!("call {n}: {:?}", stock(3));
        }
    }
    println!("the service is down:");
    let outage = Plan::new(Duration::from_secs(60)).only("stock").script([Some(Fault::Error); 4]);
    let armed = chaos::arm(outage);
    println!("answered by the fallback: {:?}", stock(3));
    println!("answered by the fallback: {:?}", stock(3));
    drop(armed);
    if let Some(point) = point("stock") {
        println!("{}", point.snapshot());
    }
}
