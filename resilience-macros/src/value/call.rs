//! A function that is called instead of the annotated one: `path`, `path(a, error)`, or a closure.

use super::{located, readable, span_of};
use crate::function::item::{Argument, Item};
use crate::function::uses;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Error, Expr, ExprClosure, ExprField, Lit, Path, Result};

/// A call of a function instead of the annotated one.
pub(crate) struct Call {
    pub(crate) tokens: TokenStream,
    /// The first place that names the error of the outcome.
    pub(crate) error: Option<Ident>,
    /// Whether the arguments are all those of the annotated function, because none are written.
    pub(crate) takes_all: bool,
}

/// Returns a call of the function that `tokens` name, with the function's arguments unless they are listed.
pub(crate) fn call(tokens: &TokenStream, item: &Item) -> Result<Call> {
    let tokens = tokens.clone();
    let written = syn::parse2::<Expr>(tokens.clone())?;
    let error = match &written {
        Expr::Path(_) => None,
        written => uses::used(written, "error"),
    };
    if let Some(error) = error.as_ref().filter(|error| item.bound_names().contains(error)) {
        let words = "the argument `error` has the same name as the error of the failed call\n\
                     help: rename the argument";
        return Err(Error::new(error.span(), words));
    }
    match written {
        Expr::Path(_) => {
            let tokens = with_all_arguments(&tokens, item, |arguments, at| {
                // From an expansion, so that rustc gives no advice about parentheses that are not in the source.
                let given = quote_spanned!(Span::mixed_site().located_at(at)=> (#(#arguments),*));
                quote!(#tokens #given)
            })?;
            Ok(Call { tokens, error, takes_all: true })
        }
        Expr::Closure(closure) => {
            check_parameters(&closure, item, span_of(&tokens))?;
            let tokens = with_all_arguments(&tokens, item, |arguments, at| {
                if arguments.is_empty() {
                    return quote!((#tokens)());
                }
                let call = Ident::new(&format!("call{}", arguments.len()), at);
                quote_spanned!(at=> __rt::#call(#tokens, #(#arguments),*))
            })?;
            Ok(Call { tokens, error, takes_all: true })
        }
        Expr::Call(_) | Expr::MethodCall(_) | Expr::Macro(_) => Ok(Call { tokens, error, takes_all: false }),
        Expr::Field(field) => Err(Error::new(span_of(&tokens), without_arguments(&field, &tokens, item))),
        other => {
            let words =
                "expected a path to a function, a call such as `cached(key, error)`, or `value = expression`";
            Err(Error::new(span_of(&tokens), format!("{words}{}", literal_help(&other))))
        }
    }
}

/// Returns what to write instead of a literal.
fn literal_help(written: &Expr) -> String {
    let Expr::Lit(literal) = written else { return String::new() };
    let value = format!("`value = {}`", literal.to_token_stream());
    match &literal.lit {
        Lit::Str(text) if syn::parse_str::<Path>(&text.value()).is_ok() => {
            format!("\nhelp: write `{}` for the function, or {value} for the text", text.value())
        }
        _ => format!("\nhelp: write {value}"),
    }
}

/// Returns a call of `tokens` with every argument of the function, by `call` if their number is known.
fn with_all_arguments(
    tokens: &TokenStream,
    item: &Item,
    call: impl FnOnce(&[TokenStream], Span) -> TokenStream,
) -> Result<TokenStream> {
    let arguments = arguments(tokens, item)?;
    if item.arguments().iter().any(|argument| argument.is_conditional) {
        return Ok(quote!((#tokens)(#(#arguments),*)));
    }
    let at = span_of(tokens);
    let located: Vec<_> = arguments.iter().map(|argument| located(argument, at)).collect();
    Ok(call(&located, at))
}

/// Refuses a closure that takes anything but the function's arguments, usually the error.
fn check_parameters(closure: &ExprClosure, item: &Item, at: Span) -> Result<()> {
    let arguments = item.arguments();
    let parameters: Vec<String> =
        closure.inputs.iter().flat_map(uses::bound).map(|name| name.to_string()).collect();
    let is_error = |name: &String| matches!(name.trim_start_matches('_'), "e" | "err" | "error");
    let is_argument = |name: &String| item.bound_names().iter().any(|argument| argument == name);
    let takes_error = parameters.last().is_some_and(|name| is_error(name) && !is_argument(name));
    let fits = arguments.len() == closure.inputs.len() || arguments.iter().any(|it| it.is_conditional);
    if fits && !(takes_error && closure.inputs.len() == 1) {
        return Ok(());
    }
    let words = "a closure takes the arguments of the function, not its error\n";
    let help = if takes_error {
        let names = item.argument_names();
        let given = names.iter().fold(String::new(), |given, name| given + name + ", ");
        format!(
            "help: write a function that takes the error: `#[with_fallback(path(error))]` or `path({given}error)`"
        )
    } else {
        let names = item.argument_names().join(", ").replace("self", "this");
        format!("help: write `|{names}| ..`")
    };
    Err(Error::new(at, format!("{words}{help}")))
}

/// Returns the message about `self.cached`, a method without its arguments.
fn without_arguments(field: &ExprField, tokens: &TokenStream, item: &Item) -> String {
    let shown = readable(tokens);
    let names = item.argument_names();
    let given: Vec<_> = names.iter().map(String::as_str).filter(|name| *name != "self").collect();
    let called = format!("`{shown}({})`", given.join(", "));
    let is_self = matches!(&*field.base, Expr::Path(path) if path.path.is_ident("self"));
    match &field.member {
        syn::Member::Named(method) if is_self => format!(
            "expected a function, found a field or a method without its arguments\n\
             help: write `Self::{method}`, which takes `self` and all arguments, or {called}"
        ),
        _ => format!(
            "expected a function, found a field or a method without its arguments\nhelp: write {called}"
        ),
    }
}

/// Returns every argument of the function by name; refuses a pattern, which has none, and more than eight.
fn arguments(step: &TokenStream, item: &Item) -> Result<Vec<TokenStream>> {
    let arguments = item.arguments();
    if arguments.len() > 8 {
        return Err(Error::new(
            span_of(step),
            "more than eight arguments have to be listed\nhelp: write `path(a, b)`",
        ));
    }
    let name = |argument: Argument| {
        argument.name.ok_or_else(|| {
            let words = "this argument is a pattern, which has no name to pass to the fallback\nhelp: give it a name, and take it apart in the body";
            let mut error = Error::new(argument.span, words);
            error.combine(Error::new(
                span_of(step),
                "the fallback takes all arguments by name\nhelp: list the arguments that it takes: `path(a, b)`",
            ));
            error
        })
    };
    arguments.into_iter().map(name).collect()
}
