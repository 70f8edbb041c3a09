//! Leases without a heartbeat, and more of them than one can keep at leisure.

use super::*;

#[job("needs-a-thread:{id}")]
fn needs_a_thread(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn gets_no_thread() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    fs::write(dir.join("no-threads"), "").expect("a file");
    let Err(Error::Rejected(Rejected::Job(error))) = needs_a_thread(1) else { panic!("it ran") };
    assert!(matches!(*error, JobError::Store { .. }), "{error}");
    assert!(error.to_string().contains("heartbeat cannot be started"), "{error}");
    assert!(jobs::blocking::get("needs-a-thread:1").expect("a store").is_none(), "nothing was claimed");
    fs::remove_file(dir.join("no-threads")).expect("a file");
    assert_eq!(needs_a_thread(1), Ok(1), "the next claim tries again");
}

#[test]
fn a_claim_without_a_heartbeat_thread_is_rejected() {
    let scratch = Scratch::new();
    let mut command = child("hostile::heartbeat::gets_no_thread", &scratch.path(""));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    command.env("HOSTILE_THREADS", scratch.path("no-threads"));
    run_all(vec![command]);
}

/// Many short leases: one write keeps them all.
#[test]
#[ignore = "run by others, in a process of its own"]
fn holds_a_thousand() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (end, ended) = tokio::sync::watch::channel(false);
    runtime.block_on(async {
        let jobs: Vec<_> = (0..1_000u32)
            .map(|n| {
                let mut ended = ended.clone();
                tokio::spawn(async move {
                    let held: Result<u32, Error> = SHORT
                        .call_async(n, async || {
                            ended.wait_for(|ended| *ended).await.expect("the end");
                            Ok(n)
                        })
                        .await;
                    held
                })
            })
            .collect();
        let keeps = |n: u32| std::fs::write(dir.join(format!("round-{n}")), "").expect("a file");
        for n in 0..20 {
            tokio::time::sleep(Duration::from_millis(400)).await;
            keeps(n);
        }
        end.send(true).expect("the jobs");
        for job in jobs {
            job.await.expect("no panic").expect("its lease was kept");
        }
    });
}

const SHORT: resilience::Checkpoint =
    resilience::Checkpoint::new("store::short").lease(Duration::from_secs(6)).wait(Duration::ZERO);

#[test]
fn a_thousand_short_leases_are_kept_under_observation() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    let mut holder = child("hostile::heartbeat::holds_a_thousand", &dir).spawn().expect("a process");
    let mut looks = 0;
    let status = loop {
        if let Some(status) = holder.try_wait().expect("a process") {
            break status;
        }
        // Its lock tells nothing: only its counter says that it lives.
        for entry in fs::read_dir(scratch.path("state/owners")).expect("the owners").flatten() {
            if !entry.file_name().to_string_lossy().starts_with(&std::process::id().to_string()) {
                let _ = fs::remove_file(entry.path());
            }
        }
        if let Claimed::Held(record) = {
            let key = format!("c/{}", looks % 1_000);
            let known = block_on(store.get(&key)).expect("a store").is_some();
            if !known {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            block_on(store.claim(Claim::new(key, store.owner(), "store::short"))).expect("a store")
        } {
            panic!("taken from a living owner: {record:?}");
        }
        looks += 1;
        std::thread::sleep(Duration::from_millis(5));
    };
    assert!(status.success() && looks > 0, "{status}, {looks} looks");
}
