//! Arguments of the function in values that are evaluated outside of it, where the compiler would only report that a
//! local is no constant.

use crate::errors::Errors;
use crate::function::item::Item;
use crate::function::uses;
use crate::syntax::keys::{Entry, Form, Key, Positional, Setting, Spec, Value, entries};
use crate::value;
use proc_macro2::{Ident, TokenStream};
use syn::Expr;

/// The keys that are no settings of a table, but whose values are constants, too.
const CONSTANTS: [&str; 7] = ["after", "budget", "latency", "max_keys", "per", "policy", "rate"];

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

/// Reports the arguments of the function that constants among `given`, the arguments of one attribute, name.
pub(super) fn check(spec: &Spec, given: &[Entry], item: &Item, errors: &Errors) {
    let arguments = item.bound_names();
    if arguments.is_empty() {
        return;
    }
    for entry in given {
        let key = entry.key.as_ref().and_then(|word| spec.keys.iter().find(|key| word == key.name));
        match (&entry.value, key) {
            (Value::Given(tokens), Some(key)) if is_constant(key) => {
                check_value(spec, &format!("`{}`", key.name), tokens, &arguments, errors);
            }
            (Value::List(list), Some(key)) if key.form == Form::Lists => {
                check(spec, &entries(list.clone()), item, errors);
            }
            (Value::Bare(_) | Value::Word, None) if spec.positional == Positional::Count => {
                check_value(spec, "the number", &entry.tokens(), &arguments, errors);
            }
            _ => {}
        }
    }
}

/// Returns whether the value of the key is evaluated once for all calls.
fn is_constant(key: &Key) -> bool {
    match key.setting {
        Some(Setting::Switch | Setting::Flag | Setting::Hook) => false,
        Some(_) => true,
        None => CONSTANTS.contains(&key.name),
    }
}

/// Reports an argument in `tokens`, the value that `what` names in the message.
fn check_value(spec: &Spec, what: &str, tokens: &TokenStream, arguments: &[Ident], errors: &Errors) {
    let tokens = value::open(tokens.clone());
    let text = tokens.to_string();
    let is_percentile = text.strip_prefix('p').is_some_and(|rest| rest.parse::<f64>().is_ok());
    if WORDS.contains(&text.as_str()) || is_percentile || value::constant(tokens.clone()).is_err() {
        return;
    }
    let Ok(value) = syn::parse2::<Expr>(tokens) else { return };
    let found = arguments.iter().find_map(|argument| uses::used(&value, &argument.to_string()));
    let Some(argument) = found else { return };
    let has_instance = spec.keys.iter().any(|key| key.name == "instance");
    let other = if has_instance { ", or `instance = ..` with a policy that is made at run time" } else { "" };
    let words = format!(
        "{what} is evaluated once for all calls, outside of the function, but `{argument}` is an argument\n\
         help: write a literal or the path of a constant{other}"
    );
    errors.at_span(argument.span(), words);
}
