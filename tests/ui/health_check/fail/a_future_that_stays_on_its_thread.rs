use resilience::health_check;
use std::rc::Rc;

#[health_check("queue")]
async fn queue() {
    let kept = Rc::new(1);
    std::future::ready(()).await;
    drop(kept);
}

fn main() {}
