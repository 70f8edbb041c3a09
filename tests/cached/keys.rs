//! What distinguishes the values of a cache.

use super::*;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

fn ok<T>(value: T) -> Result<T, Fails> {
    Ok(value)
}

#[test]
fn all_arguments_are_the_key() {
    #[cached]
    fn joined(a: &str, b: String, c: &[u8], d: Option<u32>, e: &Path) -> Result<String, Fails> {
        ok(format!("{a}{b}{c:?}{d:?}{}", e.display()))
    }
    let _world = testing::isolate();
    let call = |a, b: &str, c: &[u8]| joined(a, b.to_owned(), c, Some(1), Path::new("p")).unwrap();
    assert_eq!(call("a", "b", &[1]), "ab[1]Some(1)p");
    assert_eq!(call("ab", "", &[1]), "ab[1]Some(1)p");
    assert_eq!(cache("keys::joined").snapshot().entries, 2, "one text, two keys");
    let key = ("a", &"b".to_owned(), &[1_u8][..], &Some(1_u32), Path::new("p"));
    assert!(cache("keys::joined").get::<String>(key, Duration::MAX).is_some());
}

#[test]
fn keys_may_have_several_forms() {
    struct Client {
        host: String,
    }
    impl Client {
        #[cached(key = (self.host, id))]
        fn tuple(&self, id: u32) -> Result<String, Fails> {
            ok(format!("{}{id}", self.host))
        }
        #[cached(key = id)]
        fn argument(&self, id: u32) -> Result<String, Fails> {
            ok(format!("{}{id}", self.host))
        }
        #[cached(key = "{self.host}/{id}")]
        async fn template(&self, id: u32) -> Result<String, Fails> {
            ok(format!("{}{id}", self.host))
        }
        #[cached(key = (&self.host, name.to_lowercase()))]
        fn expressions(&self, name: &str) -> Result<String, Fails> {
            ok(format!("{}{name}", self.host))
        }
    }
    let _world = testing::isolate();
    let (a, b) = (Client { host: "a".into() }, Client { host: "b".into() });
    assert_eq!((a.tuple(1).unwrap(), b.tuple(1).unwrap()), ("a1".into(), "b1".into()));
    assert_eq!((a.argument(1).unwrap(), b.argument(1).unwrap()), ("a1".into(), "a1".into()));
    assert_eq!((a.expressions("X").unwrap(), a.expressions("x").unwrap()), ("aX".into(), "aX".into()));
    assert_eq!(futures::executor::block_on(a.template(1)).unwrap(), "a1");
    cache("keys::tuple").put(("b", &1_u32), "put".to_owned());
    assert_eq!(b.tuple(1).unwrap(), "put", "also on a method, whose `Self` is part of the key");
    cache("keys::tuple").invalidate(("b", &1_u32));
    assert_eq!(b.tuple(1).unwrap(), "b1");
    cache("keys::template").put("b/7", "put".to_owned());
    assert_eq!(futures::executor::block_on(b.template(7)).unwrap(), "put");
}

