//! Slots for each key.

use super::*;

#[bulkhead(1, key = host, max_keys = 3, name = "hosts")]
fn fetch(host: &str, inside: &dyn Fn() -> Outcome) -> Outcome {
    let _ = host;
    inside()
}

#[bulkhead(1, key = "{host}:{port}", key_label, wait = 1s, name = "ports")]
async fn connect(host: &str, port: u16, ends: oneshot::Receiver<()>) -> Outcome {
    let _ = (host, port, ends.await);
    Ok(1)
}

#[test]
fn each_key_has_its_own_slots() {
    let world = testing::isolate();
    let outcome = fetch("a", &|| {
        assert_eq!(fetch("b", &|| Ok(2)), Ok(2));
        fetch("a", &|| Ok(3))
    });
    let Err(Failure::Rejected(rejected)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(
        (rejected.key(), rejected.to_string()),
        (Some("a"), "too many calls of `hosts` are running".to_owned())
    );
    let keys: Vec<_> = point("hosts").unwrap().keys().iter().map(|key| key.key().to_owned()).collect();
    assert_eq!(keys, ["a", "b"]);
    assert_eq!(point("hosts").unwrap().key("a").bulkhead().unwrap().snapshot().rejected, 1);
    assert_eq!(world.events()[0].key(), Some("a"));
}

/// How many keys come; `KEYS=1000000` asks for a million.
fn many() -> u32 {
    std::env::var("KEYS").map_or(20_000, |keys| keys.parse().expect("a number of keys"))
}

#[test]
fn a_key_in_use_is_never_evicted() {
    let _world = testing::isolate();
    let outcome = fetch("busy", &|| {
        for n in 0..many() {
            assert_eq!(fetch(&n.to_string(), &|| Ok(n)), Ok(n));
        }
        fetch("busy", &|| Ok(1))
    });
    assert!(is_full(&outcome), "the key at its limit stays limited");
    assert_eq!(point("hosts").unwrap().keys().len(), 3);
}

#[test]
fn keys_without_room_share_one_entry() {
    let _world = testing::isolate();
    let full = fetch("a", &|| {
        fetch("b", &|| {
            fetch("c", &|| {
                let fourth = fetch("d", &|| {
                    let fifth = fetch("e", &|| Ok(5));
                    assert!(is_full(&fifth), "shares the slot of the fourth: {fifth:?}");
                    Ok(4)
                });
                assert_eq!(fourth, Ok(4));
                let policy = &point("hosts").unwrap().snapshot().policies[0];
                let row = policy.keys.iter().find(|row| row.key == "(overflow)");
                assert!(row.is_some_and(|row| row.counters.contains(&("rejected", 1))), "{policy}");
                assert!(policy.counters.contains(&("overflowed", 2)), "{policy}");
                Ok(3)
            })
        })
    });
    assert_eq!(full, Ok(3));
    assert_eq!(fetch("d", &|| fetch("e", &|| Ok(5))), Ok(5), "there is room again");
}

#[test]
fn the_message_shows_the_key_with_key_label() {
    let world = testing::isolate();
    let (_end, ends) = oneshot::channel();
    let mut running = pin!(connect("a", 1, ends));
    let mut late = pin!(connect("a", 1, oneshot::channel().1));
    assert!(poll(running.as_mut()).is_pending());
    assert!(poll(late.as_mut()).is_pending());
    world.advance(Duration::from_secs(1));
    let Poll::Ready(Err(Failure::Rejected(rejected))) = poll(late.as_mut()) else { panic!("not refused") };
    assert_eq!(rejected.to_string(), "too many calls of `ports` (key `a:1`) are running");
}

#[test]
fn a_key_with_a_queue_is_never_evicted() {
    let _world = testing::isolate();
    let (end, ends) = oneshot::channel();
    let mut running = Box::pin(connect("a", 1, ends));
    let mut waiting = pin!(connect("a", 1, oneshot::channel().1));
    assert!(poll(running.as_mut()).is_pending());
    assert!(poll(waiting.as_mut()).is_pending());
    for port in 2..3000 {
        let mut other = pin!(connect("a", port, oneshot::channel().1));
        assert_eq!(poll(other.as_mut()), Poll::Ready(Ok(1)));
    }
    let key = point("ports").unwrap().key("a:1").bulkhead().expect("still there");
    assert_eq!((key.snapshot().in_use, key.snapshot().waiting), (1, 1));
    end.send(()).unwrap();
    assert_eq!(poll(running.as_mut()), Poll::Ready(Ok(1)));
    assert_eq!(poll(waiting.as_mut()), Poll::Ready(Ok(1)));
}
