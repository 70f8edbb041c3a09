//! Receivers.

use crate::kit::{Came, Runs};
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

macro_rules! receiver {
    ($d:tt $name:ident, $this:ident, ($($receiver:tt)*), $made:ident => $given:expr) => {
        macro_rules! $name {
            ([$d($policies:tt)*] [$d($later:tt)*] [$d($wait:tt)*] $d($d _:tt)*) => {
                #[derive(Clone)]
                struct Own { runs: Runs, calls: u32 }
                impl Own {
                    $d($policies)*
                    $d($later)* fn f($($receiver)*, by: u32) -> io::Result<u32> {
                        assert_eq!(by, 5);
                        $this.runs.step()$d($wait)*
                    }
                    fn instead<T>(_: T, by: u32) -> Option<u32> {
                        assert_eq!(by, 5);
                        Some(0)
                    }
                }
                pub $d($later)* fn call(runs: &Runs) -> Came {
                    #[allow(unused_mut)]
                    let mut $made = Own { runs: runs.clone(), calls: 0 };
                    Own::f($given, 5)$d($wait)*.into()
                }
            };
        }
    };
}

receiver!($ by_ref, self, (&self), own => &own);
receiver!($ by_ref_with_lifetime, self, (self: &Self), own => &own);
receiver!($ by_value, self, (self), own => own);
receiver!($ by_box, self, (self: Box<Self>), own => Box::new(own));
receiver!($ by_arc, self, (self: Arc<Self>), own => Arc::new(own));
receiver!($ by_rc, self, (self: Rc<Self>), own => Rc::new(own));
receiver!($ by_ref_arc, self, (self: &Arc<Self>), own => &Arc::new(own));
receiver!($ by_pin, self, (self: Pin<&Self>), own => Pin::new(&own));

macro_rules! by_mut {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        struct Own { runs: Runs, calls: u32 }
        impl Own {
            $($policies)*
            $($later)* fn f(&mut self) -> io::Result<u32> {
                self.calls += 1;
                self.step()$($wait)*
            }
            $($later)* fn step(&mut self) -> io::Result<u32> {
                self.runs.step()$($wait)*
            }
            $($later)* fn instead(&mut self) -> Option<u32> {
                Some(0)
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            let mut own = Own { runs: runs.clone(), calls: 0 };
            own.f()$($wait)*.into()
        }
    };
}

macro_rules! by_pin_mut {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        struct Own { runs: Runs, calls: u32 }
        impl Own {
            $($policies)*
            $($later)* fn f(mut self: Pin<&mut Self>) -> io::Result<u32> {
                self.as_mut().get_mut().calls += 1;
                self.runs.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            let mut own = Own { runs: runs.clone(), calls: 0 };
            Pin::new(&mut own).f()$($wait)*.into()
        }
    };
}

macro_rules! by_pin_mut_read {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        struct Own { runs: Runs }
        impl Own {
            $($policies)*
            $($later)* fn f(self: Pin<&mut Self>) -> io::Result<u32> {
                self.runs.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Pin::new(&mut Own { runs: runs.clone() }).f()$($wait)*.into()
        }
    };
}

macro_rules! mut_self {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        #[derive(Clone, Copy)]
        struct Own<'a> { runs: &'a Runs, calls: u32 }
        impl Own<'_> {
            $($policies)*
            $($later)* fn f(mut self) -> io::Result<u32> {
                self.calls += 1;
                self.runs.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own { runs, calls: 0 }.f()$($wait)*.into()
        }
    };
}

macro_rules! associated {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        #[derive(Default, serde::Serialize, serde::Deserialize)]
        struct Own { run: u32 }
        impl Own {
            $($policies)*
            $($later)* fn new(runs: &Runs) -> io::Result<Self> {
                Ok(Self { run: runs.step()$($wait)*? })
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own::new(runs)$($wait)*.map(|own| own.run).into()
        }
    };
}

macro_rules! lends_from_mut {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        struct Own { runs: Runs, last: u32 }
        impl Own {
            $($policies)*
            $($later)* fn f(&mut self) -> io::Result<&u32> {
                self.last = self.runs.step()$($wait)*?;
                Ok(&self.last)
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own { runs: runs.clone(), last: 0 }.f()$($wait)*.copied().into()
        }
    };
}

rows! { "Methods":
    by_ref "`&self`" [sync later] (Self::instead);
    by_ref_with_lifetime "`self: &Self`" [sync later] (Self::instead);
    by_mut "`&mut self`" [sync later] (Self::instead);
    by_value "`self`, only read" [sync later] (Self::instead);
    mut_self "`mut self`, `Copy`" [straight_sync straight_later] (value = 0);
    by_box "`self: Box<Self>`" [sync later] (Self::instead);
    by_arc "`self: Arc<Self>`" [sync later] (Self::instead);
    by_rc "`self: Rc<Self>`" [sync later] (Self::instead);
    by_ref_arc "`self: &Arc<Self>`" [sync later] (Self::instead);
    by_pin "`self: Pin<&Self>`" [sync later] (Self::instead);
    by_pin_mut "`mut self: Pin<&mut Self>`" [sync later] (value = 0);
    by_pin_mut_read "`self: Pin<&mut Self>`, only read" [sync later] (value = 0);
    associated "associated function of `Self`" [sync later] (value = Self::default());
    lends_from_mut "`&mut self` that lends from it" [straight_sync straight_later] [value = &0];
}
