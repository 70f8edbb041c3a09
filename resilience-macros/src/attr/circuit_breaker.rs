//! `#[circuit_breaker(threshold = 5, recovery = 60s, ..)]`.

use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Entry, Positional, Reader, Setting, Spec, Value, key, setting};
use crate::value::{self, PolicyNames, Rules, Setter, Settings, StateOptions};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::CircuitBreakerConfig"],
    word: "BREAKER",
    read: |input| Some(Box::new(check(input))),
};

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
        setting("growth", "2.0", Setting::Factor),
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
        ("reset", RECOVERY),
        ("open_for", RECOVERY),
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

const NOUNS: PolicyNames = PolicyNames { noun: "breaker", ty: "CircuitBreaker", set: "CircuitBreakers" };

/// The checked arguments.
pub(crate) struct Checked {
    start: TokenStream,
    setters: Vec<Setter>,
    rules: Rules,
    window: Option<value::Duration>,
    slow: Option<value::Duration>,
    /// Whether the breaker may count successes.
    counts: bool,
    /// Whether the breaker may measure how long calls take.
    measures: bool,
    state: StateOptions,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Checked {
    let Input { mut entries, item, errors, .. } = input;
    for entry in &mut entries {
        count_calls(entry);
    }
    let mut reader = Reader::new(&SPEC, entries, errors);
    let policy_at = reader.span_of("policy");
    let has_default_recovery = !reader.has_any(&["recovery", "policy", "instance"]);
    let counts = reader.has_any(&["rate", "slow", "policy", "instance"]);
    for key in ["window_calls", "min_calls"] {
        if let Some(at) = reader.span_of(key).filter(|_| !counts) {
            errors.at_span(at, NEEDS_RATE);
        }
    }
    let measures = reader.has_any(&["slow", "policy", "instance"]);
    if let Some(at) = reader.span_of("slow_rate").filter(|_| !measures) {
        errors.at_span(at, NEEDS_SLOW);
    }
    let state = StateOptions::read(&mut reader, item, &NOUNS);
    state.check_instance(errors, policy_at.into_iter());
    let start = reader.value("policy", value::constant).unwrap_or_default();
    let settings = Settings::read(&mut reader);
    check_cap(&settings, has_default_recovery, errors);
    let rules = Rules::read(&mut reader);
    let (window, slow) = (settings.duration("window").cloned(), settings.duration("slow").cloned());
    Checked { start, setters: settings.setters, rules, window, slow, measures, counts, state }
}

/// Compares `cap` with `recovery`, or with its default.
fn check_cap(settings: &Settings, has_default_recovery: bool, errors: &Errors) {
    let (recovery, cap) = (settings.duration("recovery"), settings.duration("cap"));
    errors.ok(value::in_order(recovery, cap, LOW_CAP));
    let is_low =
        |default| cap.filter(|cap| has_default_recovery && cap.nanos.is_some_and(|nanos| nanos < default));
    if let Some((default, text)) = value::default_time(&SPEC, "recovery")
        && let Some(cap) = is_low(default)
    {
        errors.at_span(cap.span, format!("{LOW_CAP}\nnote: `recovery` is {text} by default"));
    }
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

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            judges: true,
            without_failures: Some("see every call succeed and never open"),
            key: self.state.key.as_ref(),
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

    fn check_stack(&self, _: &Ident, stack: Stack<'_>, errors: &Errors) {
        self.state.check_keys(stack.varied().is_some(), errors);
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let breaker = self.state.instance.is_none().then(|| {
            let ty = self.state.ty();
            let start = if self.start.is_empty() {
                quote!(#ty::of(&__POINT))
            } else {
                let given = value::typed(&self.start, &ty);
                quote!(#ty::owned_by(#given, &__POINT))
            };
            Setter::all(&self.setters, &ty, start)
        });
        self.state.site(&position.site, breaker.as_ref(), stack.varied())
    }

    fn passed(&self, cx: &Context<'_>, position: &Position) -> Option<TokenStream> {
        if !(cx.is_async || self.state.key.is_some()) || self.measures {
            return None;
        }
        let here = Span::mixed_site();
        let asked = if self.counts {
            quote_spanned!(here=> && (&mut __permit).counted())
        } else {
            quote_spanned!(here=> && (&__permit).passes())
        };
        cx.passed_by(position, &asked, &quote_spanned!(here=> __permit.passed();))
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let ruling = self.rules.ruling();
        let refused = cx.refused(position);
        let instance = self.state.bind();
        let here = Span::mixed_site();
        // An instance is asked whether it measures.
        let method = if self.measures && self.state.instance.is_none() { "acquire" } else { "admit" };
        let admit = self.state.call(&position.site, method, &[], cx.varied(position));
        let counts_at_once = self.counts && position.is_innermost && self.passed(cx, position).is_some();
        let mutable = counts_at_once.then(|| quote!(mut));
        let inner = match (self.measures, cx.is_async) {
            (false, _) => inner.clone(),
            (true, false) => quote_spanned! {here=>
                let __measuring = (&__permit).measure();
                #inner
                ::core::mem::drop(__measuring);
            },
            (true, true) => quote_spanned! {here=>
                let (__outcome, __verdict) = (&__permit).measured(async { #inner (__outcome, __verdict) }).await;
            },
        };
        let label = position.label();
        let (bound, ended) = (position.bound(), position.ended());
        quote_spanned! {Span::mixed_site()=>
            let #bound = #label: {
                #instance
                // Not a `match` around the body, whose scrutinee would live until the body ends.
                let #mutable __permit = match #admit {
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
