//! `budget`: what pays for retries.

use super::{Checked, given_local};
use crate::context::{Context, Position, retry_local};
use crate::layer::Layer;
use crate::value::{self, Setter};
use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::Result;

const BUDGETS: &str =
    "expected `default`, `none`, `per_key`, `shared` (one for all keys), or the path of a `static` budget";

/// The budget that pays for retries, as far as the attribute says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BudgetSource {
    /// One for each key if the stack has a `key`, else one of the function.
    Default,
    /// One for each key.
    PerKey,
    /// One of the function, whatever its keys.
    Function,
    /// No budget.
    None,
    /// The budget that the settings name at run time.
    Settings,
}

impl Checked {
    /// Returns whether each key has a budget that pays, in a stack that `has_key` or not: it does where the
    /// settings name no other budget.
    pub(super) fn has_keyed_budgets(&self, has_key: bool) -> bool {
        let may = match self.budget {
            BudgetSource::Default | BudgetSource::PerKey => true,
            BudgetSource::Settings => !self.start.is_empty() || self.is_given(),
            BudgetSource::Function | BudgetSource::None => false,
        };
        has_key && may
    }

    /// Returns whether the function's own budget pays.
    pub(super) fn has_own_budget(&self, is_keyed: bool) -> bool {
        let own = match self.budget {
            BudgetSource::Default | BudgetSource::PerKey => !is_keyed,
            BudgetSource::Function => true,
            BudgetSource::Settings | BudgetSource::None => false,
        };
        own && !self.is_given()
    }

    /// Returns the retry with the settings that no configuration changes: those in the code, or of the policy that the
    /// program owns.
    pub(super) fn unchanged(&self, position: &Position) -> TokenStream {
        let (here, site, given) = (Span::mixed_site(), &position.site, given_local());
        if self.is_given() {
            quote_spanned!(here=> #given)
        } else {
            quote_spanned!(here=> (&#site).in_code())
        }
    }

    /// Returns the retry for the steps that its `static` has, too.
    pub(super) fn plain(&self, position: &Position) -> TokenStream {
        let site = &position.site;
        let is_in_code = !position.is_pinned && !self.is_given();
        if is_in_code { quote_spanned!(Span::mixed_site()=> (&#site)) } else { self.handle(position) }
    }

    /// Returns the budget that pays for retries, `keyed` if the stack has a `key`.
    pub(super) fn budget(&self, position: &Position, is_keyed: bool) -> TokenStream {
        let (here, in_force) = (Span::mixed_site(), self.unchanged(position));
        match self.budget {
            BudgetSource::None => quote_spanned!(here=> __rt::None),
            BudgetSource::Settings if is_keyed => quote_spanned!(here=> #in_force.budget_or(&__budget)),
            BudgetSource::Settings => quote_spanned!(here=> #in_force.budget()),
            _ if is_keyed => quote_spanned!(here=> __rt::Some(&*__budget)),
            _ => {
                let site = &position.site;
                quote_spanned!(here=> (&#site).own_budget())
            }
        }
    }

    /// Returns the code after an attempt whose retries `budget` pays for.
    pub(super) fn settled(
        &self,
        cx: &Context<'_>,
        position: &Position,
        budget: &TokenStream,
        is_keyed: bool,
    ) -> TokenStream {
        let (here, site, retry) = (Span::mixed_site(), self.handle(position), retry_local());
        let ruling = self.rules.ruling();
        if self.has_own_budget(is_keyed) && !self.rules.any() {
            let site = self.plain(position);
            quote_spanned!(here=> #site.settle(#retry, __verdict))
        } else {
            let share = cx.share.as_ref().map(|share| quote_spanned!(here=> &#share));
            let budget = share.as_ref().unwrap_or(budget);
            quote_spanned!(here=> #site.settle_with(#retry, __verdict, #ruling, #budget))
        }
    }
}

/// Returns the code before and after an attempt whose budget may also be that of the body's own calls.
pub(super) fn shared(cx: &Context<'_>, share: &TokenStream) -> Option<(TokenStream, TokenStream)> {
    let (here, name) = (Span::mixed_site(), cx.share.as_ref()?);
    let new = quote_spanned!(here=> let #name = #share;);
    if cx.is_async {
        return Some((new, TokenStream::new()));
    }
    let enter = quote_spanned!(here=> #new let __inside = (&#name).enter(););
    Some((enter, quote_spanned!(here=> __inside.leave();)))
}

/// Reads the value of `budget`.
pub(super) fn budget(tokens: TokenStream) -> Result<(BudgetSource, Option<Setter>)> {
    let span = value::own_span_of(&tokens);
    let of = |of| Some(Setter::new("budget_of", of));
    let own = || of(quote_spanned!(span=> __rt::BudgetOf::Own));
    Ok(match tokens.to_string().as_str() {
        "default" => (BudgetSource::Default, own()),
        "per_key" => (BudgetSource::PerKey, own()),
        "shared" => (BudgetSource::Function, own()),
        "none" => (BudgetSource::None, of(quote_spanned!(span=> __rt::BudgetOf::None))),
        _ => {
            let path = value::path_or(BUDGETS, tokens)?;
            let shared = quote_spanned!(span=> __rt::BudgetOf::Shared(&#path));
            (BudgetSource::Settings, of(shared))
        }
    })
}
