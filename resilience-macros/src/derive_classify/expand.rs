//! The implementation, and the entry by which `dyn Error` finds it.

use super::check::{Arm, ArmRule, Base, Checked, NamedField, Setter, With};
use crate::value::located;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Expr, Generics, WherePredicate, parse_quote};

/// Returns the implementation that the words describe.
pub(super) fn expand(checked: &Checked<'_>) -> TokenStream {
    let arms = checked.arms.iter().map(|arm| arm_tokens(arm, &checked.root));
    // An enum without variants has no reference to look at.
    let value = if checked.arms.is_empty() { quote!(*self) } else { quote!(self) };
    let body = quote!(match #value { #(#arms)* });
    let implementation = implement(checked, bounds(checked), &body, text_method(checked).as_ref());
    let registration = registration(checked);
    quote!(#implementation #registration)
}

/// Returns an implementation that classifies nothing, for a type whose words are wrong.
pub(super) fn unknown(checked: &Checked<'_>) -> TokenStream {
    let root = &checked.root;
    let body = quote!(#root::classify::Classification::new(#root::classify::Category::Unknown));
    implement(checked, Vec::new(), &body, None)
}

fn implement(
    checked: &Checked<'_>,
    bounds: Vec<WherePredicate>,
    body: &TokenStream,
    text: Option<&TokenStream>,
) -> TokenStream {
    let Checked { ident, root, .. } = checked;
    let mut generics = checked.generics.clone();
    if !bounds.is_empty() {
        generics.make_where_clause().predicates.extend(bounds);
    }
    let (params, arguments, clause) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #params #root::classify::Classify for #ident #arguments #clause {
            fn classify(&self) -> #root::classify::Classification {
                #body
            }
            #text
        }
    }
}

