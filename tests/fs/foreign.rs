//! A program that takes no lock changes one of the files at each moment of a transaction.

use crate::common::{Scratch, child, given_dir, say};
use crate::kills::{files, is_content, prepare};
use crate::transactions::{plain, text};
use resilience::fs::{Transaction, TransactionError, backups};
use resilience::{Event, testing};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// How the other program changes a file.
const WAYS: [&str; 3] = ["write", "rename", "remove"];

/// Changes `file` as a program does that knows no lock.
pub(crate) fn change(file: &Path, way: &str) {
    match way {
        "write" => fs::write(file, "foreign").expect("a file"),
        "rename" => {
            // An editor writes a new file beside the old one.
            let other = file.with_file_name("editor~");
            fs::write(&other, "foreign").expect("a file");
            fs::rename(other, file).expect("a rename");
        }
        _ => drop(fs::remove_file(file)),
    }
}

/// Whether what another program wrote is still there: in the file, or as a backup of it.
pub(crate) fn is_kept(file: &Path) -> bool {
    let foreign = Some("foreign");
    text(file).as_deref() == foreign || is_backed_up(file)
}

fn is_backed_up(file: &Path) -> bool {
    let all = backups(file).expect("a listing");
    all.iter().any(|backup| backup.was_there && text(&backup.path).as_deref() == Some("foreign"))
}

/// Not a test of its own: changes the three files, while the other program changes one.
#[test]
#[ignore = "run by others, in a process of its own"]
fn changes_alongside_another_program() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let Some(dir) = given_dir() else { return };
    let world = testing::isolate();
    testing::on_moment(|name| {
        let at = std::env::var("FS_TEST_AT").ok().and_then(|at| at.parse().ok());
        if name.starts_with("fs ") && Some(COUNT.fetch_add(1, Ordering::SeqCst) + 1) == at {
            change(
                Path::new(&std::env::var_os("FS_TEST_FILE").expect("a path")),
                &std::env::var("FS_TEST_WAY").expect("a way"),
            );
            say("changed");
        }
    });
    let outcome: Result<(), TransactionError> = Transaction::many(files(&dir)).run(|files| {
        // What was written before the copy is what the closure works on.
        if files.iter_mut().any(|file| file.read_to_string().is_ok_and(|content| content == "foreign")) {
            say("read");
        }
        files[0].write("new").expect("a copy");
        files[1].write("made").expect("a copy");
        files[2].remove();
        Ok(())
    });
    match outcome {
        Ok(()) => say("done"),
        Err(TransactionError::Conflict { path, .. }) => say(&format!("conflict {}", path.display())),
        Err(error) => panic!("{error}"),
    }
    let events = world.events();
    say(&format!("alerts {}", events.iter().filter(|event| matches!(event, Event::Alert { .. })).count()));
}

#[test]
fn concurrent_writes_of_another_program_are_kept() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let (mut conflicts, mut kept) = (0, 0);
    for (target, way) in (0..3).flat_map(|target| WAYS.map(|way| (target, way))) {
        for number in 1.. {
            prepare(&dir);
            let file = &files(&dir)[target];
            let mut command = child("foreign::changes_alongside_another_program", &dir);
            command
                .env("FS_TEST_AT", u32::to_string(&number))
                .env("FS_TEST_FILE", file)
                .env("FS_TEST_WAY", way);
            let output = command.output().expect("a child");
            let said = String::from_utf8(output.stdout).expect("text");
            assert!(output.status.success(), "{way} {target} at {number}: {said}");
            let has_said = |line: &str| said.lines().any(|said| said == line);
            let at = || format!("{way} {target} at {number}: {said}");
            let is_done = has_said("done");
            assert!(is_done || has_said(&format!("conflict {}", file.display())), "{}", at());
            for (other, path) in files(&dir).iter().enumerate() {
                assert!(other == target || is_content(other, text(path).as_deref(), is_done), "{}", at());
                let all = plain(path.parent().expect("a directory"));
                assert!(all.iter().all(|name| name == "x.conf"), "{}: {all:?}", at());
            }
            if !has_said("changed") {
                assert!(is_done, "{}", at());
                break;
            }
            let now = text(file);
            if way == "remove" {
                assert!(
                    now.is_none() || is_done && is_content(target, now.as_deref(), true),
                    "{}: {now:?}",
                    at()
                );
            } else {
                assert!(is_kept(file) || has_said("read"), "{}: {now:?}", at());
                assert!(!is_backed_up(file) || has_said("alerts 1"), "{}", at());
                kept += u32::from(is_backed_up(file));
            }
            conflicts += u32::from(!is_done);
        }
    }
    assert!(conflicts > 20 && kept > 20, "{conflicts} {kept}");
}
