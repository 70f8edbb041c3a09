//! `#[bulkhead(16, wait = 100ms, ..)]`.

use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Positional, Reader, Setting, Spec, key, setting};
use crate::value::{self, PolicyNames, Setter, Settings, StateOptions};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::BulkheadConfig"],
    word: "BULKHEAD",
    read: |input| Some(Box::new(check(input)?)),
};

const SPEC: Spec = Spec {
    attr: "bulkhead",
    keys: &[
        setting("wait", "0s", Setting::Time),
        setting("queue", "16", Setting::Count(1)),
        setting("adaptive", "true", Setting::Flag),
        setting("floor", "1", Setting::Count(1)),
        setting("cap", "200", Setting::Count(1)),
        key("key", "host"),
        key("max_keys", "1024"),
        setting("key_label", "true", Setting::Flag),
        key("instance", "self.bulkhead"),
        setting("on_reject", "path", Setting::Hook),
    ],
    foreign: &[
        ("max", SLOTS),
        ("slots", SLOTS),
        ("limit", SLOTS),
        ("permits", SLOTS),
        ("concurrency", SLOTS),
        ("max_concurrent", SLOTS),
        ("max_concurrency", SLOTS),
        ("max_concurrent_calls", SLOTS),
        ("maxConcurrentCalls", SLOTS),
        ("maxParallelization", SLOTS),
        ("max_parallelization", SLOTS),
        ("max_in_flight", SLOTS),
        ("size", SLOTS),
        ("value", SLOTS),
        ("max_wait", WAIT),
        ("maxWaitDuration", WAIT),
        ("max_wait_duration", WAIT),
        ("max_wait_ms", WAIT),
        ("timeout", WAIT),
        ("waiting", WAIT),
        ("max_queue", QUEUE),
        ("queue_size", QUEUE),
        ("queue_capacity", QUEUE),
        ("max_waiting", QUEUE),
        ("waitingTaskQueue", QUEUE),
        ("maxQueuingActions", QUEUE),
        ("max_queuing_actions", QUEUE),
        ("min", FLOOR),
        ("min_limit", FLOOR),
        ("minLimit", FLOOR),
        ("initial", START),
        ("initialLimit", START),
        ("initial_limit", START),
        ("max_limit", CAP),
        ("maxLimit", CAP),
        ("fallback", "put `#[with_fallback(path)]` above"),
        (
            "when",
            "a bulkhead admits calls whatever they return: `when` belongs to a policy that looks at errors",
        ),
        (
            "unless",
            "a bulkhead admits calls whatever they return: `unless` belongs to a policy that looks at errors",
        ),
        ("policy", "write the slots first, or `instance = ..` with a `Bulkhead` of your own"),
    ],
    positional: Positional::Count,
};

const SLOTS: &str = "write the number of slots first, without a key: `#[bulkhead(<16>)]`";
const WAIT: &str = "write `wait = <100ms>`: how long a call may wait for a slot";
const QUEUE: &str = "write `queue = <16>`, beside `wait`: how many calls may wait at once";
const FLOOR: &str = "write `floor = <1>`, beside `adaptive`: the fewest slots";
const CAP: &str = "write `cap = <200>`, beside `adaptive`: the most slots";
const START: &str = "write the number of slots first, without a key: `#[bulkhead(<20>, adaptive)]`";

const NOUNS: PolicyNames = PolicyNames { noun: "bulkhead", ty: "Bulkhead", set: "Keyed<Bulkhead>" };

