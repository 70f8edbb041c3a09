use resilience::Classify;

#[derive(Debug, Classify)]
enum Error<'a, E, S = u16, const N: usize = 4>
where
    E: std::fmt::Debug,
{
    #[classify(transparent)]
    Inner(E),
    #[classify(transparent)]
    Boxed(Box<E>),
    #[classify(transparent)]
    Again(Box<Error<'a, E, S, N>>),
    #[classify(invalid)]
    Text(&'a str, [u8; N]),
    #[classify(status = .0)]
    Http(S),
}

fn main() {}
