//! The facts that every policy with state has beside its settings: its name, its key, and the counters of all keys.

use crate::base::scope::Stack;
use crate::point::PointName;
use crate::rejected::Origin;
use std::sync::{Arc, OnceLock};

/// The function or the value that a policy belongs to, with the key of a policy that is one of several.
///
/// `C` are the counters of the policy. Each policy has counters of its own; those here are the ones that the policies
/// of all keys share, so that they include the counts of evicted keys.
#[derive(Debug)]
pub(crate) struct Owner<C> {
    /// The point, or the name of a plain value.
    pub(crate) name: PointName,
    pub(crate) key: Option<PointName>,
    /// The origin of rejections; shared by all, and made with the first.
    origin: OnceLock<Origin>,
    totals: Option<Arc<C>>,
}

impl<C> Owner<C> {
    pub(crate) const fn new(name: PointName) -> Self {
        Self { name, key: None, origin: OnceLock::new(), totals: None }
    }

    /// Returns the owner of the policy of `key`, which counts for all keys in what `whole` has.
    pub(crate) fn of_key(self, key: PointName, whole: &Self) -> Self {
        Self { key: Some(key), totals: whole.totals.clone(), ..self }
    }

    /// Returns `stack`, or that of the function for a policy that knows its own.
    #[inline]
    pub(crate) fn stack_or(&self, stack: Option<Stack>) -> Stack {
        self.name.stack_or(stack)
    }

    /// Returns the name and the key, as events have them.
    pub(crate) fn labels(&self) -> (PointName, Option<PointName>) {
        (self.name.clone(), self.key.clone())
    }

    /// Returns the counters of all keys; `None` for a policy without keys.
    #[inline]
    pub(crate) fn totals(&self) -> Option<&C> {
        self.totals.as_deref()
    }

    /// Returns the origin of rejections as the first one made it, whose texts show the key if it `shows_key`.
    #[inline]
    pub(crate) fn first_origin(&self, shows_key: impl FnOnce() -> bool) -> &Origin {
        self.origin.get_or_init(|| Origin::new(self.name.clone(), self.key.clone(), shows_key()))
    }

    /// Returns the origin of rejections whose texts show the key if it `shows_key`: a configuration may have changed
    /// that since the first one.
    #[cfg(feature = "config")]
    #[cold]
    pub(crate) fn origin(&self, shows_key: bool) -> Origin {
        let first = self.first_origin(|| shows_key);
        let differs = first.shows_key() != shows_key;
        if differs { Origin::new(self.name.clone(), self.key.clone(), shows_key) } else { first.clone() }
    }
}

impl<C: Default> Owner<C> {
    /// Returns the owner of the policy that stands for all keys.
    pub(crate) fn of_all_keys(self) -> Self {
        Self { totals: Some(Arc::default()), ..self }
    }
}
