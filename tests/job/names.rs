//! Jobs whose function has another name by now, or is gone.

use super::*;

mod earlier {
    use super::{Error, may_crash};
    use resilience::job;

    #[job("renamed:{id}", name = "the old name")]
    pub(super) async fn old_name(id: u32) -> Result<u32, Error> {
        may_crash(id).await;
        Ok(id)
    }
}

#[job("renamed:{id}", was = "the old name")]
async fn new_name(id: u32) -> Result<u32, Error> {
    Ok(id + 1)
}

#[tokio::test(start_paused = true)]
async fn a_renamed_job_is_found_under_its_earlier_name() {
    let _world = isolate();
    CRASH.set(4);
    {
        let mut call = Box::pin(earlier::old_name(4));
        assert!(futures::poll!(&mut call).is_pending());
    }
    CRASH.set(0);
    assert_eq!(new_name(4).await.unwrap(), 5, "called by its new name");
    let info = jobs::get("renamed:4").await.unwrap().unwrap();
    assert_eq!((info.status, info.attempts), (Status::Done, 2));
}

#[test]
fn a_job_without_a_function_is_reported_and_kept() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    resilience::durable::use_store(store.clone());
    let mut stranger = Record::new("j/gone:1");
    stranger.function = "gone:{id}".to_owned();
    stranger.status = Status::Interrupted;
    stranger.input = b"{}".to_vec();
    futures::executor::block_on(store.cas(None, stranger)).unwrap();
    for _ in 0..2 {
        let recovered = recover().until_done().blocking().unwrap();
        assert!(
            recovered.to_string().contains("`gone:{id}`, which no function of this program has"),
            "{recovered}"
        );
        assert_eq!(recovered.count(Status::Interrupted), 1);
    }
    assert!(jobs::blocking::get("gone:1").unwrap().is_some());
}
