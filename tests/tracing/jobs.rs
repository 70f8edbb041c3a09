//! The lines about jobs and steps, which name the job.

use super::*;

#[test]
fn every_line_about_a_job_names_it() {
    #[checkpoint("part")]
    fn part() -> Result<u32, Secret> {
        Ok(1)
    }
    #[with_recovery(on(corrupt, rollback), otherwise = manual)]
    #[job("named:{id}")]
    fn named(id: u32, fails: &str) -> Result<u32, Secret> {
        part()?;
        match fails {
            "unavailable" => Err(Secret(Category::Unavailable)),
            "corrupt" => Err(Secret(Category::Corrupt)),
            _ => Ok(id),
        }
    }
    #[job("named:{id}", name = "pending")]
    async fn pending(id: u32) -> Result<u32, Secret> {
        std::future::pending::<()>().await;
        Ok(id)
    }
    let lines = |work: fn()| {
        let mut seen = reported(|_| work());
        // The line of each world that its jobs are not recovered is about none of them.
        let before = seen.len();
        seen.retain(|seen| !seen.field("message").contains("never recovers them"));
        assert_eq!(seen.len() + 1, before, "{seen:#?}");
        assert!(seen.iter().all(|seen| seen.field("job") == "named:7"), "{seen:#?}");
        let line = |seen: &Seen| (seen.level, seen.field("message").to_owned());
        seen.iter().filter(|seen| seen.target == "resilience::job").map(line).collect::<Vec<_>>()
    };
    let debug = |text: &str| (Level::DEBUG, text.to_owned());
    assert_eq!(lines(|| drop(named(7, ""))), [debug("started"), debug("done")]);
    let parked = [debug("started"), debug("ended without a result")];
    assert_eq!(lines(|| drop(named(7, "unavailable"))), parked);
    let undone = [debug("started"), (Level::WARN, "rolled back".to_owned())];
    assert_eq!(lines(|| drop(named(7, "corrupt"))), undone);
    let dropped = [debug("started"), (Level::WARN, "interrupted".to_owned())];
    let drop_it = || assert!(futures::FutureExt::now_or_never(pending(7)).is_none());
    assert_eq!(lines(drop_it), dropped);
}

#[tokio::test(start_paused = true)]
async fn lines_of_policies_inside_a_job_name_it() {
    #[circuit_breaker(threshold = 1)]
    fn inner() -> Result<u32, Secret> {
        Err(Secret(Category::Unavailable))
    }
    #[with_fallback(value = 7)]
    #[with_retry(max = 1, base = 0s)]
    fn outer() -> Result<u32, Secret> {
        inner()
    }
    #[timeout(60s, thread)]
    fn on_thread() -> Result<u32, Secret> {
        outer()
    }
    #[timeout(2s)]
    async fn slow() -> Result<u32, Secret> {
        std::future::pending().await
    }
    #[job("policies:{id}")]
    async fn whole(id: u32) -> Result<u32, Secret> {
        assert!(slow().await.is_err());
        on_thread().map(|seven| seven + id)
    }
    let _world = testing::isolate();
    let capture = Capture::default();
    let _guard = tracing::subscriber::set_default(capture.clone());
    let take = || std::mem::take(&mut *capture.0.lock().unwrap());
    assert_eq!(whole(1).await.unwrap(), 8);
    let seen = take();
    for target in ["retry", "breaker", "timeout", "fallback"].map(|word| format!("resilience::{word}")) {
        let mut lines = seen.iter().filter(|seen| seen.target == target).peekable();
        assert!(lines.peek().is_some(), "no line of {target}: {seen:#?}");
        assert!(lines.all(|seen| seen.field("job") == "policies:1"), "{seen:#?}");
    }
    assert!(outer().is_ok() && slow().await.is_err());
    let outside = take();
    assert!(
        !outside.is_empty() && outside.iter().all(|seen| !seen.fields.contains_key("job")),
        "{outside:#?}"
    );
}

#[test]
fn panics_and_unrecorded_results_warn_with_the_job() {
    #[job("breaks:{id}")]
    fn breaks(id: u32) -> Result<u32, Secret> {
        panic!("the body breaks {id}")
    }
    #[job("large:{bytes}")]
    fn large(bytes: usize) -> Result<String, Secret> {
        Ok("x".repeat(bytes))
    }
    let seen = reported(|_| {
        drop(std::panic::catch_unwind(|| breaks(2)));
        drop(large(1 << 20));
    });
    let warnings: Vec<_> = seen.iter().filter(|seen| seen.level == Level::WARN).collect();
    let said: Vec<_> = warnings
        .iter()
        .map(|seen| (seen.field("job"), seen.field("message")))
        .filter(|said| !said.0.is_empty())
        .collect();
    let id = format!("large:{}", 1 << 20);
    assert_eq!(
        said,
        [("breaks:2", "the body of a job panicked"), (id.as_str(), "the result of a job was not recorded")]
    );
    assert!(warnings.iter().any(|seen| seen.field("problem").contains("the body breaks")), "{seen:#?}");
}
