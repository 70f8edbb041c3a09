//! The times and the number of attempts: the keys that `with_retry` and its `on(..)` share.

use super::SPEC;
use crate::errors::Errors;
use crate::syntax::keys::{Reader, Value};
use crate::value::{self, Setter, Settings};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::{Error, Result};

/// The first wait and the longest one, where they are written.
pub(super) struct Bounds {
    base: Option<value::Duration>,
    cap: Option<value::Duration>,
    /// Whether a setting that is not written is the default.
    has_defaults: bool,
}

const DISORDER: &str = "`base` is longer than `cap`: the first wait would already be cut";

impl Bounds {
    /// Reports a `base` that is longer than its `cap`.
    pub(super) fn check(&self, errors: &Errors) {
        let Self { base, cap, has_defaults } = self;
        let default = |name| value::default_time(&SPEC, name).filter(|_| *has_defaults);
        match (base, cap) {
            (Some(base), None) => {
                if let Some((cap, text)) = default("cap")
                    && base.nanos > Some(cap)
                {
                    errors.at_span(base.span, format!("{DISORDER}\nnote: `cap` is {text} by default"));
                }
            }
            (None, Some(cap)) => {
                if let Some((base, text)) = default("base")
                    && cap.nanos.is_some_and(|cap| cap < base)
                {
                    errors.at_span(cap.span, format!("{DISORDER}\nnote: `base` is {text} by default"));
                }
            }
            (base, cap) => {
                errors.ok(value::in_order(base.as_ref(), cap.as_ref(), DISORDER));
            }
        }
    }

    /// Checks like [`check`](Self::check), for a rule among settings that have the bounds `around`.
    pub(super) fn check_within(&self, around: &Self, errors: &Errors) {
        let Self { base, cap, .. } = self;
        if base.is_some() || cap.is_some() {
            let base = base.as_ref().or(around.base.as_ref()).cloned();
            let cap = cap.as_ref().or(around.cap.as_ref()).cloned();
            Self { base, cap, has_defaults: around.has_defaults }.check(errors);
        }
    }
}

/// Takes the settings, among them those of the times and the number of attempts, which an `on(..)` has as well.
pub(super) fn schedule(reader: &mut Reader<'_>) -> (Vec<Setter>, Bounds) {
    let written = ["base", "cap"].map(|name| reader.span_of(name));
    let has_defaults = reader.span_of("policy").is_none();
    let settings = Settings::read(reader);
    // The length of a duration that cannot be read is unknown, like that of an expression.
    let bound = |name, span| {
        let unread = || Some(value::Duration { tokens: TokenStream::new(), nanos: None, span: span? });
        settings.duration(name).cloned().or_else(unread)
    };
    let [base, cap] = written;
    let bounds = Bounds { base: bound("base", base), cap: bound("cap", cap), has_defaults };
    let mut setters = settings.setters;
    let is_decorrelated =
        matches!(reader.peek("backoff"), Some(Value::Given(kind)) if kind.to_string() == "decorrelated");
    let backoff = reader.value("backoff", backoff);
    let jitter_at = reader.span_of("jitter");
    let jitter = reader.value("jitter", |tokens| jitter(&tokens));
    if let (true, Some(at)) = (is_decorrelated, jitter_at) {
        let words = "`backoff = decorrelated` has its own jitter\nhelp: leave `jitter` out";
        reader.errors.at_span(at, words);
    }
    setters.extend(backoff);
    setters.extend(jitter);
    (setters, bounds)
}

fn backoff(tokens: TokenStream) -> Result<Setter> {
    value::without_self(&tokens)?;
    let span = value::own_span_of(&tokens);
    let kind = |kind: &str| {
        let kind = Ident::new(kind, span);
        Setter::new("backoff", quote_spanned!(span=> __rt::Backoff::#kind))
    };
    Ok(match tokens.to_string().as_str() {
        "constant" => kind("Constant"),
        "linear" => kind("Linear"),
        "fibonacci" => kind("Fibonacci"),
        "decorrelated" => kind("Decorrelated"),
        "exponential" => return Err(Error::new(span, EXPONENTIAL)),
        text if value::is_duration(text) => {
            let words = format!(
                "`backoff` is the factor from one wait to the next, not a time\nhelp: for the first wait write `base = {text}`"
            );
            return Err(Error::new(span, words));
        }
        _ => match syn::parse2(value::open(tokens.clone())) {
            Ok(syn::Expr::Path(path)) if is_function(&path.path) => {
                Setter::new("backoff", quote_spanned!(span=> __rt::Backoff::Custom(#path)))
            }
            Ok(syn::Expr::Call(call)) => return Err(no_such_backoff(&call, span)),
            _ => {
                let factor = value::factor_from_one(tokens, "backoff")?;
                Setter::new("backoff", quote_spanned!(span=> __rt::Backoff::Exponential(#factor)))
            }
        },
    })
}

const EXPONENTIAL: &str = "`exponential` needs its factor\nhelp: write the factor alone: `backoff = 2.0` doubles the wait each time";

/// Returns the error about a backoff of another library that is written as a call: `exponential(2)`, `fixed(1s)`.
fn no_such_backoff(call: &syn::ExprCall, span: Span) -> Error {
    let name = call.func.to_token_stream().to_string().replace(' ', "");
    let argument =
        call.args.first().map(|argument| argument.to_token_stream().to_string()).unwrap_or_default();
    let argument = Some(argument).filter(|text| !text.contains(' '));
    let factor = argument.as_ref().and_then(|text| text.parse::<f64>().ok()).unwrap_or(2.0);
    let base = argument.filter(|text| value::is_duration(text)).unwrap_or_else(|| "100ms".to_owned());
    let last = name.rsplit("::").next().unwrap_or_default().to_lowercase();
    let help = if last.contains("expo") {
        format!("write the factor: `backoff = {factor:?}`")
    } else if ["const", "fixed", "linear", "fibonacci"].iter().any(|kind| last.contains(kind)) {
        let kind =
            if last.contains("linear") || last.contains("fibonacci") { last.as_str() } else { "constant" };
        format!("write `backoff = {kind}, base = {base}`")
    } else {
        "write a factor such as `2.0`, a kind such as `linear`, or the path of a `fn(u32) -> Duration`"
            .to_owned()
    };
    Error::new(span, format!("`backoff` cannot be a call: found `{name}(..)`\nhelp: {help}"))
}

/// Returns whether the path is a function, which is in snake case; a const factor is in capitals.
fn is_function(path: &syn::Path) -> bool {
    path.segments.last().is_some_and(|segment| segment.ident.to_string().chars().any(char::is_lowercase))
}

fn jitter(tokens: &TokenStream) -> Result<Setter> {
    let span = value::own_span_of(tokens);
    let kind = match tokens.to_string().as_str() {
        "full" => "Full",
        "equal" => "Equal",
        "none" => "None",
        "true" | "false" => {
            let words = "`jitter` is not a switch: it is full unless another kind is written\nhelp: to turn it off write \
                         `jitter = none`; the other kinds are `equal` and multipliers such as `0.8..1.2`";
            return Err(Error::new(span, words));
        }
        _ => {
            let Some(range) = value::multipliers(tokens) else {
                return Err(Error::new(
                    span,
                    "expected `full`, `equal`, `none`, or multipliers such as `0.8..1.2`",
                ));
            };
            let (low, high) = range?;
            return Ok(Setter::new("jitter", quote_spanned!(span=> __rt::Jitter::Range(#low, #high))));
        }
    };
    let kind = Ident::new(kind, span);
    Ok(Setter::new("jitter", quote_spanned!(span=> __rt::Jitter::#kind)))
}
