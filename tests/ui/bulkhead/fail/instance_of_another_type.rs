use resilience::bulkhead;

static NAME: &str = "bulkhead";

#[bulkhead(instance = NAME)]
fn call() -> std::io::Result<()> {
    Ok(())
}

fn main() {}
