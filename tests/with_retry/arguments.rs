//! What each attempt finds in its arguments.

use futures::executor::block_on;
use resilience::{testing, with_retry};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Counts its clones and knows whether it is one.
struct Payload {
    clones: Rc<Cell<u32>>,
    original: bool,
}

impl Clone for Payload {
    fn clone(&self) -> Self {
        self.clones.set(self.clones.get() + 1);
        Self { clones: self.clones.clone(), original: false }
    }
}

fn payload() -> (Rc<Cell<u32>>, Payload) {
    let clones = Rc::default();
    (Rc::clone(&clones), Payload { clones, original: true })
}

/// Which attempts got the original; `attempts` is how many it takes to succeed.
fn consume(payload: Payload, seen: &RefCell<Vec<bool>>, attempts: usize) -> Option<()> {
    seen.borrow_mut().push(payload.original);
    (seen.borrow().len() >= attempts).then_some(())
}

#[with_retry(max = 3, clone(payload))]
fn send(payload: Payload, seen: &RefCell<Vec<bool>>, attempts: usize) -> Option<()> {
    consume(payload, seen, attempts)
}

#[with_retry(max = 3, clone(payload))]
async fn send_later(payload: Payload, seen: &RefCell<Vec<bool>>, attempts: usize) -> Option<()> {
    tokio::task::yield_now().await;
    consume(payload, seen, attempts)
}

#[test]
fn the_last_attempt_gets_the_original_instead_of_a_clone() {
    let _world = testing::isolate();
    for (attempts, clones_made, got) in [
        (99, 3, &[false, false, false, true][..]),
        (4, 3, &[false, false, false, true]),
        (2, 2, &[false, false]),
        (1, 1, &[false]),
    ] {
        let calls: [fn(Payload, &RefCell<Vec<bool>>, usize) -> Option<()>; 2] =
            [send, |payload, seen, attempts| block_on(send_later(payload, seen, attempts))];
        for call in calls {
            let ((clones, payload), seen) = (payload(), RefCell::default());
            assert_eq!(call(payload, &seen, attempts).is_some(), attempts < 99);
            assert_eq!(seen.into_inner(), got);
            assert_eq!(clones.get(), clones_made);
        }
    }
}

#[test]
fn nothing_is_cloned_without_retries() {
    #[with_retry(max = 0, clone(payload))]
    fn once(payload: Payload, seen: &RefCell<Vec<bool>>) -> Option<()> {
        consume(payload, seen, 99)
    }
    let _world = testing::isolate();
    let ((clones, payload), seen) = (payload(), RefCell::default());
    assert_eq!(once(payload, &seen), None);
    assert_eq!((clones.get(), seen.into_inner()), (0, vec![true]));
}

#[test]
fn several_arguments_can_be_cloned() {
    #[with_retry(max = 2, clone(left, right))]
    fn join(left: String, right: Vec<u8>, calls: &Cell<u32>) -> Option<(String, Vec<u8>)> {
        calls.set(calls.get() + 1);
        let both = (left, right);
        (calls.get() == 3).then_some(both)
    }
    let _world = testing::isolate();
    assert_eq!(join("a".to_owned(), vec![1], &Cell::new(0)), Some(("a".to_owned(), vec![1])));
}

#[test]
fn a_mut_copy_argument_is_reset_for_each_attempt() {
    #[with_retry(max = 3)]
    fn now(mut countdown: u32, seen: &RefCell<Vec<u32>>) -> Option<()> {
        countdown -= 1;
        seen.borrow_mut().push(countdown);
        None
    }
    #[with_retry(max = 3)]
    async fn later(mut countdown: u32, seen: &RefCell<Vec<u32>>) -> Option<()> {
        countdown -= 1;
        tokio::task::yield_now().await;
        seen.borrow_mut().push(countdown);
        None
    }
    let _world = testing::isolate();
    let seen = RefCell::default();
    now(10, &seen);
    block_on(later(20, &seen));
    assert_eq!(seen.into_inner(), [9, 9, 9, 9, 19, 19, 19, 19]);
}

