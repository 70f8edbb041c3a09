//! `#[circuit_breaker(threshold = 5, recovery = 60s, ..)]`.

use crate::context::{Context, Place};
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Entry, Positional, Reader, Setting, Spec, Value, key, setting};
use crate::syntax::tokens::readable;
use crate::value::{self, Rules, Setter, Settings};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

pub(crate) static DEFINITION: Definition =
    Definition { spec: &SPEC, word: "BREAKER", read: |input| Some(Box::new(check(input))) };

const SPEC: Spec = Spec {
    attr: "circuit_breaker",
    keys: &[
        setting("threshold", "5", Setting::Count(1)),
        setting("rate", "50%", Setting::Ratio),
        setting("window", "60s", Setting::Lasting),
        setting("window_calls", "100", Setting::Count(1)),
        setting("min_calls", "20", Setting::Count(1)),
        setting("slow", "2s", Setting::Lasting),
        setting("slow_rate", "0.8", Setting::Ratio),
        setting("recovery", "60s", Setting::Lasting),
        setting("growth", "1.0", Setting::Factor),
        setting("cap", "10m", Setting::Time),
        setting("retry_after_cap", "5m", Setting::Time),
        setting("probes", "1", Setting::Count(1)),
        setting("successes", "1", Setting::Count(1)),
        setting("probe_timeout", "60s", Setting::Lasting),
        key("when", "|error| .."),
        key("unless", "|error| .."),
        key("key", "host"),
        key("max_keys", "1024"),
        setting("key_label", "true", Setting::Flag),
        key("instance", "self.breaker"),
        key("policy", "CONST"),
        setting("on_open", "path", Setting::Hook),
        setting("on_half_open", "path", Setting::Hook),
        setting("on_close", "path", Setting::Hook),
        setting("on_reject", "path", Setting::Hook),
    ],
    foreign: &[
        ("failure_threshold", THRESHOLD),
        ("failureThreshold", THRESHOLD),
        ("fail_max", THRESHOLD),
        ("max_failures", THRESHOLD),
        ("failures", THRESHOLD),
        ("max", THRESHOLD),
        ("recovery_timeout", RECOVERY),
        ("reset_timeout", RECOVERY),
        (
            "timeout",
            "write `recovery = 60s` for the time it stays open, or put `#[timeout(2s)]` below for an attempt",
        ),
        ("timeout_duration", RECOVERY),
        ("open_duration", RECOVERY),
        ("break_duration", RECOVERY),
        ("wait", RECOVERY),
        ("delay", RECOVERY),
        ("waitDuration", RECOVERY),
        ("waitDurationInOpenState", RECOVERY),
        ("BreakDuration", RECOVERY),
        ("failureRateThreshold", RATE),
        ("FailureRatio", RATE),
        ("failure_ratio", RATE),
        ("slidingWindowSize", WINDOW),
        ("SamplingDuration", WINDOW),
        ("permittedNumberOfCallsInHalfOpenState", PROBES),
        ("half_open_max", PROBES),
        ("half_open_requests", PROBES),
        ("half_open_timeout", "write `probe_timeout = <60s>`: how long a probe may take"),
        ("failure_count", THRESHOLD),
        ("failure_rate", RATE),
        ("failure_rate_threshold", RATE),
        ("error_threshold", RATE),
        ("minimum_number_of_calls", MIN_CALLS),
        ("minimumNumberOfCalls", MIN_CALLS),
        ("requestVolumeThreshold", MIN_CALLS),
        ("MinimumThroughput", MIN_CALLS),
        ("sliding_window_size", WINDOW),
        ("recovery_timeout_ms", RECOVERY),
        ("recovery_timeout_seconds", RECOVERY),
        ("reset_timeout_ms", RECOVERY),
        ("timeout_seconds", RECOVERY),
        ("cooldown", RECOVERY),
        ("sleep_window", RECOVERY),
        ("wait_duration", RECOVERY),
        ("success_threshold", "write `successes = <1>`: how many successful probes close it"),
        ("half_open_max_calls", PROBES),
        ("half_open_permits", PROBES),
        ("multiplier", "write `growth = <2.0>`: the factor from one open time to the next"),
        ("backoff", "write `growth = <2.0>`: the factor from one open time to the next"),
        ("ignore", "write `unless = |error| ..`"),
        ("exclude", "write `unless = |error| ..`"),
        ("abort", "write `unless = |error| ..`"),
        ("fallback", "put `#[with_fallback(path)]` above"),
        ("on", "write `when = |error| ..` to say which errors count"),
        ("slowCallRateThreshold", SLOW_RATE),
        ("slow_call_rate_threshold", SLOW_RATE),
        ("slow_call_rate", SLOW_RATE),
        ("slow_ratio", SLOW_RATE),
        ("slowCallDurationThreshold", SLOW),
        ("slow_call_duration_threshold", SLOW),
        ("slow_call_duration", SLOW),
        ("slow_call", SLOW),
    ],
    positional: Positional::Nothing,
};

