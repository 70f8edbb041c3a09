//! Errors of database clients.

#[cfg(feature = "redis")]
use crate::failure::foreign::refused;
use crate::failure::{Category, Classification, Classify, Delivered, dynamic};
use std::error::Error;

#[cfg(any(feature = "sqlx", feature = "sqlx_08"))]
macro_rules! sqlx {
    ($($name:ident of $version:literal)+) => {
        $(
            #[doc = concat!("An error of sqlx ", $version, ".")]
            ///
            /// | variant | category |
            /// |---|---|
            /// | `Database` | by its code: see below |
            /// | `Io` | as `io::Error` |
            /// | `PoolTimedOut` | `Timeout`, not delivered |
            /// | `Tls` | `Connection`, not delivered |
            /// | `WorkerCrashed`, `BeginFailed` | `Connection` |
            /// | `RowNotFound` | `NotFound` |
            /// | `Protocol`, `Decode`, `ColumnDecode` | `Corrupt` |
            /// | `Configuration`, `InvalidArgument`, `Encode`, `TypeNotFound`, `ColumnNotFound`, `ColumnIndexOutOfBounds`, `InvalidSavePointStatement` | `Invalid` |
            /// | `PoolClosed` | `Permanent` |
            /// | any other | that of the first known source, else `Unknown` |
            ///
            /// A code is an SQLSTATE (Postgres, MySQL) or a result code of SQLite:
            ///
            /// | SQLSTATE | SQLite | category |
            /// |---|---|---|
            /// | `40xxx` (`40001`, `40P01`), `55P03`, `55006` | `BUSY`, `LOCKED`, `SCHEMA`, `PROTOCOL` | `Transient`, not delivered (`40003`: maybe) |
            /// | `23505`, `23P01`, `55xxx` | `CONSTRAINT_UNIQUE`, `CONSTRAINT_PRIMARYKEY`, `ABORT` | `Conflict` |
            /// | `53xxx` | `NOMEM`, `FULL` | `Resource` |
            /// | `57P01`, `57P02`, `57P03`, `58xxx`, `XXxxx` | `IOERR` | `Unavailable` |
            /// | `57014` | `INTERRUPT` | `Cancelled`; `Timeout` where the message names a timeout |
            /// | `25P03`, `57P05` | - | `Timeout` |
            /// | `08xxx` | `CANTOPEN` | `Connection` |
            /// | `28xxx`, `42501` | `PERM`, `AUTH` | `Auth` |
            /// | `3D000`, `3F000` | `NOTFOUND` | `NotFound` |
            /// | `XX001`, `XX002` | `CORRUPT`, `NOTADB` | `Corrupt` |
            /// | `0Axxx`, `25006` | `READONLY` | `Permanent` |
            /// | `2xxxx`, `42xxx`, `54xxx` and other `23xxx` | `ERROR`, `TOOBIG`, `CONSTRAINT`, `MISMATCH`, `MISUSE`, `RANGE` | `Invalid` |
            /// | any other | any other | `Unknown` |
            impl Classify for ::$name::Error {
                fn classify(&self) -> Classification {
                    use ::$name::Error as E;
                    match self {
                        E::Database(error) => match error.code() {
                            Some(code) => by_code(&code, error.message()),
                            None if error.is_unique_violation() => Category::Conflict.into(),
                            None => Category::Unknown.into(),
                        },
                        E::Io(error) => error.classify(),
                        E::PoolTimedOut => undelivered(Category::Timeout),
                        E::Tls(_) => undelivered(Category::Connection),
                        E::WorkerCrashed | E::BeginFailed => Category::Connection.into(),
                        E::RowNotFound => Category::NotFound.into(),
                        E::Protocol(_) | E::Decode(_) | E::ColumnDecode { .. } => Category::Corrupt.into(),
                        E::Configuration(_) | E::InvalidArgument(_) | E::Encode(_) => Category::Invalid.into(),
                        E::TypeNotFound { .. } | E::ColumnNotFound(_) => Category::Invalid.into(),
                        E::ColumnIndexOutOfBounds { .. } | E::InvalidSavePointStatement => {
                            Category::Invalid.into()
                        }
                        E::PoolClosed => Category::Permanent.into(),
                        other => dynamic::known(other.source()).unwrap_or(Category::Unknown.into()),
                    }
                }
            }
        )+
    };
}

