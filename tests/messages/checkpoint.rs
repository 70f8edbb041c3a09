// brace_closes_nothing

#[checkpoint("page:id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// brace_not_closed

#[checkpoint("page:{id")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// choice_of_nothing

#[checkpoint("page:{id}", on_mismatch = ignore, on_corrupt = skip, on_store_error = rerun)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// debug_format

#[checkpoint("page:{id:?}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// empty_braces

#[checkpoint("page:{}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// expression_in_braces

#[checkpoint("page:{id + 1}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// field_without_self

struct App {
    tenant: String,
}

impl App {
    #[checkpoint("page:{tenant}:{id}")]
    fn load(&self, id: u32) -> Result<usize, Rejected> {
        Ok(self.tenant.len() + id as usize)
    }
}

// foreign_words

#[checkpoint("page:{id}", compensate = undo, retries = 3, on_busy = fail, heartbeat = 1s)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// input_twice

#[checkpoint("page:{id}", inputs(id, id = id + 1))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// inputs_of_nothing

#[checkpoint("page:{id}", inputs(size))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// key_by_name

#[checkpoint(key = "page:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// key_is_a_number

#[checkpoint(7)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// keys_that_are_the_same

struct Args {
    id: u32,
}

#[checkpoint("page")]
fn structure(args: Args, _rows: Vec<u32>) -> Result<u32, Rejected> {
    Ok(args.id)
}

#[checkpoint("page")]
fn later(args: Args, _name: &str) -> Result<u32, Rejected> {
    Ok(args.id)
}

#[checkpoint(("page"))]
fn in_parentheses(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[checkpoint(&PAGE)]
fn borrowed_constant(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[checkpoint(concat!("page", ":", "1"))]
fn joined(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[checkpoint("page".to_owned())]
fn made(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[checkpoint(version)]
fn called_like_a_setting(version: u32) -> Result<u32, Rejected> {
    Ok(version)
}

#[checkpoint(name, ttl = 7d)]
fn called_like_a_shared_setting(name: &str) -> Result<u32, Rejected> {
    let _ = name;
    Ok(1)
}

#[with_fallback(value)]
fn with_fallback_called_like_a_setting(id: u32) -> Option<u32> {
    Some(id)
}

// result_that_borrows

#[checkpoint("page:{id}")]
fn sync(id: &str) -> Result<&str, Rejected> {
    Ok(id)
}

#[checkpoint("page:{id}")]
async fn later(id: &str) -> Option<Vec<&str>> {
    None
}

#[checkpoint("page:{id}")]
fn sound(id: u32) -> Result<Cow<'static, str>, Rejected> {
    Ok("page".into())
}

// two_keys

#[checkpoint("page:{id}", "row:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// undo_of_generic_step

fn undo(_: u32) {}

#[checkpoint("page:{id}", rollback = undo)]
fn load<T: std::fmt::Display>(id: T) -> Result<u32, Rejected> {
    let _ = id;
    Ok(1)
}

// unknown_argument

#[checkpoint("page:{idd}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unknown_key

#[checkpoint("page:{id}", lese = 10s, versoin = 2)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unused_key_with_arguments

#[checkpoint("page")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// values_divided_by_a_letter

#[checkpoint("page:{id}-{n}")]
fn load(id: u32, n: u32) -> Result<u32, Rejected> {
    Ok(id + n)
}

// values_out_of_range

#[checkpoint("page:{id}", ttl = 0s, lease = 1ms, wait = 5, version = -1)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// values_side_by_side

#[checkpoint("page:{id}{n}")]
fn load(id: u32, n: u32) -> Result<u32, Rejected> {
    Ok(id + n)
}

// keys_of_a_job

#[checkpoint("load:{id}", provided(pool), record_text)]
async fn load(pool: &Pool, id: u64) -> Result<u64, Rejected> {
    Ok(id)
}

#[checkpoint("load:{id}", max_recoveries = 3, rerun)]
async fn load_again(id: u64) -> Result<u64, Rejected> {
    Ok(id)
}

// word_beside_the_key

#[checkpoint("load:{id}", in_jobs, twice(id), id)]
async fn load_misspelt(id: u64) -> Result<u64, Rejected> {
    Ok(id)
}

// brace_not_closed_after_a_closing_one

#[checkpoint("page:}}{id")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// no_value_of_an_input

#[checkpoint("page:{id}", inputs(size = body.len() with))]
fn load(id: u32, body: &str) -> Result<u32, Rejected> {
    Ok(id)
}
