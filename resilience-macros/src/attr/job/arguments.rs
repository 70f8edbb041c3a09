//! The arguments of a job: which are recorded, and how a call after a crash gets each of them.

use crate::errors::Errors;
use crate::function::item::{self, Item};
use crate::function::types::{self, peeled};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Pat, ReceiverKind, Type};

/// One argument that is recorded.
pub(super) struct RecordedArgument {
    pub(super) name: Ident,
    pub(super) text: String,
    pub(super) at: Span,
    /// The `cfg` conditions that it is under.
    pub(super) cfgs: Vec<Attribute>,
}

/// The way in which one argument is restored after a crash.
pub(super) struct Argument {
    /// The statement that restores it.
    pub(super) make: TokenStream,
    /// The expression that reads it from the record.
    pub(super) read: Option<TokenStream>,
    /// The expression that the call passes.
    pub(super) pass: TokenStream,
    /// The type that has to be provided.
    pub(super) needs: Option<TokenStream>,
    /// The `cfg` conditions that it is under.
    pub(super) cfgs: Vec<Attribute>,
}

/// Returns the recorded arguments, and how every argument is restored.
pub(super) fn arguments(
    item: &Item,
    provided: &[Ident],
    on: Option<&Type>,
    errors: &Errors,
) -> (Vec<RecordedArgument>, Vec<Argument>) {
    let mut recorded = Vec::new();
    let mut arguments = Vec::new();
    for (n, input) in item.sig.inputs.iter().enumerate() {
        let cfgs = match input {
            FnArg::Receiver(receiver) => item::cfgs(&receiver.attrs),
            FnArg::Typed(typed) => item::cfgs(&typed.attrs),
        };
        let made = format_ident!("__argument_{}", n, span = Span::mixed_site());
        match input {
            FnArg::Receiver(receiver) => match (on, receiver_of(receiver)) {
                (None, _) => errors.at_tokens(
                    receiver,
                    "a job that is a method needs its type, to be called after a crash\n\
                     help: write `on = Type`, and provide the value with `recover().provide(Arc::new(value))`",
                ),
                (Some(_), None) => errors.at_tokens(
                    receiver,
                    "`recover().provide(..)` provides a shared value after a crash\nhelp: take `&self` or `self: Arc<Self>`",
                ),
                (Some(on), Some(by_reference)) => {
                    arguments.push(Argument { cfgs, ..handed_in(&made, &quote!(#on), by_reference) });
                }
            },
            FnArg::Typed(typed) => {
                let Pat::Ident(pat) = &*typed.pat else {
                    errors.at_tokens(&typed.pat, "an argument of a job is recorded under its name, and a pattern has none\nhelp: name the argument, and take it apart in the body");
                    continue;
                };
                if let (Some(words), []) = (unrecordable(&typed.ty), cfgs.as_slice()) {
                    errors.at_tokens(&typed.ty, words);
                    continue;
                }
                if let (Some(words), false, []) =
                    (borrowing(&typed.ty), provided.contains(&pat.ident), cfgs.as_slice())
                {
                    errors.at_tokens(&typed.ty, words);
                    continue;
                }
                if provided.contains(&pat.ident) {
                    arguments.push(Argument { cfgs, ..provided_argument(&made, &typed.ty) });
                    continue;
                }
                let text = pat.ident.unraw().to_string();
                arguments.push(Argument { cfgs: cfgs.clone(), ..taken(&made, &text, &typed.ty) });
                recorded.push(RecordedArgument { name: pat.ident.clone(), text, at: typed.ty.span(), cfgs });
            }
        }
    }
    (recorded, arguments)
}

/// Returns whether the receiver is taken by reference; `None` if it cannot be shared.
fn receiver_of(receiver: &syn::Receiver) -> Option<bool> {
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => Some(true),
        ReceiverKind::Typed(_, ty) if types::in_arc(ty).is_some() => Some(false),
        ReceiverKind::Typed(_, ty) => match peeled(ty) {
            Type::Reference(reference) if reference.mutability.is_none() => {
                types::names_self(&reference.elem).then_some(true)
            }
            _ => None,
        },
        _ => None,
    }
}

fn unrecordable(ty: &Type) -> Option<&'static str> {
    match peeled(ty) {
        Type::ImplTrait(_) => Some(
            "an argument of type `impl Trait` cannot be recorded: after a crash its type is not known\nhelp: write the type",
        ),
        Type::Reference(reference) if reference.mutability.is_some() => Some(
            "an argument of type `&mut` cannot be recorded\nhelp: take a value, and return the changed one",
        ),
        _ => None,
    }
}

/// Returns the message about a reference inside of the type of a recorded argument; the argument itself may be one,
/// because a call after a crash borrows from what it reads.
fn borrowing(ty: &Type) -> Option<String> {
    let ty = peeled(ty);
    let (reference, inner) = match ty {
        Type::Reference(reference) => ("&", &*reference.elem),
        other => ("", other),
    };
    let owned = types::owned(inner, |_| true)?;
    Some(format!(
        "an argument that is read from the record of a job has no reference inside of it\n\
         help: take `{reference}{}`",
        types::shown(&owned)
    ))
}

/// Describes `Arc<T>` or `T` behind a reference, passed by `recover().provide(..)`.
fn provided_argument(made: &Ident, ty: &Type) -> Argument {
    let ty = peeled(ty);
    if let Type::Reference(reference) = ty {
        return handed_in(made, &reference.elem.to_token_stream(), true);
    }
    if let Some(inner) = types::in_arc(ty) {
        return handed_in(made, &inner.to_token_stream(), false);
    }
    let pass = quote!(::core::clone::Clone::clone(&*#made));
    Argument { pass, ..handed_in(made, &ty.to_token_stream(), false) }
}

fn handed_in(made: &Ident, ty: &TokenStream, by_reference: bool) -> Argument {
    Argument {
        make: quote_spanned!(Span::mixed_site()=> let #made = __provided.get::<#ty>().map_err(::std::string::ToString::to_string)?;),
        read: None,
        pass: if by_reference { quote!(&*#made) } else { quote!(#made) },
        needs: Some(ty.clone()),
        cfgs: Vec::new(),
    }
}

/// Describes an argument that is read from the record, in its owned form.
fn taken(made: &Ident, text: &str, ty: &Type) -> Argument {
    let at = Span::mixed_site().located_at(ty.span());
    let (owned, pass) = match peeled(ty) {
        Type::Reference(reference) => {
            let inner = &reference.elem;
            (quote_spanned!(at=> <#inner as ::std::borrow::ToOwned>::Owned), quote!(&#made))
        }
        other => (other.to_token_stream(), quote!(#made)),
    };
    let read = quote_spanned!(at=> __rt::Args::take::<#owned>(__args, #text)?);
    Argument {
        make: quote_spanned!(at=> let #made = #read;),
        read: Some(read),
        pass,
        needs: None,
        cfgs: Vec::new(),
    }
}
