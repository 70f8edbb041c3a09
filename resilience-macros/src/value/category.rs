//! Categories, in snake case.

use crate::errors::Errors;
use crate::syntax::keys::{self, Entry, Reader, Value};
use crate::syntax::suggest::hint;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::{Error, Result};

/// Every category, as written and as its variant is called.
pub(crate) const CATEGORIES: [(&str, &str); 15] = [
    ("timeout", "Timeout"),
    ("rate_limited", "RateLimited"),
    ("connection", "Connection"),
    ("unavailable", "Unavailable"),
    ("transient", "Transient"),
    ("resource", "Resource"),
    ("corrupt", "Corrupt"),
    ("conflict", "Conflict"),
    ("auth", "Auth"),
    ("not_found", "NotFound"),
    ("invalid", "Invalid"),
    ("permanent", "Permanent"),
    ("cancelled", "Cancelled"),
    ("rejected", "Rejected"),
    ("unknown", "Unknown"),
];

/// Reads a category; the identifier is its variant.
pub(crate) fn category(word: &Ident) -> Result<Ident> {
    let name = word.to_string();
    variant(&name).map(|variant| Ident::new(variant, word.span())).ok_or_else(|| {
        let names = CATEGORIES.map(|(name, _)| name);
        let hint = hint(&name, &names);
        Error::new(word.span(), format!("unknown category `{name}`{hint}\ncategories: {}", names.join(", ")))
    })
}

/// Returns the variant of `Category` that is written `name`.
pub(crate) fn variant(name: &str) -> Option<&'static str> {
    CATEGORIES.iter().find(|(word, _)| *word == name).map(|(_, variant)| *variant)
}

/// The categories of `on(category, ..)`, all of them where it is not written.
pub(crate) struct Categories(Vec<Ident>);

impl Categories {
    /// Takes every `on(..)`; mistakes are reported.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Self {
        let errors = reader.errors;
        let mut found = Vec::new();
        for entry in reader.take_all("on") {
            categories(entry, &mut found, errors);
        }
        Self(found)
    }

    /// Returns whether every category is covered.
    pub(crate) fn covers_all(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether the category with this variant is covered.
    pub(crate) fn covers(&self, variant: &str) -> bool {
        self.covers_all() || self.0.iter().any(|category| category == variant)
    }

    /// Returns the call that sets them, unless every category is covered.
    pub(crate) fn setter(&self) -> Option<TokenStream> {
        let categories = &self.0;
        (!self.covers_all()).then(|| quote!(.on(&[#(__rt::Category::#categories),*])))
    }
}

/// Adds the categories of one `on(category, ..)` to those that were `found`; mistakes are reported.
fn categories(entry: Entry, found: &mut Vec<Ident>, errors: &Errors) {
    let Value::List(list) = entry.value else {
        errors.at_span(entry.span, "`on` needs a list\nhelp: write `on(category, ..)`");
        return;
    };
    let words = "expected categories\nhelp: write for instance `on(timeout, unavailable)`";
    if list.is_empty() {
        errors.at_span(entry.span, words);
    }
    for entry in keys::entries(list) {
        let (Some(word), Value::Word) = (entry.key, entry.value) else {
            errors.at_span(entry.span, words);
            continue;
        };
        match errors.ok(category(&word)) {
            Some(known) if found.contains(&known) => {
                errors.at_span(word.span(), keys::written_twice(&word.to_string()));
            }
            known => found.extend(known),
        }
    }
}
