//! The journal of a transaction over several files: written before the first of them is replaced, and removed when all
//! are.

use super::dir::{Dir, DirIdentity, sync};
use super::error::TransactionError;
use crate::base::digest::hash;
use crate::base::template::{part, whole};
use rustix::fs::fstat;
use std::io::{self, Read, Write};
use std::path::PathBuf;

/// The hash of the content of a file; `None` for an absent one.
pub(super) type Content = Option<u128>;

/// The entry of the journal for one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) dir: PathBuf,
    /// The directory that had this path; `None` in a journal of an earlier version.
    pub(super) place: Option<DirIdentity>,
    pub(super) name: String,
    /// The file with the new content, and afterwards the one with the old content.
    pub(super) temp: String,
    pub(super) old: Content,
    pub(super) new: Content,
    /// The number of backups that are kept.
    pub(super) keep: u32,
}

/// The direction of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// The new content belongs in the files.
    Forward,
    /// The old content belongs in the files: `temp` of each entry is a copy of it. The text identifies the process that
    /// let other code change them.
    Back(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Journal {
    pub(super) id: String,
    pub(super) direction: Direction,
    pub(super) entries: Vec<Entry>,
}

const MAGIC: &str = "resilience journal 1";
/// The first line of a journal that goes back.
const MAGIC_BACK: &str = "resilience rollback 1";
/// The words before the format in a first line.
const KINDS: [&str; 2] = ["resilience journal ", "resilience rollback "];
const FORMAT: u32 = 1;

fn written(content: Content) -> String {
    content.map_or("absent".to_owned(), |hash| format!("{hash:032x}"))
}

fn read_content(word: &str) -> Option<Content> {
    if word == "absent" {
        return Some(None);
    }
    u128::from_str_radix(word, 16).ok().map(Some)
}

/// Returns the format of a journal that a later version has written.
fn later_format(text: &str) -> Option<u32> {
    let first = text.lines().next()?;
    let format = KINDS.iter().find_map(|kind| first.strip_prefix(kind))?.parse().ok()?;
    (format > FORMAT).then_some(format)
}

/// Returns whether `name` is that of a file in a directory, and leads out of none.
fn is_one_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains('/')
}

/// Returns the id of the journal that is called `name`.
pub(super) fn id_in(name: &str) -> Option<&str> {
    name.strip_prefix(".resilience-")?.strip_suffix(".journal").filter(|id| !id.is_empty())
}

impl Journal {
    fn text(&self) -> String {
        let mut text = match &self.direction {
            Direction::Forward => format!("{MAGIC}\nid {}\n", self.id),
            Direction::Back(by) => format!("{MAGIC_BACK}\nby {by}\nid {}\n", self.id),
        };
        for Entry { dir, place, name, temp, old, new, keep } in &self.entries {
            let (dir, name, temp) = (part(&dir.to_string_lossy()), part(name), part(temp));
            // Earlier versions read no more of a line than they know.
            let place = place.map_or(String::new(), |place| format!(" {place}"));
            let line =
                format!("file {dir} {name} {temp} {} {} {keep}{place}\n", written(*old), written(*new));
            text.push_str(&line);
        }
        let sum = hash(text.as_bytes());
        text + &format!("sum {sum:032x}\n")
    }

    fn parse(text: &str) -> Option<Self> {
        let (body, sum) = text.strip_suffix('\n')?.rsplit_once('\n')?;
        let body = format!("{body}\n");
        let sum = u128::from_str_radix(sum.strip_prefix("sum ")?, 16).ok()?;
        let mut lines = body.lines();
        if sum != hash(body.as_bytes()) {
            return None;
        }
        let direction = match lines.next()? {
            MAGIC => Direction::Forward,
            MAGIC_BACK => Direction::Back(lines.next()?.strip_prefix("by ")?.to_owned()),
            _ => return None,
        };
        let id = lines.next()?.strip_prefix("id ")?.to_owned();
        let entry = |line: &str| {
            let mut words = line.strip_prefix("file ")?.split(' ');
            let mut word = || words.next();
            let entry = Entry {
                dir: PathBuf::from(whole(word()?)),
                name: whole(word()?),
                temp: whole(word()?),
                old: read_content(word()?)?,
                new: read_content(word()?)?,
                keep: word()?.parse().ok()?,
                place: word().map(|place| DirIdentity::parse(place).ok_or(())).transpose().ok()?,
            };
            // Nothing but files of these directories is touched.
            (is_one_name(&entry.name) && is_one_name(&entry.temp)).then_some(entry)
        };
        let entries: Vec<_> = lines.map(entry).collect::<Option<_>>()?;
        (!entries.is_empty()).then_some(Self { id, direction, entries })
    }

    pub(super) fn file_name(&self) -> String {
        format!(".resilience-{}.journal", self.id)
    }

    /// Writes it into `dir`, under the name `new` at first: once this returns, the transaction is committed. An error
    /// is returned as the value if the directory could not be synced afterwards.
    pub(super) fn commit(&self, dir: &Dir, new: &str) -> io::Result<Option<io::Error>> {
        let name = self.file_name();
        let written = dir.create(new).and_then(|mut file| {
            file.write_all(self.text().as_bytes())?;
            sync(&file)
        });
        if let Err(error) = written.and_then(|()| dir.rename_new(new, &name)) {
            let _ = dir.remove(new);
            return Err(error);
        }
        Ok(dir.sync().err())
    }

