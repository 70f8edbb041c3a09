//! `#[timeout(2s, ..)]`, and `#[timeout(adaptive, ..)]`.

mod adaptive;

use crate::context::{Context, Position, pinned_local};
use crate::errors::Errors;
use crate::function::item::{self, Item};
use crate::function::types::peeled;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Entry, Positional, Reader, Setting, Spec, Value, key, setting};
use crate::value::{self, Setter, Settings};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::TimeoutConfig", "policy::AdaptiveTimeoutConfig"],
    word: "TIMEOUT",
    read,
};

fn read(input: Input<'_>) -> Option<Box<dyn Layer>> {
    if input.entries.iter().any(is_adaptive) {
        return Some(Box::new(adaptive::check(input)?));
    }
    Some(Box::new(check(input)?))
}

fn is_adaptive(entry: &Entry) -> bool {
    let is_on = match &entry.value {
        Value::Word => true,
        Value::Given(value) => value.to_string() == "true",
        Value::List(_) | Value::Bare(_) => false,
    };
    entry.is("adaptive") && is_on
}

const SPEC: Spec = Spec {
    attr: "timeout",
    keys: &[
        setting("growth", "2.0", Setting::Factor),
        setting("cap", "30s", Setting::Time),
        setting("strict", "true", Setting::Flag),
        key("thread", "true"),
        setting("threads", "16", Setting::Count(1)),
        setting("stack", "8MiB", Setting::Size),
        key("adaptive", "true"),
        key("floor", "100ms"),
        key("key", "host"),
        key("max_keys", "1024"),
        key("instance", "LIMIT"),
    ],
    foreign: &[
        ("duration", LIMIT),
        ("seconds", LIMIT),
        ("ms", LIMIT),
        ("timeout_seconds", LIMIT),
        ("timeout_secs", LIMIT),
        ("timeout_ms", LIMIT),
        ("secs", LIMIT),
        ("millis", LIMIT),
        ("time", LIMIT),
        ("per_attempt", LIMIT),
        ("after", LIMIT),
        ("deadline", LIMIT),
        ("limit", LIMIT),
        ("timeout", LIMIT),
        ("min", FLOOR),
        ("minimum", FLOOR),
        ("percentile", "write `adaptive`: the limit is twice the 99th percentile of the last 1,000 calls"),
        ("dynamic", "write `adaptive`: the limit is twice the 99th percentile of the last 1,000 calls"),
        ("multiplier", "write `growth = <2.0>`: the factor from one attempt to the next"),
        ("backoff", "write `growth = <2.0>`: the factor from one attempt to the next"),
        ("max", CAP),
        ("fallback", "put `#[with_fallback(path)]` above"),
        ("when", "a timeout ends whatever takes too long: `when` belongs to a policy that looks at errors"),
        (
            "unless",
            "a timeout ends whatever takes too long: `unless` belongs to a policy that looks at errors",
        ),
        ("on_error", "write `rejected = |r| ..`"),
    ],
    positional: Positional::Duration,
};

const LIMIT: &str = "write the limit first, without a key: `#[timeout(<2s>)]`";
const FLOOR: &str = "write `floor = <100ms>`, beside `adaptive`: the shortest limit";
const CAP: &str = "write `cap = <30s>`: the longest limit that `growth`, or an `adaptive` limit, reaches";

