//! `resilience backups`: those beside the files that programs and runs have changed.

use crate::Failure;
use crate::args::BackupsCommand;
use crate::print;
use resilience::fs::{Backup, LockError, TransactionError, backups, recover, restore};
use serde::Serialize;
use serde_json::json;
use std::fs::{canonicalize, symlink_metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, UNIX_EPOCH};

/// A backup with the file that it is of.
#[derive(Serialize)]
struct Row {
    file: PathBuf,
    #[serde(flatten)]
    backup: Backup,
    /// The size of the file, and when its content was last changed, in milliseconds; `None` if there was no file.
    bytes: Option<u64>,
    modified: Option<u64>,
}

pub(crate) fn command(command: BackupsCommand, json: bool) -> Result<ExitCode, Failure> {
    match command {
        BackupsCommand::List { paths } => list(&paths, json),
        BackupsCommand::Restore { path, number } => {
            let path = real(&path);
            report(&recover([&path], Duration::from_secs(30))?);
            restore(&path, number)?;
            let row = json!({ "file": path, "number": number, "result": "restored" });
            print::done(json, &row, &format!("{}: is backup {number} again", path.display()))
        }
    }
}

/// Returns the file that a link leads to.
fn real(path: &Path) -> PathBuf {
    canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// Reports the files that were put back after a killed run.
fn report(put_back: &[PathBuf]) {
    for path in put_back {
        print::say(&format!("{}: put back after a run that was killed", path.display()));
    }
}

fn list(paths: &[PathBuf], json: bool) -> Result<ExitCode, Failure> {
    let (mut rows, mut failed) = (Vec::new(), false);
    for path in paths.iter().map(|path| real(path)) {
        // A run that works holds the file: then there is nothing to put back.
        match recover([&path], Duration::ZERO) {
            Ok(put_back) => report(&put_back),
            Err(TransactionError::Lock(LockError::Timeout { .. })) => {}
            Err(
                TransactionError::Failed { kind: ErrorKind::ReadOnlyFilesystem, .. }
                | TransactionError::Lock(LockError::Failed { kind: ErrorKind::ReadOnlyFilesystem, .. }),
            ) => print::say(&format!(
                "{}: its disk is read-only: what a killed run may have left is not put back",
                path.display()
            )),
            Err(error) => {
                print::say(&error.to_string());
                failed = true;
                continue;
            }
        }
        rows.extend(backups(&path)?.into_iter().map(|backup| {
            let found = symlink_metadata(&backup.path).ok().filter(|_| backup.was_there);
            let modified =
                found.as_ref().and_then(|found| found.modified().ok()?.duration_since(UNIX_EPOCH).ok());
            Row {
                file: path.clone(),
                backup,
                bytes: found.map(|found| found.len()),
                modified: modified.map(|modified| modified.as_millis() as u64),
            }
        }));
    }
    if json {
        print::json(rows)?;
    } else {
        print::table(
            &["file", "number", "bytes", "age", "backup"],
            rows.iter().map(cells).collect(),
            (!failed).then_some("no backups"),
        )?;
    }
    Ok(ExitCode::from(if failed { crate::FAILED } else { 0 }))
}

fn cells(row: &Row) -> Vec<String> {
    vec![
        row.file.display().to_string(),
        row.backup.number.to_string(),
        row.bytes.map_or("absent".to_owned(), |bytes| bytes.to_string()),
        row.modified.map(print::age).unwrap_or_default(),
        row.backup.path.file_name().unwrap_or_default().display().to_string(),
    ]
}
