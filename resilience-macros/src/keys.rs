//! Reads the arguments of an attribute against its table of keys: every unknown, duplicated or foreign
//! word is reported on its own token, with the nearest name and the list.

use crate::diag::Errors;
use crate::input;
use crate::nearest::hint;
use proc_macro2::{Delimiter, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// One key of an attribute.
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// How the value looks, for messages and docs: `60s`, `3`, `|e| ..`.
    pub(crate) form: &'static str,
}

pub(crate) const fn key(name: &'static str, form: &'static str) -> Key {
    Key { name, form }
}

/// What an attribute understands.
pub(crate) struct Spec {
    pub(crate) attr: &'static str,
    pub(crate) keys: &'static [Key],
    /// Words of other libraries, and what to write instead.
    pub(crate) foreign: &'static [(&'static str, &'static str)],
}

/// Keys about the function, not about one policy: they may stand in any attribute of its stack, once.
pub(crate) const SHARED: &[Key] = &[
    key("name", "\"Type::function\""),
    key("classify", "path or |e| .."),
    key("rejected", "path or |r| .."),
    key("clone", "(argument, ..)"),
    key("when_ok", "|value| .."),
    key("context", "(name = expression, ..)"),
    key("crate", "::path"),
];

/// One argument: `word`, `key = value`, `key(list)`, or anything else.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: Option<Ident>,
    pub(crate) value: Value,
    pub(crate) span: Span,
}

#[derive(Clone)]
pub(crate) enum Value {
    /// `key` alone.
    Word,
    /// `key = tokens`.
    Given(TokenStream),
    /// `key(tokens)`.
    List(TokenStream),
    /// No key: the tokens are the argument.
    Bare(TokenStream),
}

