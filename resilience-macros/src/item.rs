//! The annotated function: attributes and signature are parsed, the body stays opaque tokens, so that
//! half-typed code inside it is reported by the compiler alone.

use crate::angles::Angles;
use crate::form::{self, Binding, Form};
use crate::nearest::hint;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Pat, ReturnType, Signature, Type, Visibility};

/// A function, wherever it stands: free, in an `impl`, or in a trait.
pub(crate) struct Item {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) sig: Signature,
    /// The body in its braces.
    body: Group,
    form: Form,
}

impl ToTokens for Item {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.attrs.iter().for_each(|attr| attr.to_tokens(tokens));
        self.vis.to_tokens(tokens);
        self.sig.to_tokens(tokens);
        self.body.to_tokens(tokens);
    }
}

/// One argument as the layers see it.
pub(crate) struct Argument {
    /// How to name it in a call; `None` for a pattern.
    pub(crate) name: Option<TokenStream>,
    /// Whether a `#[cfg]` decides about it.
    pub(crate) is_conditional: bool,
    pub(crate) span: Span,
}

impl Item {
    /// Reads a function, or says what else the attribute stands on.
    pub(crate) fn read(tokens: TokenStream) -> syn::Result<Self> {
        let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
        // Taken off first: the parser would copy all that is in it.
        let body = tokens.pop();
        let head = |input: ParseStream<'_>| {
            Ok((Attribute::parse_outer(input)?, input.parse()?, input.parse::<Signature>()?))
        };
        let (attrs, vis, sig) = head.parse2(tokens.into_iter().collect())?;
        match body {
            Some(TokenTree::Group(body)) => {
                let form = match (&sig.asyncness, &sig.output) {
                    (None, ReturnType::Type(_, ty)) => Form::of(ty.to_token_stream(), body.stream()),
                    _ => Form::Plain,
                };
                Ok(Self { attrs, vis, sig, body, form })
            }
            other => Err(syn::Error::new(
                other.map_or_else(Span::call_site, |token| token.span()),
                "this function has no body: put the attribute on its implementation, or give it a default body",
            )),
        }
    }

    pub(crate) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some() || !matches!(self.form, Form::Plain)
    }

    /// Whether the body builds a runtime and waits on it, as `#[tokio::test]` makes it of an async one.
    pub(crate) fn runs_a_runtime(&self) -> bool {
        let words = identifiers(self.body.to_token_stream());
        ["runtime", "enable_all", "block_on"].iter().all(|name| words.iter().any(|word| word == name))
    }

    /// The function's body around `inner`, an expression of its outcome.
    pub(crate) fn around(&self, inner: TokenStream) -> TokenStream {
        let prologue = match &self.form {
            Form::Block { prologue, .. } => prologue.as_slice(),
            _ => &[],
        };
        let prologue = prologue.iter().map(|Binding { pattern, argument }| quote!(let #pattern = #argument;));
        self.form.around(inner, &quote!(#(#prologue)*))
    }

    /// The body's tokens without their braces, and the inner attributes that stand at its start.
    pub(crate) fn body_parts(&self) -> (Vec<Attribute>, TokenStream) {
        let body = self.body.stream();
        let split =
            |input: ParseStream<'_>| Ok((Attribute::parse_inner(input)?, input.parse::<TokenStream>()?));
        match &self.form {
            Form::Plain if !starts_with_hash(&body) => (Vec::new(), body),
            Form::Plain => split.parse2(body.clone()).unwrap_or_else(|_| (Vec::new(), body)),
            Form::Future { .. } => (Vec::new(), form::made_future(&body)),
            Form::Block { rest, .. } => (Vec::new(), rest.clone()),
        }
    }

    /// `body` in braces that stand where the user's stand: half-typed code is then complained of once.
    pub(crate) fn block(&self, body: TokenStream) -> Group {
        let mut block = Group::new(Delimiter::Brace, body);
        block.set_span(self.body.span());
        block
    }

    pub(crate) fn body_span(&self) -> Span {
        self.body.span()
    }

    /// The return type, with `_` in place of every `impl Trait`; and whether there was one.
    pub(crate) fn return_type(&self) -> (TokenStream, bool) {
        match (&self.form, &self.sig.output) {
            (Form::Future { output, .. } | Form::Block { output, .. }, _) => infer_impl_trait(output.clone()),
            (Form::Plain, ReturnType::Default) => (quote!(()), false),
            (Form::Plain, ReturnType::Type(_, ty)) => infer_impl_trait(ty.to_token_stream()),
        }
    }

    /// Where a complaint about the return type points.
    pub(crate) fn return_span(&self) -> Span {
        match &self.sig.output {
            ReturnType::Default => self.sig.ident.span(),
            ReturnType::Type(_, ty) => ty.span(),
        }
    }

    /// The arguments in order, the receiver included.
    pub(crate) fn arguments(&self) -> Vec<Argument> {
        let argument = |input: &FnArg| {
            let (name, attrs) = match input {
                FnArg::Receiver(receiver) => (Some(receiver.self_token.to_token_stream()), &receiver.attrs),
                FnArg::Typed(typed) => (simple_name(&typed.pat).map(ToTokens::to_token_stream), &typed.attrs),
            };
            let cfgs: Vec<_> = attrs.iter().filter(|attr| attr.path().is_ident("cfg")).collect();
            // What `#[async_trait]` calls an argument that was a pattern.
            let name = name.filter(|name| !name.to_string().starts_with("__arg"));
            let name = name.map(|name| quote!(#(#cfgs)* #name));
            Argument { name, is_conditional: !cfgs.is_empty(), span: input.span() }
        };
        self.sig.inputs.iter().map(argument).collect()
    }

    /// The arguments that are a name each, whatever is compiled.
    pub(crate) fn plain_names(&self) -> Vec<Ident> {
        let plain = self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) if !typed.attrs.iter().any(|attr| attr.path().is_ident("cfg")) => {
                simple_name(&typed.pat).cloned()
            }
            _ => None,
        });
        plain.collect()
    }

    /// The names bound by the arguments, patterns included.
    pub(crate) fn bound_names(&self) -> Vec<Ident> {
        let typed = self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(typed.pat.to_token_stream()),
            FnArg::Receiver(_) => None,
        });
        typed.flat_map(identifiers).collect()
    }

    /// What to say of a word that should name an argument and does not.
    pub(crate) fn has_no_argument(&self, word: &str) -> String {
        let names: Vec<String> = self.bound_names().iter().map(|name| name.unraw().to_string()).collect();
        if names.is_empty() {
            return format!("the function has no argument `{word}`: it takes none");
        }
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("the function has no argument `{word}`{}; it has: {}", hint(word, &all), all.join(", "))
    }

    /// Takes `mut` off the bindings of the arguments that are `used_again`, and off those of references,
    /// which the body may point elsewhere; returns what was bound so.
    pub(crate) fn take_mutable_bindings(
        &mut self,
        used_again: impl Fn(&Ident) -> bool,
    ) -> Vec<MutableBinding> {
        let mut found = Vec::new();
        if let Form::Block { prologue, .. } = &mut self.form {
            // `&mut self` is shared on purpose.
            for binding in prologue.iter_mut().filter(|binding| binding.argument != "self") {
                let reborrow = self.sig.inputs.iter().any(|input| match input {
                    FnArg::Typed(typed) => {
                        simple_name(&typed.pat) == Some(&binding.argument) && is_mutable_reference(&typed.ty)
                    }
                    FnArg::Receiver(_) => false,
                });
                let taken = |name: &Ident| reborrow || used_again(name);
                let mut names = Vec::new();
                binding.pattern = without_mut(binding.pattern.clone(), &taken, &mut names);
                found.extend(names.into_iter().map(|name| MutableBinding { name, reborrow }));
            }
        }
        for input in &mut self.sig.inputs {
            let FnArg::Typed(typed) = input else { continue };
            let reborrow = is_mutable_reference(&typed.ty);
            let taken = |name: &Ident| reborrow || used_again(name);
            let mut names = Vec::new();
            let pattern = without_mut(typed.pat.to_token_stream(), &taken, &mut names);
            if !names.is_empty() {
                *typed.pat = Pat::Verbatim(pattern);
                found.extend(names.into_iter().map(|name| MutableBinding { name, reborrow }));
            }
        }
        found
    }

    /// The `mut` of a receiver that the body may assign to; what `&mut self` and `Pin<&mut Self>` point to
    /// is shared on purpose.
    pub(crate) fn mutable_receiver(&self) -> Option<&syn::token::Mut> {
        let receiver = self.sig.receiver()?;
        let text = receiver.to_token_stream().to_string();
        let ty = text.split_once("self").map_or("", |(_, ty)| ty);
        let shared = text.starts_with('&') || (ty.contains('&') && ty.contains("mut "));
        receiver.mutability.as_ref().filter(|_| !shared)
    }

    /// Whether the function gives out a borrow of a `&mut self`.
    pub(crate) fn lends_from_mutable_self(&self) -> bool {
        let Some(receiver) = self.sig.receiver() else { return false };
        let tokens = receiver.to_token_stream();
        let by_reference =
            tokens.clone().into_iter().next().is_some_and(|t| matches!(t, TokenTree::Punct(_)));
        let (output, _) = self.return_type();
        by_reference && is_mutable(tokens) && lends(output)
    }
}

