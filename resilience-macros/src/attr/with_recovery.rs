//! `#[with_recovery(on(corrupt, rollback), on(severity >= high, manual), otherwise = retry)]`.

use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::layer::{Definition, Input, Layer, Stack, Traits};
use crate::syntax::keys::{self, Entry, Positional, Reader, Spec, Value, key, lists_key};
use crate::syntax::suggest::hint;
use crate::value::{self, Call};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::{Error, Result};

pub(crate) static DEFINITION: Definition =
    Definition { spec: &SPEC, settings: &[], word: "RECOVERY", read: |input| Some(Box::new(check(input))) };

const SPEC: Spec = Spec {
    attr: "with_recovery",
    keys: &[lists_key("on", "(category, strategy)"), key("otherwise", "escalate"), key("rollback", "path")],
    foreign: &[
        ("default", "write `otherwise = escalate`"),
        ("strategy", "write `otherwise = escalate`, or `on(category, rollback)`"),
        ("compensate", "write `rollback = path`: the function takes the arguments"),
        ("undo", "write `rollback = path`: the function takes the arguments"),
        ("fallback", "put `#[with_fallback(path)]` above"),
        ("max", "put `#[with_retry(max = 3)]` below, and write `otherwise = retry`"),
    ],
    positional: Positional::Nothing,
};

const STRATEGIES: [(&str, &str); 5] = [
    ("retry", "Retry"),
    ("rollback", "Rollback"),
    ("skip", "Skip"),
    ("manual", "Manual"),
    ("escalate", "Escalate"),
];
const SEVERITIES: [(&str, &str); 5] =
    [("low", "Low"), ("medium", "Medium"), ("high", "High"), ("critical", "Critical"), ("fatal", "Fatal")];

/// The checked arguments.
pub(crate) struct Checked {
    /// Conditions and the strategy they lead to, in order.
    rules: Vec<Rule>,
    otherwise: Option<Strategy>,
    rollback: Option<Call>,
}

struct Rule {
    conditions: Vec<TokenStream>,
    /// Whether the strategies apply to an error of category `Unknown`.
    covers_unknown: bool,
    then: Strategy,
}

#[derive(Clone)]
struct Strategy {
    variant: &'static str,
    span: Span,
}

impl Checked {
    fn strategies(&self) -> impl Iterator<Item = &Strategy> {
        self.rules.iter().map(|rule| &rule.then).chain(&self.otherwise)
    }

    /// Returns whether an error of category `Unknown` is rolled back.
    fn rolls_back_unknown(&self) -> bool {
        let rule = self.rules.iter().find(|rule| rule.covers_unknown);
        let then = rule.map(|rule| &rule.then).or(self.otherwise.as_ref());
        then.is_some_and(|then| then.variant == "Rollback")
    }

    fn skips(&self) -> bool {
        self.strategies().any(|strategy| strategy.variant == "Skip")
    }
}

/// Reads the arguments.
fn check(input: Input<'_>) -> Checked {
    let Input { attr, entries, options, item, errors } = input;
    let mut reader = Reader::new(&SPEC, entries, errors);
    let mut seen = Vec::new();
    let rule = |entry| errors.ok(rule(entry, &mut seen, errors));
    let rules: Vec<_> = reader.take_all("on").into_iter().filter_map(rule).collect();
    let otherwise = reader.value("otherwise", |tokens| strategy(&value::open(tokens)));
    let rollback = reader.value("rollback", |tokens| value::call(&value::open(tokens), item));
    let checked = Checked { rules, otherwise, rollback };
    if let (true, Some(Call { error: Some(error), .. })) =
        (options.when_ok.is_some() && checked.rolls_back_unknown(), &checked.rollback)
    {
        errors.at_tokens(
            error,
            "a value that `when_ok` refuses has no `error`, and these rules roll it back\n\
             help: take a function without `error`, or another strategy for `unknown`",
        );
    }
    if checked.rules.is_empty() && checked.otherwise.is_none() && errors.is_empty() {
        errors.at_tokens(
            attr,
            "`with_recovery` needs a strategy\nhelp: write `#[with_recovery(on(corrupt, rollback), otherwise = escalate)]`",
        );
    }
    checked
}