impl Entry {
    /// All tokens of the argument when it is taken as a value without a key.
    pub(crate) fn tokens(&self) -> TokenStream {
        let key = self.key.to_token_stream();
        match &self.value {
            Value::Word => key,
            Value::Bare(tokens) => tokens.clone(),
            Value::Given(tokens) => quote::quote!(#key = #tokens),
            Value::List(tokens) => quote::quote!(#key (#tokens)),
        }
    }

    pub(crate) fn is(&self, name: &str) -> bool {
        self.key.as_ref().is_some_and(|key| key == name)
    }
}

/// Splits `tokens` at the commas that separate arguments: not those inside brackets, between the bars
/// of a closure, or in a turbofish. Where one is missing before `key =` it splits, too.
pub(crate) fn split(tokens: TokenStream) -> Vec<TokenStream> {
    parts(tokens, |_, _| ())
}

fn parts(tokens: TokenStream, wrong: impl Fn(Span, String)) -> Vec<TokenStream> {
    let mut parts = Vec::new();
    let mut part: Vec<TokenTree> = Vec::new();
    let (mut in_bars, mut angles) = (false, 0_u32);
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        if let (TokenTree::Ident(key), Some(TokenTree::Punct(next))) = (&token, tokens.peek())
            && next.as_char() == '='
            && next.spacing() == Spacing::Alone
            && ends_expression(&part)
        {
            wrong(key.span(), format!("a comma is missing before `{key}`"));
            parts.push(part.drain(..).collect());
        }
        if let TokenTree::Punct(punct) = &token {
            let before = part.last();
            match punct.as_char() {
                '|' if in_bars => in_bars = false,
                '|' if begins_expression(before) => in_bars = true,
                '<' if is_punct(before, ':') => angles += 1,
                '<' if angles > 0 => angles += 1,
                '>' if angles > 0 && !is_punct(before, '-') => angles -= 1,
                ',' if !in_bars && angles == 0 => {
                    if part.is_empty() {
                        wrong(punct.span(), "nothing stands before this comma".to_owned());
                    } else {
                        parts.push(part.drain(..).collect());
                    }
                    continue;
                }
                _ => {}
            }
        }
        part.push(token);
    }
    if !part.is_empty() {
        parts.push(part.into_iter().collect());
    }
    parts
}

fn is_punct(token: Option<&TokenTree>, c: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
}

fn begins_expression(before: Option<&TokenTree>) -> bool {
    match before {
        None => true,
        Some(TokenTree::Ident(word)) => word == "move" || word == "async",
        Some(token) => is_punct(Some(token), '='),
    }
}

/// Whether `part` is `key = value` with a value that nothing but an operator can follow.
fn ends_expression(part: &[TokenTree]) -> bool {
    match part {
        [_, TokenTree::Punct(equals), .., last] if equals.as_char() == '=' => match last {
            TokenTree::Literal(_) | TokenTree::Group(_) => true,
            TokenTree::Ident(word) => {
                !["let", "mut", "ref", "as", "if", "in"].iter().any(|other| word == other)
            }
            TokenTree::Punct(_) => false,
        },
        _ => false,
    }
}

fn entry(part: TokenStream) -> Entry {
    let span = input::span_of(&part);
    let mut tokens = part.clone().into_iter();
    let bare = Entry { key: None, value: Value::Bare(part), span };
    let Some(TokenTree::Ident(key)) = tokens.next() else { return bare };
    let value = match tokens.next() {
        None => Value::Word,
        Some(TokenTree::Punct(punct)) if punct.as_char() == '=' => {
            let value: TokenStream = tokens.collect();
            // `a == b` and `a => b` are no settings.
            match value.clone().into_iter().next() {
                Some(TokenTree::Punct(next)) if matches!(next.as_char(), '=' | '>') => return bare,
                _ => Value::Given(value),
            }
        }
        Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis => {
            if tokens.next().is_some() {
                return bare;
            }
            Value::List(group.stream())
        }
        Some(_) => return bare,
    };
    Entry { key: Some(key), value, span }
}

/// The arguments of one attribute, in order; commas that are missing or too many are reported, those
/// inside lists included.
pub(crate) fn checked_entries(tokens: TokenStream, errors: &Errors) -> Vec<Entry> {
    let parts = parts(tokens, |span, words| errors.here(span, words));
    let entries: Vec<Entry> = parts.into_iter().map(entry).collect();
    for entry in &entries {
        if let Value::List(list) = &entry.value {
            checked_entries(list.clone(), errors);
        }
    }
    entries
}

/// The arguments of one attribute or list, in order.
pub(crate) fn entries(tokens: TokenStream) -> Vec<Entry> {
    split(tokens).into_iter().map(entry).collect()
}

/// The arguments of one attribute, being taken out key by key.
pub(crate) struct Reader<'a> {
    entries: Vec<Entry>,
    pub(crate) errors: &'a Errors,
}

impl<'a> Reader<'a> {
    /// Checks every key of an attribute against `spec`; `positional` says whether a value without a key,
    /// or with one that the table does not know, is for the attribute itself to judge.
    pub(crate) fn new(
        spec: &Spec,
        entries: Vec<Entry>,
        positional: impl Fn(&Entry) -> bool,
        errors: &'a Errors,
    ) -> Self {
        Self::read(&Table { spec, around: None }, entries, positional, errors)
    }

    /// As [`new`](Self::new), for a list inside the attribute `around`.
    pub(crate) fn inside(
        around: &Spec,
        spec: &Spec,
        entries: Vec<Entry>,
        positional: impl Fn(&Entry) -> bool,
        errors: &'a Errors,
    ) -> Self {
        Self::read(&Table { spec, around: Some(around) }, entries, positional, errors)
    }

