//! Functions that give a future, and where futures are run.

use crate::kit::{Came, Runs, here};
use futures::future::{FutureExt as _, LocalBoxFuture};
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;

macro_rules! impl_future {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        fn f(runs: &Runs) -> impl Future<Output = io::Result<u32>> + Send {
            async move { runs.step().await }
        }
        pub async fn call(runs: &Runs) -> Came {
            let runs = runs.clone();
            tokio::spawn(async move { f(&runs).await }).await.expect("no panic").into()
        }
    };
}

macro_rules! impl_future_of_statements {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        fn f(runs: &Runs, by: u32) -> impl Future<Output = io::Result<u32>> + '_ {
            let by = by + 1;
            async move {
                let run = runs.step().await?;
                assert_eq!(by, 8);
                Ok(run)
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            f(runs, 7).await.into()
        }
    };
}

macro_rules! boxed {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        fn f<'a>(runs: &'a Runs) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send + 'a>> {
            Box::pin(async move {
                let run = runs.step().await?;
                Ok(run)
            })
        }
        pub async fn call(runs: &Runs) -> Came {
            f(runs).await.into()
        }
    };
}

macro_rules! boxed_alias {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        fn f<'a>(runs: &'a Runs, by: &'a u32) -> ::futures::future::BoxFuture<'a, io::Result<u32>> {
            Box::pin(async move {
                assert_eq!(*by, 5);
                let run = runs.step().await?;
                Ok(run)
            })
        }
        pub async fn call(runs: &Runs) -> Came {
            f(runs, &5).await.into()
        }
    };
}

macro_rules! boxed_alias_of_statements {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        fn f<'a>(runs: &'a Runs) -> LocalBoxFuture<'a, Result<u32, io::Error>> {
            let future = async move { runs.step().await };
            future.boxed_local()
        }
        pub async fn call(runs: &Runs) -> Came {
            f(runs).await.into()
        }
    };
}

macro_rules! boxed_static {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] $later:tt $wait:tt [$($clone:ident)?]) => {
        #[$first($($settings)* $(, $clone(runs))?)]
        $($policies)*
        fn f(runs: Runs) -> Pin<Box<dyn Future<Output = io::Result<u32>> + Send>> {
            let future = async move { runs.step().await };
            Box::pin(future)
        }
        pub async fn call(runs: &Runs) -> Came {
            tokio::spawn(f(runs.clone())).await.expect("no panic").into()
        }
    };
}

macro_rules! boxed_method {
    ([$($policies:tt)*] $($_:tt)*) => {
        trait Fetch {
            fn fetch(&self, by: u32) -> Pin<Box<dyn Future<Output = io::Result<u32>> + '_>>;
        }
        struct Own(Runs);
        impl Fetch for Own {
            $($policies)*
            fn fetch(&self, by: u32) -> Pin<Box<dyn Future<Output = io::Result<u32>> + '_>> {
                Box::pin(async move {
                    assert_eq!(by, 5);
                    self.0.step().await
                })
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            let own: &dyn Fetch = &Own(runs.clone());
            own.fetch(5).await.into()
        }
    };
}

macro_rules! method_gives_impl {
    ([$($policies:tt)*] $($_:tt)*) => {
        trait Fetch {
            fn fetch(&self) -> impl Future<Output = io::Result<u32>> + Send;
        }
        struct Own(Runs);
        impl Fetch for Own {
            $($policies)*
            fn fetch(&self) -> impl Future<Output = io::Result<u32>> + Send {
                async { self.0.step().await }
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            let own = Own(runs.clone());
            tokio::spawn(async move { own.fetch().await }).await.expect("no panic").into()
        }
    };
}

macro_rules! promised_in_a_trait {
    ([$($policies:tt)*] $($_:tt)*) => {
        trait Fetch {
            fn fetch(&self) -> impl Future<Output = io::Result<u32>> + Send;
        }
        struct Own(Runs);
        impl Fetch for Own {
            $($policies)*
            async fn fetch(&self) -> io::Result<u32> {
                self.0.step().await
            }
        }
        async fn of(own: impl Fetch) -> io::Result<u32> {
            own.fetch().await
        }
        pub async fn call(runs: &Runs) -> Came {
            of(Own(runs.clone())).await.into()
        }
    };
}

macro_rules! spawned {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        async fn f<T: AsRef<str> + Sync + ?Sized>(runs: &Runs, name: &T, check: &(dyn Fn(&str) -> bool + Sync)) -> io::Result<u32> {
            let run = runs.step().await?;
            assert!(check(name.as_ref()));
            tokio::task::yield_now().await;
            Ok(run)
        }
        pub async fn call(runs: &Runs) -> Came {
            let runs = runs.clone();
            let call = async move { f(&runs, "abc", &|name| name == "abc").await };
            tokio::spawn(call).await.expect("no panic").into()
        }
    };
}

