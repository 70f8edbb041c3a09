//! The table of settings of each attribute that has one.

use resilience::durable::{CheckpointConfig, JobConfig};
use resilience::fs::WithLockConfig;
use resilience::policy::{
    BulkheadConfig, CacheConfig, ChaosConfig, CircuitBreakerConfig, DegradeConfig, FailoverConfig,
    HedgeConfig, RateLimitConfig, RetryConfig, TimeoutConfig,
};
use resilience::settings::Setting;

/// The attributes and their tables; `timeout(adaptive)` has one of its own.
pub const TABLES: &[(&str, &[Setting])] = &[
    ("with_retry", RetryConfig::TABLE),
    ("circuit_breaker", CircuitBreakerConfig::TABLE),
    ("timeout", TimeoutConfig::TABLE),
    ("bulkhead", BulkheadConfig::TABLE),
    ("cached", CacheConfig::TABLE),
    ("rate_limit", RateLimitConfig::TABLE),
    ("failover", FailoverConfig::TABLE),
    ("degrade", DegradeConfig::TABLE),
    ("hedge", HedgeConfig::TABLE),
    ("chaos", ChaosConfig::TABLE),
    ("with_lock", WithLockConfig::TABLE),
    ("checkpoint", CheckpointConfig::TABLE),
    ("job", JobConfig::TABLE),
];

/// Returns the table of `attr`.
pub fn table(attr: &str) -> Option<&'static [Setting]> {
    TABLES.iter().find(|(name, _)| *name == attr).map(|(_, table)| *table)
}
