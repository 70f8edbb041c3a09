use resilience::Classify;

#[derive(Classify)]
#[classify(conflict, severity = low)]
struct Unit;

#[derive(Classify)]
#[classify(status = .code)]
struct Named {
    code: u32,
}

#[derive(Classify)]
#[classify(transparent)]
struct Tuple(std::io::Error);

#[derive(Classify)]
enum Never {}

fn main() {}
