//! `#[async_trait]`: it has run before ours, on the whole `impl` or `trait`.

use crate::kit::{Came, Runs, here};
use async_trait::async_trait;
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::io;
use std::sync::Arc;

macro_rules! given {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[async_trait]
        trait Fetch {
            async fn fetch(&self, name: &str) -> io::Result<u32>;
        }
        struct Own(Runs);
        #[async_trait]
        impl Fetch for Own {
            $($policies)*
            async fn fetch(&self, name: &str) -> io::Result<u32> {
                let run = self.0.step().await?;
                assert_eq!(name, "abc");
                Ok(run)
            }
        }
        impl Own {
            async fn instead(&self, name: &str) -> Option<u32> {
                (name == "abc").then_some(0)
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            let own: Box<dyn Fetch + Send + Sync> = Box::new(Own(runs.clone()));
            tokio::spawn(async move { own.fetch("abc").await }).await.expect("no panic").into()
        }
    };
}

macro_rules! provided {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[async_trait]
        trait Fetch: Sync {
            async fn once(&self) -> io::Result<u32>;
            $($policies)*
            async fn fetch(&self) -> io::Result<u32> {
                self.once().await
            }
        }
        struct Own(Runs);
        #[async_trait]
        impl Fetch for Own {
            async fn once(&self) -> io::Result<u32> {
                self.0.step().await
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            let own: &dyn Fetch = &Own(runs.clone());
            own.fetch().await.into()
        }
    };
}

macro_rules! owned {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] $later:tt $wait:tt [$($clone:ident)?]) => {
        #[async_trait]
        trait Fetch {
            async fn fetch(&self, name: String, read: String) -> io::Result<u32>;
        }
        struct Own(Runs);
        #[async_trait]
        impl Fetch for Own {
            #[$first($($settings)* $(, $clone(name))?)]
            $($policies)*
            async fn fetch(&self, name: String, read: String) -> io::Result<u32> {
                assert_eq!((name.into_bytes().len(), read.len()), (3, 2));
                self.0.step().await
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            Own(runs.clone()).fetch("abc".to_owned(), "ab".to_owned()).await.into()
        }
    };
}

macro_rules! by_mut {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[async_trait]
        trait Fetch {
            async fn fetch(&mut self, by: &mut u32) -> io::Result<u32>;
        }
        struct Own(Runs, u32);
        #[async_trait]
        impl Fetch for Own {
            $($policies)*
            async fn fetch(&mut self, by: &mut u32) -> io::Result<u32> {
                self.1 += 1;
                *by += 1;
                self.0.step().await
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            let (mut own, mut by) = (Own(runs.clone(), 0), 0);
            let came = own.fetch(&mut by).await.into();
            assert_eq!(own.1, by);
            came
        }
    };
}

macro_rules! patterns {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[async_trait]
        trait Fetch {
            async fn fetch(&self, pair: (u32, u32), count: u32, _: u8) -> io::Result<u32>;
        }
        struct Own(Runs);
        #[async_trait]
        impl Fetch for Own {
            $($policies)*
            async fn fetch(&self, (a, mut b): (u32, u32), mut count: u32, _: u8) -> io::Result<u32> {
                b += 1;
                count += 1;
                assert_eq!((a, b, count), (1, 3, 8), "they start afresh");
                self.0.step().await
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            Own(runs.clone()).fetch((1, 2), 7, 0).await.into()
        }
    };
}

macro_rules! generic {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[async_trait]
        trait Find<K> {
            async fn find<'a, T>(&self, key: &'a K, more: T) -> io::Result<(&'a K, u32)>
            where
                K: 'async_trait,
                T: Into<u32> + Copy + Send + Sync + 'async_trait;
        }
        struct Own(Runs);
        #[async_trait]
        impl<K: Send + Sync> Find<K> for Own {
            $($policies)*
            async fn find<'a, T>(&self, key: &'a K, more: T) -> io::Result<(&'a K, u32)>
            where
                K: 'async_trait,
                T: Into<u32> + Copy + Send + Sync + 'async_trait,
            {
                assert_eq!(more.into(), 4);
                let run = self.0.step().await?;
                Ok((key, run))
            }
        }
        impl Own {
            fn instead<'a, K, T>(&self, key: &'a K, _: T) -> Option<(&'a K, u32)> {
                Some((key, 0))
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            Own(runs.clone()).find(&"key", 4_u8).await.map(|(_, run)| run).into()
        }
    };
}

macro_rules! not_send {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[async_trait(?Send)]
        trait Fetch {
            async fn fetch(&self) -> io::Result<u32>;
        }
        struct Own(std::rc::Rc<Runs>);
        #[async_trait(?Send)]
        impl Fetch for Own {
            $($policies)*
            async fn fetch(&self) -> io::Result<u32> {
                let kept = self.0.clone();
                kept.step().await
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            let own = Own(std::rc::Rc::new(runs.clone()));
            tokio::task::spawn_local(async move { own.fetch().await }).await.expect("no panic").into()
        }
    };
}

macro_rules! by_arc {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[async_trait]
        trait Fetch {
            async fn fetch(self: Arc<Self>) -> io::Result<u32>;
        }
        struct Own(Runs);
        #[async_trait]
        impl Fetch for Own {
            $($policies)*
            async fn fetch(self: Arc<Self>) -> io::Result<u32> {
                self.0.step().await
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            Arc::new(Own(runs.clone())).fetch().await.into()
        }
    };
}

macro_rules! without_receiver {
    ([$($policies:tt)*] $($_:tt)*) => {
        #[async_trait]
        trait Make: Sized {
            async fn make(runs: &Runs) -> io::Result<Self>;
        }
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Own(u32);
        #[async_trait]
        impl Make for Own {
            $($policies)*
            async fn make(runs: &Runs) -> io::Result<Self> {
                let run = runs.step().await?;
                Ok(Self(run))
            }
        }
        pub async fn call(runs: &Runs) -> Came {
            Own::make(runs).await.map(|own| own.0).into()
        }
    };
}

rows! { "`#[async_trait]`":
    given "method, called through `dyn` in a spawned task" [later] (Self::instead);
    provided "provided method" [later] (value = 0);
    owned "owned arguments, one moved: `clone(name)`" [later] (value = 0);
    by_mut "`&mut self` and a `&mut` argument" [later] (value = 0);
    patterns "pattern, `mut` and `_` arguments" [later] (value = 0);
    generic "generics, lifetimes, `where`" [later] [Self::instead];
    not_send "`?Send`, in a `LocalSet`" [later] (value = 0);
    by_arc "`self: Arc<Self>`" [later] (value = 0);
    without_receiver "no receiver, returns `Self`" [later] (value = Self(0));
}
