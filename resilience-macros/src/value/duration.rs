//! Durations: `60s`, `1.5s`, `100ms`, `250us`, `2m`, `1h`, `7d`, or a const expression of type `Duration`.

use super::{constant, literal, open, span_of};
use crate::syntax::units::nanos_in;
use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::quote_spanned;
use syn::{Error, Lit, Result};

/// A duration and, when it was a literal, its length.
#[derive(Clone)]
pub(crate) struct Duration {
    pub(crate) tokens: TokenStream,
    pub(crate) nanos: Option<u64>,
    pub(crate) span: Span,
}

const FORMS: &str = "help: write a duration with its unit: `60s`, `1.5s`, `100ms`, `250us`, `2m`, `1h`, `7d`";
const TOO_LONG: &str = "this duration is longer than `213503d` (584 years), the longest one";

/// Returns whether `text` is a duration as it is written in an attribute.
pub(crate) fn is_duration(text: &str) -> bool {
    // Only a number with a unit is parsed, because parsing is slow in the compiler.
    let bare = text.trim_matches(['(', ')', ' ']);
    let (first, last) = (bare.chars().next(), bare.chars().next_back());
    first.is_some_and(|first| first.is_ascii_digit())
        && last.is_some_and(char::is_alphabetic)
        && text.parse().is_ok_and(|tokens| duration(tokens).is_ok_and(|duration| duration.nanos.is_some()))
}

/// Reads a duration.
pub(crate) fn duration(tokens: TokenStream) -> Result<Duration> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    let Some((negative, lit)) = literal(&tokens) else {
        return Ok(Duration { tokens: constant(tokens)?, nanos: None, span });
    };
    if negative {
        return Err(Error::new(span, "a duration cannot be negative"));
    }
    let (text, digits, suffix) = match &lit {
        Lit::Int(int) => (int.to_string(), int.base10_digits().to_owned(), int.suffix().to_owned()),
        Lit::Float(float) => (float.to_string(), float.base10_digits().to_owned(), float.suffix().to_owned()),
        Lit::Str(text) if is_duration(&text.value()) => {
            let words = format!("a duration is written without quotes\nhelp: write `{}`", text.value());
            return Err(Error::new(span, words));
        }
        _ => return Err(Error::new(span, format!("expected a duration\n{FORMS}"))),
    };
    if text.starts_with("0x") || text.starts_with("0o") || text.starts_with("0b") {
        return Err(Error::new(span, format!("a duration is a decimal number\n{FORMS}")));
    }
    if suffix.is_empty() {
        return Err(Error::new(
            span,
            format!("`{text}` has no unit\nhelp: write `{text}s` for seconds or `{text}ms` for milliseconds"),
        ));
    }
    let Some(unit) = nanos_in(&suffix) else {
        return Err(Error::new(span, format!("`{suffix}` is not a unit of time\n{FORMS}")));
    };
    let nanos = nanos(&digits, unit).ok_or_else(|| Error::new(span, TOO_LONG))?;
    if nanos == 0 && !is_zero(&digits) {
        return Err(Error::new(
            span,
            "this duration is shorter than `1ns`, the shortest one\nhelp: write `0s` for none",
        ));
    }
    let tokens = written_out(nanos, span);
    Ok(Duration { tokens, nanos: Some(nanos), span })
}

/// Returns the constant that is `nanos` long, in the largest unit that is exact.
fn written_out(nanos: u64, span: Span) -> TokenStream {
    let (unit, count) = [("from_secs", 1_000_000_000), ("from_millis", 1_000_000), ("from_micros", 1_000)]
        .into_iter()
        .find(|(_, length)| nanos.is_multiple_of(*length))
        .map_or(("from_nanos", nanos), |(unit, length)| (unit, nanos / length));
    let (unit, count) = (Ident::new(unit, span), Literal::u64_unsuffixed(count));
    quote_spanned!(span=> ::core::time::Duration::#unit(#count))
}

/// Returns `digits` times `unit`, exact for whole and decimal numbers; `None` if the product exceeds 584 years.
fn nanos(digits: &str, unit: u64) -> Option<u64> {
    let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (digits, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let number: u128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = exponent.checked_sub(i32::try_from(fraction.len()).ok()?)?;
    let nanos = number.checked_mul(u128::from(unit))?;
    let power = 10_u128.checked_pow(scale.unsigned_abs());
    let nanos = match power {
        Some(power) if scale >= 0 => nanos.checked_mul(power)?,
        Some(power) => nanos / power,
        None if scale < 0 => 0,
        None => return None,
    };
    u64::try_from(nanos).ok()
}

/// Returns whether `digits`, with or without an exponent, are those of zero.
fn is_zero(digits: &str) -> bool {
    digits.split(['e', 'E']).next().is_none_or(|mantissa| mantissa.chars().all(|c| matches!(c, '0' | '.')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> std::result::Result<u64, String> {
        let tokens: TokenStream = text.parse().map_err(|_| "lexer".to_owned())?;
        duration(tokens).map_err(|error| error.to_string()).map(|read| read.nanos.unwrap_or(0))
    }

    #[test]
    fn every_unit_is_parsed() {
        let cases = [
            ("60s", 60_000_000_000),
            ("1.5s", 1_500_000_000),
            ("100ms", 100_000_000),
            ("250us", 250_000),
            ("2m", 120_000_000_000),
            ("1h", 3_600_000_000_000),
            ("7d", 7 * 24 * 3_600 * 1_000_000_000),
            ("1_000ms", 1_000_000_000),
            ("0.1s", 100_000_000),
            ("1e3ms", 1_000_000_000),
            ("5.0e-1s", 500_000_000),
            ("0s", 0),
            ("0.0e9s", 0),
            ("0.000000001s", 1),
        ];
        for (text, nanos) in cases {
            assert_eq!(read(text), Ok(nanos), "{text}");
        }
    }

    #[test]
    fn invalid_durations_are_rejected_with_a_reason() {
        let cases = [
            ("2.0", "no unit"),
            ("60", "no unit"),
            ("-5s", "negative"),
            ("0x5s", "decimal"),
            ("60f32", "not a unit of time"),
            ("3fortnights", "not a unit of time"),
            ("600000d", "longer than"),
            ("0.0000000001s", "shorter than"),
            ("1.0e-99s", "shorter than"),
            ("\"60s\"", "without quotes"),
            ("\"soon\"", "with its unit"),
        ];
        for (text, words) in cases {
            let error = read(text).err().unwrap_or_default();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn an_expression_is_passed_through() {
        assert_eq!(read("LIMIT"), Ok(0));
    }
}
