//! The power fails before every single change of the disk: of what was not synced, any directory may have kept its names
//! and any file its content, or not. Recovery begins at any of the files, in two processes at once, and after a program
//! without the lock has changed one of them.

use crate::common::{Scratch, child};
use crate::foreign::{change, is_kept};
use crate::kills::{files, is_after, is_after_but, killed_at, open, prepare, run};
use crate::shim::compiled;
use crate::two_disks::InMemory;
use resilience::fs::recover;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A file in an image: of a device, its inode.
type Inode = (u64, u64);

/// The names in a directory with their inodes.
type Names = Vec<(String, u64)>;

/// One of the three directories.
struct Dir {
    path: PathBuf,
    device: u64,
    /// The names that were synced, and all.
    synced: Names,
    all: Names,
}

/// What is on the disk for certain, and what a process has seen when the power failed.
struct Disk {
    dirs: Vec<Dir>,
    synced: HashMap<Inode, Vec<u8>>,
    seen: HashMap<Inode, Vec<u8>>,
}

impl Disk {
    fn read(dir: &Path, image: &Path) -> Self {
        let mut disk = Self { dirs: Vec::new(), synced: HashMap::new(), seen: HashMap::new() };
        for file in files(dir) {
            let path = file.parent().expect("a directory").to_owned();
            let device = fs::metadata(&path).expect("a directory").dev();
            let mut all = Names::new();
            for entry in fs::read_dir(&path).expect("a directory").map(|entry| entry.expect("an entry")) {
                all.push((entry.file_name().into_string().expect("text"), entry.ino()));
                disk.seen.insert((device, entry.ino()), fs::read(entry.path()).expect("a file"));
            }
            let synced = fs::read_to_string(image.join(dir_name(&path))).expect("its names");
            let name = |line: &str| {
                let (inode, name) = line.split_once(' ').expect("an inode");
                (name.to_owned(), inode.parse().expect("a number"))
            };
            disk.dirs.push(Dir { path, device, synced: synced.lines().map(name).collect(), all });
        }
        for entry in fs::read_dir(image).expect("the image").map(|entry| entry.expect("an entry")) {
            let name = entry.file_name().into_string().expect("text");
            let numbers = name.strip_prefix("file-").and_then(|numbers| numbers.split_once('-'));
            if let Some((device, inode)) = numbers {
                let inode = (device.parse().expect("a number"), inode.parse().expect("a number"));
                disk.synced.insert(inode, fs::read(entry.path()).expect("a file"));
            }
        }
        disk
    }

    /// In how many ways the power cut may have left it: a bit for the names of each directory, and one for the contents of
    /// each file system.
    fn states(&self) -> u32 {
        let is_one = self.dirs.iter().all(|dir| dir.device == self.dirs[0].device);
        if is_one { 16 } else { 32 }
    }

    /// Makes the directories what they are after the power cut: with the names that were not synced where the bit of the
    /// directory is set in `state`, and with the content that was not synced, or nothing of it.
    fn leave(&self, state: u32) {
        for (number, dir) in self.dirs.iter().enumerate() {
            for entry in fs::read_dir(&dir.path).expect("a directory") {
                fs::remove_file(entry.expect("an entry").path()).expect("a file");
            }
            let keeps_content = state >> (3 + u32::from(dir.device != self.dirs[0].device)) & 1 == 1;
            for (name, inode) in if state >> number & 1 == 1 { &dir.all } else { &dir.synced } {
                let inode = (dir.device, *inode);
                let content = match (self.seen.get(&inode), self.synced.get(&inode)) {
                    (Some(seen), _) if keeps_content => seen,
                    (_, Some(synced)) => synced,
                    _ => &Vec::new(),
                };
                fs::write(dir.path.join(name), content).expect("a file");
            }
        }
    }
}

/// What an image calls the names of the directory at `path`.
fn dir_name(path: &Path) -> String {
    let found = fs::metadata(path).expect("a directory");
    format!("dir-{}-{}", found.dev(), found.ino())
}

/// Keeps what is on the disk before a process begins: all of it.
fn begin(dir: &Path, image: &Path) {
    let _ = fs::remove_dir_all(image);
    fs::create_dir(image).expect("the image");
    for file in files(dir) {
        let dir = file.parent().expect("a directory");
        let device = fs::metadata(dir).expect("a directory").dev();
        let mut names = String::new();
        for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")) {
            names += &format!("{} {}\n", entry.ino(), entry.file_name().to_str().expect("text"));
            fs::copy(entry.path(), image.join(format!("file-{device}-{}", entry.ino()))).expect("a file");
        }
        fs::write(image.join(dir_name(dir)), names).expect("its names");
    }
}

