//! Processes that fork while they have a store open.

use super::*;

#[test]
#[ignore = "run by others, in a process of its own"]
fn forks() {
    let Some(dir) = given_dir() else { return };
    let store = Arc::new(SqliteStore::open(dir.join("state")).expect("a store"));
    use_store(store.clone());
    assert_eq!(step(1), Ok(1));
    if fs::remove_file(dir.join("fork-now")).is_ok() {
        // The child: its copy has no threads, and shares its parent's locks.
        let refused = step(2).expect_err("opened before the fork").checkpoint();
        assert!(refused.to_string().contains("before a fork"), "{refused}");
        let claim = Claim::new("c/refused", store.owner(), "child");
        let refused = store.claim(claim).now_or_never().expect("nobody would answer later");
        assert!(matches!(&refused, Err(StoreError::Refused(_))), "{refused:?}");
        let own = SqliteStore::open(dir.join("state")).expect("a store of the child");
        assert_ne!(own.owner(), store.owner());
        let claim = Claim::new("c/child", own.owner(), "child");
        assert!(matches!(block_on(own.claim(claim)).expect("a store"), Claimed::Held(_)));
        drop(own);
        // Without running what else the parent would do.
        std::process::exit(0);
    }
    let failed = fs::remove_file(dir.join("fork-now")).expect_err("the parent");
    assert_eq!(failed.raw_os_error(), Some(16), "the child succeeded");
    assert_eq!(step(2), Ok(2), "the parent goes on");
    assert_eq!(SqliteStore::open(dir.join("state")).expect("a store").owner(), store.owner());
}

#[test]
fn a_forked_child_rejects_the_parents_store_and_opens_its_own() {
    let scratch = Scratch::new();
    let mut command = child("hostile::forks::forks", &scratch.path(""));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    run_all(vec![command]);
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    for key in ["c/step:1", "c/step:2", "c/child"] {
        assert!(block_on(store.get(key)).expect("a store").is_some(), "{key}");
    }
}

/// Not a test of its own: forks while another thread opens the default store.
#[test]
#[ignore = "run by others, in a process of its own"]
fn forks_while_a_store_is_opened() {
    let Some(dir) = given_dir() else { return };
    let opens = std::thread::spawn(|| step(1));
    wait_until("the thread that opens a store", || dir.join("open.here").exists());
    if fs::remove_file(dir.join("fork-now")).is_ok() {
        // That thread is not in the child, and what it has locked is never unlocked there.
        let own = Arc::new(SqliteStore::open(dir.join("of-child")).expect("a store of the child"));
        use_store(own.clone());
        assert_eq!(
            (step(2), block_on(own.list(Query::new("c/"))).expect("a listing").records.len()),
            (Ok(2), 1)
        );
        std::process::exit(0);
    }
    let failed = fs::remove_file(dir.join("fork-now")).expect_err("the parent");
    assert_eq!(failed.raw_os_error(), Some(16), "the child succeeded");
    fs::write(dir.join("open.go"), "").expect("a file");
    assert_eq!(opens.join().expect("no panic"), Ok(1));
}

thread_local! {
    static IS_CHILD: Cell<bool> = const { Cell::new(false) };
}

/// Forks; the child says so, and ends the body with another value.
fn fork_here() -> u32 {
    let file = given_dir().expect("a directory").join("fork-now");
    match fs::remove_file(file) {
        Ok(()) => {
            IS_CHILD.set(true);
            2
        }
        Err(error) => {
            assert_eq!(error.raw_os_error(), Some(16), "the child succeeded");
            1
        }
    }
}

#[checkpoint("forked:{id}", wait = 1ms)]
fn forked(id: &str) -> Result<u32, Error> {
    Ok(fork_here() + u32::from(id.is_empty()))
}

#[checkpoint("forked:{id}", wait = 1ms)]
async fn forked_async(id: &str) -> Result<u32, Error> {
    Ok(fork_here() + u32::from(id.is_empty()))
}

/// Not a test of its own: forks in the body of a step, whose lease stays its parent's.
fn forks_in_a_step(call: impl Fn() -> Result<u32, Error>) {
    let Some(dir) = given_dir() else { return };
    let open = || Arc::new(SqliteStore::open(dir.join("state")).expect("a store"));
    let store = open();
    use_store(store.clone());
    let result = call();
    if !IS_CHILD.get() {
        assert_eq!(result, Ok(1), "the parent kept its lease, and its value counts");
        return;
    }
    let refused = result.expect_err("opened before the fork").checkpoint();
    assert!(refused.to_string().contains("before a fork"), "{refused}");
    let own = open();
    use_store(own.clone());
    // What the store of the parent refused is not written by way of that of the child.
    assert_eq!(step(9), Ok(9));
    let record = block_on(own.get("c/forked:it")).expect("a store").expect("a record");
    assert_eq!((record.status, record.owner), (Status::Running, store.owner()));
    match call().expect_err("its parent has it").checkpoint() {
        CheckpointError::Busy { owner, .. } => assert_eq!(owner, store.owner(), "no caller of the child"),
        other => panic!("{other:?}"),
    }
    std::process::exit(0);
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn forks_in_a_sync_step() {
    forks_in_a_step(|| forked("it"));
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn forks_in_an_async_step() {
    forks_in_a_step(|| block_on(forked_async("it")));
}

#[test]
fn a_forked_child_neither_waits_for_nor_ends_parent_work() {
    let library = compiled("tests/store/hostile.c").expect("a compiler");
    for name in ["forks_while_a_store_is_opened", "forks_in_a_sync_step", "forks_in_an_async_step"] {
        let scratch = Scratch::new();
        let mut command = child(&format!("hostile::forks::{name}"), &scratch.path(""));
        command.env("LD_PRELOAD", &library);
        if name == "forks_while_a_store_is_opened" {
            command.env("HOSTILE_LOCKS", scratch.path("open"));
            command.env("RESILIENCE_STATE", scratch.path("of-parent"));
        }
        run_all(vec![command]);
    }
}

/// Not a test of its own: looks twice whether an owner lives, and each look forks.
#[test]
#[ignore = "run by others, in a process of its own"]
fn looks_at_an_owner() {
    let Some(dir) = given_dir() else { return };
    let owner = fs::read_to_string(dir.join("owner")).expect("the owner");
    let store = SqliteStore::open(dir.join("state")).expect("a store");
    fs::write(dir.join("heirs"), "").expect("a file");
    assert_eq!([(); 2].map(|()| store.liveness(&owner)), [Liveness::Dead; 2]);
}

#[test]
fn a_child_that_is_forked_during_a_look_does_not_keep_a_dead_owner_alive() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let mut holder = Killed::start(child("hostile::holds", &dir));
    wait_until("the holder", || dir.join("owner").exists());
    holder.0.kill().expect("a process");
    holder.0.wait().expect("its end");
    let mut command = child("hostile::forks::looks_at_an_owner", &dir);
    command.env("HOSTILE_HEIRS", dir.join("heirs"));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    assert!(command.status().expect("a child").success());
}
