//! Rules about contradictions in a stack, each with a sentence about the effect. No rule names an attribute: it asks
//! for traits.

use crate::errors::Errors;
use crate::function::item::Item;
use crate::layer::{Record, Stack, Stacked, Traits};
use crate::options::FunctionOptions;
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::Error;

/// Reports every contradiction between the layers, and between them and the function.
pub(crate) fn check(layers: &[Stacked], options: &FunctionOptions, item: &Item, errors: &Errors) {
    for (at, below) in layers.iter().enumerate() {
        for above in layers.iter().take(at) {
            if let Some(words) = contradiction(&ComparedLayer::of(above), &ComparedLayer::of(below)) {
                let mut error = Error::new_spanned(&below.attr, words.below);
                error.combine(Error::new_spanned(&above.attr, words.above));
                errors.push(error);
            }
        }
        below.layer.check_stack(&below.attr, Stack { layers, at, item }, errors);
    }
    let any = |is_such: fn(&Traits<'_>) -> bool| layers.iter().any(|layer| is_such(&layer.traits()));
    if any(|traits| traits.loops || traits.calls_again) {
        looping(item, errors);
    }
    if let [first, ..] = options.clone.as_slice()
        && !any(|traits| traits.loops || traits.keeps_arguments)
    {
        errors.at_tokens(
            first,
            "no attribute of this function uses an argument twice\nhelp: leave `clone` out",
        );
    }
}

/// One of two layers that are compared.
struct ComparedLayer<'a> {
    name: &'static str,
    is: Traits<'a>,
}

impl<'a> ComparedLayer<'a> {
    fn of(stacked: &'a Stacked) -> Self {
        Self { name: stacked.definition.spec.attr, is: stacked.traits() }
    }
}

/// The messages at the upper of two layers, and at the lower one.
struct RuleMessages {
    above: String,
    below: String,
}

/// Returns the messages about the order of two layers, by the first rule that they break.
fn contradiction(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    const RULES: [fn(&ComparedLayer<'_>, &ComparedLayer<'_>) -> Option<RuleMessages>; 10] = [
        only_once,
        copied,
        below_faults,
        hidden_failures,
        recorded_twice,
        record_below_judge,
        record_below_admission,
        handler_below,
        abandoned,
        unreachable,
    ];
    RULES.iter().find_map(|rule| rule(above, below))
}

/// Checks for an attribute that makes sense only once and is written twice.
fn only_once(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let twice = below.is.twice.filter(|_| above.name == below.name)?;
    Some(RuleMessages {
        above: format!("the first `{}` is here", above.name),
        below: format!("two `{}` on one function{twice}", below.name),
    })
}

/// Checks for an upper layer that makes several calls at once of a lower layer for one call at a time.
fn copied(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let effect = match &below.is.records {
        None if below.is.excludes => "make a second call that waits until the first one has ended".to_owned(),
        Some(Record { result, .. }) => format!("make a second call, but {result} must come from one call"),
        None if below.is.loops => "make several calls at once, each with all its retries".to_owned(),
        None => return None,
    };
    above.is.copies.then(|| RuleMessages {
        above: format!("this `{}` would {effect}", above.name),
        below: format!(
            "`{}` is below `{hedge}`\nhelp: move this line above `{hedge}`",
            below.name,
            hedge = above.name
        ),
    })
}

/// Checks for an upper layer that takes the place of the body, and so of the layers below it.
fn below_faults(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let (faulty, name) = (above.name, below.name);
    above.is.injects.then(|| RuleMessages {
        above: format!("the faults of this `{faulty}` take the place of the body"),
        below: format!(
            "`{name}` below `{faulty}` would see none of its faults\nhelp: move `{faulty}` to the last line"
        ),
    })
}

