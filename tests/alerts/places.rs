//! The directory of alerts in processes that change their working directory, or have an unusual mask, and that of another user.

use crate::common::{Scratch, child, given_dir, say};
use resilience::alerts::{self, AlertLevel, Follower, recent_in};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

fn raise(component: &str) {
    let raised = alerts::raise(AlertLevel::Critical, component, "the feed is gone", &[]);
    assert!(raised.is_written(), "{raised:?}");
}

/// Not a test of its own: raises alerts before and after it changes the working directory.
#[test]
#[ignore = "run by others, in a process of its own"]
fn changes_directory() {
    let Some(dir) = given_dir() else { return };
    let mut follower = Follower::new("st");
    raise("one");
    std::env::set_current_dir("elsewhere").expect("a directory");
    raise("two");
    alerts::escalate("three", "the feed is gone", &[]);
    assert_eq!(follower.next().expect("a look").len(), 3);
    assert_eq!(alerts::escalations().expect("a look").len(), 1);
    alerts::use_dir("own");
    raise("four");
    std::env::set_current_dir("/").expect("a directory");
    raise("five");
    assert_eq!(recent_in(dir.join("elsewhere/own"), 9).expect("a look").alerts.len(), 2);
    say("done");
}

#[test]
fn alerts_stay_in_the_given_directory_after_chdir() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    fs::create_dir(dir.join("elsewhere")).expect("a directory");
    let mut child = child("places::changes_directory", &dir);
    let output = child.current_dir(&dir).env("RESILIENCE_STATE", "./st").output().expect("a child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(recent_in(dir.join("st"), 9).expect("a look").alerts.len(), 3);
    assert_eq!(fs::read_dir(dir.join("elsewhere")).expect("a directory").count(), 1);
}

/// Not a test of its own: raises alerts in the directory `own/alerts`.
#[test]
#[ignore = "run by others, in a process of its own"]
fn raises() {
    let Some(dir) = given_dir() else { return };
    alerts::use_dir(dir.join("own/alerts"));
    raise("one");
    alerts::escalate("two", "the feed is gone", &[]);
    assert!(!alerts::escalations().expect("a look").is_empty());
    say("done");
}

#[test]
fn any_umask_leaves_files_writable_for_later_processes() {
    const OTHER: u32 = 12_345;
    for mask in ["0777", "0177", "0277"] {
        let scratch = Scratch::new();
        let dir = scratch.path("");
        fs::create_dir(dir.join("own")).expect("a directory");
        if chown(dir.join("own"), Some(OTHER), Some(OTHER)).is_err() {
            return eprintln!("SKIPPED: this user may not give a directory to another one");
        }
        let own = child("places::raises", &dir);
        let user = ["--reuid", "12345", "--regid", "12345", "--clear-groups"];
        let can = Command::new("setpriv").args(user).args(["test", "-x"]).arg(own.get_program()).status();
        if !can.is_ok_and(|status| status.success()) {
            return eprintln!("SKIPPED: this program cannot run as another user");
        }
        for _ in 0..2 {
            let mut child = Command::new("sh");
            child.args(["-c", "umask $0; exec setpriv \"$@\"", mask]).args(user);
            child.arg(own.get_program()).args(own.get_args()).env("TEST_DIR", &dir);
            let output = child.output().expect("a child");
            assert!(output.status.success(), "{mask}: {}", String::from_utf8_lossy(&output.stdout));
        }
        let state = dir.join("own/alerts");
        assert_eq!(fs::metadata(&state).expect("a directory").mode() & 0o777, 0o700, "{mask}");
        assert_eq!(recent_in(&state, 9).expect("a look").alerts.len(), 4, "{mask}");
        // This user looks at them, and leaves no file of its own there.
        fs::remove_file(state.join("alerts.lock")).expect("a lock");
        let id = alerts::escalations_in(&state).expect("a look").remove(0).alert.id().to_owned();
        let refused =
            alerts::acknowledge_in(&state, &id, "Ada").expect_err("it is another user's").to_string();
        assert!(refused.contains("belongs to user 12345"), "{refused}");
        assert!(!state.join("alerts.lock").exists(), "nothing was made");
    }
}
