//! Stacks that contradict themselves, each with the sentence that says what would happen.

use crate::attr::{Layer, Policy};
use crate::errors::Errors;
use crate::function::item::Item;
use crate::function::options::Shared;
use proc_macro2::TokenStream;
use quote::ToTokens;
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
        && !layers.iter().any(|layer| {
            matches!(layer.policy, Policy::WithRetry(_) | Policy::WithFallback(_) | Policy::WithRecovery(_))
        })
    {
        errors.at(first, "no attribute of this function uses an argument twice\nhelp: leave `clone` out");
    }
}

struct Words {
    above: &'static str,
    below: &'static str,
}

fn contradiction(above: &Layer, below: &Layer) -> Option<Words> {
    use Policy::{Checkpoint, CircuitBreaker, Job, Timeout, WithFallback, WithRecovery, WithRetry};
    match (&above.policy, &below.policy) {
        (WithRetry(_), WithRetry(_)) => Some(Words {
            above: "the first `with_retry` is here",
            below: "two `with_retry` on one function multiply their attempts\nhelp: keep one; `on(category, ..)` sets a rule for one category",
        }),
        (WithRetry(_), WithFallback(_)) => Some(Words {
            above: "this `with_retry` would see every call succeed and never retry",
            below: "`with_fallback` below `with_retry` hides every failure from it\nhelp: move this line to the top",
        }),
        (CircuitBreaker(_), WithFallback(_)) => Some(Words {
            above: "this `circuit_breaker` would see every call succeed and never open",
            below: "`with_fallback` below `circuit_breaker` hides every failure from it\nhelp: move this line to the top",
        }),
        (WithRecovery(_), WithRecovery(_)) => Some(Words {
            above: "the first `with_recovery` is here",
            below: "two `with_recovery` on one function\nhelp: write all rules in one",
        }),
        (Job(_), Job(_)) | (Checkpoint(_), Checkpoint(_)) => Some(Words {
            above: "the result is recorded here, too",
            below: "the result of one function is recorded twice\nhelp: keep one of the two",
        }),
        (Job(_), Checkpoint(_)) | (Checkpoint(_), Job(_)) => Some(Words {
            above: "the result is recorded here, too",
            below: "`job` and `checkpoint` on one function record its result twice\nhelp: keep one of the two",
        }),
        (Checkpoint(_), WithFallback(_)) => Some(Words {
            above: "this `checkpoint` would record the fallback's value and return it from then on",
            below: "`with_fallback` below `checkpoint` would have its value recorded as the result\nhelp: move this line to the top",
        }),
        (Job(_), WithFallback(_)) => Some(Words {
            above: "this `job` would be `Done` with the fallback's value",
            below: "`with_fallback` below `job` would have its value recorded as the job's result\nhelp: move this line to the top",
        }),
        (WithRecovery(_), WithFallback(_)) => Some(Words {
            above: "this `with_recovery` would see no failure",
            below: "`with_fallback` below `with_recovery` hides every failure from it\nhelp: move this line to the top",
        }),
        (WithRetry(_) | CircuitBreaker(_), Checkpoint(_)) => Some(Words {
            above: "this line would count a recorded value as a call that succeeded",
            below: "`checkpoint` is below an attribute that judges attempts\nhelp: move this line up",
        }),
        (WithRetry(_) | CircuitBreaker(_), Job(_)) => Some(Words {
            above: "this line would run the whole job again, or count it as one call",
            below: "`job` is below an attribute that judges attempts\nhelp: move this line up",
        }),
        (WithRetry(_) | CircuitBreaker(_) | Timeout(_) | Checkpoint(_) | Job(_), WithRecovery(_)) => {
            Some(Words {
                above: "this line would see the result of `with_recovery` instead of the failure",
                below: "`with_recovery` handles the final failure, so that only `with_fallback` may be above it\nhelp: move this line up",
            })
        }
        (Checkpoint(_) | Job(_), Timeout(timeout)) if timeout.thread => Some(Words {
            above: "the lease of this line would end while the abandoned body still runs",
            below: "a body abandoned on its thread may still act after another process has taken over the step\n\
                    help: leave `thread` out, and use the time limit of what the body calls",
        }),
        (WithFallback(_), WithFallback(inner)) if !inner.is_limited() => Some(Words {
            above: "this `with_fallback` would never run",
            below: "the lower `with_fallback` answers every error\nhelp: list both functions in one, or limit this one with `on(..)`",
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
                    "`growth` lengthens the limit on each retry, and no `with_retry` is above\nhelp: move this line below `with_retry`, or leave `growth` out",
                );
            }
        }
        Policy::WithRecovery(recovery) if !layers.iter().any(Layer::loops) => {
            if let Some(at) = recovery.retries() {
                errors.here(
                    at,
                    "the strategy `retry` needs a `with_retry` in the stack\nhelp: put `#[with_retry]` below, or take another strategy",
                );
            }
        }
        Policy::WithRetry(retry) if retry.budget_per_key() && !layers.iter().any(Layer::has_key) => {
            errors.at(
                &layer.attr,
                "`budget = per_key` needs a `circuit_breaker(key = ..)` in the same stack\nhelp: add `#[circuit_breaker(key = ..)]`",
            );
        }
        _ => {}
    }
}

/// What a body that runs more than once cannot have.
fn looping(item: &Item, errors: &Errors) {
    if let Some(mutability) = item.mutable_receiver() {
        errors.at(
            mutability,
            "a second attempt would see how the first one changed `self`\n\
             help: take `self` and write `let mut this = self` in the body if the type is `Copy`, or take `&mut self` to share it",
        );
    }
    if item.lends_from_mutable_self() {
        errors.at(
            item.sig.output.to_token_stream().into_iter().skip(2).collect::<TokenStream>(),
            "a body that may run again cannot return a borrow of `&mut self`\n\
             help: return an owned value, or put `with_retry` on a function that does",
        );
    }
}
