// nothing_to_inject

#[chaos(rate = 2%)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// no_rate

#[chaos(fault = io::ErrorKind::TimedOut.into())]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// empty

#[chaos]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// rates_out_of_range

#[chaos(rate = 2, panic)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[chaos(rate = 0%, panic)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[chaos(rate = 101%, panic)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// latencies

#[chaos(rate = 2%, latency = 2s..100ms)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[chaos(rate = 2%, latency = 100ms..)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[chaos(rate = 2%, latency = 100)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// not_last

#[chaos(rate = 2%, panic)]
#[with_retry]
#[timeout(1s)]
async fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// two_of_them

#[chaos(rate = 2%, panic)]
#[chaos(rate = 1%, latency = 1s)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// nonsense

#[chaos(rate = 2%, panic = 3, seed = -1, fault, lost = )]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// words_of_others

#[chaos(probability = 0.1, error = Down, delay = 2s, enabled = true)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}

// misspelt

#[chaos(rate = 2%, latncy = 2s, panic)]
fn run(id: u32) -> io::Result<u32> {
    Ok(id)
}
