//! The attributes of `resilience`. Use them through that crate, which re-exports and documents them.

mod attr;
mod derive_classify;
mod emit;
mod errors;
mod function;
mod stack;
mod syntax;
mod value;

use proc_macro::TokenStream;

#[doc = include_str!("docs/with_retry.md")]
#[doc = include_str!("docs/shared_keys.md")]
#[proc_macro_attribute]
pub fn with_retry(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collect("with_retry", args.into(), &item.into()).into()
}

#[doc = include_str!("docs/circuit_breaker.md")]
#[doc = include_str!("docs/shared_keys.md")]
#[proc_macro_attribute]
pub fn circuit_breaker(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collect("circuit_breaker", args.into(), &item.into()).into()
}

#[doc = include_str!("docs/timeout.md")]
#[doc = include_str!("docs/shared_keys.md")]
#[proc_macro_attribute]
pub fn timeout(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collect("timeout", args.into(), &item.into()).into()
}

#[doc = include_str!("docs/with_fallback.md")]
#[doc = include_str!("docs/shared_keys.md")]
#[proc_macro_attribute]
pub fn with_fallback(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collect("with_fallback", args.into(), &item.into()).into()
}

#[doc = include_str!("docs/checkpoint.md")]
#[doc = include_str!("docs/shared_keys.md")]
#[proc_macro_attribute]
pub fn checkpoint(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collect("checkpoint", args.into(), &item.into()).into()
}

#[doc = include_str!("docs/job.md")]
#[doc = include_str!("docs/shared_keys.md")]
#[proc_macro_attribute]
pub fn job(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collect("job", args.into(), &item.into()).into()
}

#[doc = include_str!("docs/with_recovery.md")]
#[doc = include_str!("docs/shared_keys.md")]
#[proc_macro_attribute]
pub fn with_recovery(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::collect("with_recovery", args.into(), &item.into()).into()
}

/// Lets an error say what it means; see the module `classify` of `resilience`.
#[proc_macro_derive(Classify, attributes(classify))]
pub fn derive_classify(input: TokenStream) -> TokenStream {
    derive_classify::derive(input.into()).into()
}

/// Where the attributes of one function meet; only expansions write it.
#[doc(hidden)]
#[proc_macro_attribute]
pub fn __stack(args: TokenStream, item: TokenStream) -> TokenStream {
    stack::finish(args.into(), &item.into()).into()
}
