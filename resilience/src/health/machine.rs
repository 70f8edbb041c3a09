//! Memory, disk and processor: those of the control group, where the program runs in one.
//!
//! Read from `/proc` and `/sys` on each look; on other systems than Linux nothing is measured. The memory of a group is
//! what it uses less its inactive file pages: the kernel takes those back when memory is needed, so a full page cache
//! is not pressure. A group without a limit has the memory of the host, and the tightest limit of the groups above it
//! counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The folders of the kernel's files.
#[derive(Clone, Debug)]
pub(super) struct KernelDirs {
    pub(super) proc: PathBuf,
    pub(super) cgroup: PathBuf,
}

impl Default for KernelDirs {
    fn default() -> Self {
        Self { proc: "/proc".into(), cgroup: "/sys/fs/cgroup".into() }
    }
}

/// The total and the still usable amount, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DiskSpace {
    pub(super) total: u64,
    pub(super) available: u64,
}

impl DiskSpace {
    /// Returns the used part in percent.
    pub(super) fn percent(self) -> f64 {
        let used = self.total.saturating_sub(self.available);
        if self.total == 0 { 0.0 } else { used as f64 * 100.0 / self.total as f64 }
    }

    /// Returns what is available, in gigabytes of 10^9 bytes.
    pub(super) fn available_gb(self) -> f64 {
        self.available as f64 / 1e9
    }
}

/// The processor time used up to a moment, and the number of usable processors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ProcessorTime {
    at: Instant,
    used: Duration,
    processors: f64,
}

impl ProcessorTime {
    /// Returns the used part since `before`, in percent.
    pub(super) fn percent_since(self, before: Self) -> Option<f64> {
        let passed = self.at.saturating_duration_since(before.at).as_secs_f64() * self.processors;
        let used = self.used.saturating_sub(before.used).as_secs_f64();
        (passed > 0.0).then(|| (used * 100.0 / passed).clamp(0.0, 100.0))
    }
}

impl KernelDirs {
    /// Returns the memory that this program may use.
    pub(super) fn memory(&self) -> Option<DiskSpace> {
        let info = fs::read_to_string(self.proc.join("meminfo")).ok()?;
        let host = DiskSpace {
            total: field(&info, "MemTotal:")?.checked_mul(1024)?,
            available: field(&info, "MemAvailable:")?.checked_mul(1024)?,
        };
        // A limit above the memory of the host is none.
        let limited = self.groups("memory").into_iter().filter_map(|group| group_memory(&group));
        let tightest = limited.filter(|group| group.total < host.total).min_by_key(|group| group.available);
        Some(
            tightest
                .map_or(host, |group| DiskSpace { available: group.available.min(host.available), ..group }),
        )
    }

    /// Returns the processor time used so far.
    pub(super) fn busy(&self, at: Instant) -> Option<ProcessorTime> {
        self.groups("cpu").iter().find_map(|group| group_busy(group, at)).or_else(|| self.host_busy(at))
    }

    /// Returns the processor time of the host: `/proc/stat` counts in hundredths of a second.
    fn host_busy(&self, at: Instant) -> Option<ProcessorTime> {
        let stat = fs::read_to_string(self.proc.join("stat")).ok()?;
        let line = stat.lines().next()?.strip_prefix("cpu ")?;
        // user, nice, system, (idle, iowait,) irq, softirq, steal
        let counts: Vec<u64> = line.split_whitespace().filter_map(|count| count.parse().ok()).collect();
        let used: u64 =
            counts.iter().take(8).enumerate().filter(|(n, _)| !matches!(n, 3 | 4)).map(|(_, n)| n).sum();
        let is_processor = |line: &&str| line.starts_with("cpu") && !line.starts_with("cpu ");
        let processors = stat.lines().filter(is_processor).count() as f64;
        Some(ProcessorTime { at, used: Duration::from_millis(used.saturating_mul(10)), processors })
    }