    /// Reads the journal `name` in `dir`, and the user who owns it; `None` if there is none.
    pub(super) fn read(dir: &Dir, name: &str) -> Result<Option<(Self, u32)>, TransactionError> {
        let path = dir.path.join(name);
        let failed = |error: io::Error| TransactionError::failed(&path, &error);
        let Some(mut file) = dir.read(name).map_err(failed)? else { return Ok(None) };
        let owner = fstat(&file).map_err(|error| failed(error.into()))?.st_uid;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        if let Some(format) = later_format(&text) {
            let words = format!(
                "this journal is of format {format}, and this version of `resilience` reads format {FORMAT}: finish it with \
                 the later version, by opening one of its files"
            );
            return Err(TransactionError::refused(&path, words));
        }
        let reason = "this journal of an earlier transaction is damaged: compare the files that it names with their \
            backups by hand, then remove it";
        let journal = Self::parse(&text).filter(|journal| journal.file_name() == name);
        journal.map(|journal| Some((journal, owner))).ok_or_else(|| TransactionError::corrupt(&path, reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_round_trips_and_damage_is_detected() {
        for direction in [Direction::Forward, Direction::Back("7 1234 4e7b-a".to_owned())] {
            every_damage_is_noticed(direction);
        }
    }

    /// Journals of each released format are read for ever, and those of this one are written byte for byte: also those of
    /// the first version, which did not note which directories it meant.
    #[test]
    fn journals_of_format_1_are_read_and_written() {
        let place = DirIdentity { device: 2049, inode: 131, born: Some((1_700_000_000, 12)) };
        let other = DirIdentity { born: None, ..place };
        for (places, goldens) in [
            ([None, None], [include_str!("golden/journal-1"), include_str!("golden/rollback-1")]),
            (
                [Some(place), Some(other)],
                [include_str!("golden/journal-1-places"), include_str!("golden/rollback-1-places")],
            ),
        ] {
            are_read_and_written(places, goldens);
        }
    }

    fn are_read_and_written(places: [Option<DirIdentity>; 2], [forward, back]: [&str; 2]) {
        let entry = |place, name: &str, old, new, keep| Entry {
            dir: PathBuf::from("/srv/a b"),
            place,
            name: name.to_owned(),
            temp: format!(".{name}-0011-f00d.new"),
            old,
            new,
            keep,
        };
        let [one, other] = places;
        let one = entry(one, "x.conf", Some(1), Some(u128::MAX), 3);
        let entries = vec![one, entry(other, "\u{e4}", None, Some(7), 0)];
        let by = "4711 8526 c0ffee00-0000-4000-8000-000000000000".to_owned();
        for (golden, direction) in [(forward, Direction::Forward), (back, Direction::Back(by))] {
            let journal = Journal { id: "00000000feedf00d".to_owned(), direction, entries: entries.clone() };
            assert_eq!(Journal::parse(golden).as_ref(), Some(&journal));
            assert_eq!(journal.text(), golden);
            assert_eq!(later_format(golden), None);
            assert_eq!(later_format(&golden.replacen(" 1\n", " 12\n", 1)), Some(12));
        }
    }

    #[test]
    fn a_journal_with_paths_outside_its_directories_is_rejected() {
        for (name, temp) in [("a", "../b"), ("a/b", "c"), ("..", "c"), ("a", ""), ("a", "c")] {
            let (dir, name, temp) = (PathBuf::from("/srv"), name.to_owned(), temp.to_owned());
            let is_good = (&*name, &*temp) == ("a", "c");
            let entry = Entry { dir, place: None, name, temp, old: None, new: Some(1), keep: 0 };
            let journal =
                Journal { id: "17".to_owned(), direction: Direction::Forward, entries: vec![entry] };
            assert_eq!(Journal::parse(&journal.text()).is_some(), is_good, "{journal:?}");
        }
    }

    fn every_damage_is_noticed(direction: Direction) {
        let entry = |name: &str, old: Content, new| Entry {
            dir: PathBuf::from("/a b/\n"),
            place: old.map(|_| DirIdentity { device: 1, inode: 2, born: Some((-1, 3)) }),
            name: name.to_owned(),
            temp: format!(".{name}"),
            old,
            new,
            keep: 3,
        };
        let journal = Journal {
            id: "17".to_owned(),
            direction,
            entries: vec![entry("x y", Some(1), None), entry("ä%", None, Some(u128::MAX))],
        };
        let text = journal.text();
        assert_eq!(Journal::parse(&text), Some(journal));
        for end in 0..text.len() {
            assert_eq!(text.get(..end).and_then(Journal::parse), None, "cut at {end}");
        }
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            assert_eq!(
                String::from_utf8(bytes).ok().and_then(|text| Journal::parse(&text)),
                None,
                "flipped at {at}"
            );
        }
    }
}
