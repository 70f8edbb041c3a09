//! The key of a cached result: what is written, or all arguments, and what distinguishes the calls of a generic function.

use crate::errors::Errors;
use crate::function::item::{Item, cfgs};
use crate::function::{types, uses};
use crate::value;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Expr, FnArg, GenericParam, Pat, PatType};

/// The parts of the key.
pub(super) enum KeyOf {
    One(TokenStream),
    Several(Vec<TokenStream>),
}

impl KeyOf {
    pub(super) fn parts(&self) -> &[TokenStream] {
        match self {
            Self::One(part) => std::slice::from_ref(part),
            Self::Several(parts) => parts,
        }
    }
}

/// Returns the parts of a written key: those of a tuple, or the single one.
pub(super) fn parts(written: &TokenStream) -> KeyOf {
    match syn::parse2(value::open(written.clone())) {
        Ok(Expr::Tuple(tuple)) if !tuple.elems.is_empty() => {
            KeyOf::Several(tuple.elems.iter().map(ToTokens::to_token_stream).collect())
        }
        _ => KeyOf::One(written.clone()),
    }
}

/// Returns all arguments.
pub(super) fn arguments(item: &Item) -> KeyOf {
    let names = item.plain_names();
    match names.as_slice() {
        [one] => KeyOf::One(quote!(#one)),
        all => KeyOf::Several(all.iter().map(|name| quote!(#name)).collect()),
    }
}

/// Reports arguments with a borrow inside them, of which no owned copy can be made: only what a reference points to is
/// copied.
pub(super) fn borrowed_arguments(item: &Item, errors: &Errors) {
    let free = item.sig.generics.lifetimes().filter(|param| param.bounds.is_empty());
    let lifetimes: Vec<_> = std::iter::once(None).chain(free.map(|param| Some(&param.lifetime))).collect();
    for (name, ty) in item.named_arguments() {
        let part = types::referent(ty);
        if lifetimes.iter().any(|lifetime| types::lends(part, *lifetime)) {
            let words =
                format!("the key keeps a copy of `{name}` after the call, and this type borrows from it");
            let help =
                "take an owned type, or write what the result depends on as an owned value: `key = ..`";
            errors.at_tokens(ty, format!("{words}\nhelp: {help}"));
        }
    }
}

/// Returns why the arguments alone are not a key, if they are not.
pub(super) fn needs_key(item: &Item) -> Option<String> {
    let inputs = || item.sig.inputs.iter();
    let typed =
        || inputs().filter_map(|input| if let FnArg::Typed(typed) = input { Some(typed) } else { None });
    let has_parameters =
        item.sig.generics.params.iter().any(|param| !matches!(param, GenericParam::Lifetime(_)));
    let has_unnamed = typed().any(|typed| types::has_impl_trait(&typed.ty));
    let is_mutable = typed().any(|typed| types::has_mutable_reference(&typed.ty));
    let has_condition = |typed: &PatType| !cfgs(&typed.attrs).is_empty();
    let reason = if item.sig.receiver().is_some() {
        "a method, whose result may depend on `self`"
    } else if has_parameters || has_unnamed {
        "a generic function, whose arguments may not be comparable"
    } else if is_mutable {
        "a function that changes an argument"
    } else if typed().any(has_condition) {
        "a function with an argument under `#[cfg]`"
    } else if item.plain_names().len() != inputs().count() {
        "a function with an argument that is not a plain name"
    } else {
        return None;
    };
    let parameters: Vec<String> =
        item.sig.generics.type_params().map(|param| param.ident.to_string()).collect();
    let is_comparable = |typed: &&PatType| {
        let ty = &typed.ty;
        let is_parameter = parameters.contains(&ty.to_token_stream().to_string());
        !(is_parameter
            || types::has_impl_trait(ty)
            || types::has_mutable_reference(ty)
            || has_condition(typed))
    };
    let names = typed().filter(is_comparable).flat_map(|typed| uses::bound(&typed.pat));
    let name = names.map(|name| name.unraw().to_string()).next().unwrap_or_else(|| "id".to_owned());
    let other = if item.sig.receiver().is_some() { "self.field" } else { "host" };
    Some(format!(
        "`cached` needs a `key` on {reason}\nhelp: write what the result depends on: `key = {name}`, or `key = ({other}, {name})`"
    ))
}

/// The parts that distinguish the calls of a generic function besides its key.
pub(super) struct GenericArgs {
    types: Vec<TokenStream>,
    /// The arguments of type `impl Trait`.
    unnamed: Vec<Ident>,
    constants: Vec<Ident>,
}

impl GenericArgs {
    pub(super) fn of(item: &Item) -> Self {
        let receiver = item.sig.receiver().map(|_| quote!(Self));
        let params = &item.sig.generics.params;
        let types = params.iter().filter_map(|param| match param {
            GenericParam::Type(param) => Some(param.ident.to_token_stream()),
            _ => None,
        });
        let constants = params.iter().filter_map(|param| match param {
            GenericParam::Const(param) => Some(param.ident.clone()),
            _ => None,
        });
        let unnamed = item.sig.inputs.iter().filter_map(|input| match input {
            FnArg::Typed(argument) if types::has_impl_trait(&argument.ty) => match &*argument.pat {
                Pat::Ident(pat) => Some(pat.ident.clone()),
                _ => None,
            },
            _ => None,
        });
        Self {
            types: receiver.into_iter().chain(types).collect(),
            unnamed: unnamed.collect(),
            constants: constants.collect(),
        }
    }

    pub(super) fn expand(&self) -> TokenStream {
        let here = Span::mixed_site();
        let Self { types, unnamed, constants } = self;
        let start = if types.is_empty() {
            quote_spanned!(here=> __rt::GenericArgs::NONE)
        } else {
            quote_spanned!(here=> __rt::GenericArgs::of::<(#(::core::marker::PhantomData<#types>,)*)>())
        };
        let constants = constants.iter().map(|constant| {
            // A constant may be of any integer type, `bool` or `char`: for some types the cast does nothing.
            quote_spanned! {here=>
                .constant({
                    #[allow(clippy::cast_lossless, clippy::cast_sign_loss, clippy::unnecessary_cast, trivial_numeric_casts)]
                    { #constant as ::core::primitive::u128 }
                })
            }
        });
        quote_spanned!(here=> #start #(.argument(&#unnamed))* #(#constants)*)
    }
}