    /// Returns the folders of this program's group for `controller` and of the groups above it, innermost first.
    fn groups(&self, controller: &str) -> Vec<PathBuf> {
        let Ok(own) = fs::read_to_string(self.proc.join("self/cgroup")) else { return Vec::new() };
        let path = |line: &str| {
            let mut parts = line.splitn(3, ':').skip(1);
            let (controllers, path) = (parts.next()?.to_owned(), parts.next()?.to_owned());
            let root = match &*controllers {
                "" => self.cgroup.clone(),
                list if list.split(',').any(|name| name == controller) => {
                    let joined = self.cgroup.join(list);
                    if joined.exists() { joined } else { self.cgroup.join(controller) }
                }
                _ => return None,
            };
            let own = root.join(path.trim_start_matches('/'));
            // In a container the path may be that of the host, which is not mounted.
            let first = if own.exists() { own } else { root.clone() };
            Some(
                first
                    .ancestors()
                    .take_while(|group| group.starts_with(&root))
                    .map(Path::to_owned)
                    .collect::<Vec<_>>(),
            )
        };
        own.lines().filter_map(path).flatten().collect()
    }
}

/// Returns the number behind `name` in lines of names and numbers.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Returns the memory of one group with a limit, of version 2 or 1.
fn group_memory(group: &Path) -> Option<DiskSpace> {
    let files = [
        ("memory.max", "memory.current", "inactive_file "),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
    ];
    files.iter().find_map(|(limit, usage, inactive)| {
        // `max` is not a number, and no limit.
        let total = number(&group.join(limit))?;
        let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
        let used = number(&group.join(usage))?.saturating_sub(field(&stat, inactive).unwrap_or(0));
        Some(DiskSpace { total, available: total.saturating_sub(used) })
    })
}

/// Returns the processor time of one group with a quota, of version 2 or 1.
fn group_busy(group: &Path, at: Instant) -> Option<ProcessorTime> {
    if let Ok(max) = fs::read_to_string(group.join("cpu.max")) {
        let mut parts = max.split_whitespace();
        let (quota, period) = (parts.next()?.parse::<f64>().ok()?, parts.next()?.parse::<f64>().ok()?);
        let stat = fs::read_to_string(group.join("cpu.stat")).ok()?;
        let used = Duration::from_micros(field(&stat, "usage_usec ")?);
        return Some(ProcessorTime { at, used, processors: quota / period });
    }
    let quota = number(&group.join("cpu.cfs_quota_us"))? as f64;
    let period = number(&group.join("cpu.cfs_period_us"))? as f64;
    let used = Duration::from_nanos(number(&group.join("cpuacct.usage"))?);
    Some(ProcessorTime { at, used, processors: quota / period })
}

/// Returns the file system that `folder` is on, or will be.
#[cfg(target_os = "linux")]
pub(super) fn disk(folder: &Path) -> Option<DiskSpace> {
    let stat = folder.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    // Like `df`: space that only root may use is not available, and counts as neither used nor free.
    let used = stat.f_blocks.saturating_sub(stat.f_bfree);
    let block = stat.f_frsize;
    Some(DiskSpace {
        total: used.saturating_add(stat.f_bavail).saturating_mul(block),
        available: stat.f_bavail.saturating_mul(block),
    })
}

/// Returns `None`: this system is not measured.
#[cfg(not(target_os = "linux"))]
pub(super) fn disk(_: &Path) -> Option<DiskSpace> {
    None
}

