//! Lower-case constants, statics and unit structs with the names of an expansion's locals: a pattern of that
//! name would mean them.

use resilience::{
    Rejected, checkpoint, circuit_breaker, job, testing, timeout, with_fallback, with_recovery, with_retry,
};

macro_rules! constants {
    ($($name:ident)*) => { $(const $name: u32 = 1;)* };
}
constants! {
    r verdict class value answer wait permit retry budget rejected e done running entered kept strategy
    bytes args worked policy held instance outcome site point attempt limit name state error scope this
    refused refusal label settled call stack inner body result err ok made fallback hook closure future
    ruling event key keys store fresh keyed lent started remaining deadline timer probe judge
}
static provided: u32 = 1;
struct response;

#[with_fallback(value = 99)]
#[timeout(60s)]
#[with_retry(max = 1, base = 0s, clone(text))]
#[circuit_breaker(threshold = 100, key = id)]
#[timeout(30s)]
async fn later(id: &str, mut text: String, mut count: u32) -> Result<u32, Rejected> {
    text.push('x');
    count += retry + verdict;
    drop(text);
    Ok(count + id.len() as u32)
}

#[with_fallback(instead(id), when_ok = |found| *found == 7)]
#[with_retry(max = 1, base = 0s, when = |_| true, unless = |_| false, give_up_after = 1s)]
#[circuit_breaker(classify = |_| timed_out(), context(id = id), rejected = |_| 0)]
fn sync(id: u32) -> Result<u32, u32> {
    Ok(id + value - 1)
}

fn instead(id: u32) -> Option<u32> {
    Some(id + 100)
}

fn timed_out() -> resilience::Classification {
    resilience::Classification::new(resilience::Category::Timeout)
}

#[timeout(60s, thread)]
fn on_a_thread(id: u32) -> Result<u32, Rejected> {
    Ok(id + r)
}

#[checkpoint("step:{id}", inputs(id), rollback = |_: u32| ())]
async fn step(id: u32) -> Result<u32, Rejected> {
    Ok(id + kept)
}

#[checkpoint]
fn unkeyed(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[with_recovery(on(corrupt, rollback), on(not_found, skip), otherwise = escalate, rollback = |_, _| ())]
#[job("job:{id}", provided(client))]
async fn recorded(id: u32, client: &u64) -> Result<u32, Rejected> {
    let _ = client;
    step(id).await
}

#[job("sync:{id}")]
fn recorded_sync(id: u32) -> Result<u32, Rejected> {
    unkeyed(id)
}

#[test]
fn an_expansion_keeps_its_own_names() {
    let _world = testing::isolate();
    assert_eq!(futures::executor::block_on(later("ab", String::new(), 1)), Ok(5));
    assert_eq!((sync(1), sync(7)), (Ok(1), Ok(107)));
    assert_eq!(on_a_thread(1), Ok(2));
    assert_eq!(futures::executor::block_on(recorded(1, &1)), Ok(2));
    assert_eq!(recorded_sync(3), Ok(3));
}
