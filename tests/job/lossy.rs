//! Arguments and results that are not read back as they were written.

use super::*;

/// Read back, `Long` is a `Short`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
enum Untagged {
    Short { x: u32 },
    Long { x: u32, y: u32 },
}

#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Silent {
    #[serde(skip_deserializing)]
    lost: u32,
}

#[job("lossy:{id}")]
fn lossy(id: u32, float: f64, of: &[Untagged], silent: Option<String>) -> Result<usize, Error> {
    log("lossy");
    Ok(id as usize + of.len() + silent.map_or(0, |text| text.len()) + float as usize)
}

#[job("lossy-async:{id}")]
async fn lossy_async(id: u32, silent: &Silent, large: u128) -> Result<u32, Error> {
    log("lossy");
    Ok(id + silent.lost + large as u32)
}

/// Arrays inside of one another.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
struct Nested(Vec<Nested>);

impl Nested {
    fn of(arrays: u32) -> Self {
        Self(if arrays > 1 { vec![Self::of(arrays - 1)] } else { Vec::new() })
    }
}

static BEGUN: tokio::sync::Notify = tokio::sync::Notify::const_new();

#[job("nested:{id}")]
async fn nested(id: u32, tree: &Nested) -> Result<u32, Error> {
    let _ = tree;
    log("nested");
    if LOG.with(|log| log.borrow().len()) > 1 {
        return Ok(id);
    }
    BEGUN.notify_one();
    std::future::pending().await
}

#[tokio::test(start_paused = true)]
async fn an_argument_that_nests_too_deep_to_be_recovered_is_rejected() {
    let _world = isolate();
    for arrays in [127, 128, 200] {
        let error = nested(2, &Nested::of(arrays)).await.unwrap_err().job();
        assert!(matches!(error, JobError::Codec { .. }), "{error}");
        assert!(error.to_string().contains("the argument `tree` cannot be recorded"), "{error}");
        assert!(error.to_string().contains("recursion limit exceeded"), "{error}");
    }
    assert_eq!(logged(), [""; 0], "no body ran");

    let tree = Nested::of(126);
    tokio::select! {
        ended = nested(1, &tree) => panic!("the body waits: {ended:?}"),
        () = BEGUN.notified() => {}
    }
    recover().until_done().await.unwrap();
    assert_eq!(logged(), ["nested"; 2], "the deepest argument that is accepted is read again");
}

