//! The facts that the layers of one function may ask about it.

use crate::function::item::{Item, MutableBinding};
use crate::options::FunctionOptions;
use crate::value::{self, Call};
use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::ext::IdentExt;
use syn::{Attribute, Lifetime};

/// The place of one layer in the expansion.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, which one layer or another asks for"
)]
pub(crate) struct Position {
    /// The attribute's name, spanned over the whole attribute.
    pub(crate) attr: Ident,
    /// The name of the layer's `static`.
    pub(crate) site: Ident,
    /// The number of layers above.
    pub(crate) above: usize,
    /// Whether it calls the body directly.
    pub(crate) is_innermost: bool,
    /// Whether the call itself asks for the verdict, above all layers.
    pub(crate) is_counted: bool,
    /// Whether the layer itself asks for it, at its end.
    pub(crate) ends_call: bool,
    /// Whether the layer reads the settings with which the call began.
    pub(crate) is_pinned: bool,
}

impl Position {
    /// Returns whether nothing above the layer asks for its verdict.
    pub(crate) fn is_outermost(&self) -> bool {
        self.above == 0 && !self.is_counted
    }

    /// Returns the label of the layer's block, named after its `static`.
    pub(crate) fn label(&self) -> Lifetime {
        let name = self.site.to_string().to_lowercase();
        Lifetime::new(&format!("'{name}"), Span::mixed_site())
    }

