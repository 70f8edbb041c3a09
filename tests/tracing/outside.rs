//! Warnings about steps that are outside of their job or of its store.

use super::*;

#[checkpoint("outside:{n}")]
async fn step(n: u32) -> Result<u32, Secret> {
    Ok(n)
}

#[test]
fn a_step_outside_any_job_while_jobs_run_warns_once() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = || {
        runtime.block_on(async {
            // While no job runs, steps are used without jobs.
            assert_eq!(step(1).await.ok(), Some(1));
            let ran: Result<(), Secret> = resilience::Job::run("forgetful", (), async |()| {
                for n in 2..4 {
                    let forgot = tokio::spawn(async move { step(n).await.ok() });
                    assert_eq!(forgot.await.unwrap(), Some(n));
                    let part = tokio::spawn(resilience::in_scope(async move { step(n).await.ok() }));
                    assert_eq!(part.await.unwrap(), Some(n));
                }
                Ok(())
            })
            .await;
            assert!(ran.is_ok());
        });
    };
    // Each world has its own warnings.
    for _ in 0..2 {
        let seen = reported(|_| run());
        let with = |text: &'static str| seen.iter().filter(move |seen| seen.field("message").contains(text));
        let warnings: Vec<_> = with("resilience::in_scope(..)").collect();
        assert_eq!(warnings.len(), 1, "{seen:#?}");
        let warned = (warnings[0].level, warnings[0].field("point"));
        assert_eq!(warned, (Level::WARN, "tracing::outside::step"));
        assert_eq!(with("never recovers them").count(), 1, "{seen:#?}");
    }
}

#[test]
fn a_rollback_in_another_store_than_its_jobs_warns_once() {
    use resilience::durable::MemoryStore;
    static OTHER: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));
    #[checkpoint("kept:{n}", store = OTHER.clone(), rollback = forget)]
    fn kept(n: u32) -> Result<u32, Secret> {
        Ok(n)
    }
    #[checkpoint("plain:{n}", store = OTHER.clone())]
    fn plain(n: u32) -> Result<u32, Secret> {
        Ok(n)
    }
    #[checkpoint("own:{n}", rollback = forget)]
    fn own(n: u32) -> Result<u32, Secret> {
        Ok(n)
    }
    fn forget(_: u32) -> Result<(), Secret> {
        Ok(())
    }
    #[job("elsewhere:{id}")]
    fn elsewhere(id: u32) -> Result<u32, Secret> {
        Ok(kept(1)? + kept(2)? + plain(id)? + own(id)?)
    }
    let seen = reported(|_| {
        assert_eq!(kept(0).ok(), Some(0), "outside of jobs nothing is undone");
        assert_eq!(elsewhere(1).ok(), Some(5));
    });
    let warnings: Vec<_> = seen.iter().filter(|seen| seen.field("message").contains("rollback")).collect();
    assert_eq!(warnings.len(), 1, "{seen:#?}");
    assert_eq!((warnings[0].level, warnings[0].field("job")), (Level::WARN, "elsewhere:1"));
    assert!(warnings[0].field("point").ends_with("kept"), "{seen:#?}");
}
