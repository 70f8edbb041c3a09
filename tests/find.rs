//! `cargo xtask find`: the places of a key in the repository, each under its title.

#[path = "../xtask/src/find.rs"]
#[allow(dead_code, reason = "these tests look at the lines that the command prints")]
mod find;

use find::lines;
use std::path::Path;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Checks that each section shows a line that begins with the path beside it, and that those without a path are empty.
#[track_caller]
fn shows(attr: &str, key: &str, paths: [&str; 7]) {
    let titles = [
        "read by the macro",
        "type, range, default and meaning",
        "set on a value by",
        "read at run time, or made into code",
        "documented",
        "examples",
        "tests",
    ];
    let sections = lines(attr, key).expect("a key");
    assert_eq!(sections.iter().map(|(title, _)| *title).collect::<Vec<_>>(), titles);
    for ((title, lines), path) in sections.into_iter().zip(paths) {
        let is_found =
            if path.is_empty() { lines.is_empty() } else { lines.iter().any(|line| line.starts_with(path)) };
        assert!(is_found, "{attr} {key}, {title}: {lines:#?}");
    }
}

#[test]
fn a_key_of_a_policy_is_found_in_its_folder() {
    shows(
        "circuit_breaker",
        "threshold",
        [
            "resilience-macros/src/attr/circuit_breaker.rs:",
            "resilience/src/policy/circuit_breaker/config.rs:",
            "resilience/src/policy/circuit_breaker/config.rs:",
            "resilience/src/policy/circuit_breaker/",
            "resilience-macros/src/docs/circuit_breaker.md:",
            "examples/",
            "tests/circuit_breaker",
        ],
    );
}

#[test]
fn a_setting_without_a_key_is_found_by_its_row() {
    shows(
        "timeout",
        "limit",
        [
            "resilience-macros/src/attr/timeout/mod.rs:",
            "resilience/src/policy/timeout/config.rs:",
            "resilience/src/policy/timeout/value.rs:",
            "resilience/src/policy/timeout/",
            "resilience-macros/src/docs/timeout.md:",
            "examples/timeout.rs:",
            "tests/timeout",
        ],
    );
}

#[test]
fn a_required_setting_is_found_in_the_constructors_and_the_decision() {
    shows(
        "hedge",
        "after",
        [
            "resilience-macros/src/attr/hedge.rs:",
            "resilience/src/policy/hedge/config.rs:",
            "resilience/src/policy/hedge/mod.rs:",
            "resilience/src/policy/hedge/call.rs:",
            "resilience-macros/src/docs/hedge.md:",
            "examples/hedge.rs:",
            "tests/hedge.rs:",
        ],
    );
}

#[test]
fn a_key_with_a_computed_default_is_found_at_its_calls() {
    shows(
        "circuit_breaker",
        "probe_timeout",
        [
            "resilience-macros/src/attr/circuit_breaker.rs:",
            "resilience/src/policy/circuit_breaker/config.rs:",
            "resilience/src/policy/circuit_breaker/config.rs:",
            "resilience/src/policy/circuit_breaker/state.rs:",
            "resilience-macros/src/docs/circuit_breaker.md:",
            "resilience-macros/src/docs/circuit_breaker.md:",
            "tests/circuit_breaker/half_open.rs:",
        ],
    );
}

#[test]
fn a_shared_key_is_found_in_the_shared_files() {
    shows(
        "bulkhead",
        "max_keys",
        [
            "resilience-macros/src/value/state_options.rs:",
            "resilience/src/keyed.rs:",
            "resilience/src/keyed.rs:",
            "resilience/src/keyed.rs:",
            "resilience-macros/src/docs/bulkhead.md:",
            "resilience-macros/src/docs/bulkhead.md:",
            "tests/bulkhead/keys.rs:",
        ],
    );
}

#[test]
fn a_key_of_a_job_attribute_is_found_in_durable() {
    shows(
        "checkpoint",
        "lease",
        [
            "resilience-macros/src/attr/checkpoint.rs:",
            "resilience/src/durable/step/policy.rs:",
            "resilience/src/durable/step/policy.rs:",
            "resilience/src/durable/step/begin.rs:",
            "resilience-macros/src/docs/checkpoint.md:",
            "resilience-macros/src/docs/checkpoint.md:",
            "tests/store/leases.rs:",
        ],
    );
}

#[test]
fn the_code_that_calls_a_user_expression_is_found() {
    shows(
        "with_fallback",
        "unless",
        [
            "resilience-macros/src/attr/with_fallback.rs:",
            "",
            "resilience/src/policy/judged.rs:",
            "resilience/src/policy/judged.rs:",
            "resilience-macros/src/docs/with_fallback.md:",
            "resilience-macros/src/docs/with_fallback.md:",
            "tests/with_fallback.rs:",
        ],
    );
    shows(
        "circuit_breaker",
        "instance",
        [
            "resilience-macros/src/attr/circuit_breaker.rs:",
            "",
            "",
            "resilience/src/policy/stateful.rs:",
            "resilience-macros/src/docs/circuit_breaker.md:",
            "resilience-macros/src/docs/circuit_breaker.md:",
            "tests/circuit_breaker",
        ],
    );
}

