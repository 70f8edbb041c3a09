//! The values of the words, and the messages about wrong ones.

use super::attr::Entry;
use crate::syntax::suggest::hint;
use crate::value::{CATEGORIES, variant};
use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use std::fmt::Display;
use syn::{Error, Member, Result};

pub(super) const KEYS: [&str; 8] =
    ["status", "transparent", "with", "text", "retry_after", "retry", "severity", "delivered"];

/// Returns the variant of `Category` that a word names.
pub(super) fn category(word: &Ident) -> Result<Ident> {
    let name = word.to_string();
    let found = variant(&name).map(|variant| Ident::new(variant, word.span()));
    found.ok_or_else(|| {
        let names = CATEGORIES.map(|(name, _)| name);
        at(word, format!("unknown category `{name}`{}\n{}", hint(&name, &names), categories()))
    })
}

pub(super) fn unknown_word(word: &Ident) -> String {
    let name = word.to_string();
    let words: Vec<_> = CATEGORIES.iter().map(|(name, _)| *name).chain(KEYS).chain(["action"]).collect();
    format!(
        "unknown category or key `{name}`{}\n{}\nkeys: {}, action",
        hint(&name, &words),
        categories(),
        KEYS.join(", ")
    )
}

pub(super) fn categories() -> String {
    format!("categories: {}", CATEGORIES.map(|(name, _)| name).join(", "))
}

/// Returns the tokens after the `=`; `form` describes the allowed ones.
pub(super) fn given(entry: &Entry, form: &str) -> Result<TokenStream> {
    let value = entry.value.as_ref().filter(|value| !value.is_empty());
    value.cloned().ok_or_else(|| at(&entry.word, needs(entry, form)))
}

pub(super) fn value<T: syn::parse::Parse>(entry: &Entry, form: &str) -> Result<T> {
    let tokens = given(entry, form)?;
    syn::parse2(tokens.clone()).map_err(|_| {
        at(&tokens, format!("`{0}` cannot be `{tokens}`\nhelp: write `{0} = {form}`", entry.word))
    })
}

pub(super) fn needs(entry: &Entry, form: &str) -> String {
    format!("`{0}` needs a value\nhelp: write `{0} = {form}`", entry.word)
}

pub(super) fn alone(entry: &Entry) -> Result<()> {
    match &entry.value {
        None => Ok(()),
        Some(value) if value.is_empty() => Err(at(&entry.word, format!("`{}` takes no value", entry.word))),
        Some(value) => Err(at(value, format!("`{}` takes no value", entry.word))),
    }
}

pub(super) fn at(tokens: impl ToTokens, message: impl Display) -> Error {
    Error::new_spanned(tokens, message)
}

pub(super) fn span(member: &Member) -> Span {
    match member {
        Member::Named(name) => name.span(),
        Member::Unnamed(index) => index.span,
    }
}
