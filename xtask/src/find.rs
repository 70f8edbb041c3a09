//! `cargo xtask find ATTRIBUTE KEY`: where a key of an attribute is read, declared, used, documented, shown and tested.

use crate::{Result, root};
use std::collections::HashSet;
use std::process::Command;

/// Returns the code of an attribute in the runtime, and its tests beside those that are called like it.
fn places(attr: &str) -> (Vec<String>, &'static [&'static str]) {
    let durable = |folder: &str| {
        let folders = [folder, "record", "lease", "recovery"];
        folders.map(|folder| format!("resilience/src/durable/{folder}")).to_vec()
    };
    match attr {
        "checkpoint" => (durable("step"), &["tests/store", "tests/crash", "tests/recovery"]),
        "job" => (durable("job"), &["tests/store", "tests/crash", "tests/recovery"]),
        "with_recovery" => (vec!["resilience/src/durable/recovery".to_owned()], &["tests/recovery"]),
        "with_lock" => (
            vec!["resilience/src/fs".to_owned(), "resilience/src/durable/with_lock".to_owned()],
            &["tests/fs"],
        ),
        "health_check" => (vec!["resilience/src/health".to_owned()], &[]),
        policy => {
            let own = format!("resilience/src/policy/{policy}");
            (
                vec![
                    format!("{own}.rs"),
                    own,
                    "resilience/src/keyed*".to_owned(),
                    "resilience/src/policy/budget*".to_owned(),
                    "resilience/src/policy/judged.rs".to_owned(),
                    "resilience/src/policy/stateful.rs".to_owned(),
                ],
                &[],
            )
        }
    }
}

/// Returns the titles of the sections, each with an extended regular expression and the paths to search.
///
/// A setting without a key comes first in the attribute, and its row of the page begins with "the".
fn sections(attr: &str, key: &str, is_first: bool) -> [(&'static str, String, Vec<String>); 7] {
    let (runtime, more_tests) = places(attr);
    let mut parsers = vec!["value/state_options.rs", "value/rules.rs", "options.rs"];
    if ["checkpoint", "job"].contains(&attr) {
        parsers.push("attr/recorded.rs");
    }
    let parsers = parsers.iter().map(|file| format!("resilience-macros/src/{file}"));
    let page = format!("resilience-macros/src/docs/{attr}.md");
    let type_name = key[..1].to_uppercase() + &key[1..];
    let (read, written) = if is_first {
        (format!("\"{key}\"|positional"), format!("#\\[{attr}\\([^=]*[,)]"))
    } else {
        // Some keys are also words of lists, such as the category in `on(.., rejected)`.
        let end = if IN_CODE.contains(&key) { "( =|\\()" } else { "( =|[,)(])" };
        (format!("\"{key}\""), format!("\\b{attr}\\(.*\\b{key}{end}"))
    };
    let tests = [format!("tests/{attr}*"), ":!tests/ui".to_owned(), ":!*.stderr".to_owned()];
    let row = format!("^ +{key}: .* = .*\"");
    [
        (
            "read by the macro",
            read,
            [format!("resilience-macros/src/attr/{attr}*")].into_iter().chain(parsers).collect(),
        ),
        ("type, range, default and meaning", row, runtime.clone()),
        (
            // The row of a setting that is not required makes the setter; a constructor takes the others.
            "set on a value by",
            format!("pub (const )?fn ({key}[(<]|new\\(.*\\b{key}:)|^ +{key}: .* = ([^r]|r[^e]|re[^q]).*\""),
            runtime.clone(),
        ),
        (
            "read at run time",
            // A key whose default is another key is read by a function of its name.
            format!("^ *[^/ ].*(\\.{key}(\\(\\)|\\b[^(])|of_{key}\\b|\\b{type_name}<)"),
            runtime
                .into_iter()
                .chain([":!*tests*", ":!*/inventory.rs", ":!*/loom.rs"].map(str::to_owned))
                .collect(),
        ),
        (
            "documented",
            format!("^\\| ([^|]*`{key}[`(]|the {key} \\|)"),
            vec![page.clone(), "resilience-macros/src/docs/shared_keys.md".to_owned()],
        ),
        ("examples", written.clone(), vec!["examples".to_owned(), page]),
        (
            "tests",
            written,
            tests.into_iter().chain(more_tests.iter().map(|path| (*path).to_owned())).collect(),
        ),
    ]
}

/// Returns the lines that match, with file and number.
fn grep(pattern: &str, paths: Vec<String>) -> Result<Vec<String>> {
    let mut grep = Command::new("git");
    // Files that are not added yet are searched, too.
    grep.args(["--no-pager", "grep", "--untracked", "-nE", "--max-count=5", pattern, "--"]).args(paths);
    let output = grep.current_dir(root()).output()?;
    let short = |line: &str| {
        line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect::<String>()
    };
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(short).collect())
}

