//! `resilience doctor`: the faults of a state directory, and their remedies. It writes nothing.

use crate::Failure;
use crate::args::{DoctorArgs, StateOptions};
use crate::print;
use crate::state::{self, State};
use resilience::alerts::recent_in;
use resilience::durable::{SqliteStore, Status, StoreError};
use resilience::{checkpoints, jobs};
use rustix::fs::statvfs;
use serde::Serialize;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Pass,
    Warn,
    Fail,
}

/// The result of one check.
#[derive(Debug, Serialize)]
struct Finding {
    application: String,
    check: &'static str,
    level: Level,
    message: String,
    /// The remedy.
    #[serde(skip_serializing_if = "str::is_empty")]
    action: &'static str,
}

pub(crate) fn command(args: &DoctorArgs, place: &StateOptions, json: bool) -> Result<ExitCode, Failure> {
    let states = state::with_any_file(place)?;
    let mut findings = Vec::new();
    for state in &states {
        let mut doctor = Doctor { state, findings: &mut findings };
        doctor.state(args.limit);
    }
    let has_failed = findings.iter().any(|finding| finding.level == Level::Fail);
    if json {
        print::json(findings)?;
    } else {
        print::bytes(text(&states, &findings).as_bytes())?;
    }
    Ok(ExitCode::from(u8::from(has_failed)))
}

fn text(states: &[State], findings: &[Finding]) -> String {
    let Some(first) = states.first() else {
        return "no application of this user has state; --state or --app names one\n".to_owned();
    };
    let mut lines = vec![match states {
        [one] => format!("state: {} ({})", print::visible(&one.dir.display().to_string()), one.because),
        _ => format!("state: {} applications ({})", states.len(), first.because),
    }];
    for finding in findings {
        let level = match finding.level {
            Level::Pass => "ok  ",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
        };
        let message = print::visible(&finding.message);
        let application = print::visible(&finding.application);
        lines.push(format!("{level}  {application}: {}: {message}", finding.check));
        if !finding.action.is_empty() {
            lines.push(format!("      {}", finding.action));
        }
    }
    lines.join("\n") + "\n"
}

struct Doctor<'a> {
    state: &'a State,
    findings: &'a mut Vec<Finding>,
}

