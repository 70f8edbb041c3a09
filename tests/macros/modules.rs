// The macro crate's sources, compiled into a test so that its functions can be called without a compiler.

#[path = "../../resilience-macros/src/attr/mod.rs"]
mod attr;
#[path = "../../resilience-macros/src/context.rs"]
mod context;
#[path = "../../resilience-macros/src/derive_classify/mod.rs"]
mod derive_classify;
#[path = "../../resilience-macros/src/emit.rs"]
mod emit;
#[path = "../../resilience-macros/src/errors.rs"]
mod errors;
#[path = "../../resilience-macros/src/function/mod.rs"]
mod function;
#[path = "../../resilience-macros/src/layer.rs"]
mod layer;
#[path = "../../resilience-macros/src/options.rs"]
mod options;
#[path = "../../resilience-macros/src/stack/mod.rs"]
mod stack;
#[path = "../../resilience-macros/src/syntax/mod.rs"]
mod syntax;
#[path = "../../resilience-macros/src/value/mod.rs"]
mod value;
