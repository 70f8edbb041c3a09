//! The type as written: its variants, their fields, and the words on each.

use super::attr::{self, ClassifyWords};
use crate::errors::Errors;
use proc_macro2::Ident;
use syn::{Attribute, Data, DeriveInput, Fields, Generics, Member, Type};

/// A type that derives `Classify`.
pub(super) struct Input<'a> {
    pub(super) ident: &'a Ident,
    pub(super) generics: &'a Generics,
    /// The words on the type itself.
    pub(super) words: ClassifyWords,
    pub(super) shape: Shape<'a>,
}

pub(super) enum Shape<'a> {
    Enum(Vec<Variant<'a>>),
    Struct(Vec<Field<'a>>),
    /// One that was reported.
    Union,
}

pub(super) struct Variant<'a> {
    pub(super) ident: &'a Ident,
    pub(super) words: ClassifyWords,
    pub(super) fields: Vec<Field<'a>>,
}

pub(super) struct Field<'a> {
    pub(super) member: Member,
    pub(super) ty: &'a Type,
    /// Marked `#[source]` or `#[from]`.
    pub(super) marked: bool,
}

/// Reads the type; what cannot be read is reported.
pub(super) fn parse<'a>(input: &'a DeriveInput, errors: &Errors) -> Input<'a> {
    let shape = match &input.data {
        Data::Enum(data) => {
            Shape::Enum(data.variants.iter().map(|variant| parse_variant(variant, errors)).collect())
        }
        Data::Struct(data) => Shape::Struct(parse_fields(&data.fields, errors)),
        Data::Union(data) => {
            errors.at_tokens(data.union_token, "`Classify` cannot be derived for a union, which does not know what it holds\nhelp: write `impl Classify for ..`");
            Shape::Union
        }
    };
    let words = attr::read(&input.attrs, errors);
    Input { ident: &input.ident, generics: &input.generics, words, shape }
}

fn parse_variant<'a>(variant: &'a syn::Variant, errors: &Errors) -> Variant<'a> {
    Variant {
        ident: &variant.ident,
        words: attr::read(&variant.attrs, errors),
        fields: parse_fields(&variant.fields, errors),
    }
}

fn parse_fields<'a>(fields: &'a Fields, errors: &Errors) -> Vec<Field<'a>> {
    for field in fields {
        attr::refuse(&field.attrs, errors);
    }
    let members = fields.members().zip(fields);
    members.map(|(member, field)| Field { member, ty: &field.ty, marked: is_marked(&field.attrs) }).collect()
}

fn is_marked(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| attr.path().is_ident("source") || attr.path().is_ident("from"))
}
