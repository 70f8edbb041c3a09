//! Functions that are async without the word: `-> impl Future<Output = R>`, `-> Pin<Box<dyn Future<..>>>`,
//! and what `#[async_trait]` makes of an `async fn`.

use crate::angles::Angles;
use crate::input;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

/// How a function gives out its outcome.
pub(crate) enum Form {
    /// By returning it, or by being an `async fn`.
    Plain,
    /// Through a future that the body makes.
    Future { output: TokenStream, boxed: bool },
    /// Through `Box::pin(async move { .. })`, whose first statements only take the arguments.
    Block { output: TokenStream, prologue: Vec<Binding>, rest: TokenStream },
}

/// `let pattern = argument;`
pub(crate) struct Binding {
    pub(crate) pattern: TokenStream,
    pub(crate) argument: Ident,
}

impl Form {
    /// The form of a function that is no `async fn`, from its return type and the tokens of its body.
    pub(crate) fn of(return_type: TokenStream, body: TokenStream) -> Self {
        let return_type = input::open(return_type);
        let boxed = match first_word(&return_type) {
            Some(word) if word == "impl" => false,
            Some(_) => true,
            None => return Self::Plain,
        };
        let output = if boxed && !is_boxed_future(&return_type) {
            output_of_alias(return_type)
        } else {
            output(return_type)
        };
        let Some(output) = output else { return Self::Plain };
        match block(body) {
            Some(block) if boxed => {
                let (prologue, rest) = split(block);
                Self::Block { output, prologue, rest }
            }
            _ => Self::Future { output, boxed },
        }
    }

