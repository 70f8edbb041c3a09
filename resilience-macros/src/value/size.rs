//! Sizes in memory: `64KiB`, `8MiB`, `1GiB`, or a const expression of type `usize`.

use super::{constant, literal, open, span_of};
use proc_macro2::{Literal, TokenStream};
use quote::ToTokens;
use syn::{Error, Lit, Result};

const UNITS: [(&str, u32); 3] = [("KiB", 10), ("MiB", 20), ("GiB", 30)];
const FORMS: &str = "help: write a whole number with its unit: `64KiB`, `8MiB`, `1GiB`";

/// Reads a size as a number of bytes.
pub(crate) fn size(tokens: TokenStream) -> Result<TokenStream> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    let Some((negative, lit)) = literal(&tokens) else { return constant(tokens) };
    if negative {
        return Err(Error::new(span, "a size cannot be negative"));
    }
    let (digits, suffix, is_whole) = match &lit {
        Lit::Int(int) => (int.base10_digits(), int.suffix(), true),
        Lit::Float(float) => (float.base10_digits(), float.suffix(), false),
        _ => return Err(Error::new(span, format!("expected a size\n{FORMS}"))),
    };
    if suffix.is_empty() {
        return Err(Error::new(span, format!("`{digits}` has no unit\n{FORMS}")));
    }
    let Some((_, shift)) = UNITS.iter().find(|(unit, _)| *unit == suffix) else {
        return Err(Error::new(span, format!("`{suffix}` is not a unit of size\n{FORMS}")));
    };
    if !is_whole {
        return Err(Error::new(span, format!("expected a whole number\n{FORMS}")));
    }
    let bytes = digits.parse::<u64>().ok().and_then(|count| count.checked_mul(1 << shift));
    let bytes = bytes.and_then(|bytes| usize::try_from(bytes).ok());
    let bytes = bytes.ok_or_else(|| Error::new(span, "this size does not fit `usize`"))?;
    let mut bytes = Literal::usize_suffixed(bytes);
    bytes.set_span(span);
    Ok(bytes.into_token_stream())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<String, String> {
        let tokens: TokenStream = text.parse().map_err(|_| "lexer".to_owned())?;
        size(tokens).map(|tokens| tokens.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_unit_is_parsed() {
        let cases = [
            ("64KiB", "65536usize"),
            ("8MiB", "8388608usize"),
            ("1GiB", "1073741824usize"),
            ("1_024KiB", "1048576usize"),
            ("STACK", "STACK"),
            ("4 << 20", "4 << 20"),
        ];
        for (text, bytes) in cases {
            assert_eq!(read(text).as_deref(), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn invalid_sizes_are_rejected_with_a_reason() {
        let cases = [
            ("8388608", "`8388608` has no unit"),
            ("8MB", "`MB` is not a unit of size"),
            ("8mib", "`mib` is not a unit of size"),
            ("1.5MiB", "whole number"),
            ("-8MiB", "negative"),
            ("\"8MiB\"", "expected a size"),
            ("99999999999999GiB", "does not fit"),
        ];
        for (text, words) in cases {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
