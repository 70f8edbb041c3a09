//! The attributes of `resilience`. Use them through that crate, which re-exports and documents them.

mod attr;
mod context;
mod derive_classify;
mod emit;
mod errors;
mod function;
mod layer;
mod options;
mod stack;
mod syntax;
mod value;

use proc_macro::TokenStream;

macro_rules! entry_points {
    ($($(#[$meta:meta])* $name:ident)*) => {
        $(
            $(#[$meta])*
            #[doc = include_str!(concat!("docs/", stringify!($name), ".md"))]
            #[doc = include_str!("docs/shared_keys.md")]
            #[proc_macro_attribute]
            pub fn $name(args: TokenStream, item: TokenStream) -> TokenStream {
                stack::collect(stringify!($name), args.into(), &item.into()).into()
            }
        )*
    };
}

attr::attributes!(entry_points);

#[cfg(feature = "ops")]
#[doc = include_str!("docs/health_check.md")]
#[proc_macro_attribute]
pub fn health_check(args: TokenStream, item: TokenStream) -> TokenStream {
    attr::health_check::expand(args.into(), &item.into()).into()
}

/// Checks the arguments of `chaos`, and injects nothing: the attribute of a `resilience` without that feature.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn __no_chaos(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collect_without_faults(args.into(), &item.into()).into()
}

/// Implements `Classify` for an error type; see the module `classify` of `resilience`.
#[proc_macro_derive(Classify, attributes(classify))]
pub fn derive_classify(input: TokenStream) -> TokenStream {
    derive_classify::derive(input.into()).into()
}

/// Emits an entry unchanged: stands in for the attribute of `linkme` on systems that it does not support. Only
/// expansions write it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn __unlisted(_: TokenStream, item: TokenStream) -> TokenStream {
    emit::unlisted(item.into()).into()
}

/// Passes the attributes and the types of their settings to a macro: `__attributes!(with)` is
/// `with! { with_retry(policy::RetryConfig) .. }`. Only `resilience` itself writes it.
#[doc(hidden)]
#[proc_macro]
pub fn __attributes(with: TokenStream) -> TokenStream {
    attr::pass_to(&with.into()).into()
}

/// Joins the attributes of one function; only expansions write it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn __stack(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::finish(args.into(), &item.into()).into()
}
