//! Factors (`2.0`, `2`, or a const expression of type `f64`) and ranges of multipliers (`0.8..1.2`).

use super::{constant, literal, open, span_of};
use proc_macro2::{Literal, TokenStream, TokenTree};
use syn::{Error, Lit, Result};

/// Reads a factor.
pub(crate) fn number(tokens: TokenStream) -> Result<TokenStream> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    let (digits, suffix) = match literal(&tokens) {
        None => return constant(tokens),
        Some((true, _)) => return Err(Error::new(span, "a factor cannot be negative")),
        Some((false, Lit::Int(int))) => (int.base10_digits().to_owned(), int.suffix().to_owned()),
        Some((false, Lit::Float(float))) => (float.base10_digits().to_owned(), float.suffix().to_owned()),
        Some(_) => return Err(Error::new(span, "expected a number, for instance `2.0`")),
    };
    if super::is_duration(&tokens.to_string()) {
        let words = format!("expected a factor such as `2.0`, found the duration `{tokens}`");
        return Err(Error::new(span, words));
    }
    if !matches!(suffix.as_str(), "" | "f64") {
        return Err(Error::new(span, format!("a factor has no unit\nhelp: write `{digits}`")));
    }
    let value: f64 = digits.parse().unwrap_or(f64::INFINITY);
    if !value.is_finite() {
        return Err(Error::new(span, "this factor is too large"));
    }
    let mut literal = Literal::f64_suffixed(value);
    literal.set_span(span);
    Ok(TokenTree::Literal(literal).into())
}

/// Reads a range of multipliers.
pub(crate) fn multipliers(tokens: &TokenStream) -> Option<Result<(TokenStream, TokenStream)>> {
    let tokens: Vec<TokenTree> = open(tokens.clone()).into_iter().collect();
    let dots = tokens.windows(2).position(|pair| {
        pair.iter().all(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '.'))
    })?;
    let low = tokens.iter().take(dots).cloned().collect();
    // `..=` means the same: no single number has a chance of its own.
    let is_equals = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '=');
    let equals = usize::from(tokens.get(dots + 2).is_some_and(is_equals));
    let high = tokens.iter().skip(dots + 2 + equals).cloned().collect();
    Some(number(low).and_then(|low| Ok((low, number(high)?))))
}
