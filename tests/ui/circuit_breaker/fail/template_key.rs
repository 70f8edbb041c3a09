use resilience::circuit_breaker;

struct Client;

impl Client {
    #[circuit_breaker(key = "{tenant}{host}")]
    fn close(&self, tenant: &str, host: &str) -> std::io::Result<()> {
        let _ = (tenant, host);
        Ok(())
    }

    #[circuit_breaker(key = "{name}")]
    fn unknown(&self, host: &str) -> std::io::Result<()> {
        let _ = host;
        Ok(())
    }

    #[circuit_breaker(key = "{host:?}")]
    fn formatted(&self, host: &str) -> std::io::Result<()> {
        let _ = host;
        Ok(())
    }
}

#[circuit_breaker(key_label)]
fn labelled() -> std::io::Result<()> {
    Ok(())
}

fn main() {}
