//! The commands that read and change the state of programs.

#[path = "state/doctor.rs"]
mod doctor;

use resilience::alerts::{self, AlertLevel};
use resilience::durable::{Progress, SqliteStore, use_store};
use resilience::{Checkpoint, Job, Rejected};
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_resilience");

fn resilience(home: &Path, words: &str) -> Output {
    let mut command = Command::new(BINARY);
    command.args(words.split_whitespace()).env("XDG_STATE_HOME", home).env_remove("RESILIENCE_STATE");
    command.output().expect("the binary runs")
}

#[track_caller]
fn said(home: &Path, words: &str) -> String {
    let output = resilience(home, words);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{words}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

#[track_caller]
fn refused(home: &Path, words: &str) -> String {
    let output = resilience(home, words);
    assert_eq!(output.status.code(), Some(125), "{words}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[derive(Debug)]
struct Down;

impl From<Rejected> for Down {
    fn from(rejected: Rejected) -> Self {
        panic!("{rejected}")
    }
}

impl resilience::Classify for Down {
    fn classify(&self) -> resilience::Classification {
        resilience::Category::Unavailable.into()
    }
}

/// Home directories of two applications: one with jobs in several states, one with a step.
fn applications() -> TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let store = Arc::new(SqliteStore::open(home.path().join("resilience/importer")).unwrap());
    use_store(store);
    let done: Result<u32, Rejected> = Job::run_blocking("import:7", "a.csv", |file: &str| {
        Checkpoint::new("parse").call("rows", || Ok::<_, Rejected>(file.len() as u32))
    });
    assert_eq!(done.unwrap(), 5);
    let failed: Result<u32, Down> = Job::run_blocking("import:8", (), |()| {
        Progress::<u32>::open("rows").save_blocking(&500).unwrap();
        Err(Down)
    });
    failed.unwrap_err();
    let store = Arc::new(SqliteStore::open(home.path().join("resilience/billing")).unwrap());
    use_store(store);
    let charged: Result<u32, Rejected> = Checkpoint::new("charge").call("order:1", || Ok(42));
    charged.unwrap();
    let _: Result<(), Rejected> = Job::run_blocking("import:9", (), |()| Ok(()));
    use_store(Arc::new(resilience::durable::MemoryStore::new()));
    home
}

#[test]
fn a_file_among_the_directories_of_applications_is_no_application() {
    let home = tempfile::tempdir().expect("a directory");
    fs::create_dir(home.path().join("resilience")).unwrap();
    fs::write(home.path().join("resilience/notes"), "").unwrap();
    for (words, expected) in [
        ("jobs list", "no jobs\n"),
        ("checkpoints list", "no steps\n"),
        ("locks list", "no locks\n"),
        ("alerts", ""),
        ("doctor", "no application of this user has state; --state or --app names one\n"),
    ] {
        assert_eq!(said(home.path(), words), expected, "{words}");
    }
}

// One test: the default store is of the whole process.
#[test]
fn state_is_listed_shown_and_changed() {
    let home = applications();
    let home = home.path();

    let all = said(home, "jobs list");
    for line in ["billing  import:9  done", "importer  import:7  done", "importer  import:8  failed"] {
        let words: Vec<_> = line.split_whitespace().collect();
        let has = |text: &str| words.iter().all(|word| text.split_whitespace().any(|found| found == *word));
        assert!(all.lines().any(has), "{line}:\n{all}");
    }
    assert_eq!(said(home, "jobs list --status failed --prefix import:").lines().count(), 2);
    assert_eq!(said(home, "jobs list --app billing --status failed"), "no jobs\n");
    assert!(refused(home, "jobs list --status broken").contains("interrupted"));
    let json = said(home, "--json jobs list --app importer");
    let json: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        (&json[0]["schema"], &json[0]["application"], &json[1]["id"]),
        (&1.into(), &"importer".into(), &"import:8".into())
    );

    let shown = said(home, "jobs show import:8");
    for part in ["import:8", "failed", "unavailable", "rows = 500"] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }
    assert!(!shown.contains("failed failed"), "{shown}");
    assert!(said(home, "jobs show import:7").contains("rows: done by parse"));
    assert!(refused(home, "jobs show import:70").contains("there is no job `import:70`"));

    assert!(said(home, "jobs resume import:8").contains("runs again"));
    assert!(said(home, "jobs list --status interrupted").contains("import:8"));
    assert!(refused(home, "jobs resume import:7").contains("import:7"));
    let cancelled = said(home, "jobs cancel import:8 --wait 5s");
    assert!(cancelled.starts_with("import:8: "), "{cancelled}");

    assert!(said(home, "checkpoints list").contains("order:1"));
    assert!(said(home, "checkpoints show order:1").contains("42"));
    assert!(said(home, "checkpoints clean --app billing --older-than 1h").contains("0 removed"));
    assert!(refused(home, "checkpoints show order:2").contains("there is no step"));

    let found = said(home, "doctor");
    assert!(found.starts_with("state: 2 applications") && found.contains("integrity"), "{found}");
    assert!(!found.contains("config:"), "{found}");

    // Programs report settings that have no effect.
    alerts::use_dir(home.join("resilience/billing"));
    let reason = "/etc/billing.toml:3: no function is called `billing::send`: did you mean `billing::sent`?";
    assert!(
        alerts::raise(AlertLevel::Warning, "config", "settings have no effect", &[("reason", reason)])
            .is_written()
    );
    let found = said(home, "doctor");
    assert!(found.contains("warn  billing: config: settings have no effect at 20"), "{found}");
    assert!(found.contains(reason) && found.contains("correct it"), "{found}");

    // What changes something answers in JSON, too.
    let json = |words: &str| -> serde_json::Value {
        serde_json::from_str(&said(home, &format!("--json {words}"))).expect("one line")
    };
    assert_eq!(json("jobs resume import:8")["result"], "resumed");
    let cancelled = json("jobs cancel import:8");
    assert_eq!((&cancelled["id"], &cancelled["result"]), (&"import:8".into(), &"failed".into()));
    assert_eq!(json("locks prune --app billing")["removed"], 0);
    assert_eq!(json("checkpoints clean --app billing --older-than 0s")["removed"], 2);

    // Damage is said, and other applications are listed all the same.
    let file = home.join("resilience/billing/store.sqlite");
    fs::write(&file, b"").unwrap();
    let output = resilience(home, "jobs list");
    assert_eq!(output.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&output.stdout).contains("import:7"));
    assert!(refused(home, "jobs show import:7").contains("; choose another application with --app"));
    said(home, "jobs show import:7 --app importer");
    let output = resilience(home, "checkpoints clean --older-than 1h");
    assert_eq!(output.status.code(), Some(125));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "importer: 0 removed\n");
    let output = resilience(home, "doctor --app billing");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("FAIL  billing: store"));

    // The first bytes of every record.
    let file = home.join("resilience/importer/store.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    let starts: Vec<_> = (0..bytes.len() - 4).filter(|at| bytes[*at..].starts_with(b"RSLR")).collect();
    for at in starts {
        bytes[at] = b'?';
    }
    fs::write(&file, bytes).unwrap();
    let listed = said(home, "jobs list --app importer");
    let row: Vec<_> = listed.lines().nth(1).expect("a job").split_whitespace().take(4).collect();
    assert_eq!(row, ["importer", "import:7", "damaged", "0"], "{listed}");
    shows_no_secret(tempfile::tempdir().expect("a directory").path());
}

