//! `#[hedge(after = 50ms, idempotent, ..)]`.

use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::function::types::has_mutable_reference;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Entry, Positional, Reader, Setting, Spec, Value, key, setting};
use crate::value::{self, PolicyNames, Setter, Settings, StateOptions};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, FnArg, ReceiverKind, Result};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::HedgeConfig"],
    word: "HEDGE",
    read: |input| Some(Box::new(check(input)?)),
};

const SPEC: Spec = Spec {
    attr: "hedge",
    keys: &[
        key("after", "50ms"),
        key("idempotent", "true"),
        setting("max", "1", Setting::Count(1)),
        key("budget", "BUDGET"),
        key("key", "host"),
        key("max_keys", "1024"),
        setting("key_label", "true", Setting::Flag),
        key("instance", "self.hedge"),
    ],
    foreign: &[
        ("delay", AFTER),
        ("hedge_delay", AFTER),
        ("hedging_delay", AFTER),
        ("hedgingDelay", AFTER),
        ("wait", AFTER),
        ("threshold", AFTER),
        ("timeout", AFTER),
        ("percentile", PERCENTILE),
        ("quantile", PERCENTILE),
        ("max_hedges", MAX),
        ("maxHedges", MAX),
        ("max_hedged_attempts", MAX),
        ("maxHedgedAttempts", MAX),
        ("max_attempts", ATTEMPTS),
        ("maxAttempts", ATTEMPTS),
        ("attempts", ATTEMPTS),
        ("copies", ATTEMPTS),
        ("fallback", "put `#[with_fallback(path)]` above"),
        ("when", "a hedge makes no call because of an error: that is `with_retry`"),
        ("unless", "a hedge makes no call because of an error: that is `with_retry`"),
        ("on", "a hedge makes no call because of an error: that is `with_retry`"),
        ("on_hedge", "subscribe to the target `resilience::hedge` of `tracing`"),
        ("policy", "write `after = ..`, or `instance = ..` with a `Hedge` of your own"),
    ],
    positional: Positional::Nothing,
};

const AFTER: &str = "write `after = <50ms>`, or `after = p95`: when an extra call follows";
const PERCENTILE: &str = "write `after = <p95>`: an extra call follows when a call is slower than 95 of 100";
const MAX: &str = "write `max = <1>`: how many extra calls may follow, the call itself not counted";
const ATTEMPTS: &str = "write `max = <2-1>`: how many extra calls may follow, the call itself not counted";
const IDEMPOTENT: &str = "a hedge may run the call twice: write `idempotent` if that has the effect of one call\n\
                          help: write `#[hedge(after = 50ms, idempotent)]`";

const NOUNS: PolicyNames = PolicyNames { noun: "hedge", ty: "Hedge", set: "Keyed<Hedge>" };

/// The checked arguments.
pub(crate) struct Checked {
    /// The time after which an extra call follows, unless a hedge is given that has it.
    after: Option<After>,
    setters: Vec<Setter>,
    state: StateOptions,
}

