//! The code around the body: the point, one `static` per layer, the checks, and the layers themselves.

use crate::context::{Cloned, Context, Position, pinned_local, retry_local, share_local};
use crate::function::item::{self, Item};
use crate::layer::{Stack, Stacked, Traits};
use crate::options::FunctionOptions;
use crate::value;
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ItemStatic;
use syn::ext::IdentExt;

/// The code that the features of the crate add to every function.
#[derive(Clone, Copy)]
pub(crate) struct Build {
    /// Whether faults are injected.
    pub(crate) has_faults: bool,
    /// Whether calls are counted.
    pub(crate) counts: bool,
    /// Whether a call keeps the settings with which it began: a configuration may change them between two calls.
    pub(crate) pins: bool,
}

/// Returns the function with its policies.
pub(crate) fn function(
    layers: &[Stacked],
    options: &FunctionOptions,
    mut item: Item,
    build: Build,
) -> TokenStream {
    let runtime = options.runtime();
    let positions = positions(layers, build);
    let cx = context(layers, &positions, options, &item);
    let mutable = item.take_mutable_bindings(|name| {
        let uses = |stacked: &Stacked| stacked.layer.uses(name);
        cx.retry.is_some() || options.clone.contains(name) || layers.iter().any(uses)
    });
    let (inner_attrs, body) = item.body_parts();
    let stack = stack(layers, &positions, &cx, &item, body, &cx.reset(&mutable));
    let seen = |at| Stack { layers, at, item: &item };
    let numbered = || layers.iter().zip(&positions).enumerate();
    let statics = numbered().map(|(at, (stacked, position))| stacked.layer.site(position, seen(at)));
    let comparisons = numbered().map(|(at, (stacked, _))| stacked.layer.comparisons(seen(at)));
    let point = point(&item, &cx, &positions, build.counts && options.timed);
    let lifted = inner_attrs.into_iter().map(|mut attr| {
        attr.style = syn::AttrStyle::Outer;
        attr
    });
    let Item { attrs, vis, sig, .. } = &item;
    let reads_settings = positions.iter().any(|position| position.is_pinned);
    let stack = if reads_settings { pinned(&stack) } else { stack };
    let is_ended = positions.first().is_some_and(|position| position.ends_call);
    let counted = |stack| counted(&stack, options.timed, is_ended);
    let outcome = item.around(returned(&if build.counts { counted(stack) } else { stack }));
    let body = quote! {
        use #runtime::__private as __rt;
        #point
        #(#statics)*
        #(#comparisons)*
        #outcome
    };
    // In the user's braces: rustc omits some lints for a function that begins or ends in a macro.
    let block = item.block(body);
    quote!(#(#attrs)* #(#lifted)* #vis #sig #block)
}

/// Returns the facts that the layers may ask about the function.
fn context<'a>(
    layers: &'a [Stacked],
    positions: &[Position],
    options: &'a FunctionOptions,
    item: &Item,
) -> Context<'a> {
    let (ty, has_impl_trait) = item.return_type();
    let find = |is_such: fn(&Traits<'_>) -> bool| {
        layers.iter().zip(positions).find(move |(stacked, _)| is_such(&stacked.traits()))
    };
    let cloned = options.clone.iter().flat_map(|name| {
        let conditions = item.conditions(name).into_iter();
        conditions.map(|cfgs| Cloned { name: name.clone(), cfgs })
    });
    let key = layers.iter().find_map(|stacked| stacked.traits().key);
    let varied = layers.iter().zip(positions).find_map(|(stacked, position)| {
        stacked.traits().varies.map(|argument| (argument.clone(), position.above))
    });
    let is_varied = |position: &Position| varied.as_ref().is_some_and(|(_, at)| position.above > *at);
    let budget = |(stacked, position): (&Stacked, &Position)| {
        stacked.layer.paid_by(position, key.is_some() || is_varied(position))
    };
    Context {
        is_async: item.is_async(),
        ty,
        has_impl_trait,
        return_at: item.return_span(),
        handler: find(|traits| traits.handles_failures).map(|(_, position)| position.site.clone()),
        options,
        cloned: cloned.collect(),
        retry: find(|traits| traits.loops)
            .map(|(stacked, position)| (stacked.layer.handle(position), position.above)),
        key,
        budget: layers.iter().zip(positions).find_map(budget),
        share: find(|traits| traits.shares_budget).map(|_| share_local()),
        varied: varied.clone(),
        keeps_arguments: find(|traits| traits.keeps_arguments).is_some(),
        fallback: find(|traits| traits.hides_failures).map(|(_, position)| position.above),
        thread: layers.iter().rposition(|stacked| stacked.traits().moves_thread),
    }
}