#[test]
fn the_types_of_a_generic_function_are_part_of_the_key() {
    trait Name {
        const NAME: &'static str;
    }
    struct A<'a>(#[allow(dead_code)] &'a str);
    struct B;
    impl Name for A<'_> {
        const NAME: &'static str = "a";
    }
    impl Name for B {
        const NAME: &'static str = "b";
    }
    #[cached(key = id)]
    fn generic<T: Name, const N: usize>(id: u32) -> Result<String, Fails> {
        ok(format!("{}{N}{id}", T::NAME))
    }
    #[cached(key = id)]
    fn unnamed(id: u32, text: impl ToString) -> Result<String, Fails> {
        ok(format!("{}{id}", text.to_string()))
    }
    struct Of<T>(T);
    impl<T: Name> Of<T> {
        #[cached(key = id)]
        fn method(&self, id: u32) -> Result<&'static str, Fails> {
            let _ = (&self.0, id);
            ok(T::NAME)
        }
    }
    trait Default {
        fn name(&self) -> &'static str;
        #[cached(key = id)]
        fn provided(&self, id: u32) -> Result<String, Fails> {
            ok(format!("{}{id}", self.name()))
        }
    }
    impl Default for A<'_> {
        fn name(&self) -> &'static str {
            "A"
        }
    }
    impl Default for B {
        fn name(&self) -> &'static str {
            "B"
        }
    }
    let _world = testing::isolate();
    let local = String::from("local");
    assert_eq!(generic::<A<'_>, 1>(7).unwrap(), "a17");
    assert_eq!(generic::<B, 1>(7).unwrap(), "b17");
    assert_eq!(generic::<B, 2>(7).unwrap(), "b27");
    assert_eq!((unnamed(7, 'x').unwrap(), unnamed(7, "y").unwrap()), ("x7".into(), "y7".into()));
    assert_eq!((Of(A(&local)).method(7).unwrap(), Of(B).method(7).unwrap()), ("a", "b"));
    assert_eq!((A(&local).provided(7).unwrap(), B.provided(7).unwrap()), ("A7".into(), "B7".into()));
    let shared: &dyn Default = &B;
    assert_eq!(shared.provided(7).unwrap(), "B7");
    cache("keys::generic").invalidate(&7_u32);
    assert_eq!(cache("keys::generic").snapshot().entries, 0, "of all types");
    cache("keys::generic").put(&8_u32, "put".to_owned());
    assert_eq!((generic::<A<'_>, 1>(8).unwrap(), generic::<B, 2>(8).unwrap()), ("put".into(), "put".into()));
    cache("keys::generic").invalidate(&8_u32);
    assert_eq!(generic::<A<'_>, 1>(8).unwrap(), "a18");
}

#[test]
fn keys_with_equal_hashes_stay_distinct() {
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct SameHash(u32);
    impl std::hash::Hash for SameHash {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }
    #[cached]
    fn number(of: SameHash) -> Result<u32, Fails> {
        ok(of.0)
    }
    let _world = testing::isolate();
    for n in [1, 2, 1, 2] {
        assert_eq!(number(SameHash(n)), Ok(n));
    }
    assert_eq!(cache("keys::number").snapshot().misses, 4, "each takes the other's place");
}

#[tokio::test(start_paused = true)]
async fn a_flight_of_a_colliding_key_is_not_joined() {
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct SameHash(u32);
    impl std::hash::Hash for SameHash {
        fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
    }
    #[cached]
    async fn slow_number(of: SameHash) -> Result<u32, Fails> {
        sleep(SECOND).await;
        ok(of.0)
    }
    let _world = testing::isolate();
    let (one, two) = tokio::join!(slow_number(SameHash(1)), slow_number(SameHash(2)));
    assert_eq!((one, two), (Ok(1), Ok(2)));
}

#[test]
fn values_of_different_types_do_not_collide() {
    static BOTH: Cache = Cache::new("both");
    #[cached(instance = BOTH)]
    fn number(id: u32) -> Result<u32, Fails> {
        ok(id)
    }
    #[cached(instance = BOTH)]
    fn text(id: u32) -> Result<String, Fails> {
        ok(id.to_string())
    }
    let _world = testing::isolate();
    assert_eq!((number(1), text(1)), (Ok(1), Ok("1".to_owned())));
    assert_eq!((BOTH.snapshot().entries, BOTH.get(&1_u32, Duration::MAX)), (2, Some(1_u32)));
    BOTH.invalidate(&1_u32);
    assert_eq!(BOTH.snapshot().entries, 0);
}

#[test]
fn an_instance_may_be_any_expression_that_yields_a_cache() {
    struct Service {
        cache: Arc<Cache>,
    }
    impl Service {
        #[cached(instance = self.cache, key = id)]
        fn load(&self, id: u32) -> Result<u32, Fails> {
            ok(id + Arc::strong_count(&self.cache) as u32)
        }
    }
    let cache = Arc::new(Cache::try_new("of a service", resilience::policy::CacheConfig::default()).unwrap());
    let (one, two) = (Service { cache: cache.clone() }, Service { cache: cache.clone() });
    assert_eq!((one.load(1), two.load(1), cache.snapshot().misses), (Ok(4), Ok(4), 1));
}

#[test]
fn borrowed_keys_equal_owned_ones() {
    #[cached(key = (text.as_ref(), path))]
    fn cow(text: Cow<'_, str>, path: &PathBuf) -> Result<String, Fails> {
        ok(format!("{text}{}", path.display()))
    }
    let _world = testing::isolate();
    let path = PathBuf::from("p");
    cow("a".into(), &path).unwrap();
    cow(String::from("a").into(), &path).unwrap();
    assert_eq!(cache("keys::cow").snapshot().misses, 1);
}