#[cfg(feature = "sqlx")]
sqlx!(sqlx of "0.9");
#[cfg(feature = "sqlx_08")]
sqlx!(sqlx_08 of "0.8");

fn undelivered(category: Category) -> Classification {
    Classification::new(category).delivered(Delivered::No)
}

/// Returns the class of a database's code: an SQLSTATE has five characters, a code of SQLite has fewer.
#[cfg(any(feature = "sqlx", feature = "sqlx_08"))]
fn by_code(code: &str, message: &str) -> Classification {
    match code.parse::<u32>() {
        Ok(number) if code.len() < 5 => by_sqlite(number),
        _ => by_sqlstate(code, message),
    }
}

#[cfg(any(feature = "sqlx", feature = "sqlx_08"))]
fn by_sqlstate(code: &str, message: &str) -> Classification {
    let category = match (code, code.get(..2).unwrap_or("")) {
        ("40003", _) => Category::Transient,
        ("55P03" | "55006", _) | (_, "40") => return undelivered(Category::Transient),
        ("23505" | "23P01", _) | (_, "55") => Category::Conflict,
        (_, "53") => Category::Resource,
        ("57014", _) if message.to_lowercase().contains("timeout") => Category::Timeout,
        ("57014", _) => Category::Cancelled,
        ("25P03" | "57P05", _) => Category::Timeout,
        ("57P01" | "57P02" | "57P03", _) | (_, "58") => Category::Unavailable,
        (_, "08") => Category::Connection,
        ("42501", _) | (_, "28") => Category::Auth,
        ("3D000" | "3F000", _) => Category::NotFound,
        ("XX001" | "XX002", _) => Category::Corrupt,
        (_, "XX") => Category::Unavailable,
        ("25006", _) | (_, "0A") => Category::Permanent,
        (_, "42" | "54") => Category::Invalid,
        (_, class) if class.starts_with('2') => Category::Invalid,
        _ => Category::Unknown,
    };
    category.into()
}

#[cfg(any(feature = "sqlx", feature = "sqlx_08"))]
fn by_sqlite(number: u32) -> Classification {
    // The low byte is the result code, the bits above are the details.
    let category = match (number, number & 0xff) {
        (_, 5 | 6 | 15 | 17) => return undelivered(Category::Transient),
        (2067 | 1555, _) | (_, 4) => Category::Conflict,
        (_, 7 | 13) => Category::Resource,
        (_, 10) => Category::Unavailable,
        (_, 9) => Category::Cancelled,
        (_, 14) => Category::Connection,
        (_, 3 | 23) => Category::Auth,
        (_, 12) => Category::NotFound,
        (_, 11 | 26) => Category::Corrupt,
        (_, 8) => Category::Permanent,
        (_, 1 | 18 | 19 | 20 | 21 | 25) => Category::Invalid,
        _ => Category::Unknown,
    };
    category.into()
}

