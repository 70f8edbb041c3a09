//! Text for a terminal: what a terminal would obey is written out.
//!
//! Names of points, keys and jobs can be made of arguments, and arguments come from outside. A line that is printed
//! must not move the cursor, change colours, begin another line, or turn the direction of writing.

use std::fmt;

/// A text that is shown with its control characters and bidirectional marks written out as `\u{1b}`.
///
/// Everything else is shown as it is: spaces, and letters of every script.
#[derive(Clone, Copy, Debug)]
pub struct Visible<'a>(pub &'a str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for (at, c) in self.0.char_indices().filter(|(_, c)| c.is_control() || turns_text(*c)) {
            f.write_str(self.0.get(shown..at).unwrap_or_default())?;
            write!(f, "{}", c.escape_unicode())?;
            shown = at + c.len_utf8();
        }
        f.write_str(self.0.get(shown..).unwrap_or_default())
    }
}

/// Returns the lines of `text` as one, separated by `; `.
pub(crate) fn in_one_line(text: &str) -> String {
    text.replace('\n', "; ")
}

/// Writes the name of a policy and its key, if it has one, as snapshots begin: `search (key a.example)`.
pub(crate) fn write_name(f: &mut fmt::Formatter<'_>, name: &str, key: Option<&str>) -> fmt::Result {
    write!(f, "{}", Visible(name))?;
    key.map_or(Ok(()), |key| write!(f, " (key {})", Visible(key)))
}

/// A writer that passes on text with the same characters written out.
pub(crate) struct VisibleTo<'a, 'f>(pub(crate) &'a mut fmt::Formatter<'f>);

impl fmt::Write for VisibleTo<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write!(self.0, "{}", Visible(text))
    }
}

/// Returns whether `c` changes the direction in which the text after it is shown.
pub(crate) const fn turns_text(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped() {
        let seen = |text| Visible(text).to_string();
        assert_eq!(seen("a\x1b[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(seen("a\u{202e}b\nc\u{9b}"), "a\\u{202e}b\\u{a}c\\u{9b}");
        assert_eq!(seen("größe 7"), "größe 7");
        assert_eq!(seen(""), "");
    }
}
