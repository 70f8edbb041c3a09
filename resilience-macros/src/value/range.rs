//! Values out of range that can be seen without evaluating them: said at the value itself, with the words
//! that a `const` gets from the compiler.

use super::{Duration, count, duration, literal, number, span_of};
use proc_macro2::TokenStream;
use syn::{Error, Lit, Result};

/// A count from 1; `words` say what 0 would mean.
pub(crate) fn count_from_one(tokens: TokenStream, words: &str) -> Result<TokenStream> {
    let count = count(tokens)?;
    match literal(&count) {
        Some((_, Lit::Int(int))) if int.base10_digits() == "0" => Err(Error::new(span_of(&count), words)),
        _ => Ok(count),
    }
}

/// A factor from 1; `words` say what less would mean.
pub(crate) fn factor_from_one(tokens: TokenStream, words: &str) -> Result<TokenStream> {
    let factor = number(tokens)?;
    let value = match literal(&factor) {
        Some((_, Lit::Float(float))) => float.base10_parse::<f64>().ok(),
        Some((_, Lit::Int(int))) => int.base10_parse::<f64>().ok(),
        _ => None,
    };
    if value.is_some_and(|value| value < 1.0) {
        return Err(Error::new(span_of(&factor), words));
    }
    Ok(factor)
}

/// A duration over zero; `words` say what zero would mean.
pub(crate) fn lasting(tokens: TokenStream, words: &str) -> Result<Duration> {
    let duration = duration(tokens)?;
    if duration.nanos == Some(0) {
        return Err(Error::new(duration.span, words));
    }
    Ok(duration)
}

/// Two durations of which the first may not be longer; `words` say what that would mean. Both are marked.
pub(crate) fn in_order(low: Option<&Duration>, high: Option<&Duration>, words: &str) -> Result<()> {
    let (Some(low), Some(high)) = (low, high) else { return Ok(()) };
    if low.nanos.zip(high.nanos).is_none_or(|(low, high)| low <= high) {
        return Ok(());
    }
    let mut error = Error::new(high.span, words);
    let high = std::time::Duration::from_nanos(high.nanos.unwrap_or_default());
    error.combine(Error::new(low.span, format!("this is longer than the {high:?} that bounds it")));
    Err(error)
}
