//! The import graph of a crate, read from its tokens: which file names items of which other file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};

/// The source text of each module that has a file; the root has the empty name.
type Sources = BTreeMap<String, String>;

/// The path of a module or item, or one as written in the source.
type Segments = Vec<String>;

/// Reads all files below `src`: `policy/with_retry/run.rs` is `policy::with_retry::run`.
fn sources(src: &Path) -> Sources {
    fn read(folder: &Path, module: &str, found: &mut Sources) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            let module = match name.as_str() {
                "mod" | "lib" | "main" => module.to_owned(),
                name if module.is_empty() => name.to_owned(),
                name => format!("{module}::{name}"),
            };
            if path.is_dir() {
                read(&path, &module, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.insert(module, fs::read_to_string(&path).expect("a source"));
            }
        }
    }
    let mut found = Sources::new();
    read(src, "", &mut found);
    found
}

/// A module of a file or of a block, as its tokens describe it.
#[derive(Clone, Default)]
struct Module {
    /// The module whose file this is written in.
    file: String,
    /// The modules and other items that it defines.
    children: BTreeSet<String>,
    items: BTreeSet<String>,
    /// What it imports, by the name that the import makes, and what it imports by a glob.
    imports: BTreeMap<String, Vec<Segments>>,
    globs: Vec<Segments>,
    /// All paths it names, and whether each is a public re-export.
    named: Vec<(Segments, bool)>,
}

/// Which file names items of which other file, with one such path as it is written.
#[derive(Default)]
pub struct Graph {
    edges: BTreeMap<String, BTreeMap<String, String>>,
}

impl Graph {
    /// Follows each path to the file with the item.
    ///
    /// A module that re-exports items of its own children, or uses them, is no arrow: a folder is one unit.
    pub fn of(modules: &Modules) -> Self {
        let mut graph = Self::default();
        for (name, module) in &modules.0 {
            for (path, public) in &module.named {
                let Some(to) = modules.file_of(name, path) else { continue };
                let own_child = is_below(&to, &module.file);
                if to != module.file && !own_child && !(*public && name.is_empty()) {
                    let edges = graph.edges.entry(module.file.clone()).or_default();
                    edges.entry(to).or_insert_with(|| path.join("::"));
                }
            }
        }
        graph
    }

    /// All arrows, as (from, to, the path as written).
    pub fn edges(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.edges.iter().flat_map(|(from, to)| {
            to.iter().map(move |(to, path)| (from.as_str(), to.as_str(), path.as_str()))
        })
    }

    /// The groups of files that name each other in a circle, and of folders next to each other that do.
    pub fn cycles(&self) -> BTreeSet<BTreeSet<String>> {
        let files: BTreeSet<_> =
            self.edges().flat_map(|(from, to, _)| [from, to]).map(str::to_owned).collect();
        let folders: BTreeSet<_> = files.iter().flat_map(|file| ancestors(file)).collect();
        let mut found = circles(self.edges().map(|(from, to, _)| (from.to_owned(), to.to_owned())));
        for folder in folders {
            let inside = |file: &str| child_of(&folder, file);
            let edges = self.edges().filter_map(|(from, to, _)| Some((inside(from)?, inside(to)?)));
            found.extend(circles(edges.filter(|(from, to)| from != to)));
        }
        found
    }
}

/// The names of the folders around a module; the root is the empty name.
fn ancestors(module: &str) -> Vec<String> {
    let parts: Vec<_> = module.split("::").collect();
    (0..parts.len()).map(|length| parts[..length].join("::")).collect()
}

/// The child of `folder` that `module` is or is in.
pub fn child_of(folder: &str, module: &str) -> Option<String> {
    let rest = if folder.is_empty() { module } else { module.strip_prefix(folder)?.strip_prefix("::")? };
    let first = rest.split("::").next().filter(|first| !first.is_empty())?;
    Some(if folder.is_empty() { first.to_owned() } else { format!("{folder}::{first}") })
}

fn is_below(module: &str, folder: &str) -> bool {
    child_of(folder, module).is_some()
}

