//! Functions, arguments and lists of every shape.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Model {
    Large,
    Small,
}

impl Key for Model {
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        let name = match self {
            Self::Large => "large",
            Self::Small => "small",
        };
        name.read(reader)
    }
}

#[derive(Clone, Debug, PartialEq)]
struct Endpoint {
    host: &'static str,
    port: u16,
}

impl Key for Endpoint {
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        self.host.read(reader)
    }
}

const ENDPOINTS: &[Endpoint] = &[Endpoint { host: "a", port: 1 }, Endpoint { host: "b", port: 2 }];
const NAMES: [&str; 2] = ["a", "b"];
static SHARED: [&str; 2] = ["a", "b"];

#[test]
fn values_of_every_type_are_supported() {
    #[failover(model = [Model::Large, Model::Small])]
    #[circuit_breaker(threshold = 9)]
    fn by_enum(model: Model) -> Result<Model, Fails> {
        if model == Model::Large { fails(Category::Timeout, "large") } else { Ok(model) }
    }
    #[failover(model = &[Model::Large, Model::Small])]
    fn by_reference(model: &Model) -> Result<Model, Fails> {
        if *model == Model::Large { fails(Category::Timeout, "large") } else { Ok(*model) }
    }
    #[failover(endpoint = ENDPOINTS)]
    #[circuit_breaker(threshold = 9)]
    fn by_slice(endpoint: &Endpoint) -> Result<u16, Fails> {
        if endpoint.port == 1 { fails(Category::Timeout, 1) } else { Ok(endpoint.port) }
    }
    #[failover(endpoint = ENDPOINTS)]
    fn by_value(endpoint: Endpoint) -> Result<Endpoint, Fails> {
        if endpoint.port == 1 { fails(Category::Timeout, 1) } else { Ok(endpoint) }
    }
    #[failover(name_of = NAMES)]
    #[circuit_breaker(threshold = 9)]
    fn by_text(name_of: String) -> Result<String, Fails> {
        if name_of == "a" { fails(Category::Timeout, 1) } else { Ok(name_of) }
    }
    #[failover(shared = self::SHARED)]
    fn by_static(shared: &'static str) -> Result<&'static str, Fails> {
        if shared == "a" { fails(Category::Timeout, 1) } else { Ok(shared) }
    }
    #[failover(shard = [1, 2])]
    #[circuit_breaker(threshold = 9)]
    fn by_number(shard: u8) -> Result<u8, Fails> {
        if shard == 1 { fails(Category::Timeout, 1) } else { Ok(shard) }
    }
    let _world = testing::isolate();
    assert_eq!(by_enum(Model::Large), Ok(Model::Small));
    assert_eq!(by_reference(&Model::Large), Ok(Model::Small));
    assert_eq!(by_slice(&ENDPOINTS[0]), Ok(2));
    assert_eq!(by_slice(&Endpoint { host: "x", port: 9 }), Ok(9));
    assert_eq!(by_value(ENDPOINTS[0].clone()), Ok(ENDPOINTS[1].clone()));
    assert_eq!(by_text("a".into()), ok("b"));
    assert_eq!(by_static("a"), Ok("b"));
    assert_eq!(by_number(1), Ok(2));
}

#[tokio::test]
async fn functions_of_every_shape_are_supported() {
    struct Service;
    #[async_trait::async_trait]
    trait Run {
        async fn run(&self, model: &str, name: String) -> Result<String, Fails>;
    }
    #[async_trait::async_trait]
    impl Run for Service {
        #[failover(model = ["a", "b"], clone(name))]
        #[circuit_breaker(key = self.id(), threshold = 9)]
        async fn run(&self, model: &str, name: String) -> Result<String, Fails> {
            if model == "a" {
                return fails(Category::Resource, model);
            }
            let moved = name;
            Ok(moved + model)
        }
    }
    impl Service {
        fn id(&self) -> u32 {
            let _ = self;
            7
        }

        #[failover(model = ["a", "b"])]
        fn method<'m>(&mut self, model: &'m str, mut count: u32) -> Result<(&'m str, u32), Fails> {
            count += 1;
            if model == "a" { fails(Category::Resource, model) } else { Ok((model, count)) }
        }
    }
    #[failover(model = ["a", "b"])]
    fn generic<T: ToString>(model: &str, subject: &T) -> Option<String> {
        (model == "b").then(|| subject.to_string())
    }
    #[with_fallback(value = String::new())]
    #[failover(model = ["a", "b"], sticky = 60s)]
    #[timeout(60s)]
    async fn sent(model: String) -> Result<String, Fails> {
        tokio::task::yield_now().await;
        ok(&model)
    }
    assert_eq!(Service.run("a", "name-".into()).await.unwrap(), "name-b");
    assert_eq!(Service.method("a", 1), Ok(("b", 2)));
    assert_eq!(generic("b", &7), Some("7".to_owned()));
    assert_eq!(generic("a", &7), None, "`None` is a failure of category `Unknown`");
    assert_eq!(tokio::spawn(sent("x".into())).await.unwrap(), ok("x"));
}

