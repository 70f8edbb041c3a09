//! The macros never panic, whatever tokens they are given.
//!
//! `cargo test --test fuzz` replays the corpus in `tests/fuzz/` and then feeds random token streams to every
//! entry point, from a fixed seed; `FUZZ_SECONDS=600 cargo test --release --test fuzz` goes on for ten
//! minutes from a new one, and writes what panics into the corpus.

#![allow(dead_code, unused_imports, reason = "the macro crate's sources are compiled here a second time")]

include!("macros/modules.rs");

use proc_macro2::TokenStream;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The names of all entry points.
fn entries() -> Vec<&'static str> {
    let attributes = attr::ATTRIBUTES.iter().map(|definition| definition.spec.attr);
    attributes.chain(["__stack", "Classify", "health_check"]).collect()
}

/// Words that the macros look for beside the keys, and some that they do not.
const WORDS: [&str; 61] = [
    "full",
    "none",
    "constant",
    "linear",
    "decorrelated",
    "fibonacci",
    "equal",
    "p95",
    "per_key",
    "rate_limited",
    "unavailable",
    "error",
    "retry_after",
    "status",
    "transparent",
    "with",
    "text",
    "retry",
    "severity",
    "delivered",
    "action",
    "default",
    "never",
    "high",
    "maybe",
    "self",
    "Self",
    "mut",
    "move",
    "async",
    "fn",
    "impl",
    "dyn",
    "Future",
    "Output",
    "Pin",
    "Box",
    "let",
    "if",
    "None",
    "attempts",
    "maks",
    "r#type",
    "_",
    "x",
    "id",
    "Vec",
    "u32",
    "true",
    "false",
    "where",
    "run",
    "fail",
    "skip",
    "escalate",
    "manual",
    ">=",
    "critical",
    "each",
    "timeout",
    "crate",
];
const LITERALS: [&str; 32] = [
    "3",
    "2.0",
    "60s",
    "1.5s",
    "100ms",
    "250us",
    "0s",
    "0",
    "-1",
    "1e300",
    "1e9999",
    "0x5s",
    "7d",
    "99999999999999999999",
    "\"name\"",
    "\"\"",
    "'c'",
    "b\"x\"",
    "50%",
    "0.8..1.2",
    "1.2..0.8",
    "..",
    ".0",
    "18446744073709551616s",
    "\"page:{id}\"",
    "\"{id}:{x.0}/{self.a.b}\"",
    "\"{id}{x}\"",
    "\"a{{{r#type}}}\"",
    "\"{id:?}\"",
    "\"{\"",
    "\"}\"",
    "\"{ü.}%\"",
];
const PUNCTS: [&str; 22] = [
    "=", ",", ",", ",", "=>", "==", "|", "|e|", "||", "::", "<", ">", "->", "&", "&mut", ":", ";", "#", ".",
    "'a", "?", "-",
];
const ITEMS: [&str; 14] = [
    "fn f(id: u32) -> Result<u32, E> { ARGS }",
    "async fn f(&self, mut id: u32, (a, b): (u32, u32)) -> Result<impl X, E> { ARGS }",
    "pub(crate) unsafe fn f<'a, T: Fn() -> u32, const N: usize>(self: Box<Self>, x: &'a mut T) -> Option<&'a T> where T: X { ARGS }",
    "fn f(&mut self) -> Option<&u32> { None }",
    "const fn f() -> Option<u32> { None }",
    "fn f(&self) -> Result<u32, E>;",
    "fn f<'x>(&'x self, a: u32) -> Pin<Box<dyn Future<Output = Result<Vec<u32>, E>> + Send + 'x>> { Box::pin(async move { if let Some(r) = None::<R> { return r; } let __self = self; let mut a = a; ARGS }) }",
    "fn f() -> impl Future<Output = Option<u32>> { ARGS }",
    "#[__stack({ with_retry max = 3 } ({ #[x] }) [{ #[y] }])] fn f() -> Option<u32> { None }",
    "#[instrument] #[doc = \"x\"] #[circuit_breaker(ARGS)] #[resilience::__private::__stack(ARGS)] fn f() -> Option<u32> { None }",
    "struct S(#[classify(ARGS)] u32);",
    "#[classify(ARGS)] enum E<'a, T> where T: X { #[classify(ARGS)] A { #[source] after: T }, #[classify(ARGS)] B(&'a u32), C }",
    "union U { a: u32 }",
    "ARGS",
];

/// A small generator: the same numbers for the same seed, everywhere.
struct Random {
    state: u64,
    words: Vec<&'static str>,
}

