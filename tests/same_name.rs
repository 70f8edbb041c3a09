//! Two jobs of one name: after a crash nobody could say which of them a record belongs to.

use resilience::durable::{JobError, MemoryStore, Record, Status, Store, use_store};
use resilience::testing::isolate;
use resilience::{Rejected, job};
use std::sync::Arc;

mod one {
    use super::{Rejected, job};

    #[job("import:{id}")]
    pub(super) fn import(id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }
}

mod other {
    use super::{Rejected, job};

    #[job("load:{id}", name = "import:{id}")]
    pub(super) fn load(id: u32) -> Result<u32, Rejected> {
        Ok(id + 1)
    }
}

#[test]
fn jobs_with_the_same_name_prevent_recovery() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    assert_eq!((one::import(1).unwrap(), other::load(1).unwrap()), (1, 2), "they run while nothing crashes");
    let mut crashed = Record::new("j/import:2");
    crashed.function = "import:{id}".to_owned();
    crashed.status = Status::Interrupted;
    crashed.input = br#"{"id":2}"#.to_vec();
    futures::executor::block_on(store.cas(None, crashed)).unwrap();
    let Err(Rejected::Job(error)) = resilience::recover_blocking() else { panic!("recovered") };
    assert!(matches!(*error, JobError::SameName { .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("`import:{id}`")
            && text.contains("same_name.rs:11")
            && text.contains("same_name.rs:20"),
        "{text}"
    );
    let left = futures::executor::block_on(store.get("j/import:2")).unwrap().unwrap();
    assert_eq!(left.status, Status::Interrupted);
}
