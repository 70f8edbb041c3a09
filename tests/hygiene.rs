//! Expansions mean the same wherever they stand: no prelude, shadowed names, macros, `cfg_attr`.

/// Nothing is in scope here but what is written out.
mod without_a_prelude {
    #![no_implicit_prelude]

    pub enum Failure {
        Own,
        Rejected,
    }

    impl ::core::convert::From<::resilience::Rejected> for Failure {
        fn from(_: ::resilience::Rejected) -> Self {
            Failure::Rejected
        }
    }

    #[::resilience::with_fallback(value = 99)]
    #[::resilience::with_retry(max = 3, base = 0s, when = |_| true)]
    #[::resilience::circuit_breaker(threshold = 100, key = id)]
    pub fn sync(id: u32, calls: &::core::cell::Cell<u32>) -> ::core::result::Result<u32, Failure> {
        let _ = id;
        calls.set(calls.get() + 1);
        if calls.get() < 3 {
            ::core::result::Result::Err(Failure::Own)
        } else {
            ::core::result::Result::Ok(3)
        }
    }

    #[::resilience::with_fallback(instead(id, error))]
    #[::resilience::timeout(60s)]
    #[::resilience::with_retry(max = 3, base = 0s, on(rate_limited, max = 2), clone(text))]
    #[::resilience::circuit_breaker(threshold = 100)]
    #[::resilience::timeout(30s)]
    pub async fn later(
        id: u32,
        mut text: ::std::string::String,
        calls: &::core::cell::Cell<u32>,
    ) -> ::core::result::Result<u32, Failure> {
        let _ = id;
        text.push('x');
        calls.set(calls.get() + 1);
        if calls.get() < 3 {
            return ::core::result::Result::Err(Failure::Own);
        }
        ::core::result::Result::Ok(3)
    }

    fn instead(id: u32, _: &Failure) -> ::core::option::Option<u32> {
        ::core::option::Option::Some(id)
    }

    #[::resilience::checkpoint("step:{id}", rollback = undo)]
    pub fn step(id: u32) -> ::core::result::Result<u32, Failure> {
        ::core::result::Result::Ok(id)
    }

    fn undo(_: u32) {}

    #[::resilience::checkpoint("step:{id}:{text}", inputs(id), version = 2)]
    pub async fn step_later(id: u32, text: &::core::primitive::str) -> ::core::option::Option<u32> {
        let _ = text;
        ::core::option::Option::Some(id)
    }

    #[::resilience::with_recovery(on(corrupt, rollback), on(not_found, skip), rollback = undone(id))]
    #[::resilience::job("job:{id}", provided(lent))]
    pub fn job(id: u32, text: &::core::primitive::str, lent: &u64) -> ::core::result::Result<u32, Failure> {
        let _ = (text, lent);
        step(id)
    }

    fn undone(_: u32) {}

    #[::resilience::with_recovery(on(severity >= high, manual), otherwise = escalate)]
    #[::resilience::job("later:{id}")]
    pub async fn job_later(id: u32, texts: &[::std::string::String]) -> ::core::option::Option<u32> {
        let _ = texts;
        step_later(id, "a").await
    }

    #[::resilience::cached(ttl = 60s, stale_if_error = 1h, key = id, when_ok = |n: &u32| *n > 0)]
    #[::resilience::degrade(work, max = 2)]
    #[::resilience::bulkhead(4, wait = 1s, queue = 8)]
    #[::resilience::rate_limit(100, per = 1s, burst = 10, wait = 1s)]
    #[::resilience::hedge(after = 50ms, idempotent)]
    pub async fn loaded(id: u32, work: &Work) -> ::core::result::Result<u32, ::resilience::Rejected> {
        let _ = work;
        ::core::result::Result::Ok(id)
    }

    pub struct Work;

    impl ::resilience::Simplify for Work {
        fn simplify(&self, level: u32) -> ::core::option::Option<Self> {
            let _ = level;
            ::core::option::Option::None
        }
    }

    #[::resilience::cached(key = id)]
    #[::resilience::bulkhead(adaptive, floor = 2, cap = 8)]
    #[::resilience::rate_limit(100, per = 1s)]
    pub fn loaded_now(id: u32) -> ::core::option::Option<u32> {
        ::core::option::Option::Some(id)
    }

    #[::resilience::with_retry]
    pub fn bare() -> ::core::option::Option<()> {
        ::core::option::Option::Some(())
    }

    #[::resilience::circuit_breaker]
    pub async fn option() -> ::core::option::Option<()> {
        ::core::option::Option::Some(())
    }
}

