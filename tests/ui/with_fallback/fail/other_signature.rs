use resilience::with_fallback;

type Outcome = Result<String, std::io::Error>;

fn by_number(id: u64) -> Outcome {
    Ok(id.to_string())
}

fn with_limit(key: &str, limit: usize) -> Outcome {
    Ok(key[..limit].to_owned())
}

struct Cache;

impl Cache {
    fn fetch(key: &String) -> Outcome {
        Ok(key.clone())
    }
}

#[with_fallback(by_number)]
fn other_type(key: &str) -> Outcome {
    Ok(key.to_owned())
}

#[with_fallback(with_limit)]
async fn one_more(key: &str) -> Outcome {
    Ok(key.to_owned())
}

#[with_fallback(Cache::fetch)]
fn of_a_type(key: &str) -> Outcome {
    Ok(key.to_owned())
}

fn main() {
    let _ = (other_type("a"), one_more("a"), of_a_type("a"));
}
