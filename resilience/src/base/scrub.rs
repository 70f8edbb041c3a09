//! Makes text of others fit to be kept and shown: without secrets, control characters and bidirectional marks, and
//! of a bounded length.
//!
//! Error messages carry what a program sent: addresses with passwords, headers, request bodies. What leaves the
//! process (the record of a job, an alert) goes through [`scrub`] first. It knows secrets by their names
//! (`password=..`), by their places (the user of an address, the word behind `Bearer`) and by their forms (`sk-..`,
//! `AKIA..`, a JWT, a private key). When in doubt it hides too much: a message with one word less still says what
//! was wrong. It cannot know a secret that looks like any other word, so texts are kept only where a program asks for
//! it.

use super::visible::turns_text;
use std::iter::successors;

/// Stands in for each secret.
const HIDDEN: &str = "***";

/// Returns `text` without secrets and without characters that a terminal acts on, in at most `most` bytes.
///
/// A text that is cut ends with `..`.
pub(crate) fn scrub(text: &str, most: usize) -> String {
    let mut scrubbed = String::new();
    let (mut rest, mut before) = (text, None);
    while let Some(first) = rest.chars().next() {
        if scrubbed.len() > most {
            break;
        }
        let found = MATCHERS.iter().find_map(|matcher| matcher(rest, before));
        let SecretRange { kept, secret } = found.unwrap_or(SecretRange { kept: first.len_utf8(), secret: 0 });
        let (shown, after) = rest.split_at_checked(kept).unwrap_or((rest, ""));
        scrubbed.extend(shown.chars().map(harmless));
        let (hidden, after) = after.split_at_checked(secret).unwrap_or((after, ""));
        if secret > 0 {
            scrubbed.push_str(HIDDEN);
        }
        before = hidden.chars().next_back().or(shown.chars().next_back());
        rest = after;
    }
    cut(scrubbed.trim(), most)
}

/// Returns at most `most` bytes of `text`.
///
/// It never cuts a character in two.
fn cut(text: &str, most: usize) -> String {
    const MARK: &str = "..";
    if text.len() <= most {
        return text.to_owned();
    }
    let longest = most.saturating_sub(MARK.len());
    let shown = (0..=longest).rev().find_map(|end| text.get(..end));
    format!("{}{MARK}", shown.unwrap_or_default())
}

