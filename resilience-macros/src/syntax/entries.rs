//! Splits the tokens of an attribute into its arguments.

use super::tokens::span_of;
use crate::errors::Errors;
use proc_macro2::{Delimiter, Ident, Spacing, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Error, Result};

/// One argument: `word`, `key = value`, `key(list)`, or anything else.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) key: Option<Ident>,
    pub(crate) value: Value,
    pub(crate) span: Span,
    /// Whether `key` is an argument of the function, even if it is called like a key of the attribute.
    pub(crate) is_argument: bool,
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
    /// Returns all tokens of the argument when it is taken as a value without a key.
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
        !self.is_argument && self.key.as_ref().is_some_and(|key| key == name)
    }

    /// Reads a switch: `key`, `key = true` or `key = false`.
    pub(crate) fn switch(&self) -> Result<bool> {
        let text = match &self.value {
            Value::Word => return Ok(true),
            Value::Given(tokens) => tokens.to_string(),
            Value::List(_) | Value::Bare(_) => String::new(),
        };
        let key = self.key.to_token_stream();
        let words = format!("`{key}` is a switch\nhelp: write `{key}` or `{key} = false`");
        text.parse().map_err(|_| Error::new(self.span, words))
    }
}

/// Splits `tokens` at the commas that separate arguments: not those inside brackets, between the bars
/// of a closure, or in the angle brackets of a path. Where one is missing before `key =` it splits, too.
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
                '<' if begins_path(before) => angles += 1,
                '<' if angles > 0 => angles += 1,
                '>' if angles > 0 && !is_punct(before, '-') => angles -= 1,
                ',' if !in_bars && angles == 0 => {
                    if part.is_empty() {
                        wrong(punct.span(), "expected an argument before this comma".to_owned());
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

/// Returns whether a `<` after this token is a bracket, and not a comparison.
fn begins_path(before: Option<&TokenTree>) -> bool {
    match before {
        Some(TokenTree::Punct(punct)) => !matches!(punct.as_char(), '<' | '>' | '?' | '.'),
        before => begins_expression(before),
    }
}

/// Returns whether `part` is `key = value` with a value that only an operator can follow.
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
    let span = span_of(&part);
    let mut tokens = part.clone().into_iter();
    let bare = Entry { key: None, value: Value::Bare(part), span, is_argument: false };
    let Some(TokenTree::Ident(key)) = tokens.next() else { return bare };
    let value = match tokens.next() {
        None => Value::Word,
        Some(TokenTree::Punct(punct)) if punct.as_char() == '=' => {
            let value: TokenStream = tokens.collect();
            // `a == b` and `a => b` are not `key = value`.
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
    Entry { key: Some(key), value, span, is_argument: false }
}

/// Returns the arguments of one attribute, in order; commas that are missing or too many are reported, those
/// inside lists included.
pub(crate) fn checked_entries(tokens: TokenStream, errors: &Errors) -> Vec<Entry> {
    let parts = parts(tokens, |span, words| errors.at_span(span, words));
    let entries: Vec<Entry> = parts.into_iter().map(entry).collect();
    for entry in &entries {
        if let Value::List(list) = &entry.value {
            checked_entries(list.clone(), errors);
        }
    }
    entries
}

/// Returns the arguments of one attribute or list, in order.
pub(crate) fn entries(tokens: TokenStream) -> Vec<Entry> {
    split(tokens).into_iter().map(entry).collect()
}
