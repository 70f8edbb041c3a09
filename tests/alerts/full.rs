//! A disk that fills up and has room again while several processes write.

use crate::common::{Scratch, child, given_dir, say};
use crate::shim::compiled;
use resilience::alerts::{self, AlertLevel, Follower};
use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc::channel;

/// Not a test of its own: raises alerts until it is stopped, and says which are written and which are lost.
#[test]
#[ignore = "run by another, in a process of its own"]
fn appends() {
    let Some(dir) = given_dir() else { return };
    alerts::use_dir(dir.join("state"));
    for n in 0.. {
        let number = format!("{}-{n}", std::process::id());
        let level = if n % 10 == 0 { AlertLevel::Critical } else { AlertLevel::Warning };
        let details = [("text", &*"x\n\"".repeat(n % 60))];
        let is_written = alerts::raise(level, &number, &number, &details).is_written();
        say(&format!("{} {number}", if is_written { "wrote" } else { "lost" }));
        if dir.join("image/over").exists() {
            break;
        }
    }
}

/// What is waited for, how often, and the file that is made or removed then.
const SCENES: [(&str, usize, &str, bool); 5] = [
    ("wrote ", 200, "full", true),
    ("lost ", 50, "full", false),
    ("wrote ", 200, "full", true),
    ("lost ", 50, "full", false),
    ("wrote ", 200, "over", true),
];

#[test]
fn alerts_of_four_processes_are_read_once_despite_a_full_disk() {
    let disk = compiled("tests/store/disk.c").unwrap_or_else(|problem| panic!("{problem}"));
    let scratch = Scratch::new();
    let (dir, image) = (scratch.path("state"), scratch.path("image"));
    fs::create_dir(&image).expect("the image");
    let mut follower = Follower::new(&dir);
    let (says, said) = channel();
    for _ in 0..4 {
        let mut command = child("full::appends", &scratch.path(""));
        command.env("LD_PRELOAD", &disk).env("DISK_DIR", &dir).env("DISK_IMAGE", &image);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().expect("a child");
        let says = says.clone();
        std::thread::spawn(move || {
            let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
            lines.map_while(Result::ok).for_each(|line| drop(says.send(Some(line))));
            let is_good = child.wait().is_ok_and(|status| status.success());
            drop(is_good.then(|| says.send(None)));
        });
    }
    drop(says);
    let (mut scenes, mut seen_now) = (SCENES.iter().peekable(), 0);
    let (mut written, mut lost, mut ended) = (Vec::new(), Vec::new(), 0);
    for line in said {
        let Some(line) = line else {
            ended += 1;
            continue;
        };
        if let Some((begin, often, file, is_made)) = scenes.peek() {
            seen_now += usize::from(line.starts_with(begin));
            if seen_now == *often {
                let path = image.join(file);
                if *is_made { fs::write(path, "") } else { fs::remove_file(path) }.expect("the fault");
                seen_now = 0;
                scenes.next();
            }
        }
        written.extend(line.strip_prefix("wrote ").map(str::to_owned));
        lost.extend(line.strip_prefix("lost ").map(str::to_owned));
    }
    assert_eq!((ended, scenes.len()), (4, 0), "each process has ended well, after the last scene");
    assert!(written.len() >= 600 && lost.len() >= 100);
    let (mut times, mut ids) = (HashMap::<String, u32>::new(), HashMap::<String, u32>::new());
    loop {
        let alerts = follower.next().expect("a look");
        if alerts.is_empty() {
            break;
        }
        for alert in alerts {
            *times.entry(alert.message).or_default() += 1;
            *ids.entry(alert.details["id"].to_string()).or_default() += 1;
        }
    }
    let reports = times.remove("alerts were lost");
    assert!(reports.is_some(), "the losses are reported once there is room");
    for number in &written {
        assert_eq!(times.get(number), Some(&1), "{number}");
    }
    assert!(ids.values().chain(times.values()).all(|times| *times == 1));
    assert_eq!(follower.skipped(), 0);
}
