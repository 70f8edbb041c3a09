use resilience::health_check;

#[health_check("queue")]
fn queue() -> u32 {
    7
}

fn main() {
    queue();
}
