//! Where a policy keeps its state: in the function's `static`, in one policy per key there, or in a policy that the
//! program owns.

use super::{
    count_from, expression, instance, mixed_span_of, not_beside_instance, policy_key, refuse_inner_template,
    whole_key, written,
};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::syntax::keys::Reader;
use crate::syntax::tokens::readable;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};

/// The names of a policy with state in messages and expansions.
pub(crate) struct PolicyNames {
    /// The name in messages: `rate limit`.
    pub(crate) noun: &'static str,
    /// Its type: `RateLimit`.
    pub(crate) ty: &'static str,
    /// The type with one policy for each key, as the program makes it: `Keyed<RateLimit>`.
    pub(crate) set: &'static str,
}

/// `key`, `max_keys` and `instance` of one policy.
pub(crate) struct StateOptions {
    nouns: &'static PolicyNames,
    pub(crate) key: Option<TokenStream>,
    max_keys: Option<TokenStream>,
    pub(crate) instance: Option<TokenStream>,
    key_at: Option<Span>,
    max_keys_at: Option<Span>,
    label_at: Option<Span>,
    instance_at: Option<Span>,
    written_key: String,
    /// The places of the settings that an `instance` has itself.
    configured: Vec<Span>,
}

impl StateOptions {
    /// Takes the keys, before the settings are taken.
    pub(crate) fn read(reader: &mut Reader<'_>, item: &Item, nouns: &'static PolicyNames) -> Self {
        let configured = written(reader).into_iter().chain(reader.span_of("max_keys")).collect();
        let (key_at, instance_at) = (reader.span_of("key"), reader.span_of("instance"));
        let mut written_key = String::new();
        let key = reader.value("key", |tokens| {
            written_key = readable(&tokens);
            policy_key(tokens, item)
        });
        let (max_keys_at, label_at) = (reader.span_of("max_keys"), reader.span_of("key_label"));
        let max_keys = reader.value("max_keys", |tokens| count_from(tokens, "max_keys", 1));
        let instance = reader.value("instance", |tokens| {
            if let Ok(value) = syn::parse2(tokens.clone()) {
                refuse_inner_template(&value, item)?;
            }
            expression(tokens)
        });
        Self {
            nouns,
            key,
            max_keys,
            instance,
            key_at,
            max_keys_at,
            label_at,
            instance_at,
            written_key,
            configured,
        }
    }

    /// Reports settings of keys where there are none, neither written nor because an argument `is_varied` above.
    pub(crate) fn check_keys(&self, is_varied: bool, errors: &Errors) {
        if self.key_at.is_some() || is_varied {
            return;
        }
        if let Some(at) = self.max_keys_at {
            let noun = self.nouns.noun;
            errors.at_span(at, format!("`max_keys` needs `key = ..`: it bounds how many keys have a {noun}"));
        }
        if let Some(at) = self.label_at {
            errors.at_span(at, "`key_label` needs `key = ..`: it shows the keys in logs");
        }
    }

    /// Returns whether an `instance` is written.
    pub(crate) fn is_given(&self) -> bool {
        self.instance_at.is_some()
    }

    /// Reports the settings beside an `instance`, `others` included.
    pub(crate) fn check_instance(&self, errors: &Errors, others: impl Iterator<Item = Span>) {
        let Some(at) = self.instance_at else { return };
        let settings = self.configured.iter().copied().chain(others);
        not_beside_instance(errors, self.nouns.noun, at, settings);
        if let (Some(key_at), Some(instance)) = (self.key_at, &self.instance) {
            errors.at_span(key_at, self.key_beside_instance(instance));
        }
    }

    /// Returns what to write for `instance` and `key` together.
    fn key_beside_instance(&self, instance: &TokenStream) -> String {
        let PolicyNames { noun, set, .. } = self.nouns;
        // A template may have paths, which `format!` does not take.
        let key = if self.written_key.starts_with('"') { "format!(..)" } else { &self.written_key };
        let instance = readable(instance);
        format!(
            "`instance` is one {noun}, and `key` needs one for each key\n\
             help: make `{instance}` a `{set}`, and write `instance = {instance}.get(&{key})` without `key`"
        )
    }

    /// Returns the policy's type.
    pub(crate) fn ty(&self) -> TokenStream {
        let ty = Ident::new(self.nouns.ty, Span::call_site());
        quote!(__rt::#ty)
    }

    /// Returns the `static` called `site` of `policy`, which is `None` if an `instance` is given. An argument that is
    /// `varied` above is part of the key.
    pub(crate) fn site(
        &self,
        site: &Ident,
        policy: Option<&TokenStream>,
        varied: Option<&Ident>,
    ) -> TokenStream {
        let ty = self.ty();
        let Some(policy) = policy else {
            return instance_site(site, self.nouns.ty);
        };
        if self.key.is_none() && varied.is_none() {
            return quote!(static #site: #ty = #policy.checked(););
        }
        let max_keys = self.max_keys.iter();
        quote! {
            static #site: __rt::Site<__rt::Keyed<#ty>> = {
                const fn __fresh() -> #ty { #policy.checked() }
                const fn __keyed() -> __rt::Keyed<#ty> { __rt::Keyed::new(__fresh)#(.max_keys(#max_keys))* }
                __rt::Site::new(__keyed(), __keyed)
            };
        }
    }

    /// Binds `__instance`, where one is given.
    pub(crate) fn bind(&self) -> Option<TokenStream> {
        let ty = Ident::new(self.nouns.ty, Span::call_site());
        self.instance.as_ref().map(|given| instance(given, &quote!(#ty)))
    }

    /// Returns a call of `method` of the policy in the `static` called `site`, with `arguments` behind the key or the
    /// instance.
    pub(crate) fn call(
        &self,
        site: &Ident,
        method: &str,
        arguments: &[&TokenStream],
        varied: Option<&Ident>,
    ) -> TokenStream {
        let here = Span::mixed_site();
        let method = Ident::new(method, here);
        match (&self.instance, whole_key(self.key.as_ref(), varied)) {
            (Some(given), _) => {
                quote_spanned!(mixed_span_of(given)=> (&#site).#method(__instance #(, #arguments)*))
            }
            (None, Some(given)) => {
                quote_spanned!(mixed_span_of(&given)=> __rt::Keyed::#method(&#site, &(#given) #(, #arguments)*))
            }
            (None, None) => quote_spanned!(here=> (&#site).#method(#(#arguments),*)),
        }
    }
}

/// Returns the `static` called `site` of a policy of this type that the program owns.
pub(crate) fn instance_site(site: &Ident, ty: &str) -> TokenStream {
    let config = format_ident!("{ty}Config");
    quote!(static #site: __rt::Instance<__rt::#config> = __rt::Instance::of(&__POINT);)
}
