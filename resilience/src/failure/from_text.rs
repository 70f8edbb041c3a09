//! A conservative reader of messages, for errors that say what they mean only in words.

use super::wait_hint::{READ, head};
use super::{Category, Classification, foreign, wait_hint};

/// The most words that `..` in a phrase may stand for.
const GAP: usize = 8;

type Row = (Classification, &'static [&'static str]);

/// The table of `from_text_first.md`: what these phrases say holds whatever the status beside them.
#[rustfmt::skip]
const FIRST: &[Row] = &[
    (Classification::new(Category::Resource), &["insufficient quota", "exceeded .. current quota", "billing hard limit", "billing limit", "spending limit", "api usage limits", "credit balance .. too low", "insufficient credits", "insufficient balance", "credits are depleted", "requires more system memory"]),
    (Classification::new(Category::Invalid), &["context length", "context limit", "context window", "available context size", "prompt is too long", "input is too long", "tokens must be reduced", "maximum number of tokens", "content policy", "content management policy", "content filter", "content filtering", "safety system", "does not support tools"]),
    (Classification::new(Category::Auth), &["api key not valid", "api key invalid", "invalid api key", "invalid x api key", "incorrect api key", "missing api key", "no api key", "api key expired", "expired token", "security token .. expired", "security token .. invalid", "invalid client token", "unrecognized client", "invalid signature", "signature does not match"]),
    (Classification::new(Category::RateLimited), &["rate limit exceeded", "rate limit reached", "exceeded .. rate limit", "api rate limit", "secondary rate limit", "abuse detection", "throttling exception", "throughput exceeded", "request limit exceeded"]),
    (Classification::new(Category::NotFound), &["model .. does not exist"]),
];

/// The table of `from_text.md`, for messages without a status; a test compares the two.
#[rustfmt::skip]
const PHRASES: &[Row] = &[
    (Classification::new(Category::Auth), &["unauthorized", "unauthorised", "not authorized", "not authorised", "unauthenticated", "not authenticated", "authentication failed", "authentication error", "authentication required", "invalid credentials", "bad credentials", "invalid access token", "token expired", "token has expired", "permission denied", "permission error", "not have permission", "not have access", "not accessible by", "access denied", "access forbidden", "forbidden", "login failed", "wrong password", "wrongpass", "noperm", "must have admin rights", "no pg hba conf entry", "unregistered callers"]),
    (Classification::new(Category::RateLimited), &["rate limit", "rate limits", "rate limited", "ratelimit", "ratelimited", "too many requests", "rate exceeded", "request rate is large", "throttled", "throttling", "requests per minute", "tokens per minute", "tokens per min", "resource exhausted", "resource has been exhausted", "please wait before trying again", "submitted too quickly", "slow down"]),
    (Classification::new(Category::Resource), &["out of memory", "outofmemory", "oom", "out of shared memory", "not enough memory", "insufficient memory", "cannot allocate memory", "unable to allocate", "memory exhausted", "no space left", "disk full", "disk is full", "table .. is full", "disk quota exceeded", "quota exceeded", "exceeded .. quota", "insufficient storage", "too many open files", "too many connections", "too many clients", "connection slots are reserved", "max number of clients", "misconf"]),
    (Classification::new(Category::Timeout), &["timed out", "timedout", "etimedout", "request timeout", "request time out", "gateway timeout", "gateway time out", "connection timeout", "connect timeout", "read timeout", "write timeout", "operation timeout", "statement timeout", "lock timeout", "server selection timeout", "timeout error", "timeout exceeded", "timeout expired", "timeout after", "timeout while", "timeout waiting", "timeout .. exceeded", "deadline exceeded", "deadline expired", "deadline has elapsed", "execution time exceeded", "exceeded time limit", "t respond .. in time", "not respond .. in time"]),
    (foreign::refused(), &["connection refused", "econnrefused"]),
    (Classification::new(Category::Connection), &["connection reset", "econnreset", "connection aborted", "connection .. closed", "closed the connection", "connection lost", "lost connection", "connection failed", "connection error", "connect error", "broken pipe", "not connected", "failed to connect", "could not connect", "cannot connect", "can t connect", "unable to connect", "error trying to connect", "server has gone away", "network unreachable", "network is unreachable", "host unreachable", "host is unreachable", "no route to host", "dns error", "name resolution", "failed to lookup address", "could not resolve host", "name or service not known", "socket hang up"]),
    (Classification::new(Category::Unavailable), &["service unavailable", "service is unavailable", "service temporarily unavailable", "service is temporarily unavailable", "server unavailable", "server error", "server had an error", "internal error", "internal failure", "server is busy", "server busy", "bad gateway", "overloaded", "over capacity", "insufficient instance capacity", "under maintenance", "model is loading", "loading model", "loading the dataset", "is busy running", "cluster is down", "clusterdown", "masterdown", "read only replica", "not primary", "not master", "database system is", "terminating connection", "interrupted at shutdown", "runner process has terminated", "disk i o error"]),
    (Classification::new(Category::Conflict), &["already exists", "duplicate key", "duplicate entry", "unique constraint", "precondition failed", "conditional check failed", "conditional request failed", "another in progress request", "transaction conflict", "version conflict", "write conflict", "edit conflict", "merge conflict"]),
    (Classification::new(Category::Transient), &["temporarily unavailable", "temporary failure", "try again later", "resource busy", "database is locked", "table is locked", "deadlock detected", "deadlock found", "serialization failure", "could not serialize", "could not obtain lock", "cannot be accessed right now", "tryagain", "would block", "transient error"]),
    (Classification::new(Category::NotFound), &["not found", "notfound", "no such", "does not exist", "doesn t exist", "unknown model", "unknown database", "resource missing", "no matching script", "has been deprecated"]),
    (Classification::new(Category::Corrupt), &["corrupt", "corrupted", "checksum mismatch", "crc mismatch", "disk image is malformed", "malformed response", "malformed reply", "invalid response", "error decoding response"]),
    (Classification::new(Category::Invalid), &["malformed", "bad request", "invalid request", "invalid argument", "invalid input", "invalid parameter", "invalid value", "validation error", "validation exception", "validation failed", "failed validation", "missing field", "missing required", "unprocessable entity", "unsupported media type", "unsupported parameter", "unsupported value", "unrecognized request argument", "payload too large", "request too large", "syntax error", "error in your sql syntax", "could not parse", "value too long", "data too long", "unknown column", "not null constraint", "foreign key constraint", "check constraint", "wrong kind of value", "crossslot", "execabort", "card was declined", "card has expired", "insufficient funds"]),
    (Classification::new(Category::Permanent), &["not implemented", "not supported", "unsupported operation", "read only transaction", "read only option", "readonly database"]),
    (Classification::new(Category::Cancelled), &["operation cancelled", "operation canceled", "operation was cancelled", "operation was canceled", "request cancelled", "request canceled", "request was cancelled", "request was canceled", "context cancelled", "context canceled", "due to user request", "client closed request"]),
];

