use resilience::rate_limit;

static LIMIT: u32 = 100;

#[rate_limit(instance = LIMIT)]
fn call() -> std::io::Result<()> {
    Ok(())
}

fn main() {}