#[test]
fn the_named_state_directory_is_used() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |variables: &[(&str, &Path)], words: &str| {
        let mut command = Command::new(BINARY);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(variables.iter().copied()).args(words.split_whitespace()).args(["--", "true"]);
        assert!(command.status().expect("the binary runs").success(), "{words}");
    };
    let (state, home) = (dir.path().join("state"), dir.path().join("home"));
    run(&[("RESILIENCE_STATE", &state)], "run --checkpoint a");
    assert!(state.join("store.sqlite").exists());
    run(&[("HOME", &home)], "run --checkpoint a");
    assert!(home.join(".local/state/resilience/shell/store.sqlite").exists());
    run(&[("HOME", &home)], "run --app backups --checkpoint a");
    assert!(home.join(".local/state/resilience/backups/store.sqlite").exists());
    let state_home = home.join(".local/state");
    for application in ["ü/..", "..", ".", "locks"] {
        run(&[("HOME", &home)], &format!("run --app {application} --checkpoint named"));
        let listed = said(&state_home, &format!("checkpoints list --app {application}"));
        assert!(listed.contains("named"), "{application}: {listed}");
        // What a listing of all applications shows is what `--app` takes.
        let listed = said(&state_home, "checkpoints list");
        let rows = listed.lines().filter(|row| row.split_whitespace().next() == Some(application));
        assert_eq!(rows.count(), 1, "{application}: {listed}");
    }
    for shared in ["store.sqlite", "resilience/store.sqlite", "resilience/locks/store.sqlite"] {
        assert!(!state_home.join(shared).exists(), "{shared}");
    }
    let other = dir.path().join("other");
    run(&[("RESILIENCE_STATE", &state)], &format!("run --state {} --checkpoint a", other.display()));
    assert!(other.join("store.sqlite").exists());
    let unit = dir.path().join("unit");
    run(&[("STATE_DIRECTORY", &unit), ("HOME", &home)], "run --checkpoint a");
    assert!(unit.join("store.sqlite").exists());
    // As systemd makes it for a unit with `DynamicUser=yes`.
    let (private, link) = (dir.path().join("private/unit"), dir.path().join("link"));
    fs::create_dir(dir.path().join("private")).expect("a directory");
    fs::DirBuilder::new().mode(0o700).create(&private).expect("a directory");
    symlink("private/unit", &link).expect("a link");
    run(&[("STATE_DIRECTORY", &link), ("HOME", &home)], "run --lock a --checkpoint a");
    assert!(private.join("store.sqlite").exists());
    assert_eq!(said(&dir.path().join("nothing"), "jobs list"), "no jobs\n");
}

