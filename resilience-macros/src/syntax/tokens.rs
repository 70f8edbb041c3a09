//! Tokens as they come, and where they are.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// `tokens` without the invisible groups that a value gets on its way through `macro_rules!`.
pub(crate) fn open(tokens: TokenStream) -> TokenStream {
    let mut inner = tokens.clone().into_iter();
    match (inner.next(), inner.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => open(group.stream()),
        _ => tokens,
    }
}

/// `tokens` as they are written in source code.
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

/// Where `tokens` begin: a stable compiler makes no span over several.
pub(crate) fn span_of(tokens: &TokenStream) -> Span {
    tokens.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span())
}

/// `tokens` shown at `at`, meaning what they meant before.
pub(crate) fn located(tokens: &TokenStream, at: Span) -> TokenStream {
    let there = |mut token: TokenTree| {
        token.set_span(token.span().located_at(at));
        token
    };
    tokens.clone().into_iter().map(there).collect()
}

/// Where `tokens` are, for tokens of our own in their place, which the lints of the user's crate ignore.
pub(crate) fn own_span_of(tokens: &TokenStream) -> Span {
    Span::call_site().located_at(span_of(tokens))
}

/// Where `value` is, for tokens of our own around it that name locals of the expansion.
pub(crate) fn mixed_span_of(value: &impl ToTokens) -> Span {
    Span::mixed_site().located_at(span_of(&value.to_token_stream()))
}