#[test]
fn a_cloned_mut_argument_is_reset_for_each_attempt() {
    #[with_retry(max = 2, clone(parts))]
    fn now(mut parts: Vec<u32>, seen: &RefCell<Vec<usize>>) -> Option<()> {
        parts.push(0);
        seen.borrow_mut().push(parts.len());
        None
    }
    let _world = testing::isolate();
    let seen = RefCell::default();
    now(vec![7], &seen);
    assert_eq!(seen.into_inner(), [2, 2, 2]);
}

#[test]
fn data_behind_a_mut_reference_is_shared_by_attempts() {
    #[with_retry(max = 3)]
    fn now(log: &mut Vec<u32>) -> Option<()> {
        log.push(1);
        None
    }
    #[with_retry(max = 3)]
    async fn later(log: &mut Vec<u32>) -> Option<()> {
        log.push(2);
        tokio::task::yield_now().await;
        None
    }
    #[with_retry(max = 1)]
    fn rebinding(mut log: &mut [u32]) -> Option<()> {
        log[0] += 1;
        log = &mut log[1..];
        log[0] += 10;
        None
    }
    let _world = testing::isolate();
    let mut log = Vec::new();
    now(&mut log);
    block_on(later(&mut log));
    assert_eq!(log, [1, 1, 1, 1, 2, 2, 2, 2]);
    let mut pair = [0, 0];
    rebinding(&mut pair);
    assert_eq!(pair, [2, 20], "a `mut` binding of a reference starts from the whole slice again");
}

#[test]
fn borrowed_and_read_only_arguments_are_reused() {
    #[with_retry(max = 1)]
    fn now(name: &str, owned: String, pair: (u8, u8), seen: &RefCell<Vec<String>>) -> Option<()> {
        seen.borrow_mut().push(format!("{name} {} {}", owned.len(), pair.1));
        None
    }
    #[with_retry(max = 1)]
    async fn later(name: &str, owned: String, pair: (u8, u8), seen: &RefCell<Vec<String>>) -> Option<()> {
        tokio::task::yield_now().await;
        seen.borrow_mut().push(format!("{name} {} {}", owned.len(), pair.1));
        None
    }
    let _world = testing::isolate();
    let seen = RefCell::default();
    now("now", "abc".to_owned(), (1, 2), &seen);
    block_on(later("later", "abc".to_owned(), (1, 2), &seen));
    assert_eq!(seen.into_inner(), ["now 3 2", "now 3 2", "later 3 2", "later 3 2"]);
}

#[test]
fn pattern_arguments_are_supported() {
    #[with_retry(max = 1)]
    fn now((left, right): (u32, u32), [first, ..]: [u32; 3], _: String, log: &mut Vec<u32>) -> Option<()> {
        log.push(left + right + first);
        None
    }
    #[with_retry(max = 1)]
    async fn later((mut left, right): (u32, u32), log: &mut Vec<u32>) -> Option<()> {
        left += right;
        log.push(left);
        None
    }
    let _world = testing::isolate();
    let mut log = Vec::new();
    now((1, 2), [3, 0, 0], String::new(), &mut log);
    block_on(later((1, 2), &mut log));
    assert_eq!(log, [6, 6, 3, 3]);
}

#[test]
fn impl_trait_arguments_are_supported() {
    #[with_retry(max = 2)]
    fn now(probe: impl Fn() -> u32, name: impl AsRef<str>) -> Result<usize, u32> {
        let call = probe();
        if call < 3 { Err(call) } else { Ok(name.as_ref().len()) }
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    let probe = || {
        calls.set(calls.get() + 1);
        calls.get()
    };
    assert_eq!(now(probe, "four"), Ok(4));
}

#[test]
fn the_result_may_borrow_from_an_argument() {
    #[with_retry(max = 2)]
    fn first<'a>(text: &'a str, calls: &Cell<u32>) -> Option<&'a str> {
        calls.set(calls.get() + 1);
        if calls.get() < 3 { None } else { text.split(' ').next() }
    }
    #[with_retry(max = 2)]
    async fn first_later<'a>(text: &'a str, calls: &Cell<u32>) -> Option<&'a str> {
        calls.set(calls.get() + 1);
        if calls.get() < 3 { None } else { text.split(' ').next() }
    }
    let _world = testing::isolate();
    let text = String::from("one two");
    assert_eq!(first(&text, &Cell::new(0)), Some("one"));
    assert_eq!(block_on(first_later(&text, &Cell::new(0))), Some("one"));
}
