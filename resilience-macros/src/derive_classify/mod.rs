//! `#[derive(Classify)]`: from tokens to words, to rules, to the implementation.

mod ast;
mod attr;
mod check;
mod expand;
mod words;

use crate::errors::Errors;
use proc_macro2::TokenStream;

/// Returns the implementation for the type in `input`, or every mistake in it beside one that says `Unknown`,
/// so that nothing else fails because of them.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.to_compile_error(),
    };
    let errors = Errors::new();
    let parsed = ast::parse(&input, &errors);
    let checked = check::check(&parsed, &errors);
    match errors.finish() {
        None => expand::expand(&checked),
        Some(mistakes) => {
            let unknown = expand::unknown(&checked);
            quote::quote!(#mistakes #unknown)
        }
    }
}
