use resilience::*;

#[tokio::main(flavor = "current_thread")]
#[timeout(2s)]
async fn main() -> Result<(), Rejected> {
    Ok(())
}
