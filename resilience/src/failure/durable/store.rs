//! Why a store refused an operation.

use std::fmt;

/// The damage of bytes that are not a record, or not the requested one.
///
/// The bytes are never deleted: a store moves them into quarantine, where `jobs` and `checkpoints` list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corrupt {
    /// There are fewer bytes than the smallest record has: a write was torn, or the file cut off.
    Short,
    /// The bytes do not begin as a record does: something else wrote them.
    NoRecord,
    /// The format is of a later release, whose number this is. The record is sound: run that release.
    LaterFormat(u8),
    /// The values are encoded in a way that this release does not know, whose number this is.
    UnknownCodec(u8),
    /// The checksum does not match the bytes: the disk, the memory or a person changed them.
    Checksum,
    /// A field holds what no record can hold, though the checksum matches.
    Field,
    /// The bytes are the record of another key: it was copied or moved.
    OtherKey,
    /// The columns of the store contradict the record.
    Contradiction,
}

impl Corrupt {
    /// Returns whether the bytes are sound and of a later release, for which they are left where they are.
    pub(crate) const fn is_of_later_release(self) -> bool {
        matches!(self, Self::LaterFormat(_) | Self::UnknownCodec(_))
    }
}

/// Serialises like its `Display`.
impl serde::Serialize for Corrupt {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Corrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short => f.write_str("too short for a record"),
            Self::NoRecord => f.write_str("no record"),
            Self::LaterFormat(format) => write!(f, "format {format} is of a later release"),
            Self::UnknownCodec(codec) => write!(f, "codec {codec} is not known to this release"),
            Self::Checksum => f.write_str("the checksum does not match"),
            Self::Field => f.write_str("a field holds what no record can hold"),
            Self::OtherKey => f.write_str("the record of another key"),
            Self::Contradiction => f.write_str("the store's own columns contradict it"),
        }
    }
}

/// The reason why a store failed.
///
/// Either the store itself is out of order ([`is_outage`](Self::is_outage)), or the request cannot be done as
/// things are now. A store of your own returns the variant that fits: the library decides by them.
///
/// | variant | what to do |
/// |---|---|
/// | `Unavailable` | check that the store can be reached; nothing was recorded, or it is not known |
/// | `Full` | make room, then call again |
/// | `ReadOnly` | correct the permissions or the mount |
/// | `Poisoned` | restart the process once the disk works; what was acknowledged is safe |
/// | `Lost` | follow the text: the files were removed or replaced while they were open |
/// | `Refused` | correct the place: the text says what is not safe about it |
/// | `Corrupt` | inspect the quarantined bytes, then `rerun` or restore a backup |
/// | `Fenced` | find what kept the process from renewing its lease |
/// | `Conflict` | read the record again; another process changed it |
/// | `Cancelled` | nothing: a person asked the job to stop |
/// | `TooLarge` | store the value elsewhere, and record a reference to it |
///
/// # Examples
///
/// ```
/// use resilience::durable::StoreError;
///
/// let error = StoreError::Unavailable("connection refused".into());
/// assert!(error.is_outage());
/// assert_eq!(error.as_str(), "unavailable");
/// assert_eq!(error.to_string(), "the store cannot be used: connection refused");
/// assert!(!StoreError::Fenced { key: "import:7".into() }.is_outage());
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The store cannot be reached or used right now; the text is its own.
    ///
    /// A write that failed in this way may have happened.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// The disk is full, or the quota of the user or the limit of a file's size is reached.
    #[error("the store has no room left")]
    Full,
    /// The store may not be written to: permissions, or a file system mounted read-only.
    #[error("the store may not be written to")]
    ReadOnly,
    /// A write could not be made durable; nothing more is written until the store is opened again.
    ///
    /// After a failed sync the operating system may have dropped the data, so that repeating the sync proves
    /// nothing.
    #[error("a write to the store could not be made durable; nothing is written until it is opened again")]
    Poisoned,
    /// The files of the store were removed or replaced while it was open; which, and what to do.
    #[error("the store is lost: {0}")]
    Lost(String),
    /// The place of the store is not safe, for instance writable by other users; the text has the reason.
    #[error("the store was not opened: {0}")]
    Refused(String),
    /// The bytes under a key are not a record.
    #[error("the record of `{key}` is damaged: {reason}")]
    Corrupt {
        /// The key.
        key: String,
        /// The damage.
        reason: Corrupt,
    },
    /// The lease has another holder by now, so that this one may not write.
    #[error("the lease of `{key}` was lost to another holder")]
    Fenced {
        /// The key whose lease it is.
        key: String,
    },
    /// The record changed since it was read.
    #[error("the record of `{key}` changed meanwhile")]
    Conflict {
        /// The key.
        key: String,
    },
    /// The job was asked to stop, with `jobs::cancel`.
    #[error("`{key}` was cancelled")]
    Cancelled {
        /// The job's key.
        key: String,
    },
    /// The value has more bytes than a record may have: 1 MiB in every store.
    #[error("{bytes} bytes are more than a record may have (1 MiB)")]
    TooLarge {
        /// The size of the value.
        bytes: usize,
    },
}

impl StoreError {
    /// Returns whether the store itself is out of order, rather than the request.
    ///
    /// `on_store_error = run` of a [`Checkpoint`](crate::durable::Checkpoint) applies to these.
    pub fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_)
                | Self::Full
                | Self::ReadOnly
                | Self::Poisoned
                | Self::Lost(_)
                | Self::Refused(_)
        )
    }

    /// Returns its name in snake case, which does not change: `"read_only"`.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "unavailable",
            Self::Full => "full",
            Self::ReadOnly => "read_only",
            Self::Poisoned => "poisoned",
            Self::Lost(_) => "lost",
            Self::Refused(_) => "refused",
            Self::Corrupt { .. } => "corrupt",
            Self::Fenced { .. } => "fenced",
            Self::Conflict { .. } => "conflict",
            Self::Cancelled { .. } => "cancelled",
            Self::TooLarge { .. } => "too_large",
        }
    }
}
