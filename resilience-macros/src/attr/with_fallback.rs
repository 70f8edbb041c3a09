//! `#[with_fallback(path, ..)]`.

use crate::context::{Context, Position};
use crate::function::item::Item;
use crate::function::uses;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{Entry, Positional, Reader, Spec, Value, key, lists_key};
use crate::value::{self, Call, Categories, Rules};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{Error, Expr, Result};

pub(crate) static DEFINITION: Definition =
    Definition { spec: &SPEC, settings: &[], word: "FALLBACK", read: |input| Some(Box::new(check(input))) };

const SPEC: Spec = Spec {
    attr: "with_fallback",
    keys: &[
        key("value", "expression"),
        key("when", "|error| .."),
        key("unless", "|error| .."),
        lists_key("on", "(category, ..)"),
        key("on_fallback", "path"),
    ],
    foreign: &[
        ("fallback", STEP),
        ("function", STEP),
        ("handler", STEP),
        ("with", STEP),
        ("path", STEP),
        ("default", "write `value = Default::default()`"),
        ("ignore", "write `unless = |error| ..`"),
        ("abort", "write `unless = |error| ..`"),
        ("skip_on", "write `unless = |error| ..`"),
        ("apply_on", "write `on(category, ..)` or `when = |error| ..`"),
    ],
    positional: Positional::Function,
};

const STEP: &str = "write the function first, without a key: `#[with_fallback(cached)]`";

/// The checked arguments.
pub(crate) struct Checked {
    steps: Vec<Step>,
    rules: Rules,
    on: Categories,
    hook: Option<syn::ExprPath>,
}

enum Step {
    /// A function with its arguments.
    Call { shown: String, call: Call },
    /// A value.
    Value(TokenStream),
}

