use resilience::circuit_breaker;

const TENANT: &str = "acme";

struct Client;

impl Client {
    #[circuit_breaker(key = "hosts")]
    fn text(&self, host: &str) -> std::io::Result<()> {
        let _ = host;
        Ok(())
    }

    #[circuit_breaker(key = "{{host}}")]
    fn escaped(&self) -> std::io::Result<()> {
        Ok(())
    }

    #[circuit_breaker(key = TENANT)]
    fn constant(&self, tenant: &str) -> std::io::Result<()> {
        let _ = tenant;
        Ok(())
    }

    #[circuit_breaker(key = &("a".to_string()))]
    fn made(&self, tenant: &str) -> std::io::Result<()> {
        let _ = tenant;
        Ok(())
    }

    #[circuit_breaker(key = 7)]
    fn number() -> std::io::Result<()> {
        Ok(())
    }
}

fn main() {}
