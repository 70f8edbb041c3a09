//! The meaning of the words: one rule per variant, without contradictions.

use super::ast::{Field, Input, Shape};
use super::attr::Entry;
use super::words::{alone, at, categories, category, given, span, unknown_word, value};
use crate::errors::Errors;
use crate::syntax::suggest::hint;
use crate::value::variant;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::spanned::Spanned;
use syn::{Expr, Generics, LitInt, LitStr, Member, Path, Result, Type};

/// A type whose words were checked.
pub(super) struct Checked<'a> {
    pub(super) ident: &'a Ident,
    pub(super) generics: &'a Generics,
    /// The path of the runtime crate.
    pub(super) root: TokenStream,
    pub(super) arms: Vec<Arm<'a>>,
}

/// One variant, or the whole of a struct.
pub(super) struct Arm<'a> {
    /// `None` for a struct.
    pub(super) variant: Option<&'a Ident>,
    pub(super) rule: ArmRule<'a>,
}

impl Arm<'_> {
    /// Returns the part of its pattern after `Self`.
    pub(super) fn path(&self) -> Option<TokenStream> {
        self.variant.map(|variant| quote!(::#variant))
    }
}

/// The source of the class of an arm, and the overrides in it.
pub(super) struct ArmRule<'a> {
    pub(super) base: Base<'a>,
    pub(super) retry_after: Option<NamedField<'a>>,
    /// The setters of `Classification` to call, each with its argument.
    pub(super) setters: Vec<Setter>,
}

pub(super) enum Base<'a> {
    /// The variant of `Category`.
    Category(Ident),
    Status(u16),
    StatusOf(NamedField<'a>),
    Transparent(NamedField<'a>),
    With(Box<With<'a>>),
    Text(Span),
}

/// A function that classifies, and what it gets.
pub(super) struct With<'a> {
    /// A path or a closure.
    pub(super) function: Expr,
    /// The field that it gets; the whole error if there is none.
    pub(super) field: Option<NamedField<'a>>,
}

/// A field, and the token that asks for it.
#[derive(Clone)]
pub(super) struct NamedField<'a> {
    pub(super) member: Member,
    pub(super) ty: &'a Type,
    pub(super) span: Span,
}

pub(super) enum Setter {
    Retry(Ident),
    Severity(Ident),
    Delivered(Ident),
    Action(LitStr),
}

type VariantWords = &'static [(&'static str, &'static str)];

const RETRY: VariantWords = &[("never", "Never"), ("once", "Once"), ("backoff", "Backoff")];
const SEVERITY: VariantWords =
    &[("low", "Low"), ("medium", "Medium"), ("high", "High"), ("critical", "Critical"), ("fatal", "Fatal")];
const DELIVERED: VariantWords = &[("no", "No"), ("maybe", "Maybe"), ("yes", "Yes")];

/// Checks every word of `input`; contradictions and missing words are reported.
pub(super) fn check<'a>(input: &Input<'a>, errors: &Errors) -> Checked<'a> {
    let (about_type, own): (Vec<_>, Vec<_>) =
        input.words.entries.iter().partition(|entry| is_about_type(entry));
    let whole = Whole::read(&about_type, &input.shape, errors);
    let arms = match &input.shape {
        Shape::Enum(variants) => {
            for entry in own {
                errors.at_tokens(&entry.word, on_the_enum(entry));
            }
            let mut missing = Vec::new();
            let arms = variants.iter().filter_map(|variant| {
                let reader = Reader::new(&variant.fields, true, variant.words.broken, errors);
                let rule =
                    reader.read(&variant.words.entries, whole.default.as_ref()).unwrap_or_else(|| {
                        missing.push(variant.ident);
                        None
                    })?;
                Some(Arm { variant: Some(variant.ident), rule })
            });
            let arms = arms.collect();
            report_missing(input.ident, &missing, errors);
            arms
        }
        Shape::Struct(fields) => {
            // A `default` was reported, and is treated as the rule that was meant.
            let broken = input.words.broken || whole.default.is_some();
            let rule = Reader::new(fields, false, broken, errors).read(own, None).unwrap_or_else(|| {
                errors.at_tokens(input.ident, missing(&format!("`{}` has no class", input.ident), "it"));
                None
            });
            rule.map(|rule| Arm { variant: None, rule }).into_iter().collect()
        }
        Shape::Union => Vec::new(),
    };
    Checked { ident: input.ident, generics: input.generics, root: whole.root, arms }
}