/// Returns the method with the text that a record may keep of the error, if a variant allows one.
fn text_method(checked: &Checked<'_>) -> Option<TokenStream> {
    let root = &checked.root;
    let arm = |arm: &Arm<'_>| match &arm.rule.base {
        Base::Text(span) => {
            let (this, root, variant) = (this(*span), located(root, *span), arm.path());
            Some(
                quote_spanned!(mixed(*span)=> Self #variant { .. } => #root::classify::probe::by_text(#this).text(),),
            )
        }
        Base::Transparent(named) => {
            let (name, root, variant) = (local("asked", named.span), located(root, named.span), arm.path());
            let member = &named.member;
            Some(quote_spanned! {mixed(named.span)=>
                Self #variant { #member: #name, .. } => #root::classify::probe::transparent(#name).text(),
            })
        }
        _ => None,
    };
    let arms: Vec<_> = checked.arms.iter().filter_map(arm).collect();
    let others = (arms.len() < checked.arms.len()).then(|| quote!(_ => ::core::option::Option::None,));
    (!arms.is_empty()).then(|| {
        quote! {
            fn recorded_text(&self) -> ::core::option::Option<::std::string::String> {
                match self { #(#arms)* #others }
            }
        }
    })
}

fn arm_tokens(arm: &Arm<'_>, root: &TokenStream) -> TokenStream {
    let rule = &arm.rule;
    let fields = bindings(rule).map(|(named, name)| {
        let member = &named.member;
        quote!(#member: #name,)
    });
    let variant = arm.path();
    let class = rule_tokens(rule, root);
    quote!(Self #variant { #(#fields)* .. } => { #class })
}

/// Returns the field that classifies the error, if one does.
fn asked<'r, 'a>(rule: &'r ArmRule<'a>) -> Option<&'r NamedField<'a>> {
    match &rule.base {
        Base::StatusOf(named) | Base::Transparent(named) => Some(named),
        Base::With(with) => with.field.as_ref(),
        _ => None,
    }
}

/// Returns the fields that a rule reads, each once, and their locals.
fn bindings<'r, 'a>(rule: &'r ArmRule<'a>) -> impl Iterator<Item = (&'r NamedField<'a>, Ident)> {
    let asked = asked(rule).map(|named| (named, local("asked", named.span)));
    let wait = rule.retry_after.as_ref().map(|named| (named, wait_local(rule, named)));
    let both = asked.is_some() && wait.as_ref().is_some_and(|(_, name)| name == "__asked");
    asked.into_iter().chain(wait.filter(|_| !both))
}

/// Returns the local of the field with the wait, which may also be the field that is asked.
fn wait_local(rule: &ArmRule<'_>, wait: &NamedField<'_>) -> Ident {
    let same = asked(rule).is_some_and(|asked| asked.member == wait.member);
    local(if same { "asked" } else { "wait" }, wait.span)
}

fn local(name: &str, at: Span) -> Ident {
    format_ident!("__{name}", span = mixed(at))
}

fn rule_tokens(rule: &ArmRule<'_>, root: &TokenStream) -> TokenStream {
    let base = base_tokens(&rule.base, root);
    let setters = rule.setters.iter().map(|setter| setter_tokens(setter, root));
    let class = quote!(#base #(#setters)*);
    match &rule.retry_after {
        None => class,
        Some(wait) => {
            let (name, root) = (wait_local(rule, wait), located(root, wait.span));
            quote_spanned!(mixed(wait.span)=> #root::classify::probe::waiting(#class, #name))
        }
    }
}

fn base_tokens(base: &Base<'_>, root: &TokenStream) -> TokenStream {
    match base {
        Base::Category(category) => {
            quote!(#root::classify::Classification::new(#root::classify::Category::#category))
        }
        Base::Status(status) => quote! {
            #root::classify::Classification::from_status(#status)
        },
        Base::StatusOf(named) => {
            let (name, root) = (local("asked", named.span), located(root, named.span));
            quote_spanned!(mixed(named.span)=> #root::classify::probe::by_status(#name))
        }
        Base::Transparent(named) => {
            let (name, root) = (local("asked", named.span), located(root, named.span));
            quote_spanned!(mixed(named.span)=> #root::classify::probe::transparent(#name).class())
        }
        Base::With(with) => with_tokens(with, root),
        Base::Text(span) => {
            let (this, root) = (this(*span), located(root, *span));
            quote_spanned!(mixed(*span)=> #root::classify::probe::by_text(#this).class())
        }
    }
}

/// Returns the call. A path is called, so that its argument is coerced as in any call; a closure learns the type of its
/// argument from the function that it is passed to.
fn with_tokens(with: &With<'_>, root: &TokenStream) -> TokenStream {
    let function = &with.function;
    let root = located(root, function.span());
    let argument = match &with.field {
        Some(named) => local("asked", named.span),
        None => this(function.span()),
    };
    if let Expr::Closure(_) = function {
        quote_spanned! {mixed(function.span())=>
            #root::classify::probe::asked(#argument, #function)
        }
    } else {
        quote_spanned! {mixed(function.span())=>
            #root::classify::probe::class(#function(#argument))
        }
    }
}

/// Returns the `self` of the method, which is outside of the tokens that are spanned `mixed`.
fn this(at: Span) -> Ident {
    Ident::new("self", Span::call_site().located_at(at))
}

fn setter_tokens(setter: &Setter, root: &TokenStream) -> TokenStream {
    match setter {
        Setter::Retry(value) => quote!(.retry(#root::classify::Retryable::#value)),
        Setter::Severity(value) => quote!(.severity(#root::classify::Severity::#value)),
        Setter::Delivered(value) => quote!(.delivered(#root::classify::Delivered::#value)),
        Setter::Action(text) => quote!(.action(#text)),
    }
}

/// Returns a span that shows errors at `span` and resolves names as this crate's own.
fn mixed(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// Returns the bounds that the generic parameters need for the rules: in generic code the bound decides.
fn bounds(checked: &Checked<'_>) -> Vec<WherePredicate> {
    let rules = checked.arms.iter().flat_map(|arm| rule_bounds(&arm.rule, checked));
    let text = checked.arms.iter().any(|arm| matches!(arm.rule.base, Base::Text(_)));
    let displayed = (text && !is_plain(checked.generics)).then(|| parse_quote!(Self: ::core::fmt::Display));
    rules.chain(displayed).collect()
}

fn rule_bounds(rule: &ArmRule<'_>, checked: &Checked<'_>) -> Vec<WherePredicate> {
    let asked = match &rule.base {
        Base::Transparent(named) => Some((named, quote!(Classify))),
        Base::StatusOf(named) => Some((named, quote!(AsStatus))),
        _ => None,
    };
    let wait = rule.retry_after.as_ref().map(|named| (named, quote!(AsWait)));
    let generic = asked.into_iter().chain(wait).filter(|(named, _)| is_generic(named, checked));
    generic.map(|(named, of)| bound(named, &of, &checked.root)).collect()
}

fn bound(named: &NamedField<'_>, of: &TokenStream, root: &TokenStream) -> WherePredicate {
    let ty = named.ty;
    parse_quote!(#ty: #root::classify::#of)
}

/// Returns whether the field's type depends on a type parameter. One that contains the type itself needs no
/// bound, and the compiler could not resolve it.
fn is_generic(named: &NamedField<'_>, checked: &Checked<'_>) -> bool {
    let params: Vec<_> = checked.generics.type_params().map(|param| &param.ident).collect();
    let ty = named.ty.to_token_stream();
    names(&ty, &|word| params.contains(&word)) && !names(&ty, &|word| word == checked.ident)
}

fn names(tokens: &TokenStream, is: &dyn Fn(&Ident) -> bool) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Ident(word) => is(&word),
        TokenTree::Group(group) => names(&group.stream(), is),
        _ => false,
    })
}

/// Returns the entry in the link-time table; a generic or borrowing type has no single type to be looked up by.
fn registration(checked: &Checked<'_>) -> Option<TokenStream> {
    let Checked { ident, root, generics, .. } = checked;
    is_plain(generics).then(|| {
        quote! {
            const _: () = {
                #[#root::classify::probe::linkme::distributed_slice(#root::classify::probe::CLASSIFIERS_0_1)]
                #[linkme(crate = #root::classify::probe::linkme)]
                static KNOWN: #root::classify::probe::Downcast =
                    |hidden| #root::classify::probe::Registers::<#ident>::NEW.probed_error(hidden);
            };
        }
    })
}

fn is_plain(generics: &Generics) -> bool {
    generics.params.is_empty()
}