#[test]
fn expansions_work_without_the_prelude() {
    use std::cell::Cell;
    let _world = resilience::testing::isolate();
    assert!(matches!(without_a_prelude::sync(1, &Cell::new(0)), Ok(3)));
    let calls = Cell::new(0);
    let later = without_a_prelude::later(1, String::new(), &calls);
    assert!(matches!(futures::executor::block_on(later), Ok(3)));
    assert_eq!(without_a_prelude::bare(), Some(()));
    let loaded = without_a_prelude::loaded(5, &without_a_prelude::Work);
    assert_eq!(futures::executor::block_on(loaded), Ok(5));
    assert_eq!(without_a_prelude::loaded_now(6), Some(6));
    assert!(matches!(without_a_prelude::job(7, "a", &1), Ok(7)));
    assert_eq!(futures::executor::block_on(without_a_prelude::job_later(8, &[])), Some(8));
    assert_eq!(futures::executor::block_on(without_a_prelude::option()), Some(()));
}

/// Items with the names that an expansion may be tempted to use.
#[allow(dead_code, non_camel_case_types, non_snake_case, unused_macros, reason = "here only to shadow")]
mod shadowed {
    pub struct Ok;
    pub struct Err;
    pub struct Some;
    pub struct None;
    pub struct Result;
    pub struct Option;
    pub struct Box;
    pub struct Future;
    pub struct Duration;
    pub trait From {}
    pub trait Into {}
    pub trait Clone {}
    pub trait Send {}
    pub trait Sync {}
    pub trait Sized {}
    pub trait Fn {}
    pub trait FnOnce {}
    pub trait Default {}
    pub trait Drop {}
    pub type u32 = i64;
    pub type bool = i8;
    pub type f64 = u8;
    pub type str = u8;
    pub type usize = u8;
    pub mod std {}
    pub mod core {}
    pub mod alloc {}
    pub mod resilience {}
    pub mod linkme {}
    pub fn drop() {}
    macro_rules! line {
        () => {
            compile_error!("a macro of the user's")
        };
    }
    macro_rules! file {
        () => {
            compile_error!("a macro of the user's")
        };
    }
    macro_rules! module_path {
        () => {
            compile_error!("a macro of the user's")
        };
    }

    #[::resilience::with_fallback(value = 99)]
    #[::resilience::timeout(60s)]
    #[::resilience::with_retry(max = 3, base = 0s, clone(text), unless = |_| false)]
    #[::resilience::circuit_breaker(threshold = 100, growth = 2.0)]
    pub async fn later(
        mut count: i32,
        text: ::std::string::String,
        calls: &::core::cell::Cell<i32>,
    ) -> ::core::option::Option<i32> {
        count += 1;
        ::core::mem::drop(text);
        calls.set(calls.get() + 1);
        if calls.get() < 3 { ::core::option::Option::None } else { ::core::option::Option::Some(count) }
    }

    #[::resilience::checkpoint("step:{id}", rollback = |_: i32| ())]
    pub async fn step(id: i32) -> ::core::result::Result<i32, ::resilience::Rejected> {
        ::core::result::Result::Ok(id)
    }

    #[::resilience::with_recovery(on(corrupt, rollback), on(not_found, skip), otherwise = escalate)]
    #[::resilience::job("job:{id}", provided(lent))]
    pub async fn job(
        id: i32,
        text: ::std::string::String,
        lent: &i64,
    ) -> ::core::result::Result<i32, ::resilience::Rejected> {
        let _ = (text, lent);
        step(id).await
    }

    #[::resilience::with_recovery(on(corrupt, rollback), rollback = |_| ())]
    #[::resilience::job("sync:{id}")]
    pub fn job_sync(id: i32) -> ::core::result::Result<i32, ::resilience::Rejected> {
        ::core::result::Result::Ok(id)
    }

    pub struct Work;

    impl ::resilience::Simplify for Work {
        fn simplify(&self, level: ::core::primitive::u32) -> ::core::option::Option<Self> {
            if level == 0 { ::core::option::Option::Some(Work) } else { ::core::option::Option::None }
        }
    }

    #[::resilience::cached(ttl = 60s, key = id)]
    #[::resilience::degrade(work)]
    #[::resilience::bulkhead(4, wait = 1s, key = id)]
    #[::resilience::rate_limit(100, per = 1s, wait = 1s, key = id)]
    #[::resilience::hedge(after = p95, max = 2, idempotent, key = id)]
    pub async fn loaded(id: i32, work: Work) -> ::core::result::Result<i32, ::resilience::Rejected> {
        let _ = &work;
        ::core::result::Result::Ok(id)
    }

    #[::resilience::bulkhead(adaptive)]
    #[::resilience::rate_limit(100, per = 1s)]
    pub fn loaded_now(id: i32) -> ::core::option::Option<i32> {
        ::core::option::Option::Some(id)
    }

    #[::resilience::with_retry(max = 3, base = 0s)]
    #[::resilience::circuit_breaker(threshold = 100)]
    pub fn sync(calls: &::core::cell::Cell<i32>) -> ::core::result::Result<i32, ::resilience::Rejected> {
        calls.set(calls.get() + 1);
        ::core::result::Result::Ok(calls.get())
    }
}

