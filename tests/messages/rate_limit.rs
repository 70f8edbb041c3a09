// argument_in_a_constant

#[rate_limit(n, per = period)]
async fn rate(n: u32, period: Duration) -> Result<u32, Rejected> {
    Ok(1)
}

// foreign_words

#[rate_limit(limit_for_period = 25, limit_refresh_period = 500ms, timeout_duration = 1s, capacity = 5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(per_minute = 600)]
fn rate(id: u32) -> io::Result<u32> {
    Ok(id)
}

// instance_beside_settings

struct Client;

impl Client {
    #[rate_limit(100, per = 1s, instance = self.limit, burst = 5)]
    fn count(&self) -> io::Result<()> {
        Ok(())
    }

    #[rate_limit(instance = self.limits, key = host, max_keys = 10)]
    fn key(&self, host: &str) -> io::Result<()> {
        let _ = host;
        Ok(())
    }
}

// job_below

#[rate_limit(100, per = 1s)]
#[job("load:{id}")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// key_of_nothing

#[rate_limit(16, per = 1s, max_keys = 10, key_label)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(16, per = 1s, key = 7)]
fn constant(id: u32) -> io::Result<u32> {
    Ok(id)
}

// no_rate

#[rate_limit]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(100)]
fn no_time(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(per = 1s)]
fn no_count(id: u32) -> io::Result<u32> {
    Ok(id)
}

// nonsense

#[rate_limit(0, per = 1s)]
fn zero(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(100, per = 0s)]
fn zero_time(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(100, per = 1)]
fn no_unit(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(100, per = 1s, burst = 0)]
fn zero_burst(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(1.5, per = 1s)]
fn fraction(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(100, 1s)]
fn two(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_keys

#[rate_limit(100, per = 1s, bursts = 3)]
fn misspelt(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(100, per = 1s, unless = |e| e.is_busy())]
fn judges(id: u32) -> io::Result<u32> {
    Ok(id)
}

// names_a_parameter

#[rate_limit(N, per = 1s)]
fn load<const N: u32>(id: u32) -> io::Result<u32> {
    Ok(id)
}