/// Checks for an upper layer that acts on failures, and a lower one that hides them.
fn hidden_failures(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let would = above.is.without_failures.filter(|_| below.is.hides_failures)?;
    let effect = match &above.is.records {
        Some(Record { result, .. }) => format!("would have its value recorded as {result}"),
        None => "hides every failure from it".to_owned(),
    };
    Some(RuleMessages {
        above: format!("this `{}` would {would}", above.name),
        below: format!("`{}` below `{}` {effect}\nhelp: move this line to the top", below.name, above.name),
    })
}

/// Checks for two layers that record the result.
fn recorded_twice(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let keeps = |side: &ComparedLayer<'_>| side.is.records.as_ref().is_some_and(|record| record.has_lease);
    if !(keeps(above) && keeps(below)) {
        return None;
    }
    let what = if above.name == below.name {
        "the result of one function is recorded twice".to_owned()
    } else {
        format!("`{}` and `{}` on one function record its result twice", above.name, below.name)
    };
    Some(RuleMessages {
        above: "the result is recorded here, too".to_owned(),
        below: format!("{what}\nhelp: keep one of the two"),
    })
}

/// Checks for an upper layer that judges attempts, and would judge a record.
fn record_below_judge(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let recorded = below.is.records.as_ref().filter(|_| above.is.judges)?;
    Some(RuleMessages {
        above: format!("this `{}` would {}", above.name, recorded.judged),
        below: format!(
            "`{}` is below `{judge}`, which judges attempts\nhelp: move this line above `{judge}`",
            below.name,
            judge = above.name
        ),
    })
}

/// Checks for an upper layer that admits calls, above a recorded value, which needs no admission.
fn record_below_admission(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let would = above.is.admits.filter(|_| below.is.records.is_some())?;
    Some(RuleMessages {
        above: format!("this line would {would}"),
        below: format!(
            "`{}` is below `{door}`, which admits calls\nhelp: move this line above `{door}`",
            below.name,
            door = above.name
        ),
    })
}

/// Checks for a lower layer that decides about the final failure, and an upper one that wants to see failures, too.
fn handler_below(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let name = below.name;
    (below.is.handles_failures && !above.is.hides_failures).then(|| RuleMessages {
        above: format!("this `{}` would see the result of `{name}` instead of the failure", above.name),
        below: format!(
            "`{name}` handles the final failure, so that only `with_fallback` may be above it\nhelp: move this line above `{}`",
            above.name
        ),
    })
}

/// Checks for an upper layer that holds a lease, and a lower one that may abandon the body on its thread.
fn abandoned(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    let has_lease = above.is.records.as_ref().is_some_and(|record| record.has_lease);
    (has_lease && below.is.moves_thread).then(|| RuleMessages {
        above: format!("the lease of this `{}` would end while the abandoned body still runs", above.name),
        below: "a body abandoned on its thread may still act after another process has taken over the step\n\
                help: leave `thread` out, and use the time limit of what the body calls"
            .to_owned(),
    })
}

/// Checks for a lower layer that leaves no failure for the upper one.
fn unreachable(above: &ComparedLayer<'_>, below: &ComparedLayer<'_>) -> Option<RuleMessages> {
    (above.is.hides_failures && below.is.hides_all).then(|| RuleMessages {
        above: format!("this `{}` would never run", above.name),
        below: format!(
            "the lower `{}` answers every error\nhelp: list both functions in one, or limit this one with `on(..)`",
            below.name
        ),
    })
}

/// Reports what a function whose body may run more than once cannot have.
fn looping(item: &Item, errors: &Errors) {
    if let Some(mutability) = item.mutable_receiver() {
        errors.at_tokens(
            mutability,
            "a second attempt would see how the first one changed `self`\n\
             help: take `self` and write `let mut this = self` in the body if the type is `Copy`, or take `&mut self` to share it",
        );
    }
    if item.lends_from_mutable_self() {
        errors.at_tokens(
            item.sig.output.to_token_stream().into_iter().skip(2).collect::<TokenStream>(),
            "a body that may run again cannot return a borrow of `&mut self`\n\
             help: return an owned value, or put `with_retry` on a function that does",
        );
    }
}