    /// Returns a loop around `body`. The compiler shows it at the attribute, in complaints about what the body moves.
    pub(crate) fn looped(&self, body: TokenStream) -> TokenStream {
        let at = self.attr.span();
        let mut block = Group::new(Delimiter::Brace, body);
        block.set_span(at);
        quote_spanned!(at=> loop #block)
    }

    /// Returns the local in which the layer holds the resource that it releases at the end.
    pub(crate) fn held(&self) -> Ident {
        Ident::new(&format!("__held{}", self.site.to_string().to_lowercase()), Span::mixed_site())
    }

    /// Returns `__outcome`, or `(__outcome, __verdict)` where something above needs the verdict.
    pub(crate) fn bound(&self) -> TokenStream {
        let outcome = quote_spanned!(Span::mixed_site()=> __outcome);
        if self.is_outermost() || self.ends_call {
            outcome
        } else {
            quote_spanned!(Span::mixed_site()=> (#outcome, __verdict))
        }
    }

    /// Returns what the layer needs of the layers below, like [`bound`](Self::bound).
    pub(crate) fn needed(&self) -> TokenStream {
        let here = Span::mixed_site();
        if self.ends_call { quote_spanned!(here=> (__outcome, __verdict)) } else { self.bound() }
    }

    /// Returns the value at the end of the layer: that for [`bound`](Self::bound).
    pub(crate) fn ended(&self) -> TokenStream {
        let here = Span::mixed_site();
        self.given(&quote_spanned!(here=> __outcome), &quote_spanned!(here=> __verdict))
    }

    /// Returns the condition, besides the layer's own, under which a success ends the call before it is judged, and the
    /// value at that end.
    pub(crate) fn passed(&self) -> (Option<TokenStream>, TokenStream) {
        let here = Span::mixed_site();
        let outcome = quote_spanned!(here=> __outcome);
        if self.ends_call {
            return (Some(quote_spanned!(here=> && (&mut __call).succeeded())), outcome);
        }
        (None, self.given(&outcome, &quote_spanned!(here=> __rt::None)))
    }

    /// Returns the value like [`ended`](Self::ended), of another outcome.
    pub(crate) fn given(&self, outcome: &TokenStream, verdict: &TokenStream) -> TokenStream {
        if self.is_outermost() {
            outcome.clone()
        } else if self.ends_call {
            quote_spanned!(Span::mixed_site()=> { (&mut __call).ended(&#verdict); #outcome })
        } else {
            quote!((#outcome, #verdict))
        }
    }
}

/// The facts that every layer of one function needs.
pub(crate) struct Context<'a> {
    pub(crate) is_async: bool,
    /// The return type of the function, with `_` in place of types that cannot be written out.
    pub(crate) ty: TokenStream,
    /// Whether the type has a part that cannot be written out.
    pub(crate) has_impl_trait: bool,
    pub(crate) options: &'a FunctionOptions,
    pub(crate) cloned: Vec<Cloned>,
    /// The retry in the stack, an expression, and how many layers are above it.
    pub(crate) retry: Option<(TokenStream, usize)>,
    /// The key of the layer that keeps state for each.
    pub(crate) key: Option<&'a TokenStream>,
    /// The argument that a layer varies, and how many layers are above that one.
    pub(crate) varied: Option<(Ident, usize)>,
    /// The budget that pays for retries, an expression of an `Option`.
    pub(crate) budget: Option<TokenStream>,
    /// The local that holds the budget of the running attempt, where the body may call functions with the same one.
    pub(crate) share: Option<Ident>,
    /// Whether a layer uses the arguments after the body has run.
    pub(crate) keeps_arguments: bool,
    /// The number of layers above the highest one that answers with a call or a value.
    pub(crate) fallback: Option<usize>,
    /// The number of layers above the one that moves the layers below it to another thread.
    pub(crate) thread: Option<usize>,
    /// The place of errors about the outcome's type.
    pub(crate) return_at: Span,
    /// The `static` of the layer that decides about the final failure.
    pub(crate) handler: Option<Ident>,
}

impl Context<'_> {
    /// Returns the value at the end of the layer at `position`, which has refused the call with `__rejected`.
    pub(crate) fn refused(&self, position: &Position) -> TokenStream {
        if !position.ends_call {
            return self.made_of_rejected(position, !position.is_outermost());
        }
        let made = self.made_of_rejected(position, false);
        quote_spanned!(Span::mixed_site()=> { let __outcome = #made; (&mut __call).rejected(); __outcome })
    }

    /// Returns the value like [`refused`](Self::refused), for a layer that has ended the call: the call may have failed in
    /// the service.
    pub(crate) fn cut(&self, position: &Position) -> TokenStream {
        if !position.ends_call {
            return self.refused(position);
        }
        let (made, ended) = (self.made_of_rejected(position, true), position.ended());
        quote_spanned!(Span::mixed_site()=> { let (__outcome, __verdict) = #made; #ended })
    }

    /// Returns the outcome made of `__rejected`, beside its class if that `is_classified`; errors point at the attribute
    /// at `position`.
    fn made_of_rejected(&self, position: &Position, is_classified: bool) -> TokenStream {
        let at = Span::mixed_site().located_at(position.attr.span());
        let rejected = Ident::new("__rejected", at);
        let with_class = if is_classified { "_with_class" } else { "" };
        match &self.options.rejected {
            None => {
                // The call is at the return type, where the compiler reports once that it is no outcome; only that the
                // rejection is no error of the function is at the attribute.
                let returned = Span::mixed_site().located_at(self.return_at);
                let call = Ident::new(&format!("refused{with_class}"), returned);
                quote_spanned!(returned=> __rt::#call(#rejected))
            }
            Some(make) => {
                let at = value::mixed_span_of(make);
                let call = Ident::new(&format!("refused_by{with_class}"), at);
                quote_spanned!(at=> __rt::#call(#rejected, #make))
            }
        }
    }

    /// Returns whether `__outcome` is a success, as code; that the type is no outcome is reported at the return type.
    pub(crate) fn succeeded(&self) -> TokenStream {
        quote_spanned!(Span::mixed_site().located_at(self.return_at)=> __rt::Outcome::is_success(&__outcome))
    }

    /// Returns whether a success may end the layer at `position` before it is judged. A call that is timed never does.
    pub(crate) const fn may_pass(&self, position: &Position) -> bool {
        self.options.when_ok.is_none() && !(position.ends_call && self.options.timed)
    }

    /// Returns the statement before the outcome is judged, which ends the layer at `position` if a success needs no more
    /// of it than `asked`, a condition, and `then`.
    pub(crate) fn passed_by(
        &self,
        position: &Position,
        asked: &TokenStream,
        then: &TokenStream,
    ) -> Option<TokenStream> {
        if !self.may_pass(position) {
            return None;
        }
        let (label, (counted, last)) = (position.label(), position.passed());
        let succeeded = self.succeeded();
        Some(quote_spanned! {Span::mixed_site()=>
            if #succeeded #counted #asked {
                #then
                break #label #last;
            }
        })
    }

    /// Returns the statement like [`passed_by`](Self::passed_by), for a layer that does not look at the outcome: it ends a
    /// call that is counted.
    pub(crate) fn passed_counted(&self, position: &Position) -> Option<TokenStream> {
        let nothing = TokenStream::new();
        if self.is_async && position.ends_call { self.passed_by(position, &nothing, &nothing) } else { None }
    }

    /// Returns whether the attribute makes the error of the function from a rejection.
    pub(crate) const fn makes_rejected(&self) -> bool {
        self.options.rejected.is_some()
    }

    /// Returns the return type of the function, if it can be written out.
    pub(crate) fn return_type(&self) -> Option<&TokenStream> {
        (!self.has_impl_trait).then_some(&self.ty)
    }

    /// Returns the number of the attempt that the layer at `position` is part of, from 1.
    pub(crate) fn attempt(&self, position: &Position) -> TokenStream {
        Self::number(self.is_retried(position))
    }

    /// Returns the number of the running attempt of a layer that a retry repeats, or not.
    pub(crate) fn number(is_retried: bool) -> TokenStream {
        let retry = retry_local();
        if is_retried { quote!((&#retry).attempt()) } else { quote!(1) }
    }

    /// Returns whether the layer at `position` is one of a function whose durations are measured.
    pub(crate) const fn is_timed(&self, position: &Position) -> bool {
        position.is_counted && self.options.timed
    }

    /// Returns `enter`, the answer of a policy that admits calls, with its wait measured if the function is timed.
    pub(crate) fn admitted(&self, position: &Position, by: &str, enter: TokenStream) -> TokenStream {
        if !self.is_timed(position) {
            return enter;
        }
        let (here, by) = (Span::mixed_site(), Ident::new(by, Span::mixed_site()));
        quote_spanned!(here=> __rt::admitting(&__POINT, __rt::Admission::#by).ended(#enter))
    }

    /// Returns whether the layer at `position` is below the retry.
    pub(crate) fn is_retried(&self, position: &Position) -> bool {
        self.retry.as_ref().is_some_and(|(_, at)| position.above > *at)
    }

    /// Returns the argument whose value is part of the keys of the layer at `position`, because a layer above varies
    /// it.
    pub(crate) fn varied(&self, position: &Position) -> Option<&Ident> {
        self.varied.as_ref().filter(|(_, at)| position.above > *at).map(|(argument, _)| argument)
    }

    /// Returns the code before the layer at `position` moves the layers below it to another thread: the facts about the
    /// retry above.
    pub(crate) fn retry_elsewhere(&self, position: &Position) -> Option<TokenStream> {
        let retry = retry_local();
        self.is_retried(position).then(|| quote!(let #retry = (&#retry).elsewhere();))
    }

    /// Returns whether the layers below that at `position` may be moved to another thread.
    pub(crate) fn has_thread_below(&self, position: &Position) -> bool {
        self.thread.is_some_and(|at| at > position.above)
    }

    fn lent_name(name: &Ident) -> Ident {
        Ident::new(&format!("__lent_{}", name.unraw()), Span::mixed_site())
    }

    /// Returns whether arguments named in `clone(..)` are moved by the last attempt.
    pub(crate) fn clones_arguments(&self) -> bool {
        self.retry.is_some() && !self.keeps_arguments
    }

    /// Returns the code before the first attempt: it takes the arguments that each attempt gets a clone of.
    pub(crate) fn clone_cells(&self) -> TokenStream {
        if !self.clones_arguments() {
            return TokenStream::new();
        }
        let clone_cells = self.cloned.iter().map(|Cloned { name, cfgs }| {
            let kept = Self::lent_name(name);
            let new =
                quote_spanned!(Span::mixed_site().located_at(name.span())=> __rt::ClonedPerAttempt::new);
            quote!(#(#cfgs)* let mut #kept = #new(#name);)
        });
        quote!(#(#clone_cells)*)
    }

    /// Returns the code that clones the arguments that are `wanted` later, by the fallback, before they are moved.
    pub(crate) fn copies(&self, wanted: impl Fn(&Ident) -> bool) -> TokenStream {
        let names = self.cloned.iter().filter(|cloned| self.keeps_arguments && wanted(&cloned.name));
        let shadows = shadows();
        let clones = names.map(|Cloned { name, cfgs }| {
            let clone = cloned(name);
            quote!(#(#cfgs)* #shadows let #name = #clone;)
        });
        clones.collect()
    }

    /// Returns `call` in the layer at `position`, with clones of the arguments that are used after it: those of which
    /// `later` says so, and all where a fallback above may answer.
    pub(crate) fn call(
        &self,
        call: &Call,
        position: &Position,
        later: impl Fn(&Ident) -> bool,
    ) -> TokenStream {
        let Call { tokens, takes_all, .. } = call;
        let is_answered_above = self.fallback.is_some_and(|at| at < position.above);
        let copies = self.copies(|name| *takes_all && (is_answered_above || later(name)));
        if copies.is_empty() { tokens.clone() } else { quote!({ #copies #tokens }) }
    }

    /// Returns the code before an attempt of several moves its arguments to another thread: an argument that would be
    /// gone in the next attempt, and is not `renewed`, is reported by name.
    pub(crate) fn taken_each_time(&self, item: &Item, renewed: &[Ident]) -> TokenStream {
        let is_kept = |name: &Ident| self.options.clone.contains(name) || renewed.contains(name);
        let names = item.plain_names().into_iter().filter(|name| !is_kept(name));
        let checks = names.map(|name| {
            let at = Span::mixed_site().located_at(name.span());
            quote_spanned!(at=> __rt::CopyPerAttempt::taken(&#name);)
        });
        checks.collect()
    }

    /// Returns the code at the start of an attempt: the arguments that are reset.
    pub(crate) fn reset(&self, mutable: &[MutableBinding]) -> TokenStream {
        let shadows = shadows();
        let clones = self.cloned.iter().map(|Cloned { name, cfgs }| {
            let mutability = mutable.iter().any(|binding| binding.name == *name).then(|| quote!(mut));
            match &self.retry {
                Some((retry, _)) if self.clones_arguments() => {
                    let (mut kept, local) = (Self::lent_name(name), retry_local());
                    let at = Span::mixed_site().located_at(name.span());
                    kept.set_span(at);
                    let next = quote_spanned!(at=> __rt::ClonedPerAttempt::next(&mut #kept, #retry.is_last(&#local)));
                    quote!(#(#cfgs)* #shadows let #mutability #name = #next;)
                }
                _ => {
                    let clone = cloned(name);
                    quote!(#(#cfgs)* #shadows let #mutability #name = #clone;)
                }
            }
        });
        let starts = mutable.iter().filter(|binding| !self.options.clone.contains(&binding.name)).map(|binding| {
            let MutableBinding { name, cfgs, .. } = binding;
            if binding.reborrow {
                quote!(#(#cfgs)* #shadows let mut #name = &mut *#name;)
            } else {
                let start = quote_spanned!(Span::mixed_site().located_at(name.span())=> __rt::ResetPerAttempt::start(&#name));
                quote!(#(#cfgs)* #shadows let mut #name = #start;)
            }
        });
        quote!(#(#clones)* #(#starts)*)
    }
}

/// An argument that `clone(..)` names.
pub(crate) struct Cloned {
    pub(crate) name: Ident,
    /// The `cfg` conditions that it is under.
    pub(crate) cfgs: Vec<Attribute>,
}

/// Returns a clone of the argument `name`; errors point at the name.
fn cloned(name: &Ident) -> TokenStream {
    let at = Span::mixed_site().located_at(name.span());
    quote_spanned!(at=> ::core::clone::Clone::clone(&#name))
}

/// Returns the lints for a new binding of an argument: it has the user's name, and so the user's lints about shadowing.
pub(crate) fn shadows() -> TokenStream {
    quote!(#[allow(clippy::shadow_reuse, clippy::shadow_same, clippy::shadow_unrelated)])
}

/// Returns the local that holds the settings with which the call began.
pub(crate) fn pinned_local() -> Ident {
    Ident::new("__pinned", Span::mixed_site())
}

/// Returns the local that holds the running retry.
pub(crate) fn retry_local() -> Ident {
    Ident::new("__retry", Span::mixed_site())
}

/// Returns the local that holds the budget of the running attempt.
pub(crate) fn share_local() -> Ident {
    Ident::new("__share", Span::mixed_site())
}
