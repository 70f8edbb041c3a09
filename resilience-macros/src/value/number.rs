//! Factors (`2.0`, `2`, or a const expression of type `f64`), ratios (`0.5`, `50%`) and ranges of multipliers
//! (`0.8..1.2`).

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

/// Reads a ratio: `0.5`, `50%`, or a const expression of type `f64`.
pub(crate) fn ratio(tokens: TokenStream, name: &str) -> Result<TokenStream> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    let (number, percent) = without_percent(&tokens);
    let (digits, suffix) = match literal(&number) {
        None if percent.is_none() => return constant(tokens),
        Some((false, Lit::Int(int))) => (int.base10_digits().to_owned(), int.suffix().to_owned()),
        Some((false, Lit::Float(float))) => (float.base10_digits().to_owned(), float.suffix().to_owned()),
        Some((true, _)) => return Err(Error::new(span, format!("`{name}` cannot be negative"))),
        _ => return Err(Error::new(span, "expected a ratio, for instance `0.5` or `50%`")),
    };
    if !matches!(suffix.as_str(), "" | "f64") {
        return Err(Error::new(span, "a ratio has no unit\nhelp: write `0.5` or `50%` for half"));
    }
    let value: f64 = digits.parse().unwrap_or(f64::INFINITY);
    let ratio = if percent.is_some() { value / 100.0 } else { value };
    if percent.is_none() && (2.0..=100.0).contains(&value) {
        let words = format!("`{name}` must be at most 1\nhelp: write `{digits}%` for a percentage");
        return Err(Error::new(span, words));
    }
    if !(ratio > 0.0 && ratio <= 1.0) {
        return Err(Error::new(span, format!("`{name}` must be above 0 and at most 1 (`100%`)")));
    }
    let mut literal = Literal::f64_suffixed(ratio);
    literal.set_span(span);
    Ok(TokenTree::Literal(literal).into())
}

/// Returns the tokens before a `%` at the end, and the `%`.
fn without_percent(tokens: &TokenStream) -> (TokenStream, Option<TokenTree>) {
    let mut all: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let is_percent =
        |token: &mut TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '%');
    let percent = all.pop_if(is_percent);
    (all.into_iter().collect(), percent)
}

/// Reads a range of multipliers.
pub(crate) fn multipliers(tokens: &TokenStream) -> Option<Result<(TokenStream, TokenStream)>> {
    let (low, high) = ends(tokens)?;
    Some(number(low).and_then(|low| Ok((low, number(high)?))))
}

/// Returns the two ends of a range, if it is one.
pub(crate) fn ends(tokens: &TokenStream) -> Option<(TokenStream, TokenStream)> {
    let tokens: Vec<TokenTree> = open(tokens.clone()).into_iter().collect();
    let dots = tokens.windows(2).position(|pair| {
        pair.iter().all(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '.'))
    })?;
    let low = tokens.iter().take(dots).cloned().collect();
    // `..=` means the same: the chance of drawing exactly the upper end is negligible.
    let is_equals = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == '=');
    let equals = usize::from(tokens.get(dots + 2).is_some_and(is_equals));
    let high = tokens.iter().skip(dots + 2 + equals).cloned().collect();
    Some((low, high))
}