#[tokio::test(start_paused = true)]
async fn an_argument_that_does_not_round_trip_is_rejected() {
    let _world = isolate();
    let long = [Untagged::Short { x: 1 }, Untagged::Long { x: 1, y: 2 }];
    let refused = [
        (lossy(1, f64::NAN, &[], None).unwrap_err(), "`float`", "not a number in JSON"),
        (lossy(1, 1.0, &long, None).unwrap_err(), "`of`", "read back as another value"),
        (lossy_async(1, &Silent { lost: 7 }, 1).await.unwrap_err(), "`silent`", "read back as another value"),
        (lossy_async(1, &Silent { lost: 0 }, u128::MAX).await.unwrap_err(), "`large`", "out of range"),
    ];
    for (error, name, why) in refused {
        let error = error.job();
        assert!(matches!(error, JobError::Codec { .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains(&format!("the argument {name} cannot be recorded")), "{text}");
        assert!(text.contains(why), "{text}");
    }
    let nan = resilience::Job::run_blocking("lossy", f64::NAN, |_: f64| Ok::<u32, Error>(1));
    assert!(matches!(nan.unwrap_err().job(), JobError::Codec { .. }));
    assert_eq!(logged(), [""; 0], "no body ran");
    assert_eq!(jobs::list(Filter::new()).await.unwrap().len(), 0, "nothing is recorded");
    assert_eq!(lossy(1, 1.0, &long[..1], Some("ab".to_owned())).unwrap(), 5);
    assert_eq!(lossy_async(1, &Silent { lost: 0 }, 1).await.unwrap(), 2);
}

#[job("lossy-result:{id}")]
fn lossy_result(id: u32, value: f64) -> Result<f64, Error> {
    log("result");
    Ok(value / f64::from(id))
}

#[job("lossy-result-async:{id}")]
async fn lossy_result_async(id: u32) -> Result<Untagged, Error> {
    log("result");
    Ok(Untagged::Long { x: id, y: id })
}

#[tokio::test(start_paused = true)]
async fn a_result_that_does_not_round_trip_fails_the_job() {
    let _world = isolate();
    let by_hand = || resilience::Job::run_blocking("hand", (), |()| Ok::<_, Error>(Some(None::<u8>)));
    let error = resilience::Job::run("hand-async", (), async |()| Ok::<_, Error>(f32::INFINITY)).await;
    let refused = [
        (lossy_result(0, 0.0).unwrap_err(), "lossy-result:0"),
        (lossy_result_async(1).await.unwrap_err(), "lossy-result-async:1"),
        (by_hand().unwrap_err(), "hand"),
        (error.unwrap_err(), "hand-async"),
    ];
    for (error, id) in refused {
        let text = error.job().to_string();
        assert!(text.contains("the result cannot be recorded"), "{text}");
        let job = jobs::get(id).await.unwrap().unwrap();
        assert_eq!(job.status, Status::Failed);
        assert!(job.problem.is_some_and(|problem| text.contains(&problem)), "{text}");
    }
    logged();
    assert_eq!(recover().await.unwrap().jobs.len(), 0, "nothing runs it again by itself");
    let again = lossy_result(0, 0.0).unwrap_err().job();
    assert!(matches!(again, JobError::Stopped { status: Status::Failed, .. }), "{again}");
    assert_eq!(logged(), [""; 0]);
}

/// Written or read, it panics at `CRASH`.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(from = "u32", into = "u32")]
struct Panics(u32);

impl From<Panics> for u32 {
    fn from(value: Panics) -> Self {
        assert_ne!(CRASH.get(), 1, "it cannot be written");
        value.0
    }
}

impl From<u32> for Panics {
    fn from(n: u32) -> Self {
        assert_ne!(CRASH.get(), 2, "it cannot be read");
        Self(n)
    }
}

#[job("unwritable:{id}")]
fn panics(id: u32, argument: Panics) -> Result<Panics, Error> {
    log("panics");
    CRASH.set(id);
    Ok(argument)
}

#[job("unwritable-async:{id}")]
async fn panics_async(id: u32, argument: Panics) -> Result<Panics, Error> {
    log("panics");
    CRASH.set(id);
    Ok(argument)
}

#[checkpoint("unwritable:{id}")]
fn panicking_step(id: u32) -> Result<Panics, Error> {
    log("panics");
    CRASH.set(id);
    Ok(Panics(id))
}

/// The body has run: it must not run again because its value cannot be recorded.
#[tokio::test]
async fn a_result_that_panics_when_serialized_ends_the_job() {
    let _world = isolate();
    for (id, why) in [(1, "it cannot be written"), (2, "it cannot be read")] {
        let ended = [panics(id, Panics(7)).unwrap_err(), {
            CRASH.set(0);
            panics_async(id, Panics(7)).await.unwrap_err()
        }];
        CRASH.set(0);
        for (error, name) in ended.into_iter().zip(["unwritable", "unwritable-async"]) {
            let text = error.job().to_string();
            assert!(text.contains("the result cannot be recorded: ") && text.contains(why), "{text}");
            let job = jobs::get(&format!("{name}:{id}")).await.unwrap().unwrap();
            assert_eq!((job.status, job.recoveries), (Status::Failed, 0));
        }
        assert_eq!(logged().len(), 2);
        assert_eq!(recover().once().until_done().await.unwrap().jobs.len(), 0);
        let step = panicking_step(id).unwrap_err();
        CRASH.set(0);
        assert!(matches!(&step, Error::Rejected(error) if error.to_string().contains(why)), "{step:?}");
        logged();
    }
}

#[tokio::test]
async fn an_argument_that_panics_when_serialized_is_rejected() {
    let _world = isolate();
    for (crash, why) in [(1, "it cannot be written"), (2, "it cannot be read")] {
        CRASH.set(crash);
        let text = panics(0, Panics(7)).unwrap_err().job().to_string();
        assert!(
            text.contains("the argument `argument` cannot be recorded: ") && text.contains(why),
            "{text}"
        );
    }
    CRASH.set(0);
    assert_eq!(logged(), [""; 0]);
}
