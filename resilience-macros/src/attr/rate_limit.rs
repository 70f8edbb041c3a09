//! `#[rate_limit(100, per = 1s, ..)]`.

use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Positional, Reader, Setting, Spec, key, setting};
use crate::value::{self, PolicyNames, Setter, Settings, StateOptions};
use proc_macro2::{Ident, Span, TokenStream};
use quote::quote_spanned;

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::RateLimitConfig"],
    word: "RATE_LIMIT",
    read: |input| Some(Box::new(check(input)?)),
};

const SPEC: Spec = Spec {
    attr: "rate_limit",
    keys: &[
        key("per", "1s"),
        setting("burst", "100", Setting::Count(1)),
        setting("wait", "0s", Setting::Time),
        key("key", "customer"),
        key("max_keys", "1024"),
        setting("key_label", "true", Setting::Flag),
        key("instance", "self.rate_limit"),
        setting("on_reject", "path", Setting::Hook),
    ],
    foreign: &[
        ("count", COUNT),
        ("limit", COUNT),
        ("max", COUNT),
        ("rate", COUNT),
        ("calls", COUNT),
        ("permits", COUNT),
        ("requests", COUNT),
        ("max_calls", COUNT),
        ("limit_for_period", COUNT),
        ("limitForPeriod", COUNT),
        ("permitLimit", COUNT),
        ("value", COUNT),
        ("period", PER),
        ("window", PER),
        ("interval", PER),
        ("duration", PER),
        ("limit_refresh_period", PER),
        ("limitRefreshPeriod", PER),
        ("every", PER),
        ("per_second", PER_SECOND),
        ("per_minute", PER_MINUTE),
        ("per_hour", PER_HOUR),
        ("capacity", BURST),
        ("max_burst", BURST),
        ("burst_size", BURST),
        ("maxBurst", BURST),
        ("timeout", WAIT),
        ("timeoutDuration", WAIT),
        ("timeout_duration", WAIT),
        ("max_wait", WAIT),
        ("max_wait_ms", WAIT),
        ("fallback", "put `#[with_fallback(path)]` above"),
        (
            "when",
            "a rate limit admits calls whatever they return: `when` belongs to a policy that looks at errors",
        ),
        (
            "unless",
            "a rate limit admits calls whatever they return: `unless` belongs to a policy that looks at errors",
        ),
        ("policy", "write the count first, or `instance = ..` with a `RateLimit` of your own"),
    ],
    positional: Positional::Count,
};

const COUNT: &str = "write the count first, without a key: `#[rate_limit(<100>, per = 1s)]`";
const PER: &str = "write `per = <1s>`: the time in which that many calls are admitted";
const PER_SECOND: &str = "write `#[rate_limit(<100>, per = 1s)]`";
const PER_MINUTE: &str = "write `#[rate_limit(<100>, per = 1m)]`";
const PER_HOUR: &str = "write `#[rate_limit(<100>, per = 1h)]`";
const BURST: &str = "write `burst = <10>`: how many calls may be admitted at once after a pause";
const WAIT: &str = "write `wait = <100ms>`: how long a call may wait until it is admitted";

const NOUNS: PolicyNames = PolicyNames { noun: "rate limit", ty: "RateLimit", set: "Keyed<RateLimit>" };

/// The checked arguments.
pub(crate) struct Checked {
    /// The count and its time, unless a limit is given that has them.
    rate: Option<(TokenStream, value::Duration)>,
    setters: Vec<Setter>,
    state: StateOptions,
    /// Whether a call may have to wait.
    waits: bool,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, entries, item, errors, .. } = input;
    // Its own message says how the rate is written.
    let names = |advice| SPEC.names_any(&entries, &[advice, PER_SECOND, PER_MINUTE, PER_HOUR]);
    let (has_count, has_per) = (names(COUNT), names(PER));
    let mut reader = Reader::new(&SPEC, entries, errors);
    let (wait_at, per_at) = (reader.span_of("wait"), reader.span_of("per"));
    let state = StateOptions::read(&mut reader, item, &NOUNS);
    let settings = Settings::read(&mut reader);
    let per = reader.value("per", |tokens| value::lasting(tokens, "per"));
    let mut rest = reader.rest().into_iter();
    state.check_instance(errors, rest.clone().map(|entry| entry.span).chain(per_at));
    if state.is_given() {
        return Some(Checked { rate: None, setters: Vec::new(), state, waits: true });
    }
    let count = rest.next();
    let lacks = match (&count, per_at) {
        (None, None) if !has_count && !has_per => Some("a count and its time"),
        (None, _) if !has_count => Some("a count"),
        (_, None) if !has_per => Some("the time in which that many calls are admitted"),
        _ => None,
    };
    if let Some(lacks) = lacks {
        errors.at_tokens(
            attr,
            format!("`rate_limit` needs {lacks}\nhelp: write `#[rate_limit(100, per = 1s)]`"),
        );
    }
    for second in rest {
        errors.at_span(second.span, "`rate_limit` takes one count, and then `key = value`");
    }
    let count = errors.ok(value::count_from(count?.tokens(), "count", 1))?;
    let setters = settings.setters;
    Some(Checked { rate: Some((count, per?)), setters, state, waits: wait_at.is_some() })
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            admits: Some("delay or refuse a call whose recorded value needs no permit"),
            key: self.state.key.as_ref(),
            ends_call: true,
            ..Traits::default()
        }
    }

    fn check_stack(&self, _: &Ident, stack: Stack<'_>, errors: &Errors) {
        self.state.check_keys(stack.varied().is_some(), errors);
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let limit = self.rate.as_ref().map(|(count, per)| {
            let (at, per) = (value::own_span_of(count), &per.tokens);
            let new = quote_spanned!(at=> __rt::RateLimit::of(&__POINT, #count, #per));
            Setter::all(&self.setters, &self.state.ty(), new)
        });
        self.state.site(&position.site, limit.as_ref(), stack.varied())
    }

    fn passed(&self, cx: &Context<'_>, position: &Position) -> Option<TokenStream> {
        cx.passed_counted(position)
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let (label, bound, ended, refused) =
            (position.label(), position.bound(), position.ended(), cx.refused(position));
        let instance = self.state.bind();
        let awaits = cx.is_async && self.waits;
        let method = if awaits { "await_pass" } else { "pass_attempt" };
        let pass = self.state.call(&position.site, method, &[&cx.attempt(position)], cx.varied(position));
        let pass = if awaits { quote_spanned!(here=> #pass.await) } else { pass };
        let pass = cx.admitted(position, "Turn", pass);
        quote_spanned! {here=>
            let #bound = #label: {
                #instance
                if let __rt::Err(__rejected) = #pass {
                    break #label #refused;
                }
                #inner
                #ended
            };
        }
    }
}
