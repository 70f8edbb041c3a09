//! The policies of a scenario, built from its `config`, and a call through all of them.

use crate::admission::{self, Keyed};
use crate::breaker::BreakerLayer;
use crate::call::{Call, Ending, caught};
use crate::failure::Answer;
use crate::fallback::FallbackLayer;
use crate::fields::{Fields, Refusal, accepted, unknown};
use crate::retry::RetryLayer;
use resilience::policy::{CacheConfig, HedgeConfig};
use resilience::{Bulkhead, Cache, Hedge, RateLimit, Timeout};
use serde_json::Value;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// The policies around the protected function, outermost first.
#[derive(Debug)]
pub(crate) struct Stack {
    layers: Vec<Layer>,
}

#[derive(Debug)]
pub(crate) enum Layer {
    Retry(Box<RetryLayer>),
    Breaker(Box<BreakerLayer>),
    Timeout(Timeout),
    Fallback(FallbackLayer),
    Bulkhead(Keyed<Bulkhead>),
    RateLimit(Keyed<RateLimit>),
    Hedge(Hedge),
    Cache(CacheLayer),
}

/// A cache, and the key of all its calls, if it is not that of the step.
#[derive(Debug)]
pub(crate) struct CacheLayer {
    cache: Cache,
    key: Option<String>,
}

impl Stack {
    /// Builds the policies of `config`.
    ///
    /// # Errors
    ///
    /// What a constructor refuses, or what cannot be expressed.
    pub(crate) fn build(config: &Value) -> Result<Self, Refusal> {
        let mut fields = Fields::of("config", config)?;
        fields.take("classify");
        fields.take("checkpoint");
        let order = order(&mut fields)?;
        let mut layers = Vec::new();
        for name in order {
            let Some(policy) = fields.take(&name) else {
                return unknown(format!("`order` names `{name}`, which has no settings"));
            };
            layers.push(Layer::read(&name, &policy)?);
        }
        fields.finish()?;
        let stack = Self { layers };
        stack.enter_thread();
        Ok(stack)
    }

    /// Makes known to this thread what a capture-free function needs.
    pub(crate) fn enter_thread(&self) {
        for layer in &self.layers {
            match layer {
                Layer::Retry(retry) => retry.enter_thread(),
                Layer::Breaker(breaker) => breaker.enter_thread(),
                Layer::Timeout(_)
                | Layer::Fallback(_)
                | Layer::Bulkhead(_)
                | Layer::RateLimit(_)
                | Layer::Hedge(_)
                | Layer::Cache(_) => {}
            }
        }
    }

    pub(crate) fn breakers(&self) -> impl Iterator<Item = &BreakerLayer> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Breaker(breaker) => Some(&**breaker),
            _ => None,
        })
    }

    pub(crate) fn bulkheads(&self) -> impl Iterator<Item = &Keyed<Bulkhead>> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Bulkhead(bulkhead) => Some(bulkhead),
            _ => None,
        })
    }

    pub(crate) fn retries(&self) -> impl Iterator<Item = &RetryLayer> {
        self.layers.iter().filter_map(|layer| match layer {
            Layer::Retry(retry) => Some(&**retry),
            _ => None,
        })
    }

    /// One protected call from beginning to end.
    pub(crate) async fn execute(self: Arc<Self>, call: Arc<Call>) -> Ending {
        caught(run(&self.layers, &call)).await
    }
}

/// The names of the policies, outermost first.
fn order(fields: &mut Fields) -> Result<Vec<String>, Refusal> {
    if let Some(order) = fields.words("order")? {
        return Ok(order);
    }
    let families = ["fallback", "retry", "breaker", "timeout", "bulkhead", "rate_limit", "hedge", "cache"];
    let all = families.iter().flat_map(|name| [(*name).to_owned(), format!("{name}_inner")]);
    let there: Vec<_> = all.filter(|name| fields.has(name)).collect();
    if there.len() > 1 { unknown("several policies without an `order`") } else { Ok(there) }
}

