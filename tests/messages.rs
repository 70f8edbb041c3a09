//! Compares what the macros report by themselves with `tests/messages/<stem>.stderr`, in process.
//!
//! Each `tests/messages/<stem>.rs` has functions and types with mistakes. The macros expand them here, on
//! tokens that know their place in the file, and every `compile_error!` is printed as rustc prints it. What
//! only rustc can see (types, values of constants) is in `tests/ui/`.
//!
//! `cargo xtask accept messages` accepts what has changed.

#![allow(dead_code, unused_imports, reason = "the macro crate's sources are compiled here a second time")]

include!("macros/modules.rs");

use proc_macro2::{Delimiter, Group, Ident, LineColumn, Span, TokenStream, TokenTree};
use std::fmt::Write;
use std::path::Path;

#[test]
fn messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    let mut failures = String::new();
    for file in std::fs::read_dir(folder).expect("the folder") {
        let path = file.expect("a file").path();
        if path.extension().is_some_and(|end| end == "rs") {
            failures += &check(&path).err().unwrap_or_default();
        }
    }
    assert!(failures.is_empty(), "{failures}help: accept them with `cargo xtask accept messages`");
}

fn check(path: &Path) -> Result<(), String> {
    let source = std::fs::read_to_string(path).expect("a source");
    let name = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).expect("a path in the repository").display();
    if let Some(at) = inner_attribute(&source) {
        return Err(format!("{name}:{at}: an inner attribute takes the place of the case's own mistake\n"));
    }
    let found = report(&source, &name.to_string());
    let kept = path.with_extension("stderr");
    let expected = std::fs::read_to_string(&kept).unwrap_or_default();
    if found == expected {
        return Ok(());
    }
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        return std::fs::write(&kept, found).map_err(|error| error.to_string());
    }
    let differs = |(_, (found, expected)): &(usize, (&str, &str))| found != expected;
    let lines = found.lines().chain(["the end"]).zip(expected.lines().chain(["the end"]));
    let (at, (found, expected)) = lines.enumerate().find(differs).unwrap_or_default();
    Err(format!("{name}: line {} of its .stderr\nexpected: {expected}\n   found: {found}\n", at + 1))
}

/// The line of a `//!` or `#![..]`, which would belong to the item of a case and hide its mistake.
fn inner_attribute(source: &str) -> Option<usize> {
    let is_inner = |line: &str| ["//!", "/*!", "#!"].iter().any(|start| line.trim_start().starts_with(start));
    source.lines().position(is_inner).map(|at| at + 1)
}

/// Every error that the macros make of `source`, as rustc prints them.
fn report(source: &str, name: &str) -> String {
    let mut errors = Vec::new();
    expand(source.parse().expect("tokens"), &mut errors);
    let texts: Vec<String> = errors.iter().map(|error| error.rendered(source, name)).collect();
    texts.join("\n")
}

/// Expands the macros of ours in `tokens` and adds the errors of their output, in order.
fn expand(tokens: TokenStream, errors: &mut Vec<Error>) {
    let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        let rest = &tokens[at..];
        errors.extend(Error::read(rest));
        if let Some((name, args, span)) = attribute(rest) {
            let end = end_of_item(&tokens, at + 2);
            let first =
                tokens[..at].iter().rposition(|token| !begins_item(token)).map_or(0, |before| before + 1);
            // The attributes above stay; the attribute itself is what is expanded.
            let mut item: TokenStream =
                tokens[first..at].iter().chain(&tokens[at + 2..end]).cloned().collect();
            if name == "derive" {
                expand(placed(derive_classify::derive(item), span), errors);
                at = end;
                continue;
            }
            item = if name == "__stack" {
                stack::finish(args, &item)
            } else if name == "health_check" {
                attr::health_check::expand(args, &item)
            } else {
                stack::collect(&name, args, &item)
            };
            tokens.splice(first..end, placed(item, span));
            at = first;
            continue;
        }
        if let TokenTree::Group(group) = &tokens[at] {
            expand(group.stream(), errors);
        }
        at += 1;
    }
}

