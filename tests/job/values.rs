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
    fn a_job_may_have_arguments_under_cfg() {
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

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Labels {
    of: HashSet<String>,
}

#[job("order:{id}")]
fn ordered(id: u32, pair: &(String, String), list: &[u32], labels: &Labels) -> Result<String, Error> {
    Ok(format!("{id} {pair:?} {list:?} {}", labels.of.len()))
}

fn pair(one: &str, other: &str) -> (String, String) {
    (one.to_owned(), other.to_owned())
}

fn labels(names: &[&str]) -> Labels {
    Labels { of: names.iter().map(|name| (*name).to_owned()).collect() }
}

#[test]
fn the_order_of_arguments_matters_except_in_sets() {
    let _world = isolate();
    let recorded = ordered(1, &pair("alice", "bob"), &[1, 2], &labels(&["a", "b", "c"])).unwrap();
    for _ in 0..20 {
        let again = ordered(1, &pair("alice", "bob"), &[1, 2], &labels(&["c", "b", "a"])).unwrap();
        assert_eq!(again, recorded);
    }
    let other = |pair: &(String, String), list: &[u32], names: &[&str]| match ordered(
        1,
        pair,
        list,
        &labels(names),
    ) {
        Err(Error::Rejected(Rejected::Job(error))) => error.to_string(),
        other => panic!("{other:?}"),
    };
    let differs = [
        (other(&pair("bob", "alice"), &[1, 2], &["a", "b", "c"]), "`pair` differs"),
        (other(&pair("alice", "bob"), &[2, 1], &["a", "b", "c"]), "`list` differs"),
        (other(&pair("alice", "bob"), &[1, 2], &["a", "b", "d"]), "`labels` differs"),
    ];
    for (text, words) in differs {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn the_order_of_a_job_values_input_matters() {
    let _world = isolate();
    let list = |list: Vec<u32>| Job::run_blocking("list", list, |list: Vec<u32>| Ok::<_, Error>(list));
    assert_eq!(list(vec![1, 2]).unwrap(), [1, 2]);
    assert!(matches!(list(vec![2, 1]).unwrap_err().job(), JobError::Mismatch { .. }));
    let set =
        |set: HashSet<u32>| Job::run_blocking("set", set, |set: HashSet<u32>| Ok::<_, Error>(set.len()));
    for _ in 0..20 {
        assert_eq!(set((0..5).collect()).unwrap(), 5);
    }
}

#[checkpoint("tagged", inputs(tags, list))]
fn tagged(tags: &HashSet<String>, list: &[HashSet<u32>]) -> Result<usize, Error> {
    Ok(tags.len() + list.len())
}

#[test]
fn a_set_is_the_same_input_of_a_step_in_any_order() {
    let _world = isolate();
    let tags = || ["a", "b", "c"].map(str::to_owned).into_iter().collect::<HashSet<_>>();
    for _ in 0..20 {
        assert_eq!(tagged(&tags(), &[(0..5).collect()]).unwrap(), 4);
    }
    assert!(tagged(&tags(), &[(0..6).collect()]).is_err());
}

#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct Window {
    days: u32,
}

/// The same in a later version of the program.
#[derive(Clone, serde::Serialize, serde::Deserialize)]
struct WiderWindow {
    days: u32,
    #[serde(default)]
    hours: u32,
}

#[job("window:{id}")]
fn window(id: u32, window: Window) -> Result<u32, Error> {
    Ok(id + window.days)
}

#[job("wider window:{id}", was = "window:{id}")]
fn wider_window(id: u32, window: WiderWindow) -> Result<u32, Error> {
    Ok(id + window.days + window.hours)
}

#[job("narrow window:{id}", was = "wider window:{id}")]
fn narrow_window(id: u32, window: Window) -> Result<u32, Error> {
    Ok(id + window.days)
}

#[test]
fn arguments_are_compared_as_the_code_reads_them() {
    let _world = isolate();
    assert_eq!(window(1, Window { days: 10 }), Ok(11));
    assert_eq!(wider_window(1, WiderWindow { days: 10, hours: 0 }), Ok(11));
    for (days, hours) in [(10, 1), (9, 0)] {
        let other = wider_window(1, WiderWindow { days, hours }).unwrap_err().job();
        assert!(other.to_string().contains("`window` differs"), "{other}");
    }
    assert_eq!(wider_window(2, WiderWindow { days: 10, hours: 5 }), Ok(17));
    assert_eq!(narrow_window(2, Window { days: 10 }), Ok(17));
    assert!(narrow_window(2, Window { days: 9 }).is_err());
}
