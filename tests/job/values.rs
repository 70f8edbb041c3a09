//! Jobs as values, and functions whose arguments are under `cfg`.

use super::*;

/// Arguments under a `cfg` that is false, which is what these tests are about: they are neither recorded nor restored.
mod conditional {
    use super::{Rejected, isolate, job};

    #[job("conditional:{id}", provided(client, absent_client))]
    pub async fn later(
        id: u64,
        #[cfg(any())] absent: Absent,
        #[cfg(not(any()))] path: &str,
        #[cfg(not(all()))] path: u8,
        #[cfg(any())] absent_client: &Absent,
        #[cfg(not(any()))] client: &u64,
    ) -> Result<u64, Rejected> {
        Ok(id + path.len() as u64 + client)
    }

    #[job("conditional-now:{id}")]
    pub fn now(
        id: u64,
        #[cfg(any())] absent: &mut Absent,
        #[cfg(not(any()))] by: u64,
    ) -> Result<u64, Rejected> {
        Ok(id + by)
    }

    #[job("conditional-only")]
    pub fn only(#[cfg(any())] absent: u64) -> Result<u64, Rejected> {
        Ok(3)
    }

    #[test]
    fn a_job_with_arguments_under_cfg_runs() {
        let _world = isolate();
        assert_eq!(now(1, 2), Ok(3));
        assert_eq!(only(), Ok(3));
        assert_eq!(futures::executor::block_on(later(1, "ab", &4)), Ok(7));
        assert_eq!(futures::executor::block_on(later(1, "ab", &4)), Ok(7), "recorded");
    }
}

const IMPORT: Job = Job::new("import");

#[test]
fn a_job_value_uses_its_own_settings() {
    let _world = isolate();
    let later = IMPORT.version(2);
    let double = |rows: u32| Ok::<u32, Error>(2 * rows);
    assert_eq!(IMPORT.call("import:7", 3, double), Ok(6));
    assert_eq!(IMPORT.call("import:7", 3, |_: u32| Ok::<u32, Error>(0)), Ok(6), "recorded");
    let error = later.call("import:7", 3, double).expect_err("another version").job();
    assert!(matches!(error, JobError::Mismatch { .. }), "{error}");
    assert_eq!(later.on_mismatch(Otherwise::Rerun).call("import:7", 4, double), Ok(8));
    let job = jobs::blocking::get("import:7").expect("a store").expect("a job");
    assert_eq!((job.name.as_str(), job.version), ("import", 2));

    let fails = |()| Err::<u32, _>(Error::Corrupt);
    IMPORT.call("import:8", (), fails).unwrap_err();
    assert!(matches!(IMPORT.call("import:8", (), fails), Err(Error::Rejected(_))), "it has failed");
    assert_eq!(IMPORT.rerun(true).call("import:8", (), |()| Ok::<u32, Error>(1)), Ok(1));
}

#[tokio::test]
async fn an_async_job_value_uses_its_own_settings() {
    let _world = isolate();
    assert_eq!(IMPORT.call_async("import:7", 3, async |rows: u32| Ok::<u32, Error>(2 * rows)).await, Ok(6));
    let later = IMPORT.version(2);
    let error = later.call_async("import:7", 3, async |_: u32| Ok::<u32, Error>(0)).await.unwrap_err().job();
    assert!(matches!(error, JobError::Mismatch { .. }), "{error}");
    let job = jobs::get("import:7").await.expect("a store").expect("a job");
    assert_eq!((job.name.as_str(), job.version), ("import", 1));
}