#[test]
fn a_key_about_the_function_is_found_where_it_becomes_code() {
    shows(
        "with_fallback",
        "rejected",
        [
            "resilience-macros/src/options.rs:",
            "",
            "",
            "resilience-macros/src/context.rs:",
            "resilience-macros/src/docs/shared_keys.md:",
            "examples/",
            "tests/",
        ],
    );
    shows(
        "circuit_breaker",
        "key",
        [
            "resilience-macros/src/value/state_options.rs:",
            "",
            "",
            "resilience/src/keyed.rs:",
            "resilience-macros/src/docs/circuit_breaker.md:",
            "resilience-macros/src/docs/circuit_breaker.md:",
            "tests/circuit_breaker",
        ],
    );
}

#[test]
fn the_decision_is_found_where_settings_are_copied() {
    let sections = lines("with_retry", "max").unwrap();
    let read = &sections.iter().find(|(title, _)| title.starts_with("read at run time")).unwrap().1;
    assert!(read.iter().any(|line| line.contains("with_retry/decide.rs:")), "{read:#?}");
}

#[test]
fn a_key_read_only_by_the_macro_has_no_run_time_code() {
    shows(
        "hedge",
        "idempotent",
        [
            "resilience-macros/src/attr/hedge.rs:",
            "",
            "",
            "",
            "resilience-macros/src/docs/hedge.md:",
            "examples/hedge.rs:",
            "tests/hedge.rs:",
        ],
    );
}

#[test]
fn an_attribute_of_the_same_name_is_no_use_of_a_key() {
    let examples = section("with_retry", "classify", "examples");
    assert!(
        !examples.is_empty() && examples.iter().all(|line| !line.contains("#[classify(")),
        "{examples:#?}"
    );
}

#[test]
fn an_expansion_is_no_test_of_a_key() {
    let tests = section("timeout", "crate", "tests");
    assert!(tests.iter().any(|line| line.contains("crate = ::")), "{tests:#?}");
    assert!(tests.iter().all(|line| !line.contains("linkme")), "{tests:#?}");
}

#[test]
fn a_key_about_the_function_is_found_in_attributes_of_one_and_of_several_lines() {
    let tests = section("job", "timed", "tests");
    assert!(tests.iter().any(|line| line.starts_with("tests/config/timed.rs:")), "{tests:#?}");
}

/// Returns the lines under the title that begins with `title`.
fn section(attr: &str, key: &str, title: &str) -> Vec<String> {
    let mut sections = lines(attr, key).unwrap().into_iter();
    sections.find(|(shown, _)| shown.starts_with(title)).unwrap().1
}

#[test]
fn a_setter_leads_to_the_fields_that_it_writes() {
    for (attr, key, reader) in [
        ("chaos", "latency", "self.most.saturating_sub(self.least)"),
        ("with_fallback", "on_fallback", "self.policy.hook"),
        ("health_check", "timeout", "entry.limit"),
    ] {
        let read = section(attr, key, "read at run time");
        assert!(read.iter().any(|line| line.contains(reader)), "{attr} {key}: {read:#?}");
    }
}

#[test]
fn a_key_without_a_setter_leads_to_the_functions_that_its_code_calls() {
    for (attr, key, function) in [
        ("with_recovery", "rollback", "fn with_undo("),
        ("health_check", "each", "__rt::each_check("),
        ("checkpoint", "store", "fn into_store("),
        ("cached", "weight", "fn end_weighed<"),
        ("chaos", "lost", "fn is_lost_answer("),
        ("job", "provided", "__provided.get::"),
        ("timeout", "adaptive", "pub struct AdaptiveTimeout "),
        ("degrade", "context", "context, when_ok, .. } = cx.options"),
        ("job", "timed", "fn timed_call("),
        ("circuit_breaker", "when", "fn when<R: Outcome>(outcome"),
    ] {
        let read = section(attr, key, "read at run time");
        assert!(read.iter().any(|line| line.contains(function)), "{attr} {key}: {read:#?}");
    }
}

#[test]
fn the_line_that_reads_the_value_comes_first() {
    for (attr, key, reader) in [
        ("circuit_breaker", "policy", "reader.value(\"policy\""),
        ("circuit_breaker", "instance", "reader.value(\"instance\""),
        ("with_fallback", "on", "reader.take_all(\"on\")"),
        ("checkpoint", "on_store_error", "choice(&mut reader, \"on_store_error\""),
        ("job", "on_mismatch", "choice(&mut reader, \"on_mismatch\""),
    ] {
        let read = section(attr, key, "read by the macro");
        assert!(read[0].contains(reader), "{attr} {key}: {read:#?}");
    }
}

