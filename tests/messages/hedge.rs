// argument_in_a_constant

#[hedge(after = delay, idempotent)]
async fn delayed(delay: Duration) -> Result<u32, Rejected> {
    Ok(1)
}

#[hedge(after = p95, budget = 3, idempotent)]
async fn budget(p95: Duration) -> Result<u32, Rejected> {
    Ok(1)
}

// foreign_words

#[hedge(delay = 50ms, max_hedges = 2, idempotent)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(quantile = 0.95, max_attempts = 2, when = |e| e.is_busy(), idempotent)]
async fn judges(id: u32) -> io::Result<u32> {
    Ok(id)
}

// idempotent_is_written

#[hedge(after = 50ms)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50ms, idempotent = false)]
async fn pay(id: u32) -> io::Result<u32> {
    Ok(id)
}

// instance_beside_settings

struct Client;

impl Client {
    #[hedge(after = 50ms, instance = self.hedge, max = 2, idempotent)]
    async fn count(&self) -> io::Result<()> {
        Ok(())
    }

    #[hedge(instance = self.hedges, key = host, budget = BUDGET, idempotent)]
    async fn key(&self, host: &str) -> io::Result<()> {
        let _ = host;
        Ok(())
    }
}

// key_of_nothing

#[hedge(after = 50ms, max_keys = 10, key_label, idempotent)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// mutable_arguments

struct Client;

impl Client {
    #[hedge(after = 50ms, idempotent)]
    async fn next(&mut self, buffer: &mut Vec<u8>) -> io::Result<()> {
        Ok(())
    }

    #[hedge(after = 50ms, idempotent)]
    async fn all(self: Pin<&mut Self>, parts: [Option<&mut str>; 2]) -> io::Result<()> {
        Ok(())
    }
}

// no_delay

#[hedge]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(50ms, idempotent)]
async fn first(id: u32) -> io::Result<u32> {
    Ok(id)
}

// nonsense

#[hedge(after = 0s, idempotent)]
async fn zero(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50, idempotent)]
async fn no_unit(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = p100, idempotent)]
async fn never(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = p5, idempotent)]
async fn always(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 95%, idempotent)]
async fn share(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = p95, max = 0, idempotent)]
async fn none(id: u32) -> io::Result<u32> {
    Ok(id)
}

// of_one_call

#[hedge(after = 50ms, idempotent)]
#[with_retry(max = 3)]
async fn retried(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50ms, idempotent)]
#[cached(ttl = 60s)]
async fn kept(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50ms, idempotent)]
#[checkpoint("load:{id}")]
async fn step(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50ms, idempotent)]
#[job("load:{id}")]
async fn resumed(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50ms, idempotent)]
#[with_lock("load:{id}")]
async fn locked(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50ms, idempotent)]
#[timeout(2s, thread)]
async fn on_a_thread(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50ms, idempotent)]
#[with_fallback(value = 0)]
async fn answered(id: u32) -> io::Result<u32> {
    Ok(id)
}

// sync_function

#[hedge(after = 50ms, idempotent)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// twice

#[hedge(after = 50ms, idempotent)]
#[hedge(after = 100ms, idempotent)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_keys

#[hedge(afterr = 50ms, idempotent)]
async fn misspelt(id: u32) -> io::Result<u32> {
    Ok(id)
}