/// Returns the lines that a person looks for, with file and number, under the title of each section.
///
/// # Errors
///
/// If the macro reads no such key, or git cannot search.
pub(crate) fn lines(attr: &str, key: &str) -> Result<Vec<(&'static str, Vec<String>)>> {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    if !is_word(attr) || !is_word(key) {
        return Err("expected two words\nhelp: cargo xtask find circuit_breaker probe_timeout".into());
    }
    let keys = vec![format!("resilience-macros/src/attr/{attr}*")];
    let is_first = !grep(&format!("^ +{key}: .* = required"), places(attr).0)?.is_empty()
        && grep(&format!("(setting|key)\\(\"{key}\""), keys)?.is_empty();
    let mut all = Vec::new();
    for (title, pattern, paths) in sections(attr, key, is_first) {
        let mut lines = grep(&pattern, paths)?;
        lines.retain(|line| !is_foreign(line, key) && !line.contains("assert"));
        match title {
            // What reads the value comes before the list of keys.
            "read by the macro" => {
                lines.sort_by_key(|line| line.contains(": setting(") || line.contains(": key("));
                lines.extend(readers(&lines)?);
            }
            // A function that takes `&self` returns the value.
            "set on a value by" => lines.retain(|line| !line.contains("(&self")),
            "read at run time" if IN_CODE.contains(&key) => lines = in_code(key)?,
            "read at run time" => {
                let is_declared = |line: &str| line.contains("/config.rs:");
                lines.sort_by_key(|line| (is_declared(line), !line.contains("config")));
                lines.truncate(8);
            }
            "examples" | "tests" => {
                if title == "tests" && lines.is_empty() {
                    lines = grep(&format!("^ *#\\[.*\\b{key} = "), vec!["tests/*.rs".to_owned()])?;
                }
                let (file, folder) = (format!("/{key}.rs:"), format!("/{attr}"));
                lines.sort_by_key(|line| (!line.contains(&file), !line.contains(&folder)));
                lines.truncate(5);
            }
            _ => {}
        }
        let mut seen = HashSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        all.push((title, lines));
    }
    let is_known = all.first().is_some_and(|(_, lines): &(_, Vec<String>)| !lines.is_empty());
    if is_known {
        return Ok(all);
    }
    Err(format!("`{attr}` has no key `{key}`\nhelp: {}", keys_of(attr)?).into())
}

/// Returns a sentence with the keys of an attribute.
fn keys_of(attr: &str) -> Result<String> {
    let mut grep = Command::new("git");
    grep.args(["--no-pager", "grep", "--untracked", "-ohE", "(setting|key)\\(\"[a-z_]+\"", "--"]);
    let output = grep.arg(format!("resilience-macros/src/attr/{attr}*")).current_dir(root()).output()?.stdout;
    let text = String::from_utf8_lossy(&output);
    let mut keys: Vec<&str> = text.split('"').skip(1).step_by(2).collect();
    keys.sort_unstable();
    keys.dedup();
    if keys.is_empty() {
        return Ok("the attributes are the files and folders of resilience-macros/src/attr".to_owned());
    }
    Ok(format!("its own keys are {}", keys.join(", ")))
}

/// Keys that the macro turns into code: no setting of the policy has their value.
const IN_CODE: [&str; 9] =
    ["key", "clone", "name", "classify", "context", "rejected", "when_ok", "timed", "crate"];

/// Returns the lines that make code of such a key, and those of the state that each key has.
fn in_code(key: &str) -> Result<Vec<String>> {
    let files = ["context.rs", "emit.rs", "function", "value/state_options.rs"];
    let files = files.map(|file| format!("resilience-macros/src/{file}")).to_vec();
    let mut lines = grep(&format!("^ *[^/ ].*\\b(options|self)\\.{key}\\b"), files)?;
    if key == "key" {
        lines.extend(grep("^pub.* (struct Keyed|trait PerKey)", vec!["resilience/src/keyed.rs".to_owned()])?);
    }
    Ok(lines)
}

/// Returns the arm that reads each kind of setting in `lines`, and the function that it calls.
fn readers(lines: &[String]) -> Result<Vec<String>> {
    let value = "resilience-macros/src/value".to_owned();
    let mut all = Vec::new();
    for line in lines.iter().filter(|line| line.contains(": setting(")) {
        let Some((_, kind)) = line.split_once("Setting::") else { continue };
        let kind: String = kind.chars().take_while(char::is_ascii_alphanumeric).collect();
        let arms = grep(&format!("Setting::{kind}\\b.*=>"), vec![format!("{value}/settings.rs")])?;
        let words: Vec<&str> = arms
            .iter()
            .filter_map(|arm| arm.split_once("=>"))
            .flat_map(|(_, code)| code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_'))
            .filter(|word| !word.is_empty())
            .collect();
        if !words.is_empty() {
            let functions = format!("pub\\(crate\\) fn ({})[(<]", words.join("|"));
            all.extend(grep(&functions, vec![value.clone()])?);
        }
        all.extend(arms);
    }
    Ok(all)
}

/// Returns whether a line only answers a word of another library with the key to write.
fn is_foreign(line: &str, key: &str) -> bool {
    line.contains(&format!(": (\"{key}\", "))
}

/// Prints the keys of an attribute.
pub(crate) fn print_keys(attr: &str) -> Result<()> {
    println!("{}", keys_of(attr)?);
    Ok(())
}

pub(crate) fn print(attr: &str, key: &str) -> Result<()> {
    for (title, lines) in lines(attr, key)? {
        println!("{title}:");
        if lines.is_empty() {
            println!("  (none)");
        }
        for line in lines {
            println!("  {line}");
        }
    }
    Ok(())
}
