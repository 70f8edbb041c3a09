//! The meaning of errors, and the errors that policies make.
//!
//! This folder has the vocabulary of failures: the [`Category`] with its table, the [`Classification`] of one error,
//! the trait that assigns it, and [`Rejected`](rejected::Rejected) with the errors of steps and jobs. A policy above
//! asks two things of it: what an outcome means (`outcome`, `probe`), and how to return an error of its own.
//!
//! It knows nothing of where a failure happened: no point, no event, no policy. Names that errors carry are those of
//! `base/name.rs`. `classify.rs` at the root of the crate is the public face of most of this.
//!
//! | file | question |
//! |---|---|
//! | `category.rs` | how do policies treat this kind of failure? |
//! | `classification.rs` | what describes a single failure? |
//! | `foreign.rs`, `foreign/` | what do errors of std and of other crates mean? |
//! | `dynamic.rs` | what does a `dyn Error` mean? |
//! | `from_text.rs`, `retry_after.rs`, `wait_hint.rs` | what does a text or a header say? |
//! | `probe.rs` | how does an expansion ask a type of which it knows nothing? |
//! | `outcome.rs` | is this value a success or a failure? |
//! | `rejected.rs`, `durable/` | what do the policies' own errors say? |

mod category;
mod classification;
mod code;
#[cfg(feature = "durable")]
pub(crate) mod durable;
mod dynamic;
pub(crate) mod errors;
mod foreign;
mod from_text;
pub mod outcome;
pub mod probe;
pub mod rejected;
mod retry_after;
#[cfg(feature = "serde")]
mod serialise;
mod wait_hint;

pub(crate) use category::Counts;
pub use category::{Category, Delivered, Retryable, Severity};
pub use classification::{Classification, Classify, of};
pub use code::Code;
pub use dynamic::of_dyn;
#[cfg(feature = "http")]
pub use foreign::from_response;
pub use foreign::{AsStatus, AsWait};
pub use from_text::from_text;
pub use retry_after::retry_after;
pub use wait_hint::wait_hint;
