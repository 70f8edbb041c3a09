//! The metadata of a file besides its content: owner, group, mode, and extended attributes, among them access lists and
//! security labels.

use crate::base::files::own_user;
use rustix::fs::{self, Gid, Mode, Stat, StatxAttributes, Uid, XattrFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;

/// The metadata that the new content takes over from the old one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meta {
    /// `None` for a new file.
    owner: Option<(u32, u32)>,
    mode: u32,
    attributes: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The most bytes of a list of names or of a value; Linux allows no more.
const LARGEST: usize = 64 << 10;

fn names(file: &File) -> Result<Vec<Vec<u8>>, Errno> {
    let mut list = vec![0_u8; LARGEST];
    let length = match fs::flistxattr(file, &mut list[..]) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => 0,
        length => length?,
    };
    let list = list.get(..length).unwrap_or_default();
    Ok(list.split(|byte| *byte == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect())
}

fn value(file: &File, name: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let mut value = vec![0_u8; LARGEST];
    match fs::fgetxattr(file, name, &mut value[..]) {
        Err(Errno::NODATA) => Ok(None),
        length => {
            value.truncate(length?);
            Ok(Some(value))
        }
    }
}

impl Meta {
    /// Returns the metadata of a new file, to which its directory has given `mode`.
    pub(super) fn of_new(mode: u32) -> Self {
        Self { owner: None, mode, attributes: Vec::new() }
    }

    /// Returns whether it is that of a new file.
    pub(super) fn is_of_new(&self) -> bool {
        self.owner.is_none()
    }

    /// Returns whether this process may open a file with this metadata to read it.
    pub(super) fn may_be_read_again(&self) -> bool {
        self.owner.is_some() || self.mode & 0o400 != 0 || own_user().is_none_or(|own| own == 0)
    }

    pub(super) fn of(file: &File, stat: &Stat) -> io::Result<Self> {
        let mut attributes = Vec::new();
        for name in names(file)? {
            if let Some(value) = value(file, &name)? {
                attributes.push((name, value));
            }
        }
        // File systems list them in orders of their own.
        attributes.sort();
        Ok(Self { owner: Some((stat.st_uid, stat.st_gid)), mode: stat.st_mode & 0o7777, attributes })
    }

    /// Sets all of it on `file`.
    ///
    /// # Errors
    ///
    /// What cannot be given, in words.
    pub(super) fn give(&self, file: &File) -> Result<(), String> {
        if let Some((user, group)) = self.owner {
            let found = fs::fstat(file).map_err(|error| error.to_string())?;
            if (found.st_uid, found.st_gid) != (user, group) {
                let owner = (Some(Uid::from_raw(user)), Some(Gid::from_raw(group)));
                fs::fchown(file, owner.0, owner.1).map_err(|error| {
                    format!("it belongs to user {user} and group {group}, which this process may not give away ({error})")
                })?;
            }
            let words = |name: &[u8], error: Errno| {
                format!("its extended attribute {} cannot be kept ({error})", String::from_utf8_lossy(name))
            };
            for name in names(file).map_err(|error| error.to_string())? {
                if !self.attributes.iter().any(|(kept, _)| *kept == name) {
                    fs::fremovexattr(file, &name[..]).map_err(|error| words(&name, error))?;
                }
            }
            for (name, kept) in &self.attributes {
                if value(file, name).ok().flatten().as_ref() != Some(kept) {
                    fs::fsetxattr(file, &name[..], kept, XattrFlags::empty())
                        .map_err(|error| words(name, error))?;
                }
            }
        }
        // The last: a change of the owner takes bits of the mode away.
        fs::fchmod(file, Mode::from_raw_mode(self.mode))
            .map_err(|error| format!("its mode cannot be kept ({error})"))
    }
}

/// Returns why a file with these attributes cannot be replaced.
pub(super) fn unreplaceable(found: &fs::Statx) -> Option<&'static str> {
    let has = |attribute| found.stx_attributes.contains(attribute);
    if has(StatxAttributes::IMMUTABLE) {
        return Some("it is immutable: `chattr -i` allows changes");
    }
    if has(StatxAttributes::APPEND) {
        return Some("it may only be appended to: `chattr -a` allows other changes");
    }
    has(StatxAttributes::MOUNT_ROOT).then_some(
        "it is a mount point of its own, such as a file in a container: edit it where it is mounted from",
    )
}
