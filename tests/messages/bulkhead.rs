// adaptive

#[bulkhead(16, floor = 1, cap = 200)]
fn fixed(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(adaptive = false, floor = 1)]
fn switched_off(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(adaptive, initialLimit = 30, maxLimit = 100)]
fn foreign(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(adaptive, floor = 0, cap = 0)]
fn nonsense(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(adaptive)]
#[with_fallback(other)]
fn hidden(id: u32) -> io::Result<u32> {
    Ok(id)
}

// argument_in_a_constant

#[bulkhead(slots, key = host, max_keys = slots)]
async fn slots(slots: u32, host: &str) -> Result<u32, Rejected> {
    Ok(1)
}

#[bulkhead(8, wait = wait)]
fn wait(wait: Duration) -> Result<u32, Rejected> {
    Ok(1)
}

// checkpoint_below

#[bulkhead(16)]
#[checkpoint("load:{id}")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// foreign_words

#[bulkhead(max_concurrent_calls = 25, max_wait_duration = 500ms, queue_size = 8)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// instance_below_a_thread

#[bulkhead(instance = SHARED)]
#[timeout(2s, thread)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// instance_beside_settings

struct Client;

impl Client {
    #[bulkhead(16, instance = self.bulkhead, wait = 1s)]
    fn slots(&self) -> io::Result<()> {
        Ok(())
    }

    #[bulkhead(instance = self.bulkheads, key = host, max_keys = 10)]
    fn key(&self, host: &str) -> io::Result<()> {
        let _ = host;
        Ok(())
    }
}

// key_of_nothing

#[bulkhead(16, max_keys = 10, key_label)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(16, key = "hosts")]
fn constant(id: u32) -> io::Result<u32> {
    Ok(id)
}

// no_slots

#[bulkhead]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(0)]
fn zero(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(wait = 100ms)]
fn only_wait(id: u32) -> io::Result<u32> {
    Ok(id)
}

// nonsense

#[bulkhead(2.5)]
fn fraction(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(-1)]
fn negative(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(16s)]
fn duration(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(16, 32)]
fn two(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(16, wait = 5)]
fn wait(id: u32) -> io::Result<u32> {
    Ok(id)
}

// queue_without_wait

#[bulkhead(16, queue = 8)]
fn none(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(16, queue = 8, wait = 0s)]
fn zero(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(16, queue = 0, wait = 1s)]
fn no_place(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_keys

#[bulkhead(16, waits = 1s)]
fn misspelt(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(16, priority = 3)]
fn unheard(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(16, when = |e| e.is_busy())]
fn judges(id: u32) -> io::Result<u32> {
    Ok(id)
}

// names_a_parameter

#[bulkhead(N)]
fn load<const N: u32>(id: u32) -> io::Result<u32> {
    Ok(id)
}
