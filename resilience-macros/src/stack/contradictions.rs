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
        && !layers.iter().any(|layer| {
            matches!(layer.policy, Policy::WithRetry(_) | Policy::WithFallback(_) | Policy::WithRecovery(_))
        })
    {
        errors.at(first, "nothing in this stack uses an argument twice: leave `clone` out");
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
        (WithRecovery(_), WithRecovery(_)) => Some(Words {
            above: "the first `with_recovery` is here",
            below: "the upper `with_recovery` would judge what this one left: write all rules in one",
        }),
        (Job(_), Job(_)) | (Checkpoint(_), Checkpoint(_)) => Some(Words {
            above: "it is recorded here",
            below: "this would record the same result twice: keep one",
        }),
        (Job(_), Checkpoint(_)) | (Checkpoint(_), Job(_)) => Some(Words {
            above: "it is recorded here",
            below: "a job records its own result: a checkpoint on the same function would do it twice; keep one",
        }),
        (Checkpoint(_), WithFallback(_)) => Some(Words {
            above: "this `checkpoint` would record what the fallback answered, and give it for ever after",
            below: "`with_fallback` would have its answer recorded in place of the real one: move this line to the top",
        }),
        (Job(_), WithFallback(_)) => Some(Words {
            above: "this `job` would be done as soon as the fallback answers",
            below: "`with_fallback` would have its answer recorded as the job's result: move this line to the top",
        }),
        (WithRecovery(_), WithFallback(_)) => Some(Words {
            above: "this `with_recovery` would never see a failure",
            below: "`with_fallback` would hide every failure from `with_recovery`: move this line to the top",
        }),
        (WithRetry(_) | CircuitBreaker(_), Checkpoint(_)) => Some(Words {
            above: "a recorded value would pass through this line as if the call had been made",
            below: "`checkpoint` belongs above what judges attempts: move this line up",
        }),
        (WithRetry(_) | CircuitBreaker(_), Job(_)) => Some(Words {
            above: "this line would run the whole job again, or count it as one call",
            below: "`job` belongs above what judges attempts: move this line up",
        }),
        (WithRetry(_) | CircuitBreaker(_) | Timeout(_) | Checkpoint(_) | Job(_), WithRecovery(_)) => {
            Some(Words {
                above: "this line would see what `with_recovery` made of a failure, not the failure",
                below: "`with_recovery` decides about the final failure: only `with_fallback` may stand above; move this line up",
            })
        }
        (Checkpoint(_) | Job(_), Timeout(timeout)) if timeout.thread => Some(Words {
            above: "the lease that is held here would end while the abandoned body still runs",
            below: "a body that was abandoned on its thread may still act after the step was given to somebody else: \
                    leave `thread` out, and use the time limit of what the body calls",
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
        Policy::WithRecovery(recovery) if !layers.iter().any(Layer::loops) => {
            if let Some(at) = recovery.retries() {
                errors.here(
                    at,
                    "there is nothing that retries: put `#[with_retry]` below, or take another strategy",
                );
            }
        }
        Policy::WithRetry(retry) if retry.budget_per_key() => {
            if !layers.iter().any(Layer::has_key) {
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