/// The words about the type itself.
struct Whole {
    root: TokenStream,
    /// The category of the variants that say nothing.
    default: Option<Ident>,
}

impl Whole {
    fn read(entries: &[&Entry], shape: &Shape<'_>, errors: &Errors) -> Self {
        let mut whole = Self { root: quote!(::resilience), default: None };
        let mut seen = Vec::new();
        for entry in entries {
            let result = add_word(&mut seen, entry).and_then(|()| whole.set(entry, shape));
            errors.ok(result);
        }
        whole
    }

    fn set(&mut self, entry: &Entry, shape: &Shape<'_>) -> Result<()> {
        if entry.word == "crate" {
            self.root = path(entry)?.into_token_stream();
        } else {
            // Stays `Unknown` where it is wrong, so that no variant is reported as missing.
            self.default = Some(Ident::new("Unknown", entry.word.span()));
            self.default = Some(default_category(entry, shape)?);
        }
        Ok(())
    }
}

fn is_about_type(entry: &Entry) -> bool {
    entry.word == "crate" || entry.word == "default"
}

/// Reports the variants of `owner` without a class, all in one error.
fn report_missing(owner: &Ident, variants: &[&Ident], errors: &Errors) {
    let default = "or `#[classify(default = unknown)]`, with a category of your choice, on the enum";
    match variants {
        [] => {}
        [variant] => {
            let message = missing(&format!("the variant `{variant}` has no class"), "it");
            errors.at_tokens(variant, format!("{message}\n{default}"));
        }
        several => {
            let names: Vec<_> = several.iter().map(|variant| format!("`{variant}`")).collect();
            let message = format!("{} variants have no class: {}", names.len(), names.join(", "));
            errors.at_tokens(owner, format!("{}\n{default}", missing(&message, "each")));
        }
    }
}

fn missing(message: &str, on: &str) -> String {
    format!(
        "{message}\n{}\nhelp: write `#[classify(..)]` on {on} with a category, `status = ..`, `transparent`, \
         `with = ..` or `text`",
        categories()
    )
}

fn on_the_enum(entry: &Entry) -> String {
    let word = &entry.word;
    if variant(&word.to_string()).is_some() {
        return format!(
            "the class of an enum depends on its variant\nhelp: write `default = {word}` for the variants that have none"
        );
    }
    format!("`{word}` belongs on a variant; the enum takes `default = ..` and `crate = ..`")
}

fn default_category(entry: &Entry, shape: &Shape<'_>) -> Result<Ident> {
    if !matches!(shape, Shape::Enum(_)) {
        return Err(at(
            &entry.word,
            "only an enum has variants that can take a default\nhelp: write the category alone, as in `#[classify(timeout)]`",
        ));
    }
    let word: Ident = value(entry, "a category")?;
    category(&word)
}

fn path(entry: &Entry) -> Result<Path> {
    use syn::parse::Parser;
    let tokens = given(entry, "::path")?;
    Path::parse_mod_style.parse2(tokens).map_err(|_| at(&entry.word, "write `crate = ::path`"))
}

/// Adds the word of `entry` to those of its place so far, none of which may come twice.
fn add_word<'e>(seen: &mut Vec<&'e Ident>, entry: &'e Entry) -> Result<()> {
    if seen.contains(&&entry.word) {
        return Err(at(
            &entry.word,
            format!("`{}` is written twice\nhelp: remove one of the two", entry.word),
        ));
    }
    seen.push(&entry.word);
    Ok(())
}

/// A reader of the words of one arm.
struct Reader<'r, 'a> {
    fields: &'r [Field<'a>],
    /// Whether it is a variant, whose only field is the argument of `with`.
    variant: bool,
    /// Whether a mistake was reported; then no word is reported as missing.
    broken: bool,
    errors: &'r Errors,
    base: Option<(Ident, Option<Base<'a>>)>,
    retry_after: Option<NamedField<'a>>,
    setters: Vec<Setter>,
}

