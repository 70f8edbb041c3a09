//! Damage in SQLite's write-ahead log, found before SQLite reads it.
//!
//! SQLite stops at the first frame whose checksum is wrong and forgets all that follow: acknowledged records would be
//! gone without a word. Every commit of this crate is on disk before the next one begins, so a power cut can tear the
//! last transaction only. Valid frames of a further transaction behind a damaged one are damage.
//!
//! The format is that of <https://www.sqlite.org/fileformat2.html#walformat>.

use crate::base::regular_file::open_to_read;
use std::io::{BufReader, Read};
use std::path::Path;

/// Bytes of the log's header, and of the one before each page.
const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// Returns the number of the first damaged frame of the log at `path`, from 1; `None` for a sound log, or without a
/// log.
pub(super) fn damage(path: &Path) -> Option<usize> {
    crate::durable::moment::reached("in log");
    // Read part by part: while another program reads the store, its log grows beyond what memory holds.
    let open = || Log::new(BufReader::with_capacity(1 << 20, open_to_read(path).ok()?));
    // Another process may restart the log while it is read: then the header has changed.
    for _ in 0..3 {
        let log = open()?;
        let header = log.header;
        let found = log.damage()?;
        let again = open()?;
        if again.header == header && again.damage() == Some(found) {
            return Some(found);
        }
    }
    None
}

/// Two sums, as SQLite makes them.
type Sums = (u32, u32);

/// A log as its header describes it: the pages that follow, and with what each frame is signed.
struct Log<R> {
    header: [u8; HEADER],
    frames: R,
    page: usize,
    first: Sums,
    big_endian: bool,
}

impl<R: Read> Log<R> {
    /// Returns `None` if the header is none: SQLite treats such a log as empty, and so it is after it was moved into
    /// the tables.
    fn new(mut log: R) -> Option<Self> {
        let mut header = [0; HEADER];
        log.read_exact(&mut header).ok()?;
        let magic = number(&header, 0)?;
        if magic & !1 != 0x377f_0682 {
            return None;
        }
        let page = match number(&header, 8)? {
            1 => 65_536,
            page => usize::try_from(page).ok().filter(|page| *page <= 65_536)?,
        };
        let first = (number(&header, 24)?, number(&header, 28)?);
        let log = Self { header, frames: log, page, first, big_endian: magic & 1 == 1 };
        (log.sums((0, 0), header.get(..24)?) == first && page >= 512).then_some(log)
    }

    fn sums(&self, (mut one, mut other): Sums, bytes: &[u8]) -> Sums {
        let word = |bytes: &[u8]| {
            let word = bytes.try_into().unwrap_or_default();
            if self.big_endian { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) }
        };
        for pair in bytes.chunks_exact(8) {
            let (first, second) = pair.split_at(4);
            one = one.wrapping_add(word(first)).wrapping_add(other);
            other = other.wrapping_add(word(second)).wrapping_add(one);
        }
        (one, other)
    }

    fn is_signed(&self, frame: &[u8]) -> bool {
        frame.get(8..16) == self.header.get(16..24)
    }

    /// Returns whether `frame` follows one with the sums `before`.
    fn follows(&self, frame: &[u8], before: Sums) -> bool {
        let (Some(start), Some(page)) = (frame.get(..8), frame.get(FRAME_HEADER..)) else { return false };
        // Nearly all frames behind the end of a log are signed otherwise.
        self.is_signed(frame) && Some(self.sums(self.sums(before, start), page)) == stored(frame)
    }

    fn damage(mut self) -> Option<usize> {
        let mut frame = vec![0; FRAME_HEADER + self.page];
        let (mut before, mut number, mut damaged, mut has_ended) = (self.first, 0, None, false);
        while self.frames.read_exact(&mut frame).is_ok() {
            number += 1;
            let is_sound = self.follows(&frame, before);
            before = stored(&frame).unwrap_or_default();
            // A process that dies after writing a transaction and before notifying the others leaves its frames behind,
            // and the next writer overwrites the first of them. Such a rest ends with its transaction; in damage another
            // one follows. What a damaged frame says of itself may be right.
            if is_sound && has_ended && damaged.is_some() {
                return damaged;
            }
            if !is_sound {
                damaged = damaged.or(Some(number));
            }
            has_ended = damaged.is_some() && self.is_signed(&frame) && commits(&frame);
        }
        None
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}

