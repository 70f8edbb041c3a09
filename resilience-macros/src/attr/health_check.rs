//! `#[health_check("name", timeout = 2s, critical, each = VALUES)]`: not a layer of a stack. It adds an entry to the
//! table of checks, and leaves the function unchanged.

use crate::errors::Errors;
use crate::function::item::Item;
use crate::syntax::keys::{Entry, Positional, Reader, Spec, Value, checked_entries, key};
use crate::value;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{FnArg, LitStr, Pat, Type};

pub(crate) const SPEC: Spec = Spec {
    attr: "health_check",
    keys: &[key("timeout", "2s"), key("critical", "true"), key("each", "VALUES"), key("crate", "::path")],
    foreign: &[
        ("name", NAME),
        ("component", NAME),
        ("id", NAME),
        ("limit", TIMEOUT),
        ("timeout_ms", TIMEOUT),
        ("timeout_secs", TIMEOUT),
        ("interval", WATCH),
        ("every", WATCH),
        ("period", WATCH),
        ("cache", "an answer is used for one second"),
        ("ttl", "an answer is used for one second"),
        ("readiness", CRITICAL),
        ("required", CRITICAL),
        ("ready", CRITICAL),
        ("for_each", "write `each = VALUES`: one check for each value"),
        ("values", "write `each = VALUES`: one check for each value"),
        ("retry", POLICY),
        ("retries", POLICY),
        ("classify", POLICY),
        ("rejected", POLICY),
        ("clone", POLICY),
        ("when_ok", POLICY),
        ("context", POLICY),
        ("timed", POLICY),
    ],
    positional: Positional::Nothing,
};

const NAME: &str = "write the name first, without a key: `health_check(\"ollama\")`";
const TIMEOUT: &str = "write `timeout = <2s>`: how long a caller waits for the result of the check";
const WATCH: &str = "call `resilience::health::watch()`: it looks at every component every 30 s";
const CRITICAL: &str = "write `critical`: the check decides whether the program is ready";
const POLICY: &str = "write it in an attribute of a policy, below this one";

/// The checked arguments.
struct Checked {
    name: LitStr,
    timeout: Option<TokenStream>,
    is_critical: bool,
    /// The values, with the argument that gets them.
    each: Option<(TokenStream, Argument)>,
    runtime: TokenStream,
}

/// The only argument of a function with `each`.
struct Argument {
    name: Ident,
    is_reference: bool,
}