/// Returns a character that a terminal shows as it is: white space is a space, and a character that would move the
/// cursor or turn the text is `U+FFFD`.
fn harmless(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        c if c.is_control() || turns_text(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

/// The number of bytes at the beginning of a text that stay, and of the secret bytes after them.
///
/// Both may not be zero: each matcher moves on, or finds nothing.
#[derive(Debug)]
struct SecretRange {
    kept: usize,
    secret: usize,
}

/// A function that looks for a secret at the beginning of a text, given the character before it.
type Matcher = fn(&str, Option<char>) -> Option<SecretRange>;

/// The first match decides. They are called at each character, so each looks at the beginning only, and
/// gives up early.
const MATCHERS: [Matcher; 5] = [private_key, user_of_address, behind_scheme, behind_name, by_form];

/// The bytes in which a secret is recognised that ends with no particular character. What is recognised is hidden to its
/// end, however far that is.
const FAR: usize = 8 * 1024;

/// Finds `-----BEGIN RSA PRIVATE KEY-----`, to the end of the block, or of the text if that was cut.
fn private_key(text: &str, _: Option<char>) -> Option<SecretRange> {
    const DASHES: &str = "-----";
    let title = text.strip_prefix("-----BEGIN ")?;
    let (title, _) = title.split_once(DASHES).filter(|(title, _)| title.len() <= 64)?;
    if !title.contains("PRIVATE KEY") {
        return None;
    }
    let end = text.find("-----END ").map(|at| at + "-----END ".len());
    let end = end.and_then(|at| Some(at + text.get(at..)?.find(DASHES)? + DASHES.len()));
    Some(SecretRange { kept: 0, secret: end.unwrap_or(text.len()) })
}

/// Finds `postgres://user:password@host`: all between the slashes and the `@`.
fn user_of_address(text: &str, _: Option<char>) -> Option<SecretRange> {
    const SLASHES: &str = "://";
    let rest = text.strip_prefix(SLASHES)?;
    let ends = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`' | '<' | '>' | '|');
    let end = rest.char_indices().find(|(at, c)| *at >= FAR || ends(*c)).map_or(rest.len(), |(at, _)| at);
    let whole = rest.get(..end)?;
    let host = whole.split(['/', '?', '#']).next()?;
    let at = match (host.rfind('@'), host.split_once(':')) {
        (Some(at), _) => at,
        // A password with a slash in it: the text after the colon is not a port.
        (None, Some((_, port))) if port.is_empty() || !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            whole.rfind('@')?
        }
        _ => return None,
    };
    (at > 0).then_some(SecretRange { kept: SLASHES.len(), secret: at })
}

/// Finds `Bearer <token>`, `Basic <credentials>`.
///
/// The scheme stays. What follows is a secret unless it is a short word of small letters.
fn behind_scheme(text: &str, before: Option<char>) -> Option<SecretRange> {
    const SCHEMES: [&str; 2] = ["bearer", "basic"];
    if is_part_of_word(before) {
        return None;
    }
    let scheme = SCHEMES.iter().find(|scheme| begins_with(text, scheme))?;
    let rest = text.get(scheme.len()..)?;
    let token = behind_space(rest.strip_prefix([':', '=']).unwrap_or(rest));
    let token = token.get(run(token, is_quote)..)?;
    let between = rest.len() - token.len();
    let len = whole(token, |c| is_of_token(c) || matches!(c, '+' | '/' | '=' | '~' | '*' | ':'));
    let token = token.get(..len)?.trim_end_matches(['.', ':']);
    // "the bearer token is invalid", "basic authentication".
    let is_word = token.len() < 20 && token.chars().skip(1).all(|c| c.is_ascii_lowercase());
    (between > 0 && token.len() >= 4 && !is_word)
        .then_some(SecretRange { kept: scheme.len() + between, secret: token.len() })
}

/// Finds `password=..`, `"api_key": ".."`, `Authorization: ..`, `--token ..`, `("token", "..")`, `Secret("..")` and
/// `<password>..`.
fn behind_name(text: &str, before: Option<char>) -> Option<SecretRange> {
    if before.is_some_and(is_of_token) {
        return None;
    }
    let name_len = run(text, is_of_token);
    let name = text.get(..name_len).filter(|name| name.len() <= 64)?;
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let plain = plain.to_ascii_lowercase();
    let is_of_query = matches!(before, Some('?' | '&')) && matches!(&*plain, "key" | "sig" | "code");
    let is_header = HEADERS.iter().any(|known| plain.ends_with(known));
    let is_secret = is_header
        || is_of_query
        || ANYWHERE.iter().any(|known| plain.contains(known))
        || AT_THE_END.iter().any(|known| plain.ends_with(known));
    if !is_secret {
        return None;
    }
    let rest = text.get(name_len..)?;
    let value = behind_sign(rest)
        .or_else(|| behind_option(name, rest))
        .or_else(|| behind_comma(rest))
        .or_else(|| inside_types(text));
    let Some(value) = value else { return inside_element(text, rest, before) };
    let opening = run(value, |c| is_quote(c) || c == '`');
    let (opening, value) = value.split_at_checked(opening)?;
    let len = match opening.chars().next_back() {
        Some(quote) => quoted(value, quote, opening.contains('\\')),
        None if is_header => header(value),
        None => bare(value),
    };
    (len > 0).then_some(SecretRange { kept: text.len() - value.len(), secret: len })
}

/// Returns the value behind a name, its closing quote and a sign, without the types around it.
fn behind_sign(rest: &str) -> Option<&str> {
    let after_name = run(rest, |c| is_quote(c) || matches!(c, '`' | ']'));
    let sign = behind_space(rest.get(after_name..)?);
    let value = ["=>", ":=", "==", "=", ":"].iter().find_map(|known| sign.strip_prefix(known))?;
    let value = behind_space(value);
    let bare = value.strip_prefix("Some(").unwrap_or(value);
    Some(inside_types(bare).unwrap_or(bare))
}

/// Returns the value behind `--name` on a command line. What a usage puts there is in brackets.
fn behind_option<'a>(name: &str, rest: &'a str) -> Option<&'a str> {
    let value = behind_space(rest);
    let is_value = value.len() < rest.len() && !value.starts_with(['-', '<', '[']);
    (name.starts_with("--") && is_value).then_some(value)
}

