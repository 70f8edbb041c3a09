//! A breaker for each host, looked at and closed by hand.

use resilience::{Rejected, circuit_breaker, point};
use std::io;

struct Mirror {
    host: &'static str,
}

impl Mirror {
    #[circuit_breaker(threshold = 3, recovery = 60s, key = self.host, name = "Mirror::fetch")]
    fn fetch(&self, path: &str) -> io::Result<String> {
        match self.host {
            "broken" => Err(io::ErrorKind::ConnectionRefused.into()),
            host => Ok(format!("{host}/{path}")),
        }
    }
}

// Opens when half of the last 100 calls fail, or when four of five take longer than 2 s.
#[circuit_breaker(rate = 50%, slow = 2s, slow_rate = 80%, window = 100)]
fn search(text: &str) -> io::Result<usize> {
    Ok(text.len())
}

fn main() {
    let (broken, healthy) = (Mirror { host: "broken" }, Mirror { host: "healthy" });
    for call in 1..=5 {
        let error = broken.fetch("index").expect_err("it is broken");
        let refused = error.get_ref().is_some_and(|inner| inner.is::<Rejected>());
        println!("call {call}: {error}{}", if refused { " (not made)" } else { "" });
    }
    println!("the other host: {:?}", healthy.fetch("index"));
    println!("a search: {:?}", search("rust"));
    if let Some(breaker) = point("Mirror::fetch").and_then(|point| point.key("broken").breaker()) {
        println!("{:?}", breaker.snapshot());
        breaker.reset();
        println!("after a reset: {}", breaker.state().as_str());
    }
}
