//! Looking at jobs and steps, and deciding what happens to them.

pub mod jobs;
pub mod steps;