/// Reads conditions and a strategy; `seen` are the conditions of all rules so far.
fn rule(entry: Entry, seen: &mut Vec<String>, errors: &Errors) -> Result<Rule> {
    let words = "expected a condition and a strategy\nhelp: write `on(category, strategy)` or `on(severity >= high, strategy)`";
    let Value::List(list) = entry.value else { return Err(Error::new(entry.span, words)) };
    let mut parts = keys::split(list);
    let Some(then) = parts.pop() else { return Err(Error::new(entry.span, words)) };
    if parts.is_empty() {
        return Err(Error::new(entry.span, words));
    }
    let conditions = parts.iter().map(condition).collect::<Result<Vec<_>>>()?;
    let mut covers_unknown = false;
    for part in parts {
        let shown = part.to_string();
        // An error of category `Unknown` has severity medium.
        covers_unknown |= ["unknown", "severity >= low", "severity >= medium", "severity == medium"]
            .contains(&shown.as_str());
        if seen.contains(&shown) {
            errors.at_span(
                value::span_of(&part),
                format!("`{shown}` already has a rule\nhelp: keep one of the two"),
            );
        }
        seen.push(shown);
    }
    Ok(Rule { conditions, covers_unknown, then: strategy(&value::open(then))? })
}

fn strategy(tokens: &TokenStream) -> Result<Strategy> {
    let span = value::span_of(tokens);
    let name = tokens.to_string();
    let found = STRATEGIES.iter().find(|(word, _)| *word == name);
    found.map(|(_, variant)| Strategy { variant, span }).ok_or_else(|| {
        let names = STRATEGIES.map(|(word, _)| word);
        let hint = hint(&name, &names);
        Error::new(span, format!("unknown strategy `{name}`{hint}\nstrategies: {}", names.join(", ")))
    })
}

