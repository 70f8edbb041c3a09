//! Settings from a file: an operator changes how often a call is retried, and switches a breaker off, while the program
//! runs.
//!
//! ```sh
//! cargo run --example config
//! ```

use resilience::config::{self, Config};
use resilience::{Rejected, circuit_breaker, points, with_retry};
use std::error::Error;
use std::fs;

#[with_retry(max = 2, base = 1ms, name = "shop::quote")]
#[circuit_breaker(threshold = 100)]
fn quote(symbol: &str) -> Result<u32, Rejected> {
    Ok(symbol.len() as u32)
}

/// The policies of the function, as an operator sees them.
fn show() {
    let quote = points().into_iter().find(|point| &*point.name == "shop::quote");
    for policy in quote.into_iter().flat_map(|point| point.stack) {
        let changed: Vec<_> = policy.settings.iter().filter(|setting| setting.source.is_some()).collect();
        match changed.as_slice() {
            [] => println!("  {}: as in the code", policy.kind),
            settings => settings
                .iter()
                .for_each(|setting| println!("  {}: {} = {}", policy.kind, setting.name, setting.value)),
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    quote("ACME")?;
    let path = std::env::temp_dir().join(format!("resilience-example-{}.toml", std::process::id()));

    fs::write(&path, "[\"shop::quote\".with_retry]\nmax = 5\n")?;
    Config::new().file(&path).load()?;
    println!("loaded");
    show();

    // Written beside the file and renamed, so that no half of it is ever seen. A program calls `config::watch()` or
    // `config::on_sighup()` in place of `reload`.
    let new = path.with_extension("new");
    fs::write(&new, "[circuit_breaker]\nenabled = false\n")?;
    fs::rename(&new, &path)?;
    config::reload()?;
    println!("reloaded");
    show();

    fs::write(&path, "[with_retry]\nmax = \"many\"\nbackof = 2.0\n")?;
    if let Err(errors) = config::reload() {
        println!("refused");
        errors.errors().iter().for_each(|error| println!("  {}", error.reason));
    }
    show();
    fs::remove_file(&path)?;
    Ok(())
}
