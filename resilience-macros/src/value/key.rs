//! Keys of jobs and steps: `"page:{id}:{n}"`, a constant, or an expression over the arguments.

use super::{mixed_span_of, open, readable, span_of};
use crate::function::item::Item;
use crate::function::types::peeled;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::{Error, Expr, Lit, LitStr, Result, Type, UnOp};

/// A key of a job, a step or a lock, with the code that renders it.
pub(crate) struct RenderedKey {
    /// An expression whose value is the key.
    pub(crate) rendered: TokenStream,
    /// The text of the template, or an expression of it, where it is constant.
    pub(crate) template: Option<TokenStream>,
}

/// Reads a key; `refusal` says why it may not be the same for all arguments, if it may not.
pub(crate) fn key(tokens: TokenStream, item: &Item, refusal: Option<&str>) -> Result<RenderedKey> {
    let tokens = open(tokens);
    let span = span_of(&tokens);
    let constant = match syn::parse2::<Expr>(tokens.clone())? {
        Expr::Lit(lit) => match lit.lit {
            Lit::Str(text) => return template(&text, item, refusal),
            _ => {
                return Err(Error::new(
                    span,
                    "expected a key\nhelp: write a text such as `\"page:{id}\"`, a constant, or an expression over the arguments",
                ));
            }
        },
        // A constant parameter is never a text.
        Expr::Path(path) if path.path.get_ident().is_some_and(|name| item.has_parameter(name)) => None,
        Expr::Path(path) => {
            Some(path).filter(|path| path.path.segments.last().is_some_and(|last| is_upper(&last.ident)))
        }
        value => {
            if is_constant(&value, item) {
                refuse_constant(span, refusal)?;
            }
            None
        }
    };
    if let Some(path) = constant {
        refuse_constant(span, refusal)?;
        let rendered = quote_spanned!(span=> __rt::Key::new().text(#tokens).finish());
        let template = Some(tokens).filter(|_| !is_of_type_parameter(&path, item));
        return Ok(RenderedKey { rendered, template });
    }
    let rendered = quote_spanned!(span=> __rt::Key::new().value(&(#tokens)).finish());
    Ok(RenderedKey { rendered, template: None })
}

/// Reads the `key` of a policy: a template, or an expression over the arguments.
pub(crate) fn policy_key(tokens: TokenStream, item: &Item) -> Result<TokenStream> {
    let tokens = super::expression(tokens)?;
    let opened = open(tokens.clone());
    let advice = match (item.bound_names().first(), item.sig.receiver()) {
        (Some(name), _) => format!("write `key = {}`", name.unraw()),
        (None, Some(_)) => "write `key = self.field`".to_owned(),
        (None, None) => "leave `key` out".to_owned(),
    };
    let refusal = format!("this key is the same for every call\nhelp: {advice}");
    match syn::parse2::<Expr>(opened.clone()) {
        Ok(Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. })) => {
            template(&text, item, Some(&refusal)).map(|key| key.rendered)
        }
        Ok(value) if is_constant(&value, item) => Err(Error::new(span_of(&opened), refusal)),
        Ok(value) => refuse_inner_template(&value, item).map(|()| tokens),
        Err(_) => Ok(tokens),
    }
}

/// Refuses a text with an argument in braces where nothing replaces it: as one part of a key, or as the key that a set
/// looks up.
pub(crate) fn refuse_inner_template(value: &Expr, item: &Item) -> Result<()> {
    let refuse = |value: &Expr| refuse_inner_template(value, item);
    match value {
        Expr::Group(inner) => refuse(&inner.expr),
        Expr::Paren(inner) => refuse(&inner.expr),
        Expr::Reference(inner) => refuse(&inner.expr),
        Expr::Tuple(parts) => parts.elems.iter().try_for_each(refuse),
        Expr::Array(parts) => parts.elems.iter().try_for_each(refuse),
        Expr::MethodCall(call) if call.method == "get" => call.args.iter().try_for_each(refuse),
        Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => {
            let Some(name) = placeholder(&text.value(), item) else { return Ok(()) };
            let whole = format!("{{{name}}}");
            let help = match (text.value() == whole, name.contains('.')) {
                (true, _) => name,
                (_, false) => format!("format!({})", text.token()),
                // `format!` takes no fields in braces.
                (_, true) => format!("format!(\"..{{}}..\", {name})"),
            };
            let words = format!(
                "`{whole}` in this text is not replaced: only a whole key is a template\nhelp: write `{help}`"
            );
            Err(Error::new(text.span(), words))
        }
        _ => Ok(()),
    }
}

/// Returns the argument that `text` has in braces, or a field of one.
fn placeholder(text: &str, item: &Item) -> Option<String> {
    let names = item.bound_names().iter().map(|name| name.unraw().to_string()).collect::<Vec<_>>();
    let names = names.into_iter().chain(item.sig.receiver().map(|_| "self".to_owned()));
    text.split('{').skip(1).filter_map(|rest| rest.split_once('}')).find_map(|(inside, _)| {
        let first = inside.split('.').next().unwrap_or(inside);
        names.clone().any(|name| name == first).then(|| inside.to_owned())
    })
}

/// Returns the key of a policy's state: the `written` one, with the value of the argument that a layer above varies.
pub(crate) fn whole_key(written: Option<&TokenStream>, varied: Option<&Ident>) -> Option<TokenStream> {
    match (written, varied) {
        (Some(written), Some(varied)) if *varied == readable(written) => Some(written.clone()),
        (Some(written), Some(varied)) => {
            let at = mixed_span_of(written);
            Some(quote_spanned!(at=> __rt::KeyAndValue(&(#written), &#varied)))
        }
        (written, varied) => written.cloned().or_else(|| varied.map(|varied| quote!(#varied))),
    }
}

/// Returns whether `value` is the same for every call, as far as can be seen.
fn is_constant(value: &Expr, item: &Item) -> bool {
    match value {
        Expr::Lit(_) => true,
        Expr::Group(inner) => is_constant(&inner.expr, item),
        Expr::Paren(inner) => is_constant(&inner.expr, item),
        Expr::Reference(inner) => is_constant(&inner.expr, item),
        Expr::Cast(inner) => is_constant(&inner.expr, item),
        // `()` says that nothing tells calls apart.
        Expr::Tuple(parts) => {
            !parts.elems.is_empty() && parts.elems.iter().all(|part| is_constant(part, item))
        }
        Expr::Array(parts) => parts.elems.iter().all(|part| is_constant(part, item)),
        Expr::Binary(sides) => is_constant(&sides.left, item) && is_constant(&sides.right, item),
        Expr::Call(call) => is_conversion(&call.func) && call.args.iter().all(|part| is_constant(part, item)),
        Expr::Unary(inner) => !matches!(inner.op, UnOp::Deref(_)) && is_constant(&inner.expr, item),
        Expr::Macro(call) => {
            let words = ["concat", "stringify", "env", "module_path", "file", "line"];
            call.mac.path.segments.last().is_some_and(|last| {
                words.iter().any(|word| last.ident == word)
                    || last.ident == "format" && is_plain_text(&call.mac.tokens)
            })
        }
        Expr::MethodCall(call) => {
            let copies = ["to_string", "to_owned", "into", "as_str", "as_ref", "clone", "len"];
            call.args.is_empty()
                && copies.iter().any(|copy| call.method == copy)
                && is_constant(&call.receiver, item)
        }
        Expr::Path(path) => is_constant_path(path, item),
        _ => false,
    }
}

/// Returns whether a call of `function` returns the same for the same arguments: `String::from`, or a constructor such as
/// `Host("a")`.
fn is_conversion(function: &Expr) -> bool {
    let Expr::Path(path) = function else { return false };
    let last = path.path.segments.last();
    last.is_some_and(|last| last.ident == "from" || last.ident.to_string().starts_with(char::is_uppercase))
}

/// Returns whether these arguments of `format!` have no placeholder.
fn is_plain_text(tokens: &TokenStream) -> bool {
    syn::parse2::<LitStr>(tokens.clone()).is_ok_and(|text| !text.value().contains(['{', '}']))
}

/// Returns whether the constant at `path` belongs to `Self` or to a parameter of the function, which no `static` in the
/// function can name.
fn is_of_type_parameter(path: &syn::ExprPath, item: &Item) -> bool {
    let first = path.path.segments.first();
    path.qself.is_some()
        || first.is_some_and(|first| first.ident == "Self" || item.has_parameter(&first.ident))
}

/// Returns whether `path` names a constant. A parameter of the function or of its `impl` may differ between calls, and
/// is recognised by the declaration or by its usual forms: `N`, `T::NAME`, `Self::NAME`.
fn is_constant_path(path: &syn::ExprPath, item: &Item) -> bool {
    let mut segments = path.path.segments.iter().map(|segment| &segment.ident);
    let (Some(first), Some(last)) = (segments.next(), path.path.segments.last()) else { return false };
    let is_single = path.path.segments.len() == 1;
    let looks_like_one = if is_single {
        first.to_string().chars().nth(1).is_none() || item.bound_names().contains(first)
    } else {
        first.to_string().starts_with(char::is_uppercase)
    };
    path.qself.is_none() && is_upper(&last.ident) && !item.has_parameter(first) && !looks_like_one
}

fn is_upper(name: &Ident) -> bool {
    let name = name.to_string();
    name.chars().any(char::is_uppercase) && !name.chars().any(char::is_lowercase)
}

fn refuse_constant(span: Span, refusal: Option<&str>) -> Result<()> {
    refusal.map_or(Ok(()), |words| Err(Error::new(span, words)))
}

/// Returns why a key may not be the same for all arguments of `item`, except those that are `left_out`; `otherwise`
/// says what else can be done about it.
pub(crate) fn same_for_all(item: &Item, left_out: &[Ident], otherwise: &str) -> String {
    let arguments = item.named_arguments().filter(|(name, _)| !left_out.contains(name));
    let arguments: Vec<_> = arguments.collect();
    let printable = arguments.iter().find(|(_, ty)| is_printable(ty));
    let example = match (printable, arguments.first()) {
        (Some((name, _)), _) => format!("write `{{{}}}` in it", name.unraw()),
        (None, Some((name, _))) => {
            format!("write a field of an argument in it, such as `{{{}.id}}`", name.unraw())
        }
        (None, None) => "write an argument or a field in it, such as `{self.id}`".to_owned(),
    };
    format!(
        "this key is the same for all arguments: every call would return the first one's result\nhelp: {example}{otherwise}"
    )
}

/// Returns whether a type is one of std's that implement `Display`.
fn is_printable(ty: &Type) -> bool {
    const NAMES: [&str; 18] = [
        "bool", "char", "str", "String", "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32",
        "i64", "i128", "isize", "f32", "f64",
    ];
    match peeled(ty) {
        Type::Reference(reference) => is_printable(&reference.elem),
        Type::Path(path) => path.path.get_ident().is_some_and(|name| NAMES.iter().any(|known| name == known)),
        _ => false,
    }
}

/// One piece of a template.
enum Piece {
    Text(String),
    /// A path to an argument's value: `row.id`.
    Value(Vec<String>),
}

fn template(literal: &LitStr, item: &Item, refusal: Option<&str>) -> Result<RenderedKey> {
    let span = literal.span();
    let text = literal.value();
    let pieces = pieces(&text).map_err(|words| Error::new(span, words))?;
    let mut rendered = quote_spanned!(span=> __rt::Key::new());
    for piece in &pieces {
        rendered = match piece {
            Piece::Text(text) => quote_spanned!(span=> #rendered.text(#text)),
            Piece::Value(path) => {
                let value = value(path, item, span)?;
                quote_spanned!(span=> #rendered.value(&(#value)))
            }
        };
    }
    if !pieces.iter().any(|piece| matches!(piece, Piece::Value(_))) {
        refuse_constant(span, refusal)?;
    }
    for window in pieces.windows(3) {
        if let [Piece::Value(before), Piece::Text(between), Piece::Value(after)] = window {
            separated(between, before, after).map_err(|words| Error::new(span, words))?;
        }
    }
    for pair in pieces.windows(2) {
        if let [Piece::Value(before), Piece::Value(after)] = pair {
            separated("", before, after).map_err(|words| Error::new(span, words))?;
        }
    }
    if text.is_empty() {
        return Err(Error::new(span, "a key cannot be empty"));
    }
    Ok(RenderedKey { rendered: quote_spanned!(span=> #rendered.finish()), template: Some(quote!(#literal)) })
}

/// Checks that two values are separated by something that no value contains, so that different values have
/// different keys.
fn separated(between: &str, before: &[String], after: &[String]) -> std::result::Result<(), String> {
    let can_be_in_a_value = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-' | '%');
    if between.chars().all(can_be_in_a_value) {
        let (before, after) = (before.join("."), after.join("."));
        return Err(format!(
            "different values would have the same key\nhelp: put a `:` or `/` between `{{{before}}}` and `{{{after}}}`"
        ));
    }
    Ok(())
}

fn pieces(text: &str) -> std::result::Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.next_if_eq(&c).is_some() => literal.push(c),
            '{' => {
                let mut inside = String::new();
                let is_closed = rest.by_ref().any(|c| {
                    if c != '}' {
                        inside.push(c);
                    }
                    c == '}'
                });
                if !is_closed || text.matches('{').count() > text.matches('}').count() {
                    return Err(
                        "this `{` is never closed\nhelp: write `{{` for the character itself".to_owned()
                    );
                }
                if !literal.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut literal)));
                }
                pieces.push(Piece::Value(path(&inside)?));
            }
            '}' => {
                return Err("this `}` closes nothing\nhelp: write `}}` for the character itself".to_owned());
            }
            c => literal.push(c),
        }
    }
    if !literal.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    Ok(pieces)
}

fn path(inside: &str) -> std::result::Result<Vec<String>, String> {
    if inside.is_empty() {
        return Err("expected an argument between the braces\nhelp: write `{id}`".to_owned());
    }
    if let Some((name, format)) = inside.split_once(':') {
        let words = if format.contains('?') {
            "the output of `Debug` may change with any release, and a key has to stay the same"
        } else {
            "a placeholder of a key has no format"
        };
        return Err(format!("{words}\nhelp: write `{{{name}}}`"));
    }
    let parts: Vec<String> = inside.split('.').map(|part| part.trim().to_owned()).collect();
    let is_name = |(at, part): (usize, &String)| {
        let is_word = (at == 0 && part == "self") || identifier(part, Span::call_site()).is_some();
        is_word || (at > 0 && !part.is_empty() && part.chars().all(|c| c.is_ascii_digit()))
    };
    if !parts.iter().enumerate().all(is_name) {
        return Err(format!(
            "`{{{inside}}}` is not an argument or a field of one\nhelp: write `{{id}}`, `{{row.id}}` or `{{self.tenant}}`"
        ));
    }
    Ok(parts)
}

/// Returns the name that a placeholder contains; a keyword is a raw name, with or without `r#`.
fn identifier(part: &str, span: Span) -> Option<Ident> {
    let part = part.trim_start_matches("r#");
    if let Ok(name) = syn::parse_str::<Ident>(part) {
        return Some(Ident::new(&name.to_string(), span));
    }
    let can_be_raw = !["_", "crate", "self", "Self", "super"].contains(&part);
    (can_be_raw && Ident::parse_any.parse_str(part).is_ok()).then(|| Ident::new_raw(part, span))
}

/// Returns the expression of a placeholder.
fn value(path: &[String], item: &Item, span: Span) -> Result<TokenStream> {
    let [first, fields @ ..] = path else { return Err(Error::new(span, "name an argument: `{id}`")) };
    let base = if first == "self" && item.sig.receiver().is_some() {
        let this = Ident::new("self", item.sig.receiver().map_or(span, |it| it.self_token.span));
        quote!(#this)
    } else {
        let known = item.bound_names();
        let Some(name) = known.iter().find(|name| name.unraw() == first.trim_start_matches("r#")) else {
            let words = item.has_no_argument(first);
            let hint = match item.sig.receiver() {
                Some(_) => format!("\nhelp: for a field of `self` write `{{self.{first}}}`"),
                None => String::new(),
            };
            return Err(Error::new(span, words + &hint));
        };
        quote!(#name)
    };
    let fields = fields.iter().map(|field| match field.parse::<u32>() {
        Ok(index) => Some(TokenTree::from(proc_macro2::Literal::u32_unsuffixed(index))),
        Err(_) => identifier(field, span).map(TokenTree::from),
    });
    Ok(quote_spanned!(span=> #base #(.#fields)*))
}