/// The categories of messages that consist of one word.
const WORDS: &[(&str, Category)] = &[
    ("timeout", Category::Timeout),
    ("conflict", Category::Conflict),
    ("unavailable", Category::Unavailable),
    ("cancelled", Category::Cancelled),
    ("canceled", Category::Cancelled),
];

/// Words after which a phrase does not mean what it says; the end of "isn't" is another one.
const DENIALS: &[&str] = &["no", "not", "never", "without", "non", "invalid"];

/// The standard's phrases for statuses, and those of proxies, as far as they are words enough to prove that a number is
/// one.
const REASONS: &[(u16, &str)] = &[
    (400, "bad request"),
    (401, "unauthorized"),
    (402, "payment required"),
    (403, "forbidden"),
    (404, "not found"),
    (405, "method not allowed"),
    (406, "not acceptable"),
    (407, "proxy authentication required"),
    (408, "request timeout"),
    (408, "request time out"),
    (409, "conflict"),
    (410, "gone"),
    (411, "length required"),
    (412, "precondition failed"),
    (413, "content too large"),
    (413, "payload too large"),
    (413, "request entity too large"),
    (414, "uri too long"),
    (414, "request uri too large"),
    (415, "unsupported media type"),
    (416, "range not satisfiable"),
    (416, "requested range not satisfiable"),
    (417, "expectation failed"),
    (421, "misdirected request"),
    (422, "unprocessable"),
    (423, "locked"),
    (424, "failed dependency"),
    (425, "too early"),
    (426, "upgrade required"),
    (428, "precondition required"),
    (429, "too many requests"),
    (431, "request header fields too large"),
    (451, "unavailable for legal reasons"),
    (499, "client closed request"),
    (500, "internal server error"),
    (501, "not implemented"),
    (502, "bad gateway"),
    (503, "service unavailable"),
    (503, "service temporarily unavailable"),
    (504, "gateway timeout"),
    (504, "gateway time out"),
    (505, "http version not supported"),
    (507, "insufficient storage"),
    (511, "network authentication required"),
    (529, "overloaded"),
];

