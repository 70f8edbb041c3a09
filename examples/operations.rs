//! A small service under faults, as its operator sees it: alerts, health, statistics, metrics, and a setting that is
//! changed while it runs.
//!
//! `cargo run --example operations`

use resilience::alerts::{self, AlertLevel};
use resilience::{
    circuit_breaker, config, durable, health, health_check, metrics, point, snapshot, with_fallback,
    with_retry,
};
use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use std::{env, fs};

/// How many requests the feed of prices still refuses.
static REFUSED: AtomicU32 = AtomicU32::new(0);

/// One request to the feed.
fn request(symbol: &str) -> io::Result<usize> {
    let refused = |left: u32| left.checked_sub(1);
    match REFUSED.fetch_update(Ordering::Relaxed, Ordering::Relaxed, refused) {
        Ok(_) => Err(ErrorKind::ConnectionRefused.into()),
        Err(_) => Ok(symbol.len()),
    }
}

/// Answers with an old price while the feed is down.
#[with_fallback(value = 17)]
#[with_retry(max = 2, base = 1ms, name = "price")]
#[circuit_breaker(threshold = 3, recovery = 60s)]
fn price(symbol: &str) -> io::Result<usize> {
    request(symbol)
}

/// Decides whether a load balancer sends requests.
#[health_check("feed", critical)]
fn feed() -> io::Result<()> {
    request("ACME").map(drop)
}

fn main() -> Result<(), Box<dyn Error>> {
    let dir = env::temp_dir().join(format!("resilience-operations-{}", std::process::id()));
    alerts::use_dir(&dir);

    REFUSED.store(1, Ordering::Relaxed);
    println!("repaired by a retry: {}", price("ACME")?);
    REFUSED.store(4, Ordering::Relaxed);
    println!("answered by the fallback: {} {}", price("ACME")?, price("INIT")?);
    alerts::raise(AlertLevel::Critical, "billing", "an invoice has no address", &[("invoice", "7")]);

    println!("\n# alerts.jsonl");
    alerts::flush(Duration::from_secs(2));
    print!("{}", fs::read_to_string(dir.join("alerts.jsonl"))?);

    println!("\n# health");
    for status in health::check_all() {
        println!("{status}");
    }

    println!("\n# statistics");
    for point in
        snapshot().points.iter().filter(|point| point.calls.as_ref().is_some_and(|calls| calls.total > 0))
    {
        println!("{point}");
    }
    let stats = durable::recovery_stats();
    println!("{} of {} failures ended well", stats.succeeded, stats.total);

    println!("\n# metrics");
    let page = metrics::prometheus();
    let lines = page.lines().filter(|line| line.contains("name=\"price\""));
    lines.for_each(|line| println!("{line}"));

    println!("\n# a setting is changed");
    let file = dir.join("settings.toml");
    fs::write(&file, "[price.with_retry]\nmax = 0\n")?;
    println!("{} setting", config::load(&file)?.settings);
    let point = point("price").ok_or("the point is linked")?;
    if let Some(breaker) = point.breaker() {
        breaker.reset();
    }
    println!("{}", point.info());
    REFUSED.store(1, Ordering::Relaxed);
    println!("without a retry: {}", price("ACME")?);
    fs::write(&file, "[price.with_retry]\nmax = \"many\"\n")?;
    if let Err(errors) = config::reload() {
        println!("refused: {}", errors.errors()[0]);
    }

    // The alert about the refused configuration is still being written.
    resilience::alerts::flush(std::time::Duration::from_secs(2));
    fs::remove_dir_all(dir)?;
    Ok(())
}
