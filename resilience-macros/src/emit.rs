//! The code around the body: the point, one `static` a layer, the checks, and the layers themselves.

use crate::attr::{Layer, Policy, timeout};
use crate::function::item::{Item, MutableBinding};
use crate::function::options::Shared;
use crate::value;
use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Lifetime};

/// What every layer of one function needs to know of it.
pub(crate) struct Context<'a> {
    pub(crate) is_async: bool,
    /// What the function returns, with `_` in place of what cannot be written out.
    ty: TokenStream,
    /// Whether something in it cannot be.
    has_impl_trait: bool,
    shared: &'a Shared,
    cloned: Vec<Cloned>,
    /// The `static` of the retry in the stack, and how many layers are above it.
    retry: Option<(Ident, usize)>,
    sites: Vec<Ident>,
    /// The key of the stack's breaker.
    pub(crate) key: Option<&'a TokenStream>,
    keeps_arguments: bool,
    /// Where errors about the outcome's type point.
    return_at: Span,
    /// The `static` of the stack's `with_recovery`.
    recovery: Option<Ident>,
}

impl Context<'_> {
    /// The value made of `rejected`, with its class if a layer above that of `site` needs it;
    /// complaints point at `attr`.
    pub(crate) fn refused(&self, site: &Ident, attr: &Ident) -> TokenStream {
        let at = Span::mixed_site().located_at(attr.span());
        let rejected = Ident::new("__rejected", Span::mixed_site());
        match (&self.shared.rejected, self.is_outermost(site)) {
            (None, true) => quote_spanned!(at=> __resilience::refused(#rejected)),
            (None, false) => quote_spanned!(at=> __resilience::refused_with_class(#rejected)),
            (Some(make), is_outermost) => {
                let named = if is_outermost { "refused_by" } else { "refused_by_with_class" };
                let at = value::mixed_span_of(make);
                let call = Ident::new(named, at);
                quote_spanned!(at=> __resilience::#call(#rejected, #make))
            }
        }
    }

    /// `__outcome`, or `(__outcome, __verdict)` when a layer above that of `site` needs the verdict.
    pub(crate) fn bound(&self, site: &Ident) -> TokenStream {
        let here = Span::mixed_site();
        self.given(site, &quote_spanned!(here=> __outcome), &quote_spanned!(here=> __verdict))
    }

    /// As [`bound`](Self::bound), of another outcome.
    pub(crate) fn given(&self, site: &Ident, outcome: &TokenStream, verdict: &TokenStream) -> TokenStream {
        if self.is_outermost(site) { outcome.clone() } else { quote!((#outcome, #verdict)) }
    }

    pub(crate) fn is_outermost(&self, site: &Ident) -> bool {
        self.sites.first() == Some(site)
    }

    /// What the function returns, if it can be written out.
    pub(crate) fn return_type(&self) -> Option<&TokenStream> {
        (!self.has_impl_trait).then_some(&self.ty)
    }

    /// Where errors about the outcome's type point.
    pub(crate) fn return_at(&self) -> Span {
        self.return_at
    }

    /// The `static` of the stack's `with_recovery`, if it has one.
    pub(crate) fn recovery(&self) -> Option<&Ident> {
        self.recovery.as_ref()
    }

    /// The number of the attempt that the layer of `site` is part of, from 1.
    pub(crate) fn attempt(&self, site: &Ident) -> TokenStream {
        Self::number(self.is_retried(site))
    }

    /// The number of the running attempt of something that a retry repeats, or not.
    fn number(is_retried: bool) -> TokenStream {
        let retry = retry_local();
        if is_retried { quote!((&#retry).attempt()) } else { quote!(1) }
    }

    /// Whether the layer of `site` is below the retry.
    fn is_retried(&self, site: &Ident) -> bool {
        let above = self.sites.iter().take_while(|other| *other != site).count();
        self.retry.as_ref().is_some_and(|(_, at)| above > *at)
    }

    /// Before the layer of `site` takes what is below it to another thread: what that has to know of the
    /// retry above.
    pub(crate) fn retry_elsewhere(&self, site: &Ident) -> Option<TokenStream> {
        let retry = retry_local();
        self.is_retried(site).then(|| quote!(let #retry = (&#retry).elsewhere();))
    }

    fn lent_name(name: &Ident) -> Ident {
        Ident::new(&format!("__resilience_{}", name.unraw()), Span::mixed_site())
    }

    /// Whether arguments named in `clone(..)` are moved by the last attempt.
    fn lends(&self) -> bool {
        self.retry.is_some() && !self.keeps_arguments
    }

    /// Before the first attempt: takes the arguments that each attempt gets a clone of.
    pub(crate) fn lent(&self) -> TokenStream {
        if !self.lends() {
            return TokenStream::new();
        }
        let lent = self.cloned.iter().map(|Cloned { name, cfgs }| {
            let kept = Self::lent_name(name);
            let new = quote_spanned!(Span::mixed_site().located_at(name.span())=> __resilience::Lent::new);
            quote!(#(#cfgs)* let mut #kept = #new(#name);)
        });
        quote!(#(#lent)*)
    }

    /// Clones of the arguments that are also passed to the fallback, made before another thread takes them.
    fn copies(&self) -> TokenStream {
        let names = self.cloned.iter().filter(|_| self.keeps_arguments);
        let shadows = shadows();
        let clones = names.map(|Cloned { name, cfgs }| {
            let clone = cloned(name);
            quote!(#(#cfgs)* #shadows let #name = #clone;)
        });
        clones.collect()
    }

    /// Before an attempt of several takes its arguments to another thread: those that it would not leave behind
    /// for the next one are told by name.
    fn taken_each_time(&self, item: &Item, site: &Ident) -> TokenStream {
        if !self.is_retried(site) {
            return TokenStream::new();
        }
        let names = item.plain_names().into_iter().filter(|name| !self.shared.clone.contains(name));
        let checks = names.map(|name| {
            let at = Span::mixed_site().located_at(name.span());
            quote_spanned!(at=> __resilience::TakenEachTime::taken(&#name);)
        });
        checks.collect()
    }

    /// At the start of an attempt: the arguments that start afresh.
    fn afresh(&self, mutable: &[MutableBinding]) -> TokenStream {
        let shadows = shadows();
        let clones = self.cloned.iter().map(|Cloned { name, cfgs }| {
            let mutability = mutable.iter().any(|binding| binding.name == *name).then(|| quote!(mut));
            match &self.retry {
                Some((retry, _)) if self.lends() => {
                    let (kept, local) = (Self::lent_name(name), retry_local());
                    quote!(#(#cfgs)* #shadows let #mutability #name = __resilience::Lent::next(&mut #kept, (&#retry).is_last(&#local));)
                }
                _ => {
                    let clone = cloned(name);
                    quote!(#(#cfgs)* #shadows let #mutability #name = #clone;)
                }
            }
        });
        let starts = mutable.iter().filter(|binding| !self.shared.clone.contains(&binding.name)).map(|binding| {
            let MutableBinding { name, cfgs, .. } = binding;
            if binding.reborrow {
                quote!(#(#cfgs)* #shadows let mut #name = &mut *#name;)
            } else {
                let start = quote_spanned!(Span::mixed_site().located_at(name.span())=> __resilience::StartsAgain::start(&#name));
                quote!(#(#cfgs)* #shadows let mut #name = #start;)
            }
        });
        quote!(#(#clones)* #(#starts)*)
    }
}

/// An argument that `clone(..)` names.
struct Cloned {
    name: Ident,
    /// The conditions that it stands under.
    cfgs: Vec<Attribute>,
}

/// A clone of the argument `name`, which complains there.
fn cloned(name: &Ident) -> TokenStream {
    let at = Span::mixed_site().located_at(name.span());
    quote_spanned!(at=> ::core::clone::Clone::clone(&#name))
}

/// A new binding of an argument carries the user's name, and so the user's lints about shadowing.
fn shadows() -> TokenStream {
    quote!(#[allow(clippy::shadow_reuse, clippy::shadow_same, clippy::shadow_unrelated)])
}

/// The label of a layer's block, named after its `static`.
pub(crate) fn label(site: &Ident) -> Lifetime {
    let name = site.to_string().to_lowercase();
    Lifetime::new(&format!("'{name}"), Span::mixed_site())
}

/// The local that holds the running retry.
pub(crate) fn retry_local() -> Ident {
    Ident::new("__retry", Span::mixed_site())
}

/// The local that holds a retry of the user's in the place of its `static`.
pub(crate) fn given_local() -> Ident {
    Ident::new("__given", Span::mixed_site())
}

/// The function with its policies.
pub(crate) fn function(layers: &[Layer], shared: &Shared, mut item: Item) -> TokenStream {
    let runtime = shared.runtime();
    let sites = site_names(layers);
    let retry = layers.iter().position(Layer::loops);
    let (ty, has_impl_trait) = item.return_type();
    let cx = Context {
        is_async: item.is_async(),
        ty,
        has_impl_trait,
        return_at: item.return_span(),
        recovery: layers
            .iter()
            .position(|layer| matches!(layer.policy, Policy::WithRecovery(_)))
            .and_then(|at| sites.get(at).cloned()),
        shared,
        cloned: shared
            .clone
            .iter()
            .flat_map(|name| {
                let conditions = item.conditions(name).into_iter();
                conditions.map(|cfgs| Cloned { name: name.clone(), cfgs })
            })
            .collect(),
        retry: retry.and_then(|at| {
            let is_given = matches!(&layers.get(at)?.policy, Policy::WithRetry(retry) if retry.is_given());
            Some((if is_given { given_local() } else { sites.get(at)?.clone() }, at))
        }),
        sites: sites.clone(),
        key: layers.iter().find_map(|layer| match &layer.policy {
            Policy::CircuitBreaker(breaker) => breaker.key.as_ref(),
            _ => None,
        }),
        keeps_arguments: layers
            .iter()
            .any(|layer| matches!(layer.policy, Policy::WithFallback(_) | Policy::WithRecovery(_))),
    };
    let mutable = item.take_mutable_bindings(|name| {
        let answers =
            |layer: &Layer| matches!(&layer.policy, Policy::WithFallback(steps) if steps.uses(name));
        retry.is_some() || shared.clone.contains(name) || layers.iter().any(answers)
    });
    let mut above = layers;
    let mut timeout = None;
    if let ([rest @ .., Layer { attr, policy: Policy::Timeout(checked) }], Some(site)) =
        (layers, sites.last())
        && cx.is_async
    {
        above = rest;
        timeout = Some((checked, site, attr));
    }
    let (inner_attrs, body) = item.body_parts();
    let afresh = cx.afresh(&mutable);
    // The arguments that an attempt is lent are taken before another thread takes them with it.
    let takes = |(layer, site): &(&Layer, &Ident)| layer.moves() && cx.lends() && cx.is_retried(site);
    let moved = layers.iter().zip(&sites).find(takes).map(|(_, site)| site);
    let at_body = if moved.is_none() { afresh.clone() } else { TokenStream::new() };
    let attempt = attempt(&item, &cx, body, &at_body, timeout);
    let stack = above.iter().zip(&sites).rev().fold(attempt, |inner, (layer, site)| {
        let wrapped = layer.wrap(&cx, site, &inner);
        if !layer.moves() {
            return wrapped;
        }
        let mut before = cx.taken_each_time(&item, site);
        before.extend(if moved == Some(site) { afresh.clone() } else { cx.copies() });
        scoped(&before, wrapped, &cx.bound(site))
    });
    let statics = layers.iter().zip(&sites).map(|(layer, site)| layer.site(site, &item, layers));
    let top = layers.first().map_or_else(Span::call_site, |layer| layer.attr.span());
    let point = point(&item, &cx, &sites, top);
    let checks = checks(layers);
    let lifted = inner_attrs.into_iter().map(|mut attr| {
        attr.style = syn::AttrStyle::Outer;
        attr
    });
    let Item { attrs, vis, sig, .. } = &item;
    let outcome = item.around(returned(&stack));
    let body = quote! {
        use #runtime::__private as __resilience;
        #point
        #(#statics)*
        #checks
        #outcome
    };
    // In the user's braces: the compiler keeps quiet about a function that begins or ends in a macro.
    let block = item.block(body);
    quote!(#(#attrs)* #(#lifted)* #vis #sig #block)
}

/// `__RESILIENCE_RETRY`, `__RESILIENCE_TIMEOUT`, `__RESILIENCE_TIMEOUT_2`, ..
fn site_names(layers: &[Layer]) -> Vec<Ident> {
    let mut names: Vec<Ident> = Vec::new();
    for layer in layers {
        let name = format_ident!("__RESILIENCE_{}", layer.word());
        let same = |other: &&Ident| other.to_string().starts_with(&name.to_string());
        match names.iter().filter(same).count() {
            0 => names.push(name),
            n => names.push(format_ident!("{name}_{}", n + 1)),
        }
    }
    names
}

/// The point's `static`; its place is `top`, where the topmost attribute stands.
fn point(item: &Item, cx: &Context<'_>, sites: &[Ident], top: Span) -> TokenStream {
    let function = item.sig.ident.unraw().to_string();
    let name = cx.shared.name.iter();
    // Called where the topmost attribute stands: that is the point's place.
    let new = quote_spanned!(top=> __resilience::PointSite::new);
    let new = quote_spanned!(top=> #new(::core::module_path!(), #function, &[#(&#sites),*]));
    quote! {
        #[__resilience::linkme::distributed_slice(__resilience::POINTS_0_1)]
        #[linkme(crate = __resilience::linkme)]
        static __RESILIENCE_POINT: __resilience::PointSite = #new #(.named(#name))*;
    }
}

/// `stack`, which binds `__outcome`, and its return: written out, for crates that ask for it.
fn returned(stack: &TokenStream) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #stack
        #[allow(unreachable_code, clippy::needless_return)]
        return __outcome;
    }
}

/// One attempt: statements that bind the body's `__outcome` and its `__verdict`. A timeout right above an
/// async body wraps the body itself: a future around a future costs space.
fn attempt(
    item: &Item,
    cx: &Context<'_>,
    body: TokenStream,
    afresh: &TokenStream,
    timeout: Option<(&timeout::Checked, &Ident, &Ident)>,
) -> TokenStream {
    let ty = &cx.ty;
    let judged = judged(cx);
    let here = Span::mixed_site();
    if !cx.is_async {
        let body = item.block(body);
        let closure = quote_spanned!(item.body_span()=> || -> #ty);
        let run = quote_spanned!(here=> let __outcome: #ty = __resilience::call_once(#closure #body););
        return scoped(afresh, quote!(#run #judged), &quote_spanned!(here=> (__outcome, __verdict)));
    }
    // Never taken: it tells the compiler the type of the block before it reads the body. In one block with
    // the body, as the compiler's lints find a block around a block one too many; with a semicolon, as it
    // would else be what an empty body gives.
    let typed = quote_spanned!(here=> if let __resilience::Some(__outcome) = __resilience::None::<#ty> { return __outcome; };);
    let body = item.block(quote!(#typed #body));
    let future = quote_spanned!(here=> async #body);
    let judgement = quote_spanned!(here=> (__outcome, __verdict));
    let (attempt, bound) = match timeout {
        None => (quote_spanned!(here=> let __outcome = #future.await; #judged), judgement),
        Some((checked, site, attr)) => {
            let bound = cx.bound(site);
            let done = quote_spanned!(here=> { #judged #bound });
            let run =
                timeout::around(checked, cx, site, attr, &future, &quote_spanned!(here=> __outcome), &done);
            (quote_spanned!(here=> let #bound = #run;), bound)
        }
    };
    scoped(afresh, attempt, &bound)
}

/// `attempt`, which binds `bound`, in a block of its own with the arguments that start afresh: what stands
/// after it means the function's own.
fn scoped(afresh: &TokenStream, attempt: TokenStream, bound: &TokenStream) -> TokenStream {
    if afresh.is_empty() {
        return attempt;
    }
    quote_spanned!(Span::mixed_site()=> let #bound = { #afresh #attempt #bound };)
}

/// What `__outcome` means: its `__verdict`.
fn judged(cx: &Context<'_>) -> TokenStream {
    let here = Span::mixed_site();
    let at = here.located_at(cx.return_at);
    let attempt = Context::number(cx.retry.is_some());
    let Shared { classify, context, when_ok, .. } = cx.shared;
    if classify.is_none() && context.is_empty() && when_ok.is_none() {
        let probe = quote_spanned!(at=> __resilience::Outcome::probe(&__outcome));
        return quote_spanned!(here=> let __verdict = #probe.probed_verdict(&__RESILIENCE_POINT, #attempt););
    }
    let class = match classify {
        None => quote_spanned!(here=> __resilience::Probe::new(__error).probed_class_at(&__RESILIENCE_POINT)),
        Some(classify) => {
            quote_spanned!(value::mixed_span_of(classify)=> __resilience::asked(__error, #classify))
        }
    };
    let (names, values): (Vec<_>, Vec<_>) = context.iter().cloned().unzip();
    let judge = quote_spanned!(at=> __resilience::Outcome::judge(&__outcome));
    let returned = match when_ok {
        None => quote_spanned!(here=> __resilience::Ok(_) => __resilience::None),
        Some(when_ok) => {
            let at = value::mixed_span_of(when_ok);
            let judged = quote_spanned!(at=> __resilience::returned(__value, #when_ok));
            quote_spanned!(here=> __resilience::Ok(__value) => #judged)
        }
    };
    quote_spanned! {here=>
        let __verdict = match #judge {
            #returned,
            __resilience::Err(__error) => {
                __resilience::noted(&__RESILIENCE_POINT, #attempt, &[#((#names, &(#values))),*], #class)
            }
        };
    }
}

/// Contradictions between values that only the compiler knows: `const _` items, judged by `cargo check`.
fn checks(layers: &[Layer]) -> TokenStream {
    let mut checks = TokenStream::new();
    let mut total: Option<&value::Duration> = None;
    let mut below_retry = false;
    let mut windows = Vec::new();
    for layer in layers {
        match &layer.policy {
            Policy::Timeout(timeout) => {
                let Some(own) = &timeout.limit else { continue };
                let (limit, span) = (&own.tokens, own.span);
                if let Some(total) = total {
                    let total = &total.tokens;
                    checks.extend(
                        quote_spanned!(span=> const _: () = __resilience::check_attempt(#total, #limit);),
                    );
                }
                for window in &windows {
                    checks.extend(
                        quote_spanned!(span=> const _: () = __resilience::check_window(#window, #limit);),
                    );
                }
                // The innermost one above the retry: the others are longer, or are reported.
                if !below_retry {
                    total = Some(own);
                }
            }
            Policy::WithRetry(retry) => {
                below_retry = true;
                if let Some(total) = total.filter(|_| !retry.is_given()) {
                    let (limit, span) = (&total.tokens, total.span);
                    checks.extend(
                        quote_spanned!(span=> const _: () = __resilience::check_waits(&__RESILIENCE_POLICY, #limit);),
                    );
                }
            }
            Policy::CircuitBreaker(breaker) => {
                windows.extend(breaker.window.iter().map(|window| &window.tokens));
            }
            _ => {}
        }
    }
    checks
}
