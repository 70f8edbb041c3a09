//! One strategy for each kind of failure: what is refused for good is undone, an outage waits for a person.
//!
//! `order_saga` does the first with processes that are killed, and a payment service.

use resilience::durable::{MemoryStore, use_store};
use resilience::{Classify, Rejected, checkpoint, job, jobs, with_recovery};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

static CARRIER_WORKS: AtomicBool = AtomicBool::new(false);

#[derive(Debug, thiserror::Error, Classify)]
enum OrderError {
    #[error("nobody lives there")]
    #[classify(invalid)]
    Address,
    #[error("the carrier is down")]
    #[classify(unavailable)]
    CarrierDown,
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

#[with_recovery(on(invalid, rollback), on(unavailable, manual), otherwise = escalate)]
#[job("order:{id}")]
fn order(id: u64, address: &str) -> Result<String, OrderError> {
    let place = reserve(id)?;
    ship(id, address)?;
    Ok(format!("{place} sent to {address}"))
}

#[checkpoint("reserve:{id}", rollback = release)]
fn reserve(id: u64) -> Result<String, OrderError> {
    println!("  a lamp is reserved for order {id}");
    Ok(format!("lamp {id}"))
}

/// Receives the value that the step recorded.
fn release(lamp: String) {
    println!("  {lamp} is free again");
}

#[checkpoint("ship:{id}")]
fn ship(id: u64, address: &str) -> Result<(), OrderError> {
    match address {
        "nowhere" => Err(OrderError::Address),
        _ if !CARRIER_WORKS.load(Ordering::Relaxed) => Err(OrderError::CarrierDown),
        _ => {
            println!("  order {id} is shipped");
            Ok(())
        }
    }
}

fn print(id: u64, ended: Result<String, OrderError>) -> Result<(), Rejected> {
    let info = jobs::blocking::get(&format!("order:{id}"))?;
    let status = info.map(|info| info.status.to_string()).unwrap_or_default();
    println!("order:{id} is {status}: {}", ended.unwrap_or_else(|error| error.to_string()));
    Ok(())
}

fn main() -> Result<(), Rejected> {
    // Leave this line out, and the records are in a file that survives the process.
    use_store(Arc::new(MemoryStore::new()));
    print(1, order(1, "nowhere"))?;
    print(2, order(2, "Main Street 5"))?;

    println!("a person looks at what waits, repairs the carrier, and lets the job go on:");
    CARRIER_WORKS.store(true, Ordering::Relaxed);
    jobs::blocking::resume("order:2")?;
    // The lamp is not reserved again: that step is recorded.
    print(2, order(2, "Main Street 5"))
}
