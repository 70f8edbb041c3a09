//! Counts: integers or const expressions of type `u32`.

use super::{constant, literal, open, span_of};
use proc_macro2::TokenStream;
use syn::{Error, Lit, Result};

/// Reads a count.
pub(crate) fn count(tokens: TokenStream) -> Result<TokenStream> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    let word = tokens.to_string();
    if ["forever", "infinite", "infinity", "unlimited"].contains(&word.as_str()) {
        let words =
            format!("a count cannot be unlimited: found `{word}`\nhelp: write a number, for instance `10`");
        return Err(Error::new(span, words));
    }
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
            Err(Error::new(span, format!("a count has no unit\nhelp: write `{number}`")))
        }
        Some((false, Lit::Str(text))) if text.value().parse::<u32>().is_ok() => Err(Error::new(
            span,
            format!("a count is written without quotes\nhelp: write `{}`", text.value()),
        )),
        Some(_) => Err(Error::new(span, "expected a whole number, for instance `3`")),
    }
}
