use resilience::circuit_breaker;

const SHARE: f64 = 1.5;

#[circuit_breaker(rate = 50%, window = 10, min_calls = 40)]
fn too_few() -> std::io::Result<()> {
    Ok(())
}

#[circuit_breaker(rate = 50%, window = 60s, window_calls = 100)]
fn two_windows() -> std::io::Result<()> {
    Ok(())
}

#[circuit_breaker(rate = SHARE)]
fn share() -> std::io::Result<()> {
    Ok(())
}

fn main() {}
