//! One attribute per file: its keys, their mistakes, and the code of its layer.

mod bulkhead;
mod cached;
mod chaos;
mod checkpoint;
mod circuit_breaker;
mod degrade;
mod failover;
#[cfg(feature = "ops")]
pub(crate) mod health_check;
mod hedge;
mod job;
mod rate_limit;
mod recorded;
mod timeout;
mod with_fallback;
mod with_lock;
mod with_recovery;
mod with_retry;

use crate::layer::Definition;
use proc_macro2::{Ident, TokenStream};
use quote::quote;

/// Passes the names of all attributes to the macro `$with`; those of a feature have its condition.
macro_rules! attributes {
    ($with:ident) => {
        $with! {
            with_retry
            circuit_breaker
            timeout
            bulkhead
            rate_limit
            hedge
            with_fallback
            failover
            degrade
            chaos
            #[cfg(feature = "cache")] cached
            #[cfg(feature = "fs")] with_lock
            #[cfg(feature = "durable")] checkpoint
            #[cfg(feature = "durable")] job
            #[cfg(feature = "durable")] with_recovery
        }
    };
}
pub(crate) use attributes;

macro_rules! definitions {
    ($($(#[$meta:meta])* $name:ident)*) => { &[$(&$name::DEFINITION),*] };
}

/// Every attribute.
pub(crate) static ATTRIBUTES: &[&Definition] = attributes!(definitions);

/// Returns the registration of the attribute `attr`.
pub(crate) fn definition(attr: &Ident) -> Option<&'static Definition> {
    ATTRIBUTES.iter().copied().find(|definition| attr == definition.spec.attr)
}

macro_rules! names_and_settings {
    ($($(#[$meta:meta])* $name:ident)*) => {
        [$((quote!($(#[$meta])* $name), $name::DEFINITION.settings)),*]
    };
}

/// Passes all attributes, each with the types of its settings, to the macro `with` of the caller.
pub(crate) fn pass_to(with: &TokenStream) -> TokenStream {
    let attributes = attributes!(names_and_settings).into_iter().map(|(name, settings)| {
        let types = settings.iter().filter_map(|path| path.parse::<TokenStream>().ok());
        quote!(#name(#(#types),*))
    });
    quote!(#with! { #(#attributes)* })
}

#[cfg(test)]
mod tests {
    use crate::syntax::keys::{Key, Spec};

    /// Checks that the page of an attribute has a row for every key, and no row for a key that does not exist.
    fn check(spec: &Spec, page: &str) {
        check_keys(spec, &spec.keys.iter().chain(crate::syntax::keys::SHARED).collect::<Vec<_>>(), page);
    }

    fn check_keys(spec: &Spec, keys: &[&Key], page: &str) {
        let rows =
            page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
        let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
        let documented: Vec<_> = words.map(|word| word.split('(').next().unwrap_or(word)).collect();
        for key in keys {
            assert!(documented.contains(&key.name), "{}: `{}` has no row", spec.attr, key.name);
        }
        for word in documented {
            assert!(keys.iter().any(|key| key.name == word), "{}: there is no key `{word}`", spec.attr);
        }
    }

    macro_rules! pages {
        ($($(#[$meta:meta])* $name:ident)*) => {
            [$((&super::$name::DEFINITION, include_str!(concat!("../docs/", stringify!($name), ".md")))),*]
        };
    }

    #[test]
    fn every_key_is_documented() {
        for (definition, page) in super::attributes!(pages) {
            check(definition.spec, page);
        }
        #[cfg(feature = "ops")]
        check_keys(
            &super::health_check::SPEC,
            &super::health_check::SPEC.keys.iter().collect::<Vec<_>>(),
            include_str!("../docs/health_check.md"),
        );
    }
}
