//! Traits: given and provided methods, sync and native async.

use crate::kit::{Came, Runs, here};
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::io;

macro_rules! given {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        trait Fetch {
            $($later)* fn fetch(&self, by: &str) -> io::Result<u32>;
        }
        struct Own(Runs);
        impl Fetch for Own {
            $($policies)*
            $($later)* fn fetch(&self, by: &str) -> io::Result<u32> {
                assert_eq!(by, "abc");
                self.0.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own(runs.clone()).fetch("abc")$($wait)*.into()
        }
    };
}

macro_rules! provided {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        trait Fetch {
            $($later)* fn once(&self) -> io::Result<u32>;
            $($policies)*
            $($later)* fn fetch(&self) -> io::Result<u32> {
                self.once()$($wait)*
            }
        }
        struct Own(Runs);
        impl Fetch for Own {
            $($later)* fn once(&self) -> io::Result<u32> {
                self.0.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own(runs.clone()).fetch()$($wait)*.into()
        }
    };
}

macro_rules! provided_mut {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        trait Fetch {
            $($later)* fn once(&mut self) -> io::Result<u32>;
            $($policies)*
            $($later)* fn fetch(&mut self) -> io::Result<u32> {
                self.once()$($wait)*
            }
        }
        struct Own(Runs, u32);
        impl Fetch for Own {
            $($later)* fn once(&mut self) -> io::Result<u32> {
                self.1 += 1;
                self.0.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own(runs.clone(), 0).fetch()$($wait)*.into()
        }
    };
}

macro_rules! without_receiver {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        trait Make: Sized {
            $($later)* fn make(runs: &Runs) -> io::Result<Self>;
        }
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Own(u32);
        impl Make for Own {
            $($policies)*
            $($later)* fn make(runs: &Runs) -> io::Result<Self> {
                runs.step()$($wait)*.map(Self)
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own::make(runs)$($wait)*.map(|own| own.0).into()
        }
    };
}

macro_rules! associated_types {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        trait Source {
            type Item: Default + serde::Serialize + serde::de::DeserializeOwned;
            type Error: resilience::Classify + From<resilience::Rejected>;
            $($later)* fn once(&self) -> Result<Self::Item, Self::Error>;
            $($policies)*
            $($later)* fn get(&self) -> Result<Self::Item, Self::Error> {
                let item = self.once()$($wait)*?;
                Ok(item)
            }
        }
        struct Own(Runs);
        impl Source for Own {
            type Item = u32;
            type Error = io::Error;
            $($later)* fn once(&self) -> io::Result<u32> {
                self.0.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own(runs.clone()).get()$($wait)*.into()
        }
    };
}

macro_rules! generic_method {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        trait Find<K: ?Sized> {
            $($later)* fn find<T: From<u8> + PartialEq<u32>>(&self, key: &K, least: T) -> io::Result<u32>;
        }
        struct Own(Runs);
        impl<K: AsRef<str> + ?Sized> Find<K> for Own {
            $($policies)*
            $($later)* fn find<T: From<u8> + PartialEq<u32>>(&self, key: &K, least: T) -> io::Result<u32> {
                assert!(key.as_ref() == "abc" && least == 1);
                self.0.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own(runs.clone()).find("abc", 1_u32)$($wait)*.into()
        }
    };
}

macro_rules! behind_dyn {
    ([$($policies:tt)*] $($_:tt)*) => {
        trait Fetch {
            fn fetch(&self) -> io::Result<u32>;
        }
        struct Own(Runs);
        impl Fetch for Own {
            $($policies)*
            fn fetch(&self) -> io::Result<u32> {
                self.0.step()
            }
        }
        pub fn call(runs: &Runs) -> Came {
            let own: Box<dyn Fetch> = Box::new(Own(runs.clone()));
            own.fetch().into()
        }
    };
}

rows! { "Traits":
    given "method of an `impl Trait for`" [sync later] (value = 0);
    provided "provided method" [sync later] (value = 0);
    provided_mut "provided method, `&mut self`" [sync later] (value = 0);
    without_receiver "no receiver, returns `Self`" [sync later] (value = Self(0));
    associated_types "associated types in the outcome" [sync later] (value = Self::Item::default());
    generic_method "generic method of a generic trait" [sync later] (value = 0);
    behind_dyn "called through `dyn Trait`" [sync] (value = 0);
}
