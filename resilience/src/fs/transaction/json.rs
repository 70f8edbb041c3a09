//! Changing single values in the text of a JSON file.
//!
//! The text is never rewritten from a tree of values: that would sort keys, round numbers and change the layout.
//! The text has been checked as a whole before, so that the scanner only has to find where values begin and
//! end.

use super::error::TransactionError;
use super::target::Draft;
use crate::base::finite;
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// The text of a JSON file in which single values are read and changed; see [`Draft::edit_json`].
///
/// Everything else stays as it was written: the order of keys, numbers of any size, the layout and the end of the file.
/// Values are named by pointers as in RFC 6901: `/tasks/0/state` is the member `state` of the first item of `tasks`,
/// with `~1` for a `/` in a key and `~0` for a `~`. The empty pointer is the whole text. Of keys that are there twice
/// the last one counts.
///
/// # Examples
///
/// ```
/// use resilience::fs::{Transaction, TransactionError};
///
/// # let dir = std::env::temp_dir().join(format!("resilience-json-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let path = dir.join("tasks.json");
/// std::fs::write(&path, r#"{"tasks": [{"id": 7, "state": "open"}]}"#).unwrap();
/// Transaction::edit(&path, |file| {
///     file.edit_json(|json| {
///         assert_eq!(json.get::<u32>("/tasks/0/id")?, Some(7));
///         json.set("/tasks/0/state", "done")?;
///         json.set("/tasks/-", &[8, 9])?;
///         assert!(json.remove("/tasks/0/id")?);
///         Ok::<(), TransactionError>(())
///     })
/// })?;
/// assert_eq!(std::fs::read_to_string(&path).unwrap(), r#"{"tasks": [{"state": "done"},[8,9]]}"#);
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), TransactionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Json {
    path: PathBuf,
    text: String,
}

impl Draft {
    /// Lets `body` change values in the file, which is a JSON text.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Corrupt`] with line and column if the file is empty or no JSON, `Failed` with `NotFound` if
    /// there is none, and the errors of `body`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, TransactionError};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-edit-json-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("tasks.json");
    /// std::fs::write(&path, "{\"z\": 10000000000000000000000, \"TASK-1\": {\"state\": \"open\"}}\n").unwrap();
    /// Transaction::edit(&path, |file| file.edit_json(|json| json.set("/TASK-1/state", "done")))?;
    /// let text = std::fs::read_to_string(&path).unwrap();
    /// assert_eq!(text, "{\"z\": 10000000000000000000000, \"TASK-1\": {\"state\": \"done\"}}\n");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), TransactionError>(())
    /// ```
    #[cfg_attr(docsrs, doc(cfg(all(feature = "serde", feature = "serde_json"))))]
    pub fn edit_json<T, E: From<TransactionError>>(
        &mut self,
        body: impl FnOnce(&mut Json) -> Result<T, E>,
    ) -> Result<T, E> {
        let path = self.path().to_owned();
        let failed = |error: io::Error| TransactionError::failed(&path, &error);
        let bytes = self.read().map_err(failed)?;
        let mut json = Json::parse(&path, bytes)?;
        let value = body(&mut json)?;
        self.write(json.text).map_err(failed)?;
        Ok(value)
    }
}