/// The macro of ours that begins here: its name, its arguments, and where it is.
fn attribute(tokens: &[TokenTree]) -> Option<(String, TokenStream, Span)> {
    let [TokenTree::Punct(hash), TokenTree::Group(group), ..] = tokens else { return None };
    if hash.as_char() != '#' || group.delimiter() != Delimiter::Bracket {
        return None;
    }
    let attribute: syn::Meta = syn::parse2(group.stream()).ok()?;
    let name = attribute.path().segments.last()?.ident.to_string();
    let args = match &attribute {
        syn::Meta::List(list) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let is_derive = name == "derive" && args.clone().into_iter().any(|token| token.to_string() == "Classify");
    let span =
        if is_derive { args.clone().into_iter().next()?.span() } else { hash.span().join(group.span())? };
    let is_ours = ["__stack", "health_check"].contains(&&*name)
        || attr::ATTRIBUTES.iter().any(|definition| definition.spec.attr == name);
    (is_derive || is_ours).then_some((name, args, span))
}

/// Whether an attribute goes on with `token`, for those that are above the one that is expanded.
fn begins_item(token: &TokenTree) -> bool {
    match token {
        TokenTree::Punct(punct) => punct.as_char() == '#',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Bracket,
        _ => false,
    }
}

/// Behind the item that begins at `start`: it ends with braces or a semicolon.
fn end_of_item(tokens: &[TokenTree], start: usize) -> usize {
    let ends = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    tokens.iter().skip(start).position(ends).map_or(tokens.len(), |at| start + at + 1)
}

/// What a macro makes without a place of its own is where the macro is.
fn placed(tokens: TokenStream, at: Span) -> TokenStream {
    let placed = |mut token: TokenTree| {
        if let TokenTree::Group(group) = &token {
            let mut inner = Group::new(group.delimiter(), placed(group.stream(), at));
            inner.set_span(group.span());
            token = inner.into();
        }
        if is_nowhere(token.span()) {
            token.set_span(at);
        }
        token
    };
    tokens.into_iter().map(placed).collect()
}

/// Whether a span is that of the macro's call: here, at the beginning of everything, and empty.
fn is_nowhere(span: Span) -> bool {
    span.start() == span.end() && span.start() == LineColumn { line: 1, column: 0 }
}

/// A `compile_error!` with the place that rustc shows for it.
struct Error {
    message: String,
    start: LineColumn,
    end: LineColumn,
}

impl Error {
    /// Reads `::core::compile_error! { "message" }`.
    fn read(tokens: &[TokenTree]) -> Option<Self> {
        let [first, _, TokenTree::Ident(core), _, _, TokenTree::Ident(name), _, TokenTree::Group(text), ..] =
            tokens
        else {
            return None;
        };
        if core != "core" || name != "compile_error" {
            return None;
        }
        let message: syn::LitStr = syn::parse2(text.stream()).ok()?;
        Some(Self { message: message.value(), start: first.span().start(), end: text.span().end() })
    }

    fn rendered(&self, source: &str, name: &str) -> String {
        let Self { message, start, end } = self;
        let mut out = format!("error: {}\n", message.replace('\n', "\n       "));
        let width = end.line.to_string().len();
        let line = |number: usize| source.lines().nth(number - 1).unwrap_or_default();
        let _ = writeln!(out, "{:width$}--> {name}:{}:{}", "", start.line, start.column + 1);
        let _ = writeln!(out, "{:width$} |", "");
        if start.line == end.line {
            let marks = "^".repeat((end.column - start.column).max(1));
            let _ = writeln!(out, "{:>width$} | {}", start.line, line(start.line));
            let _ = writeln!(out, "{:width$} | {:2$}{marks}", "", "", start.column);
            return out;
        }
        let _ = writeln!(out, "{:>width$} |   {}", start.line, line(start.line));
        let _ = writeln!(out, "{:width$} |  {}^", "", "_".repeat(start.column + 1));
        for number in start.line + 1..=end.line {
            let _ = writeln!(out, "{number:>width$} | | {}", line(number));
        }
        let _ = writeln!(out, "{:width$} | |{}^", "", "_".repeat(end.column));
        out
    }
}

/// The errors of an attribute with `args` on `item`.
fn errors_of(attribute: &str, args: &str, item: &str) -> Vec<String> {
    let source = format!("#[{attribute}({args})]\n{item}");
    let mut errors = Vec::new();
    expand(source.parse().expect("tokens"), &mut errors);
    errors.into_iter().map(|error| error.message).collect()
}

/// What each attribute understands.
fn specs() -> impl Iterator<Item = &'static syntax::keys::Spec> {
    attr::ATTRIBUTES.iter().map(|definition| definition.spec)
}

