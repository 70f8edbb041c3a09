//! The power fails before every single change of the disk: of what was not synced, any directory may have kept its names
//! and any file its content, or not.

use crate::common::{Scratch, child};
use crate::shim::compiled;
use crate::transactions::{files, is_after, killed_at, prepare};
use resilience::fs::recover;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirEntryExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The names in a directory with their inodes.
type Names = Vec<(String, u64)>;

/// What is on the disk for certain, and what a process has seen when the power failed.
struct Disk {
    /// Of each of the three directories: the names that were synced, and all.
    dirs: Vec<(PathBuf, Names, Names)>,
    synced: HashMap<u64, Vec<u8>>,
    seen: HashMap<u64, Vec<u8>>,
}

impl Disk {
    fn read(dir: &Path, image: &Path) -> Self {
        let mut disk = Self { dirs: Vec::new(), synced: HashMap::new(), seen: HashMap::new() };
        for file in files(dir) {
            let dir = file.parent().expect("a directory").to_owned();
            let mut all = Names::new();
            for entry in fs::read_dir(&dir).expect("a directory").map(|entry| entry.expect("an entry")) {
                all.push((entry.file_name().into_string().expect("text"), entry.ino()));
                disk.seen.insert(entry.ino(), fs::read(entry.path()).expect("a file"));
            }
            let inode = fs::metadata(&dir).expect("a directory").ino();
            let synced = fs::read_to_string(image.join(format!("dir-{inode}"))).expect("its names");
            let name = |line: &str| {
                let (inode, name) = line.split_once(' ').expect("an inode");
                (name.to_owned(), inode.parse().expect("a number"))
            };
            disk.dirs.push((dir, synced.lines().map(name).collect(), all));
        }
        for entry in fs::read_dir(image).expect("the image").map(|entry| entry.expect("an entry")) {
            let name = entry.file_name().into_string().expect("text");
            if let Some(inode) = name.strip_prefix("file-") {
                disk.synced.insert(inode.parse().expect("a number"), fs::read(entry.path()).expect("a file"));
            }
        }
        disk
    }

    /// Makes the directories what they are after the power cut: with the names that were not synced where a bit of
    /// `names` is set, and with the content that was not synced, or nothing of it.
    fn leave(&self, names: u32, keeps_content: bool) {
        for (number, (dir, synced, all)) in self.dirs.iter().enumerate() {
            for entry in fs::read_dir(dir).expect("a directory") {
                fs::remove_file(entry.expect("an entry").path()).expect("a file");
            }
            for (name, inode) in if names >> number & 1 == 1 { all } else { synced } {
                let (first, second) =
                    if keeps_content { (&self.seen, &self.synced) } else { (&self.synced, &self.seen) };
                let content = match first.get(inode) {
                    Some(content) => content.as_slice(),
                    None if keeps_content => second.get(inode).map_or(&[][..], Vec::as_slice),
                    None => &[],
                };
                fs::write(dir.join(name), content).expect("a file");
            }
        }
    }
}

/// Keeps what is on the disk before a process begins: all of it.
fn begin(dir: &Path, image: &Path) {
    let _ = fs::remove_dir_all(image);
    fs::create_dir(image).expect("the image");
    for file in files(dir) {
        let dir = file.parent().expect("a directory");
        let mut names = String::new();
        for entry in fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry")) {
            names += &format!("{} {}\n", entry.ino(), entry.file_name().to_str().expect("text"));
            fs::copy(entry.path(), image.join(format!("file-{}", entry.ino()))).expect("a file");
        }
        let inode = fs::metadata(dir).expect("a directory").ino();
        fs::write(image.join(format!("dir-{inode}")), names).expect("its names");
    }
}

/// Cuts the power before each change of the disk of the child `name`; `is_acknowledged` says whether it was told that
/// all is done. Returns how many of the states were before the change and after it.
fn cut(name: &str, variables: &[(&str, &str)]) -> (u32, u32) {
    let (scratch, images) = (Scratch::new(), Scratch::new());
    let (dir, image) = (scratch.path(""), images.path("image"));
    let shim = compiled("tests/fs/syncs.c").expect("a compiler");
    let (mut befores, mut afters) = (0, 0);
    for number in 1.. {
        prepare(&dir);
        begin(&dir, &image);
        let mut command = child(name, &dir);
        command.envs(variables.iter().copied()).envs([killed_at(number)]);
        command.env("LD_PRELOAD", &shim).env("SYNC_DIR", &dir).env("SYNC_IMAGE", &image);
        let output = command.output().expect("a child");
        let is_done = output.status.success();
        assert!(is_done || output.status.code() == Some(86), "{}", String::from_utf8_lossy(&output.stdout));
        let disk = Disk::read(&dir, &image);
        for state in 0..16 {
            disk.leave(state & 7, state >> 3 == 1);
            let first = (state + number) as usize % 3;
            let at = || format!("change {number}, state {state:04b}");
            recover([&files(&dir)[first]], Duration::from_secs(60))
                .unwrap_or_else(|error| panic!("{}: {error}", at()));
            let after = is_after(&dir);
            recover(files(&dir), Duration::from_secs(60)).unwrap_or_else(|error| panic!("{}: {error}", at()));
            assert_eq!(is_after(&dir), after, "{}", at());
            assert!(after || !is_done, "{}: it was acknowledged", at());
            if after { afters += 1 } else { befores += 1 }
        }
        if is_done {
            return (befores, afters);
        }
    }
    unreachable!("it ends")
}

#[test]
fn a_transaction_over_three_directories_is_whole_after_a_power_cut() {
    for keep in [&[][..], &[("FS_TEST_KEEP", "")]] {
        let (befores, afters) = cut("transactions::changes", keep);
        assert!(befores > 100 && afters > 100, "{befores} {afters}");
    }
}

#[test]
fn files_that_other_code_changes_are_put_back_after_a_power_cut() {
    let (befores, afters) = cut("rollback::changes_in_place", &[]);
    assert!(befores > 100 && afters >= 16, "{befores} {afters}");
}
