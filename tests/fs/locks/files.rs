//! The files of locks: which are shown, pruned, and refused.

use super::*;

#[test]
fn only_unused_lock_files_are_pruned() {
    let _world = testing::isolate();
    let held = lock::named("held").acquire().expect("a lock");
    let waited_for = lock::named("waited for").acquire().expect("a lock");
    let waiter = lock::named("waited for");
    let mut waits = Box::pin(waiter.acquire_async());
    assert!(waits.as_mut().now_or_never().is_none());
    for name in ["1", "2", "3"] {
        lock::named(name).acquire().expect("a lock").unlock();
    }
    assert_eq!((lock::prune(), lock::prune()), (Ok(3), Ok(0)));
    drop(waited_for);
    assert_eq!(lock::prune(), Ok(0), "nothing is removed under a waiter");
    assert!(block_on(waits).expect("a lock").still_ours());
    assert!(held.still_ours());
    let names: Vec<_> = lock::list().expect("a listing").into_iter().map(|lock| lock.name).collect();
    assert_eq!(names, ["held", "waited for"]);
}

#[test]
fn a_holder_is_shown_only_while_alive_and_holding_the_lock() {
    let _world = testing::isolate();
    let held = lock::named("x").acquire().expect("a lock");
    let one = || lock::list().expect("a listing").remove(0);
    let all = one();
    assert!(all.is_held && all.holders.len() == 1 && all.holders[0].age.is_some(), "{all}");
    assert_eq!(all.holders[0].pid, std::process::id());
    // A text with the start of another process: only what the kernel says is left.
    let text = fs::read_to_string(held.path()).expect("a text");
    let start = text.lines().find(|line| line.starts_with("start ")).expect("a start");
    fs::write(held.path(), text.replace(start, "start 1")).expect("a text");
    let other = one();
    assert!(other.is_held && other.holders[0].pid == std::process::id() && other.holders[0].age.is_none());
    fs::write(held.path(), b"\xff\xfe").expect("a text");
    assert!(one().is_held);
    let path = held.path().to_owned();
    drop(held);
    fs::write(path, text).expect("a text");
    let free = one();
    assert!(!free.is_held && free.holders.is_empty() && free.to_string() == "x: free", "{free}");
}

#[test]
fn a_lock_names_the_kind_of_file_that_it_cannot_open() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    type Kind = (&'static str, fn(&Path));
    let kinds: [Kind; 2] = [
        ("a directory", |path| fs::create_dir(path).expect("a directory")),
        ("a socket", |path| drop(UnixListener::bind(path).expect("a socket"))),
    ];
    for (kind, make) in kinds {
        for extension in ["lock", "turn"] {
            let dir = scratch.path(kind);
            let path = lock::in_dir(&dir, "x").acquire().expect("a lock").path().to_owned();
            let path = if extension == "turn" { path.with_extension(extension) } else { path };
            fs::remove_file(&path).expect("a file");
            make(&path);
            let refused = lock::in_dir(&dir, "x").acquire().expect_err(kind).to_string();
            let told = format!("{}: it is {kind}, not a regular file", path.display());
            assert!(refused.contains(&told), "{refused}");
            fs::remove_dir_all(&dir).expect("a directory");
        }
    }
}

#[test]
fn a_pipe_instead_of_a_file_does_not_block() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    let lock = lock::named("pipe").acquire().expect("a lock");
    let path = lock.path().to_owned();
    lock.unlock();
    fs::remove_file(&path).expect("a file");
    pipe(&path);
    let listed = lock::list().expect("a listing");
    assert!(listed.iter().all(|lock| !lock.is_held), "{listed:?}");
    drop(now(&lock::named("pipe")));
    let _ = lock::prune();
    let marker = scratch.path("marker");
    fs::create_dir(marker.with_extension("fence")).expect("a directory");
    let refused = MarkerLock::at(&marker).acquire().expect_err("it has no place for its fence").to_string();
    assert!(refused.contains("marker.fence: "), "{refused}");
    fs::remove_dir(marker.with_extension("fence")).expect("a directory");
    pipe(&marker.with_extension("fence"));
    fs::create_dir(&marker).expect("a directory");
    pipe(&marker.join("owner"));
    let taken = MarkerLock::at(&marker).wait(Duration::ZERO).acquire();
    assert!(matches!(taken, Err(LockError::Timeout { .. })), "{taken:?}");
    let data = scratch.path("data");
    pipe(&data);
    let outcome: Result<(), TransactionError> = Transaction::of(&data).apply(|_| Ok(()));
    assert!(matches!(outcome, Err(TransactionError::Refused { .. })), "{outcome:?}");
}
