//! One kind of value a file: how it is written, and what is wrong with it otherwise.

mod category;
mod count;
mod duration;
mod number;
mod path_or_closure;

pub(crate) use category::{CATEGORIES, category, variant};
pub(crate) use count::count;
pub(crate) use duration::{Duration, duration};
pub(crate) use number::{multipliers, number};
pub(crate) use path_or_closure::{path, path_or_closure};

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use syn::Lit;

/// `tokens` without the invisible groups that a value gets on its way through `macro_rules!`.
pub(crate) fn open(tokens: TokenStream) -> TokenStream {
    let mut inner = tokens.clone().into_iter();
    match (inner.next(), inner.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => open(group.stream()),
        _ => tokens,
    }
}

/// The literal that `tokens` are, if they are one; with the sign before it.
fn literal(tokens: &TokenStream) -> Option<(bool, Lit)> {
    let mut inner = tokens.clone().into_iter().peekable();
    let negative = matches!(inner.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '-');
    if negative {
        inner.next();
    }
    let lit = syn::parse2(open(inner.collect())).ok()?;
    Some((negative, lit))
}

/// A span over all of `tokens`, as far as one can be made.
pub(crate) fn span_of(tokens: &TokenStream) -> Span {
    let mut spans = tokens.clone().into_iter().map(|token| token.span());
    let first = spans.next().unwrap_or_else(Span::call_site);
    let last = spans.last().unwrap_or(first);
    first.join(last).unwrap_or(first)
}