/// Classifies an error by its message, if the message names the failure in plain words; else `Unknown`.
///
/// Only for errors that come as text and nothing else: no policy reads messages unless `text` in
/// `#[classify(..)]` asks for it. Case does not matter; words are whole words, so that "port 4290" is no
/// 429, and what separates them (a space, `-`, `_`, a capital in the middle) does not matter either, but
/// no phrase goes on beyond the end of a sentence. A phrase after "no", "not", "never", "without" or
/// "invalid" does not count. The first 4 KiB are read.
///
/// The first of these rules that finds something decides:
///
/// 1. The first row of this table that has a phrase in the message, whatever the status in the same text.
///    `..` stands for up to eight words.
///
#[doc = include_str!("from_text_first.md")]
///
///    "exceeded .. current quota" is `RateLimited` where the message says how long to wait, as
///    [`wait_hint`](super::wait_hint) reads it: that quota is refilled.
///
/// 2. An HTTP status: a number from 400 to 599 that is a word of its own, after "http" (with or without a
///    version), "status", "error code" or "response code", or before its phrase in the standard or in the
///    pages of proxies ("429 Too Many Requests", "504 Gateway Time-out"); at the end of a clause also after
///    "error", "returned" or "responded with". The class is the row of the status, and the number is its
///    code.
/// 3. The first row of this table that has a phrase in the message:
///
#[doc = include_str!("from_text.md")]
///
/// 4. A message that consists of "timeout", "conflict", "unavailable", "cancelled" or "canceled" only.
///
/// The phrases are those of OpenAI, Anthropic, Gemini, Ollama, Azure, AWS, GitHub, Stripe, Postgres, MySQL,
/// SQLite, Redis and MongoDB, and those of operating systems and HTTP clients.
///
/// # Examples
///
/// ```
/// use resilience::classify::{from_text, Category};
///
/// assert_eq!(from_text("HTTP 429 Too Many Requests").category, Category::RateLimited);
/// assert_eq!(from_text("HTTP 429: insufficient_quota").category, Category::Resource);
/// assert_eq!(from_text("model 'llama3' not found").category, Category::NotFound);
/// assert_eq!(from_text("listening on port 4290").category, Category::Unknown);
/// ```
pub fn from_text(message: &str) -> Classification {
    let words = words(message);
    first(&words, message)
        .or_else(|| by_status(&words))
        .or_else(|| by_phrase(&words, PHRASES))
        .or_else(|| by_word(&words))
        .unwrap_or(Category::Unknown.into())
}

/// Returns the class of the phrases that apply whatever the status.
fn first(words: &[Word], message: &str) -> Option<Classification> {
    let class = by_phrase(words, FIRST)?;
    let lasts = says(words, "insufficient quota") || says(words, "billing hard limit");
    let refilled = !lasts && says(words, "exceeded .. current quota") && wait_hint(message).is_some();
    Some(if refilled { Category::RateLimited.into() } else { class })
}

fn by_phrase(words: &[Word], rows: &[Row]) -> Option<Classification> {
    let row = rows.iter().find(|(_, phrases)| phrases.iter().any(|phrase| says(words, phrase)))?;
    Some(row.0)
}

fn by_word(words: &[Word]) -> Option<Classification> {
    let [word] = words else { return None };
    WORDS.iter().find(|(only, _)| *only == word.text).map(|(_, category)| (*category).into())
}

fn by_status(words: &[Word]) -> Option<Classification> {
    let status = (0..words.len()).find_map(|n| status(words, n))?;
    Some(Classification::from_status(status))
}

/// Returns whether the phrase is among the words and is not negated.
fn says(words: &[Word], phrase: &str) -> bool {
    (0..words.len()).any(|n| starts(words.get(n..), phrase) && !is_denied(words, n))
}

fn is_denied(words: &[Word], n: usize) -> bool {
    let opens = words.get(n).is_none_or(|word| word.opens);
    !opens
        && n.checked_sub(1).and_then(|n| words.get(n)).is_some_and(|word| matches!(word.role, Role::Denial))
}

