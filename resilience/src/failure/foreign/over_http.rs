//! Errors of HTTP clients.

use crate::failure::foreign::refused;
use crate::failure::{Category, Classification, Classify, Delivered, dynamic};
use std::error::Error;

#[cfg(any(feature = "reqwest", feature = "reqwest_012"))]
macro_rules! reqwest {
    ($($name:ident of $version:literal)+) => {
        $(
            #[doc = concat!("An error of reqwest ", $version, ", by the first of these that it is.")]
            ///
            /// | is | category |
            /// |---|---|
            /// | a timeout | `Timeout`, not delivered if it struck while connecting |
            /// | a status | that of the status; the response is gone, so there is no wait: see [`from_response`](crate::classify::from_response) |
            /// | a failure to connect | `Connection`, not delivered |
            /// | builder | `Invalid` |
            /// | redirect | `Permanent` |
            /// | decode | that of the first known source, else `Corrupt`; never `Invalid`: the request was answered |
            /// | anything else: request, body, upgrade | that of the first known source, else `Connection` |
            impl Classify for ::$name::Error {
                fn classify(&self) -> Classification {
                    let by_source = |otherwise| by_source(self, otherwise);
                    match self.status() {
                        _ if self.is_timeout() && self.is_connect() => {
                            Classification::new(Category::Timeout).delivered(Delivered::No)
                        }
                        _ if self.is_timeout() => Category::Timeout.into(),
                        Some(status) => status.classify(),
                        None if self.is_connect() => refused(),
                        None if self.is_builder() => Category::Invalid.into(),
                        None if self.is_redirect() => Category::Permanent.into(),
                        None if self.is_decode() => of_answer(by_source(Category::Corrupt)),
                        None => by_source(Category::Connection),
                    }
                }
            }
        )+
    };
}

#[cfg(feature = "reqwest")]
reqwest!(reqwest of "0.13");
#[cfg(feature = "reqwest_012")]
reqwest!(reqwest_012 of "0.12");

/// Returns the class of the first known source, else that of a category.
#[cfg(any(feature = "reqwest", feature = "reqwest_012", feature = "ureq"))]
fn by_source(error: &dyn Error, otherwise: Category) -> Classification {
    dynamic::known(error.source()).unwrap_or(otherwise.into())
}

/// Returns the class of an answer that cannot be read: hyper reports a bad chunk as invalid input, but that input came
/// from the service.
#[cfg(any(feature = "reqwest", feature = "reqwest_012"))]
fn of_answer(class: Classification) -> Classification {
    if class.category == Category::Invalid { Category::Corrupt.into() } else { class }
}

/// An error of ureq 3.
///
/// | variant | category |
/// |---|---|
/// | `StatusCode` | that of the status; the response is gone, so there is no wait: turn `http_status_as_error` off and see [the guide](crate::guide::foreign_errors) |
/// | `Io` | as `io::Error`; invalid data may be that of a TLS handshake, so that it is not known to be delivered |
/// | `Timeout` | `Timeout`, not delivered if it struck while resolving or connecting |
/// | `HostNotFound`, `ConnectionFailed`, `ConnectProxyFailed`, `Tls` | `Connection`, not delivered |
/// | `Http`, `BadUri`, `InvalidProxyUrl`, `RequireHttpsOnly`, `TlsRequired`, `BodyExceedsLimit` | `Invalid` |
/// | `RedirectFailed`, `TooManyRedirects` | `Permanent` |
/// | `Protocol`, `LargeResponseHeader` | `Corrupt` |
/// | any other | that of the first known source, else `Unknown` |
#[cfg(feature = "ureq")]
impl Classify for ureq::Error {
    fn classify(&self) -> Classification {
        use ureq::{Error as E, Timeout};
        match self {
            E::StatusCode(status) => Classification::from_status(*status),
            E::Io(error) => match error.classify() {
                class if class.category == Category::Corrupt => class.delivered(Delivered::Maybe),
                class => class,
            },
            E::Timeout(Timeout::Resolve | Timeout::Connect) => {
                Classification::new(Category::Timeout).delivered(Delivered::No)
            }
            E::Timeout(_) => Category::Timeout.into(),
            E::HostNotFound | E::ConnectionFailed | E::ConnectProxyFailed(_) | E::Tls(_) => refused(),
            E::Http(_) | E::BadUri(_) | E::InvalidProxyUrl | E::RequireHttpsOnly(_) => {
                Category::Invalid.into()
            }
            E::TlsRequired | E::BodyExceedsLimit(_) => Category::Invalid.into(),
            E::RedirectFailed | E::TooManyRedirects => Category::Permanent.into(),
            E::Protocol(_) | E::LargeResponseHeader(..) => Category::Corrupt.into(),
            E::Other(error) => dynamic::known(Some(&**error)).unwrap_or(Category::Unknown.into()),
            other => by_source(other, Category::Unknown),
        }
    }
}

