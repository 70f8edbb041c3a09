use resilience::circuit_breaker;

static NAME: &str = "breaker";

#[circuit_breaker(instance = NAME)]
fn call() -> std::io::Result<()> {
    Ok(())
}

fn main() {}
