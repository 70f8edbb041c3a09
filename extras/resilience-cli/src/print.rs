//! Output: tables for people, lines of JSON for programs.

use crate::Failure;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use serde_json::json;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// The version of the form of all JSON lines.
const SCHEMA: u32 = 1;

/// One line of JSON.
#[derive(Serialize)]
struct Line<'a, T> {
    schema: u32,
    #[serde(flatten)]
    item: &'a T,
}

/// Prints each item as a line of JSON.
pub(crate) fn json<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<ExitCode, Failure> {
    bytes(&json_lines(items)?)
}

/// Returns each item as a line of JSON.
pub(crate) fn json_lines<T: Serialize>(items: impl IntoIterator<Item = T>) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    for item in items {
        serde_json::to_writer(&mut text, &Line { schema: SCHEMA, item: &item })?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Prints a table; `nothing` where it has no rows, unless there may be some that could not be read.
pub(crate) fn table(
    head: &[&str],
    rows: Vec<Vec<String>>,
    nothing: Option<&str>,
) -> Result<ExitCode, Failure> {
    if rows.is_empty() {
        return nothing.map_or(Ok(ExitCode::SUCCESS), |nothing| bytes(format!("{nothing}\n").as_bytes()));
    }
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(head.iter().map(|title| title.to_uppercase()));
    for row in rows {
        table.add_row(row.iter().map(|cell| visible(cell)));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    bytes(format!("{}\n", lines.join("\n")).as_bytes())
}

/// Prints what was done: `done` as a line of JSON, else `text`.
pub(crate) fn done(json: bool, done: &serde_json::Value, text: &str) -> Result<ExitCode, Failure> {
    if json { self::json([done]) } else { line(text) }
}

/// Prints how much was removed of each application.
pub(crate) fn removed(json: bool, rows: &[(String, usize)]) -> Result<ExitCode, Failure> {
    for (application, removed) in rows {
        let row = json!({ "application": application, "removed": removed });
        done(json, &row, &format!("{application}: {removed} removed"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints one line of text.
pub(crate) fn line(text: &str) -> Result<ExitCode, Failure> {
    bytes(format!("{}\n", visible(text)).as_bytes())
}

/// Prints `text`, and ignores a closed output: a reader such as `head` that has seen enough is not a failure.
pub(crate) fn bytes(text: &[u8]) -> Result<ExitCode, Failure> {
    is_written(text).map(|_| ExitCode::SUCCESS)
}

/// Reports `text` in one line on standard error. The work goes on where that cannot be written.
pub(crate) fn say(text: &str) {
    let line = format!("resilience: {}\n", visible(text));
    let _ = io::stderr().write_all(line.as_bytes());
}

/// Prints `text`; whether its reader is still there.
pub(crate) fn is_written(text: &[u8]) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(not_written(&error).into()),
    }
}

/// Returns the message that standard output cannot be written.
pub(crate) fn not_written(error: &io::Error) -> String {
    format!("standard output: {error}")
}

/// Returns `text` without the characters that a terminal would obey: control characters and marks that turn the
/// direction of writing.
pub(crate) fn visible(text: &str) -> String {
    resilience::__private::Visible(text).to_string()
}

/// Returns how long ago something was, in one unit.
pub(crate) fn age(then: resilience::durable::record::Millis) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let seconds = (now.as_millis() as u64).saturating_sub(then) / 1000;
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}
