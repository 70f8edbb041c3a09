//! The requirements for running a recorded job again: the values that cannot be recorded, and the call itself.
//!
//! Provided values are found by type, because a type is all that an expansion knows of an argument. A missing one is
//! found before the job is claimed, so that nothing is counted.

use crate::durable::scope::{InScope, Scope};
use std::any::{Any, TypeId, type_name};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The values that jobs need and that cannot be recorded, by type.
#[derive(Clone, Default)]
#[doc(hidden)]
pub struct Provided {
    values: HashMap<TypeId, Arc<dyn Any + Send + Sync>>,
}

impl Provided {
    /// Returns the value of type `T`.
    ///
    /// # Errors
    ///
    /// The type's name, if none was provided.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<Arc<T>, &'static str> {
        let value = self.values.get(&TypeId::of::<T>()).cloned();
        value.and_then(|value| value.downcast().ok()).ok_or_else(type_name::<T>)
    }

    /// Adds the values of `earlier` of which there is none here.
    pub(crate) fn inherit(&mut self, earlier: &Self) {
        for (ty, value) in &earlier.values {
            self.values.entry(*ty).or_insert_with(|| value.clone());
        }
    }

    /// Provides `value` by its type; a second value of one type replaces the first.
    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: Arc<T>) {
        self.values.insert(TypeId::of::<T>(), value);
    }
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Provided").field("values", &self.values.len()).finish()
    }
}

/// A job's function, ready to be called with the recorded arguments.
#[doc(hidden)]
pub enum Call {
    /// An async function.
    Async(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// A sync function, which gets a thread of its own.
    Sync(Box<dyn FnOnce() + Send>),
}

impl Call {
    /// Makes the call of an async function.
    pub fn of_future(call: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Async(Box::pin(call))
    }

    /// Makes the call of a sync function.
    pub fn of_closure(call: impl FnOnce() + Send + 'static) -> Self {
        Self::Sync(Box::new(call))
    }

    /// Makes the call part of `scope`.
    pub(crate) fn within(self, scope: Scope) -> Self {
        match self {
            Self::Async(call) => Self::Async(Box::pin(InScope::new(&scope, call))),
            Self::Sync(call) => Self::Sync(Box::new(move || {
                let _entered = scope.enter();
                call();
            })),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async(_) => "Call::Async",
            Self::Sync(_) => "Call::Sync",
        })
    }
}
