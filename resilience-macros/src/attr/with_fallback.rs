//! `#[with_fallback(path, ..)]`.

use crate::diag::Errors;
use crate::emit::{Context, Rules, label};
use crate::input;
use crate::item::Item;
use crate::keys::{self, Entry, Reader, Spec, Value, key};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Expr, Result};

pub(crate) const SPEC: Spec = Spec {
    attr: "with_fallback",
    keys: &[
        key("value", "expression"),
        key("when", "|error| .."),
        key("unless", "|error| .."),
        key("on", "(category, ..)"),
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
};

const STEP: &str = "the function stands first, without a key: `#[with_fallback(cached)]`";

/// The checked arguments.
pub(crate) struct Checked {
    steps: Vec<Step>,
    rules: Rules,
    on: Vec<Ident>,
    hook: Option<syn::ExprPath>,
}

enum Step {
    /// A function with its arguments.
    Call { shown: String, tokens: TokenStream, needs_error: bool },
    /// A value.
    Value(TokenStream),
}

impl Checked {
    /// Whether a step is called with the argument `name`.
    pub(crate) fn uses(&self, name: &Ident) -> bool {
        self.steps.iter().any(|step| match step {
            Step::Call { tokens, .. } => mentions(tokens.clone(), name),
            Step::Value(value) => mentions(value.clone(), name),
        })
    }

    /// Whether some errors pass through untouched because of what the attribute says.
    pub(crate) fn is_limited(&self) -> bool {
        self.rules.any() || !self.on.is_empty()
    }
}

/// Reads the arguments.
pub(crate) fn check(attr: &Ident, entries: Vec<Entry>, item: &Item, errors: &Errors) -> Checked {
    let is_step = |entry: &Entry| {
        let foreign = SPEC.foreign.iter().any(|(word, _)| entry.is(word));
        match entry.value {
            Value::Given(_) => false,
            Value::Word => !foreign,
            Value::List(_) | Value::Bare(_) => true,
        }
    };
    let mut reader = Reader::new(&SPEC, entries, is_step, errors);
    let rules = Rules::read(&mut reader);
    let on = reader.take_all("on").into_iter().flat_map(|entry| categories(entry, errors)).collect();
    let hook = reader.value("on_fallback", "path", input::path);
    let mut steps = Vec::new();
    for entry in reader.rest() {
        if let Some(Step::Value(_)) = steps.last() {
            errors.here(entry.span, "`value` always answers: what stands after it would never run");
        }
        steps.extend(errors.ok(step(&entry, item)));
    }
    if steps.is_empty() && errors.is_empty() {
        errors.at(attr, "`with_fallback` needs a function or a value: `#[with_fallback(cached)]` or `#[with_fallback(value = 0)]`");
    }
    Checked { steps, rules, on, hook }
}

fn categories(entry: Entry, errors: &Errors) -> Vec<Ident> {
    let Value::List(list) = entry.value else {
        errors.here(entry.span, "write `on(category, ..)`");
        return Vec::new();
    };
    let words = "`on(..)` lists categories, for instance `on(timeout, unavailable)`";
    if list.is_empty() {
        errors.here(entry.span, words);
    }
    let word = |entry: Entry| {
        if let (Some(word), Value::Word) = (entry.key, entry.value) {
            return errors.ok(input::category(&word));
        }
        errors.here(entry.span, words);
        None
    };
    keys::entries(list).into_iter().filter_map(word).collect()
}

fn step(entry: &Entry, item: &Item) -> Result<Step> {
    if let (true, Value::Given(value)) = (entry.is("value"), &entry.value) {
        return Ok(Step::Value(input::expression(value.clone())?));
    }
    let tokens = input::open(entry.tokens());
    let shown = readable(&tokens);
    let (tokens, needs_error) = call(&tokens, item)?;
    Ok(Step::Call { shown, tokens, needs_error })
}

/// A call of what `tokens` name, with the function's arguments unless they are listed; and whether it is
/// given the error.
pub(crate) fn call(tokens: &TokenStream, item: &Item) -> Result<(TokenStream, bool)> {
    let tokens = tokens.clone();
    match syn::parse2::<Expr>(tokens.clone())? {
        written @ (Expr::Path(_) | Expr::Closure(_)) => {
            let arguments = arguments(&tokens, item)?;
            // How many there are is known only when every `#[cfg]` has been decided.
            let conditional = item.arguments().iter().any(|argument| argument.is_conditional);
            let at = input::span_of(&tokens);
            let located = arguments.iter().map(|argument| input::located(argument, at));
            let tokens = match written {
                Expr::Path(_) if !conditional => {
                    // From an expansion, so that rustc advises nothing about parentheses nobody wrote.
                    let given = quote_spanned!(Span::mixed_site().located_at(at)=> (#(#located),*));
                    quote!(#tokens #given)
                }
                Expr::Closure(_) if !conditional && !arguments.is_empty() => {
                    let call = Ident::new(&format!("call{}", arguments.len()), at);
                    quote_spanned!(at=> __resilience::#call(#tokens, #(#located),*))
                }
                _ => quote!((#tokens)(#(#arguments),*)),
            };
            Ok((tokens, false))
        }
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Macro(_) => {
            let needs_error = mentions(tokens.clone(), "error");
            Ok((tokens, needs_error))
        }
        _ => {
            let words =
                "expected a path to a function, a call such as `cached(key, error)`, or `value = expression`";
            Err(syn::Error::new(input::span_of(&tokens), words))
        }
    }
}

/// Every argument of the function by name; a pattern has none, and more than eight need listing, too.
fn arguments(step: &TokenStream, item: &Item) -> Result<Vec<TokenStream>> {
    let arguments = item.arguments();
    if arguments.len() > 8 {
        return Err(syn::Error::new(input::span_of(step), "list the arguments to pass: `path(a, b)`"));
    }
    let name = |argument: crate::item::Argument| {
        argument.name.ok_or_else(|| {
            let words = "this argument is a pattern and has no name to pass to the fallback";
            let mut error = syn::Error::new(argument.span, words);
            error
                .combine(syn::Error::new(input::span_of(step), "list what the fallback takes: `path(a, b)`"));
            error
        })
    };
    arguments.into_iter().map(name).collect()
}

fn mentions<N: ?Sized>(tokens: TokenStream, name: &N) -> bool
where
    Ident: PartialEq<N>,
{
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

pub(crate) fn site(checked: &Checked, site: &Ident) -> TokenStream {
    let names = checked.steps.iter().map(|step| match step {
        Step::Call { shown, .. } => shown.clone(),
        Step::Value(tokens) => format!("value = {}", readable(tokens)),
    });
    let on = match checked.on.as_slice() {
        [] => None,
        on => Some(quote!(.on(&[#(__resilience::Category::#on),*]))),
    };
    let hook = checked.hook.iter();
    quote! {
        static #site: __resilience::FallbackSite =
            __resilience::FallbackSite::new(&__RESILIENCE_POINT, &[#(#names),*]) #on #(.on_fallback(#hook))*;
    }
}

/// Tokens as somebody would write them.
fn readable(tokens: &TokenStream) -> String {
    let shown = tokens.to_string();
    shown.replace(" :: ", "::").replace(" (", "(").replace(" ,", ",").trim().to_owned()
}

pub(crate) fn wrap(checked: &Checked, cx: &Context<'_>, site: &Ident, inner: &TokenStream) -> TokenStream {
    let ruling = checked.rules.ruling();
    let label = label(site);
    let steps = checked.steps.iter().zip(1_u32..).map(|(step, number)| expand_step(step, cx, site, number));
    let bound = cx.bound(site);
    let none_answered = if let Some(Step::Value(_)) = checked.steps.last() {
        TokenStream::new()
    } else {
        quote_spanned!(Span::mixed_site()=> #site.failed(); #bound)
    };
    let settled = cx.is_async.then(|| {
        quote_spanned! {Span::mixed_site()=>
            #[allow(unused_imports)]
            use __resilience::Settled as _;
        }
    });
    quote_spanned! {Span::mixed_site()=>
        #inner
        #settled
        let #bound = #label: {
            let __resilience::Some(class) = verdict else { break #label #bound };
            if !#site.applies(&class, #ruling) { break #label #bound }
            #(#steps)*
            #none_answered
        };
    }
}

fn expand_step(step: &Step, cx: &Context<'_>, site: &Ident, number: u32) -> TokenStream {
    let label = label(site);
    let here = Span::mixed_site();
    let success = quote_spanned!(here=> __resilience::Outcome::success(value));
    let success = cx.given(site, &success, &quote!(__resilience::None));
    let taken = quote_spanned! {here=> {
        #site.answered(&class, #number);
        break #label #success;
    }};
    match step {
        Step::Value(value) => {
            // The type lets the value coerce as the body's own would.
            let at = Span::mixed_site().located_at(cx.return_at());
            let of_type =
                cx.return_type().map(|ty| quote_spanned!(at=> : <#ty as __resilience::Outcome>::Value));
            quote_spanned! {Span::mixed_site()=>
                let value #of_type = #value;
                #site.answered(&class, #number);
                #success
            }
        }
        Step::Call { tokens, needs_error, .. } => {
            // At the step itself: what is wrong with its answer is said there.
            let at = Span::mixed_site().located_at(input::span_of(tokens));
            let settle = if cx.is_async {
                quote_spanned!(at=> __resilience::Step(answer).settle().await)
            } else {
                quote_spanned!(at=> answer)
            };
            let instead = quote_spanned!(at=> __resilience::instead(&r, #settle));
            let attempt = quote_spanned! {Span::mixed_site()=>
                let answer = #tokens;
                if let __resilience::Some(value) = #instead #taken
            };
            if *needs_error {
                let error = Ident::new("error", Span::call_site());
                quote_spanned! {Span::mixed_site()=>
                    if let __resilience::Err(#error) = __resilience::Outcome::judge(&r) { #attempt }
                }
            } else {
                quote_spanned!(Span::mixed_site()=> { #attempt })
            }
        }
    }
}
