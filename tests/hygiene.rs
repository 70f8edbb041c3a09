//! Expansions mean the same wherever they stand: no prelude, shadowed names, macros, `cfg_attr`.

#[path = "hygiene/among_blanket_traits.rs"]
mod among_blanket_traits;
#[allow(non_upper_case_globals, non_camel_case_types, dead_code, reason = "here only to be in scope")]
#[path = "hygiene/among_lower_case_items.rs"]
mod among_lower_case_items;
#[path = "hygiene/locals.rs"]
mod locals;
#[allow(dead_code, non_camel_case_types, non_snake_case, unused_macros, reason = "here only to shadow")]
#[path = "hygiene/shadowed.rs"]
mod shadowed;
#[path = "hygiene/without_a_prelude.rs"]
mod without_a_prelude;

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

mod by_paths {
    use resilience::{testing, with_retry};
    use std::cell::Cell;
    use std::collections::HashMap;

    mod config {
        pub const N: u32 = 1;
    }

    trait Limit {
        const MAX: u32;
    }

    impl Limit for HashMap<u8, u16> {
        const MAX: u32 = 2;
    }

    #[with_retry(max = config::N, base = 0s)]
    fn named_like_a_parameter<const N: u32>(calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + N);
        None
    }

    #[with_retry(max = <HashMap<u8, u16> as Limit>::MAX, base = 0s)]
    fn in_angle_brackets(calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + 1);
        None
    }

    #[with_retry(max = 1 + <HashMap<u8, u16>>::MAX, base = 0s)]
    fn after_an_operator(calls: &Cell<u32>) -> Option<u32> {
        calls.set(calls.get() + 1);
        None
    }

    #[test]
    fn constants_are_found_by_any_path() {
        let _world = testing::isolate();
        let calls = Cell::new(0);
        assert_eq!((named_like_a_parameter::<10>(&calls), calls.replace(0)), (None, 20));
        assert_eq!((in_angle_brackets(&calls), calls.replace(0)), (None, 3));
        assert_eq!((after_an_operator(&calls), calls.replace(0)), (None, 4));
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