#[test]
fn an_argument_without_a_key_is_found_even_where_a_shared_key_has_its_name() {
    for (attr, key) in [
        ("job", "key"),
        ("checkpoint", "key"),
        ("with_lock", "name"),
        ("health_check", "name"),
        ("degrade", "argument"),
        ("failover", "argument"),
        ("with_fallback", "steps"),
    ] {
        for title in ["read by the macro", "read at run time"] {
            let found = section(attr, key, title);
            let own = format!("resilience-macros/src/attr/{attr}");
            assert!(found.iter().any(|line| line.starts_with(&own)), "{attr} {key}, {title}: {found:#?}");
            assert!(
                !found.iter().any(|line| line.contains("options.rs:")),
                "{attr} {key}, {title}: {found:#?}"
            );
        }
        let documented = section(attr, key, "documented");
        assert_eq!(documented.len(), 1, "{attr} {key}: {documented:#?}");
        for title in ["examples", "tests"] {
            let written = section(attr, key, title);
            let is_of = |line: &String| line.contains(&format!("#[{attr}("));
            assert!(!written.is_empty() && written.iter().all(is_of), "{attr} {key}, {title}: {written:#?}");
        }
    }
}

#[test]
fn a_value_of_another_key_is_no_use_of_the_key() {
    for (attr, key, value) in
        [("with_recovery", "rollback", "(corrupt, rollback)"), ("job", "rerun", "= rerun)")]
    {
        for title in ["examples", "tests"] {
            let written = section(attr, key, title);
            assert!(!written.is_empty(), "{attr} {key}, {title}");
            let is_use = |line: &String| line.contains(&format!("{key} =")) || !line.contains(value);
            assert!(written.iter().all(is_use), "{attr} {key}, {title}: {written:#?}");
        }
    }
}

#[test]
fn a_function_called_like_a_key_is_no_use_of_the_key() {
    let acts = |attr, key| section(attr, key, "read at run time");
    let stack = acts("timeout", "stack");
    let is_use = |line: &String| line.contains("stack_size(helpers.stack)");
    assert!(stack.iter().any(is_use), "{stack:#?}");
    for (attr, key) in [("timeout", "stack"), ("job", "wait"), ("checkpoint", "wait")] {
        let found = acts(attr, key);
        let is_call = |line: &String| line.contains(&format!(".{key}()"));
        assert!(!found.is_empty() && !found.iter().any(is_call), "{attr} {key}: {found:#?}");
    }
    let label = acts("bulkhead", "key_label");
    assert!(label.iter().any(|line| line.contains("described().key_label()")), "{label:#?}");
}

#[test]
fn models_of_tests_act_on_no_key() {
    for (attr, key) in [("circuit_breaker", "threshold"), ("circuit_breaker", "window"), ("cached", "ttl")] {
        let found = section(attr, key, "read at run time");
        let is_model = |line: &String| line.contains("model.rs:");
        assert!(!found.is_empty() && !found.iter().any(is_model), "{attr} {key}: {found:#?}");
    }
}

#[test]
fn an_attribute_that_reads_a_key_by_itself_shows_no_other_reader() {
    for attr in ["cached", "with_retry"] {
        for title in ["read by the macro", "read at run time"] {
            let found = section(attr, "instance", title);
            let is_other = |line: &String| line.contains("state_options.rs:");
            assert!(!found.is_empty() && !found.iter().any(is_other), "{attr}, {title}: {found:#?}");
        }
    }
}

#[test]
fn an_unknown_key_is_rejected() {
    let refusal = |attr, key| lines(attr, key).expect_err("no key").to_string();
    let unknown = refusal("with_retry", "nothing");
    assert!(unknown.starts_with("`with_retry` has no key `nothing`\nhelp: its own keys are "), "{unknown}");
    assert!(unknown.contains(", give_up_after, "), "{unknown}");
    let words = "`retry` has no key `max`\nhelp: the attributes are the files and folders of ";
    assert!(refusal("retry", "max").starts_with(words));
    // A health check has no keys about the function.
    assert!(refusal("health_check", "context").starts_with("`health_check` has no key `context`\n"));
    // A word of another library, which the attribute answers with the key to write.
    assert!(refusal("timeout", "duration").starts_with("`timeout` has no key `duration`\n"));
    for (attr, key) in
        [("with_retry", ".*"), ("", "max"), ("../with_retry", "max"), ("with_retry", "max|base")]
    {
        assert!(refusal(attr, key).starts_with("expected two words\nhelp: "), "{attr} {key}");
    }
}