/// An error of redis 1.
///
/// | error | category |
/// |---|---|
/// | a timeout | `Timeout` |
/// | a refused connection | `Connection`, not delivered |
/// | any other I/O | that of the first known source, else `Connection` |
/// | `LOADING`, `CLUSTERDOWN`, `MASTERDOWN`, `READONLY`, `BUSY`, `NOREPLICAS`; no node of the cluster or the sentinels can be reached | `Unavailable`, not delivered |
/// | `TRYAGAIN`, `MOVED`, `ASK` | `Transient`, not delivered |
/// | `NOAUTH`, `WRONGPASS`, `NOPERM`, `DENIED`, authentication failed | `Auth` |
/// | `OOM`, `MISCONF`, `ERR max number of clients` | `Resource`, not delivered |
/// | `BUSYKEY`, `BUSYGROUP`, `NOTBUSY`, `UNKILLABLE` | `Conflict` |
/// | `NOSCRIPT`, an unknown name of a master | `NotFound` |
/// | any other `ERR`, `WRONGTYPE`, `CROSSSLOT`, `EXECABORT`, `NOSUB`; wrong use of the client | `Invalid` |
/// | a reply that cannot be read | `Corrupt` |
/// | RESP3 is not supported | `Permanent` |
/// | any other | `Unknown` |
#[cfg(feature = "redis")]
impl Classify for redis::RedisError {
    fn classify(&self) -> Classification {
        use redis::ErrorKind as K;
        if self.is_timeout() {
            return Category::Timeout.into();
        }
        if self.is_connection_refusal() {
            return refused();
        }
        let category = match self.kind() {
            K::Io => return dynamic::known(self.source()).unwrap_or(Category::Connection.into()),
            K::Server(_) | K::Extension => {
                return by_redis_code(self.code().unwrap_or(""), self.detail().unwrap_or(""));
            }
            K::ClusterConnectionNotFound | K::NoValidReplicasFoundBySentinel => {
                return undelivered(Category::Unavailable);
            }
            K::AuthenticationFailed => Category::Auth,
            K::MasterNameNotFoundBySentinel => Category::NotFound,
            K::UnexpectedReturnType | K::InvalidClientConfig | K::Client | K::EmptySentinelList => {
                Category::Invalid
            }
            K::Parse => Category::Corrupt,
            K::RESP3NotSupported => Category::Permanent,
            _ => Category::Unknown,
        };
        category.into()
    }
}