/// Returns `__RETRY`, `__TIMEOUT`, `__TIMEOUT_2`, ..
fn positions(layers: &[Stacked], build: Build) -> Vec<Position> {
    let mut positions: Vec<Position> = Vec::new();
    for stacked @ Stacked { attr, definition, .. } in layers {
        let name = format_ident!("__{}", definition.word);
        let same = |other: &&Position| other.site.to_string().starts_with(&name.to_string());
        let site = match positions.iter().filter(same).count() {
            0 => name,
            n => format_ident!("{name}_{}", n + 1),
        };
        let is_pinned = build.pins && stacked.traits().reads_settings;
        positions.push(Position {
            attr: attr.clone(),
            site,
            above: positions.len(),
            is_innermost: positions.len() + 1 == layers.len(),
            is_counted: build.counts,
            ends_call: build.counts && positions.is_empty() && stacked.traits().ends_call,
            is_pinned,
        });
    }
    positions
}

/// Wraps the body in the layers: statements that bind `__outcome`. The `reset_arguments` are run where an
/// attempt begins.
fn stack(
    layers: &[Stacked],
    positions: &[Position],
    cx: &Context<'_>,
    item: &Item,
    body: TokenStream,
    reset_arguments: &TokenStream,
) -> TokenStream {
    let pairs = || layers.iter().zip(positions);
    // An attempt takes its lent arguments before they move to another thread.
    let takes = |(stacked, position): &(&Stacked, &Position)| {
        stacked.traits().moves_thread && cx.clones_arguments() && cx.is_retried(position)
    };
    let moved = pairs().find(takes).map(|(_, position)| position.above);
    let nothing = TokenStream::new();
    let at_body = if moved.is_none() { reset_arguments } else { &nothing };
    let (attempt, is_wrapped) = attempt(item, cx, body, at_body, pairs().next_back());
    let rest = pairs().rev().skip(usize::from(is_wrapped));
    rest.fold(attempt, |inner, (stacked, position)| {
        if !stacked.traits().moves_thread {
            return stacked.layer.wrap(cx, position, &inner);
        }
        // The resources of the layers above stay held until the body has ended on its thread, also when it is
        // abandoned.
        let held = || {
            pairs()
                .take(position.above)
                .filter(|(above, _)| above.traits().holds)
                .map(|(_, above)| above.held())
        };
        let kept = held().map(|held| quote_spanned!(Span::mixed_site()=> __rt::keep(&#held);));
        let wrapped = stacked.layer.wrap(cx, position, &quote!(#(#kept)* #inner));
        let mut before = TokenStream::new();
        let above = || pairs().take(position.above).map(|(above, _)| above.traits());
        if cx.is_retried(position) {
            before.extend(cx.taken_each_time(item, &[]));
        } else if above().any(|traits| traits.calls_again) {
            let renewed: Vec<_> = above().filter_map(|traits| traits.renews.cloned()).collect();
            before.extend(cx.taken_each_time(item, &renewed));
        }
        before.extend(held().map(
            |held| quote_spanned!(Span::mixed_site()=> let #held = ::core::clone::Clone::clone(&#held);),
        ));
        before.extend(if moved == Some(position.above) {
            reset_arguments.clone()
        } else {
            cx.copies(|_| true)
        });
        scoped(&before, wrapped, &position.bound())
    })
}

/// Returns the point's `static`.
fn point(item: &Item, cx: &Context<'_>, positions: &[Position], is_timed: bool) -> TokenStream {
    let top = positions.first().map_or_else(Span::call_site, |position| position.attr.span());
    let sites = positions.iter().map(|position| &position.site);
    let function = item.sig.ident.unraw().to_string();
    let name = cx.options.name.iter();
    let timed = is_timed.then(|| quote!(.timed()));
    // Spanned at the topmost attribute, which is the point's place.
    let new = quote_spanned!(top=> __rt::PointSite::new);
    let new = quote_spanned!(top=> #new(::core::module_path!(), #function, &[#(&#sites),*]));
    quote! {
        #[__rt::linkme::distributed_slice(__rt::POINTS_0_1)]
        #[linkme(crate = __rt::linkme)]
        static __POINT: __rt::PointSite = #new #(.named(#name))* #timed;
    }
}

/// Wraps `stack`, which binds `__outcome` and `__verdict`, in a call that is counted; or ends that call itself.
fn counted(stack: &TokenStream, is_timed: bool, is_ended: bool) -> TokenStream {
    let here = Span::mixed_site();
    let begin = if is_timed { quote!(timed_call) } else { quote!(call) };
    let end = (!is_ended).then(|| quote_spanned!(here=> (&mut __call).ended(&__verdict);));
    quote_spanned! {here=>
        let mut __call = (&__POINT).#begin();
        #stack
        #end
    }
}

/// Wraps `stack` in a call that keeps the settings with which it begins.
fn pinned(stack: &TokenStream) -> TokenStream {
    let settings = pinned_local();
    quote_spanned! {Span::mixed_site()=>
        let #settings = (&__POINT).pinned();
        #stack
    }
}

/// Returns `stack`, which binds `__outcome`, with a `return` written out, for crates that deny implicit ones.
fn returned(stack: &TokenStream) -> TokenStream {
    quote_spanned! {Span::mixed_site()=>
        #stack
        #[allow(unreachable_code, clippy::needless_return)]
        return __outcome;
    }
}

/// Returns the entry of a table without the attribute that only `linkme` knows.
pub(crate) fn unlisted(entry: TokenStream) -> TokenStream {
    let mut entry: ItemStatic = match syn::parse2(entry) {
        Ok(entry) => entry,
        Err(error) => return error.into_compile_error(),
    };
    entry.attrs.retain(|attr| !attr.path().is_ident("linkme"));
    quote!(#[allow(dead_code, reason = "`linkme` would use it")] #entry)
}

/// Returns one attempt: statements that bind the body's `__outcome` and its `__verdict`, and whether the `innermost`
/// layer is in them. A layer that can wraps the future of an async body itself: a future around a future costs space.
fn attempt(
    item: &Item,
    cx: &Context<'_>,
    body: TokenStream,
    reset_arguments: &TokenStream,
    innermost: Option<(&Stacked, &Position)>,
) -> (TokenStream, bool) {
    let ty = &cx.ty;
    let passed = innermost.and_then(|(stacked, position)| stacked.layer.passed(cx, position));
    let judged = judged(cx);
    let here = Span::mixed_site();
    let judgement = quote_spanned!(here=> (__outcome, __verdict));
    if !cx.is_async {
        let body = item.block(body);
        let closure = quote_spanned!(item.body_span()=> || -> #ty);
        let run = quote_spanned!(here=> let __outcome = __rt::call_once(#closure #body););
        let (run, is_wrapped) = placed(cx, innermost, run);
        let run = unless_passed(&run, passed.as_ref());
        return (scoped(reset_arguments, quote!(#run #judged), &judgement), is_wrapped);
    }
    // Never taken: it fixes the type of the block. In the body's own block, because rustc reports a nested block as
    // redundant; with a semicolon, because it would otherwise be the value of an empty body.
    let typed =
        quote_spanned!(here=> if let __rt::Some(__outcome) = __rt::None::<#ty> { return __outcome; };);
    // The lints about items after statements are for those of the user.
    let body = if item::begins_with_item(&body) { item.block(body).into_token_stream() } else { body };
    let body = item.block(quote!(#typed #body));
    let future = quote_spanned!(here.located_at(item.body_span())=> async #body);
    let future = match &cx.share {
        Some(share) => quote_spanned!(here=> __rt::sharing(&#share, #future)),
        None => future,
    };
    let attempt = Context::number(true);
    let marked =
        cx.retry.as_ref().map(|_| quote_spanned!(here=> __rt::Repeated::new(&__POINT, #attempt, #future)));
    let unless_over = unless_passed(&TokenStream::new(), passed.as_ref());
    let wrapped = innermost.and_then(|(stacked, position)| {
        let (bound, ended) = (position.bound(), position.ended());
        let done = quote_spanned!(here=> #unless_over #judged #ended);
        stacked
            .layer
            .wrap_future(cx, position, marked.as_ref().unwrap_or(&future), &done)
            .map(|run| (run, bound))
    });
    if let Some((run, bound)) = wrapped {
        return (scoped(reset_arguments, quote_spanned!(here=> let #bound = #run;), &bound), true);
    }
    if let Some(run) =
        innermost.and_then(|(stacked, position)| stacked.layer.await_attempt(cx, position, &future))
    {
        let call = retry_local();
        let bound = quote_spanned!(here=> (#call, __outcome, __verdict));
        return (scoped(reset_arguments, quote!(#run #unless_over #judged), &bound), false);
    }
    let future = marked.unwrap_or(future);
    let run = quote_spanned!(here=> let __outcome = #future.await;);
    let (run, is_wrapped) = placed(cx, innermost, run);
    let run = unless_passed(&run, passed.as_ref());
    (scoped(reset_arguments, quote!(#run #judged), &judgement), is_wrapped)
}

/// Returns `run`, which binds the body's `__outcome`, and the statement that ends the innermost layer if the outcome has
/// `passed` it; else another binding follows. What judges the outcome borrows that one, so that the compiler need not have
/// the first one in memory. The first one ends there: a future that waits later, in a fallback, does not hold it, too.
fn unless_passed(run: &TokenStream, passed: Option<&TokenStream>) -> TokenStream {
    match passed {
        None => run.clone(),
        Some(passed) => {
            quote_spanned!(Span::mixed_site()=> let __outcome = { #run #passed __outcome };)
        }
    }
}

/// Returns `run`, which binds the body's `__outcome`, with the innermost layer around it if that takes the body's
/// place.
fn placed(
    cx: &Context<'_>,
    innermost: Option<(&Stacked, &Position)>,
    run: TokenStream,
) -> (TokenStream, bool) {
    let wrapped = innermost.and_then(|(stacked, position)| stacked.layer.wrap_run(cx, position, &run));
    let is_wrapped = wrapped.is_some();
    (wrapped.unwrap_or(run), is_wrapped)
}

/// Wraps `attempt`, which binds `bound`, in a block of its own with the arguments that are reset: code after it
/// refers to the function's own.
fn scoped(reset_arguments: &TokenStream, attempt: TokenStream, bound: &TokenStream) -> TokenStream {
    if reset_arguments.is_empty() {
        return attempt;
    }
    quote_spanned!(Span::mixed_site()=> let #bound = { #reset_arguments #attempt #bound };)
}

/// Returns the code of the `__verdict` on `__outcome`.
fn judged(cx: &Context<'_>) -> TokenStream {
    let here = Span::mixed_site();
    let at = here.located_at(cx.return_at);
    let attempt = Context::number(cx.retry.is_some());
    let FunctionOptions { classify, context, when_ok, .. } = cx.options;
    if classify.is_none() && context.is_empty() && when_ok.is_none() {
        let probe = quote_spanned!(at=> __rt::Outcome::probe(&__outcome));
        return quote_spanned!(here=> let __verdict = #probe.probed_verdict(&__POINT, #attempt););
    }
    let class = match classify {
        None => quote_spanned!(here=> __rt::Probe::new(__error).probed_class_at(&__POINT)),
        Some(classify) => {
            quote_spanned!(value::mixed_span_of(classify)=> __rt::asked(__error, #classify))
        }
    };
    let (names, values): (Vec<_>, Vec<_>) = context.iter().cloned().unzip();
    let judge = quote_spanned!(at=> __rt::Outcome::judge(&__outcome));
    let returned = match when_ok {
        None => quote_spanned!(here=> __rt::Ok(_) => __rt::None),
        Some(when_ok) => {
            let at = value::mixed_span_of(when_ok);
            let judged = quote_spanned!(at=> __rt::returned(__value, #when_ok));
            quote_spanned!(here=> __rt::Ok(__value) => #judged)
        }
    };
    quote_spanned! {here=>
        let __verdict = match #judge {
            #returned,
            __rt::Err(__error) => {
                __rt::noted(&__POINT, #attempt, &[#((#names, &(#values))),*], #class)
            }
        };
    }
}