/// Returns the quoted value after a quoted name, in a list: `("token", "..")`. Names in backquotes are those of a sentence.
fn behind_comma(rest: &str) -> Option<&str> {
    let value = rest.get(run(rest, is_quote)..)?;
    let value = behind_space(value.strip_prefix(',').filter(|_| value.len() < rest.len())?);
    value.starts_with(is_quote).then_some(value)
}

/// The most types around a text that are looked through, with the text itself.
const MOST_TYPES: usize = 8;

/// Returns the quoted text inside of types, as `Debug` writes them: `Some(my::Password("` and `Text { inner: "`.
///
/// Types count only before a quote: a password may have a bracket in it.
fn inside_types<'a>(value: &'a str) -> Option<&'a str> {
    let is_of_path = |c: char| c == ':' || c == '_' || c.is_ascii_alphanumeric();
    let step = |inner: &&'a str| {
        let rest = inner.get(run(inner, is_of_path)..)?;
        let field = || rest.strip_prefix(" { ").and_then(|field| field.get(run(field, is_of_token)..));
        let content = rest.strip_prefix('(').or_else(|| field()?.strip_prefix(": "));
        content.filter(|_| rest.len() < inner.len())
    };
    let inner = successors(Some(value), step).take(MOST_TYPES).last()?;
    (inner.len() < value.len() && inner.starts_with(is_quote)).then_some(inner)
}

/// Finds the content of an element of XML, `<password>..</`, or of one with a prefix, `<a:password b="c">..</`.
fn inside_element(text: &str, rest: &str, before: Option<char>) -> Option<SecretRange> {
    let attributes = rest.get(..run(rest, |c| !matches!(c, '<' | '>' | '\n')))?;
    let value = rest.get(attributes.len()..)?.strip_prefix('>')?;
    let len = whole(value, |c| c != '<');
    let begins = before == Some('<') || before == Some(':') && len < value.len();
    let is_open = attributes.is_empty() || attributes.starts_with(' ') && !attributes.ends_with('/');
    (begins && is_open && len > 0).then_some(SecretRange { kept: text.len() - value.len(), secret: len })
}

/// Returns the text behind the white space before it, in the same line.
fn behind_space(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_whitespace() && !matches!(c, '\n' | '\r'))
}

/// Returns whether the character is part of a quote, which may be inside of another text.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\')
}

/// Names whose value is the rest of the line.
///
/// Ends of a name, so that `Proxy-Authorization` and `Set-Cookie` are among them.
const HEADERS: [&str; 2] = ["authorization", "cookie"];
/// Parts of a name that make its value a secret.
const ANYWHERE: [&str; 9] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "apikey",
    "accesskey",
    "privatekey",
    "accountkey",
    "credential",
];
/// Ends of a name that make its value a secret: there may be as many `tokens` as one likes.
const AT_THE_END: [&str; 12] = [
    "token",
    "pwd",
    "pass",
    "sessionid",
    "signature",
    "signingkey",
    "encryptionkey",
    "authkey",
    "masterkey",
    "sharedkey",
    "subscriptionkey",
    "functionskey",
];

/// Returns the length of a value that ends with `quote`, which a backslash makes part of the value; or, if the opening
/// quote itself had one, with the quote behind the next backslash: `{\"password\":\"..\"}`.
fn quoted(value: &str, quote: char, is_quoted_twice: bool) -> usize {
    let mut is_escaped = false;
    for (at, c) in value.char_indices() {
        let is_end = if is_quoted_twice { c == '\\' } else { c == quote && !is_escaped };
        if is_end {
            return at;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    value.len()
}

/// Returns the length of the value of a header without quotes around it; `Digest username="..", response=".."` has some
/// inside.
fn header(value: &str) -> usize {
    let mut end = 0;
    while let Some(rest) = value.get(end..) {
        end += whole(rest, |c| !matches!(c, '\n' | '\r' | '"' | '\'' | '`' | '}' | ']' | '|'));
        let Some((before, rest)) = value.split_at_checked(end) else { break };
        let name = before.rsplit([' ', ',']).next().and_then(|word| word.strip_suffix('='));
        let is_parameter = name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_lowercase()));
        let Some(inside) = rest.strip_prefix('"').filter(|_| is_parameter) else { break };
        let quotes = (1 + quoted(inside, '"', false) + 1).min(rest.len());
        end += quotes;
    }
    end
}

