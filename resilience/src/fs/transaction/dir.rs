//! A directory that is opened once, and everything that a transaction does in it.
//!
//! Each operation goes through the descriptor, so that neither a change of the working directory, nor a renamed
//! directory, nor a link put in its place leads elsewhere. Each operation that changes the disk reports its name first,
//! so that a crash test can end the process there.

use crate::base::world::reached;
use rustix::fs::{self, AtFlags, Mode, OFlags, RenameFlags, StatxFlags};
use rustix::io::Errno;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// A directory of targets.
#[derive(Debug)]
pub(super) struct Dir {
    file: File,
    pub(super) path: PathBuf,
}

/// The identity of a file and its content, as far as the system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Seconds and nanoseconds, which each machine has in integers of another size.
    modified: (i128, i128),
    changed: (i128, i128),
}

impl Seen {
    pub(super) fn of(stat: &fs::Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: (stat.st_mtime.into(), stat.st_mtime_nsec.into()),
            changed: (stat.st_ctime.into(), stat.st_ctime_nsec.into()),
        }
    }
}

/// The identity of a directory, by which it is known under another name.
///
/// The time at which it was made differs from that of a later one with the same number. A device may have another number after
/// the system was started again, so that it decides only where the file system keeps no such time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DirIdentity {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) born: Option<(i64, u32)>,
}

impl DirIdentity {
    /// Reads what `Display` has written.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let (device, inode) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
        let born = match words.next() {
            Some(born) => {
                let (seconds, rest) = born.split_once('.')?;
                Some((seconds.parse().ok()?, rest.parse().ok()?))
            }
            None => None,
        };
        Some(Self { device, inode, born })
    }

    /// Returns whether both are of one directory.
    pub(super) fn is(self, other: Self) -> bool {
        let is_same = match (self.born, other.born) {
            (Some(one), Some(other)) => one == other,
            _ => self.device == other.device,
        };
        is_same && self.inode == other.inode
    }
}

impl fmt::Display for DirIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.device, self.inode)?;
        self.born.map_or(Ok(()), |(seconds, rest)| write!(f, ":{seconds}.{rest}"))
    }
}

/// The mode of a file of this library's.
const OWN: Mode = Mode::RUSR.union(Mode::WUSR);