impl Doctor<'_> {
    fn found(&mut self, check: &'static str, level: Level, message: String, action: &'static str) {
        self.findings.push(Finding {
            application: self.state.application.clone(),
            check,
            level,
            message,
            action,
        });
    }

    fn state(&mut self, limit: Duration) {
        self.directory();
        self.disk();
        self.clock();
        self.configuration();
        if self.state.dir.is_dir() && !self.state.has_store() {
            let message = "none: no program has recorded a job or a step here".to_owned();
            return self.found("store", Level::Pass, message, "");
        }
        match SqliteStore::inspect(&self.state.dir).map(Arc::new) {
            Ok(store) => {
                self.integrity(&store, limit);
                self.work(&store);
            }
            Err(error) => {
                // The text of a refusal says what to do about a file that is there: a backup would be refused, too.
                let action = match error {
                    StoreError::Refused(_) if self.state.dir.join("store.sqlite").exists() => "",
                    _ => "if the program runs, its log says more; else restore the directory from a backup",
                };
                self.found("store", Level::Fail, self.state.failed(&error).to_string(), action);
            }
        }
    }

    /// Checks whether programs refuse the directory, since other users can change what is in it.
    fn directory(&mut self) {
        let dir = &self.state.dir;
        let found = match fs::symlink_metadata(dir) {
            Ok(found) if found.is_dir() || (found.is_symlink() && dir.is_dir()) => found,
            other => {
                let message = match other {
                    Ok(_) => format!("{} is not a directory", dir.display()),
                    Err(error) => format!("{}: {error}", dir.display()),
                };
                return self.found(
                    "directory",
                    Level::Fail,
                    message,
                    "name another one with --state or --app",
                );
            }
        };
        if let Some((message, action)) = unsafe_places(dir, found.uid()) {
            let level = if self.state.has_store() { Level::Fail } else { Level::Warn };
            return self.found("directory", level, message, action);
        }
        let user = rustix::process::getuid();
        if found.uid() != user.as_raw() && !user.is_root() {
            let message = format!("{} belongs to another user ({})", dir.display(), found.uid());
            return self.found("directory", Level::Warn, message, "run this as that user");
        }
        self.found("directory", Level::Pass, dir.display().to_string(), "");
    }

    fn disk(&mut self) {
        let Ok(disk) = statvfs(&self.state.dir) else { return };
        let [free, all] = [disk.f_bavail, disk.f_blocks].map(|blocks| blocks.saturating_mul(disk.f_frsize));
        let message = format!("{} MiB of {} MiB are free", free >> 20, all >> 20);
        let read_only = disk.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY);
        let (level, message, action) = match room(free, all) {
            _ if read_only => (
                Level::Fail,
                "it is mounted read-only".to_owned(),
                "nothing can be recorded: mount it writable",
            ),
            Level::Fail => (Level::Fail, message, "make room: a step that cannot be recorded does not run"),
            Level::Warn => (Level::Warn, message, "make room before it is full"),
            Level::Pass => (Level::Pass, message, ""),
        };
        self.found("disk", level, message, action);
    }

    /// Checks for files from the future, which show that the clock was set back.
    fn clock(&mut self) {
        const SLACK: Duration = Duration::from_secs(60);
        let Ok(entries) = fs::read_dir(&self.state.dir) else { return };
        let written = entries.filter_map(|entry| entry.ok()?.metadata().ok()?.modified().ok()).max();
        let ahead =
            written.and_then(|written| written.duration_since(SystemTime::now()).ok()).unwrap_or_default();
        if ahead > SLACK {
            let message = format!("files were written {} s in the future", ahead.as_secs());
            self.found(
                "clock",
                Level::Warn,
                message,
                "the clock was set back: ages and the order of times are wrong until it has caught up",
            );
        } else {
            self.found("clock", Level::Pass, "no file is from the future".to_owned(), "");
        }
    }

    /// Checks the last report of programs about their configuration, if its alert is among the last ones.
    fn configuration(&mut self) {
        let Ok(recent) = recent_in(&self.state.dir, 1_000) else { return };
        let reported = recent.alerts.iter().rev().find(|alert| alert.component == "config");
        let Some(alert) = reported else { return };
        let reason = alert.details.get("reason").and_then(|reason| reason.as_str()).unwrap_or_default();
        let message = format!("{} at {}: {reason}", alert.message, alert.timestamp);
        self.found(
            "config",
            Level::Warn,
            message,
            "correct it, unless the program has loaded a sound one since",
        );
    }

    /// Reads the whole store, in at most `limit`.
    fn integrity(&mut self, store: &Arc<SqliteStore>, limit: Duration) {
        let (send, receive) = mpsc::channel();
        let checked = Arc::clone(store);
        // A check that takes longer ends with this process.
        let spawned = thread::Builder::new().spawn(move || send.send(checked.integrity_blocking()));
        if let Err(error) = spawned {
            return self.found("integrity", Level::Warn, format!("not checked: {error}"), "");
        }
        match receive.recv_timeout(limit) {
            Ok(Ok(problems)) if problems.is_empty() => {
                let size = store.size_blocking().map(|size| {
                    format!("{} KiB, {} KiB of them free", (size.tables + size.log) >> 10, size.free >> 10)
                });
                self.found("integrity", Level::Pass, size.unwrap_or_default(), "");
            }
            Ok(Ok(problems)) => {
                self.found(
                    "integrity",
                    Level::Fail,
                    problems.join("; "),
                    "stop the program and restore the directory from a backup",
                );
            }
            Ok(Err(error)) => self.found(
                "integrity",
                Level::Fail,
                error.to_string(),
                "stop the program and restore the directory from a backup",
            ),
            Err(_) => self.found(
                "integrity",
                Level::Warn,
                format!("not known: the check takes longer than {limit:?}"),
                "give it more time with --limit",
            ),
        }
    }

    /// Checks for work that waits for a person.
    fn work(&mut self, store: &Arc<SqliteStore>) {
        match jobs::blocking::of(store.clone()).count() {
            Ok(counts) => {
                let waiting = counts.of(Status::Manual) + counts.of(Status::Dead);
                let message = counts.to_string();
                if counts.damaged > 0 {
                    self.found(
                        "jobs",
                        Level::Fail,
                        message,
                        "look at them with `resilience jobs list`; their records are damaged",
                    );
                } else if waiting > 0 {
                    self.found(
                        "jobs",
                        Level::Warn,
                        message,
                        "some wait for you: `resilience jobs list --status manual,dead`; those that failed have ended: `--status failed`",
                    );
                } else {
                    self.found("jobs", Level::Pass, message, "");
                }
            }
            Err(error) => self.found("jobs", Level::Fail, error.to_string(), ""),
        }
        match checkpoints::blocking::of(store.clone()).quarantine(100) {
            Ok(kept) if kept.is_empty() => {}
            Ok(kept) => self.found(
                "quarantine",
                Level::Warn,
                format!("{} damaged records are quarantined", kept.len()),
                "a disk or memory may be failing: check both",
            ),
            Err(error) => self.found("quarantine", Level::Fail, error.to_string(), ""),
        }
    }
}

