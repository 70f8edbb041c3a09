//! The keys about the function itself: written once, in any attribute of the stack.

use crate::errors::Errors;
use crate::function::item::Item;
use crate::syntax::keys::{self, Entry, Key, SHARED, Spec, Value};
use crate::value;
use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::{Error, Expr, LitStr, Result};

/// The keys about the function, as read from its attributes.
#[derive(Default)]
pub(crate) struct FunctionOptions {
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

impl FunctionOptions {
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
            match (&entry.key, shared_key(&entry), lacking) {
                (Some(word), Some(_), Some(words)) => errors.at_span(word.span(), words),
                (Some(word), Some(key), None) => {
                    errors.ok(self.set(word, key, &entry, item));
                }
                _ => rest.push(entry),
            }
        }
        rest
    }

    fn set(&mut self, word: &Ident, key: &Key, entry: &Entry, item: &Item) -> Result<()> {
        if let Some(first) = self.seen.iter().find(|seen| *seen == word) {
            let words = format!("`{word}` describes the function: write it in only one of its attributes");
            let mut error = Error::new(word.span(), words);
            error.combine(Error::new(first.span(), format!("`{word}` is also written here")));
            return Err(error);
        }
        self.seen.push(word.clone());
        if key.name == "timed" {
            self.timed = entry.switch()?;
            return Ok(());
        }
        let tokens = match &entry.value {
            Value::Given(tokens) if !key.is_list() => tokens.clone(),
            Value::List(tokens) if key.is_list() => tokens.clone(),
            _ => return Err(Error::new(entry.span, key.needs_value())),
        };
        match key.name {
            "name" => self.name = Some(point_name(tokens)?),
            "classify" => self.classify = Some(value::path_or_closure(tokens)?),
            "rejected" => self.rejected = Some(value::path_or_closure(tokens)?),
            "when_ok" => self.when_ok = Some(value::path_or_closure(tokens)?),
            "clone" => self.clone = arguments(tokens, item)?,
            "context" => self.context = pairs(tokens)?,
            _ => self.runtime = Some(runtime(&tokens)?),
        }
        Ok(())
    }
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
        let name = key.unraw().to_string();
        if found.iter().any(|(other, _)| *other == name) {
            return Err(Error::new(key.span(), keys::written_twice(&name)));
        }
        found.push((name, value));
    }
    Ok(found)
}

/// Returns the key about the function that `entry` has, if it has one.
fn shared_key(entry: &Entry) -> Option<&'static Key> {
    SHARED.iter().find(|key| entry.is(key.name))
}

fn point_name(tokens: TokenStream) -> Result<LitStr> {
    let span = value::span_of(&tokens);
    let tokens = value::open(tokens);
    let written = tokens.to_string();
    let name: LitStr = syn::parse2(tokens).map_err(|_| {
        let words = "expected a name in quotes, for instance `\"Type::function\"`";
        let is_evaluated = written.starts_with(|c: char| c.is_alphabetic());
        let note = if is_evaluated {
            "\nnote: an attribute sees a macro or a constant, but not its value"
        } else {
            ""
        };
        Error::new(span, format!("{words}{note}"))
    })?;
    if name.value().trim().is_empty() {
        return Err(Error::new(span, "the name of a point cannot be empty"));
    }
    Ok(name)
}

fn arguments(tokens: TokenStream, item: &Item) -> Result<Vec<Ident>> {
    let bound = item.bound_names();
    let mut found: Vec<Ident> = Vec::new();
    for part in keys::split(tokens) {
        let mut words = part.clone().into_iter();
        let (Some(TokenTree::Ident(name)), None) = (words.next(), words.next()) else {
            return Err(Error::new(value::span_of(&part), "expected the name of an argument"));
        };
        if !bound.contains(&name) {
            return Err(Error::new(name.span(), item.has_no_argument(&name.to_string())));
        }
        if found.contains(&name) {
            return Err(Error::new(name.span(), keys::written_twice(&name.to_string())));
        }
        found.push(name);
    }
    Ok(found)
}

fn runtime(tokens: &TokenStream) -> Result<TokenStream> {
    let path: syn::Path = syn::parse2(tokens.clone()).map_err(|_| {
        Error::new(value::span_of(tokens), "expected a path, for instance `crate = ::resilience`")
    })?;
    let first = path.segments.first().map(|segment| segment.ident.to_string());
    if path.leading_colon.is_none()
        && !matches!(first.as_deref(), Some("crate" | "$crate" | "self" | "super"))
    {
        let words = format!(
            "expected an absolute path, which works in every module\nhelp: write `crate = ::{}`",
            value::readable(tokens)
        );
        return Err(Error::new(value::span_of(tokens), words));
    }
    // Without the group around a path that came through a macro, which cannot be a part of a longer path.
    Ok(path.into_token_stream())
}
