// degraded_value_kept

#[cached(ttl = 60s)]
#[with_fallback(value = 0)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// below_a_retry_and_a_breaker

#[with_retry(max = 3)]
#[circuit_breaker(threshold = 5)]
#[cached(ttl = 60s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// two_of_them

#[cached(ttl = 60s)]
#[cached(ttl = 10s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// method_without_key

impl Client {
    #[cached(ttl = 60s)]
    fn load(&self, id: u32) -> io::Result<u32> {
        Ok(id)
    }
}

// generic_without_key

#[cached(ttl = 60s)]
fn load<T: Load>(source: T, id: u32) -> io::Result<u32> {
    source.load(id)
}

// unnamed_type_without_key

#[cached(ttl = 60s)]
fn load(source: impl Load) -> io::Result<u32> {
    source.load(1)
}

// changed_argument_without_key

#[cached(ttl = 60s)]
fn load(list: &mut Vec<u32>) -> io::Result<u32> {
    Ok(list.len() as u32)
}

// pattern_without_key

#[cached(ttl = 60s)]
fn load((a, b): (u32, u32)) -> io::Result<u32> {
    Ok(a + b)
}

// same_key_for_every_call

#[cached(ttl = 60s, key = "all")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[cached(key = ("all", 1))]
fn tuple(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[cached(key = [1 + 2, 3])]
fn array(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[cached(key = String::from("all"))]
fn converted(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[cached(key = format!("all"))]
fn formatted(id: u32) -> io::Result<u32> {
    Ok(id)
}

// too_many_parts

#[cached]
fn load(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8, i: u8) -> io::Result<u8> {
    Ok(a + b + c + d + e + f + g + h + i)
}

// stale_without_ttl

#[cached(stale_if_error = 1h)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// nonsense

#[cached(ttl = 0s, max = 0, stale_if_error = 0s, wait = 5, degraded = 1, weight = 3)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// value_that_borrows

#[cached]
fn sync(id: &str) -> Result<&str, Rejected> {
    Ok(id)
}

#[cached]
async fn later<'a>(id: &'a str) -> Option<(u32, Vec<&'a [u8]>)> {
    None
}

#[cached]
fn of_the_program(id: &'static str) -> Result<&str, Rejected> {
    Ok(id)
}

#[cached]
fn sound<'a: 'static>(id: &'a str) -> Result<(&'static str, Cow<'a, str>, &'a str), Rejected> {
    Ok((id, id.into(), id))
}

// words_of_others

#[cached(time = 60, size = 100, convert = "id", result = true, sync_writes = true, time_to_live = 5m, capacity = 7)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// misspelt

#[cached(tll = 60s, stale_on_error = 1h)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// settings_beside_instance

#[cached(ttl = 60s, max = 7, instance = CACHE)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// ttl_from_run_time

#[cached(ttl = *TTL)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// errors_kept_elsewhere

#[cached(ttl = 60s, negative_ttl = 5s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[cached(ttl = 60s)]
fn traced(id: u32, #[cfg(feature = "trace")] span: &str) -> io::Result<u32> {
    Ok(id)
}

// arguments_that_borrow_inside

#[cached]
fn names<'a>(id: Option<&str>, parts: &[&'a str], text: Cow<'_, str>, url: &str, kind: Option<&'static str>) -> Option<u32> {
    let _ = (id, parts, text, kind);
    url.parse().ok()
}

// values_without_a_key

#[cached(1.5m)]
fn time(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[cached(1000)]
fn count(id: u32) -> io::Result<u32> {
    Ok(id)
}

// template_in_a_tuple

#[cached(key = (tenant, "{id}"))]
fn part(tenant: &str, id: u32) -> io::Result<u32> {
    let _ = tenant;
    Ok(id)
}

#[cached(key = (tenant, "v1", format!("{id}")))]
fn constant_and_format(tenant: &str, id: u32) -> io::Result<u32> {
    let _ = tenant;
    Ok(id)
}
