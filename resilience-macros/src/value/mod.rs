//! One kind of value per file: its form, and the messages about other forms.

mod call;
mod category;
mod count;
mod duration;
mod key;
mod number;
mod path_or_closure;
mod range;
mod rules;
mod settings;
mod size;
mod state_options;

pub(crate) use call::{Call, call};
pub(crate) use category::{CATEGORIES, Categories, category, variant};
pub(crate) use count::count;
pub(crate) use duration::{Duration, duration, is_duration};
pub(crate) use key::{RenderedKey, key, policy_key, refuse_inner_template, same_for_all, whole_key};
pub(crate) use number::{ends, multipliers, number, ratio};
pub(crate) use path_or_closure::{hook, path_or, path_or_closure};
pub(crate) use range::{count_from, duration_from, durations, factor_from_one, in_order, lasting};
pub(crate) use rules::Rules;
pub(crate) use settings::{Settings, default_time, not_beside_instance, written};
pub(crate) use size::size;
pub(crate) use state_options::{PolicyNames, StateOptions, instance_site};

pub(crate) use crate::syntax::tokens::{
    located, mixed_span_of, open, own_span_of, readable, respanned, span_of,
};

use crate::syntax::units::is_unit;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::quote_spanned;
use syn::parse::{ParseStream, Parser};
use syn::{Error, Expr, Lit, Result};

/// Reads one expression; tokens after it are an error.
pub(crate) fn expression(tokens: TokenStream) -> Result<TokenStream> {
    // A single token needs no parsing.
    if tokens.clone().into_iter().nth(1).is_some() {
        parsed(&tokens)?;
    }
    Ok(tokens)
}

/// Reads `tokens` as one expression; the tokens after it are one error, where the compiler would report each word.
fn parsed(tokens: &TokenStream) -> Result<Expr> {
    let parts = |input: ParseStream<'_>| Ok((input.parse::<Expr>()?, input.parse::<TokenStream>()?));
    let (value, rest) = parts
        .parse2(tokens.clone())
        .map_err(|_| Error::new(span_of(tokens), "expected one value: a literal or an expression"))?;
    let words = match (tokens.clone().into_iter().next(), rest.clone().into_iter().next()) {
        (_, None) => return Ok(value),
        (_, Some(TokenTree::Punct(punct))) if punct.as_char() == ';' => {
            "expected a comma between arguments, found a semicolon".to_owned()
        }
        (Some(TokenTree::Literal(number)), Some(TokenTree::Ident(unit))) if is_unit(&unit.to_string()) => {
            format!("a number and its unit are one word\nhelp: write `{number}{unit}`")
        }
        (_, Some(found)) => format!("expected `,` after the value, found `{}`", first_word(&found)),
    };
    Err(Error::new(span_of(&rest), words))
}

/// Returns the text of the token, or the opening bracket of a group.
fn first_word(token: &TokenTree) -> String {
    let text = token.to_string();
    match token {
        TokenTree::Group(_) => text.chars().take(1).collect(),
        _ => text,
    }
}

/// Reads a constant expression; refuses one that is known only at run time or names `Self`.
pub(crate) fn constant(tokens: TokenStream) -> Result<TokenStream> {
    let tokens = expression(tokens)?;
    if let Some(found) = at_run_time(&tokens) {
        let words = format!(
            "settings are constants, but {found} is known only when the program runs\n\
             help: write a literal or a `const`, or `instance = ..` with a policy made by `try_new`"
        );
        return Err(Error::new(span_of(&tokens), words));
    }
    without_self(&tokens)?;
    Ok(tokens)
}

/// Refuses a value that names `Self` and is put into a `static`, which cannot see an outer type.
pub(crate) fn without_self(tokens: &TokenStream) -> Result<()> {
    for token in tokens.clone() {
        match token {
            TokenTree::Ident(word) if word == "Self" => {
                return Err(Error::new(
                    word.span(),
                    "the policy is one `static` for all instances and types, which cannot name `Self`\nhelp: write the name of the type",
                ));
            }
            TokenTree::Group(group) => without_self(&group.stream())?,
            _ => {}
        }
    }
    Ok(())
}