/// A `mut` binding of an argument.
pub(crate) struct MutableBinding {
    pub(crate) name: Ident,
    pub(crate) reborrow: bool,
}

/// Whether an attribute stands first.
fn starts_with_hash(tokens: &TokenStream) -> bool {
    matches!(tokens.clone().into_iter().next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#')
}

fn simple_name(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::Ident(ident) if ident.subpat.is_none() && ident.by_ref.is_none() => Some(&ident.ident),
        _ => None,
    }
}

/// The type itself, where a `$t:ty` of a macro or parentheses are around it.
pub(crate) fn peeled(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peeled(&group.elem),
        Type::Paren(paren) => peeled(&paren.elem),
        other => other,
    }
}

fn is_mutable_reference(ty: &Type) -> bool {
    matches!(peeled(ty), Type::Reference(reference) if reference.mutability.is_some())
}

fn is_mutable(tokens: TokenStream) -> bool {
    // `& mut T` or `& 'a mut T`: the word stands before the type.
    tokens.into_iter().take(4).any(|token| matches!(&token, TokenTree::Ident(ident) if ident == "mut"))
}

/// Whether a type has a reference or a lifetime in it that is not `'static`.
fn lends(ty: TokenStream) -> bool {
    let mut tokens = ty.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if lends(group.stream()) => return true,
            TokenTree::Punct(punct) if punct.as_char() == '\'' => match tokens.next() {
                Some(TokenTree::Ident(name)) if name == "static" => {}
                _ => return true,
            },
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                let lifetime = matches!(tokens.peek(), Some(TokenTree::Punct(p)) if p.as_char() == '\'');
                if !lifetime {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Every identifier in `tokens` that begins with a lower-case letter or an underscore: what a pattern can bind.
fn identifiers(tokens: TokenStream) -> Vec<Ident> {
    let mut found = Vec::new();
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                let text = ident.to_string();
                if !matches!(text.as_str(), "mut" | "ref" | "_") && !text.starts_with(char::is_uppercase) {
                    found.push(ident);
                }
            }
            TokenTree::Group(group) => found.extend(identifiers(group.stream())),
            _ => {}
        }
    }
    found
}

