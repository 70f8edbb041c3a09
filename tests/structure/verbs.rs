//! The first word of the documentation of each function.

use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The folders of all sources, except the cases of the suite for stores: each is documented with the reason of the rule
/// that its name states.
const FOLDERS: &[&str] = &["resilience/src", "resilience-macros/src", "extras/resilience-cli/src"];
const CASES: &str = "resilience/src/testing/store/";

/// Words that end in `s` and are no verbs.
const NO_VERBS: &[&str] = &[
    "Always",
    "Bodies",
    "Days",
    "Errors",
    "Events",
    "Its",
    "Jobs",
    "Keys",
    "Less",
    "Milliseconds",
    "Nanoseconds",
    "Operators",
    "Policies",
    "Seconds",
    "Settings",
    "This",
    "Threads",
    "Unless",
    "Values",
];

/// A function that only mirrors another one refers to that one's documentation.
const REFERENCE: &str = "See [";

/// A documented function: its line and name, and the first line of its documentation.
pub struct Function {
    line: usize,
    pub name: String,
    summary: String,
}

impl Function {
    /// Returns whether the documentation begins with a verb in the third person, or refers to that of another function.
    pub fn begins_with_verb(&self) -> bool {
        let word = self.summary.split(' ').next().unwrap_or_default();
        let word = word.strip_suffix(',').unwrap_or(word);
        let mut letters = word.chars();
        let is_word = letters.next().is_some_and(|first| first.is_ascii_uppercase())
            && letters.all(|letter| letter.is_ascii_lowercase());
        self.summary.starts_with(REFERENCE) || is_word && word.ends_with('s') && !NO_VERBS.contains(&word)
    }
}

/// Returns the functions whose documentation does not begin with a verb, as `path:line: name: text`.
pub fn without_verb(root: &Path) -> Vec<String> {
    let files = FOLDERS.iter().flat_map(|folder| super::files_below(&root.join(folder)));
    let mut found = Vec::new();
    for path in files.filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        let shown = path.strip_prefix(root).expect("a file below").display().to_string();
        if shown.starts_with(CASES) {
            continue;
        }
        let functions = functions(&fs::read_to_string(&path).expect("a source"));
        let wrong = functions.into_iter().filter(|function| !function.begins_with_verb());
        found.extend(
            wrong.map(|Function { line, name, summary }| format!("{shown}:{line}: {name}: {summary}")),
        );
    }
    found
}

/// Returns the documented functions of a source, those in macro calls included, except tests.
pub fn functions(source: &str) -> Vec<Function> {
    let mut found = Vec::new();
    collect(source.parse().expect("Rust"), &mut found);
    found
}

fn collect(tokens: TokenStream, found: &mut Vec<Function>) {
    let mut tokens = tokens.into_iter().peekable();
    let (mut summary, mut is_test) = (None, false);
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Punct(mark) if mark.as_char() == '#' => {
                let Some(TokenTree::Group(group)) =
                    tokens.next_if(|next| matches!(next, TokenTree::Group(_)))
                else {
                    continue;
                };
                is_test |= group.stream().to_string() == "test";
                summary = summary.or_else(|| documentation(group.stream()));
                continue;
            }
            // What may be between the attributes of a function and its name.
            TokenTree::Ident(word) if QUALIFIERS.iter().any(|qualifier| word == qualifier) => continue,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis && summary.is_some() => {
                collect(group.stream(), found);
                continue;
            }
            TokenTree::Literal(_) => continue,
            TokenTree::Ident(word) if word == "fn" => {
                if let (Some(TokenTree::Ident(name)), Some(summary), false) =
                    (tokens.peek(), &summary, is_test)
                {
                    let (line, name) = (name.span().start().line, name.to_string());
                    found.push(Function { line, name, summary: String::clone(summary) });
                }
            }
            TokenTree::Group(group) => collect(group.stream(), found),
            _ => {}
        }
        (summary, is_test) = (None, false);
    }
}

const QUALIFIERS: &[&str] = &["pub", "default", "const", "async", "unsafe", "extern"];

/// Returns the first line of a doc comment: `doc = " Returns the name."`.
fn documentation(attribute: TokenStream) -> Option<String> {
    let mut tokens = attribute.into_iter();
    let is_doc = matches!(tokens.next()?, TokenTree::Ident(word) if word == "doc");
    match (is_doc, tokens.next()?, tokens.next()?) {
        (true, TokenTree::Punct(_), TokenTree::Literal(text)) => {
            Some(syn::parse_str::<syn::LitStr>(&text.to_string()).ok()?.value().trim().to_owned())
        }
        _ => None,
    }
}