#[test]
fn expansions_work_among_shadowing_items() {
    let _world = resilience::testing::isolate();
    let calls = std::cell::Cell::new(0);
    let later = shadowed::later(6, String::new(), &calls);
    assert_eq!(futures::executor::block_on(later), Some(7));
    assert_eq!(shadowed::sync(&std::cell::Cell::new(0)), Ok(1));
    assert_eq!(futures::executor::block_on(shadowed::job(3, String::new(), &1)), Ok(3));
    assert_eq!(shadowed::job_sync(4), Ok(4));
    assert_eq!(futures::executor::block_on(shadowed::loaded(5, shadowed::Work)), Ok(5));
    assert_eq!(shadowed::loaded_now(6), Some(6));
}

mod locals {
    use resilience::{
        Rejected, bulkhead, cached, checkpoint, circuit_breaker, degrade, hedge, job, rate_limit, testing,
        timeout, with_fallback, with_recovery, with_retry,
    };
    use std::cell::Cell;

    #[with_recovery(on(not_found, skip), otherwise = escalate)]
    #[job("job:{running}", provided(provided))]
    async fn recorded(
        running: u32,
        args: u32,
        kept: &str,
        entered: Vec<u32>,
        rejected: u32,
        provided: &u64,
    ) -> Result<u32, Rejected> {
        let (scope, bytes, settled, strategy, this) = (1, 2, 3, 4, 5);
        let all = scope + bytes + settled + strategy + this + entered.len() as u32 + rejected;
        step(running + args + kept.len() as u32, all, "key", provided)
    }

    #[checkpoint("step:{running}:{key}", inputs(outcome), rollback = |value: u32| assert_eq!(value, 0))]
    fn step(running: u32, outcome: u32, key: &str, store: &u64) -> Result<u32, Rejected> {
        let (value, label) = (running + outcome, key.len() as u32 + *store as u32);
        Ok(value + label)
    }

    #[test]
    fn arguments_may_have_the_names_used_by_recordings() {
        let _world = testing::isolate();
        let job = recorded(1, 2, "ab", vec![0], 6, &7);
        assert_eq!(futures::executor::block_on(job), Ok(5 + 22 + 10));
    }

    #[with_fallback(value = 0)]
    #[timeout(60s)]
    #[with_retry(max = 2, base = 0s, jitter = none)]
    #[circuit_breaker(threshold = 100)]
    #[timeout(30s)]
    #[allow(clippy::too_many_arguments)]
    async fn later(
        r: u32,
        verdict: u32,
        class: u32,
        wait: u32,
        error: u32,
        permit: u32,
        retry: u32,
        attempt: u32,
        calls: &Cell<u32>,
    ) -> Result<u32, Rejected> {
        let (e, point, rejected, state, site, rt) = (1, 2, 3, 4, 5, 6);
        calls.set(calls.get() + 1);
        Ok(r + verdict
            + class
            + wait
            + error
            + permit
            + retry
            + attempt
            + e
            + point
            + rejected
            + state
            + site
            + rt)
    }

    #[with_fallback(value = r + class)]
    #[with_retry(max = 2, base = 0s, when = |error| *error < class + wait)]
    #[circuit_breaker(threshold = 100, key = permit, rejected = |_| 0, unless = |verdict| *verdict == wait)]
    fn sync(r: u32, class: u32, wait: u32, permit: u32, attempt: &Cell<u32>) -> Result<u32, u32> {
        let retry = attempt.get() + 1;
        attempt.set(retry);
        let error = r + permit;
        let verdict: Result<u32, u32> = Err(error);
        let _unused = verdict?;
        Ok(0)
    }

    #[cached(key = slot, ttl = 60s, when_ok = |level: &u32| *level > original)]
    #[degrade(simpler)]
    #[bulkhead(4, wait = 1s, key = held)]
    #[rate_limit(100, per = 1s, wait = 1s, key = pass)]
    #[hedge(after = 50ms, idempotent, key = copies)]
    async fn loaded(
        slot: u32,
        held: u32,
        pass: u32,
        copies: u32,
        original: u32,
        simpler: &Simpler,
    ) -> Result<u32, Rejected> {
        let (level, first, holding, outcome, label) = (1, 2, 3, 4, 5);
        Ok(slot + held + pass + copies + original + level + first + holding + outcome + label + simpler.0)
    }

    struct Simpler(u32);

    impl resilience::Simplify for Simpler {
        fn simplify(&self, level: u32) -> Option<Self> {
            (level < self.0).then_some(Self(level))
        }
    }

    #[test]
    fn arguments_may_have_the_names_used_by_load_policies() {
        let _world = testing::isolate();
        assert_eq!(futures::executor::block_on(loaded(1, 2, 3, 4, 5, &Simpler(6))), Ok(36));
    }