/// `tokens` of a pattern without the `mut` of its bindings that are to be `taken`, whose names are added
/// to `names`.
fn without_mut(tokens: TokenStream, taken: &impl Fn(&Ident) -> bool, names: &mut Vec<Ident>) -> TokenStream {
    let mut out = TokenStream::new();
    let mut by_reference = false;
    let mut tokens = tokens.into_iter().peekable();
    while let Some(token) = tokens.next() {
        let next = tokens.peek();
        match (&token, next) {
            (TokenTree::Ident(word), Some(TokenTree::Ident(name)))
                if word == "mut" && !by_reference && taken(name) =>
            {
                names.push(name.clone());
                continue;
            }
            (TokenTree::Group(group), _) => {
                let inner = without_mut(group.stream(), taken, names);
                let mut rebuilt = Group::new(group.delimiter(), inner);
                rebuilt.set_span(group.span());
                out.extend([TokenTree::Group(rebuilt)]);
                by_reference = false;
                continue;
            }
            _ => {}
        }
        by_reference = match &token {
            TokenTree::Punct(punct) => punct.as_char() == '&',
            TokenTree::Ident(word) => word == "ref",
            _ => false,
        };
        out.extend([token]);
    }
    out
}

/// `ty` with `_` for every `impl Trait` in it, and whether there was one.
fn infer_impl_trait(ty: TokenStream) -> (TokenStream, bool) {
    let mut out = TokenStream::new();
    let mut found = false;
    let mut tokens = ty.into_iter().peekable();
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Ident(word) if word == "impl" => {
                found = true;
                out.extend(quote!(_));
                let mut angles = Angles::default();
                while tokens.next_if(|next| !angles.end_before(next)).is_some() {}
            }
            TokenTree::Group(group) => {
                let (inner, inside) = infer_impl_trait(group.stream());
                found |= inside;
                let mut rebuilt = Group::new(group.delimiter(), inner);
                rebuilt.set_span(group.span());
                out.extend([TokenTree::Group(rebuilt)]);
            }
            other => out.extend([other]),
        }
    }
    (out, found)
}
