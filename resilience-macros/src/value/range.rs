//! Literals out of range, reported at the literal with the words that the compiler has for a `const`.

use super::{Duration, count, duration, ends, literal, number, span_of};
use proc_macro2::TokenStream;
use syn::{Error, Lit, Result};

/// Reads the count called `name`, at least `least`.
pub(crate) fn count_from(tokens: TokenStream, name: &str, least: u32) -> Result<TokenStream> {
    let count = count(tokens)?;
    let value = match literal(&count) {
        Some((_, Lit::Int(int))) => int.base10_parse::<u32>().ok(),
        _ => None,
    };
    if value.is_some_and(|value| value < least) {
        return Err(Error::new(span_of(&count), format!("`{name}` must be at least {least}")));
    }
    Ok(count)
}

/// Reads the factor called `name`, at least 1.
pub(crate) fn factor_from_one(tokens: TokenStream, name: &str) -> Result<TokenStream> {
    let factor = number(tokens)?;
    let value = match literal(&factor) {
        Some((_, Lit::Float(float))) => float.base10_parse::<f64>().ok(),
        Some((_, Lit::Int(int))) => int.base10_parse::<f64>().ok(),
        _ => None,
    };
    if value.is_some_and(|value| value < 1.0) {
        let words = format!("`{name}` must be a finite number and at least 1.0");
        return Err(Error::new(span_of(&factor), words));
    }
    Ok(factor)
}

/// Reads the duration called `name`, longer than zero.
pub(crate) fn lasting(tokens: TokenStream, name: &str) -> Result<Duration> {
    let duration = duration(tokens)?;
    if duration.nanos == Some(0) {
        return Err(Error::new(duration.span, format!("`{name}` must be longer than 0s")));
    }
    Ok(duration)
}

/// Reads the duration called `name`, at least as long as `least` reads.
pub(crate) fn duration_from(tokens: TokenStream, name: &str, least: &str) -> Result<Duration> {
    let read = duration(tokens)?;
    let shortest = duration(least.parse()?)?;
    if read.nanos.zip(shortest.nanos).is_some_and(|(nanos, shortest)| nanos < shortest) {
        return Err(Error::new(read.span, format!("`{name}` must be at least {least}")));
    }
    Ok(read)
}

/// Reads a range of durations such as `100ms..2s`, or one duration for both ends.
pub(crate) fn durations(tokens: TokenStream) -> Result<(TokenStream, TokenStream)> {
    let Some((low, high)) = ends(&tokens) else {
        let both = duration(tokens)?.tokens;
        return Ok((both.clone(), both));
    };
    if low.is_empty() || high.is_empty() {
        return Err(Error::new(
            span_of(&tokens),
            "a range of durations has two ends, for instance `100ms..2s`",
        ));
    }
    let (low, high) = (duration(low)?, duration(high)?);
    in_order(Some(&low), Some(&high), "the range ends before it begins")?;
    Ok((low.tokens, high.tokens))
}

/// Reports with `words`, at both durations, a first one that is longer than the second.
pub(crate) fn in_order(low: Option<&Duration>, high: Option<&Duration>, words: &str) -> Result<()> {
    let (Some(low), Some(high)) = (low, high) else { return Ok(()) };
    if low.nanos.zip(high.nanos).is_none_or(|(low, high)| low <= high) {
        return Ok(());
    }
    let mut error = Error::new(high.span, words);
    let high = std::time::Duration::from_nanos(high.nanos.unwrap_or_default());
    let words =
        format!("this value exceeds the upper bound {high:?}\nhelp: lower this value, or raise the bound");
    error.combine(Error::new(low.span, words));
    Err(error)
}
