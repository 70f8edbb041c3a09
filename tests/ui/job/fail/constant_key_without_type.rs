use resilience::*;

struct App;

impl App {
    #[job("import")]
    fn load(&self, id: u32) -> Result<u32, Rejected> {
        Ok(id)
    }
}

fn main() {}
