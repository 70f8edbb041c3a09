use resilience::timeout;

#[timeout(2s, stack = 8MiB)]
async fn limited() -> Option<u32> {
    Some(1)
}

fn main() {}
