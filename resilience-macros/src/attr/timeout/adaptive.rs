//! `#[timeout(adaptive, floor = 100ms, cap = 10s, ..)]`.

use super::{CAP, FLOOR, SPEC, check_kind, check_threads, comparisons};
use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::layer::{Input, Layer, Stack, Traits};
use crate::syntax::keys::Reader;
use crate::value::{self, PolicyNames, Setter, Settings, StateOptions};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

const NOUNS: PolicyNames =
    PolicyNames { noun: "timeout", ty: "AdaptiveTimeout", set: "Keyed<AdaptiveTimeout>" };

const LOW_CAP: &str = "`cap` must be at least `floor`";
const NO_BOUNDS: &str = "`adaptive` needs a shortest and a longest limit\n\
                         help: write `#[timeout(adaptive, floor = 100ms, cap = 10s)]`";
const HAS_LIMIT: &str = "the limit is either fixed or `adaptive`\n\
                         help: leave this out, or write it without `adaptive`, `floor` and `cap`";
const NO_GROWTH: &str = "`growth` lengthens a fixed limit, and an adaptive one follows how long the calls take\n\
                         help: leave `growth` out";

/// The checked arguments.
pub(super) struct Checked {
    /// The shortest and the longest limit, unless a timeout is given that has them.
    bounds: Option<(value::Duration, value::Duration)>,
    setters: Vec<Setter>,
    state: StateOptions,
    thread: bool,
}

/// Reads the arguments.
pub(super) fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, entries, item, errors, .. } = input;
    // Its own message says how a bound is written.
    let is_named = SPEC.names_any(&entries, &[FLOOR, CAP]);
    let mut reader = Reader::new(&SPEC, entries, errors);
    reader.take("adaptive");
    let (floor_at, strict_at) = (reader.span_of("floor"), reader.span_of("strict"));
    let thread = reader.switch("thread").unwrap_or(false);
    check_threads(&reader, thread, errors);
    if let Some(at) = reader.span_of("growth") {
        errors.at_span(at, NO_GROWTH);
    }
    check_kind(attr, item, thread, strict_at, errors);
    let state = StateOptions::read(&mut reader, item, &NOUNS);
    let cap_at = reader.span_of("cap");
    let mut settings = Settings::read(&mut reader);
    let floor = reader.value("floor", |tokens| value::lasting(tokens, "floor"));
    let rest = reader.rest();
    let others = rest.iter().map(|entry| entry.span);
    state.check_instance(errors, floor_at.into_iter().chain(others.clone()));
    if state.is_given() {
        return Some(Checked { bounds: None, setters: Vec::new(), state, thread });
    }
    for at in others {
        errors.at_span(at, HAS_LIMIT);
    }
    if (floor_at.is_none() || cap_at.is_none()) && !is_named {
        errors.at_tokens(attr, NO_BOUNDS);
    }
    let cap = settings.duration("cap").cloned()?;
    let floor = floor?;
    if cap.nanos == Some(0) {
        errors.at_span(cap.span, "`cap` must be longer than 0s");
    } else {
        errors.ok(value::in_order(Some(&floor), Some(&cap), LOW_CAP));
    }
    settings.setters.retain(|setter| !["cap", "growth"].iter().any(|name| setter.is(name)));
    Some(Checked { bounds: Some((floor, cap)), setters: settings.setters, state, thread })
}

impl Checked {
    fn cap(&self) -> Option<&value::Duration> {
        self.bounds.as_ref().map(|(_, cap)| cap)
    }
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            moves_thread: self.thread,
            limit: self.cap(),
            key: self.state.key.as_ref(),
            ..Traits::default()
        }
    }

    fn check_stack(&self, _: &Ident, stack: Stack<'_>, errors: &Errors) {
        self.state.check_keys(stack.varied().is_some(), errors);
    }

    fn comparisons(&self, stack: Stack<'_>) -> TokenStream {
        self.cap().map(|cap| comparisons(cap, stack)).unwrap_or_default()
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let timeout = self.bounds.as_ref().map(|(floor, cap)| {
            let (floor, at, cap) = (&floor.tokens, cap.span, &cap.tokens);
            let new = quote_spanned!(at=> __rt::AdaptiveTimeout::of(&__POINT, #floor, #cap));
            let timeout = Setter::all(&self.setters, &self.state.ty(), new);
            let thread = self.thread.then(|| quote!(.thread()));
            quote!(#timeout #thread)
        });
        self.state.site(&position.site, timeout.as_ref(), stack.varied())
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let (bound, site, refused) = (position.bound(), &position.site, cx.refused(position));
        let ended = quote_spanned!(here=> __rt::timeout::Ended::new(#bound, &__verdict));
        let attempt = cx.attempt(position);
        let (method, arguments) = if self.thread {
            let retry = cx.retry_elsewhere(position);
            ("on_thread", quote_spanned!(here=> #attempt, { #retry move || { #inner #ended } }))
        } else {
            ("within", quote_spanned!(here=> #attempt, async { #inner #ended }))
        };
        let method = Ident::new(method, here);
        let key = value::whole_key(self.state.key.as_ref(), cx.varied(position));
        let (bind, run) = match (&self.state.instance, key) {
            (Some(_), _) => {
                (self.state.bind(), quote_spanned!(here=> (&#site).#method(__instance, #arguments)))
            }
            (None, Some(key)) => {
                // Before the body, which may move what the key is made of.
                let at = value::mixed_span_of(&key);
                let timeout = Ident::new("__timeout", here);
                let get = quote_spanned!(at=> let #timeout = __rt::Keyed::get(&#site, &(#key)););
                (Some(get), quote_spanned!(here=> (&*#timeout).#method(#arguments)))
            }
            (None, None) => (None, quote_spanned!(here=> (&#site).#method(#arguments))),
        };
        let run = if self.thread { run } else { quote_spanned!(here=> #run.await) };
        let ended = quote_spanned! {here=>
            match #run {
                __rt::Ok(__done) => __done,
                __rt::Err(__rejected) => #refused,
            }
        };
        match bind {
            None => quote_spanned!(here=> let #bound = #ended;),
            Some(bind) => quote_spanned!(here=> let #bound = { #bind #ended };),
        }
    }
}
