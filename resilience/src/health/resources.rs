//! The use of the machine, and the warnings about it.

use super::answer::Answer;
use super::machine::{DiskSpace, KernelDirs, ProcessorTime, disk};
use super::work::CheckCode;
use crate::base::clock;
use crate::base::site::Site;
use crate::base::sync::locked;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The used part of the memory, disk and processors.
///
/// A value is `None` if it cannot be measured: on other systems than Linux, and for the processors at the first look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Resources {
    /// The used part of the memory that the program may use, in percent.
    pub memory_percent: Option<f64>,
    /// The memory that the program may still use, in gigabytes (10^9 bytes).
    pub memory_available_gb: Option<f64>,
    /// The used part of the file system of the state directory, in percent.
    pub disk_percent: Option<f64>,
    /// The free space of the disk, in gigabytes (10^9 bytes).
    pub disk_available_gb: Option<f64>,
    /// The used part of the processor time since the last look, in percent.
    pub cpu_percent: Option<f64>,
}

/// Measures how much of the machine is used now.
///
/// In a control group (a container) memory and processors are those that the group may use, and the page cache of the
/// group does not count as used. The disk is the file system of the state directory; without the features
/// `sqlite` and `fs` that of `RESILIENCE_STATE`, else of the current directory. The function reads files of the kernel,
/// and may block while the disk does.
///
/// # Examples
///
/// ```
/// use resilience::health;
///
/// let resources = health::resources();
/// assert!(resources.memory_percent.is_none_or(|percent| (0.0..=100.0).contains(&percent)));
/// ```
pub fn resources() -> Resources {
    let (memory, disk) = (KernelDirs::default().memory(), disk(&folder()));
    Resources {
        memory_percent: memory.map(DiskSpace::percent),
        memory_available_gb: memory.map(DiskSpace::available_gb),
        disk_percent: disk.map(DiskSpace::percent),
        disk_available_gb: disk.map(DiskSpace::available_gb),
        cpu_percent: cpu_percent(),
    }
}

/// Returns the directory whose file system is measured.
fn folder() -> PathBuf {
    #[cfg(any(feature = "sqlite", feature = "fs"))]
    let given = crate::base::state_dir::own_state_dir();
    #[cfg(not(any(feature = "sqlite", feature = "fs")))]
    let given = std::env::var_os("RESILIENCE_STATE").filter(|given| !given.is_empty()).map(PathBuf::from);
    given.unwrap_or_else(|| std::env::current_dir().unwrap_or_else(|_| "/".into()))
}

static LAST: Site<Mutex<Option<ProcessorTime>>> = Site::new(Mutex::new(None), Mutex::default);

fn cpu_percent() -> Option<f64> {
    let now = KernelDirs::default().busy(clock::now())?;
    let mut last = locked(&LAST);
    let percent = last.and_then(|last| now.percent_since(last));
    *last = Some(now);
    percent
}

/// Warns from 90 percent on.
const WARNS: f64 = 90.0;
/// A warning ends below this: a value around the threshold makes no change each time.
const CLEARS: f64 = 85.0;

/// A warning that ends 5 points below where it begins.
#[derive(Debug, Default)]
struct Threshold {
    warns: AtomicBool,
}

impl Threshold {
    fn warns_at(&self, percent: f64) -> bool {
        let limit = if self.warns.load(Ordering::Relaxed) { CLEARS } else { WARNS };
        let warns = percent >= limit;
        self.warns.store(warns, Ordering::Relaxed);
        warns
    }
}

/// Returns the checks of memory, disk and processors.
pub(super) fn checks() -> [(&'static str, CheckCode); 3] {
    [
        ("memory", of_space(|| KernelDirs::default().memory(), "end what is not needed, or raise the limit")),
        ("disk", of_space(|| disk(&folder()), "delete what is not needed")),
        (
            "cpu",
            CheckCode::blocking(|| match cpu_percent() {
                Some(percent) => Answer::pass(format!("{percent:.0} % used")),
                None => Answer::pass("measured from the second look on"),
            }),
        ),
    ]
}

fn of_space(look: fn() -> Option<DiskSpace>, action: &'static str) -> CheckCode {
    let threshold = Threshold::default();
    CheckCode::blocking(move || match look() {
        None => Answer::pass("not measured on this system"),
        Some(space) => judged(&threshold, space, action),
    })
}

fn judged(threshold: &Threshold, space: DiskSpace, action: &str) -> Answer {
    let percent = space.percent();
    let message = format!("{percent:.0} % used");
    let answer = if threshold.warns_at(percent) {
        Answer::warn(message).action(action)
    } else {
        Answer::pass(message)
    };
    answer.detail("available_gb", format!("{:.1}", space.available_gb()))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Level;
    use super::super::machine::tests::{HOST, Kernel};
    use super::*;

    #[test]
    fn a_warning_ends_five_points_below_where_it_begins() {
        let threshold = Threshold::default();
        let levels = [89.9, 90.0, 86.0, 85.0, 84.9, 89.0, 95.0];
        assert_eq!(
            levels.map(|percent| threshold.warns_at(percent)),
            [false, true, true, true, false, false, true]
        );
    }

    #[test]
    fn page_cache_alone_causes_no_memory_warning() {
        let level = |stat: &str| {
            let kernel = Kernel::new(&[
                HOST,
                ("proc/self/cgroup", "0::/app\n"),
                ("cgroup/app/memory.max", "1000000\n"),
                ("cgroup/app/memory.current", "990000\n"),
                ("cgroup/app/memory.stat", stat),
            ]);
            let space = kernel.roots().memory().expect("the group's");
            judged(&Threshold::default(), space, "").level
        };
        assert_eq!(level("anon 40000\ninactive_file 950000\n"), Level::Pass);
        assert_eq!(level("anon 940000\ninactive_file 50000\n"), Level::Warn);
    }
}
