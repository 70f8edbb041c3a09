use resilience::*;

struct App {
    tenant: String,
}

impl App {
    #[checkpoint("page:{tenant}:{id}")]
    fn load(&self, id: u32) -> Result<usize, Rejected> {
        Ok(self.tenant.len() + id as usize)
    }
}

fn main() {}