/// The checked arguments.
pub(crate) struct Checked {
    /// The limit, unless a policy is given that has one.
    limit: Option<value::Duration>,
    /// The policy that is given.
    instance: Option<TokenStream>,
    setters: Vec<Setter>,
    grows: bool,
    thread: bool,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, mut entries, item, errors, .. } = input;
    // Its own message says how the limit is written.
    let mut is_named = SPEC.names_any(&entries, &[LIMIT]);
    if let Some(words) = entries.first().and_then(|first| no_limit(first, item)) {
        errors.at_span(entries.remove(0).span, words);
        is_named = true;
    }
    let mut reader = Reader::new(&SPEC, entries, errors);
    let configured = value::written(&reader);
    let strict_at = reader.span_of("strict");
    let thread = reader.switch("thread").unwrap_or(false);
    check_dependent(&mut reader, errors);
    check_threads(&reader, thread, errors);
    let settings = Settings::read(&mut reader);
    check_kind(attr, item, thread, strict_at, errors);
    let instance_at = reader.span_of("instance");
    let instance = reader.value("instance", value::expression);
    let mut rest = reader.rest().into_iter();
    if let Some(at) = instance_at {
        let written = configured.into_iter().chain(rest.map(|entry| entry.span));
        value::not_beside_instance(errors, "timeout", at, written);
        return Some(Checked {
            limit: None,
            instance: Some(instance?),
            setters: Vec::new(),
            grows: false,
            thread,
        });
    }
    let Some(first) = rest.next() else {
        if !is_named {
            errors.at_tokens(attr, "`timeout` needs a limit\nhelp: write `#[timeout(2s)]`");
        }
        return None;
    };
    for second in rest {
        errors.at_span(second.span, "`timeout` takes one limit, and then `key = value`");
    }
    let limit = errors.ok(value::duration(first.tokens()))?;
    if limit.nanos == Some(0) {
        errors.at_span(limit.span, "the limit must be longer than 0s");
    }
    let words = "`cap` must be at least the limit";
    errors.ok(value::in_order(Some(&limit), settings.duration("cap"), words));
    let grows = settings.has("growth");
    Some(Checked { limit: Some(limit), instance: None, setters: settings.setters, grows, thread })
}

/// Reports settings that have no effect without another one, which is not written.
fn check_dependent(reader: &mut Reader<'_>, errors: &Errors) {
    if let (Some(at), None) = (reader.span_of("cap"), reader.span_of("growth")) {
        errors.at_span(
            at,
            "`cap` bounds `growth`, which is not written\nhelp: add `growth = 2.0`, or leave `cap` out",
        );
    }
    reader.switch("adaptive");
    let of_adaptive = [
        (
            "floor",
            "`floor` bounds an adaptive limit\nhelp: write `#[timeout(adaptive, floor = 100ms, cap = 10s)]`",
        ),
        ("key", "`key` needs `adaptive`: a fixed limit is the same for all keys"),
        ("max_keys", "`max_keys` needs `adaptive`, and `key = ..`: it bounds how many keys have a limit"),
    ];
    for (key, words) in of_adaptive {
        if let Some(entry) = reader.take(key) {
            errors.at_span(entry.span, words);
        }
    }
}

/// Reports settings of helper threads without `thread`, where they have no effect.
fn check_threads(reader: &Reader<'_>, has_thread: bool, errors: &Errors) {
    for (key, verb) in [("threads", "bounds"), ("stack", "is the stack of")] {
        if let (Some(at), false) = (reader.span_of(key), has_thread) {
            errors.at_span(
                at,
                format!(
                    "`{key}` {verb} the helper threads of `thread`, which is not written\nhelp: add `thread`"
                ),
            );
        }
    }
}

/// Returns what is wrong with a limit that is an argument or a parameter of the function.
fn no_limit(entry: &Entry, item: &Item) -> Option<String> {
    let mut tokens = entry.tokens().into_iter();
    let Some(TokenTree::Ident(word)) = tokens.next() else { return None };
    let name = word.to_string();
    let is_field = matches!(tokens.next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '.');
    let is_word = matches!(entry.value, Value::Word) && !SPEC.names().contains(&name.as_str());
    let is_self = word == "self" && item.sig.receiver().is_some();
    let is = if (is_word || is_field) && (is_self || item.bound_names().contains(&word)) {
        "an argument"
    } else if item.has_parameter(&word) {
        "a parameter of the function"
    } else {
        return None;
    };
    Some(format!(
        "the limit is the same for all calls, but `{name}` is {is}\n\
         help: write a duration such as `2s`, the path of a constant, or `instance = ..` with a `Timeout` \
         that is made at run time"
    ))
}

