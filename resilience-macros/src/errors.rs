//! Collects every mistake of one expansion, so that all of them are reported at once.

use proc_macro2::TokenStream;
use quote::ToTokens;
use std::cell::RefCell;
use std::fmt::Display;

/// The mistakes found so far; [`finish`](Errors::finish) must be called before it is dropped.
#[must_use = "mistakes must be reported: call `finish`"]
pub(crate) struct Errors {
    // `None` once finished: a second look at the mistakes is a mistake in this crate.
    found: RefCell<Option<Vec<syn::Error>>>,
}

#[allow(dead_code)]
impl Errors {
    pub(crate) fn new() -> Self {
        Self { found: RefCell::new(Some(Vec::new())) }
    }

    /// Adds a mistake.
    pub(crate) fn push(&self, error: syn::Error) {
        if let Some(found) = self.found.borrow_mut().as_mut() {
            found.push(error);
        }
    }

    /// Adds a mistake that is shown at `tokens`.
    pub(crate) fn at(&self, tokens: impl ToTokens, message: impl Display) {
        self.push(syn::Error::new_spanned(tokens, message));
    }

    /// Adds a mistake that is shown at `span`.
    pub(crate) fn here(&self, span: proc_macro2::Span, message: impl Display) {
        self.push(syn::Error::new(span, message));
    }

    /// Returns the value, or `None` after adding its mistake.
    pub(crate) fn ok<T>(&self, result: syn::Result<T>) -> Option<T> {
        result.map_err(|error| self.push(error)).ok()
    }

    /// Returns whether there is no mistake so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.found.borrow().as_ref().is_none_or(Vec::is_empty)
    }

    /// Returns one `compile_error!` a mistake, in the order found; `None` if there was none.
    pub(crate) fn finish(self) -> Option<TokenStream> {
        let found = self.found.borrow_mut().take()?;
        if found.is_empty() {
            return None;
        }
        Some(found.iter().map(syn::Error::to_compile_error).collect())
    }
}

impl Drop for Errors {
    fn drop(&mut self) {
        // Not while unwinding: a second panic would hide the first one.
        let lost = self.found.get_mut().as_ref().is_some_and(|found| !found.is_empty());
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
        errors.at(quote::quote!(b), "second");
        let text = errors.finish().map(|tokens| tokens.to_string()).unwrap_or_default();
        assert!(text.find("first") < text.find("second"), "{text}");
        assert_eq!(text.matches("compile_error").count(), 2);
    }

    #[test]
    fn nothing_found_is_nothing_reported() {
        assert!(Errors::new().finish().is_none());
    }
}