/// Returns the length of a value without quotes.
///
/// It ends at white space and at what separates values; closing brackets, commas and dots end it only where nothing
/// of the value follows, since passwords have them.
fn bare(value: &str) -> usize {
    let mut chars = value.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, next)| *next);
        let is_last = next.is_none_or(|next| next.is_whitespace() || ")}]>,;.\"'`".contains(next));
        match c {
            c if c.is_whitespace() => return at,
            '&' | ';' | '"' | '\'' | '`' | '|' => return at,
            ',' | ')' | ']' | '}' | '>' if is_last => return at,
            '.' | ':' if next.is_none_or(char::is_whitespace) => return at,
            _ => {}
        }
    }
    value.len()
}

/// The prefixes of secrets of known services, and the least number of characters after them.
///
/// The least length keeps words that begin alike, such as `sk-8`, from being hidden.
const FORMS: [(&str, usize); 43] = [
    ("sk-", 8),
    ("sk_live_", 8),
    ("sk_test_", 8),
    ("rk_live_", 8),
    ("rk_test_", 8),
    ("pk_live_", 8),
    ("whsec_", 8),
    ("AKIA", 12),
    ("ASIA", 12),
    ("AIza", 20),
    ("GOCSPX-", 16),
    ("ya29.", 10),
    ("ghp_", 10),
    ("gho_", 10),
    ("ghu_", 10),
    ("ghs_", 10),
    ("ghr_", 10),
    ("github_pat_", 10),
    ("glpat-", 10),
    ("xoxa-", 8),
    ("xoxb-", 8),
    ("xoxc-", 8),
    ("xoxd-", 8),
    ("xoxp-", 8),
    ("xoxr-", 8),
    ("xoxs-", 8),
    ("xapp-", 8),
    ("SG.", 16),
    ("hf_", 16),
    ("npm_", 16),
    ("pypi-", 16),
    ("dop_v1_", 16),
    ("shpat_", 16),
    ("gsk_", 16),
    ("xai-", 16),
    ("pplx-", 16),
    ("r8_", 16),
    ("nvapi-", 16),
    ("hvs.", 16),
    ("glsa_", 16),
    ("dckr_pat_", 10),
    ("lin_api_", 16),
    ("ATATT3", 16),
];

/// Finds a key or token that is recognised by its form.
///
/// Hashes stay: they have digits and letters of one case, and help to find what they are of.
fn by_form(text: &str, before: Option<char>) -> Option<SecretRange> {
    if is_part_of_word(before) {
        return None;
    }
    let hidden = |is: fn(char) -> bool| {
        let word = text.get(..whole(text, is))?.trim_end_matches('.');
        Some(SecretRange { kept: 0, secret: word.len() })
    };
    let word = text.get(..run(text, is_of_token))?.trim_end_matches('.');
    let has_form = |(start, least): &(&str, usize)| {
        word.strip_prefix(start).is_some_and(|rest| run(rest, is_of_token) >= *least)
    };
    let is_json_web_token = || {
        let mut parts = word.split('.');
        let [header, claims] = [parts.next(), parts.next()].map(|part| part.unwrap_or_default().len());
        word.starts_with("eyJ") && header >= 10 && claims >= 4
    };
    if FORMS.iter().any(has_form) || is_json_web_token() {
        return hidden(is_of_token);
    }
    // Long, and of all kinds of characters: base64, not a word, a number or a hash.
    let word =
        text.get(..run(text, is_of_base64)).filter(|word| word.len() >= 40 && !word.starts_with('/'))?;
    let has = |is: fn(&char) -> bool| word.chars().filter(is).count() >= 4;
    let is_mixed =
        has(char::is_ascii_lowercase) && has(char::is_ascii_uppercase) && has(char::is_ascii_digit);
    if is_mixed { hidden(is_of_base64) } else { None }
}

