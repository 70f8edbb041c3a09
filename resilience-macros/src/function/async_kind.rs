//! Functions that are async without the keyword: `-> impl Future<Output = R>`, `-> Pin<Box<dyn Future<..>>>`,
//! and what `#[async_trait]` makes of an `async fn`.

use crate::function::types;
use crate::syntax::tokens::opened;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Pat, Token, Type};

/// The form in which a function returns its outcome.
pub(crate) enum Form {
    /// By returning it, or by being an `async fn`.
    Plain,
    /// Through a future that the body makes.
    Future { output: Box<Type>, boxed: bool },
    /// Through `Box::pin(async move { .. })`, whose first statements only take the arguments.
    Block { output: Box<Type>, prologue: Vec<Binding>, rest: TokenStream },
}

/// `let pattern: type = argument;`, with the attributes before it.
pub(crate) struct Binding {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) pattern: Pat,
    ty: Option<(Token![:], Type)>,
    pub(crate) argument: Ident,
}

impl Binding {
    /// Returns whether it is `let __self = self;`, which `#[async_trait]` writes.
    fn renames_self(&self) -> bool {
        self.argument == "self" && matches!(&self.pattern, Pat::Ident(pattern) if pattern.ident == SELF)
    }
}

impl ToTokens for Binding {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { attrs, pattern, ty, argument } = self;
        let ty = ty.as_ref().map(|(colon, ty)| quote!(#colon #ty));
        tokens.extend(quote!(#(#attrs)* let #pattern #ty = #argument;));
    }
}

impl Form {
    /// Returns the form of a function that is not an `async fn`, from its return type and the tokens of its body.
    pub(crate) fn of(return_type: &Type, body: TokenStream) -> Self {
        let Some(types::Future { output, is_boxed: boxed }) = types::future(return_type) else {
            return Self::Plain;
        };
        let output = Box::new(output.clone());
        match block(body) {
            Some(block) if boxed => {
                let (prologue, rest) = split(block);
                Self::Block { output, prologue, rest }
            }
            _ => Self::Future { output, boxed },
        }
    }

    /// Returns the body of the function around `inner`, an expression of the outcome.
    pub(crate) fn around(&self, inner: TokenStream, prologue: &TokenStream) -> TokenStream {
        let here = Span::mixed_site();
        let future = match self {
            Self::Plain => return inner,
            Self::Future { boxed: false, .. } => quote_spanned!(here=> async move { #inner }),
            Self::Future { .. } => quote_spanned!(here=> __rt::boxed(async move { #inner })),
            Self::Block { prologue: bindings, .. } => {
                let renamed = bindings.iter().any(Binding::renames_self);
                let inner = if renamed { self_renamed(inner) } else { inner };
                quote_spanned!(here=> __rt::boxed(async move { #prologue #inner }))
            }
        };
        quote_spanned!(here=> #[allow(clippy::needless_return)] return #future;)
    }
}

/// Returns the block of a body that is nothing but `Box::pin(async move { .. })`.
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
            Some(opened(block.clone()).stream())
        }
        _ => None,
    }
}

/// Returns the statements at the start that only take the arguments, and the rest.
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

/// Returns the end of the `if let Some(__ret) = None::<R> { .. }` of `#[async_trait]`, which only gives the compiler a
/// type.
fn typed_return(tokens: &[TokenTree]) -> Option<usize> {
    let is = |at: usize, name: &str| matches!(tokens.get(at), Some(TokenTree::Ident(word)) if word == name);
    if !is(0, "if") || !is(1, "let") {
        return None;
    }
    let end = tokens.iter().position(
        |token| matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace),
    )?;
    let binds_it = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.stream().to_string() == "__ret",
        _ => false,
    };
    tokens.iter().take(end).any(binds_it).then_some(end + 1)
}

/// Reads `let pattern = argument;` at the start, and returns its number of tokens.
fn binding(tokens: &[TokenTree]) -> Option<(Binding, usize)> {
    let end = tokens.iter().position(|token| matches!(token, TokenTree::Punct(p) if p.as_char() == ';'))?;
    let read = |input: ParseStream<'_>| {
        let attrs = Attribute::parse_outer(input)?;
        input.parse::<Token![let]>()?;
        let pattern = Pat::parse_single(input)?;
        let colon: Option<Token![:]> = input.parse()?;
        let ty = colon.map(|colon| Ok::<_, syn::Error>((colon, input.parse()?))).transpose()?;
        input.parse::<Token![=]>()?;
        let argument = input.call(Ident::parse_any)?;
        Ok(Binding { attrs, pattern, ty, argument })
    };
    let binding = read.parse2(tokens.get(..end)?.iter().cloned().collect()).ok()?;
    Some((binding, end + 1))
}

/// The name of `self` in the body that `#[async_trait]` writes.
const SELF: &str = "__self";

/// Returns `tokens` with `__self` for `self`, as `#[async_trait]` has written the body: not in the functions and imports
/// inside of it, whose `self` is another.
fn self_renamed(tokens: TokenStream) -> TokenStream {
    let mut out = TokenStream::new();
    let mut tokens = tokens.into_iter().peekable();
    let mut is_item = false;
    while let Some(token) = tokens.next() {
        let is_path = matches!(tokens.peek(), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
        let is_named = matches!(tokens.peek(), Some(TokenTree::Ident(_)));
        is_item |= matches!(&token, TokenTree::Ident(word) if word == "use" || (word == "fn" && is_named));
        let ends_item = match &token {
            TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
            TokenTree::Punct(punct) => punct.as_char() == ';',
            _ => false,
        };
        out.extend([match token {
            token if is_item => token,
            // The name that async_trait uses: the same name for the same value.
            TokenTree::Ident(word) if word == "self" && !is_path => {
                TokenTree::Ident(Ident::new(SELF, word.span()))
            }
            TokenTree::Group(group) => {
                let mut renamed = Group::new(group.delimiter(), self_renamed(group.stream()));
                renamed.set_span(group.span());
                TokenTree::Group(renamed)
            }
            other => other,
        }]);
        is_item &= !ends_item;
    }
    out
}

/// Returns the attempt's body for a function that makes a future: make it, and wait for it.
pub(crate) fn made_future(body: &TokenStream) -> TokenStream {
    quote!(__rt::call_once(|| { #body }).await)
}
