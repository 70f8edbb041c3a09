//! The body of each function comes through a macro: as a `block`, an `expr` and a `tt`.

use resilience::{Rejected, Simplify};

#[derive(Clone)]
pub struct Question(u32);

impl Simplify for Question {
    fn simplify(&self, level: u32) -> Option<Self> {
        (level == 1).then(|| self.clone())
    }
}

macro_rules! sync {
    (#[$attr:meta] $(#[$more:meta])* $arg:ident: $ty:ty, $block:block $expr:expr, $tt:tt) => {
        const _: () = {
            #[$attr] $(#[$more])* pub fn of_block($arg: $ty) -> Result<u32, Rejected> $block
            #[$attr] $(#[$more])* pub fn of_expr($arg: $ty) -> Result<u32, Rejected> { $expr }
            #[$attr] $(#[$more])* pub fn of_tt($arg: $ty) -> Result<u32, Rejected> $tt
        };
    };
}

macro_rules! later {
    (#[$attr:meta] $(#[$more:meta])* $arg:ident: $ty:ty, $block:block $expr:expr, $tt:tt) => {
        const _: () = {
            #[$attr] $(#[$more])* pub async fn of_block($arg: $ty) -> Result<u32, Rejected> $block
            #[$attr] $(#[$more])* pub async fn of_expr($arg: $ty) -> Result<u32, Rejected> { $expr }
            #[$attr] $(#[$more])* pub async fn of_tt($arg: $ty) -> Result<u32, Rejected> $tt
            #[$attr] $(#[$more])* pub fn of_future($arg: $ty) -> impl Future<Output = Result<u32, Rejected>> {
                async move $block
            }
            #[$attr] $(#[$more])* pub fn boxed(
                $arg: $ty,
            ) -> std::pin::Pin<Box<dyn Future<Output = Result<u32, Rejected>> + Send>> {
                Box::pin(async move $block)
            }
        };
    };
}

macro_rules! both {
    ($($tokens:tt)*) => {
        sync!($($tokens)*);
        later!($($tokens)*);
    };
}

both!(#[resilience::with_retry] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::circuit_breaker] id: u32, { let id = id + 1; Ok(id) } Ok(id), { let id = id + 1; Ok(id) });
both!(#[resilience::bulkhead(3)] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::rate_limit(9, per = 1s)] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::with_fallback(value = 1)] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::failover(id = [1, 2])] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::degrade(question)] question: Question, { Ok(question.0) } Ok(question.0), { Ok(question.0) });
both!(#[resilience::chaos(rate = 1%, panic)] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::cached(ttl = 9s)] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::with_lock("lock:{id}")] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::checkpoint("step:{id}")] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::job("job:{id}")] id: u32, { Ok(id) } Ok(id), { Ok(id) });
both!(#[resilience::with_recovery(on(timeout, skip))] id: u32, { Ok(id) } Ok(id), { Ok(id) });
sync!(#[resilience::timeout(2s, thread)] id: u32, { Ok(id) } Ok(id), { Ok(id) });
later!(#[resilience::timeout(2s)] id: u32, { Ok(id) } Ok(id), { Ok(id) });
later!(#[resilience::hedge(after = 9ms, idempotent)] id: u32, { Ok(id) } Ok(id), { Ok(id) });
later!(#[resilience::timeout(9s)] #[resilience::with_retry] #[resilience::circuit_breaker] id: u32, { Ok(id) } Ok(id), { Ok(id) });

fn main() {}
