//! Jobs whose code or arguments have changed since they were recorded.

use super::*;

#[job("raised:{id}", version = 2)]
fn raised(id: u32) -> Result<u32, Error> {
    Ok(id)
}

static ANSWERS: AtomicU32 = AtomicU32::new(0);

fn answer(_: u32) -> Result<u32, Error> {
    Ok(ANSWERS.fetch_add(1, Ordering::SeqCst))
}

#[with_fallback(answer)]
#[job("answered:{id}", version = 2)]
fn answered(id: u32) -> Result<u32, Error> {
    Ok(id)
}

static LOOKED: OnceLock<Mutex<Sender<()>>> = OnceLock::new();

/// Of a later id than the refused one: when it is run, that has been looked at.
#[job("behind:{id}")]
fn behind(id: u32) -> Result<u32, Error> {
    if let Some(looked) = LOOKED.get() {
        let _ = looked.lock().unwrap().send(());
    }
    Ok(id)
}

#[test]
fn policies_above_a_refused_job_do_not_run_at_every_sweep() {
    let (send, looked) = channel();
    LOOKED.set(Mutex::new(send)).unwrap();
    let store = left_elsewhere("answered:1", "answered:{id}", r#"{"id":1}"#);
    let every = Duration::from_millis(10);
    let recovered = recover().store(store.clone()).every(every).until_done().blocking().unwrap();
    assert!(matches!(recovered.jobs[0].problem, Some(JobError::Mismatch { .. })), "{recovered}");
    for n in 1..=3 {
        interrupted(&*store, &format!("behind:{n}"), "behind:{id}", &format!(r#"{{"id":{n}}}"#));
        looked.recv_timeout(Duration::from_secs(60)).expect("the sweep looks again");
    }
    assert_eq!(ANSWERS.load(Ordering::SeqCst), 1);
}

#[job("fewer:{id}")]
fn fewer(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
fn a_mismatched_job_is_reported_and_not_run() {
    let _world = isolate();
    left_by_earlier_code("raised:1", "raised:{id}", r#"{"id":1}"#);
    let recovered = recover_all();
    let [job] = &*recovered.jobs else { panic!("{recovered}") };
    assert_eq!(job.status, Status::Interrupted);
    assert!(matches!(job.problem, Some(JobError::Mismatch { .. })), "{recovered}");
    let told = "version: recorded 1, now 2 (recorded at 20";
    assert!(recovered.to_string().contains(told), "{recovered}");
    let advice = "to continue it, write `version = 1`; to start over, `on_mismatch = rerun`";
    assert!(recovered.to_string().contains(advice), "{recovered}");
    assert!(problem("raised:1").contains(advice), "{}", problem("raised:1"));
    assert_eq!(attempts("raised:1"), 1);

    left_by_earlier_code("fewer:1", "fewer:{id}", r#"{"id":1,"path":"/a"}"#);
    let recovered = recover_all();
    assert_eq!(recovered.count(Status::Done), 1, "an argument that the code no longer has: {recovered}");
}

#[job("grown:{id}")]
fn grown(id: u32, page: Option<u32>, tags: Option<Vec<String>>) -> Result<u32, Error> {
    Ok(id + page.unwrap_or(100) + tags.map_or(100, |tags| tags.len() as u32))
}

#[job("grown-async:{id}")]
async fn grown_async(id: u32, page: Option<String>, tag: String) -> Result<u32, Error> {
    let (_, _) = (page, tag);
    Ok(id)
}

#[test]
fn an_added_argument_is_none_or_is_reported() {
    let _world = isolate();
    left_by_earlier_code("grown:1", "grown:{id}", r#"{"id":1,"path":"/a"}"#);
    let recovered = recover_all();
    assert_eq!(recovered.count(Status::Done), 1, "{recovered}");
    assert_eq!(grown(1, None, None).unwrap(), 201, "the same call by hand");
    left_by_earlier_code("grown:2", "grown:{id}", r#"{"id":2,"page":7}"#);
    assert_eq!(grown(2, Some(7), None).unwrap(), 109, "and one that was interrupted");
    left_by_earlier_code("grown:3", "grown:{id}", r#"{"id":3}"#);
    let error = grown(3, Some(1), Some(vec![])).unwrap_err().job();
    assert!(matches!(error, JobError::Mismatch { .. }), "{error}");
    assert!(error.to_string().contains("other inputs: `page`, `tags` differ"), "{error}");
    assert_eq!(attempts("grown:3"), 1);

    left_by_earlier_code("grown-async:1", "grown-async:{id}", r#"{"id":1}"#);
    let recovered = recover_all();
    assert_eq!(recovered.count(Status::Interrupted), 1);
    let told = "the record has no argument `tag`: take it as an `Option`";
    assert!(recovered.to_string().contains(told), "{recovered}");
    assert!(problem("grown-async:1").contains(told), "{}", problem("grown-async:1"));
}

#[job("retyped:{id}")]
fn retyped(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[job("changed:{id}", on_mismatch = rerun)]
fn changed(id: u32, path: &str, page: Option<u32>) -> Result<u32, Error> {
    log(format!("{path} {page:?}"));
    note(id)
}

#[test]
fn an_argument_of_another_type_or_name_is_reported() {
    let _world = isolate();
    left_by_earlier_code("retyped:1", "retyped:{id}", r#"{"id":"one"}"#);
    let recovered = recover_all();
    assert_eq!(recovered.count(Status::Interrupted), 1);
    assert!(
        recovered.to_string().contains("the recorded argument `id` cannot be read as `u32`"),
        "{recovered}"
    );

    left_by_earlier_code("conditional:1", "conditional:{id}", r#"{"id":1,"file":"a"}"#);
    let error = conditional(1, "a", &7).unwrap_err().job();
    assert!(error.to_string().contains("other inputs: `path` differs"), "{error}");

    left_by_earlier_code("gone:1", "gone:{id}", "{}");
    let recovered = recover_all();
    let told = "if it was renamed, write `was = \"gone:{id}\"`";
    assert!(recovered.to_string().contains(told), "{recovered}");
    assert!(problem("gone:1").contains(told), "{}", problem("gone:1"));
}

#[test]
fn changed_arguments_restart_a_job_with_on_mismatch_rerun() {
    let _world = isolate();
    left_by_earlier_code("changed:1", "changed:{id}", r#"{"id":1,"path":"/a"}"#);
    assert_eq!(changed(1, "/a", None).unwrap(), 1);
    assert_eq!((attempts("changed:1"), logged()), (2, vec!["/a None".to_owned(), "note".to_owned()]));
    assert_eq!(changed(1, "/a", None).unwrap(), 1);
    assert_eq!(logged(), [""; 0], "it is done");
    assert_eq!(changed(1, "/b", None).unwrap(), 1);
    assert_eq!((attempts("changed:1"), logged().first().map(String::as_str)), (1, Some("/b None")));
}
