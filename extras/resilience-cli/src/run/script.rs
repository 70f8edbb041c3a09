//! Scripts that do not say which program runs them: the shell does, as below `timeout`, `env` and `nohup`.

use rustix::fs::{Access, access};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// Returns the words that run `words` by the shell; `None` if they name no script.
pub(super) fn by_shell(words: &[OsString]) -> Option<Vec<OsString>> {
    let (program, args) = words.split_first()?;
    let path = found(program)?;
    let shell = [OsString::from("sh"), "--".into(), path.into()];
    is_text(shell[2].as_ref()).then(|| shell.into_iter().chain(args.iter().cloned()).collect())
}

/// Returns the path of a program, as the search for it finds one.
fn found(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Some(program.into());
    }
    let dirs = env::var_os("PATH")?;
    let here = |dir: PathBuf| {
        if dir.as_os_str().is_empty() { ".".into() } else { dir }
    };
    let paths = env::split_paths(&dirs).map(|dir| here(dir).join(program));
    paths.into_iter().find(|path| path.is_file() && access(path, Access::EXEC_OK).is_ok())
}

/// Returns whether a file may be a script: a program of another machine has a zero byte early on.
fn is_text(path: &Path) -> bool {
    let mut first = Vec::new();
    let read = File::open(path).and_then(|file| file.take(128).read_to_end(&mut first));
    read.is_ok() && !first.split(|byte| *byte == b'\n').next().unwrap_or_default().contains(&0)
}
