//! Stacks that contradict themselves, each with the sentence that says what would happen.

use crate::attr::{Layer, Policy};
use crate::diag::Errors;
use crate::item::Item;
use crate::shared::Shared;
use syn::Error;

/// Reports every contradiction between the layers, and between them and the function.
pub(crate) fn check(layers: &[Layer], shared: &Shared, item: &Item, errors: &Errors) {
    for (at, layer) in layers.iter().enumerate() {
        let above = layers.iter().take(at);
        for other in above {
            if let Some(words) = contradiction(other, layer) {
                let mut error = Error::new_spanned(&layer.attr, words.below);
                error.combine(Error::new_spanned(&other.attr, words.above));
                errors.push(error);
            }
        }
        alone(layer, layers, errors);
    }
    if layers.iter().any(Layer::loops) {
        looping(item, errors);
    }
    if let [first, ..] = shared.clone.as_slice()
        && !layers.iter().any(|layer| matches!(layer.policy, Policy::WithRetry(_) | Policy::WithFallback(_)))
    {
        errors.at(first, "nothing in this stack uses an argument twice: leave `clone` out");
    }
}

struct Words {
    above: &'static str,
    below: &'static str,
}

fn contradiction(above: &Layer, below: &Layer) -> Option<Words> {
    use Policy::{CircuitBreaker, WithFallback, WithRetry};
    match (&above.policy, &below.policy) {
        (WithRetry(_), WithRetry(_)) => Some(Words {
            above: "the first `with_retry` is here",
            below: "two `with_retry` multiply their attempts: keep one; `on(category, ..)` gives one category its own rule",
        }),
        (WithRetry(_), WithFallback(_)) => Some(Words {
            above: "this `with_retry` would see every call succeed and never retry",
            below: "`with_fallback` would hide every failure from `with_retry`: move this line to the top",
        }),
        (CircuitBreaker(_), WithFallback(_)) => Some(Words {
            above: "this `circuit_breaker` would see every call succeed and never open",
            below: "`with_fallback` would hide every failure from `circuit_breaker`: move this line to the top",
        }),
        (WithFallback(_), WithFallback(inner)) if !inner.is_limited() => Some(Words {
            above: "this `with_fallback` would never be asked",
            below: "the lower `with_fallback` answers every error: list both functions in one, or limit this one with `on(..)`",
        }),
        _ => None,
    }
}

fn alone(layer: &Layer, layers: &[Layer], errors: &Errors) {
    match &layer.policy {
        Policy::Timeout(timeout) if timeout.grows => {
            let mut above = layers.iter().take_while(|other| !std::ptr::eq(*other, layer));
            if !above.any(Layer::loops) {
                errors.at(
                    &layer.attr,
                    "`growth` lengthens the limit on each retry: put this line below `with_retry`, or leave `growth` out",
                );
            }
        }
        Policy::WithRetry(retry) if retry.budget_per_key => {
            let keyed = |layer: &Layer| matches!(&layer.policy, Policy::CircuitBreaker(breaker) if breaker.key.is_some());
            if !layers.iter().any(keyed) {
                errors.at(
                    &layer.attr,
                    "`budget = per_key` takes its key from a `circuit_breaker(key = ..)` of the same stack: add one",
                );
            }
        }
        _ => {}
    }
}

/// What a body that runs more than once cannot have.
fn looping(item: &Item, errors: &Errors) {
    if let Some(mutability) = item.mutable_receiver() {
        errors.at(
            mutability,
            "a second attempt would see what the first one did to `self`: take `self` and bind `let mut this = self` \
             for a `Copy` type, or `&mut self` to share it on purpose",
        );
    }
    if item.lends_from_mutable_self() {
        errors.here(
            item.return_span(),
            "a borrow of `&mut self` cannot be given out by a body that may run again: return an owned value, \
             or put `with_retry` on a function that does",
        );
    }
}
