//! `throttle`: calls are refused while a service accepts too few of the attempts.

use super::{BudgetSource, Checked};
use crate::context::{Context, Position};
use crate::errors::Errors;
use crate::syntax::keys::{Reader, Value};
use crate::value;
use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

/// The throttle that calls ask: that of the budget that pays.
pub(super) struct Throttle {
    /// The factor of the function's own budgets, if it is written.
    factor: Option<TokenStream>,
}

impl Throttle {
    /// Returns a function that makes the budget of a key.
    pub(super) fn budget(&self) -> TokenStream {
        self.factor.as_ref().map_or_else(
            || quote!(__rt::Budget::new),
            |factor| quote!(|| __rt::Budget::throttle(__rt::Budget::new(), #factor)),
        )
    }

    /// Returns the call that sets it for the site.
    pub(super) fn setter(&self) -> TokenStream {
        let Some(factor) = &self.factor else { return quote!(.throttled(__rt::None)) };
        let at = Span::mixed_site().located_at(value::own_span_of(factor));
        quote_spanned!(at=> .throttled(__rt::Some(#factor)))
    }
}

/// Reads `throttle`, or `throttle = 2.0`, and its place.
pub(super) fn throttle(reader: &mut Reader<'_>) -> Option<(Throttle, Span)> {
    let at = reader.span_of("throttle")?;
    let is_word = matches!(reader.peek("throttle"), Some(Value::Word));
    if is_word {
        reader.take("throttle");
        return Some((Throttle { factor: None }, at));
    }
    let factor = reader.value("throttle", |tokens| value::factor_from_one(tokens, "throttle"))?;
    Some((Throttle { factor: Some(factor) }, at))
}

/// Reports a throttle that the budget cannot have.
pub(super) fn check_throttle(
    throttle: &Throttle,
    at: Span,
    budget: BudgetSource,
    is_shared: bool,
    errors: &Errors,
) {
    if budget == BudgetSource::None {
        errors.at_span(
            at,
            "`throttle` needs a budget, which counts the calls that the service accepts\n\
             help: leave `budget = none` out",
        );
    }
    if is_shared && let Some(factor) = &throttle.factor {
        errors.at_span(
            at,
            format!(
                "the budget in the `static` has its own factor\n\
                 help: write `throttle` alone here, and `.throttle({factor})` where the budget is made",
                factor = factor.to_string().replace("f64", "")
            ),
        );
    }
}

/// The code that a throttle adds to the retries.
#[derive(Default)]
pub(super) struct Throttled {
    /// Before the first attempt.
    pub(super) ask: TokenStream,
    /// Before and after each attempt.
    pub(super) attempt: TokenStream,
    pub(super) ended: TokenStream,
}

impl Throttled {
    /// Creates the code. A budget that is named may have a throttle, which is asked if the function can return its
    /// refusal.
    pub(super) fn new(
        checked: &Checked,
        cx: &Context<'_>,
        position: &Position,
        is_keyed: bool,
    ) -> Option<Self> {
        let here = Span::mixed_site();
        let (site, label) = (&position.site, position.label());
        let budget = checked.budget(position, is_keyed);
        let is_named = checked.budget == BudgetSource::Settings && !checked.is_given();
        let has_throttle = checked.throttle.is_some();
        let ask = match cx.return_type() {
            _ if has_throttle || is_named && cx.makes_rejected() => {
                let refused = cx.refused(position);
                let ask = if has_throttle { quote!(ask) } else { quote!(ask_named) };
                quote_spanned! {here=>
                    match (&#site).#ask(#budget) {
                        __rt::Ok(__throttled) => __throttled,
                        __rt::Err(__rejected) => break #label #refused,
                    }
                }
            }
            Some(ty) if is_named => {
                let refused = quote_spanned!(here=> __refused);
                let value =
                    position.given(&quote_spanned!(here=> #refused.0), &quote_spanned!(here=> #refused.1));
                quote_spanned! {here=>
                    match __rt::MayRefuse::<#ty>::NEW
                        .probed_ask(|| (&#site).ask_named(#budget), (&#site).unthrottled())
                    {
                        __rt::Ok(__throttled) => __throttled,
                        __rt::Err(#refused) => break #label #value,
                    }
                }
            }
            _ => return None,
        };
        Some(Self {
            ask: quote_spanned!(here=> let __throttled = #ask;),
            attempt: quote_spanned!(here=> let __attempt = (&__throttled).attempt();),
            ended: cx.share.as_ref().map_or_else(
                || quote_spanned!(here=> __attempt.ended(&__verdict);),
                |share| quote_spanned!(here=> (&#share).ended(__attempt, &__verdict);),
            ),
        })
    }
}