/// Expands the attribute to the function, and its entry or the mistakes.
pub(crate) fn expand(args: TokenStream, tokens: &TokenStream) -> TokenStream {
    let item = match Item::read(tokens.clone()) {
        Ok(item) => item,
        Err(error) => {
            let error = syn::Error::new(error.span(), "`health_check` belongs on a function with a body");
            let error = error.to_compile_error();
            return quote!(#error #tokens);
        }
    };
    let errors = Errors::new();
    let checked = check(args, &item, &errors);
    match (errors.finish(), checked) {
        (None, Some(checked)) => {
            let registration = registration(&checked, &item);
            quote!(#tokens #registration)
        }
        (mistakes, _) => quote!(#mistakes #tokens),
    }
}

fn check(args: TokenStream, item: &Item, errors: &Errors) -> Option<Checked> {
    let mut entries = checked_entries(args, errors);
    let name = take_name(&mut entries, errors);
    let mut reader = Reader::inside(&SPEC, &SPEC, entries, errors);
    let timeout = reader.value("timeout", |tokens| value::lasting(tokens, "timeout"));
    let is_critical = reader.switch("critical").unwrap_or(false);
    let values = reader.value("each", value::expression);
    let runtime = reader.value("crate", syn::parse2::<syn::Path>);
    check_function(item, errors);
    let argument = argument(item, values.is_some(), errors);
    let name = name?;
    check_name(&name, values.is_some(), argument.as_ref(), errors);
    let each = match (values, argument) {
        (Some(values), Some(argument)) => Some((values, argument)),
        (Some(_), None) => return None,
        (None, _) => None,
    };
    let runtime = runtime.map_or_else(|| quote!(::resilience), ToTokens::into_token_stream);
    Some(Checked { name, timeout: timeout.map(|timeout| timeout.tokens), is_critical, each, runtime })
}

/// Takes the text that comes first without a key.
fn take_name(entries: &mut Vec<Entry>, errors: &Errors) -> Option<LitStr> {
    let text = |entry: &Entry| match &entry.value {
        Value::Bare(tokens) => syn::parse2::<LitStr>(value::open(tokens.clone())).ok(),
        _ => None,
    };
    let found = entries.iter().enumerate().find_map(|(at, entry)| Some((at, text(entry)?)));
    let Some((at, name)) = found else {
        errors.at_span(
            Span::call_site(),
            "`health_check` needs the name of the component\nhelp: write it first: `#[health_check(\"ollama\")]`",
        );
        return None;
    };
    entries.remove(at);
    Some(name)
}

/// Reports a receiver or generic parameters: a check is called by its path alone.
fn check_function(item: &Item, errors: &Errors) {
    if let Some(receiver) = item.sig.receiver() {
        errors.at_tokens(
            receiver,
            "a health check has no receiver: there is no value to call it on\n\
             help: write a function, or call `resilience::health::register` with a closure",
        );
    }
    let params = item.sig.generics.params.iter();
    for param in params.filter(|param| !matches!(param, syn::GenericParam::Lifetime(_))) {
        errors.at_tokens(param, "a health check cannot be generic: nothing chooses its types");
    }
}

/// Returns the argument that gets the values of `each`; too many or too few are reported.
fn argument(item: &Item, has_values: bool, errors: &Errors) -> Option<Argument> {
    let mut typed = item.sig.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(typed) => Some(typed),
        FnArg::Receiver(_) => None,
    });
    let first = typed.next();
    match (first, has_values) {
        (Some(first), false) => {
            errors.at_tokens(
                first,
                "a health check is called without arguments\n\
                 help: write `each = VALUES` for one check with each value of the argument",
            );
            return None;
        }
        (None, true) => {
            errors.at_tokens(
                &item.sig.ident,
                "with `each` the function takes the value as its argument, and this one takes none",
            );
            return None;
        }
        _ => {}
    }
    if let Some(second) = typed.next() {
        errors.at_tokens(second, "with `each` the function takes the value as its only argument");
    }
    let first = first?;
    match &*first.pat {
        Pat::Ident(pat) if pat.subpat.is_none() => {
            Some(Argument { name: pat.ident.clone(), is_reference: matches!(&*first.ty, Type::Reference(_)) })
        }
        pattern => {
            errors.at_tokens(pattern, "the check's name refers to this argument: it must be an identifier");
            None
        }
    }
}

/// Reports a name that would be the same for all values, or that has a placeholder without `each`.
fn check_name(name: &LitStr, has_values: bool, argument: Option<&Argument>, errors: &Errors) {
    let text = name.value();
    if text.trim().is_empty() {
        errors.at_tokens(name, "the name of a component cannot be empty");
    }
    match argument {
        Some(Argument { name: argument, .. }) if has_values => {
            // A format string has no raw names.
            let argument = argument.unraw();
            let names_it = [format!("{{{argument}}}"), format!("{{{argument}:")];
            if !names_it.iter().any(|part| text.contains(part.as_str())) {
                errors.at_tokens(
                    name,
                    format!(
                        "the checks of all values would have this name\n\
                         help: include the argument: `\"{text}:{{{argument}}}\"`"
                    ),
                );
            }
        }
        _ if !has_values && text.contains('{') => {
            errors.at_tokens(
                name,
                "this name has a placeholder, but there is no `each`\nhelp: write `each = VALUES`",
            );
        }
        _ => {}
    }
}

/// Returns the entry of the table.
fn registration(checked: &Checked, item: &Item) -> TokenStream {
    let here = Span::mixed_site();
    let Checked { name, timeout, is_critical, each, runtime } = checked;
    let function = &item.sig.ident;
    let list = match each {
        None => {
            let check = closure(item, &quote!(#function()), false);
            let listed = listed(item, &name.to_token_stream(), &check);
            quote_spanned!(here=> || ::std::vec::Vec::from([#listed]))
        }
        Some((values, Argument { name: argument, is_reference })) => {
            let given = if *is_reference {
                quote_spanned!(here=> &__value)
            } else {
                quote_spanned!(here=> ::core::clone::Clone::clone(&__value))
            };
            let check = closure(item, &quote!(#function(#given)), true);
            let listed = listed(item, &quote_spanned!(here=> __name), &check);
            quote_spanned! {here=>
                || __rt::each_check(#values, |__value| {
                    // In a block of its own: the argument may be named like the function, which is called after it.
                    let __name = {
                        let #argument = &__value;
                        ::std::format!(#name)
                    };
                    #listed
                })
            }
        }
    };
    let timeout = timeout.iter();
    let critical = is_critical.then(|| quote!(.critical(true)));
    quote_spanned! {here=>
        const _: () = {
            use #runtime::__private as __rt;

            #[__rt::linkme::distributed_slice(__rt::HEALTH_CHECKS_0_1)]
            #[linkme(crate = __rt::linkme)]
            static __CHECK: __rt::CheckSite =
                __rt::CheckSite::new(#name, #list) #(.timeout(#timeout))* #critical;
        };
    }
}

/// Returns one check called `name`.
fn listed(item: &Item, name: &TokenStream, check: &TokenStream) -> TokenStream {
    let here = Span::mixed_site();
    if item.is_async() {
        quote_spanned!(here=> __rt::Listed::of_future(#name, #check))
    } else {
        quote_spanned!(here=> __rt::Listed::blocking(#name, #check))
    }
}

/// Returns the closure that runs the check once by `call`, for a value if `has_value`.
fn closure(item: &Item, call: &TokenStream, has_value: bool) -> TokenStream {
    let here = Span::mixed_site();
    let at = item.return_span().resolved_at(here);
    let wait = item.is_async().then(|| quote!(.await));
    let answer = quote_spanned! {at=>
        let __outcome = #call #wait;
        let __category = __rt::CheckOutcome::error(&__outcome)
            .map(|__error| __rt::Probe::new(__error).probed_class().category);
        __rt::check_answer(__outcome, __category)
    };
    match (item.is_async(), has_value) {
        (false, false) => quote_spanned!(here=> || { #answer }),
        (false, true) => quote_spanned!(here=> move || { #answer }),
        (true, false) => quote_spanned!(here=> || async move { #answer }),
        (true, true) => quote_spanned! {here=>
            move || {
                let __value = ::core::clone::Clone::clone(&__value);
                async move { #answer }
            }
        },
    }
}
