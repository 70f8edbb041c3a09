//! The location of the alerts of this program.

use super::file;
use crate::base::files;
use crate::base::site::Site;
use crate::base::state_dir::{self, ChosenDir};
use crate::base::sync::locked;
use std::io;
use std::path::PathBuf;
use std::sync::Mutex;

/// The directory that the program has chosen; each test world has its own.
static DIR: Site<ChosenDir> = Site::new(ChosenDir::new(false), || ChosenDir::new(true));

/// Makes `dir` the directory of `alerts.jsonl`, for this process or test world.
///
/// Without it the file is in the state directory: `RESILIENCE_STATE`, or the directory of the
/// [application](crate::application) below the platform's directory for state. It is made for this user alone when it
/// is missing. Test worlds, and test binaries without one, have no file until a test chooses a directory.
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// let dir = std::env::temp_dir().join(format!("resilience-alerts-dir-{}", std::process::id()));
/// resilience::alerts::use_dir(&dir);
/// assert!(resilience::alerts::recent(100)?.alerts.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn use_dir(dir: impl Into<PathBuf>) {
    *locked(&DIR.dir) = Some(files::absolute(dir));
}

/// Returns the directory of the alerts.
pub(super) fn dir() -> io::Result<PathBuf> {
    if let Some(dir) = &*locked(&DIR.dir) {
        return Ok(dir.clone());
    }
    let not_found = |words: &str| Err(io::Error::new(io::ErrorKind::NotFound, words));
    if is_test() {
        return not_found("tests have alerts in a file only after `alerts::use_dir`");
    }
    let own = state_dir::own_state_dir();
    own.map_or_else(|| not_found("there is no home directory: set RESILIENCE_STATE to a directory"), Ok)
}

/// Returns whether this is a test that has chosen no directory: its alerts are in no file.
pub(super) fn is_test() -> bool {
    locked(&DIR.dir).is_none() && (DIR.in_world || state_dir::is_bare_test())
}

/// Returns the size at which a file is rotated, in bytes.
pub(super) fn largest() -> u64 {
    *locked(&LARGEST)
}

static LARGEST: Site<Mutex<u64>> = Site::new(Mutex::new(file::LARGEST), || Mutex::new(file::LARGEST));

/// Sets the size at which files are rotated, for tests that cannot write 10 MiB.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub fn rotate_at(bytes: u64) {
    *locked(&LARGEST) = bytes;
}
