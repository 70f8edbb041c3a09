//! A step that charges a card: its result is recorded under a key, and its idempotency key makes the payment service
//! charge once although the first answer is lost.

use resilience::durable::{MemoryStore, use_store};
use resilience::{Classify, Rejected, checkpoint, checkpoints};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, thiserror::Error, Classify)]
enum PaymentError {
    #[error("the answer was lost")]
    #[classify(connection)]
    AnswerLost,
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

#[checkpoint("charge:{order}", inputs(cents), ttl = 30d)]
fn charge(order: u64, cents: u64) -> Result<usize, PaymentError> {
    let step = resilience::step().expect("a checkpoint is a step");
    println!("  attempt {}, may repeat an earlier one: {}", step.attempt(), step.may_repeat());
    pay(step.idempotency_key(), cents)
}

/// The payment service: makes one charge for each idempotency key, and loses its first answer.
fn pay(key: String, cents: u64) -> Result<usize, PaymentError> {
    static CHARGES: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);
    let mut charges = CHARGES.lock().unwrap_or_else(PoisonError::into_inner);
    let charges = charges.get_or_insert_default();
    let number = charges.len() + 1;
    if let Some(number) = charges.get(&key) {
        println!("  service: charge {number} was made before");
        return Ok(*number);
    }
    println!("  service: charge {number} of {cents} cents");
    charges.insert(key, number);
    Err(PaymentError::AnswerLost)
}

fn main() -> Result<(), Rejected> {
    // Leave this line out, and the records are in a file that survives the process.
    use_store(Arc::new(MemoryStore::new()));
    println!("first call: {:?}", charge(7, 4_200));
    println!("second call, the same charge: {:?}", charge(7, 4_200));
    println!("third call, recorded, the body does not run: {:?}", charge(7, 4_200));
    println!("other inputs under the same key: {}", charge(7, 5_000).expect_err("a contradiction"));
    println!("recorded: {:?}", checkpoints::blocking::load::<usize>("charge:7")?);
    Ok(())
}
