use resilience::policy::presets;
use resilience::{circuit_breaker, with_retry};

#[with_retry(policy = presets::NETWORK, max = 9)]
#[circuit_breaker(policy = presets::NETWORK)]
fn a_policy_of_the_other_kind() -> Option<u32> {
    Some(1)
}

struct Client {
    breaker: String,
}

impl Client {
    #[circuit_breaker(instance = self.breaker)]
    fn no_breaker(&self) -> Option<u32> {
        Some(1)
    }
}

#[with_retry(classify = |_| true)]
#[circuit_breaker(threshold = 5, rejected = |_| 3, unless = |_| "no")]
fn closures() -> Result<u32, String> {
    Ok(1)
}

fn main() {}
