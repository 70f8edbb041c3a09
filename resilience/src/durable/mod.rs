//! Jobs and checkpoints that survive a crash: what was recorded once is never done again.

mod owner;
pub mod record;
pub mod store;
