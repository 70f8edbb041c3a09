use resilience::with_lock;

struct Hidden;

#[with_lock("task:{id}")]
fn not_printable(id: Hidden) -> std::io::Result<()> {
    let _ = id;
    Ok(())
}

#[derive(Debug)]
struct Failure;

#[with_lock("report")]
fn without_from() -> Result<(), Failure> {
    Ok(())
}

#[with_lock("report", wait = SOON)]
fn wait_of_another_type() -> std::io::Result<()> {
    Ok(())
}

const SOON: u32 = 5;

#[with_lock("report", shared = 1)]
fn switch_of_another_type() -> std::io::Result<()> {
    Ok(())
}

#[with_lock("report", store = 7)]
fn store_of_another_type() -> std::io::Result<()> {
    Ok(())
}

fn main() {}
