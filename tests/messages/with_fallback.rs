// after_value

#[with_fallback(value = 1, cached)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn cached(id: u32) -> Option<u32> {
    Some(id)
}

// category_twice

#[with_fallback(value = 1, on(timeout, unavailable), on(timeout))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// const_fn

#[with_fallback(value = 1)]
const fn load(id: u32) -> Option<u32> {
    Some(id)
}

// literal_for_a_function

#[with_fallback("cached")]
fn text() -> io::Result<String> {
    Ok(String::new())
}

#[with_fallback(0)]
async fn number() -> io::Result<u32> {
    Ok(1)
}

#[with_fallback(cached, on_fallback = |event| {})]
fn hook() -> io::Result<u32> {
    Ok(1)
}

// not_a_function

#[with_fallback(42)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// nothing_given

#[with_fallback()]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// on_without_category

#[with_fallback(value = 1, on())]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// path_as_key

#[with_fallback(fallback = cached)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn cached(id: u32) -> Option<u32> {
    Some(id)
}

// several_mistakes

#[with_fallback(value = 1, on(tiemout, conection), whem = |_| true)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_category

#[with_fallback(value = 1, on(timeot))]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// step_with_error_beside_an_argument_of_that_name

#[with_fallback(explain(error))]
fn load(error: u32) -> io::Result<u32> {
    Ok(error)
}

#[with_fallback(explain(id, error))]
async fn load(id: u32, error: &str) -> io::Result<u32> {
    Ok(id)
}

// function_with_the_name_of_an_argument

#[with_fallback(value = 1, on_fallback = page)]
fn load(page: u32, delay: u32) -> io::Result<u32> {
    Ok(page + delay)
}

#[with_fallback(value = 1, on_fallback = page)]
async fn load(page: u32, delay: u32) -> io::Result<u32> {
    Ok(page + delay)
}
