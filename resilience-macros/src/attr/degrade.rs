//! `#[degrade(workflow, ..)]`.

use crate::context::{Context, Position, shadows};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Positional, Reader, Setting, Spec, Value, lists_key, setting};
use crate::value::{Categories, Setter, Settings};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::DegradeConfig"],
    word: "DEGRADE",
    read: |input| Some(Box::new(check(input)?)),
};

const SPEC: Spec = Spec {
    attr: "degrade",
    keys: &[setting("max", "3", Setting::Count(1)), lists_key("on", "(category, ..)")],
    foreign: &[
        ("levels", MAX),
        ("max_levels", MAX),
        ("steps", MAX),
        ("max_attempts", ATTEMPTS),
        ("attempts", ATTEMPTS),
        ("argument", ARGUMENT),
        ("with", ARGUMENT),
        ("arg", ARGUMENT),
        (
            "simplify",
            "implement `resilience::Simplify` for the argument's type, and write the argument: `#[degrade(workflow)]`",
        ),
        ("when", "write `on(category, ..)`: after which failures a simpler call follows"),
        ("unless", "write `on(category, ..)`: after which failures a simpler call follows"),
        ("fallback", "put `#[with_fallback(path)]` above"),
    ],
    positional: Positional::Argument,
};

const MAX: &str = "write `max = <3>`: how many simpler levels are tried";
const ATTEMPTS: &str = "write `max = <4-1>`: how many simpler levels are tried after the first call";
const ARGUMENT: &str = "write the argument first, without a key: `#[degrade(workflow)]`";
const NEEDS: &str = "`degrade` needs the argument that is made simpler\nhelp: write `#[degrade(workflow)]`";

/// The checked arguments.
pub(crate) struct Checked {
    argument: Ident,
    is_borrowed: bool,
    setters: Vec<Setter>,
    on: Categories,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, entries, options, item, errors } = input;
    let is_foreign = entries.iter().any(|entry| SPEC.foreign(entry).is_some());
    let mut reader = Reader::new(&SPEC, entries, errors);
    let settings = Settings::read(&mut reader);
    let on = Categories::read(&mut reader);
    let mut rest = reader.rest().into_iter();
    let Some(first) = rest.next() else {
        if !is_foreign {
            errors.at_tokens(attr, NEEDS);
        }
        return None;
    };
    for second in rest {
        errors.at_span(second.span, "`degrade` takes one argument, and then `key = value`");
    }
    let (Some(argument), Value::Word) = (&first.key, &first.value) else {
        errors.at_span(first.span, NEEDS);
        return None;
    };
    if options.clone.contains(argument) {
        errors.at_tokens(
            argument,
            "`degrade` passes this argument unchanged, without a clone\nhelp: leave it out of `clone(..)`",
        );
    }
    let is_borrowed = is_borrowed(argument, item, errors)?;
    Some(Checked { argument: argument.clone(), is_borrowed, setters: settings.setters, on })
}

/// Returns whether the argument is a reference; a type that it cannot have is reported.
fn is_borrowed(argument: &Ident, item: &Item, errors: &Errors) -> Option<bool> {
    let ty = item.type_of(argument, errors)?;
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            errors.at_tokens(
                ty,
                "a simpler call would find what the first one has changed\nhelp: take the argument by `&` or by value",
            );
            None
        }
        Type::Reference(_) => Some(true),
        _ => Some(false),
    }
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            calls_again: true,
            judges: true,
            keeps_arguments: true,
            renews: Some(&self.argument),
            without_failures: Some("see every call succeed and never make a simpler one"),
            twice: Some(": the lower one has made its argument simpler when the upper one begins"),
            ..Traits::default()
        }
    }

    fn uses(&self, _: &Ident) -> bool {
        // A simpler call passes all arguments again.
        true
    }

    fn site(&self, position: &Position, _: Stack<'_>) -> TokenStream {
        let site = &position.site;
        let ty = quote!(__rt::Degrade);
        let policy = Setter::all(&self.setters, &ty, quote!(__rt::Degrade::new("")));
        let argument = self.argument.unraw().to_string();
        let on = self.on.setter();
        quote! {
            static #site: __rt::DegradeSite =
                __rt::DegradeSite::new(&__POINT, #argument, #policy.checked()) #on;
        }
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let (site, label, bound, argument) =
            (&position.site, position.label(), position.bound(), &self.argument);
        let at = here.located_at(argument.span());
        let shadows = shadows();
        let ArgumentCode { start, level, back, original } = self.argument_code(at);
        let simplify = quote_spanned!(at=> #original.and_then(|__original| __rt::Simplify::simplify(__original, __level + 1)));
        let returned = here.located_at(cx.return_at);
        let others = cx.is_async.then(|| quote_spanned!(here=> __rt::let_others_run().await;));
        let ended = quote_spanned!(returned=> (&#site).ended(__first, __outcome, __verdict));
        let calls = position.looped(quote_spanned! {here=>
            let (__outcome, __verdict) = {
                #shadows
                #level
                #inner
                #back
                (__outcome, __verdict)
            };
            if let __rt::Some(__class) = (&#site).next(&__verdict, __level) {
                __simpler = #simplify;
                if ::core::option::Option::is_some(&__simpler) {
                    __level += 1;
                    __first = __first.or(__rt::Some((__outcome, __verdict)));
                    (&#site).simplified(__class, __level);
                    #others
                    continue;
                }
            }
            let (__outcome, __verdict) = #ended;
            break #label #bound;
        });
        quote_spanned! {here=>
            let #bound = #label: {
                #start
                let mut __simpler = __rt::None;
                let mut __first = __rt::None;
                let mut __level = 0_u32;
                #calls
            };
        }
    }
}

/// The code that gives each call its argument.
struct ArgumentCode {
    /// Keeps the caller's own before the first call.
    start: TokenStream,
    /// Sets the one of a call.
    level: TokenStream,
    /// Takes the caller's own back after a call.
    back: TokenStream,
    /// The caller's own, as an option, to make a simpler one of.
    original: TokenStream,
}

impl Checked {
    fn argument_code(&self, at: Span) -> ArgumentCode {
        let argument = &self.argument;
        if self.is_borrowed {
            return ArgumentCode {
                start: quote_spanned!(at=> let __original = #argument;),
                level: quote_spanned! {at=>
                    let #argument = match &__simpler {
                        __rt::Some(__simpler) => __simpler,
                        __rt::None => __original,
                    };
                },
                back: TokenStream::new(),
                original: quote_spanned!(at=> __rt::Some(__original)),
            };
        }
        ArgumentCode {
            start: quote_spanned!(at=> let mut __original = __rt::Some(#argument);),
            level: quote_spanned! {at=>
                let #argument = __rt::either(::core::option::Option::take(&mut __simpler), || ::core::option::Option::take(&mut __original));
            },
            // If the body moves it, the compiler reports that here.
            back: quote_spanned! {at=>
                if __level == 0 { __original = __rt::Some(#argument); }
            },
            original: quote_spanned!(at=> ::core::option::Option::as_ref(&__original)),
        }
    }
}
