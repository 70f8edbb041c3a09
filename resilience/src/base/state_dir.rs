//! The name of this program, and the place of its state.

#[cfg(feature = "fs")]
pub(crate) use dirs::common_dir;
#[cfg(feature = "sqlite")]
pub use dirs::state_dir;
#[cfg(any(feature = "sqlite", feature = "fs", feature = "ops"))]
pub(crate) use dirs::{is_bare_test, own_state_dir};
#[cfg(any(feature = "fs", feature = "ops"))]
use std::path::PathBuf;
#[cfg(any(feature = "fs", feature = "ops"))]
use std::sync::Mutex;
use std::sync::OnceLock;

static APPLICATION: OnceLock<String> = OnceLock::new();

/// Sets the name of this program: its store and its locks are in a directory of that name below the platform's
/// directory for state.
///
/// Without it the name is that of the file by which the program was started, whole: a file that is called by
/// its version (`importer-1.4.0`) has another store after an update, so set the name. Call this before the
/// first job, step or lock; later calls change nothing. `RESILIENCE_STATE` names the whole directory instead.
///
/// Bytes of the name that are not letters, digits, `_`, `.` or `-` are escaped in the directory's name, and so is the
/// first one of `.`, `..` and `locks`.
///
/// # Examples
///
/// ```
/// // At the start of `main`:
/// resilience::application("importer");
/// ```
pub fn application(name: impl Into<String>) {
    let _ = APPLICATION.set(name.into());
}

/// A directory that the program can choose, for one kind of file.
#[cfg(any(feature = "fs", feature = "ops"))]
#[derive(Debug)]
pub(crate) struct ChosenDir {
    pub(crate) dir: Mutex<Option<PathBuf>>,
    /// Whether the directory is that of a test world.
    pub(crate) in_world: bool,
}

#[cfg(any(feature = "fs", feature = "ops"))]
impl ChosenDir {
    pub(crate) const fn new(in_world: bool) -> Self {
        Self { dir: Mutex::new(None), in_world }
    }
}

#[cfg(any(feature = "sqlite", feature = "fs", feature = "ops"))]
mod dirs {
    use super::APPLICATION;
    use crate::base::sync::locked;
    use crate::base::template::part;
    use std::collections::BTreeMap;
    use std::collections::btree_map::Entry;
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    /// Returns whether this is a test binary of cargo's without a configured place of its state.
    pub(crate) fn is_bare_test() -> bool {
        given("RESILIENCE_STATE").is_none() && APPLICATION.get().is_none() && is_test()
    }

    /// Judges by the path of the program, as nothing else distinguishes a test at run time.
    fn is_test() -> bool {
        std::env::current_exe().is_ok_and(|program| is_test_binary(&program))
    }

    /// Returns whether cargo built `program` as a test, `target/debug/deps/name-0123456789abcdef`, or rustdoc as an
    /// example of the documentation, `rustdoctestAbCdEf/rust_out`.
    fn is_test_binary(program: &Path) -> bool {
        let name = program.file_stem().unwrap_or_default().to_string_lossy();
        let hash = name.rsplit_once('-').map_or("", |(_, hash)| hash);
        let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let dir = program.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        (is_hash && dir == "deps") || (name == "rust_out" && dir.starts_with("rustdoctest"))
    }

    /// Returns the name of the file by which this program was started: also after that file was replaced or removed.
    fn program() -> String {
        let started = std::env::args_os().next().and_then(|started| name_of(started.as_ref()));
        let name = started.or_else(|| name_of(&std::env::current_exe().ok()?));
        name.unwrap_or_else(|| "program".to_owned())
    }

    /// Returns the name of a program that is at `path`.
    fn name_of(path: &Path) -> Option<String> {
        let file = path.file_name()?.to_string_lossy();
        let file = file.strip_suffix(" (deleted)").unwrap_or(&file);
        Some(file.strip_suffix(".exe").unwrap_or(file).to_owned())
    }