/// Returns the sums that a frame states.
fn stored(frame: &[u8]) -> Option<Sums> {
    Some((number(frame, 16)?, number(frame, 20)?))
}

/// Returns whether a frame is the last one of a transaction.
fn commits(frame: &[u8]) -> bool {
    number(frame, 4).is_some_and(|pages| pages != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    /// Returns the log of a few transactions, and a directory that is gone afterwards.
    fn log() -> Vec<u8> {
        let dir = std::env::temp_dir()
            .join(format!("resilience-wal-{}", crate::durable::store::owners::new_name()));
        std::fs::create_dir(&dir).unwrap();
        let connection = Connection::open(dir.join("file")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
        for number in 0..6 {
            connection.execute("INSERT INTO t VALUES (?1)", [number]).unwrap();
        }
        let log = std::fs::read(dir.join("file-wal")).unwrap();
        drop(connection);
        std::fs::remove_dir_all(dir).unwrap();
        log
    }

    fn damage(log: &[u8]) -> Option<usize> {
        Log::new(log)?.damage()
    }

    #[test]
    fn a_damaged_frame_is_found_and_a_torn_end_is_not_damage() {
        let log = log();
        assert_eq!(damage(&log), None);
        let frame = FRAME_HEADER + Log::new(&*log).unwrap().page;
        let frames = (log.len() - HEADER) / frame;
        for number in 0..frames {
            for at in [0, 9, 17, FRAME_HEADER + 100] {
                let mut damaged = log.clone();
                damaged[HEADER + number * frame + at] ^= 1;
                // One transaction, or the damage of a frame that no longer says where its own ended.
                let expected = if number + 2 < frames { Some(number + 1) } else { damage(&damaged) };
                assert_eq!(damage(&damaged), expected, "frame {number}, byte {at}");
                damaged.resize(damaged.len() + 65_536, 0);
                assert_eq!(damage(&damaged), expected, "frame {number}, byte {at}, and zeros that follow");
            }
        }
        for end in (0..log.len()).step_by(97) {
            assert_eq!(damage(&log[..end]), None, "cut at {end}");
        }
    }

    /// Returns the log after `base` with one more transaction, of an insert of `bytes` bytes.
    fn continued(base: &Path, bytes: u32) -> Vec<u8> {
        let dir = std::env::temp_dir()
            .join(format!("resilience-wal-{}", crate::durable::store::owners::new_name()));
        std::fs::create_dir(&dir).unwrap();
        for name in ["file", "file-wal"] {
            std::fs::copy(base.join(name), dir.join(name)).unwrap();
        }
        let connection = Connection::open(dir.join("file")).unwrap();
        connection.execute("INSERT INTO t VALUES (zeroblob(?1))", [bytes]).unwrap();
        let log = std::fs::read(dir.join("file-wal")).unwrap();
        drop(connection);
        std::fs::remove_dir_all(dir).unwrap();
        log
    }

    #[test]
    fn stale_frames_of_two_crashes_are_not_damage() {
        let base = std::env::temp_dir()
            .join(format!("resilience-wal-{}", crate::durable::store::owners::new_name()));
        std::fs::create_dir(&base).unwrap();
        let connection = Connection::open(base.join("file")).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
        let longest = continued(&base, 60_000);
        let longer = continued(&base, 20_000);
        let mut log = continued(&base, 10);
        drop(connection);
        std::fs::remove_dir_all(base).unwrap();
        let frame = FRAME_HEADER + Log::new(&*log).unwrap().page;
        assert!(log.len() < longer.len() && longer.len() + 2 * frame <= longest.len());
        log.extend_from_slice(&longer[log.len()..]);
        log.extend_from_slice(&longest[log.len()..]);
        assert_eq!(damage(&log), None);
    }
}
