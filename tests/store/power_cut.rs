//! The power fails at each sync in turn, and leaves nothing, or some sectors, of what was written since the one
//! before: what was acknowledged is there, nothing counts as damaged, and the work goes on with the same
//! idempotency keys.

use crate::common::{Error, Scratch, child, given_dir};
use crate::disk::{left, on_disk};
use resilience::durable::{SqliteStore, use_store};
use resilience::{Progress, checkpoint, job};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;

/// Says something to the parent, which the end of this process does not take back.
fn say(line: &str) {
    println!("\n{line}");
    std::io::stdout().flush().expect("the pipe");
}

fn effect(name: &str) -> Result<u64, Error> {
    say(&format!("key {name} {}", resilience::step().expect("a step").idempotency_key()));
    // Another run of the body would have another value.
    Ok(std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), name))
}

#[checkpoint("step:{n}", name = "cut::step", lease = 100ms)]
fn step(n: u32) -> Result<u64, Error> {
    effect(&format!("step:{n}"))
}

#[checkpoint("outside:{n}", name = "cut::outside", lease = 100ms)]
fn outside(n: u32) -> Result<u64, Error> {
    effect(&format!("outside:{n}"))
}

#[job("work:{id}", name = "cut::work", lease = 100ms)]
fn work(id: u32) -> Result<u32, Error> {
    for n in 0..3 {
        let value = step(n)?;
        say(&format!("ack step:{n} {value}"));
    }
    let mut progress = Progress::<u32>::open("rows");
    for row in progress.restore_blocking()?.unwrap_or(0)..2 {
        say(&format!("row {row}"));
        progress.save_blocking(&(row + 1))?;
        say(&format!("saved {row}"));
    }
    Ok(id)
}

/// Not a test of its own: does everything, as far as it is not done.
#[test]
#[ignore = "run by the others, in a process of its own"]
fn does_everything() {
    let Some(dir) = given_dir() else { return };
    {
        let store = Arc::new(SqliteStore::open(dir.join("state")).expect("a store"));
        use_store(store);
        let value = outside(0).expect("its value");
        say(&format!("ack outside:0 {value}"));
        assert_eq!(work(1).expect("its result"), 1);
    }
    say("all done");
}

/// What processes said that did one after the other.
#[derive(Default)]
struct Said {
    keys: HashMap<String, String>,
    values: HashMap<String, String>,
    saved: HashSet<String>,
}

impl Said {
    /// Adds what the next process said; an error if it contradicts what was said before.
    fn add(&mut self, output: &Output) -> Result<(), String> {
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let (known, name, value) = match words[..] {
                ["key", name, _] if self.values.contains_key(name) => {
                    return Err(format!("{name} ran after it was acknowledged"));
                }
                ["row", row] if self.saved.contains(row) => {
                    return Err(format!("row {row} was done after it was saved"));
                }
                ["saved", row] => {
                    self.saved.insert(row.to_owned());
                    continue;
                }
                ["key", name, key] => (&mut self.keys, name, key),
                ["ack", name, value] => (&mut self.values, name, value),
                _ => continue,
            };
            if known.entry(name.to_owned()).or_insert_with(|| value.to_owned()) != value {
                return Err(format!("{line}, and before that {}", known[name]));
            }
        }
        Ok(())
    }
}

/// Cuts the power at sync `at`; whether it was reached.
fn cut(dir: &Path, at: u32, torn: Option<u32>) -> Result<bool, String> {
    let mut command = on_disk("power_cut::does_everything", dir);
    command.env("DISK_CUT", at.to_string());
    if let Some(torn) = torn {
        command.env("DISK_TORN", torn.to_string());
    }
    let mut said = Said::default();
    let first = command.output().expect("a process");
    said.add(&first)?;
    if first.status.success() {
        return Ok(false);
    }
    let copy = dir.join("again");
    fs::create_dir(&copy).expect("a directory");
    fs::rename(left(dir), copy.join("state")).expect("what is left");
    let second = child("power_cut::does_everything", &copy).output().expect("a process");
    said.add(&second)?;
    let text = String::from_utf8_lossy(&second.stdout);
    if !second.status.success() || !text.contains("all done") {
        return Err(format!("{text}{}", String::from_utf8_lossy(&second.stderr)));
    }
    Ok(true)
}

#[test]
fn a_power_cut_at_any_sync_loses_no_acknowledged_result() {
    let mut syncs = 0;
    for torn in [None, Some(1), Some(2), Some(3)] {
        for at in 1.. {
            let scratch = Scratch::new();
            match cut(&scratch.path("disk"), at, torn) {
                Ok(true) => syncs += 1,
                Ok(false) => break,
                Err(problem) => panic!("at sync {at}, torn by {torn:?}: {problem}"),
            }
        }
    }
    assert!(syncs > 40, "a result is synced before it is acknowledged: {syncs}");
}
