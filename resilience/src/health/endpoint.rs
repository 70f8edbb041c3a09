//! A check of an HTTP address.

use super::work::LIMIT;
use crate::base::scope::remaining;
use crate::outgoing::Target;
use std::io;

/// The most bytes of an answer that are read.
const MOST: u64 = 1 << 20;

/// An HTTP address that shows whether a service is up: what most health checks ask.
///
/// A request takes at most as long as the look that it is part of ([`remaining`](crate::remaining())), and 2 s outside
/// of any limit. Redirects are not followed: the page to log in is not an answer of the service. The path of the
/// address, its query and the headers may be secret, and are in no error. Proxies are those of the environment
/// (`HTTPS_PROXY`,
/// `NO_PROXY`), but none for an address of this machine. Needs the feature `webhook`.
///
/// It blocks the thread, which in a sync check is one of the checks' own.
///
/// # Examples
///
/// A service, and a model of a server such as Ollama:
///
/// ```no_run,standalone_crate
/// use resilience::health::{Answer, Endpoint};
/// use resilience::health_check;
/// use std::io;
///
/// #[health_check("payments", timeout = 500ms, critical)]
/// fn payments() -> io::Result<()> {
///     Endpoint::new("https://payments.example/health")?.get().map(drop)
/// }
///
/// #[health_check("model:{name}", each = ["llama3", "mistral"])]
/// fn model(name: &str) -> Result<Answer, Box<dyn std::error::Error + Send + Sync>> {
///     let tags = Endpoint::new("http://127.0.0.1:11434/api/tags")?.get()?;
///     let tags: serde_json::Value = serde_json::from_str(&tags)?;
///     let models = tags["models"].as_array().ok_or("there is no list of models")?;
///     let is_there = models.iter().any(|model| model["name"].as_str().is_some_and(|full| full.starts_with(name)));
///     Ok(if is_there { Answer::pass("loaded") } else { Answer::fail("not loaded").action("pull the model") })
/// }
/// ```
#[derive(Clone, Debug)]
#[must_use = "an endpoint is asked by `get`"]
pub struct Endpoint(Target);

impl Endpoint {
    /// Creates the endpoint at `address`, which begins with `http://` or `https://`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for any other address. The message does not show it.
    pub fn new(address: &str) -> io::Result<Self> {
        Target::new(address, "endpoint").map(Self)
    }

    /// Adds a header to the request, such as `authorization`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for a name or value that HTTP does not allow. The message shows
    /// neither.
    pub fn header(mut self, name: &str, value: &str) -> io::Result<Self> {
        self.0.header(name, value)?;
        Ok(self)
    }

    /// Returns the body of the answer to a GET request, of at most 1 MiB.
    ///
    /// # Errors
    ///
    /// Without an answer, for a status other than 2xx, and for a body that is too long, no UTF-8, or ends too early.
    /// The error wraps that of ureq, and is classified like it: `http status: 503` is `Unavailable`.
    pub fn get(&self) -> io::Result<String> {
        let limit = remaining().unwrap_or(LIMIT);
        let mut answer = self.0.get(limit).map_err(failed)?;
        if !answer.status().is_success() {
            return Err(failed(ureq::Error::StatusCode(answer.status().as_u16())));
        }
        let bytes = answer.body_mut().with_config().limit(MOST).read_to_vec().map_err(failed)?;
        String::from_utf8(bytes)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "the answer is not valid UTF-8"))
    }
}

fn failed(error: ureq::Error) -> io::Error {
    match error {
        ureq::Error::Io(error) => error,
        error => io::Error::other(error),
    }
}
