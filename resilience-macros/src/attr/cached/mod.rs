//! `#[cached(ttl = 60s, ..)]`.

mod key;

use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::function::types;
use crate::layer::{Definition, Input, Layer, Record, Stack, Traits};
use crate::syntax::keys::{Positional, Reader, Setting, Spec, key, setting};
use crate::value::{self, Setter, Settings};
use key::{GenericArgs, KeyOf, arguments, borrowed_arguments, needs_key, parts};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Expr, FnArg, LifetimeParam, ReceiverKind, TypeReference};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::CacheConfig"],
    word: "CACHE",
    read: |input| Some(Box::new(check(input))),
};

const SPEC: Spec = Spec {
    attr: "cached",
    keys: &[
        setting("ttl", "60s", Setting::Lasting),
        setting("max", "1000", Setting::Count(1)),
        setting("stale_if_error", "1h", Setting::Lasting),
        setting("wait", "10s", Setting::Time),
        key("key", "(host, id)"),
        key("weight", "path"),
        key("degraded", "true"),
        key("instance", "self.cache"),
    ],
    foreign: &[
        ("time", TTL),
        ("time_to_live", TTL),
        ("timeToLive", TTL),
        ("expire", TTL),
        ("expires", TTL),
        ("expiry", TTL),
        ("expire_after", TTL),
        ("lifespan", TTL),
        ("lifetime", TTL),
        ("max_age", TTL),
        ("duration", TTL),
        ("ttl_secs", TTL),
        ("ttl_seconds", TTL),
        ("size", MAX),
        ("maxsize", MAX),
        ("max_size", MAX),
        ("capacity", MAX),
        ("max_capacity", MAX),
        ("max_entries", MAX),
        ("limit", MAX),
        ("convert", KEY),
        ("key_fn", KEY),
        ("cache_key", KEY),
        ("keyed_by", KEY),
        ("stale", STALE),
        ("grace", STALE),
        ("stale_while_error", STALE),
        (
            "stale_while_revalidate",
            "write `stale_if_error = <1h>`: a stale value answers while the service fails, not before it is asked",
        ),
        ("weigher", "write `weight = path`: a function of the value"),
        ("weighter", "write `weight = path`: a function of the value"),
        ("result", "leave it out: of a `Result` only `Ok` is kept, of an `Option` only `Some`"),
        ("option", "leave it out: of a `Result` only `Ok` is kept, of an `Option` only `Some`"),
        ("negative", NEGATIVE),
        ("negative_ttl", NEGATIVE),
        ("cache_none", NEGATIVE),
        ("cache_errors", NEGATIVE),
        ("error_ttl", NEGATIVE),
        ("sync_writes", "leave it out: only one call per key runs when there is no value"),
        ("single_flight", "leave it out: only one call per key runs when there is no value"),
        ("wait_timeout", "write `wait = <10s>`: how long a call waits for a running one of its key"),
        ("cache", "write `instance = ..` with a `Cache` that you own"),
        ("store", "write `instance = ..` with a `Cache` that you own"),
        ("timeout", "put `#[timeout(2s)]` below"),
        ("fallback", "put `#[with_fallback(path)]` above"),
        ("when", "write `when_ok = |value| ..`, which is true of the values that are not kept"),
        ("unless", "write `when_ok = |value| ..`, which is true of the values that are not kept"),
    ],
    positional: Positional::Nothing,
};

const TTL: &str = "write `ttl = <60s>`: how long a value is fresh";
const MAX: &str = "write `max = <1000>`: how many values are kept";
const KEY: &str = "write `key = (host, id)`: what the result depends on";
const NEGATIVE: &str =
    "return `Ok(None)` for what does not exist: it is kept for `ttl`, while errors are not kept";
const STALE: &str =
    "write `stale_if_error = <1h>`: how long after its `ttl` a value may answer in place of an error";