    #[test]
    fn arguments_may_have_the_names_used_by_expansions() {
        let _world = testing::isolate();
        let calls = Cell::new(0);
        assert_eq!(futures::executor::block_on(later(1, 2, 3, 4, 5, 6, 7, 8, &calls)), Ok(57));
        let attempts = Cell::new(0);
        assert_eq!(sync(1, 2, 10, 3, &attempts), Ok(3));
        assert_eq!(attempts.get(), 3, "4 < 2 + 10: tried again");
    }

    #[test]
    fn a_setting_sees_the_arguments_and_not_the_expansion() {
        #[with_fallback(value = attempt)]
        #[with_retry(max = 1, base = 0s)]
        fn call(attempt: &str) -> Option<&str> {
            let _ = attempt;
            None
        }
        let _world = testing::isolate();
        assert_eq!(call("mine"), Some("mine"));
    }
}

mod raw_names {
    use resilience::{Rejected, circuit_breaker, testing, timeout, with_fallback, with_retry};

    struct Type;

    impl Type {
        #[with_fallback(Self::r#else)]
        #[timeout(60s)]
        #[with_retry(max = 1, base = 0s, clone(r#type))]
        #[circuit_breaker(key = r#ref)]
        async fn r#match(&self, r#type: String, mut r#ref: u32) -> Result<usize, Rejected> {
            r#ref += 1;
            Ok(r#type.into_bytes().len() + r#ref as usize)
        }

        fn r#else(&self, _: String, r#ref: u32) -> Option<usize> {
            Some(r#ref as usize)
        }
    }

    #[with_retry(max = 1, base = 0s)]
    fn r#try(r#fn: u32) -> Option<u32> {
        Some(r#fn)
    }