macro_rules! local {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        async fn f(runs: Rc<Runs>) -> io::Result<u32> {
            let kept = Rc::clone(&runs);
            let run = runs.step().await;
            drop(kept);
            run
        }
        pub async fn call(runs: &Runs) -> Came {
            tokio::task::spawn_local(f(Rc::new(runs.clone()))).await.expect("no panic").into()
        }
    };
}

macro_rules! recursive {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        async fn f(runs: &Runs, done: u32) -> io::Result<u32> {
            if done > 0 {
                return Ok(done);
            }
            let run = runs.step().await?;
            Box::pin(f(runs, run)).await
        }
        pub async fn call(runs: &Runs) -> Came {
            f(runs, 0).await.into()
        }
    };
}

macro_rules! joined {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        async fn f(runs: &Runs) -> io::Result<u32> {
            let (run, ()) = tokio::join!(runs.step(), tokio::task::yield_now());
            let inner = async { io::Result::Ok(run?) };
            inner.await
        }
        pub async fn call(runs: &Runs) -> Came {
            f(runs).await.into()
        }
    };
}

macro_rules! async_closures {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        async fn f(runs: &Runs, work: impl AsyncFn(&Runs) -> io::Result<u32>) -> io::Result<u32> {
            work(runs).await
        }
        pub async fn call(runs: &Runs) -> Came {
            f(runs, async |runs: &Runs| runs.step().await).await.into()
        }
    };
}

macro_rules! gives_a_future {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<Pin<Box<dyn Future<Output = u32> + Send>>> {
            let run = runs.step()$($wait)*?;
            Ok(Box::pin(async move { run }))
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.map(|inner| inner.now_or_never().expect("ready")).into()
        }
    };
}

macro_rules! gives_a_tuple {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f<'a>(runs: &'a Runs) -> Result<(LocalBoxFuture<'a, u32>, u8), io::Error> {
            let run = runs.step()$($wait)*?;
            Ok((Box::pin(async move { run }), 7))
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.map(|(inner, _)| inner.now_or_never().expect("ready")).into()
        }
    };
}

rows! { "Futures":
    impl_future "`-> impl Future + Send`, spawned" [later] (value = 0);
    impl_future_of_statements "`-> impl Future + '_` after other statements" [later] (value = 0);
    method_gives_impl "trait method `-> impl Future + Send`" [later] (value = 0);
    promised_in_a_trait "`async fn` where the trait says `-> impl Future + Send`" [later] (value = 0);
    boxed "`-> Pin<Box<dyn Future + Send + 'a>>`" [later] (value = 0);
    boxed_alias "`-> BoxFuture<'a, ..>` of futures" [later] (value = 0);
    boxed_alias_of_statements "`-> LocalBoxFuture<'a, ..>`, a body of statements" [later] (value = 0);
    boxed_static "`-> Pin<Box<dyn Future + Send>>` of an owned argument, `clone(runs)`" [later] (value = 0);
    boxed_method "trait method `-> Pin<Box<dyn Future + '_>>`" [later] (value = 0);
    spawned "`tokio::spawn`: borrowed, `?Sized` and `&dyn Fn` arguments" [later] (value = 0);
    local "`!Send` on a `LocalSet`" [later] (value = 0);
    recursive "recursion through `Box::pin`" [later] [value = 0];
    joined "`join!` and async blocks in the body" [later] (value = 0);
    async_closures "`impl AsyncFn` argument" [later] (value = 0);
    gives_a_future "`-> io::Result<Pin<Box<dyn Future>>>`" [sync later] [value = Box::pin(async { 0 })];
    gives_a_tuple "`-> Result<(LocalBoxFuture<'a, u32>, u8), E>`" [sync later] [value = (Box::pin(async { 0 }), 7)];
}
