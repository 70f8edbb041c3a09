//! Tokens, and their places.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns `tokens` without the invisible groups that a value gets on its way through `macro_rules!`.
pub(crate) fn open(tokens: TokenStream) -> TokenStream {
    let mut inner = tokens.clone().into_iter();
    match (inner.next(), inner.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => open(group.stream()),
        _ => tokens,
    }
}

/// Returns `tokens` as they are written in source code.
pub(crate) fn readable(tokens: &TokenStream) -> String {
    let mut shown = tokens.to_string();
    for (spaced, tight) in [
        (" :: ", "::"),
        (" (", "("),
        (" ,", ","),
        (" . ", "."),
        ("* ", "*"),
        ("& ", "&"),
        (" ?", "?"),
        (" !", "!"),
        ("- ", "-"),
    ] {
        shown = shown.replace(spaced, tight);
    }
    shown.trim().to_owned()
}

/// Returns where `tokens` begin: a stable compiler makes no span over several.
pub(crate) fn span_of(tokens: &TokenStream) -> Span {
    tokens.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span())
}

/// Returns `tokens` shown at `at`, with their former meaning.
pub(crate) fn located(tokens: &TokenStream, at: Span) -> TokenStream {
    let there = |mut token: TokenTree| {
        token.set_span(token.span().located_at(at));
        token
    };
    tokens.clone().into_iter().map(there).collect()
}

/// Returns the place of `tokens`, for tokens of this crate in their place, which the lints of the user's crate ignore.
pub(crate) fn own_span_of(tokens: &TokenStream) -> Span {
    Span::call_site().located_at(span_of(tokens))
}

/// Returns the place of `value`, for tokens of this crate around it that name locals of the expansion.
pub(crate) fn mixed_span_of(value: &impl ToTokens) -> Span {
    Span::mixed_site().located_at(span_of(&value.to_token_stream()))
}