/// Returns the part of an expression that is visibly known only at run time: the content of a `LazyLock` or a
/// reference, the environment, a field of `self`.
fn at_run_time(tokens: &TokenStream) -> Option<String> {
    let shown = |tokens: &TokenStream| format!("`{}`", readable(tokens));
    match syn::parse2(tokens.clone()).ok()? {
        Expr::Unary(syn::ExprUnary { op: syn::UnOp::Deref(_), .. }) | Expr::Await(_) | Expr::Try(_) => {
            return Some(shown(tokens));
        }
        _ => {}
    }
    let words: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let is = |token: Option<&TokenTree>, names: &[&str]| matches!(token, Some(TokenTree::Ident(word)) if names.iter().any(|name| word == name));
    if words.len() > 1 && starts_at_self(tokens) {
        return Some(shown(tokens));
    }
    let reads = |(at, token): (usize, &TokenTree)| {
        let after = |n: usize| words.get(at + n);
        let is_env = is(Some(token), &["env"]) && is(after(3), &["var", "var_os", "args", "vars"]);
        let is_read = matches!(token, TokenTree::Punct(dot) if dot.as_char() == '.')
            && is(after(1), &["parse", "load", "lock", "borrow", "read"])
            && matches!(after(2), Some(TokenTree::Group(_) | TokenTree::Punct(_)));
        is_env || is_read
    };
    words.iter().enumerate().any(reads).then(|| shown(tokens))
}

/// Returns whether a value begins with the receiver, as in `self.field`; `self::CONSTANT` begins with a module.
pub(crate) fn starts_at_self(tokens: &TokenStream) -> bool {
    let mut tokens = tokens.clone().into_iter();
    matches!(tokens.next(), Some(TokenTree::Ident(word)) if word == "self")
        && !matches!(tokens.next(), Some(TokenTree::Punct(colon)) if colon.as_char() == ':')
}

/// Returns whether there is a minus sign and the literal after it, if `tokens` are a literal.
fn literal(tokens: &TokenStream) -> Option<(bool, Lit)> {
    let mut inner = tokens.clone().into_iter().peekable();
    let negative = matches!(inner.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == '-');
    if negative {
        inner.next();
    }
    let lit = syn::parse2(open(inner.collect())).ok()?;
    Some((negative, lit))
}

/// Returns `start` as a policy of type `ty`: an error about its type points at it.
pub(crate) fn typed(start: &TokenStream, ty: &TokenStream) -> TokenStream {
    let at = own_span_of(start);
    let ty = located(ty, at);
    quote_spanned!(at=> { let __policy: #ty = #start; __policy })
}

/// Binds `instance` to the policy of type `ty` that `given` is or dereferences to. A temporary such as an `Arc`
/// lives as long as the block around it.
pub(crate) fn instance(given: &TokenStream, ty: &TokenStream) -> TokenStream {
    let at = mixed_span_of(given);
    quote_spanned! {at=>
        let __held = &(#given);
        let __instance: &__rt::#ty = __held;
    }
}

/// A call of a policy's setter, spanned at the value, so that its errors point there.
pub(crate) struct Setter {
    name: Ident,
    value: TokenStream,
    span: Span,
}

impl Setter {
    pub(crate) fn new(name: &str, value: TokenStream) -> Self {
        let span = own_span_of(&value);
        Self { name: Ident::new(name, span), value, span }
    }

    /// Creates a setter without a value, spanned at its key.
    pub(crate) fn flag(name: &str, span: Span) -> Self {
        Self { name: Ident::new(name, span), value: TokenStream::new(), span }
    }

    /// Returns a new policy of type `ty` made from the value.
    pub(crate) fn make(&self, ty: &TokenStream) -> TokenStream {
        let (Self { name, value, span }, ty) = (self, located(ty, self.span));
        quote_spanned!(*span=> #ty::#name(#value))
    }

    /// Returns whether this is the setting `name`.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
    }

    /// Returns `policy` with this setting, where `ty` is the policy's type.
    pub(crate) fn apply(&self, ty: &TokenStream, policy: &TokenStream) -> TokenStream {
        let (Self { name, value, span }, ty) = (self, located(ty, self.span));
        if value.is_empty() {
            return quote_spanned!(*span=> #policy.#name());
        }
        quote_spanned!(*span=> #ty::#name(#policy, #value))
    }

    /// Returns `start` with all of `setters`.
    pub(crate) fn all(setters: &[Self], ty: &TokenStream, start: TokenStream) -> TokenStream {
        setters.iter().fold(start, |policy, setter| setter.apply(ty, &policy))
    }
}
