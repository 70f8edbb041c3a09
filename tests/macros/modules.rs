// The macro crate's sources, compiled into a test so that its functions can be called without a compiler.

#[path = "../../resilience-macros/src/attr/mod.rs"]
mod attr;
#[path = "../../resilience-macros/src/derive_classify/mod.rs"]
mod derive_classify;
#[path = "../../resilience-macros/src/diag.rs"]
mod diag;
#[path = "../../resilience-macros/src/emit.rs"]
mod emit;
#[path = "../../resilience-macros/src/form.rs"]
mod form;
#[path = "../../resilience-macros/src/input/mod.rs"]
mod input;
#[path = "../../resilience-macros/src/item.rs"]
mod item;
#[path = "../../resilience-macros/src/keys.rs"]
mod keys;
#[path = "../../resilience-macros/src/names.rs"]
mod names;
#[path = "../../resilience-macros/src/nearest.rs"]
mod nearest;
#[path = "../../resilience-macros/src/shared.rs"]
mod shared;
#[path = "../../resilience-macros/src/stack/mod.rs"]
mod stack;
#[path = "../../resilience-macros/src/types.rs"]
mod types;
