//! The names that a pattern binds, and those that an expression uses.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::{Block, Expr, Pat, PatIdent, Stmt};

/// Visits every binding of a pattern.
pub(crate) fn bindings(pat: &mut Pat, visit: &mut dyn FnMut(&mut PatIdent)) {
    match pat {
        Pat::Guard(guard) => bindings(&mut guard.pat, visit),
        Pat::Ident(ident) => {
            visit(ident);
            if let Some((_, inner)) = &mut ident.subpat {
                bindings(inner, visit);
            }
        }
        Pat::Or(or) => or.cases.iter_mut().for_each(|pat| bindings(pat, visit)),
        Pat::Paren(paren) => bindings(&mut paren.pat, visit),
        Pat::Reference(reference) => bindings(&mut reference.pat, visit),
        Pat::Slice(slice) => slice.elems.iter_mut().for_each(|pat| bindings(pat, visit)),
        Pat::Struct(this) => this.fields.iter_mut().for_each(|field| bindings(&mut field.pat, visit)),
        Pat::Tuple(tuple) => tuple.elems.iter_mut().for_each(|pat| bindings(pat, visit)),
        Pat::TupleStruct(tuple) => tuple.elems.iter_mut().for_each(|pat| bindings(pat, visit)),
        Pat::Type(typed) => bindings(&mut typed.pat, visit),
        _ => {}
    }
}

/// Returns the names that a pattern binds. A name that begins with a capital is a constant's.
pub(crate) fn bound(pat: &Pat) -> Vec<Ident> {
    let mut names = Vec::new();
    bindings(&mut pat.clone(), &mut |binding| {
        if !binding.ident.to_string().starts_with(char::is_uppercase) {
            names.push(binding.ident.clone());
        }
    });
    names
}

/// Returns where `expr` uses the local variable `name`, if it does: not a field, a method, a function or a module
/// of that name, nor a binding of its own.
pub(crate) fn used(expr: &Expr, name: &str) -> Option<Ident> {
    let used = |expr: &Expr| used(expr, name);
    let any = |exprs: &[&Expr]| exprs.iter().find_map(|expr| used(expr));
    match expr {
        Expr::Array(array) => array.elems.iter().find_map(used),
        Expr::Assign(assign) => any(&[&assign.left, &assign.right]),
        Expr::Await(this) => used(&this.base),
        Expr::Binary(binary) => any(&[&binary.left, &binary.right]),
        Expr::Break(this) => this.expr.as_deref().and_then(used),
        Expr::Call(call) => {
            let function = Some(&*call.func).filter(|function| !matches!(function, Expr::Path(_)));
            function.and_then(used).or_else(|| call.args.iter().find_map(used))
        }
        Expr::Cast(cast) => used(&cast.expr),
        Expr::Field(field) => used(&field.base),
        Expr::Group(group) => used(&group.expr),
        Expr::Index(index) => any(&[&index.expr, &index.index]),
        Expr::Let(this) => used(&this.expr),
        Expr::Macro(this) => used_in_macro(this.mac.tokens.clone(), name),
        Expr::MethodCall(call) => used(&call.receiver).or_else(|| call.args.iter().find_map(used)),
        Expr::Paren(paren) => used(&paren.expr),
        Expr::Path(path) => path.path.get_ident().filter(|ident| *ident == name).cloned(),
        Expr::Range(range) => {
            let (start, end) = (range.start.as_deref(), range.end.as_deref());
            start.and_then(used).or_else(|| end.and_then(used))
        }
        Expr::RawAddr(this) => used(&this.expr),
        Expr::Reference(reference) => used(&reference.expr),
        Expr::Repeat(repeat) => used(&repeat.expr),
        Expr::Return(this) => this.expr.as_deref().and_then(used),
        Expr::Struct(this) => {
            let fields = this.fields.iter().map(|field| &field.expr);
            fields.chain(this.rest.as_deref()).find_map(used)
        }
        Expr::Try(this) => used(&this.expr),
        Expr::Tuple(tuple) => tuple.elems.iter().find_map(used),
        Expr::Unary(unary) => used(&unary.expr),
        with_block => used_in_blocks_of(with_block, name),
    }
}

/// Looks like [`used`] in an expression with a body that may have bindings of its own.
fn used_in_blocks_of(expr: &Expr, name: &str) -> Option<Ident> {
    let used = |expr: &Expr| used(expr, name);
    match expr {
        Expr::Async(this) => used_in(&this.block, name),
        Expr::Block(block) => used_in(&block.block, name),
        Expr::Closure(closure) if closure.inputs.iter().any(|pat| binds(pat, name)) => None,
        Expr::Closure(closure) => used(&closure.body),
        Expr::Const(this) => used_in(&this.block, name),
        Expr::ForLoop(this) => {
            used(&this.expr).or_else(|| if binds(&this.pat, name) { None } else { used_in(&this.body, name) })
        }
        Expr::If(this) => {
            let then = || if binds_in(&this.cond, name) { None } else { used_in(&this.then_branch, name) };
            let otherwise = || this.else_branch.as_ref().and_then(|(_, expr)| used(expr));
            used(&this.cond).or_else(then).or_else(otherwise)
        }
        Expr::Loop(this) => used_in(&this.body, name),
        Expr::Match(this) => {
            let arms = this.arms.iter().filter(|arm| !binds(&arm.pat, name));
            let in_arm = |pat: &Pat| match pat {
                Pat::Guard(guard) => used(&guard.guard),
                _ => None,
            };
            used(&this.expr)
                .or_else(|| arms.clone().find_map(|arm| in_arm(&arm.pat).or_else(|| used(&arm.body))))
        }
        Expr::TryBlock(this) => used_in(&this.block, name),
        Expr::Unsafe(this) => used_in(&this.block, name),
        Expr::While(this) => used(&this.cond)
            .or_else(|| if binds_in(&this.cond, name) { None } else { used_in(&this.body, name) }),
        _ => None,
    }
}

