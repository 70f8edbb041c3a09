//! `#[failover(model = ["a", "b"], ..)]`.

use crate::context::{Context, Position, shadows};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::function::types::has_impl_trait;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{
    Entry, Positional, Reader, Setting, Spec, Value, lists_key, setting, starts_with_bracket,
};
use crate::value::{self, Categories, Setter, Settings};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Expr, ExprBinary, ExprGroup, ExprParen, ExprUnary, Lit, Type, UnOp};

pub(crate) static DEFINITION: Definition = Definition {
    spec: &SPEC,
    settings: &["policy::FailoverConfig"],
    word: "FAILOVER",
    read: |input| Some(Box::new(check(input)?)),
};

const SPEC: Spec = Spec {
    attr: "failover",
    keys: &[setting("sticky", "60s", Setting::Lasting), lists_key("on", "(category, ..)")],
    foreign: &[
        ("values", LIST),
        ("fallbacks", LIST),
        ("endpoints", LIST),
        ("hosts", LIST),
        ("models", LIST),
        ("providers", LIST),
        ("replicas", LIST),
        ("over", LIST),
        ("argument", LIST),
        ("cooldown", STICKY),
        ("cooldown_time", STICKY),
        ("ttl", STICKY),
        ("stick", STICKY),
        ("stickiness", STICKY),
        ("retry_primary_after", STICKY),
        ("max", "leave it out: each listed value is called once; shorten the list"),
        (
            "attempts",
            "leave it out: each listed value is called once; put `#[with_retry(max = 2)]` below to repeat each",
        ),
        ("when", "write `on(category, ..)`: after which failures the next value follows"),
        ("unless", "write `on(category, ..)`: after which failures the next value follows"),
        (
            "key",
            "leave it out: the policies below have their state for each value, beside a `key` of their own",
        ),
        ("timeout", "put `#[timeout(2s)]` below for one value, or above for all of them"),
        ("fallback", "put `#[with_fallback(path)]` above"),
    ],
    positional: Positional::Values,
};

const LIST: &str = "write the argument and its values: `#[failover(model = [\"large\", \"small\"])]`";
const STICKY: &str =
    "write `sticky = <60s>`: how long calls start with the value that answered last instead of their own";