impl Step {
    fn uses(&self, name: &Ident) -> bool {
        let (Self::Call { call: Call { tokens, .. }, .. } | Self::Value(tokens)) = self;
        let expr = syn::parse2::<Expr>(tokens.clone());
        expr.is_ok_and(|expr| uses::used(&expr, &name.to_string()).is_some())
    }
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Checked {
    let Input { attr, entries, options, item, errors } = input;
    let mut reader = Reader::new(&SPEC, entries, errors);
    let rules = Rules::read(&mut reader);
    let on = Categories::read(&mut reader);
    let hook = reader.value("on_fallback", |tokens| value::hook(tokens, "on_fallback"));
    let mut steps = Vec::new();
    for entry in reader.rest() {
        if let Some(Step::Value(_)) = steps.last() {
            errors.at_span(entry.span, "this fallback would never run: the `value` before it always answers");
        }
        steps.extend(errors.ok(step(&entry, item)));
    }
    if steps.is_empty() && errors.is_empty() {
        errors.at_tokens(attr, "`with_fallback` needs a function or a value\nhelp: write `#[with_fallback(cached)]` or `#[with_fallback(value = 0)]`");
    }
    // A value that `when_ok` refuses is of category `Unknown`.
    let sees_values = options.when_ok.is_some() && on.covers("Unknown");
    if let (true, Some(Step::Call { call: Call { error: Some(error), .. }, .. })) =
        (sees_values, steps.last())
    {
        errors.at_tokens(
            error,
            "a value that `when_ok` refuses has no `error`, so this step cannot answer it\n\
             help: add a step without `error` after it, for instance `value = ..`",
        );
    }
    Checked { steps, rules, on, hook }
}

fn step(entry: &Entry, item: &Item) -> Result<Step> {
    if let (true, Value::Given(value)) = (entry.is("value"), &entry.value) {
        let value = value::expression(value.clone())?;
        without_error(&value, item)?;
        return Ok(Step::Value(value));
    }
    let tokens = value::open(entry.tokens());
    Ok(Step::Call { shown: value::readable(&tokens), call: value::call(&tokens, item)? })
}

/// Refuses a value that uses the error, which only a call can.
fn without_error(value: &TokenStream, item: &Item) -> Result<()> {
    let error = syn::parse2::<Expr>(value.clone()).ok().and_then(|value| uses::used(&value, "error"));
    match error.filter(|error| !item.bound_names().contains(error)) {
        None => Ok(()),
        Some(error) => Err(Error::new(
            error.span(),
            "`value` is the same for all errors and has no `error`\n\
             help: write a function that takes it: `#[with_fallback(path(error))]`",
        )),
    }
}
impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            hides_failures: true,
            hides_all: !self.rules.any() && self.on.covers_all(),
            keeps_arguments: true,
            ends_call: true,
            ..Traits::default()
        }
    }

    fn uses(&self, name: &Ident) -> bool {
        self.steps.iter().any(|step| step.uses(name))
    }

    fn site(&self, position: &Position, _: Stack<'_>) -> TokenStream {
        let site = &position.site;
        let names = self.steps.iter().map(|step| match step {
            Step::Call { shown, .. } => shown.clone(),
            Step::Value(tokens) => format!("value = {}", value::readable(tokens)),
        });
        let on = self.on.setter();
        let hook = self.hook.iter();
        quote! {
            static #site: __rt::FallbackSite =
                __rt::FallbackSite::new(&__POINT, &[#(#names),*]) #on #(.on_fallback(#hook))*;
        }
    }

    fn passed(&self, cx: &Context<'_>, position: &Position) -> Option<TokenStream> {
        cx.passed_counted(position)
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let site = &position.site;
        let ruling = self.rules.ruling();
        let label = position.label();
        let mut later = self.steps.as_slice();
        let steps = self.steps.iter().zip(1_u32..).map(|(step, number)| {
            later = later.get(1..).unwrap_or_default();
            expand_step(step, later, cx, position, number)
        });
        let (bound, ended) = (position.bound(), position.ended());
        let none_answered = if let Some(Step::Value(_)) = self.steps.last() {
            TokenStream::new()
        } else {
            quote_spanned!(Span::mixed_site()=> (&#site).failed(); #ended)
        };
        let settled = cx.is_async.then(|| {
            quote_spanned! {Span::mixed_site()=>
                #[allow(unused_imports)]
                use __rt::Settled as _;
            }
        });
        quote_spanned! {Span::mixed_site()=>
            #settled
            let #bound = #label: {
                #inner
                let __rt::Some(__class) = (&#site).handles(__verdict, #ruling) else { break #label #ended };
                #(#steps)*
                #none_answered
            };
        }
    }
}

/// Returns the code of a step; `later` are those after it.
fn expand_step(
    step: &Step,
    later: &[Step],
    cx: &Context<'_>,
    position: &Position,
    number: u32,
) -> TokenStream {
    let (site, label) = (&position.site, position.label());
    let here = Span::mixed_site();
    let returned = here.located_at(cx.return_at);
    let value = Ident::new("__value", here);
    let success = quote_spanned!(returned=> __rt::Outcome::success(#value));
    let success = position.given(&success, &quote!(__rt::None));
    let taken = quote_spanned! {here=> {
        (&#site).answered(&__class, #number);
        break #label #success;
    }};
    match step {
        Step::Value(value) => {
            // The type lets the value coerce as the body's own would.
            let of_type = cx.return_type().map(|ty| {
                // A longer type may mean something else in another edition.
                let is_word = ty.clone().into_iter().nth(1).is_none();
                let ty = if is_word { value::respanned(ty, returned) } else { ty.clone() };
                quote_spanned!(returned=> : <#ty as __rt::Outcome>::Value)
            });
            quote_spanned! {Span::mixed_site()=>
                let __value #of_type = #value;
                (&#site).answered(&__class, #number);
                #success
            }
        }
        Step::Call { call: call @ Call { tokens, error, .. }, .. } => {
            let call = cx.call(call, position, |name| later.iter().any(|step| step.uses(name)));
            // At the step itself: mistakes in its answer are reported there.
            let at = Span::mixed_site().located_at(value::span_of(tokens));
            let settle = if cx.is_async {
                quote_spanned!(at=> __rt::Step(__answer).__settle().await)
            } else {
                quote_spanned!(at=> __answer)
            };
            let like = quote_spanned!(returned=> &__outcome);
            let instead = quote_spanned!(at=> __rt::instead(#like, #settle));
            let attempt = quote_spanned! {Span::mixed_site()=>
                let __answer = #call;
                if let __rt::Some(__value) = #instead #taken
            };
            if let Some(error) = error {
                quote_spanned! {Span::mixed_site()=>
                    if let __rt::Err(#error) = __rt::Outcome::judge(&__outcome) { #attempt }
                }
            } else {
                attempt
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::stack::collect;
    use proc_macro2::TokenStream;

    /// Returns the messages for `#[with_fallback(args)]` on `item`.
    fn messages(args: &str, item: &str) -> String {
        let read = |text: &str| text.parse::<TokenStream>().unwrap_or_default();
        let expanded = collect("with_fallback", read(args), &read(item)).to_string();
        let errors = expanded.split("compile_error").skip(1);
        errors.map(|error| error.replace("\\n", "\n").replace("\\\"", "\"")).collect()
    }

    const FUNCTION: &str = "fn f(id: u32, name: &str) -> Result<u32, E> { body() }";
    const METHOD: &str = "fn f(&self, id: u32) -> Result<u32, E> { body() }";

    #[test]
    fn an_argument_named_error_must_be_renamed() {
        let words = "rename the argument";
        for (args, item) in [
            ("g(error)", "fn f(error: u32) -> Result<u32, E> { body() }"),
            ("g(&error), value = 1", "async fn f(error: u32) -> Result<u32, E> { body() }"),
            ("g(id, error.kind())", "fn f(id: u32, (error, _): (u32, u32)) -> Option<u32> { body() }"),
            ("|id| g(id, error)", "fn f(error: u32) -> Option<u32> { body() }"),
        ] {
            assert!(messages(args, item).contains(words), "{args}: {}", messages(args, item));
        }
        for args in [
            "g",
            "g(id.error)",
            "crate::error::g(id)",
            "error(id)",
            "value = error + 1",
            "|error| Some(error)",
        ] {
            let said = messages(args, "fn f(error: u32) -> Result<u32, E> { body() }");
            assert_eq!(said, "", "{args}");
        }
    }

    #[test]
    fn when_ok_needs_a_step_without_error() {
        let words = "a value that `when_ok` refuses has no `error`";
        for args in [
            "g(error), when_ok = |v| *v > 0",
            "g(id, error), when_ok = |v| *v > 0",
            "g, g(error), when_ok = |v| *v > 0",
            "g(error.kind()), when = |e| true, when_ok = |v| *v > 0",
            "g(error), on(unknown, timeout), when_ok = |v| *v > 0",
            "g!(error), when_ok = |v| *v > 0",
            "g(format!(\"{error}\")), when_ok = |v| *v > 0",
        ] {
            assert!(messages(args, FUNCTION).contains(words), "{args}: {}", messages(args, FUNCTION));
        }
        for args in [
            "g(error)",
            "g(error), g, when_ok = |v| *v > 0",
            "g(error), value = 1, when_ok = |v| *v > 0",
            "g(error), g(error), value = 1, when_ok = |v| *v > 0",
            "crate::error::g(id), when_ok = |v| *v > 0",
            "g(id, error::CODE), when_ok = |v| *v > 0",
            // A refused value is of category `Unknown`, which this leaves alone.
            "g(error), on(timeout), when_ok = |v| *v > 0",
        ] {
            assert_eq!(messages(args, FUNCTION), "", "{args}");
        }
    }

    #[test]
    fn a_value_cannot_use_the_error() {
        assert!(messages("value = error.code()", FUNCTION).contains("`#[with_fallback(path(error))]`"));
        assert_eq!(messages("value = crate::error::CODE", FUNCTION), "");
    }

    #[test]
    fn a_method_without_its_arguments_is_written_out() {
        let said = messages("self.cached", METHOD);
        assert!(said.contains("write `Self::cached`") && said.contains("`self.cached(id)`"), "{said}");
        let said = messages("name.cached", FUNCTION);
        assert!(said.contains("write `name.cached(id, name)`") && !said.contains("Self"), "{said}");
        assert_eq!(messages("Self::cached", METHOD), "");
        assert_eq!(messages("self.cached(id)", METHOD), "");
        assert_eq!(messages("self.inner.cached(id, error)", METHOD), "");
    }

    #[test]
    fn a_closure_receives_the_arguments_and_not_the_error() {
        for args in ["|e| Ok(1)", "|err| Ok(1)", "|error| g(error)", "|_e| Ok(1)", "|e: &E| Ok(1)"] {
            let said = messages(args, "fn f(id: u32) -> Result<u32, E> { body() }");
            assert!(said.contains("`#[with_fallback(path(error))]` or `path(id, error)`"), "{args}: {said}");
        }
        assert!(
            messages("|id, e| Ok(1)", "fn f(id: u32) -> Result<u32, E> { body() }").contains("path(error)")
        );
        assert!(messages("|id| Ok(1)", METHOD).contains("write `|this, id| ..`"));
        assert!(messages("|e| Ok(1)", "fn f() -> Result<u32, E> { body() }").contains("path(error)"));
        for (args, item) in [
            ("|e| Some(e)", "fn f(e: u32) -> Result<u32, E> { body() }"),
            ("|id, name| Some(id)", FUNCTION),
            ("|this, id| this.g(id)", METHOD),
            ("|| Some(1)", "fn f() -> Result<u32, E> { body() }"),
            ("|a| Some(a)", "fn f(#[cfg(a)] a: u32, #[cfg(b)] b: u32) -> Result<u32, E> { body() }"),
        ] {
            assert_eq!(messages(args, item), "", "{args}");
        }
    }
}
