//! `#[with_lock("task:{id}", wait = 30s, ..)]`.

use super::recorded::first_key;
use crate::context::{Context, Place};
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Positional, Reader, Setting, Spec, setting};
use crate::value::{self, Setter, Settings};
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

pub(crate) static DEFINITION: Definition =
    Definition { spec: &SPEC, word: "WITH_LOCK", read: |input| Some(Box::new(check(input)?)) };

const SPEC: Spec = Spec {
    attr: "with_lock",
    keys: &[
        setting("wait", "30s", Setting::Time),
        setting("shared", "true", Setting::Flag),
        setting("common", "true", Setting::Flag),
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
        (
            "lockAtMostFor",
            "the kernel frees the lock of a process that has ended: write how long to wait, `wait = <30s>`",
        ),
        (
            "ttl",
            "the kernel frees the lock of a process that has ended: write how long to wait, `wait = <30s>`",
        ),
        (
            "lease",
            "the kernel frees the lock of a process that has ended: write how long to wait, `wait = <30s>`",
        ),
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
const SHARED: &str = "write `shared`: readers exclude writers, and not each other";
const COMMON: &str = "write `common`: all programs of this user share the lock";

/// The checked arguments.
pub(crate) struct Checked {
    name: value::Key,
    setters: Vec<Setter>,
    is_shared: bool,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, entries, item, errors, .. } = input;
    let is_foreign = entries.iter().any(|entry| SPEC.foreign.iter().any(|(word, _)| entry.is(word)));
    let mut reader = Reader::new(&SPEC, entries, errors);
    let settings = Settings::read(&mut reader, &SPEC);
    let was_empty = errors.is_empty();
    // One lock for all calls is what many functions want.
    let name = first_key(&mut reader, item, None, errors);
    if name.is_none() && !is_foreign && errors.is_empty() == was_empty {
        errors.at(attr, "`with_lock` needs the name of a lock\nhelp: write `#[with_lock(\"task:{id}\")]`");
    }
    let is_shared = settings.has("shared");
    Some(Checked { name: name?, setters: settings.setters, is_shared })
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            admits: Some("make a call wait, or refuse it, whose recorded value needs no lock"),
            holds: true,
            excludes: !self.is_shared,
            ..Traits::default()
        }
    }

    fn site(&self, place: &Place, _: Stack<'_>) -> TokenStream {
        let site = &place.site;
        let ty = quote!(__rt::with_lock::LockSite);
        let template = self.name.template.clone().unwrap_or_else(|| quote!(".."));
        let new = quote!(__rt::with_lock::LockSite::new(&__POINT, #template));
        let lock = Setter::all(&self.setters, &ty, new);
        quote!(static #site: #ty = #lock.checked();)
    }

    fn wrap(&self, cx: &Context<'_>, place: &Place, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let (label, bound, refused) = (place.label(), place.bound(), cx.refused(place));
        let (site, lock, attempt) = (&place.site, place.held(), cx.attempt(place));
        let name = &self.name.rendered;
        // A helper thread takes a part of it along, and keeps it until the body has ended there.
        let got = if cx.has_thread_below(place) {
            quote_spanned!(here=> __rt::Arc::new(__lock))
        } else {
            quote_spanned!(here=> __lock)
        };
        let (take, run) = if cx.is_async {
            (
                quote_spanned!(here=> (&#site).acquire_async(#name, #attempt).await),
                quote_spanned! {here=>
                    let #bound = __rt::with_lock::Holding::new(&#lock, async { #inner #bound }).await;
                },
            )
        } else {
            (
                quote_spanned!(here=> (&#site).acquire(#name, #attempt)),
                quote_spanned!(here=> let __holding = #lock.hold(); #inner),
            )
        };
        quote_spanned! {here=>
            let #bound = #label: {
                // Not a `match` around the body: what it looks at would live as long as the body waits.
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