    /// Returns the path in a variable; an empty variable counts as not set.
    fn given(name: &str) -> Option<PathBuf> {
        std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// The relative paths of the environment, as they were when they were first asked for: a later change of the working
    /// directory leads nowhere else.
    static ABSOLUTE: Mutex<BTreeMap<PathBuf, PathBuf>> = Mutex::new(BTreeMap::new());

    /// Returns the absolute path of a directory that the environment names.
    fn fixed(dir: PathBuf) -> PathBuf {
        if dir.is_absolute() {
            return dir;
        }
        match locked(&ABSOLUTE).entry(dir) {
            Entry::Occupied(known) => known.get().clone(),
            Entry::Vacant(new) => match std::path::absolute(new.key()) {
                Ok(path) => new.insert(path).clone(),
                Err(_) => new.into_key(),
            },
        }
    }

    /// Returns the directory of this program's state, as an absolute path.
    pub(crate) fn own_state_dir() -> Option<PathBuf> {
        given("RESILIENCE_STATE")
            .map(fixed)
            .or_else(|| state_dir_of(given, home, &APPLICATION.get().cloned().unwrap_or_else(program)))
    }

    /// Returns the directory in which the program of this name keeps its state, unless `RESILIENCE_STATE` names
    /// another.
    ///
    /// On Linux it is `~/.local/state/resilience/<application>`, below `XDG_STATE_HOME` where that is set.
    ///
    /// If the environment has no `HOME`, as in a service or a cron job, the home directory is the one that the system's
    /// user database names. `None` if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// if let Some(dir) = resilience::durable::state_dir("importer") {
    ///     assert!(dir.ends_with("resilience/importer"));
    /// }
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
    #[cfg(feature = "sqlite")]
    pub fn state_dir(application: &str) -> Option<PathBuf> {
        state_dir_of(given, home, application)
    }

    /// Returns `<platform state>/resilience/<application>`, by the variables of the environment, `given`, and the user
    /// database, `home`.
    fn state_dir_of(
        given: impl Fn(&str) -> Option<PathBuf>,
        home: impl FnOnce() -> Option<PathBuf>,
        application: &str,
    ) -> Option<PathBuf> {
        Some(platform(given, home)?.join(dir_name(application)))
    }

    /// Returns the name of the directory of an application, which is a directory of its own: neither another name of the
    /// one around it, nor that of the locks which all programs share.
    fn dir_name(application: &str) -> String {
        match part(application).as_str() {
            "." => "%2E".to_owned(),
            ".." => "%2E.".to_owned(),
            "locks" => "%6Cocks".to_owned(),
            name => name.to_owned(),
        }
    }

    /// Returns the directory of the state that all programs of this user share.
    #[cfg(feature = "fs")]
    pub(crate) fn common_dir() -> Option<PathBuf> {
        platform(given, home)
    }

    /// Returns the home directory of this user by the system's user database.
    fn home() -> Option<PathBuf> {
        std::env::home_dir().filter(|home| home.is_absolute())
    }

    /// Returns the directory in which this library keeps the state of this user's programs.
    fn platform(
        given: impl Fn(&str) -> Option<PathBuf>,
        home: impl FnOnce() -> Option<PathBuf>,
    ) -> Option<PathBuf> {
        // A relative path would be below the working directory, which says nothing about the user; the XDG base directory
        // specification ignores one, too.
        let given = |name: &str| given(name).filter(|path| path.is_absolute());
        let base = if cfg!(windows) {
            given("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            given("HOME").or_else(home).map(|home| home.join("Library/Application Support"))
        } else {
            let of_home = || given("HOME").or_else(home).map(|home| home.join(".local/state"));
            given("XDG_STATE_HOME").or_else(of_home)
        };
        Some(base?.join("resilience"))
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_program_is_named_after_its_whole_file_name() {
            for (path, name) in [
                ("/usr/bin/importer", Some("importer")),
                ("importer", Some("importer")),
                ("./importer", Some("importer")),
                ("/usr/bin/importer (deleted)", Some("importer")),
                ("importer.exe", Some("importer")),
                ("/opt/importer-1.4.0", Some("importer-1.4.0")),
                ("/opt/importer.blue", Some("importer.blue")),
                ("/opt/importer.green", Some("importer.green")),
                ("target/release/importer-0123456789abcdef", Some("importer-0123456789abcdef")),
                ("", None),
                ("/", None),
            ] {
                assert_eq!(name_of(path.as_ref()).as_deref(), name, "{path}");
            }
        }

        #[test]
        fn an_application_has_a_directory_of_its_own() {
            let dir = |application| state_dir_of(|_| Some("/home".into()), || None, application);
            let below = dir("a").expect("a home").parent().map(Path::to_path_buf).expect("a parent");
            let mut dirs = std::collections::BTreeSet::new();
            for application in ["a", "", ".", "..", "...", "a/..", "locks", "lock", "%2E", "%2E.", "%6Cocks"]
            {
                let dir = dir(application).expect("a home");
                assert_eq!(dir.parent(), Some(&*below), "{application}");
                let name = dir.file_name().unwrap_or_default().to_str().expect("text");
                #[cfg(any(feature = "durable", feature = "fs"))]
                assert_eq!(crate::base::template::whole(name), application);
                assert!(name != "locks" && dirs.insert(dir.clone()), "{application}");
            }
        }

        #[test]
        fn a_test_binary_is_recognized_by_its_directory_and_hash() {
            for (path, is_test) in [
                ("/importer/target/debug/deps/importer-0123456789abcdef", true),
                ("/importer/target/debug/deps/importer-0123456789abcdef.exe", true),
                ("/importer/target/debug/importer-0123456789abcdef", false),
                ("/importer/target/debug/deps/importer-0123456789abcde", false),
                ("/importer/target/debug/deps/importer-0123456789abcdeg", false),
                ("/importer/target/debug/importer", false),
                ("/tmp/rustdoctestAbCdEf/rust_out", true),
                ("/importer/rust_out", false),
            ] {
                assert_eq!(is_test_binary(path.as_ref()), is_test, "{path}");
            }
        }

        #[cfg(target_os = "linux")]
        #[test]
        fn the_state_directory_follows_the_environment() {
            let all = [("XDG_STATE_HOME", "/state"), ("HOME", "/home/a")];
            for (variables, application, dir) in [
                (&all[..], "importer", Some("/state/resilience/importer")),
                (&all[..], "importer-1.4.0", Some("/state/resilience/importer-1.4.0")),
                (&all[..], "a/b c", Some("/state/resilience/a%2Fb%20c")),
                (&all[1..], "importer", Some("/home/a/.local/state/resilience/importer")),
                (
                    &[("XDG_STATE_HOME", "state"), all[1]],
                    "importer",
                    Some("/home/a/.local/state/resilience/importer"),
                ),
                (&[("HOME", "a")], "importer", Some("/home/of-the-system/.local/state/resilience/importer")),
                (&[], "importer", Some("/home/of-the-system/.local/state/resilience/importer")),
            ] {
                let given = |name: &str| {
                    let value = variables.iter().find(|(variable, _)| *variable == name)?.1;
                    Some(PathBuf::from(value))
                };
                let home = || Some(PathBuf::from("/home/of-the-system"));
                let found = state_dir_of(given, home, application);
                assert_eq!(found, dir.map(PathBuf::from), "{variables:?}");
            }
            assert_eq!(state_dir_of(|_| None, || None, "importer"), None);
        }
    }
}
