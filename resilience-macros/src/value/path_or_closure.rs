//! Functions: a path to one, or a closure.

use super::{open, parsed, readable, span_of, without_self};
use crate::function::uses;
use proc_macro2::TokenStream;
use syn::{Error, Expr, ExprPath, Result};

/// Reads a path or a closure.
pub(crate) fn path_or_closure(tokens: TokenStream) -> Result<Expr> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    match parsed(&tokens)? {
        expr @ (Expr::Path(_) | Expr::Closure(_)) => Ok(expr),
        other => {
            let words = "expected a path to a function, or a closure";
            let help =
                argument_of(&other).map(|name| format!("\nhelp: write `|{name}| {}`", readable(&tokens)));
            Err(Error::new(span, format!("{words}{}", help.unwrap_or_default())))
        }
    }
}

/// Returns the argument of a closure whose body `expr` seems to be.
fn argument_of(expr: &Expr) -> Option<&'static str> {
    const NAMES: [&str; 8] = ["e", "err", "error", "r", "rejected", "v", "value", "page"];
    NAMES.into_iter().find(|name| uses::used(expr, name).is_some())
}

/// Reads a path to a function that is called with an event, for a `static`.
pub(crate) fn hook(tokens: TokenStream, name: &str) -> Result<ExprPath> {
    let words = format!(
        "expected a path to a function\n\
         help: write `fn notify(event: &resilience::Event) {{ .. }}`, and `{name} = notify`"
    );
    path_or(&words, tokens)
}

/// Reads a path for a `static`; `words` say what else was expected.
pub(crate) fn path_or(words: &str, tokens: TokenStream) -> Result<ExprPath> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    let path = syn::parse2(tokens.clone()).map_err(|_| Error::new(span, words))?;
    without_self(&tokens)?;
    Ok(path)
}
