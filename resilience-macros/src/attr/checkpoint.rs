//! `#[checkpoint("page:{id}:{n}", ..)]`.

use super::recorded::{
    Choice, OTHERWISE, around, borrowed_result, choice, first_key, settings, store, was, was_setter,
};
use crate::context::{Context, Position};
use crate::function::item::Item;
use crate::function::types;
use crate::layer::{Definition, Input, Layer, Record, Stack, Traits};
use crate::syntax::keys::{self, Entry, Positional, Reader, Setting, Spec, Value, key, list_key, setting};
use crate::value::{self, Setter};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Error, Expr, Result};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["durable::CheckpointConfig"],
    word: "CHECKPOINT",
    read: |input| Some(Box::new(check(input))),
};

const SPEC: Spec = Spec {
    attr: "checkpoint",
    keys: &[
        setting("version", "1", Setting::Count(0)),
        setting("ttl", "7d", Setting::Own),
        setting("lease", "30s", Setting::TimeFrom("3ms")),
        setting("wait", "5m", Setting::Time),
        setting("on_mismatch", "rerun", Setting::Own),
        setting("on_corrupt", "rerun", Setting::Own),
        setting("on_store_error", "run", Setting::Own),
        list_key("inputs", "(argument, ..)"),
        key("store", "expression"),
        key("rollback", "path or |value| .."),
        key("was", "\"old_name\""),
        setting("in_job", "true", Setting::Switch),
    ],
    foreign: &[
        ("key", KEY),
        ("id", KEY),
        ("idempotency_key", KEY),
        ("checkpoint_key", KEY),
        ("compensate", "write `rollback = path`: the function takes the recorded value"),
        ("compensation", "write `rollback = path`: the function takes the recorded value"),
        ("undo", "write `rollback = path`: the function takes the recorded value"),
        ("retries", "put `#[with_retry(max = 3)]` below"),
        ("retry", "put `#[with_retry(max = 3)]` below"),
        ("timeout", "put `#[timeout(2s)]` below for the body; `wait` is for another holder"),
        ("expire", "write `ttl = <7d>`"),
        ("expires", "write `ttl = <7d>`"),
        ("heartbeat", "write `lease = <30s>`: it is renewed every third of that"),
        ("on_busy", "write `wait = 5m`; `wait = 0s` fails at once"),
        ("alias", "write `was = \"old_name\"`"),
        ("backend", "write `store = expression`"),
        ("provided", "leave it out: a step records no arguments, except the `inputs(argument, ..)`"),
        ("max_recoveries", "write it on the job: `#[job(\"import:{id}\", max_recoveries = <10>)]`"),
        ("record_text", "write it on the job: `#[job(\"import:{id}\", record_text)]`"),
        ("rerun", "leave it out: a step that has failed runs again at its next call"),
    ],
    positional: Positional::Key,
};

const KEY: &str = "write the key first, without a name: `#[checkpoint(\"page:{id}\")]`";

const ON_STORE_ERROR: Choice = Choice { ty: "OnStoreError", words: [("fail", "Fail"), ("run", "Run")] };

