//! Standard input, which each attempt reads from its beginning.
//!
//! A terminal and `/dev/null` are inherited. A file is inherited, too, and set back to where it began. Input through
//! a pipe is kept, up to 8 MiB, and written to each attempt; with more input an attempt is not repeated.

use rustix::fs::{FileType, SeekFrom, fstat, major, minor, seek};
use std::io::{self, Read as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The bytes of a pipe that are kept for further attempts.
const KEPT: usize = 8 << 20;
/// The bytes that are read ahead of the command once no more are kept.
const AHEAD: usize = 1 << 20;

#[derive(Debug)]
pub(super) enum Input {
    Inherited,
    /// A file that began at this place.
    File(u64),
    Pipe(Arc<Pipe>),
}

/// The input of one attempt.
#[derive(Debug)]
pub(super) enum Source {
    Inherited,
    Pipe(Arc<Pipe>),
}

/// The input of a pipe that was read so far, by a thread of its own.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    kept: Mutex<KeptInput>,
    more: Notify,
    room: Condvar,
}

#[derive(Debug, Default)]
struct KeptInput {
    data: Vec<u8>,
    /// The number of bytes that were dropped before `data`.
    dropped: usize,
    /// The number of bytes that the running attempt has read.
    taken: usize,
    has_ended: bool,
}

impl KeptInput {
    fn end(&self) -> usize {
        self.dropped + self.data.len()
    }
}

impl Input {
    pub(super) const fn inherited() -> Self {
        Self::Inherited
    }

    /// Finds out what standard input is.
    pub(super) fn find() -> io::Result<Self> {
        let stdin = rustix::stdio::stdin();
        let Ok(found) = fstat(stdin) else { return Ok(Self::Inherited) };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => Ok(Self::File(seek(stdin, SeekFrom::Current(0))?)),
            FileType::CharacterDevice => Ok(Self::Inherited),
            FileType::Fifo | FileType::Socket => Ok(Self::Pipe(Arc::default())),
            _ if (major(found.st_rdev), minor(found.st_rdev)) == (1, 3) => Ok(Self::Inherited),
            _ => Ok(Self::Inherited),
        }
    }

    /// Returns the input of the attempt of this number, counted from 1.
    pub(super) fn open(&self, number: u32) -> io::Result<Source> {
        match self {
            Self::Inherited => Ok(Source::Inherited),
            Self::File(began) => {
                seek(rustix::stdio::stdin(), SeekFrom::Start(*began))?;
                Ok(Source::Inherited)
            }
            Self::Pipe(pipe) => {
                if number == 1 {
                    let pipe = Arc::clone(pipe);
                    std::thread::Builder::new().name("stdin".to_owned()).spawn(move || pipe.fill())?;
                }
                pipe.lock().taken = 0;
                Ok(Source::Pipe(Arc::clone(pipe)))
            }
        }
    }

    /// Returns whether a further attempt could not read all of it.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self, Self::Pipe(pipe) if pipe.lock().dropped > 0)
    }
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, KeptInput> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads standard input to its end.
    fn fill(&self) {
        let mut part = vec![0; 64 << 10];
        loop {
            let read = match io::stdin().lock().read(&mut part) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Ok(read) => read,
                Err(_) => 0,
            };
            let mut kept = self.lock();
            kept.data.extend_from_slice(&part[..read]);
            kept.has_ended = read == 0;
            while kept.data.len() > KEPT && kept.end() - kept.taken > AHEAD {
                self.more.notify_one();
                kept = self.room.wait(kept).unwrap_or_else(PoisonError::into_inner);
            }
            self.more.notify_one();
            if kept.has_ended {
                return;
            }
        }
    }

    /// Returns the next part for the running attempt; empty at the end.
    pub(super) async fn next(&self) -> Vec<u8> {
        loop {
            {
                let mut kept = self.lock();
                let begin = kept.taken.max(kept.dropped);
                let part = &kept.data[begin - kept.dropped..];
                if !part.is_empty() {
                    let part = part[..part.len().min(64 << 10)].to_vec();
                    kept.taken = begin + part.len();
                    if kept.data.len() > KEPT {
                        let passed = kept.taken - kept.dropped;
                        kept.data.drain(..passed);
                        kept.dropped += passed;
                    }
                    self.room.notify_one();
                    return part;
                }
                if kept.has_ended {
                    return Vec::new();
                }
            }
            self.more.notified().await;
        }
    }
}