/// Returns whether names and tokens contain the character.
fn is_of_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn is_of_base64(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '_')
}

/// Returns whether a word continues: a form is searched for at the beginning of words only.
fn is_part_of_word(before: Option<char>) -> bool {
    before.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Compares without regard to case; `start` is ASCII.
fn begins_with(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|text| text.eq_ignore_ascii_case(start))
}

/// Returns how many bytes at the beginning of `text` are such characters, up to the searched length.
fn run(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.char_indices().find(|(at, c)| *at >= FAR || !is(*c)).map_or(text.len(), |(at, _)| at)
}

/// Returns how many bytes at the beginning of `text` are such characters.
fn whole(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 2_000;

    /// Texts with a secret, and the texts without it.
    const CANARIES: &[(&str, &str)] = &[
        ("password:\tCANARY1", "password: ***"),
        ("password\t=\u{a0}CANARY1", "password =\u{a0}***"),
        ("Authorization:\tCANARY1", "Authorization: ***"),
        ("with Bearer\tCANARY123", "with Bearer ***"),
        ("401 for Bearer abc123.def-456", "401 for Bearer ***"),
        ("Authorization: Bearer CANARYCANARY", "Authorization: ***"),
        ("authorization: Basic dXNlcjpwYXNz, retried", "authorization: ***"),
        ("header Basic dXNlcjpwYXNz was refused", "header Basic *** was refused"),
        ("{\"Authorization\": \"token CANARY\"}", "{\"Authorization\": \"***\"}"),
        ("Cookie: sid=CANARY; lang=en\nbody", "Cookie: *** body"),
        ("Cookie: sid=\"CANARY\"; lang=en\nbody", "Cookie: *** body"),
        ("[\"authorization: Basic dXNlcjpwYXNz\", \"accept: *\"]", "[\"authorization: ***\", \"accept: *\"]"),
        ("Authorization: Digest username=\"CANARY\", response=\"CANARY\"\nbody", "Authorization: *** body"),
        ("Authorization: Digest username=\"CANARY", "Authorization: ***"),
        ("Incorrect API key provided: sk-proj-CANARY_canary-123456.", "Incorrect API key provided: ***."),
        ("key sk-ant-api03-CANARYCANARY is revoked", "key *** is revoked"),
        ("stripe sk_live_CANARYCANARY1", "stripe ***"),
        ("AKIAIOSFODNN7EXAMPLE is not authorized", "*** is not authorized"),
        ("ASIAIOSFODNN7EXAMPLE", "***"),
        ("secret wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY9876 leaked", "secret *** leaked"),
        ("clone with ghp_CANARYCANARYCANARY failed", "clone with *** failed"),
        ("github_pat_11CANARY_0123456789", "***"),
        ("glpat-CANARYCANARY12", "***"),
        ("slack xoxb-123456789-CANARY", "slack ***"),
        ("slack xoxc-123456789-CANARY", "slack ***"),
        ("google GOCSPX-CANARYCANARYCANARYCANARYCANA", "google ***"),
        ("maps AIzaSyCANARYCANARYCANARYCANARY", "maps ***"),
        ("postgres://app:hunter2@db:5432/app refused", "postgres://***@db:5432/app refused"),
        ("postgres://app:hun/ter2@db/app refused", "postgres://***@db/app refused"),
        ("amqp://app:p@ss@host/", "amqp://***@host/"),
        ("https://CANARYTOKEN@git.example/x.git", "https://***@git.example/x.git"),
        ("redis://:hunter2@cache:6379", "redis://***@cache:6379"),
        ("GET https://api/x?api_key=CANARY&page=2", "GET https://api/x?api_key=***&page=2"),
        ("GET https://api/x?key=CANARY&page=2", "GET https://api/x?key=***&page=2"),
        ("?sig=CANARY%3D&se=2026", "?sig=***&se=2026"),
        ("password=hunter2", "password=***"),
        ("Password = hunter2; Server=db", "Password = ***; Server=db"),
        ("password='hun ter2' host=db", "password='***' host=db"),
        ("password: hunter2, user: app", "password: ***, user: app"),
        ("Login { user: \"app\", password: \"hun\\\"ter2\" }", "Login { user: \"app\", password: \"***\" }"),
        ("Login { password: Some(\"hunter2\") }", "Login { password: Some(\"***\") }"),
        ("Login { password: Password(\"hun ter2\") }", "Login { password: Password(\"***\") }"),
        ("{ api_key: Some(my::Key(\"CANARY\")), n: 1 }", "{ api_key: Some(my::Key(\"***\")), n: 1 }"),
        ("token: Some(Token(Inner('CANARY')))", "token: Some(Token(Inner('***')))"),
        ("password=Hun(ter2", "password=***"),
        ("{\"client_secret\":\"CANARY\",\"id\":7}", "{\"client_secret\":\"***\",\"id\":7}"),
        ("{\\\"password\\\":\\\"CANARY\\\",\\\"id\\\":7}", "{\\\"password\\\":\\\"***\\\",\\\"id\\\":7}"),
        ("{\"pin\":1,\"api-key\":12345,\"n\":2}", "{\"pin\":1,\"api-key\":***,\"n\":2}"),
        ("{'x-api-key' => 'CANARY'}", "{'x-api-key' => '***'}"),
        ("DB_PASSWORD=CANARY", "DB_PASSWORD=***"),
        ("AccountKey=CANARY==;EndpointSuffix=core", "AccountKey=***;EndpointSuffix=core"),
        ("access_token=CANARY expired", "access_token=*** expired"),
        ("PGPASS=CANARY", "PGPASS=***"),
        ("<login><password>CANARY</password></login>", "<login><password>***</password></login>"),
        (
            "<wsse:Password Type=\"a\">CAN ARY</wsse:Password>",
            "<wsse:Password Type=\"a\">***</wsse:Password>",
        ),
        ("run mysql --password CANARY --host db", "run mysql --password *** --host db"),
        ("run x --api-key 'CAN ARY' now", "run x --api-key '***' now"),
        ("[\"--token\", \"CANARY\", \"--all\"]", "[\"--token\", \"***\", \"--all\"]"),
        (
            "[(\"x-api-key\", \"CANARY\"), (\"accept\", \"*\")]",
            "[(\"x-api-key\", \"***\"), (\"accept\", \"*\")]",
        ),
        ("[('Cookie', 'a=CANARY')]", "[('Cookie', '***')]"),
        ("[[\\\"x-api-key\\\",\\\"CANARY\\\"]]", "[[\\\"x-api-key\\\",\\\"***\\\"]]"),
        ("Secret { value: \"CANARY\" }", "Secret { value: \"***\" }"),
        ("db: my::Password { raw: Some(\"CANARY\") }", "db: my::Password { raw: Some(\"***\") }"),
        (
            "Login { password: Text { inner: \"CANARY\", n: 1 } }",
            "Login { password: Text { inner: \"***\", n: 1 } }",
        ),
        ("Err(ApiKey(\"CANARY\"))", "Err(ApiKey(\"***\"))"),
        ("Token(Inner('CANARY'))", "Token(Inner('***'))"),
        ("with Bearer \"CANARY123\"", "with Bearer \"***\""),
        ("scheme: Bearer, Bearer: CANARY123", "scheme: Bearer, Bearer: ***"),
        ("Ocp-Apim-Subscription-Key: CANARY", "Ocp-Apim-Subscription-Key: ***"),
        ("X-Auth-Key: CANARY", "X-Auth-Key: ***"),
        ("model key gsk_CANARYCANARYCANARY", "model key ***"),
        ("vault hvs.CANARYCANARYCANARY", "vault ***"),
        ("jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJDQU5BUlkifQ.c2lnbmF0dXJl is expired", "jwt *** is expired"),
        (
            "bad key -----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY----- in file",
            "bad key *** in file",
        ),
        ("-----BEGIN PRIVATE KEY-----\nCANARY", "***"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\\nCANARY\\n-----END OPENSSH PRIVATE KEY-----", "***"),
    ];

    /// Texts of which everything stays.
    const HARMLESS: &[&str] = &[
        "",
        "connection refused (os error 111)",
        "429 Too Many Requests: max_tokens=4096, tokens: 17",
        "the bearer token is invalid; use basic authentication",
        "no such file: /home/app/Data/2026/import-12345678901234567890.csv",
        "https://api.example:8443/v1/users@2/page?n=1#top",
        "job import:7 of tenant 0192f7a6-3c1e-7bd2-9a51-2f0c8f2b9e10",
        "sha256 e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "sk-learn and scikit are not keys, nor is task-1234567890",
        "unexpected end of JSON at line 3 column 7",
        "-----BEGIN CERTIFICATE-----",
        "unknown field `token`, expected one of `host`, `password`, `port`",
        "the following arguments are required: --password <PASSWORD>",
        "usage: mysql [--password [PASSWORD]] [--host HOST]",
        "TokenError { line: 3, column: 7 }",
        "the password (8 letters at least) is missing",
        "Bearer tokens: see the page",
        "Grüße, 世界",
    ];

    #[test]
    fn secrets_are_hidden_and_the_rest_stays() {
        for (text, expected) in CANARIES {
            assert_eq!(scrub(text, MOST), *expected, "{text}");
        }
        for text in HARMLESS {
            assert_eq!(scrub(text, MOST), *text);
        }
    }

    #[test]
    fn secrets_are_found_anywhere_and_masked_ones_stay_masked() {
        for (text, expected) in CANARIES {
            // A line that ended a secret is not one any more.
            if !text.contains('\n') {
                assert_eq!(scrub(expected, MOST), *expected, "{text}");
            }
            for (before, after) in [("error: ", ""), ("(", ")"), ("\n", "\n"), ("世界 ", " 世界")] {
                let within = scrub(&format!("{before}{text}{after}"), MOST);
                assert!(!within.contains("CANARY") && !within.contains("hunter2"), "{within}");
            }
        }
    }

    #[test]
    fn a_secret_of_any_length_is_hidden_to_its_end() {
        let long = "aB3CANARY".repeat(3_000);
        for (before, after) in [
            ("Bearer ", " refused"),
            ("Authorization: ", "\nrefused"),
            ("Cookie: a=1; b=", "\nrefused"),
            ("password=", " refused"),
            ("{\"api_key\": \"", "\"} refused"),
            ("sk-", " refused"),
            ("eyJhbGciOiJIUzI1NiJ9.eyJ9.", " refused"),
            ("the key ", " refused"),
            ("https://", "@host refused"),
            ("https://user:", "@host refused"),
            ("-----BEGIN PRIVATE KEY-----\n", "\n-----END PRIVATE KEY----- refused"),
        ] {
            let seen = scrub(&format!("{before}{long}{after}"), MOST);
            assert!(!seen.contains("CANARY") && seen.ends_with("refused"), "{before}: {seen}");
        }
    }

    #[test]
    fn control_characters_are_replaced() {
        assert_eq!(scrub("a\u{1b}[31mb\tc\r\nd\u{202e}e\u{7}", MOST), "a\u{fffd}[31mb c  d\u{fffd}e\u{fffd}");
        assert_eq!(scrub("pass\u{0}word=x", MOST), "pass\u{fffd}word=x");
    }

    #[test]
    fn a_long_text_is_cut_at_a_character_boundary() {
        assert_eq!(scrub("abcdefgh", 8), "abcdefgh");
        assert_eq!(scrub("abcdefghi", 8), "abcdef..");
        assert_eq!(scrub("äöüäöü", 8), "äöü..");
        assert_eq!(scrub("abc", 1), "..");
        // A secret at the cut is hidden before it is cut.
        assert_eq!(scrub("aaaaaaaa password=hunter2", 20), "aaaaaaaa password=..");
    }

    /// Each text is read once, up to the kept length: the test takes minutes if a part is read again for each
    /// character.
    #[test]
    fn hostile_texts_are_read_in_linear_time() {
        for part in [
            "://",
            "-----BEGIN ",
            "password=",
            "a.",
            "\"",
            "eyJ",
            "Bearer ",
            "世",
            "pwd: Some(\"\\",
            "<password ",
            "pwd { a: ",
            "--pwd ",
            "\"pwd\",",
            "bearer \"",
        ] {
            let long = part.repeat(1_000_000 / part.len());
            assert!(scrub(&long, 1_000).len() <= 1_000);
        }
    }
}
