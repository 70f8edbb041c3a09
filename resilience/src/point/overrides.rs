//! The settings of a configuration that replace those in the code.
//!
//! A configuration that was loaded is a *generation*: for each point that it changes, the whole settings of each of its
//! policies, judged and ready to use. One number says which generation is in force; zero stands for the code alone. A
//! call reads that number once, when it begins, and hands what it finds ([`Pinned`]) to each policy whose numbers must
//! agree with each other, so that no call sees one number of the old generation and one of the new.
//!
//! # Cost
//!
//! Where nothing was loaded, a call reads one number, which no call writes. Generations are kept for as long as the
//! process lives, because calls refer to their settings without counting references. So a reload costs a little memory,
//! but only for a configuration that the process has not had before: see [`publish`].

use super::changed::{Override, PointOverrides, address};
use super::site::{POINTS_0_1, PointSite, index_of};
use crate::base::name::PointName;
use crate::base::site::Site;
use crate::base::sync::locked;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

/// The settings with which a call began; `None` if those in the code apply.
#[derive(Clone, Copy, Debug)]
pub struct Pinned(Option<&'static PointOverrides>);

impl Pinned {
    /// Returns the override of the settings of `layer`, the `static` of a policy.
    #[inline]
    pub(crate) fn of<T>(self, layer: &T) -> Option<&'static Override> {
        match self.0 {
            None => None,
            Some(point) => point.at(address(layer)).map(|layer| &layer.whole),
        }
    }

    pub(crate) const fn point(self) -> Option<&'static PointOverrides> {
        self.0
    }
}

/// The points of one generation, each at its place in the table of points.
type Generation = Vec<Option<Box<PointOverrides>>>;

/// The most rooms: together they have space for more generations than a process makes.
const ROOMS: usize = 32;

/// Generations in the order in which they were published. A room has twice as many as the one before and is made whole,
/// so that none ever moves.
#[derive(Debug)]
struct Generations {
    rooms: [OnceLock<Box<[OnceLock<Generation>]>>; ROOMS],
    last: Mutex<usize>,
}

impl Generations {
    /// Returns the room of generation `number`, from 1, and its place there.
    const fn place(number: usize) -> (usize, usize) {
        let room = number.ilog2() as usize;
        (room, number - (1 << room))
    }

    fn get(&self, number: usize) -> Option<&Generation> {
        let (room, place) = Self::place(number);
        self.rooms.get(room)?.get()?.get(place)?.get()
    }

    /// Adds a generation and returns its number; `None` when there is no room left.
    fn add(&self, generation: Generation) -> Option<usize> {
        let mut last = locked(&self.last);
        let number = *last + 1;
        let (room, place) = Self::place(number);
        let slots =
            self.rooms.get(room)?.get_or_init(|| (0..1_usize << room).map(|_| OnceLock::new()).collect());
        slots.get(place)?.set(generation).ok()?;
        *last = number;
        Some(number)
    }
}

static GENERATIONS: Generations =
    Generations { rooms: [const { OnceLock::new() }; ROOMS], last: Mutex::new(0) };

/// The number of the generation in force; 0 for the settings in the code.
static CURRENT: Site<AtomicUsize> = Site::new(AtomicUsize::new(0), || AtomicUsize::new(0));

/// Puts the settings of `points` in force, by their places in the table of points, and returns the number by which they
/// come [back](return_to); `None` when there is no room left.
pub(crate) fn publish(points: HashMap<usize, PointOverrides>) -> Option<usize> {
    let mut generation: Generation = (0..POINTS_0_1.len()).map(|_| None).collect();
    for (place, overrides) in points {
        if let Some(slot) = generation.get_mut(place) {
            *slot = Some(Box::new(overrides));
        }
    }
    let number = GENERATIONS.add(generation)?;
    CURRENT.store(number, Ordering::Release);
    Some(number)
}

/// Puts a generation in force that was published before; 0 stands for the code alone.
pub(crate) fn return_to(number: usize) {
    CURRENT.store(number, Ordering::Release);
}

/// Returns what `read` returns of the settings in force, all of one generation: `read` runs again where a load has put
/// another one in force meanwhile. A load takes longer than a look at the settings, so the limit is never reached.
pub(super) fn of_one_generation<T>(read: impl Fn() -> T) -> T {
    const TRIES: usize = 10;
    let mut before = CURRENT.load(Ordering::Acquire);
    for _ in 1..TRIES {
        let value = read();
        let after = CURRENT.load(Ordering::Acquire);
        if after == before {
            return value;
        }
        before = after;
    }
    read()
}

/// Returns the settings in force for the point whose `static` is at this address.
#[inline]
fn pinned_at(point: usize) -> Pinned {
    match CURRENT.load(Ordering::Acquire) {
        0 => Pinned(None),
        number => look_up(number, point),
    }
}

#[cold]
#[inline(never)]
fn look_up(number: usize, point: usize) -> Pinned {
    let overrides = || GENERATIONS.get(number)?.get(index_of(point)?)?.as_deref();
    Pinned(overrides())
}

/// Returns the settings in force for the policy called `owner`; `None` for a policy that no annotated function owns.
#[inline]
pub(crate) fn current(owner: &PointName) -> Pinned {
    owner.address().map_or(Pinned(None), pinned_at)
}

/// Returns the settings in force for `policy` of this kind that `owner` has: a `static`, or a value for each key.
#[inline]
pub(crate) fn of_state<T>(
    owner: &PointName,
    policy: &T,
    kind: &str,
    key: Option<&PointName>,
) -> Option<&'static Override> {
    let point = current(owner).0?;
    let whole = if key.is_none() { point.at(address(policy)) } else { None };
    whole.map(|layer| &layer.whole).or_else(|| point.of_keys(kind, key.map(|key| &**key)))
}

impl PointSite {
    /// Returns the settings for a call that begins now.
    #[inline]
    pub fn pinned(&'static self) -> Pinned {
        pinned_at(address(self))
    }

    /// Switches the measurement of later calls on or off, as the settings in force say.
    #[cfg(feature = "ops")]
    pub(crate) fn follow_settings(&'static self) {
        let timed = self.pinned().point().and_then(|point| point.timed.as_ref());
        self.calls().set_timed(timed.map(|(is_timed, _)| *is_timed));
    }

    /// Returns the index of the point in the table of points.
    pub(crate) fn place_in_table(&'static self) -> Option<usize> {
        index_of(address(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "testing")]
    #[test]
    fn the_settings_that_are_read_are_of_one_generation() {
        let _world = crate::testing::isolate();
        let loads = std::cell::Cell::new(2);
        let read = of_one_generation(|| {
            let first = CURRENT.load(Ordering::Acquire);
            if loads.get() > 0 {
                loads.set(loads.get() - 1);
                return_to(first + 1);
            }
            (first, CURRENT.load(Ordering::Acquire))
        });
        assert_eq!(read, (2, 2));
    }

    #[test]
    fn each_generation_keeps_its_own_slot() {
        let all = Generations { rooms: [const { OnceLock::new() }; ROOMS], last: Mutex::new(0) };
        assert!(all.get(1).is_none());
        for number in 1..=100 {
            let points = (0..number).map(|_| None).collect();
            assert_eq!(all.add(points), Some(number));
        }
        for number in 1..=100 {
            assert_eq!(all.get(number).map(Vec::len), Some(number));
        }
        assert!(all.get(101).is_none());
        assert_eq!(
            [1, 2, 3, 4, 7, 8].map(Generations::place),
            [(0, 0), (1, 0), (1, 1), (2, 0), (2, 3), (3, 0)]
        );
    }
}
