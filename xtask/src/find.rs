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
        "checkpoint" => (durable("step"), &["tests/store", "tests/crash", "tests/recovery*", "tests/admin*"]),
        "job" => (durable("job"), &["tests/store", "tests/crash", "tests/recovery*", "tests/admin*"]),
        "with_recovery" => (vec!["resilience/src/durable/recovery".to_owned()], &["tests/recovery*"]),
        "with_lock" => (
            vec!["resilience/src/fs".to_owned(), "resilience/src/durable/with_lock".to_owned()],
            &["tests/fs*"],
        ),
        "health_check" => (vec!["resilience/src/health".to_owned()], &[]),
        policy => {
            let own = format!("resilience/src/policy/{policy}");
            let has_budget = ["with_retry", "hedge"].contains(&policy);
            let shared = ["keyed*", "policy/judged.rs", "policy/stateful.rs"].into_iter();
            let shared = shared.chain(has_budget.then_some("policy/budget*"));
            let shared = shared.map(|path| format!("resilience/src/{path}"));
            ([format!("{own}.rs"), own].into_iter().chain(shared).collect(), &[])
        }
    }
}

/// The file that reads the keys of policies with state.
const STATE_OPTIONS: &str = "value/state_options.rs";

/// The form of a key, which decides by which words it is found.
#[derive(Clone, Copy, Default)]
struct Form {
    /// Comes first in the attribute, without a key; its row of the page begins with "the" or "one or more".
    is_first: bool,
    /// May be a word alone, without a value.
    is_switch: bool,
    /// Is of an attribute that reads `key`, `max_keys` and `instance` as the others with state do.
    has_state_options: bool,
}

impl Form {
    /// Returns the form of a key.
    fn of(attr: &str, key: &str) -> Result<Self> {
        let row = grep(&first_row(key), vec![format!("resilience-macros/src/docs/{attr}.md")])?;
        // The example of a switch is one of its two values.
        let switch = format!("(switch|take)\\(\"{key}\"\\)|\"{key}\", \"(true|false)\"");
        let switch = grep(&switch, vec![format!("resilience-macros/src/attr/{attr}*")])?;
        let options = grep("\\bStateOptions\\b", vec![format!("resilience-macros/src/attr/{attr}*")])?;
        Ok(Self {
            is_first: !row.is_empty(),
            is_switch: !switch.is_empty(),
            has_state_options: !options.is_empty(),
        })
    }
}

/// Returns the expression of the row of what comes first without a key.
fn first_row(key: &str) -> String {
    format!("^\\| (the|one or more) {key} \\|")
}

