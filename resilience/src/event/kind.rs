//! The kinds of events, for choosing some of them.

use super::kinds::Event;
use std::fmt;

macro_rules! kinds {
    ($($kind:ident $name:literal,)*) => {
        /// A kind of event: the variant of [`Event`] with the same name.
        ///
        /// [`Kind::ALL`] has all of them, `as_str` and `Serialize` the name that a serialised event has as `kind`.
        ///
        /// # Examples
        ///
        /// ```
        /// use resilience::events::Kind;
        ///
        /// assert_eq!(Kind::GaveUp.as_str(), "gave_up");
        /// assert!(Kind::ALL.contains(&Kind::Opened));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
        #[non_exhaustive]
        pub enum Kind {
            $(
                #[doc = concat!("That of [`Event::", stringify!($kind), "`].")]
                $kind,
            )*
        }

        impl Kind {
            /// Lists every kind, in the order in which the variants are declared; a later version may have more.
            ///
            /// # Examples
            ///
            /// A handler of everything but the attempts:
            ///
            /// ```
            /// use resilience::events::{self, Kind};
            ///
            /// let kinds = Kind::ALL.iter().copied().filter(|kind| *kind != Kind::AttemptFailed);
            /// let handler = events::on(kinds, |record| println!("{record}"));
            /// handler.remove();
            /// ```
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// Returns the name in snake case: `"gave_up"`.
            ///
            /// It never changes for a variant, so that programs may compare with it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// Returns the kind of `event`.
            pub(crate) const fn of(event: &Event) -> Self {
                match event {
                    $(Event::$kind { .. } => Self::$kind,)*
                }
            }
        }
    };
}

kinds! {
    AttemptFailed "attempt_failed",
    Retrying "retrying",
    Recovered "recovered",
    GaveUp "gave_up",
    Opened "opened",
    HalfOpened "half_opened",
    Closed "closed",
    Rejected "rejected",
    TimedOut "timed_out",
    FellBack "fell_back",
    FailedOver "failed_over",
    Simplified "simplified",
    Hedged "hedged",
    Injected "injected",
    ChaosArmed "chaos_armed",
    ServedStale "served_stale",
    Locked "locked",
    Lost "lost",
    StepRecorded "step_recorded",
    StepReused "step_reused",
    StepRefused "step_refused",
    JobStarted "job_started",
    JobResumed "job_resumed",
    JobDone "job_done",
    JobFailed "job_failed",
    JobInterrupted "job_interrupted",
    RolledBack "rolled_back",
    Alert "alert",
    Health "health",
    Config "config",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of kinds, one bit each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kinds(u64);

impl Kinds {
    pub(crate) fn contain(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u32 > 0
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        Self(kinds.into_iter().fold(0, |bits, kind| bits | 1 << kind as u32))
    }
}
