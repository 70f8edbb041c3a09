use resilience::Classify;
use resilience::classify::Category;

fn whole(_: &Error) -> Category {
    Category::Auth
}

fn number(_: &u16) -> Category {
    Category::Auth
}

#[derive(Classify)]
enum Error {
    #[classify(with = whole)]
    Field(u16),
    #[classify(with = number)]
    Several(u16, u16),
    #[classify(with = |error: &Error| whole(error))]
    Closure(u16),
}

fn main() {}