enum After {
    Delay(value::Duration),
    Percentile(TokenStream),
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, mut entries, item, errors, .. } = input;
    // Its own message says how the delay is written.
    let mut is_named = SPEC.names_any(&entries, &[AFTER, PERCENTILE]);
    entries.retain(|entry| {
        let is_time = is_time_without_key(entry);
        if is_time {
            let value = value::readable(&entry.tokens());
            errors.at_span(
                entry.span,
                format!("`hedge` takes the time as `after`\nhelp: write `after = {value}`"),
            );
            is_named = true;
        }
        !is_time
    });
    let mut reader = Reader::new(&SPEC, entries, errors);
    let (after_at, budget_at) = (reader.span_of("after"), reader.span_of("budget"));
    let idempotent_at = reader.span_of("idempotent");
    match (idempotent_at, reader.switch("idempotent")) {
        (None, _) => errors.at_tokens(attr, IDEMPOTENT),
        (Some(at), Some(false)) => {
            errors.at_span(at, "a call that is not idempotent must not be made twice\nhelp: use `timeout` and `with_retry(idempotent = false)`");
        }
        _ => {}
    }
    check_function(attr, item, errors);
    let state = StateOptions::read(&mut reader, item, &NOUNS);
    let mut setters = Settings::read(&mut reader).setters;
    let after = reader.value("after", after);
    let budget =
        reader.value("budget", |tokens| value::path_or("expected the path of a `static` budget", tokens));
    state.check_instance(errors, after_at.into_iter().chain(budget_at));
    if state.is_given() {
        return Some(Checked { after: None, setters: Vec::new(), state });
    }
    setters.extend(budget.map(|path| {
        let at = value::own_span_of(&quote!(#path));
        Setter::new("budget", quote_spanned!(at=> &#path))
    }));
    if after_at.is_none() && !is_named {
        errors.at_tokens(
            attr,
            "`hedge` needs a time after which an extra call follows\n\
             help: write `after = 50ms`, or `after = p95` for the slowest 5 % of the calls",
        );
    }
    Some(Checked { after: Some(after?), setters, state })
}

/// Returns whether the entry is `50ms` or `p95` alone.
fn is_time_without_key(entry: &Entry) -> bool {
    match &entry.value {
        Value::Bare(tokens) => value::duration(tokens.clone()).is_ok_and(|time| time.nanos.is_some()),
        Value::Word => entry.key.as_ref().is_some_and(|word| percentile(&word.to_string()).is_some()),
        _ => false,
    }
}

/// Returns the digits of a percentile.
fn percentile(word: &str) -> Option<&str> {
    word.strip_prefix('p').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// Reads `50ms`, `p95`, or a constant.
fn after(tokens: TokenStream) -> Result<After> {
    let word = tokens.to_string();
    let Some(digits) = percentile(&word) else {
        if word.starts_with(|c: char| c.is_ascii_digit()) && word.trim_end().ends_with('%') {
            let words = "a percentile is written as a word\nhelp: write `after = p95`";
            return Err(Error::new(value::span_of(&tokens), words));
        }
        return value::lasting(tokens, "after").map(After::Delay);
    };
    match digits.parse::<u8>() {
        Ok(share @ 50..=99) => {
            let at = value::own_span_of(&tokens);
            Ok(After::Percentile(quote_spanned!(at=> __rt::After::Percentile(#share))))
        }
        _ => Err(Error::new(
            value::span_of(&tokens),
            format!(
                "`{word}` is not a percentile from `p50` to `p99`\nhelp: write `p95`: the slowest 5 % of the calls"
            ),
        )),
    }
}

/// Reports a sync function, and arguments that two calls at once cannot both have.
fn check_function(attr: &Ident, item: &Item, errors: &Errors) {
    if !item.is_async() {
        let words = item.made_sync("hedge");
        let other = || "a sync function cannot wait for two calls at once\nhelp: make it `async`".to_owned();
        errors.at_tokens(attr, words.unwrap_or_else(other));
    }
    for input in &item.sig.inputs {
        let (is_mutable, help) = match input {
            FnArg::Receiver(receiver) => {
                let is_mutable = match &receiver.kind {
                    ReceiverKind::Reference(_, _, mutability) => mutability.is_some(),
                    ReceiverKind::Typed(_, ty) => has_mutable_reference(ty),
                    _ => false,
                };
                (is_mutable, "take `&self`, with what changes behind a lock")
            }
            FnArg::Typed(typed) => (
                has_mutable_reference(&typed.ty),
                "take it by `&`, with what changes behind a lock, or return what changes",
            ),
        };
        if is_mutable {
            errors.at_tokens(input, format!("two calls at once cannot both have this `&mut`\nhelp: {help}"));
        }
    }
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            copies: true,
            calls_again: true,
            judges: true,
            keeps_arguments: true,
            without_failures: Some("take every answer of the fallback for a success"),
            twice: Some(
                " multiply their extra calls\nhelp: keep one, and write `max = 2` for two extra calls",
            ),
            key: self.state.key.as_ref(),
            ..Traits::default()
        }
    }

    fn uses(&self, _: &Ident) -> bool {
        // An extra call passes all arguments again.
        true
    }

    fn check_stack(&self, _: &Ident, stack: Stack<'_>, errors: &Errors) {
        self.state.check_keys(stack.varied().is_some(), errors);
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let hedge = self.after.as_ref().map(|after| {
            let after = match after {
                After::Percentile(after) => after.clone(),
                After::Delay(value::Duration { tokens, span, .. }) => {
                    quote_spanned!(*span=> __rt::After::Delay(#tokens))
                }
            };
            let at = value::own_span_of(&after);
            let new = quote_spanned!(at=> __rt::Hedge::of(&__POINT, #after));
            Setter::all(&self.setters, &self.state.ty(), new)
        });
        self.state.site(&position.site, hedge.as_ref(), stack.varied())
    }

    fn comparisons(&self, stack: Stack<'_>) -> TokenStream {
        let Some(After::Delay(value::Duration { tokens: after, span, .. })) = &self.after else {
            return TokenStream::new();
        };
        let limits = |limit: &value::Duration, check: &str| {
            let (check, limit) = (Ident::new(check, *span), &limit.tokens);
            quote_spanned!(*span=> const _: () = __rt::#check(#limit, #after);)
        };
        let above = stack.above().filter_map(|traits| traits.limit).map(|limit| limits(limit, "check_hedge"));
        let below = stack.below().filter_map(|traits| traits.limit);
        above.chain(below.map(|limit| limits(limit, "check_hedged"))).collect()
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let at = here.located_at(position.attr.span());
        let instance = self.state.bind();
        let budget = cx.budget.clone().unwrap_or_else(|| quote_spanned!(here=> __rt::None));
        let call = self.state.call(&position.site, "hedging", &[&budget], cx.varied(position));
        let verdict = if position.is_outermost() { quote!(_) } else { quote_spanned!(here=> __verdict) };
        // Here the compiler reports a closure that moves or changes an argument.
        let copy = quote_spanned!(at=> || async { #inner (__outcome, __verdict) });
        let run = quote_spanned!(here=> __rt::hedge::Copies::new(#call, #copy, __rt::hedge::verdict).await);
        let run = instance.map_or_else(|| run.clone(), |instance| quote_spanned!(here=> { #instance #run }));
        quote_spanned!(here=> let (__outcome, #verdict) = #run;)
    }
}
