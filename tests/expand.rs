//! What each attribute expands to: `tests/expand/<stem>.rs` beside `<stem>.expanded.rs`.
//!
//! The sources of the macro crate are compiled into this test, so that their output can be printed
//! without a compiler plug-in. `cargo xtask accept expand` accepts what has changed.

#![allow(dead_code, unused_imports, reason = "the macro crate's sources are compiled here a second time")]

include!("macros/modules.rs");

use proc_macro2::TokenStream;
use quote::ToTokens;
use std::path::{Path, PathBuf};
use syn::{Attribute, ImplItem, Item, Meta};

/// Does what the compiler does: expands the first macro of ours until none is left.
fn expand(mut tokens: TokenStream) -> TokenStream {
    loop {
        let mut function = function::item::Item::read(tokens.clone()).expect("a function");
        let Some(at) = function.attrs.iter().position(is_ours) else { return tokens };
        let attribute = function.attrs.remove(at);
        let name = attribute.path().segments.last().expect("a name").ident.to_string();
        let args = match attribute.meta {
            Meta::List(list) => list.tokens,
            _ => TokenStream::new(),
        };
        let rest = function.into_token_stream();
        tokens =
            if name == "__stack" { stack::finish(args, &rest) } else { stack::collect(&name, args, &rest) };
    }
}

fn is_ours(attribute: &Attribute) -> bool {
    let name = attribute.path().segments.last().expect("a name").ident.to_string();
    name == "__stack" || attr::ATTRIBUTES.iter().any(|definition| definition.spec.attr == name)
}

fn expand_file(source: &str) -> String {
    let mut file = syn::parse_file(source).expect("a source file");
    for item in &mut file.items {
        match item {
            Item::Fn(function) if function.attrs.iter().any(is_health_check) => {
                *item = Item::Verbatim(expand_check(function.clone()));
            }
            Item::Fn(function) => *item = syn::parse2(expand(function.to_token_stream())).expect("an item"),
            Item::Impl(block) => {
                for item in &mut block.items {
                    if let ImplItem::Fn(function) = item {
                        *item = syn::parse2(expand(function.to_token_stream())).expect("a method");
                    }
                }
            }
            _ => {}
        }
    }
    // A check is two items.
    prettyplease::unparse(&syn::parse2(file.into_token_stream()).expect("a source file"))
}

fn is_health_check(attribute: &Attribute) -> bool {
    attribute.path().is_ident("health_check")
}

/// The function with its entry in the table of checks.
fn expand_check(mut function: syn::ItemFn) -> TokenStream {
    let at = function.attrs.iter().position(is_health_check).expect("the attribute");
    let args = function.attrs.remove(at).meta.require_list().expect("arguments").tokens.clone();
    attr::health_check::expand(args, &function.into_token_stream())
}

/// The sources in the folder of expansions, by stem.
fn sources() -> Vec<(PathBuf, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expand");
    let paths = std::fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("a file").path());
    let stem = |path: PathBuf| {
        let stem = path.file_name()?.to_str()?.strip_suffix(".rs")?.to_owned();
        (!stem.ends_with(".expanded")).then_some((path, stem))
    };
    let mut sources: Vec<_> = paths.filter_map(stem).collect();
    sources.sort();
    sources
}

#[test]
fn every_expansion_matches_its_snapshot() {
    let accept = std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite");
    let mut changed = String::new();
    for (path, stem) in sources() {
        let source = std::fs::read_to_string(&path).expect("a source");
        let expanded = expand_file(&source);
        assert_eq!(expanded, expand_file(&source), "the same input gives the same output");
        let kept = path.with_extension("expanded.rs");
        if accept {
            std::fs::write(&kept, &expanded).expect("a snapshot");
        }
        if std::fs::read_to_string(&kept).unwrap_or_default() != expanded {
            changed +=
                &format!("the expansion of {stem} is not that of {}; it is:\n{expanded}\n", kept.display());
        }
    }
    assert!(changed.is_empty(), "{changed}help: accept it with `cargo xtask accept expand`");
}

#[test]
fn every_attribute_has_an_expansion() {
    let stems: Vec<_> = sources().into_iter().map(|(_, stem)| stem).collect();
    for definition in attr::ATTRIBUTES {
        let stem = definition.spec.attr;
        assert!(stems.iter().any(|other| other == stem), "tests/expand/{stem}.rs is missing");
    }
}

/// Words that a pattern binds in `tokens`: after `let`, and in `Ok(..)`, `Err(..)` and `Some(..)` before `=`.
fn bound(tokens: TokenStream, names: &mut Vec<String>) {
    let tokens: Vec<_> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let next = |n: usize| tokens.get(at + n).map(ToString::to_string).unwrap_or_default();
        match token {
            proc_macro2::TokenTree::Ident(word) if word == "let" => {
                let name = if next(1) == "mut" { next(2) } else { next(1) };
                names.extend(name.split(['(', ')', ',', ' ']).map(str::to_owned));
            }
            proc_macro2::TokenTree::Ident(word)
                if (word == "Ok" || word == "Err" || word == "Some") && next(2) == "=" =>
            {
                names.extend(next(1).split(['(', ')', ',', ' ']).map(str::to_owned));
            }
            proc_macro2::TokenTree::Group(group) => bound(group.stream(), names),
            _ => {}
        }
    }
}

/// A local of an expansion cannot be taken for a constant of the user's.
#[test]
fn every_local_of_an_expansion_begins_with_two_underscores() {
    let mut seen = 0;
    for (path, _) in sources() {
        let source = std::fs::read_to_string(&path).expect("the source");
        let mut names = Vec::new();
        bound(expand_file(&source).parse().expect("tokens"), &mut names);
        let is_word = |name: &&String| name.starts_with(|c: char| c.is_lowercase());
        for name in names.iter().filter(is_word) {
            let is_theirs = source.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name);
            assert!(is_theirs, "{}: `{name}`", path.display());
        }
        seen += names.len();
    }
    assert!(seen > 100, "{seen} names");
}