    /// The body of the function around `inner`, an expression of the outcome.
    pub(crate) fn around(&self, inner: TokenStream, prologue: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        match self {
            Self::Plain => inner,
            Self::Future { boxed: false, .. } => quote_spanned!(here=> async move { #inner }),
            Self::Future { .. } => quote_spanned!(here=> __resilience::boxed(async move { #inner })),
            Self::Block { prologue: bindings, .. } => {
                let renamed = bindings.iter().any(|binding| binding.argument == "self");
                let inner = if renamed { self_renamed(inner) } else { inner };
                quote_spanned!(here=> __resilience::boxed(async move { #prologue #inner }))
            }
        }
    }
}

fn first_word(tokens: &TokenStream) -> Option<Ident> {
    match tokens.clone().into_iter().find(|token| !matches!(token, TokenTree::Punct(_))) {
        Some(TokenTree::Ident(word)) => Some(word),
        _ => None,
    }
}

/// Whether a type reads `Pin<Box<dyn Future<..>>>`, by whichever paths.
fn is_boxed_future(ty: &TokenStream) -> bool {
    let mut expected = ["Pin", "Box", "dyn", "Future"].into_iter();
    let mut next = expected.next();
    for token in ty.clone() {
        if let (TokenTree::Ident(word), Some(name)) = (&token, next)
            && word == name
        {
            next = expected.next();
        }
    }
    next.is_none()
}

/// What stands after `Output =` in a type.
fn output(ty: TokenStream) -> Option<TokenStream> {
    let mut tokens = ty.into_iter();
    tokens.find(|token| matches!(token, TokenTree::Ident(word) if word == "Output"))?;
    let mut angles = Angles::default();
    let out: TokenStream = tokens.skip(1).take_while(|token| !angles.end_before(token)).collect();
    (!out.is_empty()).then_some(out)
}

/// What a `BoxFuture<'a, R>` or `LocalBoxFuture<'a, R>`, by whichever path, gives in the end: `R`.
fn output_of_alias(ty: TokenStream) -> Option<TokenStream> {
    let mut tokens = ty.into_iter();
    let mut name = None;
    for token in tokens.by_ref() {
        match token {
            TokenTree::Ident(word) => name = Some(word),
            TokenTree::Punct(open) if open.as_char() == '<' => break,
            TokenTree::Punct(colon) if colon.as_char() == ':' => {}
            _ => return None,
        }
    }
    name.filter(|name| name == "BoxFuture" || name == "LocalBoxFuture")?;
    let mut tokens = tokens.peekable();
    // A lifetime is a quote and a word; the comma after it stands before what is sought.
    if matches!(tokens.peek(), Some(TokenTree::Punct(quote)) if quote.as_char() == '\'') {
        tokens.nth(2)?;
    }
    let mut angles = Angles::default();
    let out: TokenStream = tokens.take_while(|token| !angles.end_before(token)).collect();
    (!out.is_empty()).then_some(out)
}

/// The block of a body that is nothing but `Box::pin(async move { .. })`.
fn block(body: TokenStream) -> Option<TokenStream> {
    let tokens: Vec<_> = body.into_iter().collect();
    let [path @ .., TokenTree::Group(arguments)] = tokens.as_slice() else { return None };
    let is_pin = matches!(path.last(), Some(TokenTree::Ident(word)) if word == "pin");
    let only_path = path.iter().all(|token| matches!(token, TokenTree::Ident(_) | TokenTree::Punct(_)));
    if !is_pin || !only_path || arguments.delimiter() != Delimiter::Parenthesis {
        return None;
    }
    let inside: Vec<_> = arguments.stream().into_iter().collect();
    match inside.as_slice() {
        [TokenTree::Ident(a), TokenTree::Ident(m), TokenTree::Group(block)]
            if a == "async" && m == "move" =>
        {
            Some(block.stream())
        }
        _ => None,
    }
}

/// The statements at the start that only take the arguments, and the rest.
fn split(block: TokenStream) -> (Vec<Binding>, TokenStream) {
    let mut tokens: Vec<_> = block.into_iter().collect();
    let mut bindings = Vec::new();
    loop {
        if let Some(end) = typed_return(&tokens) {
            tokens.drain(..end);
            continue;
        }
        match binding(&tokens) {
            Some((binding, end)) => {
                bindings.push(binding);
                tokens.drain(..end);
            }
            None => return (bindings, tokens.into_iter().collect()),
        }
    }
}

/// The end of `if let Some(..) = None::<R> { .. }`, which tells the compiler a type and nothing else.
fn typed_return(tokens: &[TokenTree]) -> Option<usize> {
    let is = |at: usize, name: &str| matches!(tokens.get(at), Some(TokenTree::Ident(word)) if word == name);
    if !is(0, "if") || !is(1, "let") {
        return None;
    }
    let end = tokens.iter().position(
        |token| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace),
    )?;
    let names_none =
        tokens.iter().take(end).any(|token| matches!(token, TokenTree::Ident(word) if word == "None"));
    names_none.then_some(end + 1)
}

/// `let pattern = argument;` at the start, attributes before it left out.
fn binding(tokens: &[TokenTree]) -> Option<(Binding, usize)> {
    let mut start = 0;
    while let (Some(TokenTree::Punct(hash)), Some(TokenTree::Group(_))) =
        (tokens.get(start), tokens.get(start + 1))
        && hash.as_char() == '#'
    {
        start += 2;
    }
    if !matches!(tokens.get(start), Some(TokenTree::Ident(word)) if word == "let") {
        return None;
    }
    let is =
        |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    let equals = (start..tokens.len()).find(|at| is(*at, '='))?;
    let Some(TokenTree::Ident(argument)) = tokens.get(equals + 1) else { return None };
    if !is(equals + 2, ';') {
        return None;
    }
    let pattern = tokens.get(start + 1..equals)?.iter().cloned().collect();
    Some((Binding { pattern, argument: argument.clone() }, equals + 3))
}

/// `tokens` with `__self` for `self`, as `#[async_trait]` has done to the body.
fn self_renamed(tokens: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let is_path = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        out.extend([match token {
            TokenTree::Ident(word) if word == "self" && !is_path => {
                // As async_trait spells it: the same name for the same value.
                TokenTree::Ident(Ident::new("__self", word.span()))
            }
            TokenTree::Group(group) => {
                let mut renamed = Group::new(group.delimiter(), self_renamed(group.stream()));
                renamed.set_span(group.span());
                TokenTree::Group(renamed)
            }
            other => other,
        }]);
    }
    out
}

/// The attempt's body for a function that makes a future: make it, and wait for it.
pub(crate) fn made_future(body: &TokenStream) -> TokenStream {
    quote!(__resilience::call_once(|| { #body }).await)
}