/// Returns whether the words begin with the phrase, within one sentence.
fn starts(words: Option<&[Word]>, phrase: &str) -> bool {
    let mut words = words.unwrap_or_default().iter().enumerate();
    let mut reach = 1;
    for part in phrase.split(' ') {
        if part == ".." {
            reach = GAP + 1;
            continue;
        }
        let mut ahead = words.by_ref().take(reach).take_while(|(n, word)| *n == 0 || !word.opens);
        if !ahead.any(|(_, word)| word.text == part) {
            return false;
        }
        reach = 1;
    }
    true
}

/// Returns the text of the word at `n`, or an empty one if there is none.
fn text(words: &[Word], n: Option<usize>) -> &str {
    n.and_then(|n| words.get(n)).map_or("", |word| &word.text)
}

/// Returns the HTTP status in the word at `n`, if the words around it make it one.
fn status(words: &[Word], n: usize) -> Option<u16> {
    let word = words.get(n).filter(|word| word.alone)?;
    let status: u16 = word.text.parse().ok().filter(|status| (400..600).contains(status))?;
    let after = words.get(n + 1..);
    let reason = REASONS.iter().any(|(code, reason)| *code == status && starts(after, reason));
    if reason {
        return Some(status);
    }
    match context(words.get(..n).unwrap_or_default()) {
        Context::Sure => Some(status),
        Context::Likely if word.ends || LINKS.contains(&text(words, Some(n + 1))) => Some(status),
        _ => None,
    }
}

/// Words that can follow a status, but not a quantity.
const LINKS: &[&str] = &["from", "for", "on", "error", "response", "while", "when", "after"];

/// The meaning of the words before a number.
enum Context {
    Sure,
    Likely,
    None,
}

fn context(before: &[Word]) -> Context {
    let mut texts = before.iter().rev().map(|word| word.text.as_str()).peekable();
    while texts.next_if(|word| ["is", "was", "of"].contains(word)).is_some() {}
    let mut versions = 0;
    while versions < 2 && texts.next_if(|word| ["0", "1", "2", "3"].contains(word)).is_some() {
        versions += 1;
    }
    let code = texts.next_if_eq(&"code").is_some();
    let (last, previous) = (texts.next().unwrap_or(""), texts.next().unwrap_or(""));
    match last {
        "http" | "https" => Context::Sure,
        _ if versions > 0 => Context::None,
        "status" if previous != "exit" => Context::Sure,
        "error" | "response" if code => Context::Sure,
        "error" | "response" | "returned" | "replied" | "answered" => Context::Likely,
        "with" if ["responded", "replied", "answered", "failed"].contains(&previous) => Context::Likely,
        _ => Context::None,
    }
}

/// One word of a message, in lower case.
#[derive(Debug)]
struct Word {
    text: String,
    /// Whether the word is the first one of its sentence.
    opens: bool,
    /// Whether a clause ends behind the word.
    ends: bool,
    /// Whether nothing attached to the word makes a number something else: a sign, a fraction.
    alone: bool,
    role: Role,
}

/// The effect of a word on a phrase behind it.
#[derive(Clone, Copy, Debug)]
enum Role {
    Plain,
    /// The phrase does not mean what it says.
    Denial,
}

fn words(message: &str) -> Vec<Word> {
    let mut rest = head(message, READ);
    let is_cut = rest.len() < message.len();
    let mut words: Vec<Word> = Vec::new();
    loop {
        let (gap, from) = rest.split_at(rest.find(char::is_alphanumeric).unwrap_or(rest.len()));
        let (run, after) = from.split_at(from.find(|c: char| !c.is_alphanumeric()).unwrap_or(from.len()));
        if run.is_empty() {
            if is_cut {
                words.pop(); // It could go on behind the cut.
            }
            return words;
        }
        let opens = words.is_empty() || ends_sentence(gap);
        let alone = !gap.ends_with(['-', '+', '.', '#', '$', '\u{2212}']) && !has_fraction(after);
        let is_short_not = ["'", "\\'", "\u{2019}"].contains(&gap) && run.eq_ignore_ascii_case("t");
        for (n, part) in parts(run).into_iter().enumerate() {
            let text = part.to_lowercase();
            let denies = is_short_not || DENIALS.contains(&text.as_str());
            let role = if denies { Role::Denial } else { Role::Plain };
            words.push(Word { text, opens: opens && n == 0, ends: false, alone, role });
        }
        if let Some(last) = words.last_mut() {
            last.ends = ends_clause(after);
        }
        rest = after;
    }
}

