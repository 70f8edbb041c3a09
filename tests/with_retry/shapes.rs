//! Methods, traits and generics.

use futures::executor::block_on;
use resilience::{testing, with_retry};
use std::cell::Cell;
use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Succeeds at its third call.
#[derive(Default)]
struct Third {
    calls: AtomicU32,
    plain: u32,
}

impl Third {
    fn step(&self) -> Option<u32> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        (call == 3).then_some(call)
    }

    #[with_retry(max = 2)]
    fn by_ref(&self) -> Option<u32> {
        self.step()
    }

    #[with_retry(max = 2)]
    async fn by_ref_later(&self) -> Option<u32> {
        tokio::task::yield_now().await;
        self.step()
    }

    #[with_retry(max = 2)]
    fn by_mut(&mut self) -> Option<u32> {
        self.plain += 1;
        self.step()
    }

    #[with_retry(max = 2)]
    async fn by_mut_later(&mut self) -> Option<u32> {
        self.plain += 1;
        tokio::task::yield_now().await;
        self.step()
    }

    #[with_retry(max = 2)]
    fn by_value(self) -> Option<u32> {
        self.step()
    }

    #[with_retry(max = 2)]
    async fn by_value_later(self) -> Option<u32> {
        tokio::task::yield_now().await;
        self.step()
    }

    #[with_retry(max = 2)]
    fn by_arc(self: Arc<Self>) -> Option<u32> {
        self.step()
    }

    #[with_retry(max = 2)]
    async fn by_box(self: Box<Self>) -> Option<u32> {
        self.step()
    }

    #[with_retry(max = 2)]
    fn by_pin(self: Pin<&Self>) -> Option<u32> {
        self.step()
    }

    #[with_retry(max = 2)]
    fn associated(third: &Self) -> Option<u32> {
        third.step()
    }
}

#[test]
fn every_receiver_is_supported() {
    let _world = testing::isolate();
    let third = Third::default;
    assert_eq!(third().by_ref(), Some(3));
    assert_eq!(block_on(third().by_ref_later()), Some(3));
    let mut both = third();
    assert_eq!((both.by_mut(), both.plain), (Some(3), 3));
    let mut both = third();
    assert_eq!(block_on(both.by_mut_later()), Some(3));
    assert_eq!(both.plain, 3);
    assert_eq!(third().by_value(), Some(3));
    assert_eq!(block_on(third().by_value_later()), Some(3));
    assert_eq!(Arc::new(third()).by_arc(), Some(3));
    assert_eq!(block_on(Box::new(third()).by_box()), Some(3));
    assert_eq!(Pin::new(&third()).by_pin(), Some(3));
    assert_eq!(Third::associated(&third()), Some(3));
}

trait Fetch {
    fn fetch(&self) -> Option<u32>;

    async fn fetch_later(&self) -> Option<u32>;

    #[with_retry(max = 2)]
    fn provided(&self) -> Option<u32> {
        self.once()
    }

    #[with_retry(max = 2)]
    async fn provided_later(&self) -> Option<u32> {
        self.once()
    }

    fn once(&self) -> Option<u32>;
}

impl Fetch for Third {
    #[with_retry(max = 2)]
    fn fetch(&self) -> Option<u32> {
        self.step()
    }

    #[with_retry(max = 2)]
    async fn fetch_later(&self) -> Option<u32> {
        self.step()
    }

    fn once(&self) -> Option<u32> {
        self.step()
    }
}

#[test]
fn required_and_provided_trait_methods_are_supported() {
    let _world = testing::isolate();
    assert_eq!(Third::default().fetch(), Some(3));
    assert_eq!(block_on(Third::default().fetch_later()), Some(3));
    assert_eq!(Third::default().provided(), Some(3));
    assert_eq!(block_on(Third::default().provided_later()), Some(3));
}

#[with_retry(max = 2)]
fn generic<'a, T, const N: usize>(value: &'a T, third: &Third) -> Option<[&'a T; N]>
where
    T: Display + ?Sized,
{
    third.step().map(|_| [value; N])
}

#[with_retry(max = 2)]
async fn generic_later<T>(value: T, third: &Third) -> Option<T>
where
    T: Clone + Send,
{
    third.step().map(|_| value.clone())
}

#[with_retry(max = 2)]
fn recursive(depth: u32, third: &Third) -> Option<u32> {
    if depth == 0 { third.step() } else { recursive(depth - 1, third) }
}

#[test]
fn generics_and_recursion_are_supported() {
    let _world = testing::isolate();
    assert_eq!(generic::<str, 2>("a", &Third::default()), Some(["a", "a"]));
    assert_eq!(block_on(generic_later(vec![1], &Third::default())), Some(vec![1]));
    assert_eq!(recursive(2, &Third::default()), Some(3));
}

#[test]
fn futures_stay_send() {
    #[with_retry(max = 2)]
    async fn sends(third: &Third, name: &str) -> Result<u32, std::io::Error> {
        tokio::task::yield_now().await;
        third.step().ok_or_else(|| std::io::Error::other(name.to_owned()))
    }
    fn send<T: Send>(value: T) -> T {
        value
    }
    let _world = testing::isolate();
    assert_eq!(block_on(send(sends(&Third::default(), "a"))).unwrap(), 3);
}

#[test]
fn instances_and_types_share_one_budget() {
    struct Of<T>(T);
    impl<T> Of<T> {
        #[with_retry(max = 1000, base = 0s)]
        fn fails(&self, calls: &Cell<u32>) -> Option<()> {
            calls.set(calls.get() + 1);
            None
        }
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    Of(1_u8).fails(&calls);
    Of("text").fails(&calls);
    assert_eq!(calls.get(), 102, "state is one static per function");
    let _ = Of(1).0;
}
