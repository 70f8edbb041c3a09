//! One attribute a file: its keys, what is wrong with them, and the code of its layer.

pub(crate) mod checkpoint;
pub(crate) mod circuit_breaker;
pub(crate) mod job;
mod recorded;
pub(crate) mod timeout;
pub(crate) mod with_fallback;
pub(crate) mod with_recovery;
pub(crate) mod with_retry;

use crate::emit::Context;
use crate::errors::Errors;
use crate::function::item::Item;
use crate::function::options::Shared;
use crate::syntax::keys::{Entry, Spec};
use proc_macro2::{Ident, TokenStream};

/// What each attribute understands.
pub(crate) const SPECS: [&Spec; 7] = [
    &with_retry::SPEC,
    &circuit_breaker::SPEC,
    &timeout::SPEC,
    &with_fallback::SPEC,
    &checkpoint::SPEC,
    &job::SPEC,
    &with_recovery::SPEC,
];

/// What the attribute `attr` understands.
pub(crate) fn spec(attr: &Ident) -> Option<&'static Spec> {
    SPECS.into_iter().find(|spec| attr == spec.attr)
}

/// One policy of a stack, checked.
pub(crate) struct Layer {
    /// The attribute's name, spanned over the whole attribute.
    pub(crate) attr: Ident,
    pub(crate) policy: Policy,
}

pub(crate) enum Policy {
    WithRetry(with_retry::Checked),
    CircuitBreaker(circuit_breaker::Checked),
    Timeout(timeout::Checked),
    WithFallback(with_fallback::Checked),
    Checkpoint(checkpoint::Checked),
    Job(job::Checked),
    WithRecovery(with_recovery::Checked),
}

impl Layer {
    /// Reads the arguments of `attr`; every mistake goes to `errors`.
    pub(crate) fn read(
        attr: Ident,
        entries: Vec<Entry>,
        shared: &Shared,
        item: &Item,
        errors: &Errors,
    ) -> Option<Self> {
        let policy = match attr.to_string().as_str() {
            "with_retry" => Policy::WithRetry(with_retry::check(entries, errors)),
            "circuit_breaker" => Policy::CircuitBreaker(circuit_breaker::check(entries, item, errors)),
            "timeout" => Policy::Timeout(timeout::check(&attr, entries, item, errors)?),
            "with_fallback" => {
                Policy::WithFallback(with_fallback::check(&attr, entries, shared, item, errors))
            }
            "checkpoint" => Policy::Checkpoint(checkpoint::check(entries, item, errors)),
            "job" => Policy::Job(job::check(&attr, entries, shared, item, errors)),
            "with_recovery" => {
                Policy::WithRecovery(with_recovery::check(&attr, entries, shared, item, errors))
            }
            _ => return None,
        };
        Some(Self { attr, policy })
    }

    /// The word in the names of this layer's `static` and local.
    pub(crate) fn word(&self) -> &'static str {
        match self.policy {
            Policy::WithRetry(_) => "RETRY",
            Policy::CircuitBreaker(_) => "BREAKER",
            Policy::Timeout(_) => "TIMEOUT",
            Policy::WithFallback(_) => "FALLBACK",
            Policy::Checkpoint(_) => "CHECKPOINT",
            Policy::Job(_) => "JOB",
            Policy::WithRecovery(_) => "RECOVERY",
        }
    }

    /// Whether it runs what is below more than once.
    pub(crate) fn loops(&self) -> bool {
        matches!(self.policy, Policy::WithRetry(_))
    }

    /// Whether it takes what is below to another thread.
    pub(crate) fn moves(&self) -> bool {
        matches!(&self.policy, Policy::Timeout(timeout) if timeout.thread)
    }

    /// Whether it keeps separate state for each key.
    pub(crate) fn has_key(&self) -> bool {
        matches!(&self.policy, Policy::CircuitBreaker(breaker) if breaker.key.is_some())
    }

    /// The layer's `static`.
    pub(crate) fn site(&self, site: &Ident, item: &Item, stack: &[Self]) -> TokenStream {
        match &self.policy {
            Policy::WithRetry(checked) => {
                let mut above = stack.iter().take_while(|layer| !layer.loops());
                let is_compared = above.any(
                    |layer| matches!(&layer.policy, Policy::Timeout(timeout) if timeout.limit.is_some()),
                );
                let has_key = stack.iter().any(Self::has_key);
                with_retry::site(checked, site, is_compared, has_key)
            }
            Policy::CircuitBreaker(checked) => circuit_breaker::site(checked, site),
            Policy::Timeout(checked) => timeout::site(checked, site),
            Policy::WithFallback(checked) => with_fallback::site(checked, site),
            Policy::Checkpoint(checked) => checkpoint::site(checked, site, item),
            Policy::Job(checked) => job::site(checked, site, item),
            Policy::WithRecovery(checked) => {
                let has_job = stack.iter().any(|layer| matches!(layer.policy, Policy::Job(_)));
                with_recovery::site(checked, site, has_job)
            }
        }
    }

    /// `inner`, statements that bind an `__outcome` and its `__verdict`, with this layer around them: the same.
    pub(crate) fn wrap(&self, cx: &Context<'_>, site: &Ident, inner: &TokenStream) -> TokenStream {
        match &self.policy {
            Policy::WithRetry(checked) => with_retry::wrap(checked, cx, site, inner),
            Policy::CircuitBreaker(checked) => circuit_breaker::wrap(checked, cx, site, inner, &self.attr),
            Policy::Timeout(checked) => timeout::wrap(checked, cx, site, inner, &self.attr),
            Policy::WithFallback(checked) => with_fallback::wrap(checked, cx, site, inner),
            Policy::Checkpoint(checked) => checkpoint::wrap(checked, cx, site, inner, &self.attr),
            Policy::Job(checked) => job::wrap(checked, cx, site, inner, &self.attr),
            Policy::WithRecovery(checked) => with_recovery::wrap(checked, cx, site, inner),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::syntax::keys::Spec;

    /// The page of an attribute has a row for every key, and no row for a key that does not exist.
    fn check(spec: &Spec, page: &str) {
        let rows =
            page.lines().filter(|line| line.starts_with("| `")).filter_map(|line| line.split('|').nth(1));
        let words = rows.flat_map(|row| row.split('`').skip(1).step_by(2));
        let documented: Vec<_> = words.map(|word| word.split('(').next().unwrap_or(word)).collect();
        for key in spec.keys.iter().chain(crate::syntax::keys::SHARED) {
            assert!(documented.contains(&key.name), "{}: `{}` has no row", spec.attr, key.name);
        }
        for word in documented {
            let mut keys = spec.keys.iter().chain(crate::syntax::keys::SHARED);
            assert!(keys.any(|key| key.name == word), "{}: there is no key `{word}`", spec.attr);
        }
    }

    #[test]
    fn every_key_is_documented() {
        check(&super::with_retry::SPEC, include_str!("../docs/with_retry.md"));
        check(&super::circuit_breaker::SPEC, include_str!("../docs/circuit_breaker.md"));
        check(&super::timeout::SPEC, include_str!("../docs/timeout.md"));
        check(&super::with_fallback::SPEC, include_str!("../docs/with_fallback.md"));
        check(&super::checkpoint::SPEC, include_str!("../docs/checkpoint.md"));
        check(&super::job::SPEC, include_str!("../docs/job.md"));
        check(&super::with_recovery::SPEC, include_str!("../docs/with_recovery.md"));
    }
}
