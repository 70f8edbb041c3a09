//! The policies of one function: gathered from its attributes, put in order, compared with each other, and
//! expanded as one.
//!
//! Each attribute hands its arguments to one hidden attribute behind all others, which sees the whole
//! stack. Expanding them one by one would nest them in reverse order.

mod constants;
mod rules;

use crate::attr;
use crate::emit::{self, Build};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::layer::{Definition, Input, Stacked};
use crate::options::FunctionOptions;
use crate::syntax::keys::{self, Positional, Spec, Value};
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::Parser;
use syn::{Attribute, Meta};

const HIDDEN: &str = "__stack";

/// Built-in attributes, which may be between ours.
const INERT: [&str; 24] = [
    "allow",
    "automatically_derived",
    "cfg",
    "cfg_attr",
    "cold",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "export_name",
    "forbid",
    "ignore",
    "inline",
    "link_section",
    "must_use",
    "no_mangle",
    "rustfmt",
    "should_panic",
    "target_feature",
    "track_caller",
    "warn",
    "unsafe",
    "clippy",
    "diagnostic",
];

/// One attribute of this crate with its arguments.
struct AppliedAttribute {
    /// The attribute's name, spanned over the whole attribute.
    attr: Ident,
    args: TokenStream,
}

/// The data that the hidden attribute carries from one attribute of this crate to the next.
#[derive(Default)]
struct GatheredStack {
    applied: Vec<AppliedAttribute>,
    /// The attributes that were below the last one of ours.
    below: Vec<TokenStream>,
    /// Macros of others that ran between two of ours.
    between: Vec<TokenStream>,
    /// Whether `#[tracing::instrument]` ran before the first attribute of this crate.
    is_instrumented: bool,
    /// Whether the runtime injects no faults.
    has_no_faults: bool,
}

/// The words of the hidden attribute for the two.
const INSTRUMENTED: &str = "instrumented";
const NO_FAULTS: &str = "no_faults";

/// Expands one attribute: adds it to the hidden one, or expands the stack if nothing else can follow.
pub(crate) fn collect(attr: &str, args: TokenStream, tokens: &TokenStream) -> TokenStream {
    add(AppliedAttribute { attr: Ident::new(attr, Span::call_site()), args }, false, tokens)
}

/// Expands `chaos` for a runtime that injects no faults.
pub(crate) fn collect_without_faults(args: TokenStream, tokens: &TokenStream) -> TokenStream {
    add(AppliedAttribute { attr: Ident::new("chaos", Span::call_site()), args }, true, tokens)
}

fn add(applied: AppliedAttribute, has_no_faults: bool, tokens: &TokenStream) -> TokenStream {
    let mut item = match Item::read(tokens.clone()) {
        Ok(item) => item,
        Err(error) => return not_a_function(&applied.attr, &error, tokens),
    };
    let hidden = item.attrs.iter().position(is_hidden);
    let mut gathered = match hidden.map(|at| item.attrs.remove(at)) {
        Some(hidden) => GatheredStack::read(&hidden),
        None => GatheredStack { is_instrumented: item.is_instrumented(), ..GatheredStack::default() },
    };
    let below: Vec<_> = macros_in(&item.attrs);
    gathered.note_between(&below);
    gathered.below.clone_from(&below);
    gathered.applied.push(applied);
    gathered.has_no_faults |= has_no_faults;
    if below.is_empty() {
        return expand(gathered, item);
    }
    match gathered.write(&gathered.runtime(&item.attrs)) {
        Ok(hidden) => {
            item.attrs.extend(hidden);
            item.into_token_stream()
        }
        Err(_) => expand(gathered, item),
    }
}

