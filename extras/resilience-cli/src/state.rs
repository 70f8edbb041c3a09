//! The state directories that a command means.

use crate::Failure;
use crate::args::StateOptions;
use crate::print;
use resilience::durable::{SqliteStore, state_dir};
use std::env;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

/// The application as which `run` records, unless another one is named.
const SHELL: &str = "shell";

/// The name of the locks that all programs of a user share; no application has this name.
const COMMON: &str = "(common)";

/// The state of one application.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Its name, or the path of its directory where that was named.
    pub(crate) application: String,
    pub(crate) dir: PathBuf,
    /// Why it is this one, for `doctor`.
    pub(crate) because: &'static str,
}

impl State {
    fn at(dir: PathBuf, because: &'static str) -> Self {
        // As a program does, whose working directory may be another one.
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        Self { application: dir.display().to_string(), dir, because }
    }

    fn of(application: &str, because: &'static str) -> Result<Self, Failure> {
        let dir = dir_of(application)?;
        Ok(Self { application: application.to_owned(), dir, because })
    }

    /// Returns whether a store is here, or what a lost one has left.
    pub(crate) fn has_store(&self) -> bool {
        self.has_any(&["store.sqlite", "store.sqlite-wal", "acknowledged"])
    }

    fn has_alerts(&self) -> bool {
        self.has_any(&["alerts.jsonl", "escalations.jsonl"])
    }

    /// Returns whether one of these files is here, as far as that may be known. A file has none: it is no application.
    fn has_any(&self, names: &[&str]) -> bool {
        let is_missing = |name: &&str| {
            let found = fs::symlink_metadata(self.dir.join(name));
            found.is_err_and(|error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
        };
        !names.iter().all(is_missing)
    }

    /// Opens the store to look at it, which writes nothing.
    pub(crate) fn inspect(&self) -> Result<Arc<SqliteStore>, Failure> {
        Ok(Arc::new(SqliteStore::inspect(&self.dir).map_err(|error| self.failed(&error))?))
    }

    /// Opens the store to change it, if this release can read it as it is.
    pub(crate) fn open(&self) -> Result<Arc<SqliteStore>, Failure> {
        self.inspect()?;
        Ok(Arc::new(SqliteStore::open(&self.dir).map_err(|error| self.failed(&error))?))
    }

    pub(crate) fn failed(&self, error: &resilience::durable::StoreError) -> Failure {
        format!("{}: {error}", self.dir.display()).into()
    }
}

/// Returns the directory of the application of this name, which is never below `/tmp` or the working directory.
fn dir_of(application: &str) -> Result<PathBuf, Failure> {
    let dir = state_dir(application);
    Ok(dir.ok_or(
        "there is no home directory: set HOME to an absolute path, or RESILIENCE_STATE to a directory",
    )?)
}

/// Returns the state that the options or the environment name.
fn named(place: &StateOptions) -> Result<Option<State>, Failure> {
    let given = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    if let Some(dir) = &place.state {
        return Ok(Some(State::at(dir.clone(), "--state names it")));
    }
    if let Some(application) = &place.app {
        return State::of(application, "--app names it").map(Some);
    }
    if let Some(dir) = given("RESILIENCE_STATE") {
        return Ok(Some(State::at(dir.into(), "RESILIENCE_STATE names it")));
    }
    // systemd writes several directories with colons between them.
    let of_unit = given("STATE_DIRECTORY").and_then(|dirs| env::split_paths(&dirs).next());
    // With `DynamicUser=` it is a link that systemd makes, and stores and locks are not opened through links.
    let of_unit = of_unit.map(|dir| fs::canonicalize(&dir).unwrap_or(dir));
    Ok(of_unit.map(|dir| State::at(dir, "STATE_DIRECTORY of its systemd unit names it")))
}

/// Returns the state in which `run` records.
pub(crate) fn of_run(place: &StateOptions) -> Result<State, Failure> {
    match named(place)? {
        Some(state) => Ok(state),
        None => State::of(SHELL, "`run` is the application `shell` unless another one is named"),
    }
}

/// Returns the directory of the named lock of `run`: that of the state in an option, else the one that all
/// programs of this user share.
pub(crate) fn locks_of_run(place: &StateOptions) -> Result<PathBuf, Failure> {
    match (&place.state, &place.app) {
        (None, None) => common_locks(),
        _ => Ok(of_run(place)?.dir.join("locks")),
    }
}

/// Returns the directories of locks that a listing covers: that of the state in an option, else all of this user's.
pub(crate) fn all_locks(place: &StateOptions) -> Result<Vec<State>, Failure> {
    if place.state.is_some() || place.app.is_some() {
        let state = of_run(place)?;
        return Ok(vec![State { dir: state.dir.join("locks"), ..state }]);
    }
    let common = common_locks()?;
    let base = common.parent().unwrap_or(&common);
    let locks = |state: State| State { dir: state.dir.join("locks"), ..state };
    let mut states: Vec<_> = dirs(base)?.into_iter().map(locks).collect();
    let given = named(place)?.map(locks);
    states.extend(given.filter(|given| states.iter().all(|state| state.dir != given.dir)));
    states.push(State { application: COMMON.to_owned(), dir: common, because: "" });
    states.retain(|state| state.dir.is_dir());
    Ok(states)
}

/// Warns once of a directory that will be made in one that another user has alone, who cannot use it: as with
/// `sudo -E`.
pub(crate) fn warn_of_owner(dir: &Path) {
    static SAID: Once = Once::new();
    let own = rustix::process::geteuid().as_raw();
    let Some(above) = dir.ancestors().skip(1).find(|above| above.exists()).filter(|_| !dir.exists()) else {
        return;
    };
    if let Some(text) = resilience::__private::warning_of_owner(dir, above, own, "will be made") {
        SAID.call_once(|| print::say(&text));
    }
}

fn common_locks() -> Result<PathBuf, Failure> {
    let shell = dir_of(SHELL)?;
    Ok(shell.parent().unwrap_or(&shell).join("locks"))
}

/// Returns the states whose alerts are shown.
pub(crate) fn with_alerts(place: &StateOptions) -> Result<Vec<State>, Failure> {
    selected(place, State::has_alerts)
}

/// Returns the states whose jobs and steps are shown.
pub(crate) fn all(place: &StateOptions) -> Result<Vec<State>, Failure> {
    selected(place, State::has_store)
}

/// Returns the states in which a program has written anything that `doctor` looks at.
pub(crate) fn with_any_file(place: &StateOptions) -> Result<Vec<State>, Failure> {
    selected(place, |state| state.has_store() || state.has_alerts())
}

/// Returns the state that is named, else those of all applications of this user in which `is_there` is true.
fn selected(place: &StateOptions, is_there: impl Fn(&State) -> bool) -> Result<Vec<State>, Failure> {
    if let Some(state) = named(place)? {
        return Ok(vec![state]);
    }
    let shell = dir_of(SHELL)?;
    let mut states = dirs(shell.parent().unwrap_or(&shell))?;
    states.retain(is_there);
    Ok(states)
}

/// Returns the directories of the applications of this user.
fn dirs(base: &Path) -> Result<Vec<State>, Failure> {
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", base.display()).into()),
    };
    let mut states: Vec<State> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .map(|dir| State {
            application: resilience::__private::whole(&dir.file_name().unwrap_or_default().to_string_lossy()),
            dir,
            because: "all applications of this user",
        })
        .collect();
    states.sort_by(|one, other| one.application.cmp(&other.application));
    Ok(states)
}

