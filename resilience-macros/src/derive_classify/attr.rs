//! The words inside `#[classify(..)]`, before they are checked.

use crate::errors::Errors;
use crate::{syntax::keys, value};
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::Parser as _;
use syn::{Attribute, Meta};

/// One word, with the value behind its `=`.
pub(super) struct Entry {
    pub(super) word: Ident,
    pub(super) value: Option<TokenStream>,
}

/// The words of one place.
pub(super) struct ClassifyWords {
    pub(super) entries: Vec<Entry>,
    /// Whether some words could not be read, which was reported.
    pub(super) broken: bool,
}

/// Reads the words of every `#[classify(..)]` among `attrs`, in order.
pub(super) fn read(attrs: &[Attribute], errors: &Errors) -> ClassifyWords {
    let parts: Vec<_> = ours(attrs).flat_map(|attr| words(attr, errors)).collect();
    let broken = parts.iter().any(Option::is_none);
    ClassifyWords { entries: parts.into_iter().flatten().collect(), broken }
}

/// Reports each `#[classify(..)]` on a field: it means nothing there.
pub(super) fn refuse(attrs: &[Attribute], errors: &Errors) {
    for attr in ours(attrs) {
        errors.at_tokens(
            attr,
            "`classify` belongs on a variant or a type and names the field there, for instance `status = .code`",
        );
    }
}

fn ours(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("classify"))
}

/// Reads the words of one attribute, `None` for each that cannot be read.
fn words(attr: &Attribute, errors: &Errors) -> Vec<Option<Entry>> {
    let parts = match &attr.meta {
        Meta::List(list) => keys::split(list.tokens.clone()),
        _ => Vec::new(),
    };
    if parts.is_empty() {
        errors
            .at_tokens(attr, "this `classify` has no class\nhelp: write for instance `#[classify(timeout)]`");
        return vec![None];
    }
    parts.into_iter().map(|part| errors.ok(entry(part))).collect()
}

fn entry(part: TokenStream) -> syn::Result<Entry> {
    let part = value::open(part);
    let mut tokens = part.clone().into_iter();
    let word = Ident::parse_any.parse2(tokens.next().map(TokenTree::into_token_stream).unwrap_or_default());
    let value = match tokens.next() {
        None => None,
        Some(TokenTree::Punct(equals)) if equals.as_char() == '=' => Some(value::open(tokens.collect())),
        Some(_) => return Err(strange(&part)),
    };
    word.map(|word| Entry { word, value }).map_err(|_| strange(&part))
}

fn strange(part: &TokenStream) -> syn::Error {
    syn::Error::new_spanned(part, "expected a category, or `key = value`, with commas between them")
}
