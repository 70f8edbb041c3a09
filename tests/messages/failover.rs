// nothing_to_go_through

#[failover]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// only_settings

#[failover(sticky = 60s, on(timeout))]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// no_such_argument

#[failover(modle = ["a", "b"])]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// argument_without_values

#[failover(model)]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// values_in_parentheses

#[failover(model("a", "b"))]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// no_values

#[failover(model = [])]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// one_value_twice

#[failover(model = ["a", "b", "a"])]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// known_only_at_run_time

#[failover(model = self.models)]
fn chat(&self, model: &str) -> io::Result<u32> {
    ask(model)
}

// no_list

#[failover(model = "a")]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// mutable_argument

#[failover(model = ["a", "b"])]
fn chat(model: &mut String) -> io::Result<u32> {
    ask(model)
}

// argument_without_a_type

#[failover(model = ["a", "b"])]
fn chat(model: impl AsRef<str>) -> io::Result<u32> {
    ask(model.as_ref())
}

// argument_to_clone

#[failover(model = ["a", "b"], clone(model))]
fn chat(model: String) -> io::Result<u32> {
    ask(&model)
}

// two_arguments

#[failover(model = ["a", "b"], region = ["eu", "us"])]
fn chat(model: &str, region: &str) -> io::Result<u32> {
    ask(model, region)
}

// two_of_them

#[failover(model = ["a", "b"])]
#[failover(region = ["eu", "us"])]
fn chat(model: &str, region: &str) -> io::Result<u32> {
    ask(model, region)
}

// fallback_below

#[failover(model = ["a", "b"])]
#[with_fallback(value = 0)]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// cached_below

#[failover(model = ["a", "b"])]
#[cached(ttl = 60s)]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// nonsense

#[failover(model = ["a", "b"], sticky = 0s, on(slow), on = timeout)]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}

// words_of_others

#[failover(models = ["a", "b"], cooldown = 30s, max = 2)]
fn chat(model: &str) -> io::Result<u32> {
    ask(model)
}
