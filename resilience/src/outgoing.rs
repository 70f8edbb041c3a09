//! Requests over HTTP that the library makes for the program: to webhooks, and to the endpoints of health checks.
//!
//! The path of an address, its query, its name and password, and the headers may be secret: no text of this module
//! shows more of it than its host.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;
use ureq::http::{HeaderMap, HeaderName, HeaderValue, Response, Uri};
use ureq::{Agent, Body};

/// The destination of requests, checked.
#[derive(Clone)]
pub(crate) struct Target {
    uri: Uri,
    host: String,
    headers: HeaderMap,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Target {
    /// Returns the target at `address`; the error says that it is the address of `what`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for an address without a scheme of HTTP or without a host, and for
    /// a port above 65535.
    pub(crate) fn new(address: &str, what: &str) -> io::Result<Self> {
        let uri: Uri =
            address.parse().map_err(|_| invalid(format!("the address of the {what} is not valid")))?;
        let host = match (uri.scheme_str(), uri.host()) {
            (Some("http" | "https"), Some(host)) if !host.is_empty() => host.to_owned(),
            _ => {
                let words =
                    format!("the address of the {what} does not begin with http:// or https:// and a host");
                return Err(invalid(words));
            }
        };
        // The client takes a port that is too large for none, and would ask another service of the host.
        if uri.port().is_none() && has_port(&uri) {
            return Err(invalid(format!("the port in the address of the {what} is not valid")));
        }
        Ok(Self { uri, host, headers: HeaderMap::new() })
    }

    /// Adds a header to each request.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a name or value that HTTP does not allow.
    pub(crate) fn header(&mut self, name: &str, value: &str) -> io::Result<()> {
        let name: HeaderName =
            name.parse().map_err(|_| invalid("the name of a header is not valid".to_owned()))?;
        let mut value: HeaderValue =
            value.parse().map_err(|_| invalid("the value of a header is not valid".to_owned()))?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(())
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns an agent whose requests take at most `limit` each, with the answer, and follow no redirect.
    ///
    /// Proxies are those of the environment, but none for an address of this machine.
    fn agent(&self, limit: Duration) -> Agent {
        let config = Agent::config_builder()
            .timeout_global(Some(limit.max(Duration::from_millis(1))))
            .max_redirects(0)
            .max_redirects_will_error(false)
            .http_status_as_error(false);
        let config = if self.is_here() { config.proxy(None) } else { config };
        config.build().into()
    }

    /// Returns whether the host is this machine: `localhost` or a name below it, or an address of loopback.
    fn is_here(&self) -> bool {
        let name = self.host.strip_suffix('.').unwrap_or(&self.host);
        let last = name.rsplit('.').next().unwrap_or(name);
        let address = self.host.trim_matches(['[', ']']).parse();
        last.eq_ignore_ascii_case("localhost")
            || address.is_ok_and(|address: IpAddr| address.to_canonical().is_loopback())
    }

    /// Posts `text`; the answer may have any status.
    pub(crate) fn post(&self, text: &str, limit: Duration) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent(limit).post(&self.uri);
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
        }
        request.send(text)
    }

    /// Gets the content of the address; the answer may have any status.
    pub(crate) fn get(&self, limit: Duration) -> Result<Response<Body>, ureq::Error> {
        let mut request = self.agent(limit).get(&self.uri);
        if let Some(headers) = request.headers_mut() {
            headers.extend(self.headers.clone());
        }
        request.call()
    }
}

/// Returns whether a port is written in the address.
fn has_port(uri: &Uri) -> bool {
    let place = uri.authority().and_then(|authority| authority.as_str().rsplit('@').next());
    place
        .and_then(|place| place.rsplit_once(':'))
        .is_some_and(|(_, port)| !port.is_empty() && !port.ends_with(']'))
}

fn invalid(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_to_this_machine_use_no_proxy() {
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "hooks.localhost",
            "127.0.0.1",
            "127.8.8.8",
            "[::1]",
            "[::ffff:127.0.0.1]",
        ] {
            assert!(
                Target::new(&format!("http://{host}:8080/"), "webhook").is_ok_and(|target| target.is_here()),
                "{host}"
            );
        }
        for host in
            ["localhost.example", "notlocalhost", "127.0.0.1.example", "10.0.0.1", "[::ffff:10.0.0.1]"]
        {
            assert!(
                Target::new(&format!("http://{host}/"), "webhook").is_ok_and(|target| !target.is_here()),
                "{host}"
            );
        }
    }
}
