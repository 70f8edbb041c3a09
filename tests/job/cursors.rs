//! Cursors: where a long loop of a job goes on.

use super::*;

#[job("rows:{id}")]
pub(super) fn rows(id: u32) -> Result<u32, Error> {
    let _ = id;
    let mut progress = Progress::<u32>::open("rows").every(2);
    let start = progress.restore_blocking()?.unwrap_or(0);
    for row in start..6 {
        assert!(row != CRASH.get(), "crash");
        log(row.to_string());
        progress.save_blocking(&(row + 1))?;
    }
    Ok(start)
}

#[test]
fn a_cursor_survives_a_crash_and_is_removed_with_the_job() {
    let _world = isolate();
    CRASH.set(5);
    crashed("rows:1", || rows(1));
    assert_eq!(logged(), ["0", "1", "2", "3", "4"]);
    CRASH.set(99);
    let recovered = recover().until_done().blocking().unwrap();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
    assert_eq!(rows(1).unwrap(), 4, "the last save that was made");
    assert_eq!(Progress::<u32>::open("rows").restore_blocking().unwrap(), None);
}

#[job("peeks:{id}")]
async fn peeks(id: String) -> Result<Vec<Option<u32>>, Error> {
    let mut progress = Progress::<u32>::open("row of 1");
    let mut seen = vec![Progress::peek("row of 1").await?];
    progress.save(&7).await?;
    seen.push(Progress::peek("row of 1").await?);
    seen.push(std::thread::scope(|scope| {
        let inside = resilience::in_scope_blocking(|| Progress::<u32>::peek_blocking("row of 1"));
        scope.spawn(inside).join().expect("no panic")
    })?);
    let elsewhere = jobs::get(&format!("peeks:{id}")).await?.expect("this job");
    let [cursor] = &*elsewhere.cursors else { panic!("{elsewhere:?}") };
    assert_eq!((cursor.name.as_str(), cursor.value.as_str()), ("row of 1", "7"));
    Ok(seen)
}

#[tokio::test(start_paused = true)]
async fn a_cursor_can_be_read_while_its_owner_works() {
    let world = isolate();
    let handle = world.handle();
    let mut outside = Progress::<u32>::open("row of 1");
    outside.save(&1).await.unwrap();
    assert_eq!(Progress::<u32>::peek("row of 1").await.unwrap(), Some(1));
    let peek = move || handle.run(|| Progress::<u32>::peek_blocking("row of 1").unwrap());
    assert_eq!(std::thread::spawn(peek).join().unwrap(), Some(1));
    let inside = peeks("1".to_owned());
    // Its own cursor, not the one outside.
    assert_eq!(
        std::thread::scope(|_| futures::executor::block_on(inside)).unwrap(),
        [None, Some(7), Some(7)]
    );
    assert_eq!(jobs::get("peeks:1").await.unwrap().unwrap().cursors.len(), 0, "it goes with the job");
    let text = Progress::<Vec<u8>>::peek("row of 1").await.unwrap_err();
    assert!(text.to_string().contains("cannot be read"), "{text}");
    outside.finish().await.unwrap();
    assert_eq!(Progress::<u32>::peek("row of 1").await.unwrap(), None);
}

#[test]
fn a_cursor_of_another_type_names_the_way_out() {
    let _world = isolate();
    Progress::<u32>::open("position").save_blocking(&3).unwrap();
    let error = Progress::<(u32, u32)>::open("position").restore_blocking().unwrap_err().to_string();
    assert!(error.ends_with("if its type has changed, open the cursor under another name"), "{error}");
}
