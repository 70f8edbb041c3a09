// constant_key_without_type

struct App;

impl App {
    #[job("import")]
    fn load(&self, id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }
}

// earlier_key_of_no_argument

// An earlier key is rendered from the arguments of today.

#[job("import:{id}", was = "imp:{number}")]
fn import(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// expression_key_without_name

#[job(id + 1)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// foreign_words

#[job("import:{id}", queue = "slow", max_attempts = 3, with = client, rollback = undo)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// generic_function

#[job("import:{id}")]
fn load<T: std::fmt::Display>(id: T) -> Result<u32, Rejected> {
    let _ = id;
    Ok(1)
}

// impl_trait_argument

#[job("import:{id}")]
fn load(id: u32, names: impl Iterator<Item = u32>) -> Result<u32, Rejected> {
    Ok(id + names.count() as u32)
}

// key_without_arguments

#[job("import")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// key_twice

struct App;

impl App {
    #[job("import:{id}", on = App, on = Self, provided(client, client))]
    fn load(&self, id: u32, client: &u32) -> Result<u32, Rejected> {
        Ok(id + client)
    }
}

// method_by_value

struct App;

impl App {
    #[job("import:{id}", on = App)]
    fn load(self, id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }
}

// method_without_type

struct App;

impl App {
    #[job("import:{id}")]
    fn load(&self, id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }
}

// mut_argument

#[job("import:{id}")]
fn load(id: u32, rows: &mut Vec<u32>) -> Result<u32, Rejected> {
    rows.push(id);
    Ok(id)
}

// no_key

#[job]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// pattern_argument

#[job("import:{id}")]
fn load(id: u32, (a, b): (u32, u32)) -> Result<u32, Rejected> {
    Ok(id + a + b)
}

// provided_unknown

#[job("import:{id}", provided(client))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// provided_with_value

#[job("import:{id}", provided = client)]
fn load(id: u32, client: &String) -> Result<u32, Rejected> {
    let _ = client;
    Ok(id)
}

// reference_inside_an_argument

#[job("import:{id}")]
fn option(id: u32, name: Option<&str>, pair: (&str, &[u8])) -> Result<u32, Rejected> {
    Ok(id)
}

#[job("import:{id}", provided(table))]
async fn list(id: u32, names: &[&'static str], rows: Vec<&Row>, table: Option<&'static str>) -> Result<u32, Rejected> {
    Ok(id)
}

#[job("import:{id}")]
fn sound(id: &str, name: Cow<'static, str>, rows: &[u8], page: Page<&'static str>) -> Result<u32, Rejected> {
    Ok(1)
}

// result_that_borrows

#[job("import:{id}")]
fn sync(id: u32) -> Result<&'static str, Rejected> {
    Ok("done")
}

#[job("import:{id}")]
async fn later(id: u32) -> io::Result<(u32, Option<&'static [u8]>)> {
    Ok((id, None))
}

// two_mistakes

#[job("import:{idd}", lease = 0s)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unknown_argument

#[job("import:{idd}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unknown_key

#[job("import:{id}", max_recovery = 3, rerum = true)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// unsafe_function

#[job("import:{id}")]
unsafe fn sync(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[job("import:{id}")]
async unsafe fn later(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// values_of_another_kind

#[job("import:{id}", max_recoveries = 3s, rerun = 1, on = 5, was = old)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// keys_of_a_step

#[job("load:{id}", inputs(id), in_job)]
async fn load(id: u64) -> Result<u64, Rejected> {
    Ok(id)
}

#[job("load:{id}", on_store_error = run)]
async fn load_without_a_store(id: u64) -> Result<u64, Rejected> {
    Ok(id)
}
