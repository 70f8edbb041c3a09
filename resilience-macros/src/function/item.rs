//! The annotated function: attributes and signature are parsed, the body stays opaque tokens, so that
//! half-typed code inside it is reported by the compiler alone.

use crate::errors::Errors;
use crate::function::async_kind::{self, Form};
use crate::function::types;
use crate::function::uses;
use crate::syntax::suggest::hint;
use crate::syntax::tokens::opened;
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericParam, Pat, ReceiverKind, ReturnType, Signature, Type, Visibility, parse_quote,
};

/// A function: free, in an `impl`, or in a trait.
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
    /// The name of the argument in a call; `None` for a pattern.
    pub(crate) name: Option<TokenStream>,
    /// Whether the argument has a `#[cfg]`.
    pub(crate) is_conditional: bool,
    pub(crate) span: Span,
}

impl Item {
    /// Reads a function.
    ///
    /// # Errors
    ///
    /// The tokens are not a function, or are one without a body.
    pub(crate) fn read(tokens: TokenStream) -> syn::Result<Self> {
        let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
        // Taken off first, because the parser would copy all of it.
        let body = tokens.pop();
        let head = |input: ParseStream<'_>| {
            Ok((Attribute::parse_outer(input)?, input.parse()?, input.parse::<Signature>()?))
        };
        let (attrs, vis, sig) = head.parse2(tokens.into_iter().collect())?;
        match body {
            Some(TokenTree::Group(body)) => {
                let body = opened(body);
                let form = match (&sig.asyncness, &sig.output) {
                    (None, ReturnType::Type(_, ty)) => Form::of(ty, body.stream()),
                    _ => Form::Plain,
                };
                Ok(Self { attrs, vis, sig, body, form })
            }
            other => Err(syn::Error::new(
                other.map_or_else(Span::call_site, |token| token.span()),
                "this function has no body\nhelp: put the attribute on its implementation, or write a default body",
            )),
        }
    }

    pub(crate) fn is_async(&self) -> bool {
        self.sig.asyncness.is_some() || !matches!(self.form, Form::Plain)
    }

    /// Returns the message about the function for `attr`, which is for async ones, if a macro has made it sync.
    pub(crate) fn made_sync(&self, attr: &str) -> Option<String> {
        (!self.is_async() && self.runs_a_runtime()).then(|| {
            format!(
                "`#[tokio::test]` and `#[tokio::main]` have made the function sync before this line is read\n\
                 help: put `{attr}` on an async function that it calls"
            )
        })
    }

    /// Returns whether the body builds a runtime and waits on it, as `#[tokio::test]` does for an async one.
    fn runs_a_runtime(&self) -> bool {
        let words = words(self.body.stream());
        ["runtime", "enable_all", "block_on"].iter().all(|name| words.iter().any(|word| word == name))
    }

    /// Returns whether `#[tracing::instrument]` has put its span around the body.
    pub(crate) fn is_instrumented(&self) -> bool {
        // The text, because reading each token from the compiler takes several times as long.
        self.body.to_string().contains("__tracing_attr_span")
    }

    /// Returns the function's body around `inner`, an expression of its outcome.
    pub(crate) fn around(&self, inner: TokenStream) -> TokenStream {
        let prologue = match &self.form {
            Form::Block { prologue, .. } => prologue.as_slice(),
            _ => &[],
        };
        self.form.around(inner, &quote!(#(#prologue)*))
    }

    /// Returns the body's tokens without their braces, and the inner attributes at its start.
    pub(crate) fn body_parts(&self) -> (Vec<Attribute>, TokenStream) {
        let body = self.body.stream();
        let split =
            |input: ParseStream<'_>| Ok((Attribute::parse_inner(input)?, input.parse::<TokenStream>()?));
        match &self.form {
            Form::Plain if !starts_with_hash(&body) => (Vec::new(), body),
            Form::Plain => split.parse2(body.clone()).unwrap_or_else(|_| (Vec::new(), body)),
            Form::Future { .. } => (Vec::new(), async_kind::made_future(&body)),
            Form::Block { rest, .. } => (Vec::new(), rest.clone()),
        }
    }

    /// Returns `body` in braces with the span of the user's, so that half-typed code is reported once.
    pub(crate) fn block(&self, body: TokenStream) -> Group {
        let mut block = Group::new(Delimiter::Brace, body);
        block.set_span(self.body.span());
        block
    }

    pub(crate) fn body_span(&self) -> Span {
        self.body.span()
    }

    /// Returns the type of the outcome, unless the signature leaves out `()`.
    pub(crate) fn output(&self) -> Option<&Type> {
        match (&self.form, &self.sig.output) {
            (Form::Future { output, .. } | Form::Block { output, .. }, _) => Some(output),
            (Form::Plain, ReturnType::Default) => None,
            (Form::Plain, ReturnType::Type(_, ty)) => Some(ty),
        }
    }

    /// Returns the type of the outcome, with `_` in place of every `impl Trait`; and whether there was one.
    pub(crate) fn return_type(&self) -> (TokenStream, bool) {
        self.output().map_or_else(|| (quote!(()), false), types::infer_impl_trait)
    }

    /// Returns the place of errors about the return type.
    pub(crate) fn return_span(&self) -> Span {
        match &self.sig.output {
            ReturnType::Default => self.sig.ident.span(),
            ReturnType::Type(_, ty) => ty.span(),
        }
    }

    /// Returns the arguments in order, the receiver included.
    pub(crate) fn arguments(&self) -> Vec<Argument> {
        let argument = |input: &FnArg| {
            let (name, attrs) = match input {
                FnArg::Receiver(receiver) => (Some(receiver.self_token.to_token_stream()), &receiver.attrs),
                FnArg::Typed(typed) => (simple_name(&typed.pat).map(ToTokens::to_token_stream), &typed.attrs),
            };
            let cfgs = cfgs(attrs);
            // The name that `#[async_trait]` gives to an argument that was a pattern.
            let name = name.filter(|name| !name.to_string().starts_with("__arg"));
            let name = name.map(|name| quote!(#(#cfgs)* #name));
            Argument { name, is_conditional: !cfgs.is_empty(), span: input.span() }
        };
        self.sig.inputs.iter().map(argument).collect()
    }

    /// Returns the names of the arguments as a call passes them, the receiver included and patterns left out.
    pub(crate) fn argument_names(&self) -> Vec<String> {
        let names = self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Receiver(_) => Some("self".to_owned()),
            FnArg::Typed(typed) => simple_name(&typed.pat).map(ToString::to_string),
        });
        names.collect()
    }

    /// Returns the arguments that are plain names and have no `#[cfg]`.
    pub(crate) fn plain_names(&self) -> Vec<Ident> {
        let plain = self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) if cfgs(&typed.attrs).is_empty() => simple_name(&typed.pat).cloned(),
            _ => None,
        });
        plain.collect()
    }

    /// Returns whether `name` is a type or constant parameter of the function.
    pub(crate) fn has_parameter(&self, name: &Ident) -> bool {
        self.sig.generics.params.iter().any(|param| match param {
            GenericParam::Type(param) => param.ident == *name,
            GenericParam::Const(param) => param.ident == *name,
            GenericParam::Lifetime(_) => false,
        })
    }

    /// Returns the names bound by the arguments, patterns included.
    pub(crate) fn bound_names(&self) -> Vec<Ident> {
        let typed = self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => Some(&*typed.pat),
            FnArg::Receiver(_) => None,
        });
        typed.flat_map(uses::bound).collect()
    }

    /// Returns the `cfg` conditions that the argument `name` is under, once for each argument that binds it.
    pub(crate) fn conditions(&self, name: &Ident) -> Vec<Vec<Attribute>> {
        let conditions = self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => uses::bound(&typed.pat).contains(name).then(|| cfgs(&typed.attrs)),
            FnArg::Receiver(_) => None,
        });
        conditions.collect()
    }

    /// Returns the arguments that are bound by a name alone, each with its type.
    pub(crate) fn named_arguments(&self) -> impl Iterator<Item = (&Ident, &Type)> {
        self.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(typed) => match &*typed.pat {
                Pat::Ident(pat) if pat.subpat.is_none() => Some((&pat.ident, &*typed.ty)),
                _ => None,
            },
            FnArg::Receiver(_) => None,
        })
    }

    /// Returns the type of the argument called `name`; a missing one is reported.
    pub(crate) fn type_of(&self, name: &Ident, errors: &Errors) -> Option<&Type> {
        let found = self.named_arguments().find(|(argument, _)| *argument == name);
        if found.is_none() {
            errors.at_tokens(name, self.has_no_argument(&name.unraw().to_string()));
        }
        found.map(|(_, ty)| types::peeled(ty))
    }

    /// Returns the message about a word that should name an argument and does not.
    pub(crate) fn has_no_argument(&self, word: &str) -> String {
        let names: Vec<String> = self.bound_names().iter().map(|name| name.unraw().to_string()).collect();
        if names.is_empty() {
            return format!("the function has no argument `{word}`, and no other");
        }
        let all: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("the function has no argument `{word}`{}\narguments: {}", hint(word, &all), all.join(", "))
    }

    /// Takes `mut` off the names of the arguments that are `used_again`, and off those of references, which the body
    /// may point elsewhere; returns these bindings, and those inside patterns. There a `mut` stays, because in edition
    /// 2021 it also makes a copy of what would be bound by reference.
    pub(crate) fn take_mutable_bindings(
        &mut self,
        used_again: impl Fn(&Ident) -> bool,
    ) -> Vec<MutableBinding> {
        let mut found = Vec::new();
        let mut take = |pat: &mut Pat, is_reference: bool, attrs: &mut Vec<Attribute>| {
            let is_name = simple_name(pat).is_some();
            let (reborrow, cfgs, before) = (is_reference && is_name, cfgs(attrs), found.len());
            uses::bindings(pat, &mut |binding| {
                let taken = binding.by_ref.is_none() && (reborrow || used_again(&binding.ident));
                if taken && binding.mutability.is_some() {
                    binding.mutability.take_if(|_| is_name);
                    found.push(MutableBinding { name: binding.ident.clone(), reborrow, cfgs: cfgs.clone() });
                }
            });
            if !is_name && found.len() > before {
                attrs.push(parse_quote!(#[allow(unused_mut)]));
            }
        };
        if let Form::Block { prologue, .. } = &mut self.form {
            // `&mut self` is shared on purpose.
            for binding in prologue.iter_mut().filter(|binding| binding.argument != "self") {
                let is_reference = self.sig.inputs.iter().any(|input| match input {
                    FnArg::Typed(typed) => {
                        simple_name(&typed.pat) == Some(&binding.argument)
                            && types::is_mutable_reference(&typed.ty)
                    }
                    FnArg::Receiver(_) => false,
                });
                take(&mut binding.pattern, is_reference, &mut binding.attrs);
            }
        }
        for input in &mut self.sig.inputs {
            if let FnArg::Typed(typed) = input {
                take(&mut typed.pat, types::is_mutable_reference(&typed.ty), &mut typed.attrs);
            }
        }
        found
    }

    /// Returns the `mut` of a receiver that the body may assign to; the targets of `&mut self` and `Pin<&mut Self>`
    /// are shared on purpose.
    pub(crate) fn mutable_receiver(&self) -> Option<&syn::token::Mut> {
        let receiver = self.sig.receiver()?;
        let shared = match &receiver.kind {
            ReceiverKind::Typed(_, ty) => types::has_mutable_reference(ty),
            _ => false,
        };
        receiver.mutability.as_ref().filter(|_| !shared)
    }

    /// Returns whether the function returns a borrow of a `&mut self`.
    pub(crate) fn lends_from_mutable_self(&self) -> bool {
        let lifetime = match self.sig.receiver().map(|receiver| &receiver.kind) {
            Some(ReceiverKind::Reference(_, lifetime, Some(_))) => lifetime.as_ref(),
            Some(ReceiverKind::Typed(_, ty)) if types::has_mutable_reference(ty) => types::lifetime(ty),
            _ => return false,
        };
        self.output().is_some_and(|output| types::lends(output, lifetime))
    }
}

/// A `mut` binding of an argument.
pub(crate) struct MutableBinding {
    pub(crate) name: Ident,
    pub(crate) reborrow: bool,
    /// The `cfg` conditions that the argument is under.
    pub(crate) cfgs: Vec<Attribute>,
}

/// Returns the `#[cfg(..)]` among `attrs`.
pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

/// Returns whether the first statement of a body is an item, whatever attributes it has.
pub(crate) fn begins_with_item(body: &TokenStream) -> bool {
    const BEFORE: [&str; 3] = ["async", "pub", "unsafe"];
    const WORDS: [&str; 12] = [
        "const",
        "enum",
        "extern",
        "fn",
        "impl",
        "macro_rules",
        "mod",
        "static",
        "struct",
        "trait",
        "type",
        "use",
    ];
    let mut tokens = body.clone().into_iter();
    let mut next = tokens.next();
    while matches!(&next, Some(TokenTree::Punct(punct)) if punct.as_char() == '#') {
        next = tokens.nth(1);
    }
    while let Some(TokenTree::Ident(word)) = &next
        && BEFORE.iter().any(|it| word == it)
    {
        next =
            tokens.find(|token| !matches!(token, TokenTree::Group(it) if it.delimiter() != Delimiter::Brace));
    }
    matches!(&next, Some(TokenTree::Ident(word)) if WORDS.iter().any(|it| word == it))
}

/// Returns whether the first token begins an attribute.
fn starts_with_hash(tokens: &TokenStream) -> bool {
    matches!(tokens.clone().into_iter().next(), Some(TokenTree::Punct(punct)) if punct.as_char() == '#')
}

fn simple_name(pat: &Pat) -> Option<&Ident> {
    match pat {
        Pat::Ident(ident) if ident.subpat.is_none() && ident.by_ref.is_none() => Some(&ident.ident),
        _ => None,
    }
}

/// Returns every identifier in `tokens`.
fn words(tokens: TokenStream) -> Vec<Ident> {
    let words = tokens.into_iter().flat_map(|token| match token {
        TokenTree::Ident(ident) => vec![ident],
        TokenTree::Group(group) => words(group.stream()),
        _ => Vec::new(),
    });
    words.collect()
}
