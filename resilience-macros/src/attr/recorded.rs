//! The common part of `checkpoint` and `job`: a key, the settings of a record, and the code that looks the
//! result up before the body and records it afterwards.

use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::function::types;
use crate::syntax::keys::Reader;
use crate::value::{self, Setter, Settings};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, LitStr};

/// Takes the key out of the remaining entries, and reports all others.
pub(crate) fn first_key(
    reader: &mut Reader<'_>,
    item: &Item,
    refusal: Option<&str>,
    errors: &Errors,
) -> Option<value::RenderedKey> {
    let mut rest = reader.rest().into_iter();
    let first = rest.next()?;
    let arguments = item.bound_names();
    for second in rest {
        match &second.key {
            Some(key) if !arguments.contains(key) => errors.at_span(key.span(), reader.unknown(key, &second)),
            _ => errors.at_span(second.span, "expected one key, and then `name = value`"),
        }
    }
    errors.ok(value::key(first.tokens(), item, refusal))
}

/// Reports a reference in the recorded value, which is read from the store in another call, or another process.
pub(crate) fn borrowed_result(item: &Item, errors: &Errors) {
    if let Some((value, owned)) = types::borrowed_value(item.output(), |_| true) {
        let words = "a recorded value is read from the store, and cannot borrow";
        errors.at_tokens(value, format!("{words}\nhelp: return `{owned}`"));
    }
}

/// Returns the settings that are not one of two words.
pub(crate) fn settings(reader: &mut Reader<'_>) -> Vec<Setter> {
    let mut setters = Settings::read(reader).setters;
    let ttl = reader.value("ttl", |tokens| {
        if value::open(tokens.clone()).to_string() == "never" {
            let span = value::own_span_of(&tokens);
            let tokens = quote_spanned!(span=> ::core::time::Duration::ZERO);
            return Ok(value::Duration { tokens, nanos: None, span });
        }
        value::lasting(tokens, "ttl")
    });
    setters.extend(ttl.map(|ttl| Setter::new("ttl", ttl.tokens)));
    setters
}

/// Reads `was = "earlier"`.
pub(crate) fn was(reader: &mut Reader<'_>) -> Option<LitStr> {
    reader.value("was", |tokens| {
        let span = value::span_of(&tokens);
        let words = "expected the earlier name in quotes, for instance `\"old_name\"`";
        syn::parse2(value::open(tokens)).map_err(|_| Error::new(span, words))
    })
}

/// Returns the earlier name, as a setter.
pub(crate) fn was_setter(name: &LitStr) -> Setter {
    Setter::new("was", quote_spanned!(name.span()=> &[#name]))
}

/// The two words of a setting, each with its variant of the type `ty`.
pub(crate) struct Choice {
    pub(crate) ty: &'static str,
    pub(crate) words: [(&'static str, &'static str); 2],
}

/// The words of `on_mismatch` and `on_corrupt`.
pub(crate) const OTHERWISE: Choice =
    Choice { ty: "Otherwise", words: [("error", "Error"), ("rerun", "Rerun")] };

/// Reads the setting called `name`, one word of `choice`.
pub(crate) fn choice(reader: &mut Reader<'_>, name: &str, choice: &Choice) -> Option<Setter> {
    let value = reader.value(name, |tokens| {
        let span = value::own_span_of(&tokens);
        let word = value::open(tokens).to_string();
        let [(first, _), (second, _)] = choice.words;
        let (_, variant) = choice.words.iter().find(|(known, _)| *known == word).ok_or_else(|| {
            let words = format!(
                "expected `{first}` or `{second}`\nhelp: write `{name} = {first}` or `{name} = {second}`"
            );
            Error::new(span, words)
        })?;
        let (ty, variant) = (Ident::new(choice.ty, span), Ident::new(variant, span));
        Ok(quote_spanned!(span=> __rt::#ty::#variant))
    })?;
    Some(Setter::new(name, value))
}

/// Returns `store = expression`, as an argument of the runtime.
pub(crate) fn store(store: Option<&TokenStream>) -> TokenStream {
    match store {
        None => quote!(__rt::None),
        Some(store) => quote!(__rt::Some(__rt::IntoStore::into_store(#store))),
    }
}

/// Wraps the `body` of a step or a job, which binds `__outcome` and `__verdict`, in the code that looks the result up
/// before it and records it after it.
pub(crate) fn around(
    cx: &Context<'_>,
    position: &Position,
    body: &TokenStream,
    begin: &TokenStream,
    end: &TokenStream,
) -> TokenStream {
    let site = &position.site;
    let refused = cx.refused(position);
    let label = position.label();
    let at = Span::mixed_site().located_at(cx.return_at);
    let (first, last) = if cx.is_async {
        (
            quote_spanned!(at=> (&#site).begin(#begin).await),
            quote_spanned!(at=> __running.end(__outcome, __verdict, #end).await),
        )
    } else {
        (
            quote_spanned!(at=> (&#site).begin_blocking(#begin)),
            quote_spanned!(at=> __running.end_blocking(__outcome, __verdict, #end)),
        )
    };
    let bound = position.bound();
    let kept = position.given(&quote_spanned!(Span::mixed_site()=> __kept), &quote!(__rt::None));
    quote_spanned! {Span::mixed_site()=>
        let #bound = #label: {
            let __running = match #first {
                __rt::Ok(__running) => __running,
                __rt::Err(__rt::Ok(__kept)) => break #label #kept,
                __rt::Err(__rt::Err(__rejected)) => break #label #refused,
            };
            #body
            match #last {
                __rt::Ok((__outcome, __verdict)) => #bound,
                __rt::Err(__rejected) => #refused,
            }
        };
    }
}
