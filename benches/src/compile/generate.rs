//! Crates of many small functions, alike but for what stands above each of them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The functions of a crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Plain,
    ByHand,
    /// Written out, and each loop named in a link-time table: the least cost of an attribute with an inventory.
    Listed,
    Retry,
    /// Without settings.
    RetryAlone,
    Breaker,
    Four,
    Instrument,
    /// With no argument recorded.
    InstrumentSkipAll,
    AsyncTrait,
    Backon,
    /// No functions at all: only what building the dependency costs.
    Empty,
    /// No functions, and not this library, but what any attribute with a timer stands on.
    Floor,
}

const FUNCTIONS: u32 = 200;

/// The prefix of the names of these crates.
pub(crate) const PREFIX: &str = "many_";

impl Variant {
    /// The measured variants, the plain functions first.
    pub(crate) const ALL: [Self; 11] = [
        Self::Plain,
        Self::ByHand,
        Self::Listed,
        Self::Retry,
        Self::RetryAlone,
        Self::Breaker,
        Self::Four,
        Self::Instrument,
        Self::InstrumentSkipAll,
        Self::AsyncTrait,
        Self::Backon,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ByHand => "a retry loop by hand in each",
            Self::Listed => "the loop, and its name in a linkme slice, by hand",
            Self::Retry => "`#[with_retry(max = 3, backoff = 2.0)]`",
            Self::RetryAlone => "`#[with_retry]`",
            Self::Breaker => "`#[circuit_breaker(threshold = 5, recovery = 60s)]`",
            Self::Four => "the four attributes",
            Self::Instrument => "`#[tracing::instrument]`",
            Self::InstrumentSkipAll => "`#[tracing::instrument(skip_all)]`",
            Self::AsyncTrait => "`#[async_trait]`",
            Self::Backon => "`#[backon]` of backon-macros",
            Self::Empty => "the core with its default features",
            Self::Floor => "syn (full), quote and tokio (rt, time) alone",
        }
    }

    /// Returns whether the design has a limit for the variant.
    pub(crate) fn has_bar(self) -> bool {
        self == Self::Retry
    }

    fn attributes(self) -> &'static str {
        match self {
            Self::Plain | Self::ByHand | Self::Listed | Self::AsyncTrait | Self::Empty | Self::Floor => "",
            Self::Instrument => "#[tracing::instrument]\n",
            Self::InstrumentSkipAll => "#[tracing::instrument(skip_all)]\n",
            Self::Backon => "#[backon_macros::backon(sleep = tokio::time::sleep, when = Failed::may_pass)]\n",
            Self::Retry => "#[resilience::with_retry(max = 3, backoff = 2.0)]\n",
            Self::RetryAlone => "#[resilience::with_retry]\n",
            Self::Breaker => "#[resilience::circuit_breaker(threshold = 5, recovery = 60s)]\n",
            Self::Four => {
                "#[resilience::with_fallback(kept)]\n\
                 #[resilience::with_retry(max = 3, backoff = 2.0)]\n\
                 #[resilience::circuit_breaker(threshold = 5, recovery = 60s)]\n\
                 #[resilience::timeout(2s)]\n"
            }
        }
    }

    fn body(self, number: u32, salt: u32) -> String {
        let body = format!(
            "let page = client.get(id + {salt}).await?;
    if page.is_empty() {{
        return Err(Failed::Empty);
    }}
    let more = client.get(page.len() as u64).await?;
    Ok(page.len() as u64 + more.len() as u64)"
        );
        let listed = match self {
            Self::ByHand => String::new(),
            Self::Listed => {
                format!(
                    "#[linkme::distributed_slice(crate::NAMES)]\n    static NAME: &str = \"f{number}\";\n    "
                )
            }
            _ => return body,
        };
        format!(
            "{listed}let mut retries = 0;
    loop {{
        let done: Result<u64, Failed> = async {{ {body} }}.await;
        match done {{
            Err(error) if retries < 3 && error.may_pass() => {{
                tokio::time::sleep(std::time::Duration::from_millis(100 << retries)).await;
                retries += 1;
            }}
            done => return done,
        }}
    }}"
        )
    }
}

/// The code that every crate has around its functions.
const AROUND: &str = "#![allow(dead_code)]
#[derive(Debug)]
pub struct Client(u64);

impl Client {
    pub async fn get(&self, id: u64) -> Result<String, Failed> {
        if id > self.0 { Err(Failed::Gone) } else { Ok(id.to_string()) }
    }
}

#[derive(Debug)]
pub enum Failed {
    Gone,
    Empty,
}

impl Failed {
    fn may_pass(&self) -> bool {
        matches!(self, Failed::Gone)
    }
}
";

