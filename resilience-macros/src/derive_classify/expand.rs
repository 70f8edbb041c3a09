//! The implementation, and the entry by which `dyn Error` finds it.

use super::check::{Arm, Base, Checked, Named, Rule, Setter};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Generics, WherePredicate, parse_quote};

/// What the words say.
pub(super) fn expand(checked: &Checked<'_>) -> TokenStream {
    let arms = checked.arms.iter().map(|arm| arm_tokens(arm, &checked.root));
    // An enum without variants has no reference to look at.
    let value = if checked.arms.is_empty() { quote!(*self) } else { quote!(self) };
    let body = quote!(match #value { #(#arms)* });
    let implementation = implement(checked, bounds(checked), &body);
    let registration = registration(checked);
    quote!(#implementation #registration)
}

/// An implementation that knows nothing, for a type whose words are wrong.
pub(super) fn unknown(checked: &Checked<'_>) -> TokenStream {
    let root = &checked.root;
    let body = quote!(#root::classify::Classification::new(#root::classify::Category::Unknown));
    implement(checked, Vec::new(), &body)
}

fn implement(checked: &Checked<'_>, bounds: Vec<WherePredicate>, body: &TokenStream) -> TokenStream {
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
        }
    }
}

fn arm_tokens(arm: &Arm<'_>, root: &TokenStream) -> TokenStream {
    let Arm { variant, rule } = arm;
    let bindings = bindings(rule);
    let members = bindings.iter().map(|named| &named.member);
    let names = bindings.iter().map(|named| binding(named));
    let variant = variant.map(|variant| quote!(::#variant));
    let class = rule_tokens(rule, root);
    quote!(Self #variant { #(#members: #names,)* .. } => { #class })
}

/// The fields that a rule looks at, each once.
fn bindings<'r>(rule: &'r Rule<'_>) -> Vec<&'r Named<'r>> {
    let asked = match &rule.base {
        Base::StatusOf(named) | Base::Transparent(named) => Some(named),
        _ => None,
    };
    let wait = rule.retry_after.as_ref().filter(|wait| asked.is_none_or(|asked| asked.member != wait.member));
    asked.into_iter().chain(wait).collect()
}

fn binding(named: &Named<'_>) -> Ident {
    format_ident!("__resilience_{}", named.member, span = Span::mixed_site())
}

fn rule_tokens(rule: &Rule<'_>, root: &TokenStream) -> TokenStream {
    let base = base_tokens(&rule.base, root);
    let setters = rule.setters.iter().map(|setter| setter_tokens(setter, root));
    let class = quote!(#base #(#setters)*);
    match &rule.retry_after {
        None => class,
        Some(wait) => {
            let name = binding(wait);
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
            #root::classify::Classification::new(#root::classify::Category::from_status(#status))
        },
        Base::StatusOf(named) => {
            let name = binding(named);
            quote_spanned!(mixed(named.span)=> #root::classify::probe::by_status(#name))
        }
        Base::Transparent(named) => {
            let name = binding(named);
            quote_spanned! {mixed(named.span)=> {
                #[allow(unused_imports)]
                use #root::classify::probe::{ByNothing as _, BySource as _, ByTrait as _};
                (&&#root::classify::probe::Probe(#name)).classification()
            }}
        }
        Base::With(with) => quote!(#root::classify::probe::asked(self, #with)),
        Base::Text(span) => quote_spanned!(mixed(*span)=> #root::classify::probe::by_text(self)),
    }
}

fn setter_tokens(setter: &Setter, root: &TokenStream) -> TokenStream {
    match setter {
        Setter::Retry(value) => quote!(.retry(#root::classify::Retry::#value)),
        Setter::Severity(value) => quote!(.severity(#root::classify::Severity::#value)),
        Setter::Delivered(value) => quote!(.delivered(#root::classify::Delivered::#value)),
        Setter::Action(text) => quote!(.action(#text)),
    }
}

/// Errors are shown at `span`, names are looked up as this crate's own.
fn mixed(span: Span) -> Span {
    Span::mixed_site().located_at(span)
}

/// What the generic parameters must be for the rules to hold: in generic code the bound decides.
fn bounds(checked: &Checked<'_>) -> Vec<WherePredicate> {
    let rules = checked.arms.iter().flat_map(|arm| rule_bounds(&arm.rule, checked));
    let text = checked.arms.iter().any(|arm| matches!(arm.rule.base, Base::Text(_)));
    let displayed = (text && !is_plain(checked.generics)).then(|| parse_quote!(Self: ::core::fmt::Display));
    rules.chain(displayed).collect()
}

fn rule_bounds(rule: &Rule<'_>, checked: &Checked<'_>) -> Vec<WherePredicate> {
    let asked = match &rule.base {
        Base::Transparent(named) => Some((named, quote!(Classify))),
        Base::StatusOf(named) => Some((named, quote!(AsStatus))),
        _ => None,
    };
    let wait = rule.retry_after.as_ref().map(|named| (named, quote!(AsWait)));
    let generic = asked.into_iter().chain(wait).filter(|(named, _)| is_generic(named, checked));
    generic.map(|(named, of)| bound(named, &of, &checked.root)).collect()
}

fn bound(named: &Named<'_>, of: &TokenStream, root: &TokenStream) -> WherePredicate {
    let ty = named.ty;
    parse_quote!(#ty: #root::classify::#of)
}

/// Whether the field's type depends on a type parameter. One that contains the type itself needs no
/// bound, and the compiler could not resolve it.
fn is_generic(named: &Named<'_>, checked: &Checked<'_>) -> bool {
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

/// The entry in the link-time table; a generic or borrowing type has no one type to be looked up by.
fn registration(checked: &Checked<'_>) -> Option<TokenStream> {
    let Checked { ident, root, generics, .. } = checked;
    is_plain(generics).then(|| {
        quote! {
            const _: () = {
                #[#root::classify::probe::linkme::distributed_slice(#root::classify::probe::CLASSIFIERS_0_1)]
                #[linkme(crate = #root::classify::probe::linkme)]
                static KNOWN: fn(
                    &(dyn ::core::error::Error + 'static),
                ) -> ::core::option::Option<#root::classify::Classification> = |error| {
                    #[allow(unused_imports)]
                    use #root::classify::probe::{IsError as _, IsNoError as _};
                    (&#root::classify::probe::Registers::<#ident>::NEW).find(error)
                };
            };
        }
    })
}

fn is_plain(generics: &Generics) -> bool {
    generics.params.is_empty()
}
