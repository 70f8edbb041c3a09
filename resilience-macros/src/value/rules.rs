//! `when` and `unless`: closures that decide about an error instead of its category.

use super::{mixed_span_of, path_or_closure};
use crate::syntax::keys::Reader;
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::Expr;

/// `when` and `unless` of one policy.
pub(crate) struct Rules {
    when: Option<Expr>,
    unless: Option<Expr>,
}

impl Rules {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let when = reader.value("when", path_or_closure);
        let unless = reader.value("unless", path_or_closure);
        Self { when, unless }
    }

    pub(crate) fn any(&self) -> bool {
        self.when.is_some() || self.unless.is_some()
    }

    /// Returns the code of the rules for the outcome `__outcome`, whose verdict is `__verdict`.
    pub(crate) fn ruling(&self) -> TokenStream {
        let when = self
            .when
            .as_ref()
            .map(|when| quote_spanned!(mixed_span_of(when)=> __rt::when(&__outcome, &__verdict, #when)));
        let unless = self
            .unless
            .as_ref()
            .map(|unless| quote_spanned!(mixed_span_of(unless)=> __rt::unless(&__outcome, #unless)));
        match (when, unless) {
            (None, None) => quote!(__rt::Ruling::ByCategory),
            (Some(ruling), None) | (None, Some(ruling)) => ruling,
            (Some(when), Some(unless)) => quote!(#unless.or_else(|| #when)),
        }
    }
}
