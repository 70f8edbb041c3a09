//! Collects every mistake of one expansion, so that all of them are reported at once.

use proc_macro2::TokenStream;
use quote::ToTokens;
use std::cell::RefCell;
use std::fmt::Display;

/// The mistakes found so far; [`finish`](Errors::finish) must be called before it is dropped.
#[must_use = "mistakes must be reported: call `finish`"]
pub(crate) struct Errors {
    found: RefCell<Vec<syn::Error>>,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self { found: RefCell::new(Vec::new()) }
    }

    /// Adds a mistake.
    pub(crate) fn push(&self, error: syn::Error) {
        self.found.borrow_mut().push(error);
    }

    /// Adds a mistake that is shown at `tokens`.
    pub(crate) fn at_tokens(&self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds a mistake that is shown at `span`.
    pub(crate) fn at_span(&self, span: proc_macro2::Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Returns the value, or `None` after adding its mistake.
    pub(crate) fn ok<T>(&self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Returns whether there is no mistake so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().is_empty()
    }

    /// Returns one `compile_error!` per mistake, in the order found; `None` if there was none.
    pub(crate) fn finish(self) -> Option<TokenStream> {
        let found = self.found.take();
        (!found.is_empty()).then(|| found.iter().map(syn::Error::to_compile_error).collect())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        // Not while unwinding: a second panic would hide the first one.
        let lost = !self.found.get_mut().is_empty();
        debug_assert!(!lost || std::thread::panicking(), "mistakes were collected but not reported");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    #[test]
    fn every_mistake_is_reported_in_order() {
        let errors = Errors::new();
        errors.push(syn::Error::new(Span::call_site(), "first"));
        errors.at_tokens(quote::quote!(b), "second");
        let text = errors.finish().map(|tokens| tokens.to_string()).unwrap_or_default();
        assert!(text.find("first") < text.find("second"), "{text}");
        assert_eq!(text.matches("compile_error").count(), 2);
    }

    #[test]
    fn no_mistakes_yield_no_error() {
        assert!(Errors::new().finish().is_none());
    }
}
