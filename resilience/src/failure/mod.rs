//! What an error means, and the errors that policies make.

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
