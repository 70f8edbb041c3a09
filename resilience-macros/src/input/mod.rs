//! One kind of value a file: how it is written, and what is wrong with it otherwise.

mod category;
mod count;
mod duration;
mod key;
mod number;
mod path_or_closure;
mod range;

pub(crate) use category::{CATEGORIES, category, variant};
pub(crate) use count::count;
pub(crate) use duration::{Duration, duration};
pub(crate) use key::{Key, key};
pub(crate) use number::{multipliers, number};
pub(crate) use path_or_closure::{path, path_or_closure};
pub(crate) use range::{count_from_one, factor_from_one, in_order, lasting};

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::{Error, Lit, Result};

/// `tokens` without the invisible groups that a value gets on its way through `macro_rules!`.
pub(crate) fn open(tokens: TokenStream) -> TokenStream {
    let mut inner = tokens.clone().into_iter();
    match (inner.next(), inner.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => open(group.stream()),
        _ => tokens,
    }
}

/// Refuses a value that names `Self`: the policy is a `static`, and a `static` knows no outer type.
fn constant(tokens: TokenStream) -> Result<TokenStream> {
    let names_self = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "Self");
    match tokens.clone().into_iter().find(names_self) {
        None => Ok(tokens),
        Some(word) => Err(Error::new(
            word.span(),
            "the policy is one `static` for all instances and types, which cannot name `Self`: write the type's name",
        )),
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

/// Where `tokens` stand, for tokens of our own in their place: the lints of the user's crate leave them alone.
pub(crate) fn own_span_of(tokens: &TokenStream) -> Span {
    Span::call_site().located_at(span_of(tokens))
}

/// A call of a policy's setter, all of it at the value, so that a complaint of the setter points there.
pub(crate) struct Setter {
    name: Ident,
    value: TokenStream,
    span: Span,
}

impl Setter {
    pub(crate) fn new(name: &str, value: TokenStream) -> Self {
        let span = own_span_of(&value);
        Self { name: Ident::new(name, span), value, span }
    }

    /// A new policy of type `ty` made from the value.
    pub(crate) fn make(&self, ty: &TokenStream) -> TokenStream {
        let (Self { name, value, span }, ty) = (self, self.here(ty));
        quote_spanned!(*span=> #ty::#name(#value))
    }

    /// The value of the setting `name`, if this is it.
    pub(crate) fn value_of(&self, name: &str) -> Option<TokenStream> {
        (self.name == name).then(|| self.value.clone())
    }

    fn here(&self, ty: &TokenStream) -> TokenStream {
        let here = |mut token: TokenTree| {
            token.set_span(self.span);
            token
        };
        ty.clone().into_iter().map(here).collect()
    }

    /// `policy` with this setting, where `ty` is the policy's type.
    pub(crate) fn apply(&self, ty: &TokenStream, policy: &TokenStream) -> TokenStream {
        let (Self { name, value, span }, ty) = (self, self.here(ty));
        quote_spanned!(*span=> #ty::#name(#policy, #value))
    }

    /// `start` with all of `setters`.
    pub(crate) fn all(setters: &[Self], ty: &TokenStream, start: TokenStream) -> TokenStream {
        setters.iter().fold(start, |policy, setter| setter.apply(ty, &policy))
    }
}
