//! Steps whose functions have one name: records call a function by crate and name, so that it can be moved.
//!
//! That is enough to find a record again, since its key says which step it is. It is not enough to find the function of
//! a record, as an undo has to: `flight::book` and `hotel::book` are both `shop::book`. The records of such steps keep
//! the whole path, too. Where it does not help (the function was moved, or the second one was added, since it was
//! recorded), nothing is undone: the wrong undo would be worse. Steps that are given one `name` on purpose, such as a
//! sync and an async form, are one step.

use crate::point::PointSite;
use std::collections::HashMap;

/// Returns the points of each name that several of `steps` have or had; each step comes with all its names.
pub(super) fn among(
    steps: impl Iterator<Item = (&'static PointSite, Vec<String>)>,
) -> HashMap<String, Vec<&'static PointSite>> {
    let mut named = HashMap::<_, Vec<_>>::new();
    for (point, mut names) in steps {
        names.sort_unstable();
        names.dedup();
        for name in names {
            named.entry(name).or_default().push(point);
        }
    }
    named.retain(|_, points| points.len() > 1);
    named
}

/// Returns the note in the record of the step `point`: its whole path, if it has namesakes, and whether it can be
/// undone; empty if it needs neither.
pub(super) fn note(point: &PointSite, has_namesakes: bool, can_undo: bool) -> Vec<u8> {
    let mut note = serde_json::Map::new();
    if has_namesakes {
        note.insert(POINT.to_owned(), point.written().into());
    }
    if can_undo {
        note.insert(UNDO.to_owned(), true.into());
    }
    if note.is_empty() { Vec::new() } else { serde_json::Value::Object(note).to_string().into_bytes() }
}

/// Returns whether the step could be undone by the program that recorded it, by its `note`.
pub(crate) fn could_be_undone(note: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(note).is_ok_and(|note| note[UNDO] == true)
}

/// Returns the function that a record of one of `points` is of, by its `note`; `None` if the note does not say it.
pub(crate) fn point_of(points: &[&'static PointSite], note: &[u8]) -> Option<&'static PointSite> {
    let note = serde_json::from_slice::<serde_json::Value>(note).ok()?;
    let path = note[POINT].as_str()?;
    let mut found = points.iter().filter(|point| point.written() == path);
    found.next().filter(|_| found.next().is_none()).copied()
}

/// Returns whether each of `points` has the same `name`, on purpose.
pub(crate) fn are_named_alike(points: &[&'static PointSite]) -> bool {
    let mut names = points.iter().map(|point| point.own_name());
    let first = names.next().flatten();
    first.is_some() && names.all(|name| name == first)
}

/// Returns the points with their lines, for messages.
pub(crate) fn lines(points: &[&'static PointSite]) -> String {
    let mut lines: Vec<_> =
        points.iter().map(|point| format!("{}:{}", point.place().file(), point.place().line())).collect();
    lines.sort_unstable();
    lines.join(" and ")
}

const POINT: &str = "point";
const UNDO: &str = "undo";
