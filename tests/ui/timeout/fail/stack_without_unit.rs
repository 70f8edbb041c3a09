use resilience::timeout;

#[timeout(2s, thread, stack = 8)]
fn limited() -> Option<u32> {
    Some(1)
}

fn main() {}
