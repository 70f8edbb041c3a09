//! Why a store refused an operation.

use std::fmt;

/// Bytes that are no record, or not the one that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corrupt {
    /// There are fewer bytes than a record has.
    Short,
    /// The bytes do not begin as a record does.
    NoRecord,
    /// The format is of a later release: the number.
    LaterFormat(u8),
    /// The values are written in a way that this release does not know: its number.
    UnknownCodec(u8),
    /// The checksum does not match the bytes.
    Checksum,
    /// A field holds what no record can hold.
    Field,
    /// It is the record of another key.
    OtherKey,
    /// What the store keeps beside the record contradicts it.
    Contradiction,
}

/// As it reads.
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

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// It cannot be reached or used right now; its own words.
    #[error("the store cannot be used: {0}")]
    Unavailable(String),
    /// The disk is full, or the quota of the user or the limit of a file's size is reached.
    #[error("the store has no room left")]
    Full,
    /// It may not be written to.
    #[error("the store may not be written to")]
    ReadOnly,
    /// A write could not be made durable; nothing more is written until it is opened again.
    #[error("a write to the store could not be made durable; nothing is written until it is opened again")]
    Poisoned,
    /// Its files were removed or replaced while it was open; which, and what to do.
    #[error("the store is lost: {0}")]
    Lost(String),
    /// Where it is kept is not safe; what is wrong with the place.
    #[error("the store was not opened: {0}")]
    Refused(String),
    /// The bytes under a key are no record.
    #[error("the record of `{key}` is damaged: {reason}")]
    Corrupt {
        /// The key.
        key: String,
        /// What is wrong with them.
        reason: Corrupt,
    },
    /// The lease has another holder by now.
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
    /// The job was asked to stop.
    #[error("`{key}` was cancelled")]
    Cancelled {
        /// The job's key.
        key: String,
    },
    /// More bytes than a record may have.
    #[error("{bytes} bytes are more than a record may have")]
    TooLarge {
        /// How many.
        bytes: usize,
    },
}

impl StoreError {
    /// Whether the store itself is out of order, rather than the request.
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

    /// Its name in snake case, which does not change: `read_only`.
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