/// As in a service or a cron job that has no environment: the user database of the system knows the home directory.
#[test]
fn the_home_directory_is_found_without_an_environment() {
    for words in [&["jobs", "list"][..], &["checkpoints", "list"], &["locks", "list"]] {
        let output = Command::new(BINARY).args(words).env_clear().output().expect("the binary runs");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(!text.contains("home directory"), "{words:?}: {text}");
    }
}

#[test]
fn completions_and_manual_pages_are_generated() {
    let home = tempfile::tempdir().expect("a directory");
    for shell in ["bash", "zsh", "fish"] {
        assert!(said(home.path(), &format!("completions {shell}")).contains("resilience"));
    }
    assert!(said(home.path(), "man").contains(".TH resilience"));
    said(home.path(), &format!("man --dir {}", home.path().display()));
    assert!(home.path().join("resilience-run.1").exists());
}

const SECRET: &str = "CANARY0815canary";

/// The secret in the places in which a text has one.
fn text() -> String {
    format!(
        "https://app:{SECRET}@db.example/x?token={SECRET}, authorization: Bearer {SECRET}, {{\"password\": \"{SECRET}\"}}"
    )
}

/// An error whose text may be recorded.
#[derive(Debug)]
struct Recorded;

impl From<Rejected> for Recorded {
    fn from(rejected: Rejected) -> Self {
        panic!("{rejected}")
    }
}

impl resilience::Classify for Recorded {
    fn classify(&self) -> resilience::Classification {
        resilience::Category::Unavailable.into()
    }

    fn recorded_text(&self) -> Option<String> {
        Some(text())
    }
}

