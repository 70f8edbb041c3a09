//! `resilience doctor`: what it finds in the state of programs.

use super::*;

#[test]
fn doctor_reports_a_state_that_is_not_a_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("a\u{1b}[31m\nfile");
    fs::write(&file, "").unwrap();
    let output =
        Command::new(BINARY).arg("doctor").arg("--state").arg(&file).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.starts_with("state: ") && said.contains("a\\u{1b}[31m\\u{a}file (--state names it)\n"),
        "{said}"
    );
    assert!(!said.contains('\u{1b}') && said.contains("file is not a directory"), "{said}");
}

#[test]
fn doctor_does_not_advise_a_backup_for_a_store_of_a_later_release() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    drop(SqliteStore::open(&state).unwrap());
    // The version of the tables, in the header of the file (section 1.3 of SQLite's description of it).
    fs::File::options()
        .write(true)
        .open(state.join("store.sqlite"))
        .unwrap()
        .write_all_at(&[99], 63)
        .unwrap();
    let output =
        Command::new(BINARY).args(["doctor", "--state"]).arg(&state).output().expect("the binary runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("of version 99") && said.contains("use the release that made it"), "{said}");
    assert!(!said.contains("backup"), "{said}");
}

#[test]
fn doctor_detects_a_shared_directory_and_a_clock_set_back() {
    let dir = tempfile::tempdir().expect("a directory");
    let state = dir.path().join("state");
    fs::create_dir(&state).unwrap();
    let doctor = |words: &[&str]| {
        let mut command = Command::new(BINARY);
        let output = command.args(["doctor", "--state"]).arg(&state).args(words).output();
        String::from_utf8(output.expect("the binary runs").stdout).expect("a text")
    };
    drop(SqliteStore::open(&state).unwrap());
    let found = doctor(&[]);
    for line in ["clock: no file is from the future", "jobs: no jobs", "integrity: "] {
        assert!(
            found.lines().any(|found| found.starts_with("ok    ") && found.contains(line)),
            "{line}:\n{found}"
        );
    }

    fs::set_permissions(&state, fs::Permissions::from_mode(0o775)).unwrap();
    let ahead = SystemTime::now() + Duration::from_secs(7_200);
    fs::File::create(state.join("late")).and_then(|file| file.set_modified(ahead)).unwrap();
    let found = doctor(&[]);
    assert!(found.contains("may be written by others (mode 775)\n      chmod go-w it\n"), "{found}");
    assert!(found.contains("clock: files were written 7"), "{found}");
    assert!(found.contains("      the clock was set back: ages"), "{found}");

    let found: Vec<serde_json::Value> =
        doctor(&["--json"]).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |check: &str| found.iter().find(|finding| finding["check"] == check).expect("a finding");
    assert_eq!((&of("directory")["level"], &of("jobs")["level"]), (&"fail".into(), &"pass".into()));
    assert!(of("clock")["action"].as_str().is_some_and(|action| action.contains("set back")));
    assert!(of("jobs").get("action").is_none(), "there is nothing to do");
}

#[test]
fn doctor_fails_for_what_programs_refuse() {
    let dir = tempfile::tempdir().expect("a directory");
    let (state, real) = (dir.path().join("state"), dir.path().join("real"));
    drop(SqliteStore::open(&state).unwrap());
    let fails = |words: &str| {
        SqliteStore::open(&state).expect_err("a program refuses it");
        let output = Command::new(BINARY).args(["doctor", "--state", "state"]).current_dir(&dir).output();
        let output = output.expect("the binary runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let line = format!("FAIL  {0}: directory: {0}{words}", state.display());
        assert!(said.contains(&line) && output.status.code() == Some(1), "{line}:\n{said}");
    };
    for (place, mode, words) in [
        ("owners", 0o777, "/owners may be written by others"),
        ("store.sqlite", 0o620, "/store.sqlite may be"),
    ] {
        let place = state.join(place);
        let before = fs::metadata(&place).unwrap().permissions();
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).unwrap();
        fails(words);
        fs::set_permissions(&place, before).unwrap();
    }
    for (name, words) in
        [("acknowledged", "/acknowledged is not a file"), ("owners", "/owners is not a directory")]
    {
        let (place, before) = (state.join(name), state.join("before"));
        fs::rename(&place, &before).unwrap();
        if before.is_dir() { fs::write(&place, "") } else { fs::create_dir(&place) }.unwrap();
        fs::set_permissions(&place, fs::Permissions::from_mode(0o700)).unwrap();
        fails(words);
        if before.is_dir() { fs::remove_file(&place) } else { fs::remove_dir(&place) }.unwrap();
        fs::rename(&before, &place).unwrap();
    }
    fs::rename(&state, &real).unwrap();
    symlink(&real, &state).unwrap();
    fails(" is a link");
}

#[test]
fn doctor_distinguishes_a_program_without_a_store_from_one_that_has_lost_it() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let doctor = |words: &str| {
        let output = resilience(home, &format!("doctor {words}"));
        (String::from_utf8(output.stdout).expect("a text"), output.status.code())
    };
    // A program with a configuration and alerts, and no jobs.
    let watcher = home.join("resilience/watcher");
    fs::create_dir_all(&watcher).unwrap();
    let alert = r#"{"timestamp":"2026-01-02T03:04:05.678Z","level":"WARNING","component":"config","message":"a configuration was refused","details":{"reason":"x.toml:1"}}"#;
    fs::write(watcher.join("alerts.jsonl"), format!("{alert}\n")).unwrap();
    for words in ["", "--app watcher"] {
        let (found, code) = doctor(words);
        assert!(found.contains("warn  watcher: config: a configuration was refused at 2026"), "{found}");
        assert!(found.contains("ok    watcher: store: none"), "{found}");
        assert_eq!(code, Some(0), "{found}");
    }
    assert_eq!(said(home, "jobs list"), "no jobs\n");

    let lost = home.join("resilience/lost");
    drop(SqliteStore::open(&lost).unwrap());
    fs::remove_file(lost.join("store.sqlite")).unwrap();
    let (found, code) = doctor("");
    assert!(found.contains("FAIL  lost: store: ") && found.contains("restore the directory"), "{found}");
    assert_eq!(code, Some(1), "{found}");
    for list in ["jobs list", "checkpoints list"] {
        let output = resilience(home, list);
        assert_eq!(
            (output.status.code(), output.stdout),
            (Some(125), Vec::new()),
            "{list}: it is not known whether any exist"
        );
    }
}