#[test]
fn inner_attributes_in_cases_are_detected() {
    assert_eq!(inner_attribute("// a\n\n//! Of the function below.\n#[job(1)]\nfn f() {}"), Some(3));
    assert_eq!(inner_attribute("// a\n    #![allow(dead_code)]"), Some(2));
    assert_eq!(inner_attribute("/// Documented.\n#[job(1)]\nfn f() {}"), None);
}

#[test]
fn every_attribute_has_its_messages() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/messages");
    for spec in specs() {
        assert!(
            folder.join(format!("{}.rs", spec.attr)).exists(),
            "tests/messages/{}.rs is missing",
            spec.attr
        );
    }
}

#[test]
fn a_bare_name_refers_to_a_user_item() {
    let all = specs().flat_map(|spec| spec.foreign).map(|(word, _)| *word);
    for word in all.chain(["key", "id", "handler"]) {
        for spec in specs() {
            let is_own = spec.names().contains(&word);
            // A word alone is the attribute's own switch.
            if spec.keys.iter().any(|key| key.name == word && key.example == "true") {
                continue;
            }
            let (item, instead) = match spec.positional {
                syntax::keys::Positional::Key => {
                    (format!("fn f({word}: u32) -> Result<u32, E> {{ Ok(1) }}"), format!("\"{{{word}}}\""))
                }
                syntax::keys::Positional::Function => {
                    ("fn f(n: u32) -> Result<u32, E> { Ok(1) }".to_owned(), format!("self::{word}"))
                }
                syntax::keys::Positional::Duration | syntax::keys::Positional::Count => {
                    ("async fn f(n: u32) -> Result<u32, E> { Ok(1) }".to_owned(), format!("self::{word}"))
                }
                syntax::keys::Positional::Nothing
                | syntax::keys::Positional::Category
                | syntax::keys::Positional::Argument
                | syntax::keys::Positional::Values => continue,
            };
            // A number may be a misspelt switch, and one word means another kind of limit.
            let is_number = [syntax::keys::Positional::Duration, syntax::keys::Positional::Count]
                .contains(&spec.positional);
            if is_number && (word == "adaptive" || syntax::suggest::nearest(word, &spec.names()).is_some()) {
                continue;
            }
            let name = match spec.attr {
                "job" => ", name = \"f\"",
                "rate_limit" if word != "per" => ", per = 1s",
                _ => "",
            };
            let errors = errors_of(spec.attr, &format!("{word}{name}"), &item);
            if is_own {
                assert!(
                    errors.iter().any(|error| error.contains(&instead)),
                    "{} {word}: {errors:?}",
                    spec.attr
                );
            } else {
                assert!(errors.is_empty(), "{} {word}: {errors:?}", spec.attr);
            }
        }
    }
}

#[test]
fn keys_of_other_libraries_get_a_suggestion() {
    for spec in specs() {
        for (word, _) in spec.foreign {
            let errors =
                errors_of(spec.attr, &format!("{word} = 1"), "fn f(n: u32) -> Result<u32, E> { Ok(1) }");
            let wanted = format!("`{}` has no key `{word}`\nhelp: ", spec.attr);
            assert!(
                errors.iter().any(|error| error.starts_with(&wanted)),
                "{} {word}: {errors:?}",
                spec.attr
            );
        }
    }
}
