//! A watched file: each way in which programs replace one.

use crate::support::{Scratch, shown};
use resilience::config::{self, Config};
use resilience::events::{self, Subscription};
use resilience::testing::World;
use resilience::{Event, with_retry};
use std::fs;
use std::io::Write as _;
use std::time::Duration;

#[with_retry(max = 3, name = "watching::call")]
fn call() -> std::io::Result<u32> {
    Ok(1)
}

const LOOK: Duration = Duration::from_secs(5);
const CALM: Duration = Duration::from_millis(200);

fn text(max: u32) -> String {
    format!("[\"watching::call\".with_retry]\nmax = {max}\n")
}

fn max() -> String {
    shown("watching::call", "with_retry", "max").split(' ').nth(2).expect("a value").to_owned()
}

/// What the next event of a load says; the clock is moved until the thread has made it.
fn next(world: &World, events: &mut Subscription) -> (Option<String>, bool) {
    loop {
        if let Some(record) = events.try_recv()
            && let Event::Config { problem, refused, .. } = &record.event
        {
            return (problem.clone(), *refused);
        }
        world.advance(CALM);
        std::thread::yield_now();
    }
}

/// Moves the clock until a file that is written now, and nothing else, is loaded: so nothing was loaded before.
fn nothing_until(world: &World, events: &mut Subscription, write: impl FnOnce()) {
    world.advance(LOOK);
    world.advance(LOOK);
    assert!(events.try_recv().is_none());
    write();
    assert_eq!(next(world, events), (None, false));
}

#[test]
fn a_file_is_reloaded_however_it_is_replaced() {
    let world = resilience::testing::isolate();
    let _ = call();
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", &text(4));
    Config::new().file(&path).load().unwrap();
    let mut events = events::subscribe();
    let watch = config::watch().unwrap();

    fs::write(&path, text(5)).unwrap();
    assert_eq!(next(&world, &mut events), (None, false));
    assert_eq!(max(), "5");

    fs::rename(scratch.write("shop.toml.new", &text(6)), &path).unwrap();
    assert_eq!(next(&world, &mut events), (None, false));
    assert_eq!(max(), "6");

    fs::remove_file(&path).unwrap();
    nothing_until(&world, &mut events, || fs::write(&path, text(7)).unwrap());
    assert_eq!(max(), "7");

    fs::write(&path, text(7) + "base = 1\n").unwrap();
    let (problem, refused) = next(&world, &mut events);
    assert!(
        refused
            && problem
                .unwrap()
                .ends_with("shop.toml:3: `base` takes a duration such as \"2s\", and this is 1")
    );
    assert_eq!(max(), "7");
    nothing_until(&world, &mut events, || fs::write(&path, text(8)).unwrap());

    fs::write(&path, "").unwrap();
    let (problem, refused) = next(&world, &mut events);
    assert!(refused && problem.unwrap().contains("it is empty"));
    assert_eq!(max(), "8");
    drop(watch);
}

#[cfg(unix)]
#[test]
fn a_switched_symlink_is_followed_and_shared_files_rejected() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let world = resilience::testing::isolate();
    let scratch = Scratch::new();
    // As Kubernetes lays out a `ConfigMap`.
    let version = |name: &str, max| {
        fs::create_dir(scratch.path(name)).unwrap();
        scratch.write(&format!("{name}/shop.toml"), &text(max));
        symlink(name, scratch.path("..data.new")).unwrap();
        fs::rename(scratch.path("..data.new"), scratch.path("..data")).unwrap();
    };
    version("..1", 4);
    symlink("..data/shop.toml", scratch.path("shop.toml")).unwrap();
    // The directory of a `ConfigMap` may be written by all.
    fs::set_permissions(scratch.path(""), fs::Permissions::from_mode(0o777)).unwrap();
    Config::new().file(scratch.path("shop.toml")).load().unwrap();
    let mut events = events::subscribe();
    let _watch = config::watch().unwrap();
    version("..2", 5);
    assert_eq!(next(&world, &mut events), (None, false));
    assert_eq!(max(), "5");

    let file = scratch.path("..2/shop.toml");
    fs::write(&file, text(6)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o666)).unwrap();
    let (problem, refused) = loop {
        // It may be seen between the two.
        let (problem, refused) = next(&world, &mut events);
        if refused {
            break (problem, refused);
        }
    };
    assert!(refused && problem.unwrap().contains("users other than its owner may write to it (mode 0666)"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    fs::write(&file, text(7)).unwrap();
    while max() != "7" {
        next(&world, &mut events);
    }
}

#[test]
fn a_file_written_in_pieces_is_loaded_when_complete() {
    let world = resilience::testing::isolate();
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", &text(4));
    Config::new().file(&path).load().unwrap();
    let mut events = events::subscribe();
    let _watch = config::watch().unwrap();
    world.advance(LOOK);
    // A piece each time before the content was the same twice.
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    let whole = text(9) + "base = \"7ms\"\n";
    for piece in whole.as_bytes().chunks(4) {
        file.write_all(piece).unwrap();
        world.advance(CALM / 2);
        assert!(
            events
                .try_recv()
                .is_none_or(|record| !matches!(record.event, Event::Config { refused: false, .. }))
        );
    }
    drop(file);
    while next(&world, &mut events) != (None, false) {}
    assert_eq!(max(), "9");
    assert!(shown("watching::call", "with_retry", "base").starts_with("base = 7ms"));
}

#[test]
fn a_watch_starts_with_the_first_load() {
    let world = resilience::testing::isolate();
    let mut events = events::subscribe();
    let _watch = config::watch().unwrap();
    world.advance(LOOK);
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", &text(4));
    Config::new().file(&path).load().unwrap();
    assert_eq!(next(&world, &mut events), (None, false), "the load itself");
    fs::write(&path, text(5)).unwrap();
    assert_eq!(next(&world, &mut events), (None, false));
    assert_eq!(max(), "5");
}