/// The checked arguments.
pub(crate) struct Checked {
    key: Option<value::RenderedKey>,
    /// The arguments of a step without a key.
    unkeyed: Vec<Ident>,
    setters: Vec<Setter>,
    inputs: Option<Vec<(String, TokenStream)>>,
    store: Option<TokenStream>,
    rollback: Option<Expr>,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Checked {
    let Input { entries, item, errors, .. } = input;
    let mut reader = Reader::new(&SPEC, entries, errors);
    let inputs = reader.take("inputs").and_then(|entry| errors.ok(inputs(entry, item)));
    let mut setters = settings(&mut reader);
    setters.extend(was(&mut reader).map(|name| was_setter(&name)));
    setters.extend(choice(&mut reader, "on_mismatch", &OTHERWISE));
    setters.extend(choice(&mut reader, "on_corrupt", &OTHERWISE));
    setters.extend(choice(&mut reader, "on_store_error", &ON_STORE_ERROR));
    let store = reader.value("store", value::expression);
    let rollback = reader.value("rollback", |tokens| {
        value::without_self(&tokens)?;
        value::path_or_closure(tokens)
    });
    if let (Some(rollback), Some(words)) = (&rollback, undoable(item)) {
        errors.at_tokens(rollback, words);
    }
    borrowed_result(item, errors);
    let refusal = (inputs.is_none() && !item.arguments().is_empty())
        .then(|| value::same_for_all(item, &[], ", or `inputs(..)` with the arguments that must not change"));
    let key = first_key(&mut reader, item, refusal.as_deref(), errors);
    let unkeyed = if key.is_none() { item.plain_names() } else { Vec::new() };
    Checked { key, unkeyed, setters, inputs, store, rollback }
}

/// Reads `inputs(a, b = expression)`.
fn inputs(entry: Entry, item: &Item) -> Result<Vec<(String, TokenStream)>> {
    let Value::List(list) = entry.value else {
        return Err(Error::new(entry.span, "`inputs` needs a list\nhelp: write `inputs(argument, ..)`"));
    };
    let bound = item.bound_names();
    let mut found: Vec<(String, TokenStream)> = Vec::new();
    for entry in keys::entries(list) {
        let (key, value) = match (entry.key, entry.value) {
            (Some(key), Value::Given(value)) => (key, value::expression(value)?),
            (Some(key), Value::Word) if bound.contains(&key) => (key.clone(), quote!(#key)),
            (Some(key), Value::Word) => {
                return Err(Error::new(key.span(), item.has_no_argument(&key.to_string())));
            }
            _ => return Err(Error::new(entry.span, "expected an argument, or `name = expression`")),
        };
        let name = key.unraw().to_string();
        if found.iter().any(|(other, _)| *other == name) {
            return Err(Error::new(key.span(), keys::written_twice(&name)));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// Returns why the function's steps cannot be undone, if they cannot.
fn undoable(item: &Item) -> Option<&'static str> {
    let (_, has_impl_trait) = item.return_type();
    if !item.sig.generics.params.is_empty() {
        return Some(
            "a step of a generic function cannot be rolled back: after a crash its types are not known\nhelp: leave `rollback` out, or write a function for each type",
        );
    }
    let names_self = item.output().is_some_and(types::names_self);
    (has_impl_trait || names_self)
        .then_some("`rollback` needs a return type that can be named outside of the function\nhelp: write the type without `Self` and `impl`")
}
impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            records: Some(Record {
                result: "the result",
                judged: "count a recorded value as a call that succeeded",
                has_lease: true,
            }),
            without_failures: Some("record the fallback's value and return it from then on"),
            ..Traits::default()
        }
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let site = &position.site;
        let ty = quote!(__rt::Checkpoint);
        let policy = Setter::all(&self.setters, &ty, quote!(__rt::Checkpoint::new("")));
        let template = match self.key.as_ref().map(|key| &key.template) {
            None => quote!(__rt::None),
            Some(Some(template)) => quote!(__rt::Some(#template)),
            Some(None) => quote!(__rt::Some("an expression")),
        };
        let undone = self.rollback.as_ref().map(|rollback| undone(rollback, stack.item));
        quote! {
            static #site: __rt::CheckpointSite =
                __rt::CheckpointSite::new(&__POINT, #template, #policy)#undone;
        }
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let none = quote!(__rt::None);
        let some = |value: TokenStream| quote!(__rt::Some(#value));
        let key = self.key.as_ref().map_or_else(|| none.clone(), |key| some(key.rendered.clone()));
        let inputs = match &self.inputs {
            Some(inputs) => {
                let (names, values): (Vec<_>, Vec<_>) = inputs.iter().cloned().unzip();
                some(quote!(__rt::inputs(__rt::Args::new()#(.input(#names, &(#values)))*)))
            }
            None if self.unkeyed.is_empty() => none,
            None => {
                let names = &self.unkeyed;
                let texts = names.iter().map(|name| name.unraw().to_string());
                some(quote_spanned!(Span::mixed_site()=> __rt::inputs({
                    let __args = __rt::Args::new();
                    #(let __args = __rt::Given::new(&#names).added_to(__args, #texts);)*
                    __args
                })))
            }
        };
        let store = store(self.store.as_ref());
        let body = if cx.is_async {
            quote_spanned!(Span::mixed_site()=> let (__outcome, __verdict) = __rt::InScope::new((&__running).scope(), async { #inner (__outcome, __verdict) }).await;)
        } else {
            quote_spanned! {Span::mixed_site()=>
                let __entered = (&__running).enter();
                #inner
                ::core::mem::drop(__entered);
            }
        };
        around(cx, position, &body, &quote!(#key, #inputs, #store), &TokenStream::new())
    }
}

/// Returns the setter of the function that undoes a recorded value, also after a crash.
fn undone(rollback: &Expr, item: &Item) -> TokenStream {
    let (ty, _) = item.return_type();
    let at = Span::mixed_site().located_at(value::span_of(&rollback.to_token_stream()));
    let error = quote_spanned!(at=> __rt::Undone::error(__rt::Step(__rt::call1(#rollback, __value)).__settle().await));
    quote_spanned! {Span::mixed_site()=>
        .undone(|__bytes| ::std::boxed::Box::pin(async move {
            #[allow(unused_imports)]
            use __rt::Settled as _;
            let __value = __rt::recorded::<<#ty as __rt::Outcome>::Value>(&__bytes)?;
            match #error {
                __rt::None => __rt::Ok(()),
                __rt::Some(__error) => {
                    let __probe = __rt::Probe::new(&__error);
                    __rt::Err(__rt::undo_failed(__probe.probed_class(), __probe.probed_text()))
                }
            }
        }))
    }
}