/// Recovers what a power cut has left, beginning at the file `first`; returns whether all is after.
fn recovered(dir: &Path, first: usize, in_two_processes: bool) -> Result<bool, String> {
    let wait = Duration::from_secs(60);
    if in_two_processes {
        std::thread::scope(|scope| {
            for at in [first, (first + 1) % 3] {
                scope.spawn(move || assert!(run(dir, &[open(at)])));
            }
        });
    } else {
        recover([&files(dir)[first]], wait).map_err(|error| error.to_string())?;
    }
    let after = is_after(dir);
    recover(files(dir), wait).map_err(|error| error.to_string())?;
    assert_eq!(is_after(dir), after);
    Ok(after)
}

/// Recovers after a program without the lock has changed the file `target`; whether the others are after.
fn recovered_beside(dir: &Path, first: usize, target: usize) -> Result<bool, String> {
    let file = &files(dir)[target];
    change(file, if first == target { "write" } else { "rename" });
    recover([&files(dir)[first]], Duration::from_secs(60)).map_err(|error| error.to_string())?;
    assert!(is_kept(file), "what the other program has written is lost");
    Ok(is_after_but(dir, target))
}

/// The share of the states after a power cut that is tried: all of them with `POWER_CUTS=all`, else one in four, which
/// are others at the next change.
fn stride() -> u32 {
    if std::env::var("POWER_CUTS").is_ok_and(|cuts| cuts == "all") { 1 } else { 4 }
}

/// Cuts the power before each change of the disk of the child `name`, which exits with 0 when all is done. Returns how many of
/// the states were before the change and after it.
fn cut(name: &str, variables: &[(&str, &str)], other: Option<&InMemory>, dir: &Path) -> (u32, u32) {
    let images = Scratch::new();
    let image = images.path("image");
    let shim = compiled("tests/fs/syncs.c").expect("a compiler");
    let (mut befores, mut afters) = (0, 0);
    for number in 1.. {
        other.map_or_else(|| prepare(dir), |other| other.prepare(dir));
        begin(dir, &image);
        let mut command = child(name, dir);
        command.envs(variables.iter().copied()).envs([killed_at(number)]);
        command.env("LD_PRELOAD", &shim).env("SYNC_DIR", dir).env("SYNC_IMAGE", &image);
        command.envs(other.map(|other| ("SYNC_ALSO", other.path())));
        let output = command.output().expect("a child");
        let is_done = output.status.success();
        assert!(is_done || output.status.code() == Some(86), "{}", String::from_utf8_lossy(&output.stdout));
        let disk = Disk::read(dir, &image);
        for state in (0..disk.states()).filter(|state| (state + number) % stride() == 0) {
            let first = (state + number) as usize % 3;
            let at = |error: String| -> bool { panic!("change {number}, state {state:05b}: {error}") };
            disk.leave(state);
            // A process takes longer than a thread: now and then.
            let after = recovered(dir, first, (state + number) % 16 == 0).unwrap_or_else(at);
            disk.leave(state);
            let target = (first + state as usize / 3) % 3;
            let is_same = recovered_beside(dir, first, target).unwrap_or_else(at) == after;
            assert!(is_same && (after || !is_done), "change {number}, state {state:05b}, {after}");
            if after { afters += 1 } else { befores += 1 }
        }
        if is_done {
            return (befores, afters);
        }
    }
    unreachable!("it ends")
}

#[test]
fn a_transaction_in_three_directories_survives_a_power_cut() {
    for keep in [&[][..], &[("FS_TEST_KEEP", "")]] {
        let scratch = Scratch::new();
        let (befores, afters) = cut("kills::changes", keep, None, &scratch.path(""));
        assert!(befores > 100 / stride() && afters > 100 / stride(), "{befores} {afters}");
    }
}

#[test]
fn a_transaction_on_two_file_systems_survives_a_power_cut() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let Some(other) = InMemory::beside(&dir) else { return };
    let (befores, afters) = cut("kills::changes", &[], Some(&other), &dir);
    assert!(befores > 200 / stride() && afters > 200 / stride(), "{befores} {afters}");
}

#[test]
fn files_changed_in_place_are_restored_after_a_power_cut() {
    let scratch = Scratch::new();
    let (befores, afters) = cut("rollback::changes_in_place", &[], None, &scratch.path(""));
    assert!(befores > 100 / stride() && afters >= 16 / stride(), "{befores} {afters}");
}