/// Returns the titles of the sections, each with an extended regular expression and the paths to search.
fn sections(attr: &str, key: &str, form: Form) -> [(&'static str, String, Vec<String>); 7] {
    let (runtime, more_tests) = places(attr);
    // A health check is not a layer of a stack, and has none of the keys about the function.
    let shared = ["stack/mod.rs", STATE_OPTIONS, "value/rules.rs", "value/category.rs", "options.rs"];
    // What comes first has the name of a shared key in some attributes: the `name` of a lock, the `key` of a job.
    let has_shared = attr != "health_check" && !form.is_first;
    let mut parsers = if has_shared { shared.to_vec() } else { Vec::new() };
    parsers.retain(|file| form.has_state_options || *file != STATE_OPTIONS);
    if ["checkpoint", "job"].contains(&attr) || (attr, key) == ("with_lock", "name") {
        parsers.push("attr/recorded.rs");
    }
    let parsers = parsers.iter().map(|file| format!("resilience-macros/src/{file}"));
    let page = format!("resilience-macros/src/docs/{attr}.md");
    let type_name = key[..1].to_uppercase() + &key[1..];
    let (read, written) = if form.is_first {
        let read = "reader\\.rest\\(|fn first_key|= (first_key|take_name|take_listed)\\(|positional";
        // The values of `failover` follow the name of the argument.
        let written = if attr == "failover" { "" } else { "[^=]*[,)]" };
        (read.to_owned(), format!("^ *#\\[{attr}\\({written}"))
    } else {
        // Some keys are also words of lists, such as the category in `on(.., rejected)`.
        let end = if form.is_switch { "( =|[,)(])" } else { "( =|\\()" };
        (format!("\"{key}\""), format!("\\b{attr}\\(.*\\b{key}{end}"))
    };
    let tests =
        [format!("tests/{attr}*"), ":!tests/ui".to_owned(), ":!*.stderr".to_owned(), EXPANSIONS.to_owned()];
    let row = format!("^ +{key}: .* = .*\"");
    let shared_page = (!form.is_first).then(|| "resilience-macros/src/docs/shared_keys.md".to_owned());
    [
        (
            "read by the macro",
            read,
            [format!("resilience-macros/src/attr/{attr}*")].into_iter().chain(parsers).collect(),
        ),
        (DECLARED, row, runtime.clone()),
        (
            // The row of a setting that is not required makes the setter; a constructor takes the others.
            "set on a value by",
            format!("pub (const )?fn ({key}[(<]|new\\(.*\\b{key}:)|^ +{key}: .* = ([^r]|r[^e]|re[^q]).*\""),
            runtime.clone(),
        ),
        (
            READ,
            // A key whose default is another key is read by a function of its name; expansions call some with outcomes.
            format!(
                "^ *[^/ ].*(\\.{key}(\\(\\)|\\b[^(])|of_{key}\\b|\\b{type_name}<|fn {key}<.*\\(outcome: )"
            ),
            runtime
                .into_iter()
                .chain([":!*tests*", ":!*/inventory.rs", ":!*/loom.rs", ":!*model.rs"].map(str::to_owned))
                .collect(),
        ),
        (
            "documented",
            if form.is_first { first_row(key) } else { format!("^\\| [^|]*`{key}[`(]") },
            [page.clone()].into_iter().chain(shared_page).collect(),
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
    grep.args(["--no-pager", "grep", "--untracked", "-nE", "--max-count=6", pattern, "--"]).args(paths);
    let output = grep.current_dir(root()).output()?;
    let short = |line: &str| {
        line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(160).collect::<String>()
    };
    Ok(String::from_utf8_lossy(&output.stdout).lines().map(short).collect())
}

/// Returns those of the `lines` of a section that act on the key, with what the section has beside them; `before` are the
/// sections above.
fn relevant(
    attr: &str,
    key: &str,
    form: Form,
    title: &str,
    mut lines: Vec<String>,
    before: &[(&'static str, Vec<String>)],
) -> Result<Vec<String>> {
    match title {
        // What reads the value comes before the list of keys.
        "read by the macro" => {
            let is_listed = |line: &str| line.contains(": setting(") || line.contains("key(\"");
            let is_reader = |line: &str| {
                line.contains(".value(\"") || line.contains(".is(\"") || line.contains("reader, \"")
            };
            lines.sort_by_key(|line| (is_listed(line), !is_reader(line)));
            lines.extend(readers(&lines)?);
        }
        // Several policies share the default of a key that is no setting.
        DECLARED if lines.is_empty() && !form.is_first => {
            let default = format!("^pub\\(crate\\) const {}: .* = ", key.to_uppercase());
            lines = grep(&default, places(attr).0)?;
        }
        // A function that takes `&self` returns the value, one of an outcome judges that; recovery has a setter
        // called `store`, too, and records have constructors.
        "set on a value by" => {
            lines.retain(|line| {
                !line.contains("(&self")
                    && !line.contains("(outcome: ")
                    && !line.contains("/durable/record/")
                    && (attr == "with_recovery" || !line.contains("/durable/recovery/mod.rs"))
            });
            // A constructor calls a value of several forms by what it is: `Hedge::new(name, delay)`.
            let is_required = before.iter().any(|(title, rows)| {
                *title == DECLARED && rows.iter().any(|row| row.contains(" = required"))
            });
            if lines.is_empty() && is_required {
                lines = grep("pub const fn [a-z_]+\\(name: .*\\) -> Self", places(attr).0)?;
            }
        }
        READ => {
            let setters = before.last().map_or(&[][..], |(_, lines)| lines);
            // Without such a default, a function called like the key is something else.
            let is_computed =
                |row: &String| [" as ", " not below ", " unless "].iter().any(|word| row.contains(word));
            if setters.iter().any(|row| row.contains(": ")) && !setters.iter().any(is_computed) {
                lines.retain(|line| {
                    !line.contains(&format!(".{key}()")) || line.contains(&format!("described().{key}()"))
                });
            }
            let is_setting = before.iter().any(|(title, rows)| *title == DECLARED && !rows.is_empty());
            lines = at_run_time(attr, key, form, lines, setters, is_setting)?;
        }
        "examples" | "tests" => {
            if lines.is_empty() && !form.is_first {
                lines = written_elsewhere(attr, key, title == "tests")?;
            }
            // Some switches are also values of other keys, `on_corrupt = rerun`, and some keys attributes.
            lines.retain(|line| !line.contains(&format!("= {key})")) && !line.contains(&format!("#[{key}(")));
            let (file, folder) = (format!("/{key}.rs:"), format!("/{attr}"));
            lines.sort_by_key(|line| (!line.contains(&file), !line.contains(&folder)));
            lines.truncate(5);
        }
        _ => {}
    }
    Ok(lines)
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
    let form = Form::of(attr, key)?;
    let mut all: Vec<(&'static str, Vec<String>)> = Vec::new();
    for (title, pattern, paths) in sections(attr, key, form) {
        let mut lines = grep(&pattern, paths)?;
        lines.retain(|line| !is_foreign(line, key) && !line.contains("assert"));
        lines = relevant(attr, key, form, title, lines, &all)?;
        let mut seen = HashSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        all.push((title, lines));
    }
    let is_known = all.first().is_some_and(|(_, lines)| !lines.is_empty());
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

/// Leaves out what the macros produce, which is no use of a key.
const EXPANSIONS: &str = ":!*.expanded.rs";

/// Keys that the macro turns into code: no setting of the policy has their value.
const IN_CODE: [&str; 9] =
    ["key", "clone", "name", "classify", "context", "rejected", "when_ok", "timed", "crate"];

/// Returns the lines that write a key in an attribute of several lines, or a key of every attribute in another one.
fn written_elsewhere(attr: &str, key: &str, is_test: bool) -> Result<Vec<String>> {
    let pages = "resilience-macros/src/docs";
    let files = if is_test {
        // Programs of `tests/beside` only have to compile and run.
        vec!["tests/*.rs".to_owned(), ":!tests/beside".to_owned(), EXPANSIONS.to_owned()]
    } else {
        vec!["examples".to_owned(), format!("{pages}/{attr}.md")]
    };
    let own_line = format!("^ +{key}( = |\\([a-z_, ]+\\),?$|,$| +// )");
    if !IN_CODE.contains(&key) {
        return grep(&own_line, files);
    }
    let shared = (!is_test).then(|| format!("{pages}/shared_keys.md"));
    grep(&format!("{own_line}|^ *#\\[.*\\b{key}( = |\\(|[,)])"), files.into_iter().chain(shared).collect())
}

/// The title of the section with the row of a setting.
const DECLARED: &str = "type, range, default and meaning";

/// The title of the section with the code that acts on a key.
const READ: &str = "read at run time, or made into code";

/// Returns the lines that act on a key: those of `found` that are not tests, those that read the fields which its
/// `setters` write, or, without a setter, those of the macro and the functions that its code calls.
fn at_run_time(
    attr: &str,
    key: &str,
    form: Form,
    mut found: Vec<String>,
    setters: &[String],
    is_setting: bool,
) -> Result<Vec<String>> {
    if IN_CODE.contains(&key) && !form.is_first {
        return in_code(key);
    }
    let is_setting = is_setting || found.iter().any(|line| line.contains("/config.rs:"));
    if !is_setting && (setters.is_empty() || form.is_first) {
        let type_name = format!("{}{}<", key[..1].to_uppercase(), &key[1..]);
        found.retain(|line| form.is_first || line.contains(&type_name));
        let code = made_into_code(attr, key, form)?;
        found.splice(..0, code);
        found.truncate(8);
        return Ok(found);
    }
    for setter in setters {
        let fields = fields(setter, key);
        if let (false, Some((folder, _))) = (fields.is_empty(), setter.rsplit_once('/')) {
            let read = format!("^ *[^/ ].*\\.({})\\b", fields.join("|"));
            let paths = [folder, ":!*tests*", ":!*/loom.rs"].map(str::to_owned).to_vec();
            found.extend(grep(&read, paths)?.into_iter().filter(|line| !line.contains("write_str")));
        }
    }
    let tests = grep("^ *mod tests \\{", vec!["resilience/src".to_owned()])?;
    let tests: Vec<_> = tests.iter().filter_map(|line| place(line)).collect();
    found.retain(|line| {
        let Some((file, number)) = place(line) else { return true };
        !tests.iter().any(|(of, first)| *of == file && *first < number)
    });
    // The decision comes first, then the configuration and the assignments of setters.
    let is_declared = |line: &str| line.contains("/config.rs:");
    let is_set = |line: &str| line.contains(" self.") && line.contains(" = ") && !line.contains("let ");
    found.sort_by_key(|line| (is_set(line), is_declared(line), !line.contains("config")));
    found.truncate(8);
    Ok(found)
}

/// Returns the file and the number of a line that grep has found.
fn place(line: &str) -> Option<(&str, usize)> {
    let mut parts = line.splitn(3, ':');
    Some((parts.next()?, parts.next()?.parse().ok()?))
}

/// Returns a found line and those that follow it in its file, at most `most` together.
fn from(line: &str, most: usize) -> Vec<String> {
    let Some((file, number)) = place(line) else { return Vec::new() };
    let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
    text.lines().skip(number - 1).take(most).map(str::to_owned).collect()
}

/// Returns the fields, of other names than the key's, that a setter writes.
fn fields(setter: &str, key: &str) -> Vec<String> {
    let body = from(setter, 12);
    let body = body.iter().map(|line| line.trim()).take_while(|line| !line.is_empty());
    let written = body.filter_map(|line| line.split_once(" = "));
    let own = written.filter(|(_, value)| !value.contains(&format!(".{key}(")));
    let paths =
        own.flat_map(|(paths, _)| paths.split([' ', ',', '(', ')'])).filter(|path| path.starts_with("self."));
    paths.filter_map(|path| path.rsplit('.').next()).filter(|name| *name != key).map(str::to_owned).collect()
}

/// Returns the lines of the macro that put a value into code, and the functions of the runtime that this code calls.
fn made_into_code(attr: &str, key: &str, form: Form) -> Result<Vec<String>> {
    let mut files = vec![format!("resilience-macros/src/attr/{attr}*")];
    if !form.is_first {
        let shared = [STATE_OPTIONS, "attr/recorded.rs"].into_iter();
        let shared = shared.filter(|file| form.has_state_options || *file != STATE_OPTIONS);
        files.extend(shared.map(|file| format!("resilience-macros/src/{file}")));
    }
    let bound = grep(&format!("let [a-z_]+(: .*)? = reader\\.[a-z_]+\\(\"{key}\""), files.clone())?;
    let bound = bound.iter().filter(|line| !line.contains("span_of") && !line.contains("has_any"));
    let bound = bound.filter_map(|line| line.split_once("let ")?.1.split([' ', ':']).next());
    let mut names: Vec<&str> = bound.collect();
    if names.is_empty() {
        names.push(key);
    }
    let names = names.join("|");
    let put = format!("^ *[^/ ].*(\\b(self|checked|state)\\.({names})\\b|#({names})\\b)");
    let mut lines = grep(&put, files.clone())?;
    if lines.is_empty() {
        lines = grep(&format!("^ *[^/ ].*\\b(__)?({names})\\."), files)?;
    }
    // The runtime's own folders, without those that policies share.
    let own: Vec<String> = places(attr).0.into_iter().take(2).collect();
    let called: Vec<String> = lines.iter().flat_map(|line| called(&from(line, 3).join("\n"))).collect();
    if !called.is_empty() {
        lines.extend(grep(
            &format!("^ *(pub )?(const )?(async )?fn ({})[(<]", called.join("|")),
            own.clone(),
        )?);
    }
    let variant = key[..1].to_uppercase() + &key[1..];
    lines.extend(grep(&format!("^ *[^/ ].*[A-Z][a-z]+::{variant}\\b|^pub struct {variant}"), own)?);
    Ok(lines)
}

/// Returns the functions that the quoted part of some code calls.
fn called(text: &str) -> Vec<String> {
    let Some((_, code)) = text.split_once("quote") else { return Vec::new() };
    let words = code.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let is_called = |word: &&str| {
        word.starts_with(|letter: char| letter.is_ascii_lowercase())
            && !["new", "map"].contains(word)
            && [".", "::"].iter().any(|before| code.contains(&format!("{before}{word}(")))
    };
    words.filter(is_called).map(str::to_owned).collect()
}

/// Returns the lines that make code of such a key, and those of the state that each key has.
fn in_code(key: &str) -> Result<Vec<String>> {
    let files = ["context.rs", "emit.rs", "function", "value/state_options.rs"];
    let files = files.map(|file| format!("resilience-macros/src/{file}")).to_vec();
    let field = if key == "crate" { "runtime" } else { key };
    let mut lines = grep(&format!("^ *[^/ ].*\\b(options|self)\\.{field}\\b"), files.clone())?;
    if lines.is_empty() {
        lines = grep(&format!("#{key}\\b|\\b{key}\\b.* = cx\\.options"), files)?;
    }
    // The functions of the point's `static`, such as `timed` and `timed_call`.
    let of_point = format!("^ *pub (const )?fn {key}[a-z_]+\\(|^ *pub (const )?fn {key}\\(mut self");
    lines.extend(grep(&of_point, vec!["resilience/src/point/site.rs".to_owned()])?);
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
        // Its value has a form of its own, which the attribute reads.
        if kind == "Own" {
            continue;
        }
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

/// Returns whether a line only answers a word of another library with the key to write, or has the word as a value.
fn is_foreign(line: &str, key: &str) -> bool {
    let is_value = format!(", \"{key}\"");
    line.contains(&format!(": (\"{key}\", "))
        || line.contains(&is_value)
            && !line.contains(&format!("(\"{key}\""))
            && !line.contains(&format!("reader, \"{key}\""))
}

/// Prints the keys of an attribute.
pub(crate) fn print_keys(attr: &str) -> Result<()> {
    println!("{}", keys_of(attr)?);
    Ok(())
}

pub(crate) fn print(attr: &str, key: &str) -> Result<()> {
    for (title, lines) in lines(attr, key)? {
        println!("{title}:");
        match (lines.is_empty(), title) {
            (true, DECLARED) => println!("  (no row of `settings!`: the row of the page has them)"),
            (true, _) => println!("  (none)"),
            (false, _) => {}
        }
        for line in lines {
            println!("  {line}");
        }
    }
    Ok(())
}
