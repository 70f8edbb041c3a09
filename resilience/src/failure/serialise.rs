//! The serialisation of the words of a class (feature `serde`).

use super::{Category, Code, Severity};
use serde::ser::{Serialize, Serializer};

macro_rules! by_name {
    ($($word:ty),+) => {
        $(
            /// Serialises as its stable name, the result of `as_str`.
            impl Serialize for $word {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.as_str())
                }
            }
        )+
    };
}

by_name!(Category, Severity);

/// Serialises as its text: `503`, `os error 104`.
impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