/// The checked arguments.
pub(crate) struct Checked {
    /// The number of slots, unless a bulkhead is given that has one.
    slots: Option<TokenStream>,
    setters: Vec<Setter>,
    state: StateOptions,
    /// Whether a call may have to wait.
    waits: bool,
    /// Whether the number of slots follows the results of calls.
    is_adaptive: bool,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, entries, item, errors, .. } = input;
    // Its own message says how the number is written.
    let is_named = SPEC.names_any(&entries, &[SLOTS, START]);
    let mut reader = Reader::new(&SPEC, entries, errors);
    let (wait_at, queue_at) = (reader.span_of("wait"), reader.span_of("queue"));
    let bounds_at = [reader.span_of("floor"), reader.span_of("cap")];
    let state = StateOptions::read(&mut reader, item, &NOUNS);
    let settings = Settings::read(&mut reader);
    let is_short = wait_at.is_none() || settings.duration("wait").is_some_and(|wait| wait.nanos == Some(0));
    if let (Some(at), true) = (queue_at, is_short) {
        errors.at_span(
            at,
            "`queue` needs a `wait` that is longer than 0s: without it no call waits\n\
             help: write `wait = 100ms`, or leave `queue` out",
        );
    }
    let mut rest = reader.rest().into_iter();
    state.check_instance(errors, rest.clone().map(|entry| entry.span));
    if state.is_given() {
        return Some(Checked { slots: None, setters: Vec::new(), state, waits: true, is_adaptive: false });
    }
    let is_adaptive = settings.has("adaptive");
    for at in bounds_at.into_iter().flatten().filter(|_| !is_adaptive) {
        errors.at_span(
            at,
            "a fixed number of slots has no bounds\nhelp: write `adaptive` beside it, or leave this out",
        );
    }
    let first = rest.next();
    if first.is_none() && !is_adaptive {
        if !is_named {
            errors.at_tokens(
                attr,
                "`bulkhead` needs a number of slots\nhelp: write `#[bulkhead(16)]`, or `#[bulkhead(adaptive)]`",
            );
        }
        return None;
    }
    for second in rest {
        errors.at_span(second.span, "`bulkhead` takes one number of slots, and then `key = value`");
    }
    let slots = match first {
        Some(first) => Some(errors.ok(value::count_from(first.tokens(), "slots", 1))?),
        None => None,
    };
    let setters = settings.setters;
    Some(Checked { slots, setters, state, waits: wait_at.is_some(), is_adaptive })
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            admits: Some("delay or refuse a call whose recorded value needs no slot"),
            holds: true,
            judges: self.is_adaptive,
            without_failures: self
                .is_adaptive
                .then_some("see every call succeed and admit more and more of them"),
            key: self.state.key.as_ref(),
            ends_call: true,
            ..Traits::default()
        }
    }

    fn check_stack(&self, attr: &Ident, stack: Stack<'_>, errors: &Errors) {
        self.state.check_keys(stack.varied().is_some(), errors);
        if self.state.instance.is_some() && stack.below().any(|traits| traits.moves_thread) {
            errors.at_tokens(
                attr,
                "the slot of an `instance` is free before a body ends that `timeout(.., thread)` has abandoned\n\
                 help: write the number of slots here, or move this line below the timeout",
            );
        }
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let new = match &self.slots {
            Some(slots) => {
                let at = value::own_span_of(slots);
                Some(quote_spanned!(at=> __rt::Bulkhead::of(&__POINT, #slots)))
            }
            None => self.is_adaptive.then(|| quote!(__rt::Bulkhead::of_adaptive(&__POINT))),
        };
        let bulkhead = new.map(|new| Setter::all(&self.setters, &self.state.ty(), new));
        self.state.site(&position.site, bulkhead.as_ref(), stack.varied())
    }

    fn passed(&self, cx: &Context<'_>, position: &Position) -> Option<TokenStream> {
        let looks = self.is_adaptive || self.state.is_given() || self.waits;
        if looks { None } else { cx.passed_counted(position) }
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let refused = cx.refused(position);
        let instance = self.state.bind();
        let awaits = cx.is_async && self.waits;
        let method = if awaits { "await_attempt" } else { "enter_attempt" };
        let enter = self.state.call(&position.site, method, &[&cx.attempt(position)], cx.varied(position));
        let enter = if awaits { quote_spanned!(here=> #enter.await) } else { enter };
        let enter = cx.admitted(position, "Slot", enter);
        let (label, bound, last, slot) =
            (position.label(), position.bound(), position.ended(), position.held());
        // A helper thread shares it, and keeps it until the body has ended there.
        let shared = cx.has_thread_below(position);
        let got = if shared {
            quote_spanned!(here=> __rt::Arc::new(__slot))
        } else {
            quote_spanned!(here=> __slot)
        };
        // Only a bulkhead of the program itself knows whether it is adaptive.
        let is_judged = self.is_adaptive || self.state.instance.is_some();
        let ended =
            is_judged.then(|| quote_spanned!(here=> __rt::bulkhead::SlotOf::ended(&#slot, __verdict);));
        let both = quote_spanned!(here=> (__outcome, __verdict));
        let given = if is_judged { both } else { position.needed() };
        let run = match (cx.is_async, self.waits) {
            (_, false) => inner.clone(),
            (false, true) => quote_spanned!(here=> let __holding = __rt::bulkhead::hold(&#slot); #inner),
            (true, true) => quote_spanned! {here=>
                let #given = __rt::bulkhead::holding(&#slot, async { #inner #given }).await;
            },
        };
        quote_spanned! {here=>
            let #bound = #label: {
                #instance
                // Not a `match` around the body, whose scrutinee would live until the body ends.
                let #slot = match #enter {
                    __rt::Ok(__slot) => #got,
                    __rt::Err(__rejected) => break #label #refused,
                };
                #run
                #ended
                #last
            };
        }
    }
}