/// Expands the hidden attribute, when every other macro has run.
pub(crate) fn finish(args: TokenStream, tokens: &TokenStream) -> TokenStream {
    let gathered = GatheredStack::parse(args);
    match Item::read(tokens.clone()) {
        Ok(item) => expand(gathered, item),
        Err(error) => {
            let error = error.to_compile_error();
            quote!(#error #tokens)
        }
    }
}

fn is_hidden(attr: &Attribute) -> bool {
    attr.path().segments.last().is_some_and(|segment| segment.ident == HIDDEN)
}

/// Returns the attributes among `attrs` that may be macros.
fn macros_in(attrs: &[Attribute]) -> Vec<TokenStream> {
    let is_macro = |attr: &&Attribute| {
        let first = attr.path().segments.first();
        !first.is_some_and(|segment| INERT.iter().any(|inert| segment.ident == inert))
    };
    attrs.iter().filter(is_macro).map(ToTokens::to_token_stream).collect()
}

impl GatheredStack {
    /// Compares the macros that are below now with those that were below the last attribute of ours:
    /// all that are gone have run, and the last of them is the attribute of ours that runs right now.
    fn note_between(&mut self, below: &[TokenStream]) {
        let here: Vec<String> = below.iter().map(ToString::to_string).collect();
        let is_gone = |attr: &&TokenStream| !here.contains(&attr.to_string());
        let mut gone: Vec<_> = self.below.iter().filter(is_gone).cloned().collect();
        gone.pop();
        self.between.extend(gone);
    }

    fn read(hidden: &Attribute) -> Self {
        match &hidden.meta {
            Meta::List(list) => Self::parse(list.tokens.clone()),
            _ => Self::default(),
        }
    }

    /// Reads `{name args} .. (below ..) [between ..] instrumented no_faults`.
    fn parse(tokens: TokenStream) -> Self {
        let mut gathered = Self::default();
        for token in tokens {
            let TokenTree::Group(group) = token else {
                gathered.is_instrumented |= token.to_string() == INSTRUMENTED;
                gathered.has_no_faults |= token.to_string() == NO_FAULTS;
                continue;
            };
            let mut inside = group.stream().into_iter();
            match group.delimiter() {
                Delimiter::Brace => {
                    if let Some(TokenTree::Ident(attr)) = inside.next() {
                        gathered.applied.push(AppliedAttribute { attr, args: inside.collect() });
                    }
                }
                Delimiter::Parenthesis => gathered.below = groups(inside),
                _ => gathered.between = groups(inside),
            }
        }
        gathered
    }

    fn write(&self, runtime: &TokenStream) -> syn::Result<Vec<Attribute>> {
        let applied = self.applied.iter().map(|AppliedAttribute { attr, args }| quote!({ #attr #args }));
        let (below, between) = (&self.below, &self.between);
        let hidden = Ident::new(HIDDEN, Span::call_site());
        let words = [(self.is_instrumented, INSTRUMENTED), (self.has_no_faults, NO_FAULTS)];
        let words = words.into_iter().filter(|(is_so, _)| *is_so);
        let words = words.map(|(_, word)| Ident::new(word, Span::call_site()));
        let hidden = quote!(#[#runtime::__private::#hidden(#(#applied)* (#({ #below })*) [#({ #between })*] #(#words)*)]);
        Attribute::parse_outer.parse2(hidden)
    }

    /// Returns the path of the runtime crate: from a `crate = ..` in any attribute of the stack seen so far, or in
    /// one below.
    fn runtime(&self, attrs: &[Attribute]) -> TokenStream {
        let applied = self.applied.iter().map(|applied| applied.args.clone());
        let below = attrs.iter().filter_map(|attr| match &attr.meta {
            Meta::List(list) => Some(list.tokens.clone()),
            _ => None,
        });
        applied
            .chain(below)
            .flat_map(keys::entries)
            .map(|entry| (entry.is("crate"), entry.value))
            .find_map(|(is_crate, value)| match value {
                Value::Given(path) if is_crate => syn::parse2::<syn::Path>(path).ok(),
                _ => None,
            })
            .map_or_else(|| quote!(::resilience), ToTokens::into_token_stream)
    }
}

fn groups(tokens: impl Iterator<Item = TokenTree>) -> Vec<TokenStream> {
    let stream = |token| match token {
        TokenTree::Group(group) => Some(Group::stream(&group)),
        _ => None,
    };
    tokens.filter_map(stream).collect()
}

/// Returns the expansion of an attribute on an item that is not a function, or that cannot be read.
fn not_a_function(attr: &Ident, error: &syn::Error, tokens: &TokenStream) -> TokenStream {
    let other = tokens.clone().into_iter().find_map(|token| match token {
        TokenTree::Ident(word) if word == "fn" => Some(None),
        TokenTree::Ident(word) => {
            let kinds =
                ["struct", "enum", "union", "impl", "trait", "mod", "use", "type", "static", "extern"];
            kinds.iter().any(|kind| word == kind).then_some(Some(word))
        }
        _ => None,
    });
    let error = match other.flatten() {
        Some(word) if word != "extern" => {
            let words = format!(
                "expected a function for `{attr}`, found `{word}`\nhelp: put the attribute on each function that it is for"
            );
            syn::Error::new(word.span(), words)
        }
        _ => error.clone(),
    };
    let error = error.to_compile_error();
    quote!(#error #tokens)
}

/// Returns the expansion of the whole stack; on any mistake the function as it is, and every mistake.
fn expand(gathered: GatheredStack, item: Item) -> TokenStream {
    let build = Build {
        has_faults: !gathered.has_no_faults,
        counts: cfg!(feature = "counts"),
        pins: cfg!(feature = "pinned"),
    };
    expand_for(gathered, item, build)
}

/// Expands the stack with what the features of `build` add.
fn expand_for(gathered: GatheredStack, mut item: Item, build: Build) -> TokenStream {
    let errors = Errors::new();
    check_function(&gathered, &item, &errors);
    let mut options = FunctionOptions::default();
    let mut own = Vec::new();
    let arguments = item.bound_names();
    for AppliedAttribute { attr, args } in gathered.applied {
        let Some(definition) = attr::definition(&attr) else { continue };
        if let Some(words) = name_value(&attr, &args, definition.spec) {
            errors.at_tokens(&attr, words);
            continue;
        }
        let mut entries = keys::checked_entries(args, &errors);
        definition.spec.mark_arguments(&mut entries, &arguments);
        let entries = options.take(definition.spec, entries, &item, &errors);
        constants::check(definition.spec, &entries, &item, &errors);
        own.push((attr, definition, entries));
    }
    let read = |(attr, definition, entries): (Ident, &'static Definition, _)| {
        let input = Input { attr: &attr, entries, options: &options, item: &item, errors: &errors };
        let layer = (definition.read)(input)?;
        Some(Stacked { attr, definition, layer })
    };
    let mut layers: Vec<Stacked> = own.into_iter().filter_map(read).collect();
    rules::check(&layers, &options, &item, &errors);
    let errors = errors.finish();
    layers.retain(|layer| build.has_faults || !layer.traits().injects);
    if errors.is_some() || layers.is_empty() {
        item.attrs.retain(|attr| !is_hidden(attr));
        return quote!(#item #errors);
    }
    emit::function(&layers, &options, item, build)
}

/// Reports attributes around those of the crate, and kinds of functions, that cannot have policies.
fn check_function(gathered: &GatheredStack, item: &Item, errors: &Errors) {
    for foreign in &gathered.between {
        errors.at_tokens(
            foreign,
            "this attribute is between two of `resilience`, which have to be expanded together\nhelp: move it below them",
        );
    }
    if let (true, Some(first)) = (gathered.is_instrumented, gathered.applied.first()) {
        errors.at_tokens(
            &first.attr,
            "`#[tracing::instrument]` is above this line, but its span is around the body, so around each attempt\n\
             help: move it below the attributes of `resilience`; for one span around the whole call, put it on a \
             function that calls this one",
        );
    }
    let tracks = |attr: &&Attribute| attr.path().is_ident("track_caller");
    // On an `async fn` it has no effect in any case, which the compiler says.
    if let (Some(attr), None) = (item.attrs.iter().find(tracks), &item.sig.asyncness) {
        errors.at_tokens(
            attr,
            "`#[track_caller]` has no effect here: the body runs in a closure, and its caller is this function\n\
             help: put it on a function that calls this one, and pass `Location::caller()` as an argument",
        );
    }
    if let Some(constness) = &item.sig.constness {
        errors.at_tokens(
            constness,
            "a `const fn` cannot have a policy: policies keep state and wait\nhelp: remove `const`",
        );
    }
}

/// Returns the message about `#[attr = value]`. The compiler refuses that form, too, but expands it as if it were
/// `#[attr(value)]`, so that only the source shows the difference.
fn name_value(attr: &Ident, args: &TokenStream, spec: &Spec) -> Option<String> {
    let mut tokens = args.clone().into_iter();
    let (Some(TokenTree::Literal(literal)), None) = (tokens.next(), tokens.next()) else { return None };
    let source = attr.span().source_text()?;
    let is_path = |c: char| c.is_alphanumeric() || matches!(c, '_' | ':' | ' ');
    let after = source.trim_start_matches(['#', '[', ' ']).trim_start_matches(is_path);
    if !after.starts_with('=') {
        return None;
    }
    let value = literal.to_string();
    let bare = value.trim_matches('"');
    let value = match (spec.positional, spec.keys.first()) {
        (Positional::Key, _) => value,
        (Positional::Duration | Positional::Count | Positional::Function, _) => bare.to_owned(),
        (_, Some(key)) => format!("{} = {}", key.name, key.example),
        (_, None) => "..".to_owned(),
    };
    Some(format!("`{attr}` has its arguments in parentheses\nhelp: write `#[{attr}({value})]`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> TokenStream {
        text.parse().unwrap_or_default()
    }

    /// Returns how often `words` are in the messages for `#[attr(args)]` on `item`.
    fn said(attr: &str, args: &str, item: &str, words: &str) -> usize {
        collect(attr, read(args), &read(item)).to_string().matches(words).count()
    }

    const SPAN: &str = "is above this line";

    #[test]
    fn a_span_of_tracing_around_the_body_is_refused() {
        let sync = "fn f() -> R { let __tracing_attr_span; let __tracing_attr_guard; body() }";
        let later =
            "async fn f() -> R { let __tracing_attr_span; let __tracing_instrument_future; later().await }";
        let boxed = "fn f() -> BoxFuture<'static, R> { Box::pin(async move { let __tracing_attr_span; 1 }) }";
        for item in [sync, later, boxed] {
            for attr in ["with_retry", "circuit_breaker", "with_fallback"] {
                let args = if attr == "with_fallback" { "value = 1" } else { "" };
                assert_eq!(said(attr, args, item, SPAN), 1, "{attr}: {item}");
            }
        }
        assert_eq!(said("timeout", "1s", later, SPAN), 1);
        // The attributes below have run when the hidden attribute is expanded.
        let hidden = finish(read("{ with_retry } () []"), &read(sync)).to_string();
        assert!(!hidden.contains(SPAN), "{hidden}");
        assert_eq!(said("with_retry", "", "fn f() -> R { let span; body() }", SPAN), 0);
    }

    #[test]
    fn a_span_above_several_attributes_is_reported_once() {
        let item = "#[circuit_breaker] #[timeout(1s)] async fn f() -> R { let __tracing_attr_span; x }";
        let first = collect("with_retry", TokenStream::new(), &read(item)).to_string();
        assert!(!first.contains("compile_error"), "{first}");
        let mut item = match Item::read(read(&first)) {
            Ok(item) => item,
            Err(error) => unreachable!("{error}: {first}"),
        };
        item.attrs
            .retain(|attr| !attr.path().is_ident("circuit_breaker") && !attr.path().is_ident("timeout"));
        let last = collect("timeout", read("1s"), &item.into_token_stream()).to_string();
        assert_eq!(last.matches(SPAN).count(), 1, "{last}");
    }

    #[test]
    fn track_caller_is_rejected_where_it_has_no_effect() {
        let words = "`#[track_caller]` has no effect here";
        assert_eq!(said("with_retry", "", "#[track_caller] fn f() -> R { body() }", words), 1);
        assert_eq!(
            said("timeout", "1s", "#[track_caller] fn f() -> BoxFuture<'static, R> { body() }", words),
            1
        );
        assert_eq!(said("with_retry", "", "#[track_caller] async fn f() -> R { body() }", words), 0);
    }

    #[test]
    fn faults_are_compiled_out() {
        let expanded = |above: &str, has_faults| {
            let gathered =
                GatheredStack::parse(read(&format!("{above} {{ chaos rate = 2%, fault = Down }} () []")));
            let item = "fn f() -> Result<u32, Down> { Ok(1) }";
            match Item::read(read(item)) {
                Ok(item) => {
                    expand_for(gathered, item, Build { has_faults, counts: false, pins: false }).to_string()
                }
                Err(error) => unreachable!("{error}"),
            }
        };
        assert_eq!(expanded("", false), read("fn f() -> Result<u32, Down> { Ok(1) }").to_string());
        let retried = expanded("{ with_retry }", false);
        assert!(retried.contains("__RETRY") && !retried.contains("CHAOS"), "{retried}");
        assert_eq!(expanded("{ with_retry }", true).matches("static __CHAOS").count(), 1);
        assert_eq!(expanded("", true).matches("static __CHAOS").count(), 1);
    }

    #[test]
    fn a_counted_call_ends_with_the_verdict_of_its_outermost_layer() {
        let expanded = |stack: &str, counts| {
            let item = "fn f() -> Result<u32, Down> { Ok(1) }";
            match Item::read(read(item)) {
                Ok(item) => {
                    let build = Build { has_faults: false, counts, pins: false };
                    expand_for(GatheredStack::parse(read(stack)), item, build)
                }
                Err(error) => unreachable!("{error}"),
            }
        };
        let flat = |tokens: TokenStream| tokens.to_string().replace(' ', "");
        for stack in [
            "{ with_retry } () []",
            "{ with_retry } { circuit_breaker } () []",
            "{ timeout 1s, thread } () []",
        ] {
            let counted = flat(expanded(stack, true));
            assert!(counted.contains("letmut__call=(&__POINT).call();"), "{counted}");
            assert!(counted.contains("(&mut__call).ended(&__verdict);"), "{counted}");
            assert!(!flat(expanded(stack, false)).contains("__call"), "{stack}");
        }
        let retried = flat(expanded("{ with_retry } () []", true));
        let ends = "__rt::Ok(__verdict)=>break{(&mut__call).ended(&__verdict);__outcome}";
        assert!(retried.contains(ends), "{retried}");
    }

    #[test]
    fn settings_are_read_once_per_call_and_passed_to_the_layers() {
        let expanded =
            |stack: &str, pins| match Item::read(read("async fn f() -> Result<u32, Down> { Ok(1) }")) {
                Ok(item) => {
                    let build = Build { has_faults: false, counts: false, pins };
                    expand_for(GatheredStack::parse(read(stack)), item, build).to_string().replace(' ', "")
                }
                Err(error) => unreachable!("{error}"),
            };
        let stack = "{ timeout 9s } { with_retry } { timeout 1s } () []";
        let pinned = expanded(stack, true);
        assert_eq!(pinned.matches("(&__POINT).pinned()").count(), 1, "{pinned}");
        for part in [
            "__rt::Timed::pinned(&__TIMEOUT,__pinned,1,",
            "__rt::Timed::pinned(&__TIMEOUT_2,__pinned,(&__retry).attempt(),",
            "(&__RETRY).pinned(__pinned).settle(__retry,__verdict)",
            "(&__RETRY).pinned(__pinned).pause(__retrying)",
        ] {
            assert!(pinned.contains(part), "{part} in {pinned}");
        }
        assert!(!expanded(stack, false).contains("pinned"));
        assert!(!expanded("{ circuit_breaker } () []", true).contains("pinned"));
        assert!(!expanded("{ timeout instance = limit } () []", true).contains("pinned"));
    }

    #[test]
    fn values_stored_in_a_static_cannot_name_self() {
        let words = "which cannot name `Self`";
        let item = "fn f(&self) -> R { body() }";
        for (attr, args) in [
            ("with_retry", "policy = Self::P"),
            ("with_retry", "policy = preset(Self::MAX)"),
            ("with_retry", "max = Self::MAX"),
            ("with_retry", "backoff = Self::wait"),
            ("with_retry", "budget = Self::BUDGET"),
            ("with_retry", "on_retry = Self::hook"),
            ("circuit_breaker", "policy = Self::P"),
            ("circuit_breaker", "on_open = <Self as Hooks>::opened"),
            ("circuit_breaker", "recovery = Self::OPEN"),
            ("with_fallback", "value = 1, on_fallback = Self::hook"),
            ("checkpoint", "\"a:{self.id}\", rollback = Self::undo"),
        ] {
            assert_eq!(said(attr, args, item, words), 1, "{attr}({args})");
        }
        for (attr, args) in [
            ("with_retry", "when = Self::may_repeat"),
            ("with_fallback", "Self::cached"),
            ("circuit_breaker", "key = Self::key(&self.host)"),
            ("circuit_breaker", "policy = Client::P"),
        ] {
            assert_eq!(said(attr, args, item, "compile_error"), 0, "{attr}({args})");
        }
    }
}