/// Returns the results of `look` for each of these states, in one list. Prints the errors, and returns whether there
/// was one.
pub(crate) fn each<T>(
    states: Vec<State>,
    mut look: impl FnMut(&State) -> Result<Vec<T>, Failure>,
) -> (Vec<T>, bool) {
    let (mut rows, mut failed) = (Vec::new(), false);
    for state in states {
        match look(&state) {
            Ok(found) => rows.extend(found),
            Err(error) => {
                print::say(&error.to_string());
                failed = true;
            }
        }
    }
    (rows, failed)
}

/// Returns the one state in which `is_there` is true; several are an error that names them.
pub(crate) fn the_one(
    place: &StateOptions,
    what: &str,
    is_there: impl Fn(&State) -> Result<bool, Failure>,
) -> Result<State, Failure> {
    let states = all(place)?;
    let advice = if states.len() > 1 { "; choose another application with --app" } else { "" };
    let mut found = Vec::new();
    for state in states {
        if is_there(&state).map_err(|error| format!("{error}{advice}"))? {
            found.push(state);
        }
    }
    match found.as_slice() {
        [] => Err(format!("there is no {what}").into()),
        [one] => Ok(one.clone()),
        several => {
            let names: Vec<_> = several.iter().map(|state| state.application.as_str()).collect();
            Err(format!(
                "{} applications have a {what}: {}; choose one with --app",
                several.len(),
                names.join(", ")
            )
            .into())
        }
    }
}
