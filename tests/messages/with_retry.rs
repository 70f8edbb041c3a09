// argument_in_a_constant

#[with_retry(max = n)]
fn count(n: u32) -> io::Result<u32> {
    Ok(n)
}

#[with_retry(base = settings.base, cap = first * 2)]
async fn times(settings: &Settings, first: Duration) -> io::Result<u32> {
    Ok(1)
}

#[with_retry(on(timeout, max = n + 1), backoff = wait)]
async fn rule(n: u32, wait: fn(u32) -> Duration) -> io::Result<u32> {
    Ok(n)
}

#[with_retry(policy = policy, budget = budget)]
fn policy(policy: Retry, budget: Budget) -> io::Result<u32> {
    Ok(1)
}

#[with_retry(jitter = full, budget = shared, backoff = linear, max = crate::n, base = wait(2))]
fn words_and_paths(full: u32, shared: u32, linear: u32, n: u32, wait: u32) -> io::Result<u32> {
    Ok(n)
}

// base_over_cap

#[with_retry(base = 20s, cap = 10s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// borrow_of_mut_self

struct Rows(Vec<u32>);

impl Rows {
    #[with_retry(max = 3)]
    fn first(&mut self) -> io::Result<&u32> {
        Ok(&self.0[0])
    }
}

// bound_over_default

#[with_retry(base = 11s)]
fn base(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(cap = 99ms)]
fn cap(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(on(timeout, base = 11s), on(unavailable, cap = 99ms))]
fn rules(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(cap = 5s, on(timeout, base = 6s))]
fn rule_over_cap(id: u32) -> io::Result<u32> {
    Ok(id)
}

// category_twice

#[with_retry(on(timeout, max = 5), on(timeout, max = 6))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// clone_of_nothing

#[with_retry(clone(nam))]
fn load(name: String) -> io::Result<usize> {
    Ok(name.len())
}

// clone_twice

#[with_retry(clone(name, name))]
fn load(name: String) -> io::Result<String> {
    Ok(name)
}

// commas

type Outcome = Result<u8, std::io::Error>;

#[with_retry(max = 3 base = 10ms)]
fn missing() -> Outcome {
    Ok(1)
}

#[with_retry(max = 3,, base = 10ms)]
fn twice() -> Outcome {
    Ok(1)
}

#[with_retry(, max = 3)]
fn first() -> Outcome {
    Ok(1)
}

#[with_retry(max = LIMIT cap = 10s, on(timeout, max = 5 base = 1s,,))]
fn in_a_list() -> Outcome {
    Ok(1)
}

const LIMIT: u32 = 3;

fn main() {
    let _: [Outcome; 4] = [missing(), twice(), first(), in_a_list()];
}

// const_fn

#[with_retry(max = 3)]
const fn load(id: u32) -> Option<u32> {
    Some(id)
}

// context_twice

#[with_retry(context(id, size = 1, id = 2))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// count_with_unit

#[with_retry(max = 3s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// decorrelated_with_jitter

#[with_retry(backoff = decorrelated, jitter = full)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// duration_too_long

#[with_retry(base = 600000d)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// duration_too_short

#[with_retry(base = 0.0000000001s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// empty_name

#[with_retry(name = "")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// factor_below_one

#[with_retry(backoff = 0.5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// foreign_words

#[with_retry(max_attempts = 4, backoff_factor = 2.0, base_delay = 100ms, deadline = 30s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// hexadecimal_duration

#[with_retry(base = 0x5s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// hook_that_is_a_closure

#[with_retry(on_retry = |event| println!("{event}"))]
fn sync() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(on_give_up = |attempt, error| {})]
async fn later() -> io::Result<u32> {
    Ok(1)
}

// key_twice

#[with_retry(max = 3, max = 4)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// key_without_value

#[with_retry(max)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// mut_self

struct Rows(u32);

impl Rows {
    #[with_retry(max = 3)]
    fn count(mut self) -> Option<u32> {
        self.0 += 1;
        Some(self.0)
    }
}

// name_of_a_macro

#[with_retry(name = concat!("load", "::", "page"))]
fn joined() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(name = stringify!(load))]
async fn made() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(name = NAME)]
fn constant() -> io::Result<u32> {
    Ok(1)
}

// names_self

struct Rows;

impl Rows {
    const TIMES: u32 = 3;

    #[with_retry(max = Self::TIMES)]
    fn count(&self) -> Option<u32> {
        Some(Self::TIMES)
    }
}

// names_a_parameter

#[with_retry(max = N, cap = T::LONGEST)]
fn load<T: Limits, const N: u32>(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(on(timeout, max = N + 1))]
async fn load<const N: u32>(id: u32) -> io::Result<u32> {
    Ok(id)
}

// negative_factor

#[with_retry(backoff = -2.0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// no_unit

#[with_retry(base = 2.0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// on_a_struct

#[with_retry(max = 3)]
struct Loader;

// on_an_impl

struct Rows;

#[with_retry(max = 3)]
impl Rows {}

// on_without_category

#[with_retry(on(max = 3))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// per_key_without_key

#[with_retry(budget = per_key)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// relative_crate_path

#[with_retry(crate = framework::parts)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// rule_without_its_argument

#[with_retry(when = matches!(e.kind(), io::ErrorKind::Other))]
fn macro_call() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(unless = error.kind() == io::ErrorKind::NotFound)]
async fn comparison() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(when = true)]
fn switch() -> io::Result<u32> {
    Ok(1)
}

// switch_with_number

#[with_retry(idempotent = 1)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// trait_without_body

trait Load {
    #[with_retry(max = 3)]
    fn load(&self) -> io::Result<u32>;
}

// throttle_below_one

#[with_retry(throttle = 0.5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// throttle_beside_an_instance

#[with_retry(instance = RETRY, throttle = 2.0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// throttle_is_no_number

#[with_retry(throttle = "2.0")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// throttle_is_a_time

#[with_retry(throttle = 2m)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// throttle_of_a_static_budget

#[with_retry(budget = SEARCH, throttle = 1.5)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// throttle_twice

#[with_retry(throttle, throttle = 2.0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// throttle_with_a_list

#[with_retry(throttle(2.0))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// throttle_without_a_budget

#[with_retry(budget = none, throttle = 2.0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_category

#[with_retry(on(rate_limit, max = 5))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_key

#[with_retry(maks = 3)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_key_in_a_rule

#[with_retry(on(timeout, maks = 3, name = "load", budget = none))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// value_without_a_key

#[with_retry(3)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// when_is_no_function

#[with_retry(when = 3)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// timed_with_a_time

#[with_retry(max = 3, timed = 3s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// function_with_the_name_of_an_argument

#[with_retry(on_retry = page, backoff = delay)]
fn load(page: u32, delay: u32) -> io::Result<u32> {
    Ok(page + delay)
}

#[with_retry(on_retry = page, backoff = delay)]
async fn load(page: u32, delay: u32) -> io::Result<u32> {
    Ok(page + delay)
}

// values_without_a_key

#[with_retry(5, 100ms)]
fn count_and_time() -> Result<u32, Failure> {
    Ok(1)
}

#[with_retry(max: 3, base: 100ms)]
fn colons() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(max => 3)]
fn arrow() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(max == 3)]
fn compared() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(max 3)]
fn no_sign() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(max(3), base(1s))]
fn brackets() -> io::Result<u32> {
    Ok(1)
}
