//! Steps without a key in recovered jobs.

use super::*;

struct Pair {
    left: u32,
    right: u32,
}

/// Names of the expansion, and patterns.
#[checkpoint]
fn awkward(args: Vec<u32>, Pair { left, right: other }: Pair) -> Result<usize, Error> {
    Ok(args.len() + (left + other) as usize)
}

#[job("awkward:{id}")]
fn awkwardly(id: u32) -> Result<usize, Error> {
    let _ = id;
    awkward(vec![1], Pair { left: 1, right: 2 })
}

#[test]
fn a_step_without_a_key_may_have_any_argument_patterns() {
    let _world = isolate();
    assert_eq!(awkwardly(1).unwrap(), 4);
}

#[checkpoint]
fn unkeyed(client: &Client, n: u32) -> Result<u32, Error> {
    let _ = client;
    Ok(n * 10)
}

#[job("ordered:{id}")]
fn ordered(id: u32) -> Result<Vec<u32>, Error> {
    let _ = id;
    let order = ORDER.with(|order| order.borrow().clone());
    let done = order.into_iter().map(|n| unkeyed(&Client, n)).collect::<Result<_, _>>();
    may_crash();
    done
}

#[test]
fn a_step_without_a_key_never_gets_another_steps_value() {
    let _world = isolate();
    ORDER.set(vec![1, 2]);
    crashed("ordered:1", || ordered(1));
    ORDER.set(vec![2, 1]);
    let error = ordered(1).unwrap_err();
    assert!(error.to_string().contains("inputs"), "{error}");
    assert_eq!(status("ordered:1"), Some(Status::Interrupted), "it goes on when the order is right again");
    ORDER.set(vec![1, 2, 3]);
    assert_eq!(ordered(1).unwrap(), [10, 20, 30]);
}