/// The further code of a crate with a table of names.
const NAMES: &str = "
#[linkme::distributed_slice]
pub static NAMES: [&str];
";

/// The further code of crates with policies.
const CLASSIFIED: &str = "
impl resilience::Classify for Failed {
    fn classify(&self) -> resilience::Classification {
        resilience::Category::Transient.into()
    }
}

impl From<resilience::Rejected> for Failed {
    fn from(_: resilience::Rejected) -> Self {
        Failed::Gone
    }
}

fn kept(_: &Client, id: u64) -> Option<u64> {
    Some(id)
}
";

/// Writes the crate of `variant` below `root`.
pub(crate) fn project(root: &Path, variant: Variant) -> io::Result<PathBuf> {
    // A name of its own each: crates that share one also share what the compiler remembers between edits.
    let directory = root.join(format!("{PREFIX}{variant:?}").to_lowercase());
    fs::create_dir_all(directory.join("src"))?;
    fs::write(directory.join("Cargo.toml"), manifest(variant))?;
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    fs::copy(lock, directory.join("Cargo.lock"))?;
    fs::write(source(&directory), text(variant, 0))?;
    Ok(directory)
}

/// Returns the file that holds the functions.
pub(crate) fn source(directory: &Path) -> PathBuf {
    directory.join("src/lib.rs")
}

fn manifest(variant: Variant) -> String {
    let resilience = Path::new(env!("CARGO_MANIFEST_DIR")).join("../resilience");
    let own = match variant {
        Variant::Floor => "syn = { version = \"3\", features = [\"full\"] }\nquote = \"1\"\n".to_owned(),
        Variant::Instrument | Variant::InstrumentSkipAll => {
            "tracing = { version = \"0.1\", features = [\"attributes\"] }\n".to_owned()
        }
        Variant::Listed => "linkme = \"0.3\"\n".to_owned(),
        Variant::AsyncTrait => "async-trait = \"0.1\"\n".to_owned(),
        Variant::Backon => {
            "backon = { version = \"1.6\", default-features = false, features = [\"tokio-sleep\"] }\n\
                            backon-macros = \"1\"\n"
                .to_owned()
        }
        _ => format!("resilience = {{ path = \"{}\" }}\n", resilience.display()),
    };
    format!(
        "[package]\nname = \"{PREFIX}{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{own}\
         tokio = {{ version = \"1\", default-features = false, features = [\"rt\", \"time\"] }}\n\n[workspace]\n",
        format!("{variant:?}").to_lowercase()
    )
}

fn text(variant: Variant, edit: u32) -> String {
    if matches!(variant, Variant::Empty | Variant::Floor) {
        return String::new();
    }
    let mut text = AROUND.to_owned();
    if matches!(variant, Variant::Retry | Variant::RetryAlone | Variant::Breaker | Variant::Four) {
        text.push_str(CLASSIFIED);
    }
    if variant == Variant::Listed {
        text.push_str(NAMES);
    }
    // The attribute stands above all of them at once.
    let in_trait = variant == Variant::AsyncTrait;
    if in_trait {
        text.push_str("\n#[async_trait::async_trait]\npub trait Many {\n");
        for number in 0..FUNCTIONS {
            let _ = writeln!(
                text,
                "    async fn f{number}(&self, client: &Client, id: u64) -> Result<u64, Failed>;"
            );
        }
        text.push_str("}\n\n#[async_trait::async_trait]\nimpl Many for Client {\n");
    }
    let (visible, receiver) = if in_trait { ("", "&self, ") } else { ("pub ", "") };
    for number in 0..FUNCTIONS {
        // The edit is one number in one body.
        let salt = if number == FUNCTIONS / 2 { number + edit } else { number };
        let (attributes, body) = (variant.attributes(), variant.body(number, salt));
        let _ = write!(
            text,
            "\n{attributes}{visible}async fn f{number}({receiver}client: &Client, id: u64) -> Result<u64, Failed> {{\n    {body}\n}}\n"
        );
    }
    if in_trait {
        text.push_str("}\n");
    }
    text
}

/// Changes one function's body, differently for each `edit`.
pub(crate) fn change(directory: &Path, edit: u32) -> io::Result<()> {
    let path = source(directory);
    let text = fs::read_to_string(&path)?;
    let middle = FUNCTIONS / 2;
    let (before, now) = (format!("id + {}", middle + edit - 1), format!("id + {}", middle + edit));
    let Some(at) =
        text.find(&format!("fn f{middle}(")).and_then(|from| Some(from + text[from..].find(&before)?))
    else {
        return Err(io::Error::other("the body to change is not there"));
    };
    let (head, tail) = text.split_at(at);
    fs::write(path, format!("{head}{now}{}", &tail[before.len()..]))
}