/// Returns the class of the first word of an error that the server sent, and of the text after it.
#[cfg(feature = "redis")]
fn by_redis_code(code: &str, text: &str) -> Classification {
    let category = match code {
        // A server that is full has no code of its own.
        "ERR" if text.starts_with("max number of clients") => return undelivered(Category::Resource),
        "LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | "READONLY" | "BUSY" | "NOREPLICAS" => {
            return undelivered(Category::Unavailable);
        }
        "TRYAGAIN" | "MOVED" | "ASK" => return undelivered(Category::Transient),
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => Category::Auth,
        "OOM" | "MISCONF" => return undelivered(Category::Resource),
        "BUSYKEY" | "BUSYGROUP" | "NOTBUSY" | "UNKILLABLE" => Category::Conflict,
        "NOSCRIPT" => Category::NotFound,
        "ERR" | "WRONGTYPE" | "CROSSSLOT" | "EXECABORT" | "NOSUB" => Category::Invalid,
        _ => Category::Unknown,
    };
    category.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[cfg(feature = "redis")]
    #[test]
    fn redis_errors_are_classified_by_kind_and_code() {
        use redis::{ErrorKind as K, RedisError};
        let io = |kind: io::ErrorKind| RedisError::from(io::Error::from(kind));
        let code = |code: &str| {
            let reply = format!("-{code} text\r\n");
            let value = redis::parse_redis_value(reply.as_bytes()).expect("a reply");
            value.extract_error().expect_err("an error")
        };
        for (error, category, delivered) in [
            (io(io::ErrorKind::TimedOut), Category::Timeout, Delivered::Maybe),
            (io(io::ErrorKind::ConnectionRefused), Category::Connection, Delivered::No),
            (io(io::ErrorKind::ConnectionReset), Category::Connection, Delivered::Maybe),
            (RedisError::from((K::Io, "dropped")), Category::Connection, Delivered::Maybe),
            (RedisError::from((K::AuthenticationFailed, "x")), Category::Auth, Delivered::No),
            (RedisError::from((K::InvalidClientConfig, "x")), Category::Invalid, Delivered::No),
            (RedisError::from((K::ClusterConnectionNotFound, "x")), Category::Unavailable, Delivered::No),
            (RedisError::from((K::Parse, "x")), Category::Corrupt, Delivered::Yes),
            (code("LOADING"), Category::Unavailable, Delivered::No),
            (code("CLUSTERDOWN"), Category::Unavailable, Delivered::No),
            (code("MASTERDOWN"), Category::Unavailable, Delivered::No),
            (code("READONLY"), Category::Unavailable, Delivered::No),
            (code("BUSY"), Category::Unavailable, Delivered::No),
            (code("TRYAGAIN"), Category::Transient, Delivered::No),
            (code("MOVED 1 127.0.0.1:1"), Category::Transient, Delivered::No),
            (code("ASK 1 127.0.0.1:1"), Category::Transient, Delivered::No),
            (code("NOAUTH"), Category::Auth, Delivered::No),
            (code("WRONGPASS"), Category::Auth, Delivered::No),
            (code("NOPERM"), Category::Auth, Delivered::No),
            (code("OOM"), Category::Resource, Delivered::No),
            (code("BUSYGROUP"), Category::Conflict, Delivered::No),
            (code("NOSCRIPT"), Category::NotFound, Delivered::No),
            (code("ERR"), Category::Invalid, Delivered::No),
            (code("ERR max number of clients reached"), Category::Resource, Delivered::No),
            (code("ERR max number of clients + cluster connections"), Category::Resource, Delivered::No),
            (code("WRONGTYPE"), Category::Invalid, Delivered::No),
            (code("CROSSSLOT"), Category::Invalid, Delivered::No),
            (code("EXECABORT"), Category::Invalid, Delivered::No),
            (code("MINE"), Category::Unknown, Delivered::Maybe),
        ] {
            let class = error.classify();
            assert_eq!((class.category, class.delivered), (category, delivered), "{error:?}");
            let boxed: Box<dyn Error> = Box::new(error);
            assert_eq!(boxed.classify(), class, "found behind `dyn Error`");
        }
    }

    #[cfg(any(feature = "sqlx", feature = "sqlx_08"))]
    const CODES: &[(&str, &str, Category)] = &[
        ("40001", "could not serialize access", Category::Transient),
        ("40P01", "deadlock detected", Category::Transient),
        ("40003", "", Category::Transient),
        ("55P03", "could not obtain lock", Category::Transient),
        ("23505", "duplicate key", Category::Conflict),
        ("23000", "", Category::Invalid),
        ("23503", "foreign key", Category::Invalid),
        ("23514", "check", Category::Invalid),
        ("22001", "too long", Category::Invalid),
        ("53100", "disk full", Category::Resource),
        ("53200", "out of memory", Category::Resource),
        ("53300", "too many connections", Category::Resource),
        ("57014", "canceling statement due to statement timeout", Category::Timeout),
        ("57014", "canceling statement due to user request", Category::Cancelled),
        ("57P01", "terminating connection", Category::Unavailable),
        ("57P03", "the database system is starting up", Category::Unavailable),
        ("58030", "", Category::Unavailable),
        ("08006", "", Category::Connection),
        ("28P01", "password", Category::Auth),
        ("28000", "", Category::Auth),
        ("42501", "permission denied", Category::Auth),
        ("42P01", "no relation", Category::Invalid),
        ("42601", "syntax", Category::Invalid),
        ("3D000", "no database", Category::NotFound),
        ("0A000", "", Category::Permanent),
        ("25006", "read-only", Category::Permanent),
        ("54000", "", Category::Invalid),
        ("XX000", "", Category::Unavailable),
        ("XX001", "", Category::Corrupt),
        ("HY000", "", Category::Unknown),
        ("", "", Category::Unknown),
        ("\u{e9}x", "", Category::Unknown),
        // SQLite
        ("5", "database is locked", Category::Transient),
        ("261", "", Category::Transient),
        ("6", "", Category::Transient),
        ("13", "", Category::Resource),
        ("2067", "UNIQUE constraint failed", Category::Conflict),
        ("1555", "", Category::Conflict),
        ("787", "FOREIGN KEY constraint failed", Category::Invalid),
        ("1", "syntax", Category::Invalid),
        ("11", "", Category::Corrupt),
        ("8", "", Category::Permanent),
        ("778", "", Category::Unavailable),
    ];

    #[cfg(any(feature = "sqlx", feature = "sqlx_08"))]
    macro_rules! sqlx_tests {
        ($($test:ident: $name:ident)+) => {
            $(
                #[test]
                fn $test() {
                    use std::borrow::Cow;
                    use ::$name::Error as E;
                    use ::$name::error::{DatabaseError, ErrorKind};

                    #[derive(Debug)]
                    struct Answer(Option<&'static str>, &'static str, bool);

                    impl std::fmt::Display for Answer {
                        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                            f.write_str(self.1)
                        }
                    }

                    impl Error for Answer {}

                    impl DatabaseError for Answer {
                        fn message(&self) -> &str {
                            self.1
                        }

                        fn code(&self) -> Option<Cow<'_, str>> {
                            self.0.map(Cow::Borrowed)
                        }

                        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
                            self
                        }

                        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
                            self
                        }

                        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
                            self
                        }

                        fn kind(&self) -> ErrorKind {
                            if self.2 { ErrorKind::UniqueViolation } else { ErrorKind::Other }
                        }
                    }

                    let database = |code, message, unique| E::Database(Box::new(Answer(code, message, unique)));
                    for (code, message, category) in CODES {
                        assert_eq!(database(Some(code), message, false).classify().category, *category, "{code}");
                    }
                    assert_eq!(database(Some("40001"), "", false).classify().delivered, Delivered::No);
                    assert_eq!(database(Some("40003"), "", false).classify().delivered, Delivered::Maybe);
                    assert_eq!(database(None, "", true).classify().category, Category::Conflict);
                    assert_eq!(database(None, "", false).classify().category, Category::Unknown);
                    for (error, category, delivered) in [
                        (E::Io(io::ErrorKind::ConnectionReset.into()), Category::Connection, Delivered::Maybe),
                        (E::Io(io::ErrorKind::ConnectionRefused.into()), Category::Connection, Delivered::No),
                        (E::PoolTimedOut, Category::Timeout, Delivered::No),
                        (E::PoolClosed, Category::Permanent, Delivered::Maybe),
                        (E::WorkerCrashed, Category::Connection, Delivered::Maybe),
                        (E::RowNotFound, Category::NotFound, Delivered::No),
                        (E::Tls("x".into()), Category::Connection, Delivered::No),
                        (E::Protocol("x".into()), Category::Corrupt, Delivered::Yes),
                        (E::ColumnNotFound("x".into()), Category::Invalid, Delivered::No),
                        (E::Decode("x".into()), Category::Corrupt, Delivered::Yes),
                        (E::Encode("x".into()), Category::Invalid, Delivered::No),
                        (E::AnyDriverError("x".into()), Category::Unknown, Delivered::Maybe),
                    ] {
                        let class = error.classify();
                        assert_eq!((class.category, class.delivered), (category, delivered), "{error:?}");
                        let boxed: Box<dyn Error> = Box::new(error);
                        assert_eq!(boxed.classify(), class, "found behind `dyn Error`");
                    }
                }
            )+
        };
    }

    #[cfg(feature = "sqlx")]
    sqlx_tests!(sqlx_09_by_variant_and_code: sqlx);
    #[cfg(feature = "sqlx_08")]
    sqlx_tests!(sqlx_08_by_variant_and_code: sqlx_08);
}
