//! One kind of value a file: how it is written, and what is wrong with it otherwise.

mod category;
mod count;
mod duration;
mod key;
mod number;
mod path_or_closure;
mod range;
mod size;

pub(crate) use category::{CATEGORIES, category, variant};
pub(crate) use count::count;
pub(crate) use duration::{Duration, duration};
pub(crate) use key::{Key, key, policy_key, same_for_all};
pub(crate) use number::{multipliers, number};
pub(crate) use path_or_closure::{path, path_or, path_or_closure};
pub(crate) use range::{count_from_one, factor_from_one, in_order, lasting};
pub(crate) use size::size;

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote_spanned};
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, Lit, Result};

/// `tokens` without the invisible groups that a value gets on its way through `macro_rules!`.
pub(crate) fn open(tokens: TokenStream) -> TokenStream {
    let mut inner = tokens.clone().into_iter();
    match (inner.next(), inner.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => open(group.stream()),
        _ => tokens,
    }
}

/// One expression and nothing behind it.
pub(crate) fn expression(tokens: TokenStream) -> Result<TokenStream> {
    // A single token is one, as far as can be seen here.
    if tokens.clone().into_iter().nth(1).is_some() {
        parsed(&tokens)?;
    }
    Ok(tokens)
}

/// The expression that `tokens` are; what stands behind it is told here, as the compiler would complain of
/// each word apart.
fn parsed(tokens: &TokenStream) -> Result<Expr> {
    let parts = |input: ParseStream<'_>| Ok((input.parse::<Expr>()?, input.parse::<TokenStream>()?));
    let (value, rest) = parts
        .parse2(tokens.clone())
        .map_err(|_| Error::new(span_of(tokens), "expected one value: a literal or an expression"))?;
    let words = match (tokens.clone().into_iter().next(), rest.clone().into_iter().next()) {
        (_, None) => return Ok(value),
        (_, Some(TokenTree::Punct(punct))) if punct.as_char() == ';' => {
            "a comma stands between settings, no semicolon".to_owned()
        }
        (Some(TokenTree::Literal(number)), Some(TokenTree::Ident(unit))) if duration::is_unit(&unit) => {
            format!("a number and its unit are one word: `{number}{unit}`")
        }
        _ => "one value is expected: this is not part of it".to_owned(),
    };
    Err(Error::new(span_of(&rest), words))
}

/// Refuses a value that names `Self`: the policy is a `static`, and a `static` knows no outer type.
fn constant(tokens: TokenStream) -> Result<TokenStream> {
    let tokens = expression(tokens)?;
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

/// A policy of type `ty` given as a whole: of another type, it is told there.
pub(crate) fn typed(start: &TokenStream, ty: &TokenStream) -> TokenStream {
    let at = own_span_of(start);
    let ty = located(ty, at);
    quote_spanned!(at=> { let policy: #ty = #start; policy })
}

/// Binds `instance` to the policy of type `ty` that `given` is or dereferences to. A temporary such as an `Arc`
/// lives as long as the block around it.
pub(crate) fn instance(given: &TokenStream, ty: &TokenStream) -> TokenStream {
    let at = mixed_span_of(given);
    quote_spanned! {at=>
        let held = &(#given);
        let instance: &__resilience::#ty = held;
    }
}

/// `tokens` shown at `at`, meaning what they meant before.
pub(crate) fn located(tokens: &TokenStream, at: Span) -> TokenStream {
    let there = |mut token: TokenTree| {
        token.set_span(token.span().located_at(at));
        token
    };
    tokens.clone().into_iter().map(there).collect()
}

/// Where `tokens` stand, for tokens of our own in their place: the lints of the user's crate leave them alone.
pub(crate) fn own_span_of(tokens: &TokenStream) -> Span {
    Span::call_site().located_at(span_of(tokens))
}

/// Where `value` stands, for tokens of our own around it that name locals of the expansion.
pub(crate) fn mixed_span_of(value: &impl ToTokens) -> Span {
    Span::mixed_site().located_at(span_of(&value.to_token_stream()))
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
        let (Self { name, value, span }, ty) = (self, located(ty, self.span));
        quote_spanned!(*span=> #ty::#name(#value))
    }

    /// The value of the setting `name`, if this is it.
    pub(crate) fn value_of(&self, name: &str) -> Option<TokenStream> {
        (self.name == name).then(|| self.value.clone())
    }

    /// `policy` with this setting, where `ty` is the policy's type.
    pub(crate) fn apply(&self, ty: &TokenStream, policy: &TokenStream) -> TokenStream {
        let (Self { name, value, span }, ty) = (self, located(ty, self.span));
        quote_spanned!(*span=> #ty::#name(#policy, #value))
    }

    /// `start` with all of `setters`.
    pub(crate) fn all(setters: &[Self], ty: &TokenStream, start: TokenStream) -> TokenStream {
        setters.iter().fold(start, |policy, setter| setter.apply(ty, &policy))
    }
}
