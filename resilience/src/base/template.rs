//! Keys rendered from a template: text with values in it, written so that different values never render to
//! the same key.
//!
//! `"{a}:{b}"` with `a = "x:y"` has to differ from one with `b = "y:.."`, or two steps would share a record. So every
//! byte of a value that is not a letter, a digit, `_`, `.` or `-` is written as `%XX`, and the separators of a template
//! never occur in a value. The encoding is that of URLs, can be read by people, and is the same on every platform:
//! keys are in stores that outlive the program.

use std::fmt::{Display, Write};

/// The types whose values can be part of a key.
///
/// Every `Display` type; the trait is there for its message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of a key: it does not implement `Display`",
    label = "has a value of type `{Self}`",
    note = "write a field that does, for instance `{{row.id}}`, or an expression: `format!(\"row:{{}}\", row.id())`"
)]
#[doc(hidden)]
pub trait InTemplate: Display {}

#[diagnostic::do_not_recommend]
impl<T: Display + ?Sized> InTemplate for T {}

/// A key being put together from the pieces of its template.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Key {
    text: String,
    /// Whether a value could not be printed.
    is_broken: bool,
}

impl Key {
    /// Creates an empty key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece of the template as it is.
    pub fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value: letters, digits, `_`, `.` and `-` as they are, every other byte as `%XX`.
    ///
    /// So no value can contain a separator of the template, and two different values are never the same key.
    pub fn value(mut self, value: &(impl InTemplate + ?Sized)) -> Self {
        self.is_broken |= write!(Escaped(&mut self.text), "{value}").is_err();
        self
    }

    /// Returns the finished key.
    ///
    /// It is empty if the `Display` of a value has failed: what that wrote before may be the key of another value.
    pub fn finish(self) -> String {
        if self.is_broken { String::new() } else { self.text }
    }
}

/// Returns `key` as it is printed; an empty text if its `Display` fails.
#[cfg(feature = "durable")]
pub(crate) fn printed(key: impl Display) -> String {
    let mut text = String::new();
    if write!(text, "{key}").is_ok() { text } else { String::new() }
}

/// The part of an empty id, which would leave nothing between two slashes; no other id has this part.
///
/// A percent sign in an id is escaped itself, as `%25`.
#[cfg(any(feature = "durable", feature = "fs", feature = "ops"))]
const EMPTY: &str = "%";

/// Returns `id` as one part of a longer key.
#[cfg(any(feature = "durable", feature = "fs", feature = "ops"))]
pub(crate) fn part(id: &str) -> String {
    if id.is_empty() { EMPTY.to_owned() } else { Key::new().value(id).finish() }
}

/// Returns the id that `part` made a part of a key.
///
/// Text that is not an escape stays unchanged, and bytes that are not valid UTF-8 become U+FFFD.
#[cfg(any(feature = "durable", feature = "fs"))]
pub fn whole(part: &str) -> String {
    if part == EMPTY {
        return String::new();
    }
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        // Rust's parser takes a sign, too.
        let hex = tail.get(..2).filter(|hex| hex.iter().all(u8::is_ascii_hexdigit));
        let escaped = hex.and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        if let Some(byte) = escaped.filter(|_| *first == b'%') {
            bytes.push(byte);
            rest = tail.get(2..).unwrap_or_default();
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A writer that escapes the bytes of a `Display`: no value is printed into a text of its own first.
struct Escaped<'a>(&'a mut String);

impl Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-') {
                self.0.push(char::from(byte));
            } else {
                write!(self.0, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn different_values_give_different_keys() {
        let key = |a: &str, b: &str| Key::new().text("x:").value(a).text(":").value(b).finish();
        assert_eq!(key("a", "b"), "x:a:b");
        assert_eq!(key("a:b", "c"), "x:a%3Ab:c");
        assert_ne!(key("a:b", "c"), key("a", "b:c"));
        assert_eq!(key("ä%", ""), "x:%C3%A4%25:");
    }

    #[test]
    #[cfg(any(feature = "durable", feature = "fs"))]
    fn text_that_is_no_escape_stays_unchanged() {
        for text in ["a%+1", "%-1", "%4", "%", "a%", "%%", "%g0", "% 1", "%\u{663}"] {
            let expected = if text == "%" { "" } else { text };
            assert_eq!(whole(text), expected, "{text}");
        }
        for id in ["a%+1", "%", "", "ä:/", "%41"] {
            assert_eq!(whole(&part(id)), id);
        }
    }
}