const SYNC: &str = "a sync function cannot be stopped from outside\n\
                    help: make it `async`, use the time limit of what it calls, or write \
                    `#[timeout(2s, thread)]`, which runs it on a helper thread and abandons it there";

fn check_kind(attr: &Ident, item: &Item, thread: bool, strict_at: Option<Span>, errors: &Errors) {
    match (item.is_async(), thread) {
        (false, false) => {
            let words = item.made_sync("timeout").unwrap_or_else(|| SYNC.to_owned());
            errors.at_tokens(attr, words);
        }
        (true, true) => errors.at_tokens(attr, "`thread` is for sync functions: an async one is dropped where it waits\nhelp: leave `thread` out"),
        (false, true) => {
            if let Some(at) = strict_at {
                errors.at_span(at, "`strict` is for async functions: on a helper thread the time always counts from the call\nhelp: leave `strict` out");
            }
            borrowed_arguments(item, errors);
        }
        (true, false) => {}
    }
}

fn borrowed_arguments(item: &Item, errors: &Errors) {
    let borrows = |ty: &syn::Type| matches!(peeled(ty), syn::Type::Reference(r) if !is_static(r));
    for input in &item.sig.inputs {
        let (is_reference, owned) = match input {
            syn::FnArg::Receiver(receiver) => {
                let is_reference = match &receiver.kind {
                    syn::ReceiverKind::Reference(..) => true,
                    syn::ReceiverKind::Typed(_, ty) => borrows(ty),
                    _ => false,
                };
                (is_reference, "`self: Arc<Self>`")
            }
            // Only the compiler knows whether an argument with a `#[cfg]` exists.
            syn::FnArg::Typed(typed) => (
                borrows(&typed.ty) && item::cfgs(&typed.attrs).is_empty(),
                "an owned value, for instance an `Arc`",
            ),
        };
        if is_reference {
            errors.at_tokens(
                input,
                format!("an abandoned body may outlive this borrow\nhelp: with `thread` take {owned}"),
            );
        }
    }
}

fn is_static(reference: &syn::TypeReference) -> bool {
    reference.lifetime.as_ref().is_some_and(|lifetime| lifetime.ident == "static")
}