impl Json {
    fn parse(path: &Path, bytes: Vec<u8>) -> Result<Self, TransactionError> {
        let corrupt = |reason: String| TransactionError::Corrupt { path: path.to_owned(), reason };
        if let Err(error) = serde_json::from_slice::<IgnoredAny>(&bytes) {
            return Err(corrupt(format!("it is not JSON: {error}")));
        }
        let text = String::from_utf8(bytes).map_err(|error| {
            let line = error.as_bytes().iter().take(error.utf8_error().valid_up_to());
            corrupt(format!(
                "it is not valid UTF-8 at line {}",
                line.filter(|byte| **byte == b'\n').count() + 1
            ))
        })?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Returns the whole text, with the changes so far.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, TransactionError};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-json-text-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("tasks.json");
    /// std::fs::write(&path, "{\"n\": 1}\n").unwrap();
    /// Transaction::edit(&path, |file| {
    ///     file.edit_json(|json| {
    ///         json.set("/n", &2)?;
    ///         assert_eq!(json.text(), "{\"n\": 2}\n");
    ///         Ok::<(), TransactionError>(())
    ///     })
    /// })?;
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), TransactionError>(())
    /// ```
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the value at `pointer`; `None` if there is none.
    ///
    /// A `null` is there: read it as an `Option` or as `serde_json::Value`. An index beyond the end of an array, and a
    /// part behind a number or a text, name nothing.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Refused`] if the value is not a `T`, or the pointer is not valid.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, TransactionError};
    /// use serde_json::Value;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-json-get-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("tasks.json");
    /// std::fs::write(&path, r#"{"a/b": [1, null], "name": "x"}"#).unwrap();
    /// Transaction::edit(&path, |file| {
    ///     file.edit_json(|json| {
    ///         assert_eq!(json.get::<u32>("/a~1b/0")?, Some(1));
    ///         assert_eq!(json.get::<Value>("/a~1b/1")?, Some(Value::Null), "there, and null");
    ///         assert_eq!(json.get::<u32>("/a~1b/2")?, None, "not there");
    ///         assert!(json.get::<u32>("/name").is_err(), "there, and no number");
    ///         Ok::<(), TransactionError>(())
    ///     })
    /// })?;
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), TransactionError>(())
    /// ```
    pub fn get<T: DeserializeOwned>(&self, pointer: &str) -> Result<Option<T>, TransactionError> {
        let MemberPlace::There { value, .. } = self.find(pointer)? else { return Ok(None) };
        let text = self.text.get(value).unwrap_or_default();
        serde_json::from_str(text).map(Some).map_err(|error| self.refused(pointer, &error.to_string()))
    }

    /// Replaces the value at `pointer`, or adds it to its object or, with the pointer's last part `-`, to its array.
    ///
    /// A float that JSON cannot write, such as an infinite one, becomes `null`, as `serde_json` has it.
    ///
    /// After an error the text is as it was. Of the members in between none is made: `/a/b` needs an object or array at
    /// `/a`.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Refused`] if there is no object or array to add it to, or the value cannot be written:
    /// NaN and the infinities, for instance, are no numbers in JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, TransactionError};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-json-set-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("tasks.json");
    /// std::fs::write(&path, "{\n  \"n\": 1\n}\n").unwrap();
    /// Transaction::edit(&path, |file| {
    ///     file.edit_json(|json| {
    ///         json.set("/n", &2)?;
    ///         json.set("/name", "x")?;
    ///         assert!(json.set("/no/such", &3).is_err());
    ///         Ok::<(), TransactionError>(())
    ///     })
    /// })?;
    /// assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\n  \"n\": 2,\n  \"name\": \"x\"\n}\n");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), TransactionError>(())
    /// ```
    pub fn set<T: Serialize + ?Sized>(&mut self, pointer: &str, value: &T) -> Result<(), TransactionError> {
        let (range, new) = match self.find(pointer)? {
            MemberPlace::There { member, value: range, .. } => {
                let new = self.written(pointer, value, &self.indent_at(member.start))?;
                (range, new)
            }
            MemberPlace::Missing { container, key } => {
                self.added(pointer, container, key.as_deref(), value)?
            }
            MemberPlace::Nowhere => {
                return Err(self.refused(pointer, "there is no object or array to add it to"));
            }
        };
        self.text.replace_range(range, &new);
        Ok(())
    }

    /// Removes the value at `pointer` with its key, also if it is there twice; returns whether there was one.
    ///
    /// The comma beside it goes as well. Items behind it in an array move forward, so that a pointer to one of them
    /// names another item afterwards.
    ///
    /// # Errors
    ///
    /// [`TransactionError::Refused`] for the whole text, or if the pointer is not valid.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, TransactionError};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-json-remove-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("tasks.json");
    /// std::fs::write(&path, "{\"a\": 1, \"b\": 2}\n").unwrap();
    /// Transaction::edit(&path, |file| {
    ///     file.edit_json(|json| {
    ///         assert!(json.remove("/b")?);
    ///         assert!(!json.remove("/b")?, "it is gone");
    ///         Ok::<(), TransactionError>(())
    ///     })
    /// })?;
    /// assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"a\": 1}\n");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), TransactionError>(())
    /// ```
    pub fn remove(&mut self, pointer: &str) -> Result<bool, TransactionError> {
        let mut is_removed = false;
        // A key that is there twice would be read from its first place afterwards.
        while let MemberPlace::There { member, value, container } = self.find(pointer)? {
            let Some(container) = container else {
                return Err(self.refused(pointer, "the whole text stays"));
            };
            let members = self.members(container.start);
            let at = members.iter().position(|other| other.start == member.start).unwrap_or_default();
            let before = at.checked_sub(1).and_then(|before| members.get(before));
            let range = match (before, members.get(at + 1)) {
                (Some(before), _) => before.value.end..value.end,
                (None, Some(next)) => member.start..next.start,
                (None, None) => container.start + 1..container.end - 1,
            };
            let is_array = self.text.as_bytes().get(container.start) == Some(&b'[');
            self.text.replace_range(range, "");
            is_removed = true;
            if is_array {
                break;
            }
        }
        Ok(is_removed)
    }

    fn refused(&self, pointer: &str, reason: &str) -> TransactionError {
        TransactionError::refused(&self.path, format!("`{pointer}`: {reason}"))
    }

    /// Returns where the value at `pointer` is, or would be.
    fn find(&self, pointer: &str) -> Result<MemberPlace, TransactionError> {
        let start = space(self.text.as_bytes(), 0);
        let whole = start..value_end(self.text.as_bytes(), start);
        let Some(path) = pointer.strip_prefix('/') else {
            return match pointer {
                "" => Ok(MemberPlace::There { member: whole.clone(), value: whole, container: None }),
                _ => Err(self.refused(pointer, "a pointer is empty, or begins with `/`")),
            };
        };
        let (mut value, mut parts) = (whole, path.split('/').peekable());
        while let Some(part) = parts.next() {
            let key = part.replace("~1", "/").replace("~0", "~");
            let container = value.clone();
            let members = self.members(container.start);
            let is_array = match self.text.as_bytes().get(container.start) {
                Some(b'{') => false,
                Some(b'[') => true,
                _ => return Ok(MemberPlace::Nowhere),
            };
            let found = if is_array {
                let is_number = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_digit());
                let index =
                    key.parse::<usize>().ok().filter(|_| is_number && (key == "0" || !key.starts_with('0')));
                index.and_then(|index| members.get(index))
            } else {
                members.iter().rev().find(|member| member.key.as_deref() == Some(&key))
            };
            let is_last = parts.peek().is_none();
            match found {
                Some(member) if is_last => {
                    let (value, member) = (member.value.clone(), member.start..member.value.end);
                    return Ok(MemberPlace::There { member, value, container: Some(container) });
                }
                Some(member) => value = member.value.clone(),
                None if is_last && (!is_array || key == "-") => {
                    return Ok(MemberPlace::Missing { container, key: (!is_array).then_some(key) });
                }
                None => return Ok(MemberPlace::Nowhere),
            }
        }
        Ok(MemberPlace::Nowhere)
    }

    /// Returns the members of the object or array that begins at `start`.
    fn members(&self, start: usize) -> Vec<Member> {
        let bytes = self.text.as_bytes();
        let (is_object, mut at, mut members) = (bytes.get(start) == Some(&b'{'), start, Vec::new());
        if !matches!(bytes.get(start), Some(b'{' | b'[')) {
            return members;
        }
        loop {
            // Behind the bracket or a comma.
            let start = space(bytes, at + 1);
            if matches!(bytes.get(start), None | Some(b'}' | b']')) {
                return members;
            }
            let mut key = None;
            let mut value = start;
            if is_object {
                let end = value_end(bytes, start);
                let text = self.text.get(start..end).unwrap_or_default();
                key = Some(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()));
                value = space(bytes, space(bytes, end) + 1);
            }
            let value = value..value_end(bytes, value);
            at = space(bytes, value.end);
            members.push(Member { key, start, value });
            if bytes.get(at) != Some(&b',') {
                return members;
            }
        }
    }

    /// Returns the text to insert, and its place, to add a member to `container`.
    fn added<T: Serialize + ?Sized>(
        &self,
        pointer: &str,
        container: Range<usize>,
        key: Option<&str>,
        value: &T,
    ) -> Result<(Range<usize>, String), TransactionError> {
        let key = |colon: &str| key.map_or(String::new(), |key| format!("{}{colon}", quoted(key)));
        if let Some(last) = self.members(container.start).last() {
            // Like the last member.
            let head = self.text.get(..last.start).unwrap_or_default();
            let gap = head.get(head.trim_end().len()..).unwrap_or_default();
            let between = self.text.get(last.start..last.value.start).unwrap_or_default();
            let colon = between.rfind('"').and_then(|end| between.get(end + 1..)).unwrap_or_default();
            let new = self.written(pointer, value, &self.indent_at(last.start))?;
            return Ok((last.value.end..last.value.end, format!(",{gap}{}{new}", key(colon))));
        }
        let outer = self.indent_at(container.start);
        let new = if let Some(line) = self.line_end() {
            let inner = format!("{outer}{}", self.unit());
            let new = self.written(pointer, value, &inner)?;
            format!("{line}{inner}{}{new}{line}{outer}", key(": "))
        } else {
            let new = self.written(pointer, value, &outer)?;
            format!("{}{new}", key(if self.text.contains("\": ") { ": " } else { ":" }))
        };
        Ok((container.start + 1..container.end - 1, new))
    }

    /// Returns `value` as it is written in this text, its further lines behind `indent`.
    fn written<T: Serialize + ?Sized>(
        &self,
        pointer: &str,
        value: &T,
        indent: &str,
    ) -> Result<String, TransactionError> {
        finite::check_numbers(value).map_err(|why| self.refused(pointer, &why))?;
        let text = match self.line_end() {
            None => serde_json::to_string(value),
            Some(line) => {
                let (mut bytes, unit) = (Vec::new(), self.unit());
                let format = serde_json::ser::PrettyFormatter::with_indent(unit.as_bytes());
                let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, format);
                let done = value.serialize(&mut serializer);
                // No string of it has a raw line end in it.
                done.map(|()| String::from_utf8_lossy(&bytes).replace('\n', &format!("{line}{indent}")))
            }
        };
        text.map_err(|error| self.refused(pointer, &error.to_string()))
    }

    /// Returns the line ending of the text; `None` if it has one line.
    fn line_end(&self) -> Option<&'static str> {
        let text = self.text.trim_end();
        text.contains('\n').then(|| if text.contains("\r\n") { "\r\n" } else { "\n" })
    }

    /// Returns the indentation of the line that contains `at`.
    fn indent_at(&self, at: usize) -> String {
        let head = self.text.get(..at).unwrap_or_default();
        let line = self.text.get(head.rfind('\n').map_or(0, |end| end + 1)..).unwrap_or_default();
        line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
    }

    /// Returns the indentation of one level: that of the first indented line.
    fn unit(&self) -> String {
        let indents = self
            .text
            .lines()
            .map(|line| line.get(..line.len() - line.trim_start().len()).unwrap_or_default());
        indents.into_iter().find(|indent| !indent.is_empty()).unwrap_or("  ").to_owned()
    }
}

