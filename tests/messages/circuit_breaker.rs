// argument_in_a_constant

#[circuit_breaker(threshold = n, on_open = n)]
fn threshold(n: u32) -> Result<u32, Rejected> {
    Ok(1)
}

#[circuit_breaker(rate = share, key = n, when = |error| n > 3)]
async fn rate(share: f64, n: u32) -> Result<u32, Rejected> {
    Ok(1)
}

// cap_below_default_recovery

#[circuit_breaker(cap = 10s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// cap_below_recovery

#[circuit_breaker(recovery = 60s, cap = 30s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// const_fn

#[circuit_breaker(threshold = 3)]
const fn load(id: u32) -> Option<u32> {
    Some(id)
}

// constant_key

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

// foreign_words

#[circuit_breaker(failure_threshold = 5, recovery_timeout = 60s, success_threshold = 2, half_open_max_calls = 3)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// growth_below_one

#[circuit_breaker(growth = 0.5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// instance_with_settings

#[circuit_breaker(instance = BREAKER, threshold = 5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

static BREAKER: policy::CircuitBreaker = policy::CircuitBreaker::new("b");

// key_twice

#[circuit_breaker(threshold = 3, threshold = 4)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// max_keys_without_key

#[circuit_breaker(max_keys = 10)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// no_unit

#[circuit_breaker(recovery = 60)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// on_a_trait

#[circuit_breaker(threshold = 3)]
trait Load {}

// rates_that_make_no_sense

#[circuit_breaker(rate = 150%)]
fn above(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(rate = 50)]
fn percent(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(rate = 0)]
fn zero(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(rate = -0.5)]
fn negative(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(rate = 50s)]
fn unit(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(rate = "half", min_calls = 0)]
fn text(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(window = 100, min_calls = 10)]
fn without_a_rate(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(failure_rate = 0.5, minimum_number_of_calls = 10, sliding_window_size = 100)]
fn foreign(id: u32) -> io::Result<u32> {
    Ok(id)
}

// slow_rate_without_slow

#[circuit_breaker(rate = 50%, slow_rate = 80%)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// slowness_of_others

#[circuit_breaker(slow_call_duration = 2s, slow_ratio = 80%, slow = 0s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// template_key

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

// unknown_key

#[circuit_breaker(treshold = 5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// zero_max_keys

#[circuit_breaker(key = id, max_keys = 0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// zero_recovery

#[circuit_breaker(recovery = 0s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// zero_threshold

#[circuit_breaker(threshold = 0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// key_of_an_instance

struct Client {
    breakers: CircuitBreakers,
    host: String,
}

impl Client {
    #[circuit_breaker(instance = self.breakers, key = self.host)]
    fn load(&self, id: u32) -> io::Result<u32> {
        Ok(id)
    }

    #[circuit_breaker(key = "{self.host}/{id}", instance = self.breakers, threshold = 5)]
    fn load(&self, id: u32) -> io::Result<u32> {
        Ok(id)
    }
}

// function_with_the_name_of_an_argument

#[circuit_breaker(on_open = page)]
fn load(page: u32, delay: u32) -> io::Result<u32> {
    Ok(page + delay)
}

#[circuit_breaker(on_open = page)]
async fn load(page: u32, delay: u32) -> io::Result<u32> {
    Ok(page + delay)
}

// values_without_a_key

#[circuit_breaker(5, 60s)]
fn count_and_time() -> io::Result<u32> {
    Ok(1)
}

// template_in_a_call

#[circuit_breaker(key = rendered("{host}", host))]
fn by_a_template_of_its_own(host: &str) -> io::Result<usize> {
    Ok(host.len())
}

#[circuit_breaker(instance = HOSTS.get("{host}"))]
fn by_host(host: &str) -> io::Result<usize> {
    Ok(host.len())
}

impl Client {
    #[circuit_breaker(instance = self.breakers.get("{self.host}/api"))]
    fn by_field(&self) -> io::Result<usize> {
        Ok(self.host.len())
    }
}
