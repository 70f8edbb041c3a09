//! Tokens, and their places.

use proc_macro2::{Delimiter, Group, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// Returns `tokens` without the invisible groups that a value gets on its way through `macro_rules!`.
pub(crate) fn open(tokens: TokenStream) -> TokenStream {
    let mut inner = tokens.clone().into_iter();
    match (inner.next(), inner.next()) {
        (Some(TokenTree::Group(group)), None) if group.delimiter() == Delimiter::None => open(group.stream()),
        _ => tokens,
    }
}

/// Returns the group inside the invisible groups that the `block` of a `macro_rules!` is in.
pub(crate) fn opened(group: Group) -> Group {
    if group.delimiter() != Delimiter::None {
        return group;
    }
    let mut inside = group.stream().into_iter();
    match (inside.next(), inside.next()) {
        (Some(TokenTree::Group(only)), None) => opened(only),
        _ => group,
    }
}

/// Returns `tokens` as they are written in source code.
pub(crate) fn readable(tokens: &TokenStream) -> String {
    let mut shown = tokens.to_string();
    for (spaced, tight) in
        [(" :: ", "::"), (" (", "("), (" ,", ","), (" . ", "."), (" ?", "?"), (" !(", "!("), (" ! [", "![")]
    {
        shown = shown.replace(spaced, tight);
    }
    let mut text = String::new();
    for word in shown.trim().split(' ') {
        if !text.is_empty() && !ends_in_prefix(&text) {
            text.push(' ');
        }
        text += word;
    }
    text
}

/// Returns whether `text` ends in an operator that is before its operand, not between two.
fn ends_in_prefix(text: &str) -> bool {
    const OPERATORS: [char; 4] = ['*', '&', '-', '!'];
    let ends_operand = |c: char| c.is_alphanumeric() || matches!(c, '_' | ')' | ']' | '}' | '"' | '\'' | '?');
    let before = text.trim_end_matches(OPERATORS).trim_end();
    text.ends_with(OPERATORS) && !before.ends_with(ends_operand)
}

/// Returns the span of the first of `tokens`: stable Rust cannot join several spans.
pub(crate) fn span_of(tokens: &TokenStream) -> Span {
    tokens.clone().into_iter().next().map_or_else(Span::call_site, |token| token.span())
}

/// Returns `tokens` located at `at`; names in them are resolved as before.
pub(crate) fn located(tokens: &TokenStream, at: Span) -> TokenStream {
    let there = |mut token: TokenTree| {
        token.set_span(token.span().located_at(at));
        token
    };
    tokens.clone().into_iter().map(there).collect()
}

/// Returns `tokens` with the span `at`, by which names in them are resolved, too.
pub(crate) fn respanned(tokens: &TokenStream, at: Span) -> TokenStream {
    let there = |mut token: TokenTree| {
        token.set_span(at);
        token
    };
    tokens.clone().into_iter().map(there).collect()
}

/// Returns a span at `tokens` for tokens of this crate, which the lints of the user's crate ignore.
pub(crate) fn own_span_of(tokens: &TokenStream) -> Span {
    Span::call_site().located_at(span_of(tokens))
}

/// Returns a span at `value` for tokens of this crate around it that name locals of the expansion.
pub(crate) fn mixed_span_of(value: &impl ToTokens) -> Span {
    Span::mixed_site().located_at(span_of(&value.to_token_stream()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operators_are_printed_with_the_right_spacing() {
        for text in [
            "*self.limit",
            "&mut self.limit",
            "g(&a, -1)",
            "-(*a)",
            "!a",
            "a - 1",
            "a && !b",
            "a * -b",
            "a != b",
            "crate::cached(id)?",
            "format!(\"{id}\")",
            "vec![1]",
        ] {
            let tokens: TokenStream = text.parse().unwrap_or_default();
            assert_eq!(readable(&tokens), text);
        }
    }
}
