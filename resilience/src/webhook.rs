//! Alerts posted to an address.
//!
//! A webhook is a [sink](crate::alerts::add_sink) with the policies of this library around its request: a retry within
//! 10 s, and a breaker around all of it, so that an address that is down is left alone for a minute at a time. A
//! redirect is not followed, because it would carry the headers, which may be secret, to another host. Alerts that are
//! raised while a sink runs do not go to webhooks: an address that refuses alerts would otherwise be posted an alert
//! about each refusal.

use crate::alerts::{Alert, Sink, sink};
use crate::base::clock;
use crate::classify::from_response;
use crate::failure::rejected::Rejected;
use crate::failure::{Category, Classification, Classify, of};
use crate::outgoing::Target;
use crate::policy::circuit_breaker::CircuitBreaker;
use crate::policy::with_retry::Retry;
use serde_json::Value;
use std::fmt;
use std::io;
use std::time::Duration;

/// The time that an alert may take, with all attempts.
const LIMIT: Duration = Duration::from_secs(10);
/// The first wait between two attempts.
const BASE: Duration = Duration::from_millis(500);

/// The function that makes the posted value of an alert.
type Body = Box<dyn Fn(&Alert) -> Value + Send>;

/// An address to which alerts are posted as JSON, one request at a time.
///
/// [`add`](Self::add) makes it a [sink](crate::alerts::add_sink). An alert has 10 s in total, with at most two retries
/// under the rules of [`Retry`]; after five failed alerts in a row the address gets nothing for a minute. An answer
/// other than 2xx is a failure, and redirects are not followed. The path of the address, its query and the headers may
/// be secret: no text shows more of it than its host. Proxies are those of the environment (`HTTPS_PROXY`, `NO_PROXY`),
/// but none for an address of this machine. Needs the feature `webhook`.
///
/// # Examples
///
/// ```no_run
/// use resilience::alerts::Alert;
/// use resilience::webhook::Webhook;
/// use serde_json::json;
///
/// Webhook::new("https://chat.example/hooks/T0/B0")
///     .header("authorization", "Bearer 0123")
///     .body(|alert: &Alert| json!({"text": alert.to_string()}))
///     .add()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Webhook {
    address: String,
    headers: Vec<(String, String)>,
    body: Body,
}

impl Webhook {
    /// Describes the address of a webhook, which gets each [`Alert`] as it is in the file.
    ///
    /// It opens no connection, and checks nothing: [`add`](Self::add) does.
    ///
    /// # Examples
    ///
    /// The address is secret, so it comes from the environment, and no text shows it:
    ///
    /// ```
    /// use resilience::webhook::Webhook;
    ///
    /// let address = "https://chat.example/hooks/T0/B0";
    /// let webhook = Webhook::new(address);
    /// assert_eq!(format!("{webhook:?}"), "Webhook { .. }");
    /// ```
    pub fn new(address: &str) -> Self {
        let body = |alert: &Alert| serde_json::to_value(alert).unwrap_or_default();
        Self { address: address.to_owned(), headers: Vec::new(), body: Box::new(body) }
    }

    /// Adds a header to each request.
    ///
    /// `content-type` is `application/json` unless this replaces it. A name that is added twice has the last value.
    /// Values are marked as sensitive, so that the HTTP client does not show them either.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::webhook::Webhook;
    ///
    /// let webhook = Webhook::new("https://alerts.example/v1").header("authorization", "Bearer 0123");
    /// # let _ = webhook;
    /// ```
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Posts what `body` returns in place of the alert itself.
    ///
    /// It runs on the thread of the sink, once for each alert. A panic in it is a failure of the sink, and the alert is
    /// not posted.
    ///
    /// # Examples
    ///
    /// The format of a chat service:
    ///
    /// ```
    /// use resilience::alerts::{Alert, AlertLevel};
    /// use resilience::webhook::Webhook;
    /// use serde_json::json;
    ///
    /// let webhook = Webhook::new("https://chat.example/hooks/T0/B0").body(|alert: &Alert| {
    ///     let is_critical = alert.level == AlertLevel::Critical;
    ///     json!({"text": alert.to_string(), "color": if is_critical { "red" } else { "yellow" }})
    /// });
    /// # let _ = webhook;
    /// ```
    pub fn body(mut self, body: impl Fn(&Alert) -> Value + Send + 'static) -> Self {
        self.body = Box::new(body);
        self
    }

    /// Posts every alert from now on.
    ///
    /// Keep the [`Sink`] to remove it or to read its number of failures; dropping it has no effect.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) for an address that does not begin with `http://` or `https://`
    /// and a host, for a port above 65535, and for a header that HTTP does not allow. The message shows neither.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::webhook::Webhook;
    /// use std::io::ErrorKind;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let refused = Webhook::new("chat.example/hooks/secret").add().unwrap_err();
    /// assert_eq!(refused.kind(), ErrorKind::InvalidInput);
    /// assert!(!refused.to_string().contains("secret"));
    ///
    /// let sink = Webhook::new("https://chat.example/hooks/T0/B0").add()?;
    /// assert_eq!(sink.failed(), 0);
    /// sink.remove();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn add(self) -> io::Result<Sink> {
        let mut target = Target::new(&self.address, "webhook")?;
        target.header("content-type", "application/json")?;
        for (name, value) in &self.headers {
            target.header(name, value)?;
        }
        let name = format!("webhook {}", target.host());
        let post = Post { target, breaker: CircuitBreaker::new("alerts webhook") };
        let body = self.body;
        Ok(sink::add(&name, true, move |alert| post.send(&body(alert))))
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

/// A checked webhook.
struct Post {
    target: Target,
    breaker: CircuitBreaker,
}

impl Post {
    /// Posts one body, with retries.
    fn send(&self, body: &Value) -> Result<(), Failure> {
        let text = body.to_string();
        let began = clock::now();
        let retry = Retry::new().max(2).base(BASE).give_up_after(LIMIT).retry_after_cap(LIMIT);
        let attempt = || {
            let left = LIMIT.saturating_sub(clock::now().saturating_duration_since(began));
            let answer = self.target.post(&text, left).map_err(|error| Failure(of(&error)))?;
            if answer.status().is_success() {
                return Ok(());
            }
            Err(Failure(from_response(answer.status(), answer.headers())))
        };
        self.breaker.call(|| retry.call(attempt))
    }
}

/// The reason why an alert was not posted, without any text that could hold the address.
#[derive(Debug)]
struct Failure(Classification);

impl Classify for Failure {
    fn classify(&self) -> Classification {
        self.0
    }
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self(rejected.classify())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.0.code, self.0.category) {
            (_, Category::Rejected) => f.write_str("nothing is posted for a minute after five failures"),
            (Some(code), category) => write!(f, "{} ({code})", category.as_str()),
            (None, category) => f.write_str(category.as_str()),
        }
    }
}

impl std::error::Error for Failure {}
