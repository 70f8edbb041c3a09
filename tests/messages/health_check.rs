// no_name

#[health_check]
fn check() {}

#[health_check(critical)]
fn check() {}

// a_name_that_is_no_text

#[health_check(ollama)]
fn check() {}

#[health_check("")]
fn check() {}

// timeouts

#[health_check("ollama", timeout = 0s)]
fn check() {}

#[health_check("ollama", timeout = 2)]
fn check() {}

// an_argument_without_values

#[health_check("model:{name}")]
fn check(name: &str) {}

#[health_check("model:{name}")]
fn check() {}

// values_without_an_argument

#[health_check("model:{name}", each = MODELS)]
fn check() {}

#[health_check("model:{name}", each = MODELS)]
fn check(name: &str, region: &str) {}

// one_name_for_all_values

#[health_check("model", each = MODELS)]
fn check(name: &str) {}

// patterns

#[health_check("model:{name}", each = MODELS)]
fn check((name, region): (&'static str, u32)) {}

// receivers_and_types

#[health_check("ollama")]
fn check(&self) {}

#[health_check("ollama")]
fn check<T: Default>() {}

// words_of_others

#[health_check(name = "ollama", interval = 30s, readiness = true)]
fn check() {}

#[health_check("ollama", retries = 3, classify = by_text)]
fn check() {}

// misspelt

#[health_check("ollama", critcal, timout = 1s)]
fn check() {}

// twice

#[health_check("ollama", "models", critical, critical)]
fn check() {}

// no_function

#[health_check("ollama")]
struct Check;

#[health_check("ollama", critical = 3, each = )]
fn check() {}
