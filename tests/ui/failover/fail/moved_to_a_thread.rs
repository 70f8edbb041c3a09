use resilience::*;

#[failover(model = ["large", "small"])]
#[timeout(1s, thread)]
fn ask(model: &'static str, text: String) -> Result<usize, Rejected> {
    Ok(model.len() + text.len())
}

fn main() {}