impl Dir {
    /// Opens the directory at `path`, which has no links in it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let file = fs::open(path, flags, Mode::empty())?.into();
        Ok(Self { file, path: path.to_owned() })
    }

    /// Returns its identity.
    pub(super) fn place(&self) -> io::Result<DirIdentity> {
        let flags = StatxFlags::INO | StatxFlags::BTIME;
        match fs::statx(&self.file, "", AtFlags::EMPTY_PATH, flags) {
            Ok(found) => {
                let knows = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
                let born = (found.stx_btime.tv_sec, found.stx_btime.tv_nsec);
                let device = fs::makedev(found.stx_dev_major, found.stx_dev_minor);
                Ok(DirIdentity { device, inode: found.stx_ino, born: knows.then_some(born) })
            }
            // A sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM) => {
                let found = self.status()?;
                Ok(DirIdentity { device: found.st_dev, inode: found.st_ino, born: None })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Returns its own status.
    pub(super) fn status(&self) -> io::Result<fs::Stat> {
        Ok(fs::fstat(&self.file)?)
    }

    /// Returns the numbers of its device and of itself.
    pub(super) fn number(&self) -> io::Result<(u64, u64)> {
        let found = self.status()?;
        Ok((found.st_dev, found.st_ino))
    }

    /// Returns whether both are one directory.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.number().is_ok_and(|number| other.number().is_ok_and(|other| other == number))
    }

    /// Returns whether it is the directory that was noted.
    pub(super) fn is(&self, noted: DirIdentity) -> bool {
        self.place().is_ok_and(|place| place.is(noted))
    }

    /// Returns the status of `name`; `None` if there is no such file.
    pub(super) fn stat(&self, name: &str) -> io::Result<Option<fs::Stat>> {
        match fs::statat(&self.file, name, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(None),
            found => Ok(Some(found?)),
        }
    }

    pub(super) fn statx(&self, name: &str) -> io::Result<fs::Statx> {
        Ok(fs::statx(&self.file, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?)
    }

    /// Opens the file `name` for reading; `None` if there is none.
    pub(super) fn read(&self, name: &str) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        match fs::openat(&self.file, name, flags, Mode::empty()) {
            Err(Errno::NOENT) => Ok(None),
            opened => Ok(Some(opened?.into())),
        }
    }

    /// Makes the file `name`, which must not be there, for this user alone.
    pub(super) fn create(&self, name: &str) -> io::Result<File> {
        let file = self.made(name, OWN)?;
        // Whatever the process's mask has left: it is opened again by its name.
        fs::fchmod(&file, OWN)?;
        Ok(file)
    }

    /// Makes the file `name`, which must not be there, for this user alone as well; returns it with the mode that any
    /// new file gets here, by the process's mask or by the access list that the directory gives to its files.
    pub(super) fn create_new(&self, name: &str) -> io::Result<(File, u32)> {
        let file = self.made(name, Mode::from_raw_mode(0o666))?;
        let mode = fs::fstat(&file)?.st_mode & 0o7777;
        fs::fchmod(&file, OWN)?;
        Ok((file, mode))
    }

    fn made(&self, name: &str, mode: Mode) -> io::Result<File> {
        reached("fs create");
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        Ok(fs::openat(&self.file, name, flags, mode)?.into())
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        reached("fs remove");
        match fs::unlinkat(&self.file, name, AtFlags::empty()) {
            Err(Errno::NOENT) => Ok(()),
            removed => Ok(removed?),
        }
    }

    /// Makes `to` another name of `from`, unless something is called so.
    pub(super) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        reached("fs link");
        Ok(fs::linkat(&self.file, from, &self.file, to, AtFlags::empty())?)
    }

    /// Renames within the directory, unless something is called `to`.
    pub(super) fn rename_new(&self, from: &str, to: &str) -> io::Result<()> {
        reached("fs rename_new");
        match fs::renameat_with(&self.file, from, &self.file, to, RenameFlags::NOREPLACE) {
            // A file system that has no such operation: a link does not replace either.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::linkat(&self.file, from, &self.file, to, AtFlags::empty())?;
                Ok(fs::unlinkat(&self.file, from, AtFlags::empty())?)
            }
            renamed => Ok(renamed?),
        }
    }

    /// Exchanges `new` and `target`. Where the file system cannot, the old one is called `displaced` for a moment.
    pub(super) fn exchange(&self, new: &str, target: &str, displaced: &str) -> io::Result<()> {
        reached("fs exchange");
        match fs::renameat_with(&self.file, new, &self.file, target, RenameFlags::EXCHANGE) {
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                fs::linkat(&self.file, target, &self.file, displaced, AtFlags::empty())?;
                reached("fs exchange, linked");
                fs::renameat(&self.file, new, &self.file, target)?;
                reached("fs exchange, replaced");
                Ok(fs::renameat(&self.file, displaced, &self.file, new)?)
            }
            exchanged => Ok(exchanged?),
        }
    }

    /// Sets the owner, group and mode of the file `name`, which is `found`, to those of `of`, as far as this process
    /// may.
    pub(super) fn adopt(&self, name: &str, found: &fs::Stat, of: &fs::Stat) {
        // The owner writes into it which journal there is.
        let mode = of.st_mode & 0o666 | 0o600;
        let is_same = (found.st_uid, found.st_gid, found.st_mode & 0o777) == (of.st_uid, of.st_gid, mode);
        if let Some(file) = self.read(name).ok().flatten().filter(|_| !is_same) {
            let owner = (fs::Uid::from_raw(of.st_uid), fs::Gid::from_raw(of.st_gid));
            let _ = fs::fchown(&file, Some(owner.0), Some(owner.1));
            let _ = fs::fchmod(&file, Mode::from_raw_mode(mode));
        }
    }

    /// Makes the names in it survive a power cut.
    pub(super) fn sync(&self) -> io::Result<()> {
        reached("fs sync dir");
        self.file.sync_all()
    }

    /// Returns the bytes that this user may still write.
    pub(super) fn free(&self) -> io::Result<u64> {
        let found = fs::fstatvfs(&self.file)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    /// Returns the names in it that begin with a dot.
    pub(super) fn neighbours(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::Dir::read_from(&self.file)? {
            let entry = entry?;
            if let Ok(name) = entry.file_name().to_str()
                && name.starts_with('.')
                && !matches!(name, "." | "..")
            {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}

/// Syncs the content of `file`. An error is final for the file: the kernel may have dropped what it could not write.
pub(super) fn sync(file: &File) -> io::Result<()> {
    reached("fs sync");
    file.sync_all()
}
