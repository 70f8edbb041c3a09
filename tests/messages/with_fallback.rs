// after_value

#[with_fallback(value = 1, cached)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn cached(id: u32) -> Option<u32> {
    Some(id)
}

// const_fn

#[with_fallback(value = 1)]
const fn load(id: u32) -> Option<u32> {
    Some(id)
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