/// Reads a category, or `severity >= high`.
fn condition(tokens: &TokenStream) -> Result<TokenStream> {
    let span = value::span_of(tokens);
    let parts: Vec<TokenTree> = tokens.clone().into_iter().collect();
    match parts.as_slice() {
        [TokenTree::Ident(word)] => {
            let category = value::category(word)?;
            Ok(quote!(__rt::Condition::Category(__rt::Category::#category)))
        }
        [TokenTree::Ident(word), compare @ .., TokenTree::Ident(level)] if word == "severity" => {
            let compare: String = compare.iter().map(ToString::to_string).collect();
            let kind = match compare.as_str() {
                ">=" => "AtLeast",
                "==" => "Exactly",
                _ => {
                    return Err(Error::new(
                        span,
                        "expected `>=` or `==`\nhelp: write `severity >= high` or `severity == high`",
                    ));
                }
            };
            let name = level.to_string();
            let found = SEVERITIES.iter().find(|(word, _)| *word == name);
            let (_, variant) = found.ok_or_else(|| {
                let names = SEVERITIES.map(|(word, _)| word);
                let hint = hint(&name, &names);
                Error::new(
                    level.span(),
                    format!("unknown severity `{name}`{hint}\nseverities: {}", names.join(", ")),
                )
            })?;
            let (kind, variant) = (Ident::new(kind, Span::call_site()), Ident::new(variant, level.span()));
            Ok(quote!(__rt::Condition::#kind(__rt::Severity::#variant)))
        }
        _ => Err(Error::new(span, "expected a category, or `severity >= high`")),
    }
}
impl Layer for Checked {
    fn traits(&self) -> Traits<'_> {
        Traits {
            handles_failures: true,
            keeps_arguments: true,
            twice: Some("\nhelp: write all rules in one"),
            without_failures: Some("see no failure"),
            ..Traits::default()
        }
    }

    fn check_stack(&self, _: &Ident, stack: Stack<'_>, errors: &Errors) {
        let retries = self.strategies().find(|strategy| strategy.variant == "Retry");
        if let Some(Strategy { span, .. }) = retries.filter(|_| !stack.any(|traits| traits.loops)) {
            errors.at_span(
                *span,
                "the strategy `retry` needs a `with_retry` in the stack\nhelp: put `#[with_retry]` below, or take another strategy",
            );
        }
    }

    fn site(&self, position: &Position, stack: Stack<'_>) -> TokenStream {
        let site = &position.site;
        let strategy = |strategy: &Strategy| {
            let variant = Ident::new(strategy.variant, Span::call_site());
            quote!(__rt::Recovery::#variant)
        };
        let rules = self.rules.iter().flat_map(|Rule { conditions, then, .. }| {
            let then = strategy(then);
            conditions.iter().map(move |condition| quote!((#condition, #then)))
        });
        let otherwise = self.otherwise.iter().map(strategy);
        let with_job = stack.any(|traits| traits.resumes).then(|| quote!(.with_job()));
        let undo = self.rollback.is_some().then(|| quote!(.with_undo()));
        quote! {
            static #site: __rt::RecoverySite =
                __rt::RecoverySite::new(&__POINT, &[#(#rules),*])#(.otherwise(#otherwise))* #with_job #undo;
        }
    }

    fn wrap(&self, cx: &Context<'_>, position: &Position, inner: &TokenStream) -> TokenStream {
        let site = &position.site;
        let label = position.label();
        let skip = self.skips().then(|| {
            let at = Span::mixed_site().located_at(cx.return_at);
            let skipped = quote_spanned!(at=> __rt::Skip::skipped(&__outcome));
            let skipped = position.given(&skipped, &quote!(__rt::None));
            quote_spanned! {Span::mixed_site()=>
                if let __rt::Recovery::Skip = __strategy {
                    break #label #skipped;
                }
            }
        });
        let rollback = self.rollback.as_ref().map(|call @ Call { tokens, error, .. }| {
            let at = Span::mixed_site().located_at(value::span_of(tokens));
            let settle = if cx.is_async {
                quote_spanned!(at=> __rt::Step(__answer).__settle().await)
            } else {
                quote_spanned!(at=> __answer)
            };
            let call = cx.call(call, position, |_| false);
            let undo = quote_spanned! {Span::mixed_site()=>
                let __answer = #call;
                let __worked = ::core::option::Option::is_none(&__rt::Undone::error(#settle));
                (&#site).undone(__worked);
            };
            // A value that `when_ok` refuses has no error.
            let undo = match error {
                None => undo,
                Some(error) => quote_spanned! {Span::mixed_site()=>
                    if let __rt::Err(#error) = __rt::Outcome::judge(&__outcome) { #undo }
                },
            };
            quote_spanned! {Span::mixed_site()=>
                if let __rt::Recovery::Rollback = __strategy {
                    #[allow(unused_imports)]
                    use __rt::Settled as _;
                    #undo
                }
            }
        });
        let bound = position.bound();
        quote_spanned! {Span::mixed_site()=>
            #inner
            let #bound = #label: {
                let __rt::Some(__class) = &__verdict else { break #label #bound };
                let __strategy = (&#site).decide(__class);
                #skip
                #rollback
                let _ = __strategy;
                #bound
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::stack::collect;
    use proc_macro2::TokenStream;

    #[test]
    fn a_rollback_of_a_refused_value_cannot_use_the_error() {
        let read = |text: &str| text.parse::<TokenStream>().unwrap_or_default();
        let item = read("fn f(id: u32) -> Result<u32, E> { body() }");
        let refused = |args: &str| {
            let expanded = collect("with_recovery", read(args), &item).to_string();
            expanded.contains("a value that `when_ok` refuses has no `error`")
        };
        for args in [
            "otherwise = rollback, rollback = undo(error), when_ok = |v| *v > 0",
            "on(unknown, rollback), rollback = undo(id, error), when_ok = |v| *v > 0",
            "on(severity >= medium, rollback), rollback = undo(error), when_ok = |v| *v > 0",
        ] {
            assert!(refused(args), "{args}");
        }
        for args in [
            "otherwise = rollback, rollback = undo(error)",
            "otherwise = rollback, rollback = undo(id), when_ok = |v| *v > 0",
            "otherwise = rollback, rollback = error::undo(id), when_ok = |v| *v > 0",
            "on(corrupt, rollback), rollback = undo(error), when_ok = |v| *v > 0",
            "on(unknown, escalate), otherwise = rollback, rollback = undo(error), when_ok = |v| *v > 0",
        ] {
            assert!(!refused(args), "{args}");
        }
    }
}