    #[test]
    fn raw_identifiers_are_supported() {
        let _world = testing::isolate();
        assert_eq!(futures::executor::block_on(Type.r#match("ab".to_owned(), 1)), Ok(4));
        assert_eq!(r#try(7), Some(7));
        assert!(resilience::points().iter().any(|point| point.name.ends_with("raw_names::try")));
    }
}

mod by_macros {
    use resilience::{Rejected, circuit_breaker, testing, timeout, with_fallback, with_retry};
    use std::cell::Cell;
    use std::time::Duration;

    macro_rules! client {
        ($name:ident, $limit:literal, $max:expr, $base:expr, $recovery:expr, $value:expr, $ty:ty) => {
            #[with_fallback(value = $value)]
            #[timeout($limit)]
            #[with_retry(max = $max, base = $base, jitter = none)]
            #[circuit_breaker(threshold = 100, recovery = $recovery)]
            async fn $name(calls: &Cell<$ty>) -> Result<$ty, Rejected> {
                calls.set(calls.get() + 1);
                if calls.get() < 3 { pending().await } else { Ok(calls.get()) }
            }
        };
    }

    async fn pending() -> Result<u32, Rejected> {
        #[timeout(1ms)]
        async fn hangs() -> Result<u32, Rejected> {
            std::future::pending().await
        }
        hangs().await
    }

    const BASE: Duration = Duration::from_millis(20);
    client!(made, 60s, 3, 20ms, Duration::from_secs(9), 99, u32);
    client!(made_of_consts, 5m, 1 + 1, BASE, Duration::from_secs(4), 98, u32);

    macro_rules! passes {
        ($(#[$attribute:meta])* $visible:vis fn $name:ident($($argument:ident: $kind:ty),*) -> $result:ty $body:block) => {
            $(#[$attribute])* $visible fn $name($($argument: $kind),*) -> $result $body
        };
    }

    passes! {
        /// Its attribute arrives through a `meta`.
        #[with_retry(max = 2, base = 0s)]
        #[circuit_breaker(threshold = 9)]
        pub fn passed(calls: &Cell<u32>) -> Option<u32> {
            calls.set(calls.get() + 1);
            (calls.get() == 3).then(|| calls.get())
        }
    }

    macro_rules! nested {
        ($policy:ident, $body:expr) => {{
            #[$policy(max = 2, base = 0s)]
            fn inner(calls: &Cell<u32>) -> Option<u32> {
                let r = $body;
                calls.set(calls.get() + r);
                (calls.get() == 3).then_some(r)
            }
            inner(&Cell::new(0))
        }};
    }

    #[tokio::test(start_paused = true)]
    async fn functions_defined_by_macros_are_supported() {
        let world = testing::isolate();
        assert_eq!(made(&Cell::new(0)).await, Ok(3));
        assert_eq!(world.waits(), [20, 40].map(Duration::from_millis));
        assert_eq!(made_of_consts(&Cell::new(0)).await, Ok(3));
        assert_eq!(world.waits()[2..], [20, 40].map(Duration::from_millis));
        assert_eq!(passed(&Cell::new(0)), Some(3));
        assert_eq!(nested!(with_retry, 1), Some(1));
    }
}

mod renamed {
    use resilience as r;
    use resilience::circuit_breaker as cb;
    use resilience::with_fallback as otherwise;
    use resilience::with_retry as again;
    use std::cell::Cell;

    #[otherwise(value = 99)]
    #[r::timeout(60s)]
    #[again(max = 3, base = 0s)]
    #[cb(threshold = 2)]
    async fn call(calls: &Cell<u32>) -> Result<u32, r::Rejected> {
        calls.set(calls.get() + 1);
        Err(refused().await)
    }

    async fn refused() -> r::Rejected {
        #[r::timeout(1ms)]
        async fn hangs() -> Result<(), r::Rejected> {
            std::future::pending().await
        }
        hangs().await.unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn renamed_imports_keep_the_order_of_the_stack() {
        let _world = r::testing::isolate();
        let calls = Cell::new(0);
        assert_eq!((call(&calls).await, calls.get()), (Ok(99), 2));
        let point = r::points().into_iter().find(|point| point.name.ends_with("renamed::call")).unwrap();
        let kinds: Vec<_> = point.stack.iter().map(|policy| policy.kind).collect();
        assert_eq!(kinds, ["with_fallback", "timeout", "with_retry", "circuit_breaker"]);
    }
}

mod by_cfg_attr {
    use resilience::{circuit_breaker, testing, timeout, with_fallback, with_retry};
    use std::cell::Cell;

    #[cfg_attr(all(), with_retry(max = 2, base = 0s))]
    fn one(calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + 1);
        None
    }

    #[cfg_attr(any(), with_retry(max = 2, base = 0s))]
    fn none(calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + 1);
        None
    }

    #[cfg_attr(all(), with_fallback(value = 99), timeout(60s))]
    #[cfg_attr(all(), with_retry(max = 9, base = 0s))]
    #[allow(unused_variables)]
    #[cfg_attr(all(), circuit_breaker(threshold = 2))]
    #[cfg_attr(any(), timeout(1s))]
    async fn several(calls: &Cell<u32>, #[cfg(any())] absent: u32) -> Option<u32> {
        calls.set(calls.get() + 1);
        None
    }

    #[test]
    fn cfg_attr_attributes_are_supported() {
        let _world = testing::isolate();
        let calls = Cell::new(0);
        assert_eq!((one(&calls), calls.replace(0)), (None, 3));
        assert_eq!((none(&calls), calls.replace(0)), (None, 1));
        assert_eq!((futures::executor::block_on(several(&calls)), calls.replace(0)), (Some(99), 2));
        let info = resilience::points().into_iter().find(|point| point.name.ends_with("several")).unwrap();
        let kinds: Vec<_> = info.stack.iter().map(|policy| policy.kind).collect();
        assert_eq!(kinds, ["with_fallback", "timeout", "with_retry", "circuit_breaker"]);
    }
}

mod generics {
    use resilience::{Classify, Rejected, circuit_breaker, testing, timeout, with_fallback, with_retry};
    use std::cell::Cell;
    use std::fmt::Debug;

    trait Source {
        type Item: Copy + Debug;
        type Error: Classify + From<Rejected>;

        fn next(&self) -> Result<Self::Item, Self::Error>;

        #[with_retry(max = 3, base = 0s)]
        #[circuit_breaker(threshold = 100)]
        fn checked(&self) -> Result<Self::Item, Self::Error> {
            self.next()
        }
    }

    struct Numbers<const N: u32>(Cell<u32>);

    impl<const N: u32> Source for Numbers<N> {
        type Item = u32;
        type Error = std::io::Error;

        fn next(&self) -> Result<u32, std::io::Error> {
            self.0.set(self.0.get() + 1);
            if self.0.get() < N { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(self.0.get()) }
        }
    }

    #[with_fallback(value = [None; N])]
    #[timeout(60s)]
    #[with_retry(max = 3, base = 0s)]
    #[circuit_breaker(threshold = 100)]
    async fn take<'a, S, const N: usize>(source: &'a S) -> Result<[Option<S::Item>; N], S::Error>
    where
        S: Source + ?Sized + 'a,
    {
        let item = source.next()?;
        Ok([Some(item); N])
    }

    #[test]
    fn generic_parameters_are_supported() {
        let _world = testing::isolate();
        assert_eq!(Numbers::<3>(Cell::new(0)).checked().unwrap(), 3);
        let taken = futures::executor::block_on(take::<_, 2>(&Numbers::<2>(Cell::new(0))));
        assert_eq!(taken.unwrap(), [Some(2), Some(2)]);
        let none = futures::executor::block_on(take::<_, 1>(&Numbers::<99>(Cell::new(0))));
        assert_eq!(none.unwrap(), [None]);
    }
}

mod kept {
    #![deny(warnings, clippy::pedantic, unused, missing_docs, unreachable_code)]

    //! What stood at the function still stands there, and no lint speaks of an expansion.

    use resilience::{Rejected, circuit_breaker, timeout, with_fallback, with_retry};

    /// Documented.
    ///
    /// # Errors
    ///
    /// Never.
    #[with_fallback(value = 1)]
    #[timeout(60s)]
    #[with_retry(max = 1)]
    #[circuit_breaker(threshold = 2)]
    #[timeout(3s)]
    #[must_use]
    #[inline]
    #[allow(clippy::double_must_use, clippy::unused_async)]
    pub async fn later(id: u32) -> Result<u32, Rejected> {
        if id == 0 {
            return Ok(1);
        }
        Ok(id)
    }

    /// Diverges at the end.
    ///
    /// # Errors
    ///
    /// Always.
    #[with_retry(max = 1, base = 0s)]
    #[allow(clippy::needless_return, reason = "a lint of the body, which speaks there as it does without us")]
    pub fn returns(id: u32) -> Result<(), u32> {
        return Err(id);
    }

    /// A loop that never ends by itself.
    #[with_retry(max = 1, base = 0s)]
    pub fn loops(mut id: u32) -> Option<u32> {
        loop {
            id += 1;
            if id > 3 {
                return Some(id);
            }
        }
    }

    #[test]
    fn functions_with_preserved_attributes_run() {
        let _world = resilience::testing::isolate();
        assert_eq!(futures::executor::block_on(later(0)), Ok(1));
        assert_eq!((returns(1), loops(0)), (Err(1), Some(4)));
    }
}

/// Lower-case constants, statics and unit structs with the names of an expansion's locals: a pattern of that
/// name would mean them.
#[allow(non_upper_case_globals, non_camel_case_types, dead_code, reason = "here only to be in scope")]
mod among_lower_case_items {
    use resilience::{
        Rejected, checkpoint, circuit_breaker, job, testing, timeout, with_fallback, with_recovery,
        with_retry,
    };

    macro_rules! constants {
        ($($name:ident)*) => { $(const $name: u32 = 1;)* };
    }
    constants! {
        r verdict class value answer wait permit retry budget rejected e done running entered kept strategy
        bytes args worked policy held instance outcome site point attempt limit name state error scope this
        refused refusal label settled call stack inner body result err ok made fallback hook closure future
        ruling event key keys store fresh keyed lent started remaining deadline timer probe judge
    }
    static provided: u32 = 1;
    struct response;

    #[with_fallback(value = 99)]
    #[timeout(60s)]
    #[with_retry(max = 1, base = 0s, clone(text))]
    #[circuit_breaker(threshold = 100, key = id)]
    #[timeout(30s)]
    async fn later(id: &str, mut text: String, mut count: u32) -> Result<u32, Rejected> {
        text.push('x');
        count += retry + verdict;
        drop(text);
        Ok(count + id.len() as u32)
    }

    #[with_fallback(instead(id), when_ok = |found| *found == 7)]
    #[with_retry(max = 1, base = 0s, when = |_| true, unless = |_| false, give_up_after = 1s)]
    #[circuit_breaker(classify = |_| timed_out(), context(id = id), rejected = |_| 0)]
    fn sync(id: u32) -> Result<u32, u32> {
        Ok(id + value - 1)
    }

    fn instead(id: u32) -> Option<u32> {
        Some(id + 100)
    }

    fn timed_out() -> resilience::Classification {
        resilience::Classification::new(resilience::Category::Timeout)
    }

    #[timeout(60s, thread)]
    fn on_a_thread(id: u32) -> Result<u32, Rejected> {
        Ok(id + r)
    }

    #[checkpoint("step:{id}", inputs(id), rollback = |_: u32| ())]
    async fn step(id: u32) -> Result<u32, Rejected> {
        Ok(id + kept)
    }

    #[checkpoint]
    fn unkeyed(id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }

    #[with_recovery(on(corrupt, rollback), on(not_found, skip), otherwise = escalate, rollback = |_, _| ())]
    #[job("job:{id}", provided(client))]
    async fn recorded(id: u32, client: &u64) -> Result<u32, Rejected> {
        let _ = client;
        step(id).await
    }

    #[job("sync:{id}")]
    fn recorded_sync(id: u32) -> Result<u32, Rejected> {
        unkeyed(id)
    }

    #[test]
    fn an_expansion_keeps_its_own_names() {
        let _world = testing::isolate();
        assert_eq!(futures::executor::block_on(later("ab", String::new(), 1)), Ok(5));
        assert_eq!((sync(1), sync(7)), (Ok(1), Ok(107)));
        assert_eq!(on_a_thread(1), Ok(2));
        assert_eq!(futures::executor::block_on(recorded(1, &1)), Ok(2));
        assert_eq!(recorded_sync(3), Ok(3));
    }
}

/// A trait of the user's gives every type methods with the names of those that an expansion calls.
mod among_blanket_traits {
    use resilience::durable::MemoryStore;
    use resilience::{
        CircuitBreaker, Classify, Rejected, Retry, Simplify, bulkhead, cached, chaos, checkpoint,
        circuit_breaker, degrade, failover, health_check, hedge, job, rate_limit, testing, timeout,
        with_fallback, with_lock, with_recovery, with_retry,
    };
    use std::sync::{Arc, LazyLock};

    macro_rules! blanket {
        ($($name:ident)*) => {
            #[allow(dead_code, clippy::new_ret_no_self, clippy::wrong_self_convention, reason = "here only to be in scope")]
            trait ByValue: Sized { $(fn $name(self) {})* }
            impl<T> ByValue for T {}
        };
    }
    blanket! {
        settle admit acquire clone call judge probe value or_else await_it attempt elsewhere is_last next of
        pause sleep start start_timed timed paid_by settle_with settle_unpaid settle_by_settings budget budget_or
        own_budget applies answered failed begin begin_blocking end end_blocking enter scope decide undone
        wanted take get argument input earlier text finish map_err named checked strict thread per_key
        on on_fallback otherwise with_job with_undo max_keys success failure carried on_thread grown new
        into from fmt drop poll deref as_ref borrow to_owned to_string into_store into_future skipped worked
        returned started refused key_label max base cap threshold window recovery
        within listed continues start_keyed sharing is_error is_lost_answer delay delay_async injected ended
        simplified lead lead_blocking leading keeping_degraded end_weighed enter_in hold hedging measure measured
        enter_attempt await_attempt pass_attempt await_pass acquire_async acquire_lease acquire_lease_async leased
        constant timed_call given again in_code handles ask ask_named unthrottled share pinned class
        is_some is_none or and_then map find_in retry severity delivered action retry_after is_outermost added_to
    }

    #[with_fallback(instead, Some(1), value = 3, when_ok = |found| *found == 7)]
    #[timeout(60s, strict)]
    #[with_retry(max = 1, base = 1ms, when = |_e| true, unless = |_e| false, clone(text), give_up_after = 1s)]
    #[circuit_breaker(key = id)]
    #[timeout(30s, growth = 2.0)]
    async fn later(id: &str, mut text: String) -> Result<u32, Rejected> {
        text.push('x');
        drop(text);
        Ok(id.len() as u32)
    }

    fn instead(_: &str, _: String) -> Option<u32> {
        None
    }

    static BREAKER: CircuitBreaker = CircuitBreaker::new("hygiene");

    #[with_fallback(value = 9)]
    #[with_retry(max = 1, base = 0s, on(timeout, max = 2))]
    #[circuit_breaker(instance = BREAKER)]
    fn sync(id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }

    const OWNED: Retry = Retry::new().max(1);

    #[with_retry(instance = OWNED)]
    fn owned(id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }

    #[with_retry(instance = OWNED)]
    async fn owned_later(id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }

    #[with_retry(max = 1, base = 0s, clone(text))]
    #[timeout(60s, thread)]
    fn on_a_thread(text: String) -> Result<String, Rejected> {
        Ok(text)
    }

    #[checkpoint("step:{id}", inputs(id), rollback = |_: u32| ())]
    async fn step(id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }

    #[with_recovery(on(corrupt, rollback), on(not_found, skip), otherwise = escalate, rollback = |_, _, _| ())]
    #[job("job:{id}", provided(client))]
    async fn recorded(id: u32, name: &str, client: &u64) -> Result<u32, Rejected> {
        let _ = (client, name);
        step(id).await
    }

    #[job("sync:{id}")]
    fn recorded_sync(id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }

    #[derive(Debug)]
    struct Plan(u32);

    impl Simplify for Plan {
        fn simplify(&self, level: u32) -> Option<Self> {
            Some(Self(self.0 - level))
        }
    }

    #[derive(Debug, PartialEq, Classify)]
    enum Failure {
        #[classify(timeout)]
        Late,
        #[classify(transparent)]
        Rejected(Rejected),
    }

    impl From<Rejected> for Failure {
        fn from(rejected: Rejected) -> Self {
            Self::Rejected(rejected)
        }
    }

    #[bulkhead(3, wait = 1s, key = id)]
    #[rate_limit(9, per = 1s, wait = 1s, key = id)]
    #[hedge(after = 500ms, idempotent, key = id)]
    #[circuit_breaker(slow = 1s, window = 10s, key = id)]
    #[timeout(adaptive, floor = 1s, cap = 2s, key = id)]
    #[chaos(rate = 1%, fault = Failure::Late, lost = Failure::Late, latency = 1ms, panic, seed = 7)]
    async fn limited(id: &str) -> Result<u32, Failure> {
        Ok(id.len() as u32)
    }

    #[bulkhead(adaptive, wait = 1s)]
    #[rate_limit(9, per = 1s)]
    #[circuit_breaker(slow = 1s, window = 10s)]
    #[chaos(rate = 1%, fault = Failure::Late, lost = Failure::Late, latency = 1ms)]
    fn limited_sync(id: u32) -> Result<u32, Failure> {
        Ok(id)
    }

    #[bulkhead(adaptive, wait = 1s)]
    #[with_lock("hygiene:thread:{id}")]
    #[timeout(adaptive, floor = 1s, cap = 2s, thread)]
    fn adaptive_on_a_thread(id: u32) -> Result<u32, Failure> {
        Ok(id)
    }

    #[cached(ttl = 1s, weight = |_: &u32| 1_u32)]
    #[failover(name = ["a", "b"], sticky = 1s)]
    #[with_retry(max = 1, base = 0s, throttle = 2.0)]
    #[timeout(adaptive, floor = 1s, cap = 2s)]
    async fn elsewhere(name: &str) -> Result<u32, Failure> {
        if name == "a" { Err(Failure::Late) } else { Ok(2) }
    }

    #[cached(ttl = 1s, degraded, key = (id, name))]
    #[failover(name = ["a", "b"], sticky = 1s)]
    #[circuit_breaker(key = id)]
    fn elsewhere_sync(id: u32, name: &str) -> Result<u32, Failure> {
        if name == "a" { Err(Failure::Late) } else { Ok(id) }
    }

    #[degrade(plan)]
    #[with_lock("hygiene:{id}")]
    fn simpler(id: u32, plan: &Plan) -> Result<u32, Failure> {
        if plan.0 > 1 { Err(Failure::Late) } else { Ok(id) }
    }

    #[degrade(plan)]
    #[with_lock("hygiene:later:{id}")]
    async fn simpler_later(id: u32, plan: Plan) -> Result<u32, Failure> {
        if plan.0 > 1 { Err(Failure::Late) } else { Ok(id) }
    }

    static STORE: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));

    #[with_lock("hygiene:lease:{id}", store = &*STORE)]
    fn leased_sync(id: u32) -> Result<u32, Failure> {
        Ok(id)
    }

    #[with_lock("hygiene:lease:{id}", store = &*STORE)]
    async fn leased_later(id: u32) -> Result<u32, Failure> {
        Ok(id)
    }

    #[health_check("blanket:{id}", each = [1_u32])]
    #[timeout(1s)]
    async fn healthy(id: u32) -> Result<(), Rejected> {
        let _ = id;
        Ok(())
    }

    #[test]
    fn an_expansion_of_a_load_policy_calls_its_own_methods() {
        let _world = testing::isolate();
        assert_eq!(futures::executor::block_on(limited("ab")), Ok(2));
        assert_eq!((limited_sync(3), adaptive_on_a_thread(4)), (Ok(3), Ok(4)));
        assert_eq!(futures::executor::block_on(elsewhere("a")), Ok(2));
        assert_eq!((elsewhere_sync(5, "a"), simpler(6, &Plan(2))), (Ok(5), Ok(6)));
        assert_eq!(futures::executor::block_on(simpler_later(7, Plan(2))), Ok(7));
        assert_eq!((leased_sync(8), futures::executor::block_on(leased_later(9))), (Ok(8), Ok(9)));
        assert_eq!(futures::executor::block_on(healthy(1)), Ok(()));
    }

    #[test]
    fn an_expansion_calls_its_own_methods() {
        let _world = testing::isolate();
        assert_eq!(futures::executor::block_on(later("ab", String::new())), Ok(2));
        assert_eq!(futures::executor::block_on(later("seven__", String::new())), Ok(1));
        assert_eq!(sync(4), Ok(4));
        assert_eq!((owned(5), futures::executor::block_on(owned_later(6))), (Ok(5), Ok(6)));
        let text = || "a".chars().collect::<String>();
        assert_eq!(on_a_thread(text()), Ok(text()));
        assert_eq!(futures::executor::block_on(recorded(1, "a", &1)), Ok(1));
        assert_eq!(recorded_sync(3), Ok(3));
    }
}

/// A macro of another crate, which names the library by a path from its own crate.
mod declared_by_a_macro {
    use std::cell::Cell;

    resilience_rename::declare!();
    resilience_rename::declare!(::resilience_rename::framework::parts);

    #[test]
    fn a_macro_names_the_library_by_a_path_from_its_own_crate() {
        let calls = Cell::new(0);
        assert_eq!(declared(&calls).unwrap(), 0);
        assert_eq!(calls.get(), 1, "the class of the error is found");
        assert_eq!(futures::executor::block_on(declared_later()), Some(2));
        assert_eq!(declared_step().unwrap(), 3);
        let components = resilience::health::check_all();
        assert!(components.iter().any(|status| &*status.component == "declared"));
    }

    #[test]
    fn a_path_may_come_through_a_macro() {
        assert_eq!(through_a_path(false), Some(1));
        assert_eq!(through_a_path(true), None);
    }
}