/// The strongly connected components with more than one member: each node with all that it reaches and that
/// reach it.
fn circles(edges: impl Iterator<Item = (String, String)>) -> BTreeSet<BTreeSet<String>> {
    let mut next: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in edges {
        next.entry(from).or_default().insert(to);
    }
    let reach = |start: &String| {
        let mut seen = BTreeSet::new();
        let mut left = vec![start];
        while let Some(node) = left.pop() {
            for to in next.get(node).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    left.push(to);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = next.keys().map(|node| (node, reach(node))).collect();
    let circle = |node: &String| {
        let back = |other: &&String| reached.get(*other).is_some_and(|seen| seen.contains(node));
        reached[node].iter().filter(back).cloned().collect::<BTreeSet<_>>()
    };
    next.keys().map(circle).filter(|circle| circle.len() > 1).collect()
}

/// The modules of a crate that are compiled outside of tests.
#[derive(Clone, Default)]
pub struct Modules(BTreeMap<String, Module>);

impl Modules {
    /// Reads the crate at `src` from its root on.
    pub fn read(src: &Path) -> Self {
        let mut modules = Self::default();
        modules.file("", &sources(src));
        modules
    }

    /// The same with `line` at the end of the file of `module`.
    pub fn planted(&self, module: &str, line: &str) -> Self {
        let mut modules = self.clone();
        assert!(modules.0.contains_key(module), "no module {module}");
        modules.tokens(module, line.parse().expect("tokens"), true);
        modules
    }

    /// Reads the file of a module and the files of the modules that it declares.
    fn file(&mut self, name: &str, sources: &Sources) {
        // A module that a macro declares, or whose file is named by an attribute, has no file here.
        let Some(text) = sources.get(name) else { return };
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
        let module = Module { file: name.to_owned(), ..Module::default() };
        self.0.insert(name.to_owned(), module);
        self.tokens(name, tokens, true);
        for child in self.0[name].children.clone() {
            let child = join(name, &child);
            if !self.0.contains_key(&child) {
                self.file(&child, sources);
            }
        }
    }

    /// Notes what `tokens` of the module `name` declare and name. `top`: not inside of a block.
    fn tokens(&mut self, name: &str, tokens: TokenStream, top: bool) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let rest = &tokens[at..];
            at += match word(rest, 0).as_deref() {
                None if attribute(rest).is_some_and(only_for_tests) => end_of_item(rest),
                None => {
                    if let TokenTree::Group(group) = &rest[0] {
                        self.tokens(name, group.stream(), false);
                    }
                    // The rest of a path from outside of this crate: `::std::mem`.
                    if is_colons(rest) && word(rest, 2).is_some() { 2 + path(&rest[2..]).1 } else { 1 }
                }
                Some("pub") if group(rest, 1, Delimiter::Parenthesis).is_some() => 2,
                Some("use") if !is_punct(rest.get(1), '<') => {
                    let public = is_public(&tokens[..at]);
                    let end = rest.iter().position(|token| is_punct(Some(token), ';')).unwrap_or(rest.len());
                    self.import(name, Vec::new(), &rest[1..end], public);
                    end
                }
                Some("mod") if word(rest, 1).is_some() => {
                    self.module(name, word(rest, 1).expect("checked"), group(rest, 2, Delimiter::Brace));
                    3
                }
                Some(keyword) => {
                    if top && let Some(item) = defined(keyword, rest) {
                        self.of(name).items.insert(item);
                    }
                    let (path, length) = path(rest);
                    if path.len() > 1 {
                        self.of(name).named.push((path, false));
                    }
                    length
                }
            };
        }
    }

    fn of(&mut self, name: &str) -> &mut Module {
        self.0.get_mut(name).expect("a module that is being read")
    }

    fn module(&mut self, parent: &str, child: String, block: Option<&Group>) {
        let file = self.of(parent).file.clone();
        self.of(parent).children.insert(child.clone());
        if let Some(block) = block {
            let name = join(parent, &child);
            self.0.entry(name.clone()).or_insert(Module { file, ..Module::default() });
            self.tokens(&name, block.stream(), true);
        }
    }

    /// Notes one tree of a `use`: groups, renames and globs.
    fn import(&mut self, name: &str, mut before: Segments, tree: &[TokenTree], public: bool) {
        let (segments, length) = path(tree);
        before.extend(segments);
        let rest = tree.get(length..).unwrap_or_default();
        let rest = if is_colons(rest) { &rest[2..] } else { rest };
        if let Some(list) = group(rest, 0, Delimiter::Brace) {
            let list: Vec<_> = list.stream().into_iter().collect();
            for tree in list.split(|token| is_punct(Some(token), ',')).filter(|tree| !tree.is_empty()) {
                self.import(name, before.clone(), tree, public);
            }
            return;
        }
        let module = self.of(name);
        if is_punct(rest.first(), '*') {
            module.globs.push(before.clone());
        } else {
            if before.len() > 1 && before.last().is_some_and(|last| last == "self") {
                before.pop();
            }
            let renamed = if word(rest, 0).as_deref() == Some("as") { word(rest, 1) } else { None };
            let Some(made) = renamed.or_else(|| before.last().cloned()) else { return };
            module.imports.entry(made).or_default().push(before.clone());
        }
        module.named.push((before, public));
    }

    /// The file with the item that `path` means inside of the module `from`, if it is one of this crate.
    fn file_of(&self, from: &str, path: &[String]) -> Option<String> {
        let module = self.resolve(from, path, 0)?;
        Some(self.0[&module].file.clone())
    }

    fn resolve(&self, from: &str, path: &[String], depth: usize) -> Option<String> {
        let (first, rest) = path.split_first()?;
        let parent = || ancestors(from).pop().unwrap_or_default();
        match first.as_str() {
            "crate" => Some(self.inside("", rest, depth)),
            "self" if rest.is_empty() => Some(from.to_owned()),
            "self" => self.resolve(from, rest, depth),
            "super" if rest.first().is_some_and(|next| next == "super") => {
                self.resolve(&parent(), rest, depth)
            }
            "super" => Some(self.inside(&parent(), rest, depth)),
            _ => self.lookup(from, path, depth),
        }
    }

    /// Where `path` leads inside of a module; to the module itself when its first name is not found there.
    fn inside(&self, module: &str, path: &[String], depth: usize) -> String {
        self.lookup(module, path, depth).unwrap_or_else(|| module.to_owned())
    }

    fn lookup(&self, name: &str, path: &[String], depth: usize) -> Option<String> {
        let module = self.0.get(name)?;
        let Some((first, rest)) = path.split_first() else { return Some(name.to_owned()) };
        let child = join(name, first);
        if self.0.contains_key(&child) {
            return Some(self.inside(&child, rest, depth));
        }
        if module.items.contains(first) {
            return Some(name.to_owned());
        }
        // Two modules may import each other's names.
        if depth > 8 {
            return None;
        }
        let through = |import: &Segments| {
            // `use tokio::time` is not this module's `tokio`.
            let itself = import.first() == Some(first);
            if itself { None } else { self.resolve(name, &[import, rest].concat(), depth + 1) }
        };
        let imported = module.imports.get(first).into_iter().flatten().find_map(through);
        imported.or_else(|| {
            let by_glob = |glob: &Segments| {
                let module = self.resolve(name, glob, depth + 1)?;
                if module == name { None } else { self.lookup(&module, path, depth + 1) }
            };
            module.globs.iter().find_map(by_glob)
        })
    }
}