#[cfg(all(test, not(loom)))]
pub(super) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Files of a kernel, in a folder of the test's own.
    pub(in super::super) struct Kernel(PathBuf);

    impl Kernel {
        pub(in super::super) fn new(files: &[(&str, &str)]) -> Self {
            static NUMBER: AtomicU32 = AtomicU32::new(0);
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let folder =
                std::env::temp_dir().join(format!("resilience-kernel-{}-{number}", std::process::id()));
            for (name, text) in files {
                let path = folder.join(name);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(folder)
        }

        pub(in super::super) fn roots(&self) -> KernelDirs {
            KernelDirs { proc: self.0.join("proc"), cgroup: self.0.join("cgroup") }
        }
    }

    impl Drop for Kernel {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    pub(in super::super) const HOST: (&str, &str) =
        ("proc/meminfo", "MemTotal: 8000 kB\nMemFree: 10 kB\nMemAvailable: 6000 kB\n");
    const KB: u64 = 1024;

    #[test]
    fn memory_is_that_of_the_host_without_a_cgroup() {
        let kernel = Kernel::new(&[HOST]);
        let memory = kernel.roots().memory().unwrap();
        assert_eq!(memory, DiskSpace { total: 8000 * KB, available: 6000 * KB });
        assert!((memory.percent() - 25.0).abs() < 1e-9);
        assert_eq!(Kernel::new(&[]).roots().memory(), None);
    }

    #[test]
    fn the_page_cache_of_a_cgroup_counts_as_available() {
        let kernel = Kernel::new(&[
            HOST,
            ("proc/self/cgroup", "0::/app\n"),
            ("cgroup/app/memory.max", "1024000\n"),
            ("cgroup/app/memory.current", "1000000\n"),
            ("cgroup/app/memory.stat", "anon 27200\ninactive_file 972800\n"),
        ]);
        assert_eq!(kernel.roots().memory().unwrap(), DiskSpace { total: 1_024_000, available: 996_800 });
    }

    #[test]
    fn the_tightest_cgroup_limit_counts_and_max_means_the_host() {
        let files = [
            HOST,
            ("proc/self/cgroup", "0::/outer/inner\n"),
            ("cgroup/outer/inner/memory.max", "max\n"),
            ("cgroup/outer/memory.max", "4000000\n"),
            ("cgroup/outer/memory.current", "3900000\n"),
            ("cgroup/memory.max", "max\n"),
        ];
        let memory = Kernel::new(&files).roots().memory().unwrap();
        assert_eq!(memory, DiskSpace { total: 4_000_000, available: 100_000 });
        let memory = Kernel::new(&files[..3]).roots().memory().unwrap();
        assert_eq!(memory.total, 8000 * KB);
    }

    #[test]
    fn cgroups_of_version_1_are_read_at_their_mount_point() {
        let kernel = Kernel::new(&[
            HOST,
            // The path is that of the host.
            ("proc/self/cgroup", "5:cpu,cpuacct:/docker/7\n4:memory:/docker/7\n"),
            ("cgroup/memory/memory.limit_in_bytes", "2000000\n"),
            ("cgroup/memory/memory.usage_in_bytes", "1500000\n"),
            ("cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 500000\n"),
            ("cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
            ("cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
            ("cgroup/cpu,cpuacct/cpuacct.usage", "1000000000\n"),
        ]);
        assert_eq!(kernel.roots().memory().unwrap(), DiskSpace { total: 2_000_000, available: 1_000_000 });
        let busy = kernel.roots().busy(Instant::now()).unwrap();
        assert_eq!((busy.used, busy.processors), (Duration::from_secs(1), 0.5));
    }

    #[test]
    fn cpu_usage_is_relative_to_the_quota_or_the_host() {
        let start = Instant::now();
        let second = start + Duration::from_secs(1);
        let group = |used: &str| {
            Kernel::new(&[
                ("proc/self/cgroup", "0::/\n"),
                ("cgroup/cpu.max", "200000 100000\n"),
                ("cgroup/cpu.stat", used),
            ])
        };
        let (before, after) = (group("usage_usec 1000000\n"), group("usage_usec 2000000\n"));
        let before = before.roots().busy(start).unwrap();
        assert_eq!(after.roots().busy(second).unwrap().percent_since(before), Some(50.0));
        assert_eq!(after.roots().busy(start).unwrap().percent_since(before), None);
        let host = |line: &str| Kernel::new(&[("proc/stat", &format!("{line}\ncpu0 1\ncpu1 1\n"))]);
        let (before, after) = (host("cpu  10 0 10 500 9 0 0 0 0 0"), host("cpu  60 0 10 600 9 0 0 0 0 0"));
        let before = before.roots().busy(start).unwrap();
        assert_eq!(after.roots().busy(second).unwrap().percent_since(before), Some(25.0));
    }

    #[test]
    fn a_missing_directory_uses_the_disk_of_its_parent() {
        let here = disk(&std::env::temp_dir());
        assert_eq!(
            here.map(|space| space.total),
            disk(&std::env::temp_dir().join("not/there")).map(|space| space.total)
        );
        #[cfg(target_os = "linux")]
        assert!(here.unwrap().total > 0);
    }
}
