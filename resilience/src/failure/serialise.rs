//! What the feature `serde` adds: the words of a class, written for other programs.

use super::{Category, Code, Severity};
use serde::ser::{Serialize, Serializer};

macro_rules! by_name {
    ($($word:ty),+) => {
        $(
            /// As its stable name: what `as_str` gives.
            impl Serialize for $word {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.as_str())
                }
            }
        )+
    };
}

by_name!(Category, Severity);

/// As its text: `503`, `os error 104`.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