fn join(module: &str, name: &str) -> String {
    if module.is_empty() { name.to_owned() } else { format!("{module}::{name}") }
}

fn word(tokens: &[TokenTree], at: usize) -> Option<String> {
    match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn group(tokens: &[TokenTree], at: usize, delimiter: Delimiter) -> Option<&Group> {
    match tokens.get(at) {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group),
        _ => None,
    }
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_colons(tokens: &[TokenTree]) -> bool {
    is_punct(tokens.first(), ':') && is_punct(tokens.get(1), ':')
}

/// The path at the start of `tokens`, and how many tokens it takes.
fn path(tokens: &[TokenTree]) -> (Segments, usize) {
    let mut segments = Vec::new();
    let mut at = 0;
    while let Some(segment) = word(tokens, at) {
        segments.push(segment);
        at += 1;
        if !(is_colons(&tokens[at..]) && word(tokens, at + 2).is_some()) {
            break;
        }
        at += 2;
    }
    (segments, at)
}

/// The name of the item that `keyword` starts.
fn defined(keyword: &str, tokens: &[TokenTree]) -> Option<String> {
    match keyword {
        "fn" | "struct" | "enum" | "trait" | "type" | "union" | "const" | "static" => word(tokens, 1),
        "macro_rules" => word(tokens, 2),
        _ => None,
    }
}

/// Whether the tokens before a `use` end in `pub` or `pub(..)`.
fn is_public(before: &[TokenTree]) -> bool {
    let before = match before.split_last() {
        Some((TokenTree::Group(_), before)) => before,
        _ => before,
    };
    word(before, before.len().wrapping_sub(1)).as_deref() == Some("pub")
}

fn attribute(tokens: &[TokenTree]) -> Option<&Group> {
    if is_punct(tokens.first(), '#') { group(tokens, 1, Delimiter::Bracket) } else { None }
}

/// Whether an attribute leaves its item out of all builds but those of tests.
fn only_for_tests(attribute: &Group) -> bool {
    let tokens: Vec<_> = attribute.stream().into_iter().collect();
    let Some(condition) = group(&tokens, 1, Delimiter::Parenthesis) else { return false };
    word(&tokens, 0).as_deref() == Some("cfg") && needs_test(condition.stream())
}

fn needs_test(condition: TokenStream) -> bool {
    let tokens: Vec<_> = condition.into_iter().collect();
    match (word(&tokens, 0).as_deref(), group(&tokens, 1, Delimiter::Parenthesis)) {
        (Some("test" | "loom"), None) => true,
        (Some("all"), Some(list)) => {
            let list: Vec<_> = list.stream().into_iter().collect();
            list.split(|token| is_punct(Some(token), ','))
                .any(|part| needs_test(part.iter().cloned().collect()))
        }
        _ => false,
    }
}

/// How many tokens an item with its attributes takes.
fn end_of_item(tokens: &[TokenTree]) -> usize {
    let mut at = 0;
    while attribute(&tokens[at..]).is_some() {
        at += 2;
    }
    let to_semicolon = ["use", "static", "let"]
        .iter()
        .any(|keyword| (at..tokens.len().min(at + 3)).any(|at| word(tokens, at).as_deref() == Some(keyword)));
    let ends = |token: &TokenTree| match token {
        TokenTree::Group(group) => !to_semicolon && group.delimiter() == Delimiter::Brace,
        token => is_punct(Some(token), ';'),
    };
    tokens[at..].iter().position(ends).map_or(tokens.len(), |end| at + end + 1)
}
