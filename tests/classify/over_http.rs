//! Errors of HTTP clients, from a real server on loopback.

use super::*;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};

/// A server on loopback that answers its first request with `answer` and hangs up, or with `None`
/// keeps silent until the client leaves.
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

fn get(address: SocketAddr) -> reqwest::Result<String> {
    let client = reqwest::blocking::Client::builder().no_proxy().timeout(Duration::from_millis(500));
    client.build()?.get(format!("http://{address}/")).send()?.error_for_status()?.text()
}

fn class(answer: Option<&'static str>) -> Classification {
    of(&get(server(answer)).unwrap_err())
}

#[test]
fn statuses_timeouts_and_malformed_responses_are_classified() {
    let busy = class(Some("HTTP/1.1 429 Too Many Requests\r\ncontent-length: 0\r\n\r\n"));
    assert_eq!(busy.category, Category::RateLimited);
    let gone = class(Some("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n"));
    assert_eq!(gone.category, Category::NotFound);
    let silent = class(None);
    assert_eq!((silent.category, silent.delivered), (Category::Timeout, Delivered::Maybe));
    let short = class(Some("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort"));
    assert_eq!(short.category, Category::Connection);
    let closed = class(Some(""));
    assert_eq!((closed.category, closed.delivered), (Category::Connection, Delivered::Maybe));
}

#[test]
fn a_request_that_was_never_sent_was_not_delivered() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = get(address).unwrap_err();
    assert_eq!((of(&refused).category, of(&refused).delivered), (Category::Connection, Delivered::No));
    let boxed: Box<dyn Error> = Box::new(io::Error::other(refused));
    assert_eq!(of(&boxed).delivered, Delivered::No);
    let builder = reqwest::blocking::Client::new().get("no address").build().unwrap_err();
    assert_eq!(category(&builder), Category::Invalid);
}