/// Compares the longest `limit` of this layer with the limits and windows above it.
fn comparisons(limit: &value::Duration, stack: Stack<'_>) -> TokenStream {
    let value::Duration { tokens: limit, span, .. } = limit;
    let total = stack.total().map(|total| {
        let total = &total.tokens;
        quote_spanned!(*span=> const _: () = __rt::check_attempt(#total, #limit);)
    });
    let windows = stack.above().filter_map(|traits| traits.window).map(|window| {
        let window = &window.tokens;
        quote_spanned!(*span=> const _: () = __rt::check_window(#window, #limit);)
    });
    let slow = stack.above().filter_map(|traits| traits.slow).map(|slow| {
        let slow = &slow.tokens;
        quote_spanned!(*span=> const _: () = __rt::check_slow(#slow, #limit);)
    });
    let others = windows.chain(slow).collect::<TokenStream>();
    quote!(#total #others)
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            moves_thread: self.thread,
            limit: self.limit.as_ref(),
            reads_settings: self.instance.is_none(),
            ends_call: true,
            ..Traits::default()
        }
    }

    fn check_stack(&self, attr: &Ident, stack: Stack<'_>, errors: &Errors) {
        if self.grows && !stack.above().any(|traits| traits.loops) {
            errors.at_tokens(
                attr,
                "`growth` lengthens the limit on each retry, and no `with_retry` is above\nhelp: move this line below `with_retry`, or leave `growth` out",
            );
        }
    }

    fn comparisons(&self, stack: Stack<'_>) -> TokenStream {
        self.limit.as_ref().map(|limit| comparisons(limit, stack)).unwrap_or_default()
    }

    fn passed(&self, cx: &Context<'_>, position: &Position) -> Option<TokenStream> {
        cx.passed_counted(position)
    }

    fn wrap_future(
        &self,
        cx: &Context<'_>,
        position: &Position,
        future: &TokenStream,
        done: &TokenStream,
    ) -> Option<TokenStream> {
        let here = Span::mixed_site();
        let outcome = quote_spanned!(here=> __outcome);
        let label = self.passed(cx, position).map(|_| position.label()).into_iter();
        let done = quote_spanned!(here=> #(#label:)* { #done });
        Some(self.around(cx, position, future, &outcome, &done))
    }

    fn site(&self, position: &Position, _: Stack<'_>) -> TokenStream {
        let site = &position.site;
        let ty = quote!(__rt::Timeout);
        let thread = self.thread.then(|| quote!(.thread()));
        let Some(limit) = &self.limit else {
            return quote!(static #site: __rt::TimeoutSite = __rt::TimeoutSite::of_instance(&__POINT)#thread;);
        };
        let new = Setter::new("new", limit.tokens.clone()).make(&ty);
        let policy = Setter::all(&self.setters, &ty, new);
        quote!(static #site: __rt::TimeoutSite = __rt::TimeoutSite::new(&__POINT, #policy.checked())#thread;)
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let (bound, needed) = (position.bound(), position.needed());
        let body = if self.thread {
            let body = quote_spanned!(Span::mixed_site()=> move || { #inner #needed });
            match cx.retry_elsewhere(position) {
                None => body,
                Some(retry) => quote_spanned!(Span::mixed_site()=> { #retry #body }),
            }
        } else {
            quote_spanned!(Span::mixed_site()=> async { #inner #needed })
        };
        let done = quote_spanned!(Span::mixed_site()=> __done);
        let run = if position.ends_call {
            self.around(cx, position, &body, &needed, &position.ended())
        } else {
            self.around(cx, position, &body, &done, &done)
        };
        quote_spanned!(Span::mixed_site()=> let #bound = #run;)
    }
}

impl Checked {
    /// Wraps `body` in the limit: its result is bound to `name`, and `done` makes an outcome of it.
    fn around(
        &self,
        cx: &Context<'_>,
        position: &Position,
        body: &TokenStream,
        name: &TokenStream,
        done: &TokenStream,
    ) -> TokenStream {
        let site = &position.site;
        let cut = cx.cut(position);
        let here = Span::mixed_site();
        let is_given = self.instance.is_some();
        let is_pinned = position.is_pinned;
        let attempt = if self.grows || is_given || is_pinned { cx.attempt(position) } else { quote!(1) };
        let settings = pinned_local();
        let run = match (self.thread, self.grows) {
            (true, _) if is_given => {
                quote_spanned!(here=> (&#site).on_thread_within(&__instance, #attempt, #body))
            }
            (true, _) if is_pinned => {
                quote_spanned!(here=> (&#site).on_thread_pinned(#settings, #attempt, #body))
            }
            (true, _) => quote_spanned!(here=> (&#site).on_thread(#attempt, #body)),
            _ if is_given => {
                quote_spanned!(here=> __rt::Timed::given(&#site, &__instance, #attempt, #body).await)
            }
            _ if is_pinned => {
                quote_spanned!(here=> __rt::Timed::pinned(&#site, #settings, #attempt, #body).await)
            }
            (false, true) => quote_spanned!(here=> __rt::Timed::grown(&#site, #attempt, #body).await),
            (false, false) => quote_spanned!(here=> __rt::Timed::new(&#site, #body).await),
        };
        let ended = quote_spanned! {Span::mixed_site()=>
            match #run {
                __rt::Ok(#name) => #done,
                __rt::Err(__rejected) => #cut,
            }
        };
        match &self.instance {
            None => ended,
            Some(given) => {
                // Copied, so that the body may move the value that has it.
                let instance = value::instance(given, &quote!(Timeout));
                quote_spanned!(here=> { let __instance = { #instance *__instance }; #ended })
            }
        }
    }
}
