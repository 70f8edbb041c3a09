//! Standard output of an attempt, held back until it is known to be the last one.
//!
//! Output is held in memory up to 1 MiB, then in a file without a name up to the limit; beyond that, or if the file cannot
//! be written, all of it is passed on, and the attempt is not repeated. When the reader of the passed output has gone, the pipe of the command is
//! closed, so that it gets SIGPIPE as in a pipeline.

use crate::print;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::ChildStdout;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

const IN_MEMORY: usize = 1 << 20;
/// The time for which a pipe is read whose command has ended, and for which it may be empty then.
const AFTER: Duration = Duration::from_secs(1);
const EMPTY: Duration = Duration::from_millis(20);

/// The destination of the output of an attempt.
#[derive(Clone, Copy, Debug)]
pub(super) enum Output {
    Inherited,
    /// Held back, up to this number of bytes.
    Held(u64),
}

impl Output {
    pub(super) fn stdio(self) -> Stdio {
        match self {
            Self::Inherited => Stdio::inherit(),
            Self::Held(_) => Stdio::piped(),
        }
    }
}

/// The output of one attempt that was held back.
#[derive(Debug, Default)]
pub(super) struct Captured {
    memory: Vec<u8>,
    /// A file, and the number of bytes that it holds.
    file: Option<(File, u64)>,
    len: u64,
    has_passed: bool,
    /// Why it could not be held in a file.
    not_held: Option<io::Error>,
}

impl Captured {
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Returns whether the output was too large to be held back.
    pub(super) fn has_passed(&self) -> bool {
        self.has_passed
    }

    /// Returns why the output could not be held back, below the limit.
    pub(super) fn not_held(&self) -> Option<&io::Error> {
        self.not_held.as_ref()
    }

    /// Returns all of the output, if it was held back.
    pub(super) fn bytes(&self) -> io::Result<Vec<u8>> {
        let Some((file, _)) = &self.file else { return Ok(self.memory.clone()) };
        let (mut file, mut all) = (file.try_clone()?, Vec::new());
        file.seek(SeekFrom::Start(0))?;
        file.read_to_end(&mut all)?;
        Ok(all)
    }

    /// Adds `part`; whether what follows has a reader.
    async fn add(&mut self, part: &[u8], limit: u64) -> io::Result<bool> {
        self.len += part.len() as u64;
        if !self.has_passed {
            if self.len <= limit {
                match self.hold(part) {
                    Ok(()) => return Ok(true),
                    Err(error) => self.not_held = Some(error),
                }
            }
            self.has_passed = true;
            if !self.pass().await? {
                return Ok(false);
            }
        }
        write(part).await
    }

    /// Holds `part` back. After an error what was held before is still there.
    fn hold(&mut self, part: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some((file, held)) => {
                file.write_all(part)?;
                *held += part.len() as u64;
            }
            None if self.memory.len() + part.len() <= IN_MEMORY => self.memory.extend_from_slice(part),
            None => {
                let mut file = tempfile::tempfile()?;
                file.write_all(&self.memory)?;
                file.write_all(part)?;
                (self.file, self.memory) = (Some((file, self.len)), Vec::new());
            }
        }
        Ok(())
    }

    /// Writes the output that was held back to standard output.
    pub(super) async fn pass_on(mut self) -> io::Result<()> {
        self.pass().await.map(drop)
    }

    async fn pass(&mut self) -> io::Result<bool> {
        let mut is_read = write(&std::mem::take(&mut self.memory)).await?;
        let Some((mut file, held)) = self.file.take() else { return Ok(is_read) };
        file.seek(SeekFrom::Start(0))?;
        // The last part may have been written to a half.
        let mut file = file.take(held);
        let mut part = vec![0; 64 << 10];
        while is_read {
            match file.read(&mut part)? {
                0 => break,
                read => is_read = write(&part[..read]).await?,
            }
        }
        Ok(is_read)
    }
}

/// Writes to standard output; whether its reader is still there.
async fn write(part: &[u8]) -> io::Result<bool> {
    let mut out = tokio::io::stdout();
    let written = async {
        out.write_all(part).await?;
        out.flush().await
    };
    match written.await {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(io::Error::new(error.kind(), print::not_written(&error))),
    }
}

/// Reads `pipe` until its end, until its output has no reader, or until the command has `ended` and what it wrote has
/// been read.
pub(super) async fn capture(
    mut pipe: ChildStdout,
    limit: u64,
    mut ended: oneshot::Receiver<()>,
) -> io::Result<Captured> {
    let (mut captured, mut part) = (Captured::default(), vec![0; 64 << 10]);
    let until = loop {
        tokio::select! {
            read = pipe.read(&mut part) => match read? {
                0 => return Ok(captured),
                read if captured.add(&part[..read], limit).await? => {}
                _ => return Ok(captured),
            },
            _ = &mut ended => break Instant::now() + AFTER,
        }
    };
    // Another process may hold the pipe open for ever.
    while Instant::now() < until {
        match timeout(EMPTY, pipe.read(&mut part)).await {
            Err(_) | Ok(Ok(0)) => break,
            Ok(read) => {
                let read = read?;
                if !captured.add(&part[..read], limit).await? {
                    break;
                }
            }
        }
    }
    Ok(captured)
}
