//! The keys about the function itself: written once, in any attribute of the stack.

use crate::errors::Errors;
use crate::function::item::Item;
use crate::syntax::keys::{self, Entry, SHARED, Spec, Value};
use crate::value;
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::quote;
use syn::{Error, Expr, LitStr, Result};

/// The keys about the function, as read from its attributes.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) name: Option<LitStr>,
    pub(crate) classify: Option<Expr>,
    pub(crate) rejected: Option<Expr>,
    pub(crate) clone: Vec<Ident>,
    pub(crate) when_ok: Option<Expr>,
    /// Pairs for the error history: names and expressions.
    pub(crate) context: Vec<(String, TokenStream)>,
    /// Whether the duration of calls is measured.
    pub(crate) timed: bool,
    runtime: Option<TokenStream>,
    seen: Vec<Ident>,
}

impl Shared {
    /// Returns the path of the runtime crate.
    pub(crate) fn runtime(&self) -> TokenStream {
        self.runtime.clone().unwrap_or_else(|| quote!(::resilience))
    }

    /// Takes the shared keys out of `entries` and returns the rest.
    pub(crate) fn take(
        &mut self,
        spec: &Spec,
        entries: Vec<Entry>,
        item: &Item,
        errors: &Errors,
    ) -> Vec<Entry> {
        let mut rest = Vec::new();
        let lacking: Vec<_> = entries.iter().map(|entry| spec.lacks_value(entry, &entries)).collect();
        for (entry, lacking) in entries.into_iter().zip(lacking) {
            match (&entry.key, lacking) {
                (Some(key), Some(words)) if is_shared(&entry, key) => errors.here(key.span(), words),
                (Some(key), _) if is_shared(&entry, key) => {
                    if let Err(error) = self.set(key, &entry, item) {
                        errors.push(error);
                    }
                }
                _ => rest.push(entry),
            }
        }
        rest
    }

    fn set(&mut self, key: &Ident, entry: &Entry, item: &Item) -> Result<()> {
        if let Some(first) = self.seen.iter().find(|seen| *seen == key) {
            let words = format!("`{key}` describes the function: write it in only one of its attributes");
            let mut error = Error::new(key.span(), words);
            error.combine(Error::new(first.span(), format!("`{key}` is also written here")));
            return Err(error);
        }
        self.seen.push(key.clone());
        let name = key.to_string();
        if name == "timed" {
            self.timed = is_on(entry)?;
            return Ok(());
        }
        let tokens = match &entry.value {
            Value::Given(tokens) if !is_list(&name) => tokens.clone(),
            Value::List(tokens) if is_list(&name) => tokens.clone(),
            _ => {
                let form =
                    SHARED.iter().find(|shared| shared.name == name).map_or("", |shared| shared.example);
                let equals = if is_list(&name) { "" } else { " = " };
                return Err(Error::new(
                    entry.span,
                    format!("`{name}` needs a value\nhelp: write `{name}{equals}{form}`"),
                ));
            }
        };
        match name.as_str() {
            "name" => self.name = Some(point_name(tokens)?),
            "classify" => self.classify = Some(value::path_or_closure(tokens)?),
            "rejected" => self.rejected = Some(value::path_or_closure(tokens)?),
            "when_ok" => self.when_ok = Some(value::path_or_closure(tokens)?),
            "clone" => self.clone = arguments(tokens, item)?,
            "context" => self.context = pairs(tokens)?,
            _ => self.runtime = Some(runtime(tokens)?),
        }
        Ok(())
    }
}

/// Reads the value of a switch: a word, or `true` or `false`.
fn is_on(entry: &Entry) -> Result<bool> {
    let text = match &entry.value {
        Value::Word => return Ok(true),
        Value::Given(tokens) => tokens.to_string(),
        Value::List(_) | Value::Bare(_) => String::new(),
    };
    let words = "`timed` is a switch\nhelp: write `timed` or `timed = false`";
    text.parse().map_err(|_| Error::new(entry.span, words))
}

fn is_list(name: &str) -> bool {
    matches!(name, "clone" | "context")
}

/// Reads `name = expression, ..`; a name alone is the expression, too.
fn pairs(tokens: TokenStream) -> Result<Vec<(String, TokenStream)>> {
    let mut found: Vec<(String, TokenStream)> = Vec::new();
    for entry in keys::entries(tokens) {
        let (key, value) = match (&entry.key, &entry.value) {
            (Some(key), Value::Given(value)) => (key, value::expression(value.clone())?),
            (Some(key), Value::Word) => (key, quote!(#key)),
            _ => return Err(Error::new(entry.span, "expected `name = expression`")),
        };
        let name = key.to_string();
        if found.iter().any(|(other, _)| *other == name) {
            return Err(Error::new(
                key.span(),
                format!("`{name}` is written twice\nhelp: remove one of the two"),
            ));
        }
        found.push((name, value));
    }
    Ok(found)
}

fn is_shared(entry: &Entry, key: &Ident) -> bool {
    let written = matches!(entry.value, Value::Given(_) | Value::List(_) | Value::Word);
    written && SHARED.iter().any(|shared| key == shared.name)
}

fn point_name(tokens: TokenStream) -> Result<LitStr> {
    let span = value::span_of(&tokens);
    let name: LitStr = syn::parse2(value::open(tokens))
        .map_err(|_| Error::new(span, "expected a name in quotes, for instance `\"Type::function\"`"))?;
    if name.value().trim().is_empty() {
        return Err(Error::new(span, "the name of a point cannot be empty"));
    }
    Ok(name)
}

fn arguments(tokens: TokenStream, item: &Item) -> Result<Vec<Ident>> {
    let bound = item.bound_names();
    let mut found = Vec::new();
    for part in keys::split(tokens) {
        let mut words = part.clone().into_iter();
        let (Some(TokenTree::Ident(name)), None) = (words.next(), words.next()) else {
            return Err(Error::new(value::span_of(&part), "expected the name of an argument"));
        };
        if !bound.contains(&name) {
            return Err(Error::new(name.span(), item.has_no_argument(&name.to_string())));
        }
        found.push(name);
    }
    Ok(found)
}

fn runtime(tokens: TokenStream) -> Result<TokenStream> {
    let path: syn::Path = syn::parse2(tokens.clone()).map_err(|_| {
        Error::new(value::span_of(&tokens), "expected a path, for instance `crate = ::resilience`")
    })?;
    let first = path.segments.first().map(|segment| segment.ident.to_string());
    if path.leading_colon.is_none() && !matches!(first.as_deref(), Some("crate" | "self" | "super")) {
        let words = format!(
            "expected an absolute path, which works in every module\nhelp: write `crate = ::{tokens}`"
        );
        return Err(Error::new(value::span_of(&tokens), words));
    }
    Ok(tokens)
}
