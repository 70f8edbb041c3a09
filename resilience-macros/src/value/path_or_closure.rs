//! Functions: a path to one, or a closure.

use super::{open, parsed, span_of, without_self};
use proc_macro2::TokenStream;
use syn::{Error, Expr, ExprPath, Result};

/// Reads a path or a closure.
pub(crate) fn path_or_closure(tokens: TokenStream) -> Result<Expr> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    match parsed(&tokens)? {
        expr @ (Expr::Path(_) | Expr::Closure(_)) => Ok(expr),
        _ => Err(Error::new(span, "expected a path to a function, or a closure")),
    }
}

/// Reads a path to a function for a `static`.
pub(crate) fn path(tokens: TokenStream) -> Result<ExprPath> {
    path_or("expected a path to a function", tokens)
}

/// Reads a path for a `static`; `words` say what else was expected.
pub(crate) fn path_or(words: &str, tokens: TokenStream) -> Result<ExprPath> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    let path = syn::parse2(tokens.clone()).map_err(|_| Error::new(span, words))?;
    without_self(&tokens)?;
    Ok(path)
}
