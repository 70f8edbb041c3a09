//! What cannot be played: a fixed list, so that an error of the library is never taken for a missing feature.

use std::fmt;

/// A feature that the library does not have, or that this runner does not play.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gap {
    DiskFull,
    CountWindow,
    JitterInMillis,
    JitterOnFloor,
    JitterAboveTen,
    EmptyList,
    ShrinkingWaits,
    WaitAfterMany,
    WaitingCrowd,
    Interrupt,
    Format,
    Nothing,
}

impl Gap {
    pub(crate) const ALL: [Self; 12] = [
        Self::DiskFull,
        Self::CountWindow,
        Self::JitterInMillis,
        Self::JitterOnFloor,
        Self::JitterAboveTen,
        Self::EmptyList,
        Self::ShrinkingWaits,
        Self::WaitAfterMany,
        Self::WaitingCrowd,
        Self::Interrupt,
        Self::Format,
        Self::Nothing,
    ];

    /// The word for it in `verdicts.txt`.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::DiskFull => "disk-full",
            Self::CountWindow => "count-window",
            Self::JitterInMillis => "jitter-in-ms",
            Self::JitterOnFloor => "jitter-on-floor",
            Self::JitterAboveTen => "jitter-above-ten",
            Self::EmptyList => "empty-list",
            Self::ShrinkingWaits => "shrinking-waits",
            Self::WaitAfterMany => "wait-after-many",
            Self::WaitingCrowd => "waiting-crowd",
            Self::Interrupt => "interrupt",
            Self::Format => "format",
            Self::Nothing => "nothing-to-check",
        }
    }

    /// Why a scenario with it is not played.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::DiskFull => "a disk that fills up is played by `tests/fs/full.rs`",
            Self::CountWindow => {
                "a number of failures among a number of calls is a rate only where few calls cannot reach it"
            }
            Self::JitterInMillis => {
                "jitter in milliseconds on a wait that grows: jitter is a range of factors"
            }
            Self::JitterOnFloor => "no setting bounds a jittered wait from below",
            Self::JitterAboveTen => "jitter multiplies a wait by at most 10",
            Self::EmptyList => "waits are a function, which cannot be an empty list",
            Self::ShrinkingWaits => "`increment_ms` is negative: waits do not become shorter",
            Self::WaitAfterMany => "the runner makes every attempt before a wait, and no more than 10,000",
            Self::WaitingCrowd => "a thread of `parallel` would wait, and no clock moves for it",
            Self::Interrupt => "a run is not interrupted from inside: `jobs::cancel` stops it",
            Self::Format => "the runner does not know a word of the scenario",
            Self::Nothing => "no expectation is left that can be checked",
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}
