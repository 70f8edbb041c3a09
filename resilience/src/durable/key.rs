//! Keys: text with values in it, written so that different values never give the same key.

use std::fmt::{Display, Write};

/// A key being put together from the pieces of its template.
#[doc(hidden)]
#[derive(Debug, Default)]
pub struct Key {
    text: String,
}

impl Key {
    /// An empty key.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece of the template as it stands.
    pub fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    /// Adds a value: letters, digits, `_`, `.` and `-` as they are, every other byte as `%XX`.
    pub fn value(mut self, value: &(impl Display + ?Sized)) -> Self {
        // The writer never fails; a `Display` that does leaves what it wrote before.
        let _ = write!(Escaped(&mut self.text), "{value}");
        self
    }

    /// The finished key.
    pub fn finish(self) -> String {
        self.text
    }
}

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

/// `id` as one part of a longer key.
pub(crate) fn part(id: &str) -> String {
    Key::new().value(id).finish()
}

/// The id that [`part`] made a part of a key.
pub(crate) fn whole(part: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = part.as_bytes();
    while let [first, tail @ ..] = rest {
        let escaped =
            tail.get(..2).and_then(|hex| u8::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
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

/// Where the records of jobs, steps and cursors stand in a store.
pub(crate) mod place {
    use super::part;

    pub(crate) const JOBS: &str = "j/";
    /// Steps outside of jobs.
    pub(crate) const STEPS: &str = "c/";

    pub(crate) fn job(id: &str) -> String {
        format!("{JOBS}{id}")
    }

    /// The id of the job whose record stands at `key`.
    pub(crate) fn id(key: &str) -> &str {
        key.strip_prefix(JOBS).unwrap_or(key)
    }

    pub(crate) fn step(job: Option<&str>, key: &str) -> String {
        match job {
            Some(job) => format!("s/{}/{key}", part(job)),
            None => format!("{STEPS}{key}"),
        }
    }

    /// How many steps of a job have ended.
    pub(crate) fn tally(job: &str) -> String {
        format!("n/{}/", part(job))
    }

    /// The undo of what the claim of number `fence` recorded: done again, a step is undone again.
    pub(crate) fn undo(job: &str, step: &str, fence: u64) -> String {
        format!("u/{}/{step}#{fence}", part(job))
    }

    pub(crate) fn cursor(job: Option<&str>, name: &str) -> String {
        match job {
            Some(job) => format!("p/{}/{name}", part(job)),
            None => format!("p//{name}"),
        }
    }

    pub(crate) fn cursors(job: &str) -> String {
        format!("p/{}/", part(job))
    }

    /// Everything that belongs to a job beside its own record.
    pub(crate) fn of_job(job: &str) -> Vec<String> {
        let part = part(job);
        vec![format!("s/{part}/"), format!("u/{part}/"), format!("p/{part}/"), format!("n/{part}/")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_give_keys_that_differ() {
        let key = |a: &str, b: &str| Key::new().text("x:").value(a).text(":").value(b).finish();
        assert_eq!(key("a", "b"), "x:a:b");
        assert_eq!(key("a:b", "c"), "x:a%3Ab:c");
        assert_ne!(key("a:b", "c"), key("a", "b:c"));
        assert_eq!(key("ä%", ""), "x:%C3%A4%25:");
    }

    #[test]
    fn a_part_of_a_key_is_an_id_again() {
        for id in ["", "import:7", "a%20b%2Fc", "%", "%2", "ä/%é"] {
            assert_eq!(whole(&part(id)), id);
        }
        assert_eq!(whole("%zz%4"), "%zz%4", "what was never a part stays as it is");
    }
}