    fn read(
        table: &Table<'_>,
        entries: Vec<Entry>,
        positional: impl Fn(&Entry) -> bool,
        errors: &'a Errors,
    ) -> Self {
        let names = table.names();
        let mut kept: Vec<Entry> = Vec::new();
        for entry in entries {
            let Some(key) = entry.key.clone() else {
                if positional(&entry) {
                    kept.push(entry);
                } else {
                    errors.here(entry.span, table.unexpected_value());
                }
                continue;
            };
            let name = key.to_string();
            if !names.contains(&name.as_str()) {
                if positional(&entry) {
                    kept.push(entry);
                } else {
                    errors.here(key.span(), table.unknown(&name));
                }
            } else if name != "on" && kept.iter().any(|other| other.is(&name)) {
                errors.here(key.span(), format!("`{name}` is given twice"));
            } else {
                kept.push(entry);
            }
        }
        Self { entries: kept, errors }
    }

    /// Takes the entry called `name`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Entry> {
        let at = self.entries.iter().position(|entry| entry.is(name))?;
        Some(self.entries.remove(at))
    }

    /// Where the entry called `name` stands, if it is there and was not taken yet.
    pub(crate) fn span_of(&self, name: &str) -> Option<Span> {
        self.entries.iter().find(|entry| entry.is(name)).map(|entry| entry.span)
    }

    /// Takes every entry called `name`.
    pub(crate) fn take_all(&mut self, name: &str) -> Vec<Entry> {
        std::iter::from_fn(|| self.take(name)).collect()
    }

    /// Everything that was not taken yet, in order.
    pub(crate) fn rest(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// Takes the value of `key = value` and reads it with `read`; what is wrong is reported.
    pub(crate) fn value<T>(
        &mut self,
        name: &str,
        form: &str,
        read: impl FnOnce(TokenStream) -> syn::Result<T>,
    ) -> Option<T> {
        let entry = self.take(name)?;
        match entry.value {
            Value::Given(tokens) if !tokens.is_empty() => match read(tokens) {
                Ok(value) => Some(value),
                Err(error) => {
                    self.errors.push(error);
                    None
                }
            },
            _ => {
                self.errors.here(entry.span, format!("`{name}` needs a value: `{name} = {form}`"));
                None
            }
        }
    }

    /// Takes a switch: `key`, `key = true` or `key = false`.
    pub(crate) fn switch(&mut self, name: &str) -> Option<bool> {
        let entry = self.take(name)?;
        let text = match &entry.value {
            Value::Word => return Some(true),
            Value::Given(tokens) => tokens.to_string(),
            Value::List(_) | Value::Bare(_) => String::new(),
        };
        match text.as_str() {
            "true" => Some(true),
            "false" => Some(false),
            _ => {
                self.errors
                    .here(entry.span, format!("`{name}` is a switch: write `{name}` or `{name} = false`"));
                None
            }
        }
    }
}

/// The keys that may stand in one place.
struct Table<'a> {
    spec: &'a Spec,
    /// The attribute that the place is in, whose own keys stand beside it.
    around: Option<&'a Spec>,
}

impl Table<'_> {
    fn names(&self) -> Vec<&'static str> {
        let shared = if self.around.is_some() { &[] } else { SHARED };
        self.spec.keys.iter().chain(shared).map(|key| key.name).collect()
    }

    fn list(&self) -> String {
        let names: Vec<_> = self.names().iter().map(|name| format!("`{name}`")).collect();
        names.join(", ")
    }

    fn is_around(&self, name: &str) -> bool {
        self.around.is_some_and(|around| around.keys.iter().chain(SHARED).any(|key| key.name == name))
    }

    fn unknown(&self, name: &str) -> String {
        let attr = self.spec.attr;
        if let Some((_, instead)) = self.spec.foreign.iter().find(|(word, _)| *word == name) {
            return format!("`{attr}` has no key `{name}`: {instead}");
        }
        if self.is_around(name) {
            return format!("`{attr}` has no key `{name}`: it stands beside `{attr}`\nkeys: {}", self.list());
        }
        let hint = hint(name, &self.names());
        format!("`{attr}` has no key `{name}`{hint}\nkeys: {}", self.list())
    }

    fn unexpected_value(&self) -> String {
        format!("`{}` expects `key = value` here\nkeys: {}", self.spec.attr, self.list())
    }
}