/// Returns the first of the places of a store that the programs of the user `owner` refuse, in words, with the remedy.
fn unsafe_places(dir: &Path, owner: u32) -> Option<(String, &'static str)> {
    let misplaced = |(name, is_dir, kind)| {
        let place = dir.join(name);
        let found = fs::metadata(&place).ok()?;
        let is_kind = if is_dir { found.is_dir() } else { found.is_file() };
        (!is_kind).then(|| (format!("{} is not a {kind}", place.display()), "move it away"))
    };
    let kinds = [("owners", true, "directory"), ("acknowledged", false, "file")];
    let places = [dir.to_owned(), dir.join("owners"), dir.join("store.sqlite")];
    let unsafe_place = places.iter().find_map(|place| {
        let found = fs::symlink_metadata(place).ok()?;
        let (words, action) = if found.is_symlink() {
            ("is a link".to_owned(), "programs do not follow it: name the place it leads to")
        } else if found.mode() & 0o022 != 0 {
            (format!("may be written by others (mode {:o})", found.mode() & 0o7777), "chmod go-w it")
        } else if found.uid() != owner {
            (format!("belongs to another user ({})", found.uid()), "give it to the user of the directory")
        } else {
            return None;
        };
        Some((format!("{} {words}", place.display()), action))
    });
    unsafe_place.or_else(|| kinds.into_iter().find_map(misplaced))
}

/// Judges a disk that has `free` of `all` bytes left.
const fn room(free: u64, all: u64) -> Level {
    if free >> 20 < 16 || free < all.div_ceil(100) {
        Level::Fail
    } else if free < all.div_ceil(10) {
        Level::Warn
    } else {
        Level::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_of_a_disk_is_judged_by_its_share() {
        let mib = 1 << 20;
        // A network share may show 8 EiB.
        for all in [200 * mib, 1 << 63, u64::MAX] {
            assert_eq!(room(all / 10 + 1, all), Level::Pass, "{all}");
            assert_eq!(room(all / 10 - 1, all), Level::Warn, "{all}");
            assert_eq!(room(all / 100 - 1, all), Level::Fail, "{all}");
            assert_eq!(room(all, all), Level::Pass, "{all}");
        }
        assert_eq!(room(15 * mib, 100 * mib), Level::Fail);
    }
}
