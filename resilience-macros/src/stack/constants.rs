//! Arguments and parameters of the function in values that are evaluated outside of it, where the compiler would only
//! report that a local is not a constant, or that an outer parameter cannot be used.

use crate::errors::Errors;
use crate::function::item::Item;
use crate::function::uses;
use crate::syntax::keys::{Entry, Form, Key, Positional, Setting, Spec, Value, entries};
use crate::value;
use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::Expr;

/// The keys that are not settings of a table, but whose values are constants, too.
const CONSTANTS: [&str; 8] =
    ["after", "budget", "latency", "max_keys", "on_fallback", "per", "policy", "rate"];

/// The words that are values, whatever the function's arguments are called.
const WORDS: [&str; 18] = [
    "constant",
    "decorrelated",
    "default",
    "equal",
    "error",
    "exponential",
    "fail",
    "false",
    "fibonacci",
    "full",
    "linear",
    "never",
    "none",
    "per_key",
    "rerun",
    "run",
    "shared",
    "true",
];

/// Reports the arguments and parameters of the function that constants among `given`, the arguments of one attribute,
/// name.
pub(super) fn check(spec: &Spec, given: &[Entry], item: &Item, errors: &Errors) {
    for entry in given {
        let key = spec.keys.iter().find(|key| entry.is(key.name));
        match (&entry.value, key) {
            (Value::Given(tokens), Some(key)) if is_constant(key) => {
                check_value(spec, Some(key), tokens, item, errors);
            }
            (Value::List(list), Some(key)) if key.form == Form::Lists => {
                check(spec, &entries(list.clone()), item, errors);
            }
            (Value::Bare(_) | Value::Word, None) if spec.positional == Positional::Count => {
                check_value(spec, None, &entry.tokens(), item, errors);
            }
            _ => {}
        }
    }
}

/// Returns whether the value of the key is evaluated once for all calls.
fn is_constant(key: &Key) -> bool {
    match key.setting {
        Some(Setting::Switch | Setting::Flag) => false,
        Some(_) => true,
        None => CONSTANTS.contains(&key.name),
    }
}

/// Returns what to write instead of `argument`, which hides a function of its name if it `is_path` to one.
fn help(spec: &Spec, argument: &Ident, is_path: bool) -> String {
    if is_path {
        return format!("for the function `{argument}`, write `self::{argument}`");
    }
    let has_instance = spec.keys.iter().any(|key| key.name == "instance");
    let other = if has_instance { ", or `instance = ..` with a policy that is made at run time" } else { "" };
    format!("write a literal or the path of a constant{other}")
}

/// Reports an argument or parameter in `tokens`, the value of `key`, or else the number that comes first.
fn check_value(spec: &Spec, key: Option<&Key>, tokens: &TokenStream, item: &Item, errors: &Errors) {
    let tokens = value::open(tokens.clone());
    let text = tokens.to_string();
    let is_percentile = text.strip_prefix('p').is_some_and(|rest| rest.parse::<f64>().is_ok());
    if WORDS.contains(&text.as_str()) || is_percentile || value::constant(tokens.clone()).is_err() {
        return;
    }
    let Ok(value) = syn::parse2::<Expr>(tokens.clone()) else { return };
    let argument = item.bound_names().iter().find_map(|name| uses::used(&value, &name.to_string()));
    let found = argument.map(|name| (name, "an argument"));
    let found = found.or_else(|| Some((parameter(tokens, item)?, "a parameter of it")));
    let Some((name, is)) = found else { return };
    let takes_path =
        |key: &Key| key.setting == Some(Setting::Hook) || ["backoff", "on_fallback"].contains(&key.name);
    let is_path = name == text.as_str() && key.is_some_and(takes_path);
    let what = key.map_or("the number".to_owned(), |key| format!("`{}`", key.name));
    let words = format!(
        "{what} is evaluated once for all calls, outside of the function, but `{name}` is {is}\nhelp: {}",
        help(spec, &name, is_path)
    );
    errors.at_span(name.span(), words);
}

/// Returns a type or constant parameter of the function in `tokens`: not the end of a path or a field of its name.
fn parameter(tokens: TokenStream, item: &Item) -> Option<Ident> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: Option<usize>, c: char| {
        let token = at.and_then(|at| tokens.get(at));
        matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == c)
    };
    tokens.iter().enumerate().find_map(|(at, token)| match token {
        TokenTree::Ident(name) => {
            let before = at.checked_sub(1);
            let is_part = is(before, '.') || is(before, ':') && is(at.checked_sub(2), ':');
            Some(name.clone()).filter(|name| !is_part && item.has_parameter(name))
        }
        TokenTree::Group(group) => parameter(group.stream(), item),
        _ => None,
    })
}