/// The checked arguments.
pub(crate) struct Checked {
    argument: Ident,
    ty: Type,
    list: TokenStream,
    /// Whether the list is the path of a constant, which only the compiler can see.
    is_constant: bool,
    /// Whether the values are numbers, which have the argument's type.
    is_numbers: bool,
    /// The name of the argument in `clone(..)`.
    cloned: Option<Ident>,
    setters: Vec<Setter>,
    on: Categories,
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Option<Checked> {
    let Input { attr, mut entries, options, item, errors } = input;
    let listed = take_listed(&mut entries, item);
    let second =
        |entry: &Entry| matches!(take_listed(&mut vec![entry.clone()], item), ListedValues::Values(..));
    for second in entries.extract_if(.., |entry| second(entry)) {
        errors.at_span(
            second.span,
            "`failover` goes through the values of one argument\n\
             help: list pairs as the values of one argument, or put the other on a function that this one calls",
        );
    }
    let mut reader = Reader::new(&SPEC, entries, errors);
    let settings = Settings::read(&mut reader);
    let on = Categories::read(&mut reader);
    let (argument, entry) = match listed {
        ListedValues::Values(argument, entry) => (argument, entry),
        ListedValues::Reported => return None,
        ListedValues::Missing => {
            errors.at_tokens(attr, format!("`failover` needs an argument and its values\nhelp: {LIST}"));
            return None;
        }
    };
    let Value::Given(values) = entry.value else {
        errors.at_span(
            entry.span,
            format!("`failover` needs the values of `{argument}`\nhelp: write `{argument} = [\"large\", \"small\"]`"),
        );
        return None;
    };
    let ty = argument_type(&argument, item, errors);
    let list = list(&argument, values, errors);
    let (ty, list) = (ty?, list?);
    Some(Checked {
        cloned: options.clone.iter().find(|name| **name == argument).cloned(),
        is_constant: !matches!(list, Expr::Array(_)),
        is_numbers: is_numbers(&list),
        list: list.to_token_stream(),
        setters: settings.setters,
        argument,
        ty,
        on,
    })
}

/// The argument and its values, as far as they were found.
enum ListedValues {
    Values(Ident, Entry),
    /// There are none, and another message says so.
    Reported,
    Missing,
}

/// Takes the entry of the argument and its values: the first whose key is an argument, else one that has a list.
fn take_listed(entries: &mut Vec<Entry>, item: &Item) -> ListedValues {
    let bound = item.bound_names();
    let names = SPEC.names();
    let is_own = |entry: &Entry| names.iter().any(|name| entry.is(name));
    let is_argument = |entry: &Entry| entry.key.as_ref().is_some_and(|key| bound.contains(key));
    let is_foreign = |entry: &Entry| SPEC.foreign(entry).is_some();
    let is_list = |entry: &Entry| matches!(&entry.value, Value::Given(value) if starts_with_bracket(value));
    let found = entries
        .iter()
        .position(|entry| !is_own(entry) && is_argument(entry))
        .or_else(|| entries.iter().position(|entry| !is_own(entry) && !is_foreign(entry) && is_list(entry)));
    let Some(at) = found else {
        return if entries.iter().any(is_foreign) { ListedValues::Reported } else { ListedValues::Missing };
    };
    let entry = entries.remove(at);
    entry.key.clone().map_or(ListedValues::Missing, |argument| ListedValues::Values(argument, entry))
}

/// Returns the type of the argument; a type that it cannot have is reported.
fn argument_type(argument: &Ident, item: &Item, errors: &Errors) -> Option<Type> {
    let ty = item.type_of(argument, errors)?;
    match ty {
        Type::Reference(reference) if reference.mutability.is_some() => {
            errors.at_tokens(ty, "the next value would replace one that the call before has changed\nhelp: take the argument by `&` or by value");
            None
        }
        _ if has_impl_trait(ty) => {
            errors.at_tokens(
                ty,
                "values of an `impl Trait` cannot be listed\nhelp: write the type of the values",
            );
            None
        }
        _ => Some(ty.clone()),
    }
}

/// Returns the list, without the `&` before it; mistakes in it are reported.
fn list(argument: &Ident, values: TokenStream, errors: &Errors) -> Option<Expr> {
    let span = value::span_of(&values);
    if value::starts_at_self(&values) {
        errors.at_span(
            span,
            "the values are constants, but these are known only when the program runs\n\
             help: write a list or the path of a `const`; the caller's own value comes first in any case",
        );
        return None;
    }
    errors.ok(value::constant(values.clone()))?;
    let parsed = errors.ok(syn::parse2(value::open(values)))?;
    let array = match bare(parsed) {
        Expr::Array(array) => array,
        path @ Expr::Path(_) => return Some(path),
        _ => {
            errors.at_span(
                span,
                format!("expected a list of values\nhelp: write `{argument} = [\"large\", \"small\"]`, or the path of a `const`"),
            );
            return None;
        }
    };
    if array.elems.is_empty() {
        errors.at_span(span, format!("the list is empty\nhelp: write `{argument} = [\"large\", \"small\"]`"));
        return None;
    }
    let mut texts: Vec<String> = Vec::new();
    for value in &array.elems {
        let text = value.to_token_stream().to_string();
        if texts.contains(&text) {
            errors.at_tokens(
                value,
                "this value is listed twice\nhelp: leave it out: each value is called once",
            );
        }
        texts.push(text);
    }
    Some(Expr::Array(array))
}

/// Returns the list without `&`, parentheses and the groups of `macro_rules!` around it.
fn bare(list: Expr) -> Expr {
    match list {
        Expr::Reference(inner) => bare(*inner.expr),
        Expr::Paren(inner) => bare(*inner.expr),
        Expr::Group(inner) => bare(*inner.expr),
        other => other,
    }
}

/// Returns whether all values are integers, also with operators between them.
fn is_numbers(list: &Expr) -> bool {
    matches!(list, Expr::Array(array) if array.elems.iter().all(is_number))
}

fn is_number(value: &Expr) -> bool {
    match value {
        Expr::Lit(literal) => matches!(literal.lit, Lit::Int(_)),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_) | UnOp::Not(_), expr, .. })
        | Expr::Paren(ExprParen { expr, .. })
        | Expr::Group(ExprGroup { expr, .. }) => is_number(expr),
        Expr::Binary(ExprBinary { left, right, .. }) => is_number(left) && is_number(right),
        _ => false,
    }
}

impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            calls_again: true,
            judges: true,
            keeps_arguments: true,
            varies: Some(&self.argument),
            renews: Some(&self.argument),
            without_failures: Some("see every call succeed and never go on with the next value"),
            twice: Some(
                ": the policies below keep their state for each value of one argument\n\
                 help: list pairs as the values of one argument, or put the other on a function that this one calls",
            ),
            ..Traits::default()
        }
    }

    fn check_stack(&self, _: &Ident, stack: Stack<'_>, errors: &Errors) {
        let others = || stack.above().chain(stack.below());
        if let Some(cloned) = &self.cloned
            && !others().any(|traits| traits.loops || traits.keeps_arguments)
        {
            errors.at_tokens(cloned, "each call gets a value of its own\nhelp: leave it out of `clone(..)`");
        }
    }

    fn uses(&self, _: &Ident) -> bool {
        // The call with the next value passes all arguments again.
        true
    }

    fn site(&self, position: &Position, _: Stack<'_>) -> TokenStream {
        let (site, list) = (&position.site, &self.list);
        let ty = quote!(__rt::Failover);
        let argument = self.argument.unraw().to_string();
        let at = value::own_span_of(list);
        let names = quote_spanned!(at=> || __rt::failover::names(&#list));
        let policy = Setter::all(&self.setters, &ty, quote!(#ty::of(&__POINT, #argument, #names)));
        let on = self.on.setter();
        let check =
            self.is_constant.then(|| quote_spanned!(at=> const _: () = __rt::failover::check(&#list);));
        quote! {
            #check
            static #site: __rt::Failover = #policy #on.checked();
        }
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let (site, label, bound) = (&position.site, position.label(), position.bound());
        let Self { ty, list, .. } = self;
        let shadows = shadows();
        let start = self.start(cx, site);
        let of_type = self.is_numbers.then(|| quote!(: &[#ty]));
        let (keep, value) = self.own_and_next();
        let listed = quote_spanned!(value::own_span_of(list)=> &#list);
        let at = here.located_at(cx.return_at);
        let others = cx.is_async.then(|| quote_spanned!(here=> __rt::let_others_run().await;));
        let ended = quote_spanned!(at=> __walk.ended(__values, __kept, __outcome, __verdict));
        let calls = position.looped(quote_spanned! {here=>
            let (__outcome, __verdict) = {
                #shadows
                #value
                #inner
                (__outcome, __verdict)
            };
            if (&mut __walk).continues(__values, &__verdict) {
                __kept = __rt::Some(__rt::failover::keep(__kept, (__outcome, __verdict)));
                #others
                continue;
            }
            let (__outcome, __verdict) = #ended;
            break #label #bound;
        });
        quote_spanned! {here=>
            let #bound = #label: {
                let __listed = #listed;
                let __values #of_type = __rt::failover::values(__listed);
                let mut __walk = #start;
                #keep
                let mut __kept = __rt::None;
                #calls
            };
        }
    }
}

impl Checked {
    /// Returns the code that keeps the caller's own value before the loop, and the code that binds the argument in it.
    fn own_and_next(&self) -> (TokenStream, TokenStream) {
        let Self { argument, ty, .. } = self;
        let at = Span::mixed_site().located_at(argument.span());
        let (keep, own, listed) = if matches!(ty, Type::Reference(_)) {
            (
                quote_spanned!(at=> let __own = #argument;),
                quote_spanned!(at=> __own),
                quote_spanned!(at=> __value),
            )
        } else {
            let own = if self.cloned.is_some() {
                quote_spanned!(at=> ::core::clone::Clone::clone(&#argument))
            } else {
                quote!(#argument)
            };
            (
                quote_spanned!(at=> let mut __own = __rt::Some(#own);),
                quote_spanned!(at=> __rt::failover::taken(&mut __own)),
                quote_spanned!(at=> __rt::failover::Listable::argument(__value)),
            )
        };
        let next = quote_spanned! {at=>
            let #argument: #ty = match (&__walk).listed(__values) {
                __rt::None => #own,
                __rt::Some(__value) => #listed,
            };
        };
        (keep, next)
    }

    /// Returns the start of a call; in a stack with a key, the state of `sticky` is separate for each.
    fn start(&self, cx: &Context<'_>, site: &Ident) -> TokenStream {
        let argument = &self.argument;
        let at = Span::mixed_site().located_at(argument.span());
        let is_sticky = self.setters.iter().any(|setter| setter.is("sticky"));
        match value::whole_key(cx.key, Some(argument)) {
            Some(key) if is_sticky && *argument != key.to_string() => {
                quote_spanned!(at=> (&#site).start_keyed(__values, &#argument, &#key))
            }
            _ => quote_spanned!(at=> (&#site).start(__values, &#argument)),
        }
    }
}