impl<'r, 'a> Reader<'r, 'a> {
    fn new(fields: &'r [Field<'a>], variant: bool, broken: bool, errors: &'r Errors) -> Self {
        Self { fields, variant, broken, errors, base: None, retry_after: None, setters: Vec::new() }
    }

    /// Returns the rule of the words; `None` if they make none, `Some(None)` after reporting a mistake.
    #[expect(clippy::option_option, reason = "the caller reports what is missing, for all variants at once")]
    fn read<'e>(
        mut self,
        entries: impl IntoIterator<Item = &'e Entry>,
        default: Option<&Ident>,
    ) -> Option<Option<ArmRule<'a>>> {
        let mut seen = Vec::new();
        for entry in entries {
            let result = add_word(&mut seen, entry).and_then(|()| self.entry(entry));
            self.broken |= self.errors.ok(result).is_none();
        }
        let base = match self.base {
            Some((_, base)) => base,
            None => default.cloned().map(Base::Category),
        };
        match base {
            Some(base) => Some(Some(ArmRule { base, retry_after: self.retry_after, setters: self.setters })),
            None => self.broken.then_some(None),
        }
    }

    fn entry(&mut self, entry: &Entry) -> Result<()> {
        match entry.word.to_string().as_str() {
            "status" | "transparent" | "with" | "text" => self.base(entry),
            "retry_after" => {
                self.retry_after = Some(self.field(entry, "retry_after = .field")?);
                Ok(())
            }
            "retry" => self.set(entry, RETRY, Setter::Retry),
            "severity" => self.set(entry, SEVERITY, Setter::Severity),
            "delivered" => self.set(entry, DELIVERED, Setter::Delivered),
            "action" => {
                let action = value(entry, "\"what to do about it\"")?;
                self.setters.push(Setter::Action(action));
                Ok(())
            }
            "default" | "crate" => {
                Err(at(&entry.word, format!("`{}` belongs on the type, not on a variant", entry.word)))
            }
            word if variant(word).is_some() => self.base(entry),
            _ => Err(at(&entry.word, unknown_word(&entry.word))),
        }
    }

    /// Takes a word that says where the class comes from.
    fn base(&mut self, entry: &Entry) -> Result<()> {
        if let Some((first, _)) = &self.base {
            let message = format!("`{}` contradicts `{first}`: the class comes from one of them", entry.word);
            return Err(at(&entry.word, message));
        }
        // The word counts even where its value is wrong: a second one contradicts it.
        self.base = Some((entry.word.clone(), None));
        let base = self.base_of(entry)?;
        self.base = Some((entry.word.clone(), Some(base)));
        Ok(())
    }

    fn base_of(&self, entry: &Entry) -> Result<Base<'a>> {
        match entry.word.to_string().as_str() {
            "status" => self.status(entry),
            "with" => self.with(entry).map(|with| Base::With(Box::new(with))),
            "transparent" => alone(entry).and_then(|()| self.source(&entry.word)).map(Base::Transparent),
            "text" => alone(entry).map(|()| Base::Text(entry.word.span())),
            _ => alone(entry).and_then(|()| category(&entry.word)).map(Base::Category),
        }
    }

    fn status(&self, entry: &Entry) -> Result<Base<'a>> {
        let form = ".field` or `status = 503";
        let Ok(number) = syn::parse2::<LitInt>(given(entry, form)?) else {
            return self.field(entry, "status = .field` or `status = 503").map(Base::StatusOf);
        };
        match number.base10_parse::<u16>() {
            Ok(status @ 400..=599) => Ok(Base::Status(status)),
            _ => Err(at(
                &number,
                "this is not an HTTP status of a failure\nhelp: write a number from 400 to 599",
            )),
        }
    }

    /// Returns the field that the value `.name` or `.0` names.
    fn field(&self, entry: &Entry, form: &str) -> Result<NamedField<'a>> {
        let tokens = given(entry, form.split_once("= ").map_or(form, |(_, form)| form))?;
        self.named(&tokens, form)
    }

    /// Returns the field that `.name` or `.0` names.
    fn named(&self, tokens: &TokenStream, form: &str) -> Result<NamedField<'a>> {
        let mut parts = tokens.clone().into_iter();
        let dot = parts.next();
        if !matches!(&dot, Some(TokenTree::Punct(dot)) if dot.as_char() == '.') {
            return Err(at(tokens, self.no_dot(tokens, form)));
        }
        let Ok(member) = syn::parse2::<Member>(parts.collect()) else {
            return Err(at(tokens, format!("expected one field\nhelp: write `{form}`")));
        };
        let found = self.fields.iter().find(|field| field.member == member);
        let field = found.ok_or_else(|| at(&member, self.no_field(&member)))?;
        Ok(NamedField { member: field.member.clone(), ty: field.ty, span: span(&member) })
    }

    fn no_dot(&self, tokens: &TokenStream, form: &str) -> String {
        let text = tokens.to_string();
        match self.names().iter().find(|name| **name == text) {
            Some(name) => format!("a field is written with a dot before it\nhelp: write `.{name}`"),
            None => format!("expected a field, found `{text}`\nhelp: write `{form}`"),
        }
    }

    fn no_field(&self, member: &Member) -> String {
        let names = self.names();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let name = member.to_token_stream().to_string();
        if names.is_empty() {
            return format!("no field `{name}`: there are no fields here");
        }
        let list = names.iter().map(|name| format!("`.{name}`")).collect::<Vec<_>>().join(", ");
        format!("no field `{name}`{}\nfields: {list}", hint(&name, &names))
    }

    fn names(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.member.to_token_stream().to_string()).collect()
    }

    /// Returns the field from which `transparent` takes its class.
    fn source(&self, word: &Ident) -> Result<NamedField<'a>> {
        let named = |field: &&Field<'_>| matches!(&field.member, Member::Named(name) if name == "source");
        let marked: Vec<_> = self.fields.iter().filter(|field| field.marked).collect();
        let field = match (marked.as_slice(), self.fields) {
            ([field], _) => Ok(*field),
            ([], [field]) => Ok(field),
            ([], []) => Err(
                "`transparent` takes its class from a field, but there is none\nhelp: write a category, or add a field with the error",
            ),
            ([], fields) => fields.iter().find(named).ok_or(
                "`transparent` takes its class from one field: mark it with `#[source]` or `#[from]`, or call it `source`",
            ),
            _ => Err("`transparent` takes its class from one field, but several are marked"),
        };
        let field = field.map_err(|message| at(word, message))?;
        Ok(NamedField { member: field.member.clone(), ty: field.ty, span: word.span() })
    }

    /// Returns the function behind `with =`, and its argument: the field in the parentheses behind it, else the
    /// only field of a variant, else the whole error.
    fn with(&self, entry: &Entry) -> Result<With<'a>> {
        let tokens = given(entry, "path")?;
        let mut parts: Vec<_> = tokens.clone().into_iter().collect();
        let argument = match parts.as_slice() {
            [_, .., TokenTree::Group(group)] if is_choice(group) => Some(group.stream()),
            _ => None,
        };
        if argument.is_some() {
            parts.pop();
        }
        let function = match syn::parse2::<Expr>(parts.into_iter().collect()) {
            Ok(function @ Expr::Path(_)) => function,
            Ok(function @ Expr::Closure(_)) if argument.is_none() => function,
            Ok(Expr::Paren(inner)) if matches!(*inner.expr, Expr::Closure(_)) => *inner.expr,
            _ => return Err(at(&tokens, WITH_FORMS)),
        };
        let field = match (argument, self.fields) {
            (Some(argument), _) if argument.to_string() == "self" => None,
            (Some(argument), _) => Some(self.named(&argument, "with = path(.field)")?),
            (None, [field]) if self.variant => {
                Some(NamedField { member: field.member.clone(), ty: field.ty, span: function.span() })
            }
            (None, _) => None,
        };
        Ok(With { function, field })
    }

    fn set(&mut self, entry: &Entry, words: VariantWords, make: impl FnOnce(Ident) -> Setter) -> Result<()> {
        let names: Vec<_> = words.iter().map(|(name, _)| *name).collect();
        let word: Ident = value(entry, &names.join("|"))?;
        let found = words.iter().find(|(name, _)| word == name);
        let (_, variant) = found.ok_or_else(|| {
            let hint = hint(&word.to_string(), &names);
            at(&word, format!("`{}` cannot be `{word}`{hint}\nvalues: {}", entry.word, names.join(", ")))
        })?;
        self.setters.push(make(Ident::new(variant, word.span())));
        Ok(())
    }
}

const WITH_FORMS: &str = "expected the path of a function, or a closure\nhelp: write `with = path`, which gets the \
     only field of a variant or else the whole error; `with = path(.field)` or `with = path(self)` chooses";

/// Returns whether a group behind a function names its argument: `(.field)` or `(self)`.
fn is_choice(group: &proc_macro2::Group) -> bool {
    let first = group.stream().into_iter().next();
    let chooses = match &first {
        Some(TokenTree::Punct(dot)) => dot.as_char() == '.',
        Some(TokenTree::Ident(word)) => word == "self" && group.stream().into_iter().count() == 1,
        _ => false,
    };
    chooses && group.delimiter() == proc_macro2::Delimiter::Parenthesis
}