/// Splits a run of letters and digits before each capital that follows a small letter.
fn parts(run: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut small) = (0, false);
    for (at, letter) in run.char_indices() {
        if small && letter.is_uppercase() {
            parts.extend(run.get(start..at));
            start = at;
        }
        small = letter.is_lowercase();
    }
    parts.extend(run.get(start..));
    parts
}

fn ends_sentence(gap: &str) -> bool {
    let mut letters = gap.chars().peekable();
    while let Some(letter) = letters.next() {
        let stops = match letter {
            ';' | '!' | '?' | '\n' => true,
            '.' => letters.peek().is_some_and(|next| next.is_whitespace()),
            _ => false,
        };
        if stops {
            return true;
        }
    }
    false
}

fn ends_clause(after: &str) -> bool {
    after.trim_start_matches(' ').chars().next().is_none_or(|next| ",.;:!?()[]{}\"'\n-".contains(next))
}

fn has_fraction(after: &str) -> bool {
    after.starts_with('%')
        || after.strip_prefix(['.', ',', ':']).is_some_and(|rest| rest.starts_with(char::is_numeric))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn category(message: &str) -> Category {
        from_text(message).category
    }

    /// Returns the rows of a documented table: category, whether it is undelivered, phrases.
    fn documented(table: &'static str) -> Vec<(String, bool, Vec<&'static str>)> {
        let rows = table.lines().skip(2);
        let cells = rows.map(|row| row.trim_matches(['|', ' ']).split_once(" | ").unwrap());
        let name = |cell: &str| cell.split('`').nth(1).unwrap().to_owned();
        cells.map(|(c, said)| (name(c), c.contains("not delivered"), said.split(", ").collect())).collect()
    }

    #[test]
    fn the_documented_tables_match_the_code() {
        for (table, rows) in
            [(include_str!("from_text_first.md"), FIRST), (include_str!("from_text.md"), PHRASES)]
        {
            let documented = documented(table);
            assert_eq!(documented.len(), rows.len());
            for ((category, undelivered, said), (class, phrases)) in documented.iter().zip(rows) {
                assert_eq!(*category, format!("{:?}", class.category));
                assert_eq!(
                    *undelivered && class.category == Category::Connection,
                    class.delivered == super::super::Delivered::No && class.category == Category::Connection
                );
                assert_eq!(said, phrases);
            }
        }
    }

    fn all() -> Vec<Row> {
        FIRST.iter().chain(PHRASES).copied().collect()
    }

    #[test]
    fn every_phrase_gives_the_category_of_its_row() {
        for (class, phrases) in all() {
            for phrase in phrases {
                let phrase = phrase.replace("..", "some thing");
                assert_eq!(from_text(&phrase), class, "{phrase}");
                assert_eq!(from_text(&format!("Oops: {}!", phrase.to_uppercase())), class, "{phrase}");
                assert_eq!(from_text(&phrase.replace(' ', "_")), class, "{phrase}");
            }
        }
    }

    #[test]
    fn a_status_does_not_override_the_first_table() {
        for (class, phrases) in FIRST {
            for phrase in *phrases {
                let phrase = phrase.replace("..", "some thing");
                for status in [400, 401, 403, 429, 500, 503] {
                    assert_eq!(from_text(&format!("HTTP {status}: {phrase}")), *class, "{status} {phrase}");
                }
            }
        }
    }

    #[test]
    fn no_phrase_is_shadowed_by_an_earlier_row() {
        let rows = all();
        let shadowed = |n: usize, phrase: &str| {
            let phrase = phrase.replace("..", "x");
            rows[..n].iter().any(|(_, earlier)| earlier.iter().any(|other| says(&words(&phrase), other)))
        };
        for (n, (_, phrases)) in rows.iter().enumerate() {
            for phrase in *phrases {
                assert!(!shadowed(n, phrase), "{phrase}");
            }
        }
    }

    proptest! {
        #[test]
        fn from_text_never_panics(message in "\\PC{0,60}") {
            let _ = from_text(&message);
        }

        #[test]
        fn long_messages_are_cut_at_a_character_boundary(pad in 4080..4100_usize, message in "[\\u{e9}4a ]{0,20}") {
            let _ = from_text(&format!("{}{message}", "x".repeat(pad)));
        }

        #[test]
        fn a_number_alone_is_unknown(number: u32) {
            prop_assert_eq!(category(&number.to_string()), Category::Unknown);
            prop_assert_eq!(category(&format!("port {number}")), Category::Unknown);
        }
    }
}