impl Layer {
    fn read(name: &str, policy: &Value) -> Result<Self, Refusal> {
        let (family, slot) = match name.strip_suffix("_inner") {
            Some(family) => (family, 1),
            None => (name, 0),
        };
        let fields = Fields::of(name, policy)?;
        match family {
            "retry" => RetryLayer::read(fields, slot).map(|retry| Self::Retry(Box::new(retry))),
            "breaker" => BreakerLayer::read(fields, slot).map(|breaker| Self::Breaker(Box::new(breaker))),
            "timeout" => timeout(fields).map(Self::Timeout),
            "fallback" => FallbackLayer::read(fields).map(Self::Fallback),
            "bulkhead" => admission::bulkhead(fields).map(Self::Bulkhead),
            "rate_limit" => admission::rate_limit(fields).map(Self::RateLimit),
            "hedge" => hedge(fields).map(Self::Hedge),
            "cache" => cache(fields).map(Self::Cache),
            other => unknown(format!("the runner does not know the policy `{other}`")),
        }
    }
}

fn timeout(mut fields: Fields) -> Result<Timeout, Refusal> {
    let limit = fields.millis("ms")?;
    fields.finish()?;
    match limit {
        Some(limit) => accepted(Timeout::try_new(limit)),
        None => unknown("a timeout without a limit"),
    }
}

fn hedge(mut fields: Fields) -> Result<Hedge, Refusal> {
    let (delay, max) = (fields.millis("delay_ms")?, fields.count("max_hedges")?);
    fields.finish()?;
    let Some(delay) = delay else { return unknown("a hedge without a delay") };
    accepted(Hedge::try_new("scenario", HedgeConfig { max: max.unwrap_or(1), ..delay.into() }))
}

fn cache(mut fields: Fields) -> Result<CacheLayer, Refusal> {
    let key = fields.word("key")?;
    let (ttl, stale) = (fields.millis("ttl_ms")?, fields.millis("stale_if_error_ms")?);
    let max = fields.count("max")?;
    fields.finish()?;
    let default = CacheConfig::default();
    let max = max.unwrap_or(default.max);
    let cache =
        accepted(Cache::try_new("scenario", CacheConfig { ttl, stale_if_error: stale, max, ..default }))?;
    Ok(CacheLayer { cache, key })
}

fn run<'a>(layers: &'a [Layer], call: &'a Call) -> Pin<Box<dyn Future<Output = Answer> + 'a>> {
    let Some((layer, inner)) = layers.split_first() else { return Box::pin(call.body()) };
    Box::pin(async move {
        match layer {
            Layer::Retry(layer) => {
                let judge = |answer: &Answer| layer.judge.verdict(answer);
                // With two retries, an attempt is what the inner one makes.
                let is_innermost = !inner.iter().any(|layer| matches!(layer, Layer::Retry(_)));
                let attempt = async || {
                    if is_innermost {
                        call.note_attempt();
                    }
                    run(inner, call).await
                };
                layer.retry.call_async_judged(attempt, judge).await
            }
            Layer::Breaker(layer) => {
                let breaker = layer.get(call.key());
                match breaker.acquire() {
                    Ok(permit) => {
                        let answer = run(inner, call).await;
                        let (verdict, ruling) = layer.judge.ruling(&answer);
                        permit.settle(verdict, ruling);
                        answer
                    }
                    Err(rejected) => Err(rejected.into()),
                }
            }
            Layer::Timeout(timeout) => timeout.call_async(|| run(inner, call)).await,
            Layer::Bulkhead(bulkhead) => {
                let bulkhead = bulkhead.get(call.key());
                bulkhead.call_async(async || run(inner, call).await).await
            }
            Layer::RateLimit(limit) => {
                let limit = limit.get(call.key());
                limit.call_async(async || run(inner, call).await).await
            }
            Layer::Hedge(hedge) => hedge.call_async(|| run(inner, call)).await,
            Layer::Cache(CacheLayer { cache, key }) => {
                let key = key.as_deref().unwrap_or(call.key());
                cache.call_async(key, async || run(inner, call).await).await
            }
            Layer::Fallback(layer) => {
                let answer = run(inner, call).await;
                layer.settle(answer, call).await
            }
        }
    })
}
