// checkpoint_below

#[with_lock("task:{id}")]
#[checkpoint("load:{id}")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// empty_name

#[with_lock("")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// empty_name_beside_a_mistake

#[with_lock("", shared = 1)]
fn sync() -> io::Result<u32> {
    Ok(1)
}

#[with_lock("", wait = 3)]
async fn later() -> io::Result<u32> {
    Ok(1)
}

// foreign_words

#[with_lock(key = "task", timeout = 5s, ttl = 30s, global)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_lock(path = "/tmp/x.lock")]
fn path(id: u32) -> io::Result<u32> {
    Ok(id)
}

// lease_without_a_store

#[with_lock("task:{id}", lease = 10s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// store_and_files

#[with_lock("task:{id}", store = STORE, shared, common)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// store_below_a_checkpoint

#[with_lock("task:{id}", store = STORE)]
#[checkpoint("load:{id}", store = STORE)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// store_of_two_values

#[with_lock("task:{id}", store = A B)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// short_lease

#[with_lock("task:{id}", store = STORE, lease = 1ms)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// hedge_above

#[hedge(after = 50ms, idempotent)]
#[with_lock("task:{id}")]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// job_below

#[with_lock("task:{id}")]
#[job("load:{id}")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// no_name

#[with_lock]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_lock(wait = 5s)]
fn only_a_wait(id: u32) -> io::Result<u32> {
    Ok(id)
}

// number_as_name

#[with_lock(7)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// two_names

#[with_lock("task:{id}", "report")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_argument

#[with_lock("task:{task}")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_key

#[with_lock("task:{id}", waits = 5s, stores = POSTGRES)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// values_that_run_together

#[with_lock("task:{id}{name}")]
fn load(id: u32, name: &str) -> io::Result<u32> {
    Ok(id)
}

// wait_without_unit

#[with_lock("task:{id}", wait = 5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// word_beside_the_name

#[with_lock("task:{id}", exclusive)]
fn alone(id: u64) -> Result<u64, Rejected> {
    Ok(id)
}

#[with_lock("task:{id}", global, share)]
fn of_all_programs(id: u64) -> Result<u64, Rejected> {
    Ok(id)
}