const SLOW: &str = "write `slow = <2s>`: how long a call may take before it counts as slow";
const SLOW_RATE: &str = "write `slow_rate = <80%>`, beside `slow`: the share of slow calls that opens it";
const NEEDS_SLOW: &str =
    "`slow_rate` is the share of slow calls, and none counts as slow\nhelp: add `slow = 2s`";
const NEEDS_RATE: &str = "a number of calls belongs to a `rate` or to `slow`\n\
                          help: add `rate = 50%`, or write `window = 60s` for a time";
const LOW_CAP: &str = "`cap` must be at least `recovery`";
const RECOVERY: &str = "write `recovery = <60s>`: how long it stays open";
const THRESHOLD: &str = "write `threshold = <5>`: how many failures open it";
const PROBES: &str = "write `probes = <1>`: how many calls at once try a half-open breaker";
const RATE: &str = "write `rate = <50%>`: the share of failed calls that opens it";
const MIN_CALLS: &str = "write `min_calls = <20>`: how many calls it takes to judge their share";
const WINDOW: &str = "write `window = 60s`, or `window = 100` for the last 100 calls of a `rate`";

/// The checked arguments.
pub(crate) struct Checked {
    start: TokenStream,
    setters: Vec<Setter>,
    rules: Rules,
    window: Option<value::Duration>,
    slow: Option<value::Duration>,
    /// Whether the breaker may measure how long calls take.
    measures: bool,
    key: Option<TokenStream>,
    max_keys: Option<TokenStream>,
    instance: Option<TokenStream>,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Checked {
    let Input { mut entries, item, errors, .. } = input;
    for entry in &mut entries {
        count_calls(entry);
    }
    let mut reader = Reader::new(&SPEC, entries, errors);
    let others = ["policy", "max_keys"].iter().filter_map(|key| reader.span_of(key));
    let configured: Vec<_> = value::written(&reader, &SPEC).into_iter().chain(others).collect();
    let instance_at = reader.span_of("instance");
    let key_at = reader.span_of("key");
    let has_default_recovery =
        ["recovery", "policy", "instance"].iter().all(|key| reader.span_of(key).is_none());
    let key_label_at = reader.span_of("key_label");
    let has_rate = ["rate", "slow", "policy", "instance"].iter().any(|key| reader.span_of(key).is_some());
    for key in ["window_calls", "min_calls"] {
        if let Some(at) = reader.span_of(key).filter(|_| !has_rate) {
            errors.here(at, NEEDS_RATE);
        }
    }
    let measures = ["slow", "policy", "instance"].iter().any(|key| reader.span_of(key).is_some());
    if let Some(at) = reader.span_of("slow_rate").filter(|_| !measures) {
        errors.here(at, NEEDS_SLOW);
    }
    let start = reader.value("policy", "CONST", value::constant);
    let settings = Settings::read(&mut reader, &SPEC);
    let (recovery, cap) = (settings.duration("recovery"), settings.duration("cap"));
    errors.ok(value::in_order(recovery, cap, LOW_CAP));
    let is_low =
        |default| cap.filter(|cap| has_default_recovery && cap.nanos.is_some_and(|nanos| nanos < default));
    if let Some((default, text)) = value::default_time(&SPEC, "recovery")
        && let Some(cap) = is_low(default)
    {
        errors.here(cap.span, format!("{LOW_CAP}\nnote: `recovery` is {text} by default"));
    }
    let rules = Rules::read(&mut reader);
    let mut written_key = String::new();
    let key = reader.value("key", "self.host", |tokens| {
        written_key = readable(&tokens);
        value::policy_key(tokens, item)
    });
    let max_keys_at = reader.span_of("max_keys");
    let max_keys = reader.value("max_keys", "1024", |tokens| value::count_from(tokens, "max_keys", 1));
    if let (Some(at), None) = (max_keys_at, key_at) {
        errors.here(at, "`max_keys` needs `key = ..`: it bounds how many keys have a breaker");
    }
    if let (Some(at), None) = (key_label_at, key_at) {
        errors.here(at, "`key_label` needs `key = ..`: it shows the keys in logs");
    }
    let instance = reader.value("instance", "self.breaker", value::expression);
    if let Some(instance_at) = instance_at {
        value::not_beside_instance(errors, "breaker", instance_at, configured.into_iter());
        if let (Some(at), Some(instance)) = (key_at, &instance) {
            errors.here(at, key_beside_instance(&written_key, instance));
        }
    }
    let (window, slow) = (settings.duration("window").cloned(), settings.duration("slow").cloned());
    let setters = settings.setters;
    let start = start.unwrap_or_default();
    Checked { start, setters, rules, window, slow, measures, key, max_keys, instance }
}

/// Reads `window = 100` as `window_calls = 100`.
fn count_calls(entry: &mut Entry) {
    let Value::Given(value) = &entry.value else { return };
    let is_count = || value.to_string().bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    if entry.is("window")
        && is_count()
        && let Some(key) = &mut entry.key
    {
        *key = Ident::new("window_calls", key.span());
    }
}

/// What to write for `instance` and `key` together.
fn key_beside_instance(key: &str, instance: &TokenStream) -> String {
    // The paths in a template are more than the text of `format!` takes.
    let key = if key.starts_with('"') { "format!(..)" } else { key };
    let instance = readable(instance);
    format!(
        "`instance` is one breaker, and `key` needs one for each key\n\
         help: make `{instance}` a `CircuitBreakers`, and write `instance = {instance}.get(&{key})` without `key`"
    )
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            judges: true,
            without_failures: Some("see every call succeed and never open"),
            key: self.key.as_ref(),
            window: self.window.as_ref(),
            slow: self.slow.as_ref(),
            ends_call: true,
            ..Traits::default()
        }
    }

    fn comparisons(&self, stack: Stack<'_>) -> TokenStream {
        let Some(value::Duration { tokens: slow, span, .. }) = &self.slow else { return TokenStream::new() };
        let limits = stack.above().filter_map(|traits| traits.limit).map(|limit| {
            let limit = &limit.tokens;
            quote_spanned!(*span=> const _: () = __rt::check_slow(#slow, #limit);)
        });
        limits.collect()
    }

    fn site(&self, place: &Place, stack: Stack<'_>) -> TokenStream {
        let site = &place.site;
        let Checked { start, setters, .. } = self;
        if self.instance.is_some() {
            return value::instance_site(site, "CircuitBreaker");
        }
        let ty = quote!(__rt::CircuitBreaker);
        let start = if start.is_empty() {
            quote!(#ty::of(&__POINT))
        } else {
            let given = value::typed(start, &ty);
            quote!(#ty::owned_by(#given, &__POINT))
        };
        let breaker = Setter::all(setters, &ty, start);
        if self.key.is_none() && stack.varied().is_none() {
            return quote!(static #site: __rt::CircuitBreaker = #breaker.checked(););
        }
        let max_keys = self.max_keys.iter();
        quote! {
            static #site: __rt::Site<__rt::Keyed<__rt::CircuitBreaker>> = {
                const fn __fresh() -> __rt::CircuitBreaker { #breaker.checked() }
                const fn __keyed() -> __rt::Keyed<__rt::CircuitBreaker> {
                    __rt::Keyed::new(__fresh)#(.max_keys(#max_keys))*
                }
                __rt::Site::new(__keyed(), __keyed)
            };
        }
    }

    fn wrap(&self, cx: &Context<'_>, place: &Place, inner: &TokenStream) -> TokenStream {
        let site = &place.site;
        let ruling = self.rules.ruling();
        let refused = cx.refused(place);
        let instance = self.instance.as_ref().map(|given| value::instance(given, &quote!(CircuitBreaker)));
        let here = Span::mixed_site();
        let admit = Ident::new(if self.measures { "acquire" } else { "admit" }, here);
        let admit = match (&self.instance, value::whole_key(self.key.as_ref(), cx.varied(place))) {
            (Some(given), _) => quote_spanned!(value::mixed_span_of(given)=> (&#site).admit(__instance)),
            (None, Some(given)) => {
                quote_spanned!(value::mixed_span_of(&given)=> __rt::Keyed::#admit(&#site, &(#given)))
            }
            (None, None) => quote_spanned!(here=> (&#site).#admit()),
        };
        let inner = match (self.measures, cx.is_async) {
            (false, _) => inner.clone(),
            (true, false) => quote_spanned! {here=>
                let __measuring = __permit.measure();
                #inner
                ::core::mem::drop(__measuring);
            },
            (true, true) => quote_spanned! {here=>
                let (__outcome, __verdict) = __permit.measured(async { #inner (__outcome, __verdict) }).await;
            },
        };
        let label = place.label();
        let (bound, ended) = (place.bound(), place.ended());
        quote_spanned! {Span::mixed_site()=>
            let #bound = #label: {
                #instance
                // Not a `match` around the body: what it looks at would live as long as the body waits.
                let __permit = match #admit {
                    __rt::Ok(__permit) => __permit,
                    __rt::Err(__rejected) => break #label #refused,
                };
                #inner
                let __verdict = __permit.settle(__verdict, #ruling);
                #ended
            };
        }
    }
}