#[cfg(all(test, feature = "ureq"))]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn ureq_errors_are_classified_by_variant() {
        use ureq::{Error as E, Timeout, http as of_ureq};
        let uri = of_ureq::Uri::try_from("http://[").map_err(of_ureq::Error::from);
        for (error, category, delivered) in [
            (E::StatusCode(404), Category::NotFound, Delivered::No),
            (E::StatusCode(429), Category::RateLimited, Delivered::No),
            (E::StatusCode(503), Category::Unavailable, Delivered::Maybe),
            (E::Io(io::ErrorKind::ConnectionRefused.into()), Category::Connection, Delivered::No),
            (E::Io(io::ErrorKind::ConnectionReset.into()), Category::Connection, Delivered::Maybe),
            (E::Io(io::ErrorKind::InvalidData.into()), Category::Corrupt, Delivered::Maybe),
            (E::Timeout(Timeout::Connect), Category::Timeout, Delivered::No),
            (E::Timeout(Timeout::RecvBody), Category::Timeout, Delivered::Maybe),
            (E::HostNotFound, Category::Connection, Delivered::No),
            (E::ConnectionFailed, Category::Connection, Delivered::No),
            (E::Tls("handshake"), Category::Connection, Delivered::No),
            (E::BadUri("x".into()), Category::Invalid, Delivered::No),
            (E::Http(uri.unwrap_err()), Category::Invalid, Delivered::No),
            (E::TooManyRedirects, Category::Permanent, Delivered::Maybe),
            (E::LargeResponseHeader(2, 1), Category::Corrupt, Delivered::Yes),
            (
                E::Other(Box::new(io::Error::from(io::ErrorKind::TimedOut))),
                Category::Timeout,
                Delivered::Maybe,
            ),
            (E::Other("text".into()), Category::Unknown, Delivered::Maybe),
        ] {
            let class = error.classify();
            assert_eq!((class.category, class.delivered), (category, delivered), "{error}");
            let boxed: Box<dyn Error> = Box::new(error);
            assert_eq!(boxed.classify(), class, "found behind `dyn Error`");
        }
    }
}

#[cfg(all(test, any(feature = "reqwest", feature = "reqwest_012")))]
mod reqwest_tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{SocketAddr, TcpListener};
    use std::time::Duration;

    /// Starts a server on loopback that answers its first request with `answer`, or waits until the client leaves.
    fn server(answer: Option<&'static str>) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let _ = client.read(&mut [0; 1024]);
            match answer {
                Some(answer) => client.write_all(answer.as_bytes()).unwrap(),
                None => drop(client.read(&mut [0; 1024])),
            }
        });
        address
    }

    /// Returns an address where nothing listens.
    fn unused() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }

    macro_rules! real_errors {
        ($($test:ident $feature:literal $name:ident)+) => {
            $(
                #[cfg(feature = $feature)]
                #[tokio::test]
                async fn $test() {
                    let get = async |address: SocketAddr, limit: u64| {
                        let client = ::$name::Client::builder().no_proxy().timeout(Duration::from_millis(limit));
                        let call = client.build()?.get(format!("http://{address}/"));
                        call.send().await?.error_for_status()?.text().await
                    };
                    let (long, short) = (60_000, 50);
                    let busy = "HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n";
                    let gone = "HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n";
                    let half = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort";
                    let chunk = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nshort";
                    for (address, limit, category, delivered) in [
                        (server(Some(busy)), long, Category::RateLimited, Delivered::No),
                        (server(Some(gone)), long, Category::NotFound, Delivered::No),
                        (server(None), short, Category::Timeout, Delivered::Maybe),
                        (server(Some(half)), long, Category::Connection, Delivered::Maybe),
                        (server(Some("")), long, Category::Connection, Delivered::Maybe),
                        (server(Some(chunk)), long, Category::Corrupt, Delivered::Yes),
                        (unused(), long, Category::Connection, Delivered::No),
                    ] {
                        let error = get(address, limit).await.unwrap_err();
                        let class = error.classify();
                        assert_eq!((class.category, class.delivered), (category, delivered), "{error:?}");
                        let boxed: Box<dyn Error> = Box::new(error);
                        assert_eq!(boxed.classify(), class, "found behind `dyn Error`");
                    }
                    let builder = ::$name::Client::new().get("no address").build().unwrap_err();
                    assert_eq!(builder.classify().category, Category::Invalid);
                }
            )+
        };
    }

    real_errors! {
        real_errors_of_reqwest_013 "reqwest" reqwest
        real_errors_of_reqwest_012 "reqwest_012" reqwest_012
    }
}
