//! `#[with_lock("task:{id}", wait = 30s, ..)]`.

use super::recorded::first_key;
use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Positional, Reader, Setting, Spec, key, setting};
use crate::value::{self, Setter, Settings};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["fs::WithLockConfig"],
    word: "WITH_LOCK",
    read: |input| Some(Box::new(check(input)?)),
};

const SPEC: Spec = Spec {
    attr: "with_lock",
    keys: &[
        setting("wait", "30s", Setting::Time),
        setting("lease", "30s", Setting::TimeFrom("3ms")),
        setting("shared", "true", Setting::Flag),
        setting("common", "true", Setting::Flag),
        key("store", "expression"),
    ],
    foreign: &[
        ("key", NAME),
        ("lock", NAME),
        ("id", NAME),
        (
            "path",
            "locks of this attribute have a name; for a file use `FileLock::at(path).call(..)` in the body",
        ),
        (
            "file",
            "locks of this attribute have a name; for a file use `FileLock::at(path).call(..)` in the body",
        ),
        ("timeout", WAIT),
        ("max_wait", WAIT),
        ("blocking", WAIT),
        ("acquire_timeout", WAIT),
        ("lockAtMostFor", ENDS),
        ("ttl", ENDS),
        ("expire", ENDS),
        ("backend", "write `store = expression`"),
        ("read", SHARED),
        ("reader", SHARED),
        ("exclusive", "write `shared` for a reader's lock; without it the lock is exclusive"),
        ("global", COMMON),
        ("user", COMMON),
        ("fallback", "put `#[with_fallback(path)]` above"),
        ("retries", "put `#[with_retry(max = 3)]` above, so that the lock is free between two attempts"),
        ("retry", "put `#[with_retry(max = 3)]` above, so that the lock is free between two attempts"),
    ],
    positional: Positional::Key,
};

const NAME: &str = "write the name first, without a key: `#[with_lock(<\"task:{id}\">)]`";
const WAIT: &str = "write `wait = <30s>`: how long a call may wait for the lock; `wait = 0s` refuses at once";
const ENDS: &str = "the lock of a process that has ended is free; for a lock in a store write `lease = <30s>`, which is renewed";
const SHARED: &str = "write `shared`: readers exclude writers, and not each other";
const COMMON: &str = "write `common`: all programs of this user share the lock";

/// The checked arguments.
pub(crate) struct Checked {
    name: value::RenderedKey,
    setters: Vec<Setter>,
    is_shared: bool,
    /// The store in which the lock is a lease.
    store: Option<TokenStream>,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, entries, item, errors, .. } = input;
    let is_foreign = entries.iter().any(|entry| SPEC.foreign(entry).is_some());
    let mut reader = Reader::new(&SPEC, entries, errors);
    let store_at = reader.span_of("store");
    let of_files = ["shared", "common"].map(|name| (name, reader.span_of(name)));
    let lease_at = reader.span_of("lease");
    let store = reader.value("store", value::expression);
    let settings = Settings::read(&mut reader);
    check_store(store_at, lease_at, of_files, errors);
    let has_name = reader.has_rest();
    // A name without arguments is allowed: many functions need one lock for all calls.
    let name = first_key(&mut reader, item, None, errors);
    if !has_name && !is_foreign {
        errors.at_tokens(
            attr,
            "`with_lock` needs the name of a lock\nhelp: write `#[with_lock(\"task:{id}\")]`",
        );
    }
    let is_shared = settings.has("shared");
    Some(Checked { name: name?, setters: settings.setters, is_shared, store })
}

/// Reports settings that contradict a lock that is a lease, or one that is a file.
fn check_store(
    store_at: Option<Span>,
    lease_at: Option<Span>,
    of_files: [(&str, Option<Span>); 2],
    errors: &Errors,
) {
    let Some(store_at) = store_at else {
        if let Some(at) = lease_at {
            errors.at_span(
                at,
                "`lease` is for a lock in a store: the kernel frees a lock that is a file when its process ends\n\
                 help: write `store = ..` beside it, or leave this out",
            );
        }
        return;
    };
    if !cfg!(feature = "durable") {
        errors.at_span(store_at, "`store` needs the feature `durable` of the crate `resilience`");
    }
    for (name, at) in of_files.into_iter().filter_map(|(name, at)| Some((name, at?))) {
        let why = if name == "shared" {
            "a lease in a store has one holder: there are no readers"
        } else {
            "all programs that use a store share the locks in it"
        };
        errors.at_span(at, format!("{why}\nhelp: leave `{name}` or `store` out"));
    }
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            admits: Some("delay or refuse a call whose recorded value needs no lock"),
            holds: true,
            excludes: !self.is_shared,
            ..Traits::default()
        }
    }

    fn site(&self, position: &Position, _: Stack<'_>) -> TokenStream {
        let site = &position.site;
        let ty = quote!(__rt::with_lock::LockSite);
        let template = self.name.template.clone().unwrap_or_else(|| quote!(".."));
        let new = quote!(__rt::with_lock::LockSite::new(&__POINT, #template));
        let lock = Setter::all(&self.setters, &ty, new);
        let leased = self.store.is_some().then(|| quote!(.leased()));
        quote!(static #site: #ty = #lock #leased.checked();)
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let (label, bound, refused) = (position.label(), position.bound(), cx.refused(position));
        let (site, lock, attempt) = (&position.site, position.held(), cx.attempt(position));
        let name = &self.name.rendered;
        // A helper thread shares it, and keeps it until the body has ended there.
        let got = if cx.has_thread_below(position) {
            quote_spanned!(here=> __rt::Arc::new(__lock))
        } else {
            quote_spanned!(here=> __lock)
        };
        // The resources of an abandoned body are released when that body ends.
        let ends = self.store.is_some() && !cx.has_thread_below(position);
        let (take, end) = match &self.store {
            None if cx.is_async => ("acquire_async", None),
            None => ("acquire", None),
            Some(_) if cx.is_async => {
                ("acquire_lease_async", Some(quote_spanned!(here=> #lock.end().await;)))
            }
            Some(_) => ("acquire_lease", Some(quote_spanned!(here=> #lock.end_blocking();))),
        };
        let (take, end) = (Ident::new(take, here), end.filter(|_| ends));
        let given = self.store.as_ref().map(|given| quote!(, __rt::IntoStore::into_store(#given)));
        let take = quote_spanned!(here=> (&#site).#take(#name, #attempt #given));
        let (take, run) = if cx.is_async {
            (
                quote_spanned!(here=> #take.await),
                quote_spanned! {here=>
                    let #bound = __rt::with_lock::holding(&#lock, async { #inner #bound }).await;
                    #end
                },
            )
        } else {
            let dropped = end.as_ref().map(|_| quote_spanned!(here=> ::core::mem::drop(__holding);));
            (take, quote_spanned!(here=> let __holding = __rt::with_lock::hold(&#lock); #inner #dropped #end))
        };
        quote_spanned! {here=>
            let #bound = #label: {
                // Not a `match` around the body, whose scrutinee would live until the body ends.
                let #lock = match #take {
                    __rt::Ok(__lock) => #got,
                    __rt::Err(__rejected) => break #label #refused,
                };
                #run
                #bound
            };
        }
    }
}