/// The checked arguments.
pub(crate) struct Checked {
    setters: Vec<Setter>,
    key: KeyOf,
    weight: Option<Expr>,
    degraded: bool,
    instance: Option<TokenStream>,
    ids: GenericArgs,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Checked {
    let Input { attr, entries, item, errors, .. } = input;
    let mut reader = Reader::new(&SPEC, entries, errors);
    let configured = value::written(&reader);
    let instance_at = reader.span_of("instance");
    let key_at = reader.span_of("key");
    if let (Some(at), None, None) = (reader.span_of("stale_if_error"), reader.span_of("ttl"), instance_at) {
        errors.at_span(
            at,
            "`stale_if_error` counts from the end of `ttl`, which is not written\n\
             help: add `ttl = 60s`, or leave `stale_if_error` out",
        );
    }
    let settings = Settings::read(&mut reader);
    let degraded = reader.switch("degraded").unwrap_or(false);
    let weight = reader.value("weight", value::path_or_closure);
    let written = reader.value("key", |tokens| value::policy_key(tokens, item));
    let instance = reader.value("instance", value::expression);
    if let Some(at) = instance_at {
        value::not_beside_instance(errors, "cache", at, configured.into_iter());
    }
    borrowed_value(item, errors);
    let key = match (written, key_at) {
        (Some(written), _) => parts(&written),
        (None, Some(_)) => KeyOf::Several(Vec::new()),
        (None, None) => {
            match needs_key(item) {
                Some(words) => errors.at_tokens(attr, words),
                None => borrowed_arguments(item, errors),
            }
            arguments(item)
        }
    };
    if key.parts().len() > MOST_PARTS {
        errors.at_tokens(
            attr,
            format!(
                "a key has at most {MOST_PARTS} parts, and this one has {}\n\
                 help: write what the result depends on: `key = (host, id)`",
                key.parts().len()
            ),
        );
    }
    Checked { setters: settings.setters, key, weight, degraded, instance, ids: GenericArgs::of(item) }
}

/// Reports a value that borrows from the call, which the cache outlives.
fn borrowed_value(item: &Item, errors: &Errors) {
    let generics = &item.sig.generics;
    // An elided lifetime is that of the only argument with one, which may be `'static`.
    let is_elided = item.sig.inputs.iter().any(|input| match input {
        FnArg::Receiver(receiver) => matches!(receiver.kind, ReceiverKind::Reference(_, None, _)),
        FnArg::Typed(typed) => types::is_elided_reference(&typed.ty),
    });
    let is_borrow = |reference: &TypeReference| match &reference.lifetime {
        Some(lifetime) if lifetime.ident != "_" => {
            let is_free = |param: &LifetimeParam| param.lifetime == *lifetime && param.bounds.is_empty();
            generics.where_clause.is_none() && generics.lifetimes().any(is_free)
        }
        _ => is_elided,
    };
    if let Some((value, owned)) = types::borrowed_value(item.output(), is_borrow) {
        let words = "a cached value is kept after the call, and cannot borrow from it";
        errors.at_tokens(value, format!("{words}\nhelp: return `{owned}`"));
    }
}

/// The most parts that a key can have.
const MOST_PARTS: usize = 8;

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            records: Some(Record {
                result: "the cached value",
                judged: "count a cached value as a call that succeeded",
                has_lease: false,
            }),
            without_failures: (!self.degraded).then_some("keep the fallback's value"),
            twice: Some(": the upper one answers whatever the lower one would"),
            ..Traits::default()
        }
    }

    fn site(&self, position: &Position, _: Stack<'_>) -> TokenStream {
        let site = &position.site;
        if self.instance.is_some() {
            return value::instance_site(site, "Cache");
        }
        let ty = quote!(__rt::Cache);
        let cache = Setter::all(&self.setters, &ty, quote!(#ty::of(&__POINT)));
        quote!(static #site: __rt::Cache = #cache.checked();)
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let at = here.located_at(cx.return_at);
        let label = position.label();
        let bound = position.bound();
        let kept = position.given(&quote_spanned!(here=> __kept), &quote_spanned!(here=> __verdict));
        let begin = self.begin(cx, position);
        let lead = if cx.is_async {
            quote_spanned!(at=> __pending.lead().await)
        } else {
            quote_spanned!(at=> __pending.lead_blocking())
        };
        let lead =
            if self.degraded { quote_spanned!(here=> #lead.map(__rt::Lead::keeping_degraded)) } else { lead };
        let body = if cx.is_async {
            quote_spanned! {here=>
                let (__outcome, __verdict) =
                    (&__lead).leading(async { #inner (__outcome, __verdict) }).await;
            }
        } else {
            quote_spanned! {here=>
                let __inside = (&__lead).enter();
                #inner
                ::core::mem::drop(__inside);
            }
        };
        let end = match &self.weight {
            None => quote_spanned!(at=> __lead.end(__outcome, __verdict, __sharing)),
            Some(weight) => {
                let at = value::mixed_span_of(weight);
                quote_spanned!(at=> __lead.end_weighed(__outcome, __verdict, __sharing, #weight))
            }
        };
        let sharing = quote_spanned!(at=> __rt::Sharing::of(&__outcome));
        quote_spanned! {here=>
            let #bound = #label: {
                let __pending = match #begin {
                    __rt::Ok(__pending) => __pending,
                    __rt::Err((__kept, __verdict)) => break #label #kept,
                };
                let __lead = match #lead {
                    __rt::Ok(__lead) => __lead,
                    __rt::Err((__kept, __verdict)) => break #label #kept,
                };
                #body
                let __sharing = #sharing.__sharing();
                match #end {
                    (__outcome, __verdict) => #bound,
                }
            };
        }
    }
}

impl Checked {
    /// Returns a block that looks the key up. Its parts are borrowed only there.
    fn begin(&self, cx: &Context<'_>, position: &Position) -> TokenStream {
        let here = Span::mixed_site();
        let site = &position.site;
        let parts = self.key.parts();
        let names: Vec<Ident> =
            (0..parts.len()).map(|at| format_ident!("__part_{at}", span = here)).collect();
        let bind = names.iter().zip(parts).map(|(name, part)| {
            let at = value::mixed_span_of(part);
            quote_spanned!(at=> let #name = &(#part);)
        });
        let read = names.iter().zip(parts).map(|(name, part)| {
            let at = value::mixed_span_of(part);
            quote_spanned!(at=> __rt::key_part(__rt::Part(#name).__part()))
        });
        let key = match &self.key {
            KeyOf::One(_) => quote!(#(#read)*),
            KeyOf::Several(_) => quote_spanned!(here=> (#(#read,)*)),
        };
        let ids = self.ids.expand();
        let at = here.located_at(cx.return_at);
        let (instance, enter) = match &self.instance {
            None => (None, quote_spanned!(at=> (&#site).enter(#ids, #key))),
            Some(given) => (
                Some(value::instance(given, &quote!(Cache))),
                quote_spanned!(at=> (&#site).enter_in(__instance, #ids, #key)),
            ),
        };
        // The trait is for parts that are not references, and unused if there are none.
        quote_spanned! {here=> {
            #[allow(unused_imports)]
            use __rt::PartFallback as _;
            #instance
            #(#bind)*
            let __begun = #enter;
            __begun
        }}
    }
}