#[tokio::test]
async fn an_owned_value_works_with_retries_and_fallbacks() {
    #[with_fallback(named, clone(model))]
    #[with_retry(max = 1, base = 0s)]
    #[failover(model = ["a", "b"])]
    fn around(model: String, seen: &Mutex<String>) -> Result<String, Fails> {
        let moved = model;
        ask(&moved, "ab", seen)
    }
    fn named(model: String, _: &Mutex<String>) -> Option<String> {
        Some(format!("fallback for {model}"))
    }
    #[failover(model = ["a", "b"])]
    #[with_retry(max = 1, base = 0s, clone(model))]
    #[circuit_breaker(threshold = 9)]
    async fn inside(model: String, seen: &Mutex<String>) -> Result<String, Fails> {
        let moved = model;
        ask(&moved, "a", seen)
    }
    let _world = testing::isolate();
    let seen = Mutex::default();
    assert_eq!(around("a".into(), &seen), ok("fallback for a"));
    assert_eq!(seen.into_inner().unwrap(), "abab");
    let seen = Mutex::default();
    assert_eq!(inside("a".into(), &seen).await, ok("b"));
    assert_eq!(seen.into_inner().unwrap(), "aab");
}

/// A function whose argument with the values is called like a key of the attribute.
macro_rules! called_like_keys {
    ($($key:ident)*) => {
        #[test]
        fn an_argument_may_be_called_like_a_key() {
            let calls: &[fn(&str, &Mutex<String>) -> Result<String, Fails>] = &[$({
                #[failover($key = ["a", "b"])]
                fn $key($key: &str, seen: &Mutex<String>) -> Result<String, Fails> {
                    ask($key, "a", seen)
                }
                $key
            }),*];
            for call in calls {
                assert_eq!(call("a", &Mutex::default()), ok("b"));
            }
        }
    };
}

called_like_keys!(sticky on name classify rejected clone when_ok context timed);

#[test]
fn an_argument_and_a_key_may_have_one_name() {
    #[failover(name = ["a", "b"], name = "failover::named", on(timeout))]
    fn named(name: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(name, "a", seen)
    }
    assert_eq!(named("a", &Mutex::default()), ok("b"));
    assert!(resilience::point("failover::named").is_some());
}

#[test]
fn integers_have_the_type_of_the_argument() {
    #[failover(shard = [1, 1 << 5, (3 + 4) * 2])]
    fn by_expression(shard: u64) -> Result<u64, Fails> {
        if shard == 14 { Ok(shard) } else { fails(Category::Timeout, shard) }
    }
    macro_rules! by_fragment {
        ($name:ident, $first:literal, $second:expr, $third:tt) => {
            #[failover(shard = [$first, $second, !$third])]
            fn $name(shard: u32) -> Result<u32, Fails> {
                if shard > 9 { Ok(shard) } else { fails(Category::Timeout, shard) }
            }
        };
    }
    by_fragment!(from_a_macro, 1, 1 + 1, 0);
    #[failover(shard = [-1, -2])]
    fn by_negative(shard: i16) -> Result<i16, Fails> {
        if shard == -2 { Ok(shard) } else { fails(Category::Timeout, shard) }
    }
    let _world = testing::isolate();
    assert_eq!(by_expression(0), Ok(14));
    assert_eq!(from_a_macro(0), Ok(u32::MAX));
    assert_eq!(by_negative(0), Ok(-2));
}
