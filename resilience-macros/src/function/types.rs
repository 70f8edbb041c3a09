//! The types of a signature: the futures among them, and the types inside the others.

use quote::{ToTokens, quote};
use syn::punctuated::Punctuated;
use syn::{
    GenericArgument, Lifetime, Path, PathArguments, PathSegment, ReturnType, Token, Type, TypeParamBound,
    TypeReference,
};

/// The output of a future in a return type.
pub(crate) struct Future<'a> {
    pub(crate) output: &'a Type,
    pub(crate) is_boxed: bool,
}

/// Returns the type itself, without the groups of `macro_rules!` and the parentheses around it.
pub(crate) fn peeled(ty: &Type) -> &Type {
    match ty {
        Type::Group(group) => peeled(&group.elem),
        Type::Paren(paren) => peeled(&paren.elem),
        other => other,
    }
}

/// Reads `impl Future<Output = R>`, `Pin<Box<dyn Future<Output = R>>>`, `BoxFuture<R>` and
/// `LocalBoxFuture<R>`, by whichever paths. A type that merely contains one of them is not a future.
pub(crate) fn future(ty: &Type) -> Option<Future<'_>> {
    if let Type::ImplTrait(this) = peeled(ty) {
        return Some(Future { output: output(&this.bounds)?, is_boxed: false });
    }
    let last = last_segment(ty)?;
    let output = match last.ident.to_string().as_str() {
        "BoxFuture" | "LocalBoxFuture" => type_argument(last)?,
        "Pin" => {
            let pinned = last_segment(type_argument(last)?).filter(|pinned| pinned.ident == "Box")?;
            match peeled(type_argument(pinned)?) {
                Type::TraitObject(object) => output(&object.bounds)?,
                _ => return None,
            }
        }
        _ => return None,
    };
    Some(Future { output, is_boxed: true })
}

/// Returns `R` of the bound `Future<Output = R>`.
fn output(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<&Type> {
    let last = bounds.iter().find_map(|bound| match bound {
        TypeParamBound::Trait(bound) => bound.path.segments.last().filter(|last| last.ident == "Future"),
        _ => None,
    })?;
    arguments(last).find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(&assoc.ty),
        _ => None,
    })
}

/// Returns the last segment of a path.
fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match peeled(ty) {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

fn arguments(segment: &PathSegment) -> impl Iterator<Item = &GenericArgument> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(angles) => Some(angles.args.iter()),
        _ => None,
    };
    arguments.into_iter().flatten()
}