/// The place of a value: with its key, in its object or array.
enum MemberPlace {
    There { member: Range<usize>, value: Range<usize>, container: Option<Range<usize>> },
    Missing { container: Range<usize>, key: Option<String> },
    Nowhere,
}

struct Member {
    key: Option<String>,
    /// The start of the entry: its key, or its value in an array.
    start: usize,
    value: Range<usize>,
}

fn quoted(key: &str) -> String {
    serde_json::to_string(key).unwrap_or_default()
}

/// Returns the first place from `at` on that is not a space.
fn space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// Returns the end of the value that begins at `start`.
fn value_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0_usize);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => {
                at = string_end(bytes, at);
                if depth == 0 {
                    return at;
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => match depth {
                0 => return at,
                1 => return at + 1,
                _ => depth -= 1,
            },
            b',' | b' ' | b'\t' | b'\n' | b'\r' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    at
}

fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn parsed(text: &str) -> Json {
        Json::parse(Path::new("x.json"), text.as_bytes().to_vec()).expect("JSON")
    }

    #[track_caller]
    fn changed(text: &str, change: impl FnOnce(&mut Json)) -> String {
        let mut json = parsed(text);
        change(&mut json);
        serde_json::from_str::<IgnoredAny>(&json.text).expect("it stays JSON");
        json.text
    }

    #[test]
    fn a_key_that_is_there_twice_is_gone_once_it_is_removed() {
        for (text, left) in [
            (r#"{"a": 1, "b": 2, "a": 3}"#, r#"{"b": 2}"#),
            (r#"{"b": 2, "a": 1, "\u0061": 3, "a": 4}"#, r#"{"b": 2}"#),
            (r#"{"a": [1], "a": 3}"#, "{}"),
        ] {
            let new = changed(text, |json| assert!(json.remove("/a").expect("a pointer"), "{text}"));
            assert_eq!(new, left);
        }
        assert_eq!(changed("[1, 2, 3]", |json| assert!(json.remove("/0").expect("a pointer"))), "[2, 3]");
    }

    #[test]
    fn a_change_preserves_the_rest_of_the_text() {
        let text = "{\r\n\t\"z\" : 123456789012345678901234567890,\r\n\t\"a\":1.50e+3, \"b\":[1 , 2],\r\n\t\"~/\": \"\\u00e4}\\\"\"\r\n}\r\n\r\n";
        assert_eq!(parsed(text).get::<String>("/~0~1").expect("a value").as_deref(), Some("ä}\""));
        assert_eq!(parsed(text).get::<u8>("/b/1").expect("a value"), Some(2));
        let new = changed(text, |json| json.set("/b/1", &true).expect("a value"));
        assert_eq!(new, text.replace("2]", "true]"));
        let new = changed(text, |json| json.set("/~0~1", &json!({"k": [1]})).expect("a value"));
        assert_eq!(new, text.replace("\"\\u00e4}\\\"\"", "{\r\n\t\t\"k\": [\r\n\t\t\t1\r\n\t\t]\r\n\t}"));
        assert_eq!(
            changed(&new, |json| json.set("/~0~1", "\u{e4}}\"").expect("a value")),
            text.replace("\\u00e4", "ä")
        );
    }

    #[test]
    fn added_members_follow_the_existing_formatting() {
        for (text, pointer, expected) in [
            ("{}", "/a", r#"{"a":7}"#),
            ("{\n}\n", "/a", "{\n  \"a\": 7\n}\n"),
            (r#"{"x": {}}"#, "/x/a", r#"{"x": {"a": 7}}"#),
            (r#"{"x":1}"#, "/a", r#"{"x":1,"a":7}"#),
            (r#"{ "x" : 1 }"#, "/a", r#"{ "x" : 1, "a" : 7 }"#),
            ("{\n    \"x\": []\n}", "/x/-", "{\n    \"x\": [\n        7\n    ]\n}"),
            ("{\n    \"x\": []\n}", "/a", "{\n    \"x\": [],\n    \"a\": 7\n}"),
            ("[1, 2]\n", "/-", "[1, 2, 7]\n"),
            ("[\n\t1\n]", "/-", "[\n\t1,\n\t7\n]"),
            (r#"{"a": 1, "a": 2}"#, "/a", r#"{"a": 1, "a": 7}"#),
            ("{\"x\": {\n  \"y\": 1\n}}", "/x/a~1\"", "{\"x\": {\n  \"y\": 1,\n  \"a/\\\"\": 7\n}}"),
            (" 3 ", "", " 7 "),
        ] {
            assert_eq!(
                changed(text, |json| json.set(pointer, &7).expect("a value")),
                expected,
                "{text} {pointer}"
            );
        }
    }

    #[test]
    fn members_are_removed_with_their_commas() {
        for (text, pointer, expected) in [
            (r#"{"a":1}"#, "/a", "{}"),
            (r#"{"a": 1, "b": 2, "c": 3}"#, "/a", r#"{"b": 2, "c": 3}"#),
            (r#"{"a": 1, "b": 2, "c": 3}"#, "/b", r#"{"a": 1, "c": 3}"#),
            ("{\n  \"a\": 1,\n  \"b\": [2]\n}\n", "/b", "{\n  \"a\": 1\n}\n"),
            ("[1, [2, 3]]", "/1/0", "[1, [3]]"),
        ] {
            assert_eq!(changed(text, |json| assert!(json.remove(pointer).expect("it is there"))), expected);
        }
        let text = r#"{"a": [1]}"#;
        for missing in ["/b", "/a/1", "/a/-", "/a/00", "/a/0/x", "/a/+0"] {
            assert_eq!(
                changed(text, |json| assert!(!json.remove(missing).expect("nothing"))),
                text,
                "{missing}"
            );
        }
    }

    #[test]
    fn an_invalid_edit_is_rejected_and_changes_nothing() {
        let text = r#"{"a": [1], "s": "x"}"#;
        for pointer in ["a", "/b/c", "/a/1", "/a/x", "/s/0"] {
            let refused = |json: &mut Json| {
                let refused = json.set(pointer, &7).expect_err("it cannot be done");
                assert!(
                    matches!(refused, TransactionError::Refused { .. })
                        && refused.to_string().contains(pointer)
                );
            };
            assert_eq!(changed(text, refused), text);
        }
        assert!(parsed(text).remove("").is_err() && parsed(text).get::<u8>("/s").is_err());
        assert_eq!(parsed(text).get::<Value>("/nothing").expect("a pointer"), None);
    }

    #[test]
    fn a_broken_file_is_corrupt_with_line_and_column() {
        for (text, at) in [
            (&b""[..], "line 1 column 0"),
            (b"{\n  \"a\": 1,\n}", "line 3 column 1"),
            (b"{} {}", "line 1 column 4"),
            (b"\xef\xbb\xbf{}", "line 1 column 1"),
            (b"\n\"\xff\"", "line 2"),
        ] {
            let corrupt = Json::parse(Path::new("x.json"), text.to_vec()).expect_err("it is broken");
            assert!(matches!(corrupt, TransactionError::Corrupt { .. }));
            assert!(corrupt.to_string().contains(at), "{corrupt}");
        }
    }
}
