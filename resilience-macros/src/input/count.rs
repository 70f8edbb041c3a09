//! Counts: integers or const expressions of type `u32`.

use super::{constant, literal, open, span_of};
use proc_macro2::TokenStream;
use syn::{Error, Lit, Result};

/// Reads a count.
pub(crate) fn count(tokens: TokenStream) -> Result<TokenStream> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    match literal(&tokens) {
        None => constant(tokens),
        Some((true, _)) => Err(Error::new(span, "a count cannot be negative")),
        Some((false, Lit::Int(int))) if matches!(int.suffix(), "" | "u32") => match int.base10_parse::<u32>()
        {
            Ok(_) => Ok(tokens),
            Err(_) => Err(Error::new(span, format!("a count is at most {}", u32::MAX))),
        },
        Some((false, Lit::Int(int))) => {
            let number = int.base10_digits();
            Err(Error::new(span, format!("a count has no unit: write `{number}`")))
        }
        Some((false, Lit::Str(text))) if text.value().parse::<u32>().is_ok() => {
            Err(Error::new(span, format!("a count is written without quotes: `{}`", text.value())))
        }
        Some(_) => Err(Error::new(span, "expected a whole number, for instance `3`")),
    }
}