/// Returns the first argument that is a type.
fn type_argument(segment: &PathSegment) -> Option<&Type> {
    arguments(segment).find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

/// Returns `T` of `Arc<T>`, by whichever path.
pub(crate) fn in_arc(ty: &Type) -> Option<&Type> {
    type_argument(last_segment(ty).filter(|last| last.ident == "Arc")?)
}

pub(crate) fn is_mutable_reference(ty: &Type) -> bool {
    matches!(peeled(ty), Type::Reference(reference) if reference.mutability.is_some())
}

/// Returns what the type points to if it is a reference, else the type itself.
pub(crate) fn referent(ty: &Type) -> &Type {
    match peeled(ty) {
        Type::Reference(reference) => &reference.elem,
        other => other,
    }
}

/// Returns whether the type is a reference whose lifetime is not written.
pub(crate) fn is_elided_reference(ty: &Type) -> bool {
    matches!(peeled(ty), Type::Reference(reference) if reference.lifetime.is_none())
}

/// Returns whether the type is, or contains, a `&mut`.
pub(crate) fn has_mutable_reference(ty: &Type) -> bool {
    any(ty, is_mutable_reference)
}

/// Returns whether the type is, or contains, an `impl Trait`.
pub(crate) fn has_impl_trait(ty: &Type) -> bool {
    any(ty, |ty| matches!(peeled(ty), Type::ImplTrait(_)))
}

/// Returns whether the type names `Self`.
pub(crate) fn names_self(ty: &Type) -> bool {
    any(ty, |ty| {
        let first = match ty {
            Type::Path(path) => path.path.segments.first(),
            _ => None,
        };
        first.is_some_and(|first| first.ident == "Self")
    })
}

/// Returns the lifetime of the outermost reference in the type, if it is written.
pub(crate) fn lifetime(ty: &Type) -> Option<&Lifetime> {
    match peeled(ty) {
        Type::Reference(reference) => reference.lifetime.as_ref(),
        other => lifetime(type_argument(last_segment(other)?)?),
    }
}

/// Returns whether the type has a borrow in it that lives as long as `own`, or as an elided lifetime.
pub(crate) fn lends(ty: &Type, own: Option<&Lifetime>) -> bool {
    let is_borrow =
        |lifetime: &Lifetime| lifetime.ident == "_" || own.is_some_and(|own| lifetime.ident == own.ident);
    let in_path = |path: &Path| {
        let mut arguments = path.segments.iter().flat_map(arguments);
        arguments
            .any(|argument| matches!(argument, GenericArgument::Lifetime(lifetime) if is_borrow(lifetime)))
    };
    let in_bounds = |bounds: &Punctuated<TypeParamBound, Token![+]>| {
        bounds.iter().any(|bound| match bound {
            TypeParamBound::Lifetime(lifetime) => is_borrow(lifetime),
            TypeParamBound::Trait(bound) => in_path(&bound.path),
            _ => false,
        })
    };
    any(ty, |ty| match ty {
        Type::Reference(reference) => reference.lifetime.as_ref().is_none_or(is_borrow),
        Type::Path(path) => in_path(&path.path),
        Type::TraitObject(object) => in_bounds(&object.bounds),
        Type::ImplTrait(this) => in_bounds(&this.bounds),
        _ => false,
    })
}

/// Returns the type of the values of a success of a function that returns `output`, and how its owned form is written,
/// if it has a reference for which `is_borrow` is true.
pub(crate) fn borrowed_value(
    output: Option<&Type>,
    is_borrow: impl Fn(&TypeReference) -> bool,
) -> Option<(&Type, String)> {
    let last = last_segment(output?).filter(|last| last.ident == "Result" || last.ident == "Option")?;
    let value = type_argument(last)?;
    Some((value, shown(&owned(value, is_borrow)?)))
}

/// Returns the owned form of a type with a reference for which `is_borrow` is true: the type itself, an element of a
/// tuple, an array or a slice, or what an `Option`, a `Result` or a collection holds. `None` if there is no such
/// reference.
pub(crate) fn owned(ty: &Type, is_borrow: impl Fn(&TypeReference) -> bool) -> Option<Type> {
    let mut ty = ty.clone();
    take_ownership(&mut ty, &is_borrow).then_some(ty)
}

fn take_ownership(ty: &mut Type, is_borrow: &dyn Fn(&TypeReference) -> bool) -> bool {
    const HOLDERS: [&str; 8] =
        ["BTreeMap", "BTreeSet", "Box", "HashMap", "HashSet", "Option", "Result", "Vec"];
    let all = |types: &mut dyn Iterator<Item = &mut Type>| {
        types.map(|ty| take_ownership(ty, is_borrow)).filter(|is_found| *is_found).count() > 0
    };
    match ty {
        Type::Array(array) => take_ownership(&mut array.elem, is_borrow),
        Type::Group(group) => take_ownership(&mut group.elem, is_borrow),
        Type::Paren(paren) => take_ownership(&mut paren.elem, is_borrow),
        Type::Slice(slice) => take_ownership(&mut slice.elem, is_borrow),
        Type::Tuple(tuple) => all(&mut tuple.elems.iter_mut()),
        Type::Reference(reference) if is_borrow(reference) => {
            take_ownership(&mut reference.elem, is_borrow);
            *ty = target(&reference.elem);
            true
        }
        Type::Path(path) => {
            let last = path.path.segments.last_mut().filter(|last| HOLDERS.iter().any(|it| last.ident == it));
            let Some(PathArguments::AngleBracketed(angles)) = last.map(|last| &mut last.arguments) else {
                return false;
            };
            all(&mut angles.args.iter_mut().filter_map(|argument| match argument {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            }))
        }
        _ => false,
    }
}

/// Returns the owned form of what a reference points to.
fn target(ty: &Type) -> Type {
    let owned = match peeled(ty) {
        Type::Slice(slice) => {
            let elem = &slice.elem;
            quote!(Vec<#elem>)
        }
        Type::Path(path) if path.path.is_ident("str") => quote!(String),
        other => other.to_token_stream(),
    };
    Type::Verbatim(owned)
}

/// Returns `ty` as it is written in source code.
pub(crate) fn shown(ty: &Type) -> String {
    let mut text = ty.to_token_stream().to_string();
    for (spaced, tight) in
        [(" < ", "<"), (" >", ">"), (" ,", ","), (" :: ", "::"), ("& ", "&"), ("( ", "("), (" )", ")")]
    {
        text = text.replace(spaced, tight);
    }
    text
}

/// Returns `ty` with `_` for every `impl Trait` in it, and whether there was one.
pub(crate) fn infer_impl_trait(ty: &Type) -> (proc_macro2::TokenStream, bool) {
    let mut ty = ty.clone();
    let mut found = false;
    walk(&mut ty, &mut |ty| {
        if let Type::ImplTrait(_) = ty {
            found = true;
            *ty = Type::Verbatim(quote!(_));
        }
    });
    (ty.to_token_stream(), found)
}

fn any(ty: &Type, matches: impl Fn(&Type) -> bool) -> bool {
    let mut found = false;
    walk(&mut ty.clone(), &mut |ty| found |= matches(ty));
    found
}

/// Visits `ty` and every type inside it, the outer ones first.
fn walk(ty: &mut Type, visit: &mut dyn FnMut(&mut Type)) {
    visit(ty);
    match ty {
        Type::Array(array) => walk(&mut array.elem, visit),
        Type::Group(group) => walk(&mut group.elem, visit),
        Type::ImplTrait(this) => walk_bounds(&mut this.bounds, visit),
        Type::Paren(paren) => walk(&mut paren.elem, visit),
        Type::Path(path) => {
            if let Some(qself) = &mut path.qself {
                walk(&mut qself.ty, visit);
            }
            walk_path(&mut path.path, visit);
        }
        Type::Ptr(pointer) => walk(&mut pointer.elem, visit),
        Type::Reference(reference) => walk(&mut reference.elem, visit),
        Type::Slice(slice) => walk(&mut slice.elem, visit),
        Type::TraitObject(object) => walk_bounds(&mut object.bounds, visit),
        Type::Tuple(tuple) => tuple.elems.iter_mut().for_each(|ty| walk(ty, visit)),
        _ => {}
    }
}

fn walk_bounds(bounds: &mut Punctuated<TypeParamBound, Token![+]>, visit: &mut dyn FnMut(&mut Type)) {
    for bound in bounds {
        if let TypeParamBound::Trait(bound) = bound {
            walk_path(&mut bound.path, visit);
        }
    }
}

fn walk_path(path: &mut Path, visit: &mut dyn FnMut(&mut Type)) {
    for segment in &mut path.segments {
        match &mut segment.arguments {
            PathArguments::None => {}
            PathArguments::AngleBracketed(angles) => {
                for argument in &mut angles.args {
                    match argument {
                        GenericArgument::Type(ty) => walk(ty, visit),
                        GenericArgument::AssocType(assoc) => walk(&mut assoc.ty, visit),
                        GenericArgument::Constraint(constraint) => walk_bounds(&mut constraint.bounds, visit),
                        _ => {}
                    }
                }
            }
            PathArguments::Parenthesized(parens) => {
                if let ReturnType::Type(_, ty) = &mut parens.output {
                    walk(ty, visit);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Type {
        syn::parse_str(text).unwrap_or_else(|error| unreachable!("{text}: {error}"))
    }

    #[test]
    fn only_a_future_type_itself_is_detected() {
        for (text, output) in [
            ("impl Future<Output = u32>", "u32"),
            ("impl Send + std::future::Future<Output = Result<u32, E>> + 'a", "Result < u32 , E >"),
            ("Pin<Box<dyn Future<Output = u32> + Send + '_>>", "u32"),
            ("std::pin::Pin<std::boxed::Box<dyn Send + ::core::future::Future<Output = ()>>>", "()"),
            ("(Pin<Box<(dyn Future<Output = u32>)>>)", "u32"),
            ("BoxFuture<'a, Option<u32>>", "Option < u32 >"),
            ("futures::future::LocalBoxFuture<'static, u32>", "u32"),
        ] {
            let ty = read(text);
            let found = future(&ty).map(|future| future.output.to_token_stream().to_string());
            assert_eq!(found.as_deref(), Some(output), "{text}");
        }
        for text in [
            "io::Result<Pin<Box<dyn Future<Output = u32>>>>",
            "Result<Box<dyn Future<Output = u32>>, E>",
            "Option<BoxFuture<'a, u32>>",
            "(BoxFuture<'a, u32>, u32)",
            "Vec<Pin<Box<dyn Future<Output = u32>>>>",
            "Box<dyn Fn() -> Pin<Box<dyn Future<Output = u32>>>>",
            "impl Iterator<Item = BoxFuture<'a, u32>>",
            "impl Fn() -> u32",
            "Pin<Box<dyn Stream<Item = u32, Output = u32>>>",
            "Pin<Box<Future>>",
            "Pin<Arc<dyn Future<Output = u32>>>",
            "BoxFuture",
            "[BoxFuture<'a, u32>; 2]",
        ] {
            assert!(future(&read(text)).is_none(), "{text}");
        }
    }

    #[test]
    fn a_borrow_is_found_anywhere_in_a_type() {
        let own = Lifetime::new("'a", proc_macro2::Span::call_site());
        for text in [
            "&str",
            "&'a mut u32",
            "R<&mut Option<String>>",
            "Option<Ref<'_, T>>",
            "Box<dyn T + 'a>",
            "(u8, &[u8])",
        ] {
            assert!(lends(&read(text), Some(&own)), "{text}");
        }
        for text in [
            "&'static str",
            "&'b str",
            "Option<Cow<'static, str>>",
            "fn(&str) -> u32",
            "Vec<u32>",
            "Box<dyn T>",
        ] {
            assert!(!lends(&read(text), Some(&own)), "{text}");
        }
        assert!(!lends(&read("&'a str"), None));
    }

    #[test]
    fn references_inside_a_type_get_owned_forms() {
        for (text, expected) in [
            ("&str", "String"),
            ("Option<&'static str>", "Option<String>"),
            ("(u8, &[&Row])", "(u8, Vec<Row>)"),
            (
                "std::collections::HashMap<&str, Vec<&'a [u8]>>",
                "std::collections::HashMap<String, Vec<Vec<u8>>>",
            ),
            ("[Box<&mut u8>; 2]", "[Box<u8> ; 2]"),
        ] {
            let owned = owned(&read(text), |_| true).map(|ty| shown(&ty));
            assert_eq!(owned.as_deref(), Some(expected), "{text}");
        }
        for text in ["Cow<'static, str>", "Page<&str>", "PhantomData<&'a u8>", "fn(&str) -> &str", "Vec<u8>"]
        {
            assert!(owned(&read(text), |_| true).is_none(), "{text}");
        }
        assert!(owned(&read("Option<&'static str>"), |it| it.lifetime.is_none()).is_none());
    }

    #[test]
    fn every_impl_trait_is_inferred() {
        for (text, inferred) in [
            ("impl Display", "_"),
            ("Option<impl Iterator<Item = impl Copy>>", "Option < _ >"),
            (
                "Result<Box<dyn Iterator<Item = impl Copy>>, E>",
                "Result < Box < dyn Iterator < Item = _ > > , E >",
            ),
            ("Vec<u32>", "Vec < u32 >"),
        ] {
            let (ty, found) = infer_impl_trait(&read(text));
            assert_eq!((ty.to_string().as_str(), found), (inferred, text.contains("impl")), "{text}");
        }
    }
}
