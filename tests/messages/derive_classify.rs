// action_not_a_text

#[derive(Classify)]
enum Error {
    #[classify(timeout, action = wait)]
    Slow,
}

// category_and_transparent

#[derive(Classify)]
enum Error {
    #[classify(transparent)]
    #[classify(connection)]
    Io(std::io::Error),
}

// category_on_the_enum

#[derive(Classify)]
#[classify(timeout)]
enum Error {
    #[classify(connection)]
    Io,
}

// category_with_a_value

#[derive(Classify)]
enum Error {
    #[classify(timeout = 5)]
    Slow,
}

// default_on_a_struct

#[derive(Classify)]
#[classify(default = timeout)]
struct Error;

// default_on_a_variant

#[derive(Classify)]
enum Error {
    #[classify(default = timeout)]
    Slow,
}

// duplicate_key

#[derive(Classify)]
enum Error {
    #[classify(timeout, severity = low, severity = high)]
    Slow,
}

// empty

#[derive(Classify)]
enum Error {
    #[classify()]
    Slow,
    #[classify]
    Busy,
    #[classify = "timeout"]
    Late,
}

// field_of_a_field

#[derive(Classify)]
enum Error {
    #[classify(status = .0.1)]
    Http((u8, u16)),
}

// field_without_dot

#[derive(Classify)]
enum Error {
    #[classify(status = code)]
    Http { code: u16 },
    #[classify(timeout, retry_after = 5s)]
    Slow,
}

// foreign_word

#[derive(Classify)]
enum Error {
    #[classify(banana)]
    Fruit,
}

// key_without_a_value

#[derive(Classify)]
enum Error {
    #[classify(timeout, retry)]
    Slow,
    #[classify(status)]
    Http(u16),
    #[classify(with =)]
    Asked,
}

// missing_categories

#[derive(Classify)]
enum Error {
    First,
    #[classify(timeout)]
    Second,
    Third(u16),
    #[classify(severity = high)]
    Fourth,
}

// missing_on_struct

#[derive(Classify)]
struct Error;

// misspelt_category

#[derive(Classify)]
enum Error {
    #[classify(tiemout)]
    Slow,
    #[classify(RateLimited)]
    Busy,
}

// misspelt_default

#[derive(Classify)]
#[classify(default = permanant)]
enum Error {
    First,
    Second,
}

// misspelt_key

#[derive(Classify)]
enum Error {
    #[classify(rate_limited, retry_afer = .0)]
    Busy(std::time::Duration),
}

// not_words

#[derive(Classify)]
enum Error {
    #[classify("timeout")]
    Slow,
    #[classify(timeout connection)]
    Busy,
}

// on_a_field

#[derive(Classify)]
enum Error {
    #[classify(timeout)]
    Slow {
        #[classify(retry_after)]
        after: std::time::Duration,
    },
}

// status_out_of_range

#[derive(Classify)]
enum Error {
    #[classify(status = 200)]
    Fine,
    #[classify(status = 0)]
    Zeroth(u16),
    #[classify(status = 70000)]
    Huge,
}

// transparent_without_a_field

#[derive(Classify)]
enum Error {
    #[classify(transparent)]
    Bare,
    #[classify(transparent)]
    Two(std::io::Error, std::io::Error),
}

// two_categories

#[derive(Classify)]
enum Error {
    #[classify(timeout, auth)]
    Slow,
}

// union

#[derive(Classify)]
union Error {
    code: u16,
    raw: [u8; 2],
}

// unknown_field

#[derive(Classify)]
enum Error {
    #[classify(rate_limited, retry_after = .afer)]
    Busy { after: std::time::Duration },
    #[classify(status = .1)]
    Http(u16),
    #[classify(status = .0)]
    Bare,
}

// with_not_a_path

#[derive(Classify)]
enum Error {
    #[classify(with = 1 + 1)]
    Sum,
}

// wrong_retry

#[derive(Classify)]
enum Error {
    #[classify(timeout, retry = nevr)]
    Slow,
}

// wrong_severity

#[derive(Classify)]
enum Error {
    #[classify(timeout, severity = 3)]
    Slow,
}

// missing_one

#[derive(Classify)]
enum Error {
    #[classify(timeout)]
    Slow,
    New,
}

// missing_thirty

#[derive(Classify)]
enum Error {
    V00,
    V01,
    V02,
    V03,
    V04,
    V05,
    V06,
    V07,
    V08,
    V09,
    V10,
    V11,
    V12,
    V13,
    V14,
    V15,
    V16,
    V17,
    V18,
    V19,
    V20,
    V21,
    V22,
    V23,
    V24,
    V25,
    V26,
    V27,
    V28,
    V29,
}
