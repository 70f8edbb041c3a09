//! Programs of different ages: each has the steps of one of these.

use super::{Error, Status, checkpoint, info, isolate, job, jobs};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Which program runs; a recovered job sees it, too, which runs on a thread of its own.
static PROGRAM: AtomicU32 = AtomicU32::new(0);

#[checkpoint("fetch:{id}")]
fn fetch(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("fetch:{id}")]
fn renamed(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("fetch:{id}", was = "fetch")]
fn renamed_and_said_so(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("fetch:{id}", name = "another_crate::fetch")]
async fn of_another_crate(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("fetch:{id}", name = "job::fetch", version = 2)]
fn raised(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("fetch:{id}", name = "job::fetch")]
async fn retyped(id: u32) -> Result<String, Error> {
    Ok(id.to_string())
}

#[checkpoint("fetch:{id}", name = "job::fetch", inputs(id, page = 1))]
fn grown(id: u32) -> Result<u32, Error> {
    Ok(id)
}

async fn steps(id: u32) -> Result<u32, Error> {
    match PROGRAM.load(Relaxed) {
        0 => {
            fetch(id)?;
            std::future::pending().await
        }
        1 => renamed(id),
        2 => of_another_crate(id).await,
        3 => raised(id),
        4 => Ok(retyped(id).await?.parse().unwrap_or(0)),
        5 => grown(id),
        6 => renamed_and_said_so(id),
        _ => fetch(id),
    }
}

#[job("deployed:{id}")]
async fn deployed(id: u32) -> Result<u32, Error> {
    steps(id).await
}

#[job("deployed-sync:{id}")]
fn deployed_sync(id: u32) -> Result<u32, Error> {
    use futures::FutureExt;
    steps(id).now_or_never().unwrap_or(Err(Error::Broken))
}

const SAID: [(u32, &str); 5] = [
    (1, "recorded `job::fetch`, now `job::renamed`"),
    (2, "if it was renamed, write `was = \"job::fetch\"`"),
    (3, "recorded 1, now 2"),
    (4, "if its type has changed, write `on_mismatch = rerun` to do the step again"),
    (5, "other inputs: recorded no inputs, now hash"),
];

#[test]
fn a_changed_step_interrupts_its_job_until_it_matches() {
    let _world = isolate();
    PROGRAM.store(0, Relaxed);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut call = Box::pin(deployed(1));
        assert!(futures::poll!(&mut call).is_pending());
    });
    assert_eq!(deployed_sync(1).unwrap_err(), Error::Broken);
    jobs::blocking::resume("deployed-sync:1").unwrap();
    for (program, said) in SAID {
        PROGRAM.store(program, Relaxed);
        runtime.block_on(deployed(1)).unwrap_err();
        deployed_sync(1).unwrap_err();
        for id in ["deployed:1", "deployed-sync:1"] {
            let job = info(id);
            let problem = job.problem.clone().unwrap_or_default();
            assert_eq!(job.status, Status::Interrupted, "{job}");
            assert!(problem.contains(said), "{problem}");
        }
        let recovered = jobs::blocking::sweep().unwrap();
        assert_eq!(recovered.count(Status::Interrupted), 2, "{recovered}");
        assert_eq!(recovered.to_string().matches(said).count(), 2, "{recovered}");
    }
    PROGRAM.store(6, Relaxed);
    assert_eq!(jobs::blocking::sweep().unwrap().count(Status::Done), 2);
    assert_eq!((info("deployed:1").problem, info("deployed-sync:1").problem), (None, None));
    assert_eq!((runtime.block_on(deployed(1)).unwrap(), deployed_sync(1).unwrap()), (1, 1));
}