/// No listing shows a secret that a program has recorded.
fn shows_no_secret(home: &Path) {
    let dir = home.join("resilience/canary");
    use_store(Arc::new(SqliteStore::open(&dir).unwrap()));
    let failed: Result<u32, Recorded> = Job::run_blocking("canary:1", (), |()| {
        let paid: Result<u32, Recorded> = Checkpoint::new("pay").call("rows", || Ok(SECRET.len() as u32));
        paid.and(Err(Recorded))
    });
    assert!(failed.is_err());
    alerts::use_dir(&dir);
    let details = [("password", SECRET), ("url", &*text())];
    let message = format!("alert {}", text());
    assert!(alerts::raise(AlertLevel::Warning, "canary", &message, &details).is_written());
    assert!(
        alerts::raise(AlertLevel::Warning, "config", "a configuration was refused", &[("reason", &text())])
            .is_written()
    );
    assert!(alerts::escalate("canary", &format!("escalated {}", text()), &details).is_written());
    for words in [
        "jobs list",
        "jobs show canary:1",
        "checkpoints list",
        "alerts",
        "alerts --escalations",
        "locks list",
        "doctor",
    ] {
        for words in [words.to_owned(), format!("{words} --json")] {
            let shown = said(home, &words);
            assert!(!shown.contains("CANARY"), "{words}: {shown}");
            assert!(
                words.contains("locks") || shown.contains("canary") || words.contains("checkpoints"),
                "{words}: {shown}"
            );
        }
    }
}

/// Not a test by itself: a program that runs a job until it is killed.
#[test]
fn runs_a_job_until_it_is_killed() {
    let Some(dir) = std::env::var_os("DIR_OF_A_KILLED_PROGRAM") else { return };
    use_store(Arc::new(SqliteStore::open(dir).unwrap()));
    let _: Result<(), Rejected> = Job::run_blocking("stuck:1", (), |()| {
        println!("it runs");
        loop {
            std::thread::park();
        }
    });
}

#[test]
fn state_in_the_home_of_another_user_is_reported() {
    for words in ["--lock x", "--checkpoint x"] {
        let home = tempfile::tempdir().expect("a directory");
        if let Err(error) = std::os::unix::fs::chown(home.path(), Some(12_345), None) {
            eprintln!("SKIPPED: only root can give a directory away ({error})");
            return;
        }
        let said = || {
            let mut run = Command::new(env!("CARGO_BIN_EXE_resilience"));
            run.arg("run").args(words.split(' ')).args(["--", "true"]).env_clear();
            let output =
                run.env("PATH", "/usr/bin:/bin").env("HOME", home.path()).output().expect("the binary");
            assert!(output.status.success(), "{output:?}");
            String::from_utf8_lossy(&output.stderr).into_owned()
        };
        let first = said();
        let expected =
            format!("in {}, which belongs to user 12345, who cannot use it", home.path().display());
        assert!(first.lines().count() == 1 && first.contains(&expected), "{first}");
        assert_eq!(said(), "", "it is there by then");
    }
}

#[test]
fn a_running_job_whose_process_has_ended_is_shown_as_such() {
    let home = tempfile::tempdir().expect("a directory");
    let dir = home.path().join("resilience/importer");
    let mut program = Command::new(std::env::current_exe().expect("this program"));
    program.args(["--exact", "runs_a_job_until_it_is_killed", "--nocapture"]);
    program.env("DIR_OF_A_KILLED_PROGRAM", &dir).stdout(std::process::Stdio::piped());
    let mut program = program.spawn().expect("a child");
    let mut lines =
        std::io::BufRead::lines(std::io::BufReader::new(program.stdout.take().expect("its output")));
    assert!(lines.any(|line| line.is_ok_and(|line| line.ends_with("it runs"))));
    let alive = said(home.path(), "jobs list");
    assert!(alive.contains("running") && !alive.contains("dead"), "{alive}");
    program.kill().expect("a signal");
    program.wait().expect("its end");
    let listed = said(home.path(), "jobs list");
    assert!(listed.contains(" (dead)"), "{listed}");
    assert!(said(home.path(), "jobs show stuck:1").contains(" (dead)"));
    let cancelled = said(home.path(), "jobs cancel stuck:1");
    assert_eq!(
        cancelled,
        "stuck:1: asked; its process has ended, and the next recovery of its program ends the job\n"
    );
    let waited = refused(home.path(), "jobs cancel stuck:1 --wait 1ms");
    assert!(waited.contains("was asked to stop; its process has ended"), "{waited}");
}