impl Random {
    /// Creates a generator of the words above and the keys of all attributes.
    fn new(seed: u64) -> Self {
        let keys = attr::ATTRIBUTES.iter().flat_map(|definition| definition.spec.names());
        let mut words: Vec<_> = keys.chain(WORDS).collect();
        words.sort_unstable();
        words.dedup();
        Self { state: seed, words }
    }

    fn below(&mut self, n: usize) -> usize {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap_or(0) % n
    }

    fn pick(&mut self, from: &[&'static str]) -> &'static str {
        from[self.below(from.len())]
    }

    fn tokens(&mut self, depth: usize) -> String {
        let mut text = String::new();
        for _ in 0..self.below(9) {
            match self.below(10) {
                0..4 => {
                    let at = self.below(self.words.len());
                    text.push_str(self.words[at]);
                }
                4..6 => text.push_str(self.pick(&LITERALS)),
                6..9 => text.push_str(self.pick(&PUNCTS)),
                _ if depth > 0 => {
                    let (open, close) = [("(", ")"), ("[", "]"), ("{", "}")][self.below(3)];
                    text.push_str(open);
                    text.push_str(&self.tokens(depth - 1));
                    text.push_str(close);
                }
                _ => text.push_str("x = 1"),
            }
            text.push(' ');
        }
        text
    }

    /// One case: an entry point, its arguments, an item.
    fn case(&mut self) -> String {
        let args = self.tokens(3);
        let inner = self.tokens(3);
        let item = self.pick(&ITEMS).replace("ARGS", &inner);
        format!("{}\n{args}\n{item}", self.pick(&entries()))
    }
}

/// Feeds one case to its entry point; `false` if it is no token stream to begin with.
fn play(case: &str) -> bool {
    let mut lines = case.splitn(3, '\n');
    let (entry, args, item) =
        (lines.next().unwrap_or(""), lines.next().unwrap_or(""), lines.next().unwrap_or(""));
    let (Ok(args), Ok(item)) = (args.parse::<TokenStream>(), item.parse::<TokenStream>()) else {
        return false;
    };
    let output = match entry {
        "Classify" => derive_classify::derive(item),
        "__stack" => stack::finish(args, &item),
        "health_check" => attr::health_check::expand(args, &item),
        name => stack::collect(name, args, &item),
    };
    // What an attribute gives back is met by the hidden attribute's own tokens again.
    let _ = stack::finish(output.clone(), &output);
    expand(output);
    true
}

/// What the compiler does with an attribute's output: the hidden attribute behind the others is called, until
/// there is none.
fn expand(mut output: TokenStream) {
    while let Ok(mut function) = function::item::Item::read(output.clone()) {
        let hidden = |attribute: &syn::Attribute| {
            attribute.path().segments.last().is_some_and(|segment| segment.ident == "__stack")
        };
        let Some(at) = function.attrs.iter().position(hidden) else { return };
        let args = match function.attrs.remove(at).meta {
            syn::Meta::List(list) => list.tokens,
            _ => TokenStream::new(),
        };
        output = stack::finish(args, &quote::ToTokens::into_token_stream(function));
    }
}

fn corpus() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

#[test]
fn the_corpus_does_not_panic() {
    let mut cases = 0;
    for entry in std::fs::read_dir(corpus()).expect("the corpus") {
        let case = std::fs::read_to_string(entry.expect("a case").path()).expect("text");
        assert!(play(&case), "no token stream: {case}");
        cases += 1;
    }
    assert!(cases >= 10, "{cases} cases");
}

#[test]
fn random_tokens_do_not_panic() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse::<u64>().ok());
    let seed = if seconds.is_some() { RandomState::new().hash_one(0) } else { 7 };
    let end = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut random = Random::new(seed);
    let (mut played, mut tried) = (0_u64, 0_u64);
    while end.map_or(tried < 3_000, |end| Instant::now() < end) {
        let case = random.case();
        tried += 1;
        match catch_unwind(AssertUnwindSafe(|| play(&case))) {
            Ok(true) => played += 1,
            Ok(false) => {}
            Err(_) => {
                let path = corpus().join(format!("panic_{seed:x}_{tried}"));
                let _ = std::fs::write(&path, &case);
                panic!("a macro panicked, kept as {}:\n{case}", path.display());
            }
        }
    }
    println!("{played} of {tried} cases were token streams, seed {seed:#x}");
    assert!(played * 4 > tried, "most cases must be token streams");
}