fn binds(pat: &Pat, name: &str) -> bool {
    bound(pat).iter().any(|bound| bound == name)
}

/// Returns whether `if let` or `while let` binds `name`.
fn binds_in(condition: &Expr, name: &str) -> bool {
    match condition {
        Expr::Let(this) => binds(&this.pat, name),
        Expr::Binary(binary) => binds_in(&binary.left, name) || binds_in(&binary.right, name),
        _ => false,
    }
}

fn used_in(block: &Block, name: &str) -> Option<Ident> {
    for stmt in &block.stmts {
        let found = match stmt {
            Stmt::Local(local) => {
                let init = local.init.as_ref();
                let diverge = init.and_then(|init| init.diverge.as_ref());
                let found = init
                    .and_then(|init| used(&init.expr, name))
                    .or_else(|| diverge.and_then(|(_, expr)| used(expr, name)));
                if found.is_none() && binds(&local.pat, name) {
                    return None;
                }
                found
            }
            Stmt::Expr(expr, _) => used(expr, name),
            Stmt::Macro(this) => used_in_macro(this.mac.tokens.clone(), name),
            Stmt::Item(_) => None,
        };
        if found.is_some() {
            return found;
        }
    }
    None
}

/// Looks like [`used`] in the arguments of a macro, which follow no grammar: a word that is not part of a path,
/// a field or a named argument, or `{name}` in a string.
fn used_in_macro(tokens: TokenStream, name: &str) -> Option<Ident> {
    let mut tokens = tokens.into_iter().peekable();
    let mut is_part = false;
    while let Some(token) = tokens.next() {
        let is = |token: &TokenTree, chars: &[char]| match token {
            TokenTree::Punct(punct) => chars.contains(&punct.as_char()),
            _ => false,
        };
        match &token {
            TokenTree::Ident(word)
                if word == name
                    && !is_part
                    && !tokens.peek().is_some_and(|next| is(next, &[':', '!', '='])) =>
            {
                return Some(word.clone());
            }
            TokenTree::Group(group) => {
                if let found @ Some(_) = used_in_macro(group.stream(), name) {
                    return found;
                }
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                if text.contains(&format!("{{{name}}}")) || text.contains(&format!("{{{name}:")) {
                    return Some(Ident::new(name, literal.span()));
                }
            }
            _ => {}
        }
        is_part = is(&token, &['.', ':']);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_distinguished_from_other_uses_of_its_name() {
        let uses = |text: &str| {
            let expr = syn::parse_str::<Expr>(text).unwrap_or_else(|error| unreachable!("{text}: {error}"));
            used(&expr, "error").is_some()
        };
        for text in [
            "f(error)",
            "f(id, &error)",
            "f(*error)",
            "f(error.kind())",
            "f(error.code)",
            "f(Some(error))",
            "f((1, [error]))",
            "f(Wrapped { error })",
            "f(Wrapped { inner: error })",
            "f(|id| g(id, error))",
            "f({ let e = error; e })",
            "f({ let error = error; 1 })",
            "f(if error.is_timeout() { 1 } else { 2 })",
            "f(match id { 1 => error, _ => other })",
            "f(match id { _ if error.is_ok() => 1, _ => 2 })",
            "error.answer(id)",
            "f(format!(\"{error}\"))",
            "f(format!(\"{error:?}, {}\", 1))",
            "f(format!(\"{}\", error))",
            "f(matches!(error, E::A))",
            "f(g!(a => [error]))",
            "f(unsafe { g(error) })",
            "f(error as u32)",
            "f(async move { error })",
            "self.f(error)",
        ] {
            assert!(uses(text), "{text}");
        }
        for text in [
            "crate::error::f(id)",
            "error::f(id)",
            "error(id)",
            "f(error(id))",
            "f(error::CODE)",
            "f(id.error)",
            "f(id.error())",
            "id.error(1)",
            "f(Wrapped { error: 1 })",
            "f(|error| g(error))",
            "f({ let error = 1; error })",
            "f(if let Some(error) = id { error } else { 1 })",
            "f(match id { Err(error) => g(error), _ => 1 })",
            "f(format!(\"{errors}\"))",
            "f(format!(\"{}\", id.error))",
            "f(format!(\"{e}\", e = crate::error::CODE))",
            "f(error!(id))",
            "f(\"error\")",
            "f(id)",
        ] {
            assert!(!uses(text), "{text}");
        }
    }
}
