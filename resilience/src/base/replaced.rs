//! Another value in a thread-local, until a guard puts the one before back.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;
use std::rc::Rc;
use std::thread::LocalKey;

/// The cell in which a thread-local keeps its value.
pub(crate) trait Slot {
    type Value;

    /// Exchanges its value with `value`; nothing is dropped while the slot is borrowed.
    fn swap(&self, value: &mut Self::Value);
}

impl<T> Slot for Cell<T> {
    type Value = T;

    #[inline]
    fn swap(&self, value: &mut T) {
        self.swap(Self::from_mut(value));
    }
}

impl<T> Slot for RefCell<T> {
    type Value = T;

    #[inline]
    fn swap(&self, value: &mut T) {
        std::mem::swap(&mut *self.borrow_mut(), value);
    }
}

/// A guard that restores the former value of a thread-local.
///
/// Guards are dropped in the reverse order of their making.
#[derive(Debug)]
#[must_use = "the value is put back when the guard is dropped"]
pub(crate) struct Replaced<S: Slot + 'static> {
    local: &'static LocalKey<S>,
    /// The former value; on a thread whose locals are gone, the new one.
    other: S::Value,
    // The guard restores its own thread, so it must be dropped there.
    stays: PhantomData<Rc<()>>,
}

/// Replaces the value of `local` on this thread until the guard is dropped; on a thread whose locals are gone, it does
/// nothing.
#[inline]
pub(crate) fn replace<S: Slot>(local: &'static LocalKey<S>, value: S::Value) -> Replaced<S> {
    let mut other = value;
    let _ = local.try_with(|slot| slot.swap(&mut other));
    Replaced { local, other, stays: PhantomData }
}

impl<S: Slot> Drop for Replaced<S> {
    #[inline]
    fn drop(&mut self) {
        let _ = self.local.try_with(|slot| slot.swap(&mut self.other));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::mpsc::{Sender, channel};

    thread_local! {
        static NUMBER: Cell<u32> = const { Cell::new(0) };
        static TEXT: RefCell<String> = const { RefCell::new(String::new()) };
        static LOUD: RefCell<Option<Loud>> = const { RefCell::new(None) };
    }

    fn text() -> String {
        TEXT.with(|text| text.borrow().clone())
    }

    #[test]
    fn each_guard_restores_the_previous_value() {
        let outer = replace(&NUMBER, 1);
        let texts = replace(&TEXT, "a".to_owned());
        {
            let _inner = (replace(&NUMBER, 2), replace(&TEXT, "b".to_owned()));
            assert_eq!((NUMBER.get(), text().as_str()), (2, "b"));
        }
        assert_eq!((NUMBER.get(), text().as_str()), (1, "a"));
        NUMBER.set(7);
        drop((texts, outer));
        assert_eq!((NUMBER.get(), text().as_str()), (0, ""));
    }

    #[test]
    fn a_panic_restores_the_previous_value() {
        let panicked = catch_unwind(|| {
            let _texts = replace(&TEXT, "a".to_owned());
            let _number = replace(&NUMBER, 1);
            panic!("inside");
        });
        assert!(panicked.is_err());
        assert_eq!((NUMBER.get(), text().as_str()), (0, ""));
    }

    /// A value whose destructor records the content of its thread-local; then it panics, if required.
    struct Loud {
        seen: Sender<(u32, Option<bool>)>,
        number: u32,
        panics: bool,
    }

    impl Drop for Loud {
        fn drop(&mut self) {
            // The destructor may use the local itself, as code of the program does.
            let other = LOUD.try_with(|loud| loud.replace(None)).ok();
            self.seen.send((self.number, other.map(|other| other.is_some()))).unwrap();
            assert!(!self.panics, "in a destructor");
        }
    }

    #[test]
    fn a_value_is_dropped_when_the_local_is_not_borrowed() {
        let (seen, reports) = channel();
        let loud = |number, panics| Some(Loud { seen: seen.clone(), number, panics });
        let outer = replace(&LOUD, loud(1, false));
        let inner = replace(&LOUD, loud(2, true));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(inner))).is_err());
        // The destructor of the second has taken the first, which was back by then.
        assert_eq!(reports.try_iter().collect::<Vec<_>>(), [(1, Some(false)), (2, Some(true))]);
        drop(outer);
        assert_eq!(reports.try_iter().count(), 0);
        assert!(LOUD.with(|loud| loud.borrow().is_none()));
    }

    thread_local! {
        static ONE: RefCell<Option<Last>> = const { RefCell::new(None) };
        static TWO: RefCell<Option<Last>> = const { RefCell::new(None) };
    }

    /// A value that replaces that of another thread-local when the thread ends, and reports whether it still existed.
    struct Last {
        other: &'static LocalKey<RefCell<Option<Self>>>,
        found: Sender<bool>,
    }

    impl Drop for Last {
        fn drop(&mut self) {
            let guard = replace(self.other, None);
            self.found.send(guard.other.is_some()).unwrap();
        }
    }

    #[test]
    fn replacing_a_destroyed_thread_local_does_nothing() {
        let (found, reports) = channel();
        let thread = std::thread::spawn(move || {
            ONE.set(Some(Last { other: &TWO, found: found.clone() }));
            TWO.set(Some(Last { other: &ONE, found }));
        });
        thread.join().unwrap();
        // In either order, the first to end finds the other.
        assert_eq!(reports.iter().collect::<Vec<_>>(), [true, false]);
    }
}
