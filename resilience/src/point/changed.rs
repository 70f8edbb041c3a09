//! The settings of policies that a configuration has changed, ready to use.

use crate::base::setting::Source;
use std::any::Any;
use std::collections::HashMap;

/// The settings of one policy, in place of those in the code.
#[derive(Debug)]
pub struct Override {
    /// Whether the policy is switched off: it lets every call through.
    pub(crate) is_off: bool,
    /// The whole settings, of the type that the policy asks for.
    pub(crate) settings: Box<dyn Any + Send + Sync>,
}

impl Override {
    /// Returns the settings, which the policy made itself.
    #[inline]
    pub(crate) fn get<T: 'static>(&self) -> Option<&T> {
        self.settings.downcast_ref()
    }
}

/// The settings of a configuration for one layer of a stack.
#[derive(Debug)]
pub(crate) struct LayerOverride {
    /// The address of the layer's `static`.
    pub(crate) layer: usize,
    pub(crate) kind: &'static str,
    /// Whether the layer is the only one of its kind and has state for each key, so that a key may have its own
    /// settings.
    pub(crate) has_keys: bool,
    pub(crate) whole: Override,
    /// Of single keys, those of the whole included.
    pub(crate) keys: HashMap<String, Override>,
    /// The settings of the whole layer that were set, and where.
    pub(crate) sources: Vec<(String, Source)>,
}

/// The settings of a configuration for one point.
#[derive(Debug, Default)]
pub(crate) struct PointOverrides {
    /// Whether its calls are measured, and where that is set.
    pub(crate) timed: Option<(bool, Source)>,
    pub(crate) layers: Vec<LayerOverride>,
}

impl PointOverrides {
    /// Returns the override of the layer at this address.
    pub(crate) fn at(&self, layer: usize) -> Option<&LayerOverride> {
        self.layers.iter().find(|other| other.layer == layer)
    }

    /// Returns the override of the layer of this kind that has state for each key: that for `key`, or without one the
    /// layer's.
    pub(super) fn of_keys(&self, kind: &str, key: Option<&str>) -> Option<&Override> {
        let layer = self.layers.iter().find(|layer| layer.has_keys && layer.kind == kind)?;
        Some(key.and_then(|key| layer.keys.get(key)).unwrap_or(&layer.whole))
    }
}

/// Returns the address that [`LayerOverride::layer`] has for a layer.
#[inline]
pub(crate) fn address<T: ?Sized>(layer: &T) -> usize {
    std::ptr::from_ref(layer).addr()
}
