//! The commands that list locks and backups, prune and restore.

use super::hold::{LONG, file_lock_path, of_program, read, spawn};
use super::{BINARY, appears, dir, ends, output, run, text};
use resilience::fs::{FileLock, backups};
use resilience::lock;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Command;

fn resilience(dir: &Path, words: &str) -> std::process::Output {
    let mut command = Command::new(BINARY);
    command.args(words.split_whitespace()).current_dir(dir).env("XDG_STATE_HOME", dir.join("home"));
    output(command.env_remove("RESILIENCE_STATE"))
}

#[track_caller]
fn said(dir: &Path, words: &str) -> String {
    let output = resilience(dir, words);
    assert!(output.status.success(), "{words}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn locks_are_listed_with_their_holders_and_pruned() {
    let dir = dir();
    let path = dir.path();
    assert_eq!(said(path, "locks list"), "no locks\n");
    let held = of_program(path, "task:7\x1b[2J").acquire().expect("a lock");
    drop(of_program(path, "free").acquire().expect("a lock"));
    let of_app = lock::in_dir(path.join("home/resilience/importer/locks"), "task:8");
    drop(of_app.acquire().expect("a lock"));
    let all = said(path, "locks list");
    for (application, name, state) in
        [("(common)", "free", "free"), ("importer", "task:8", "free"), ("(common)", "task:7", "held")]
    {
        let is_it = |line: &str| line.contains(application) && line.contains(name) && line.contains(state);
        assert!(all.lines().any(is_it), "{name}:\n{all}");
    }
    assert!(!all.contains('\x1b') && all.contains(&format!("process {}", std::process::id())), "{all}");
    assert_eq!(said(path, "locks list --held").lines().count(), 2);
    assert_eq!(said(path, "locks list --prefix fr").lines().count(), 2);
    let json = lines(&said(path, "--json locks list --app importer"));
    assert_eq!(
        (&json[0]["schema"], &json[0]["application"], &json[0]["name"]),
        (&1.into(), &"importer".into(), &"task:8".into())
    );
    assert_eq!((json.len(), &json[0]["is_held"]), (1, &false.into()));
    // A directory that is named twice is listed once.
    let mut named = Command::new(BINARY);
    named.args(["locks", "list"]).env("XDG_STATE_HOME", path.join("home"));
    let (all, _) = ends(named.env("RESILIENCE_STATE", path.join("home/resilience/importer")));
    assert_eq!(all.matches("task:8").count(), 1, "{all}");
    let pruned = said(path, "locks prune");
    assert!(pruned.contains("importer: 1 removed") && pruned.contains("(common): 1 removed"), "{pruned}");
    assert_eq!(said(path, "locks list").lines().count(), 2, "what is held stays");
    assert!(held.still_ours());
}

#[test]
fn locks_are_listed_whatever_the_bytes_of_paths_and_programs() {
    let dir = dir();
    // The kernel cuts the name of a program off after 15 bytes, also in the middle of a character.
    let program = dir.path().join("quartalsabschlüsse");
    std::os::unix::fs::symlink(BINARY, &program).unwrap();
    let mut command = Command::new(program);
    command.arg("--state").arg(OsStr::from_bytes(b"state\xff")).args(["run", "--lock", "l", "--"]);
    command.args([BINARY, "--json", "locks", "list", "--state"]).arg(OsStr::from_bytes(b"state\xff"));
    let (all, code) = ends(command.current_dir(dir.path()));
    let all = lines(&all);
    assert_eq!((code, all.len()), (0, 1));
    assert!(all[0]["path"].as_str().unwrap().contains("/state\u{fffd}/locks/"), "{all:?}");
    let holder = &all[0]["holders"][0];
    assert_eq!(holder["program"], "quartalsabschlüsse");
    assert!(holder["age_s"].is_number(), "{holder}");
}

#[test]
fn backups_are_listed_and_restored() {
    let dir = dir();
    let path = dir.path();
    let file = path.canonicalize().unwrap().join("f");
    assert_eq!(said(path, "backups list f"), "no backups\n");
    for content in ["one", "two", "three"] {
        assert_eq!(ends(&mut run(path, "--backup f", &format!("printf {content} > f"))).1, 0);
    }
    let all = said(path, "backups list f missing");
    let words: Vec<Vec<_>> =
        all.lines().skip(1).map(|line| line.split_whitespace().take(3).collect()).collect();
    let name = file.display().to_string();
    assert_eq!(words, [[&*name, "1", "absent"], [&*name, "2", "3"], [&*name, "3", "3"]], "{all}");
    std::os::unix::fs::symlink("f", path.join("link")).unwrap();
    let json = lines(&said(path, "--json backups list link"));
    assert_eq!(
        (&json[1]["file"], &json[1]["number"], &json[1]["bytes"]),
        (&name.as_str().into(), &2.into(), &3.into())
    );
    assert!(json[0]["bytes"].is_null() && json[0]["was_there"] == false);
    assert!(said(path, "backups restore link 2").contains("is backup 2 again"));
    assert_eq!((read(path, "f").as_deref(), backups(&file).unwrap().len()), (Some("one"), 4));
    said(path, "backups restore f 1");
    assert_eq!(read(path, "f"), None);
    let refused = resilience(path, "backups restore f 77");
    assert_eq!(refused.status.code(), Some(125));
    assert!(text(&refused.stderr).contains("it has no backup 77"), "{}", text(&refused.stderr));
    assert_eq!(resilience(path, "backups list missing/f").status.code(), Some(125));

    // Both put the file back first after a run that was killed; while its command works, a listing changes nothing.
    let newest = backups(&file).unwrap().last().unwrap().number;
    for words in ["backups list f", &format!("backups restore f {newest}")] {
        fs::write(path.join("f"), "old").unwrap();
        let script = "printf new > f; touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done";
        let mut first = spawn(&mut run(path, "--backup f --rollback", script));
        appears(&path.join("ready"));
        assert!(said(path, "backups list f").lines().count() > 3);
        assert_eq!(read(path, "f").as_deref(), Some("new"));
        first.kill().unwrap();
        first.wait().unwrap();
        fs::write(path.join("go"), "").unwrap();
        drop(FileLock::at(file_lock_path(path)).wait(LONG).acquire().expect("the command ends"));
        let done = resilience(path, words);
        assert!(
            text(&done.stderr).contains("put back after a run that was killed"),
            "{}",
            text(&done.stderr)
        );
        assert!(done.status.success());
        if words.contains("list") {
            assert_eq!(read(path, "f").as_deref(), Some("old"));
        }
        for file in ["ready", "go"] {
            fs::remove_file(path.join(file)).unwrap();
        }
    }
}

#[test]
fn the_backups_on_a_read_only_disk_are_listed() {
    let dir = dir();
    let path = dir.path().canonicalize().unwrap();
    fs::write(path.join("f"), "old\n").unwrap();
    let mut changed = run(&path, "--backup f", "echo new > f");
    assert!(output(&mut changed).status.success());
    assert!(!said(&path, "backups list f").is_empty(), "its lock is beside it");
    let script = "mount --bind \"$1\" \"$1\" && mount -o remount,bind,ro \"$1\" && cd \"$1\" || exit 99\n\
                  exec \"$0\" --json backups list f";
    for is_left in [false, true] {
        if is_left {
            let script =
                "printf new > f; touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done";
            let mut killed = spawn(&mut run(&path, "--backup f --rollback", script));
            appears(&path.join("ready"));
            killed.kill().unwrap();
            killed.wait().unwrap();
            fs::write(path.join("go"), "").unwrap();
            drop(FileLock::at(file_lock_path(&path)).wait(LONG).acquire().expect("the command ends"));
        }
        let mut entered = super::unspoilt("unshare");
        entered.args(["--user", "--map-root-user", "--mount", "sh", "-c", script, BINARY]).arg(&path);
        let listed = output(&mut entered);
        let errors = text(&listed.stderr);
        if errors.starts_with("unshare:") || listed.status.code() == Some(99) {
            eprintln!("no file system can be mounted here: {errors}");
            return;
        }
        assert_eq!(errors.contains("its disk is read-only"), is_left, "{errors}");
        assert!(listed.status.success(), "{errors}");
        let rows = lines(&text(&listed.stdout));
        assert_eq!((rows.len(), &rows[0]["number"], &rows[0]["bytes"]), (1, &1.into(), &4.into()));
    }
}
