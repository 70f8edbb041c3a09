use resilience::with_retry;

type Outcome = Result<u8, std::io::Error>;

#[with_retry(max = 3 base = 10ms)]
fn missing() -> Outcome {
    Ok(1)
}

#[with_retry(max = 3,, base = 10ms)]
fn twice() -> Outcome {
    Ok(1)
}

#[with_retry(, max = 3)]
fn first() -> Outcome {
    Ok(1)
}

#[with_retry(max = LIMIT cap = 10s, on(timeout, max = 5 base = 1s,,))]
fn in_a_list() -> Outcome {
    Ok(1)
}

const LIMIT: u32 = 3;

fn main() {
    let _: [Outcome; 4] = [missing(), twice(), first(), in_a_list()];
}
