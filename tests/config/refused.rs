//! What is refused, with its line and reason, and changes nothing.

use crate::support::{load, mistakes, shown};
use resilience::config::Config;
use resilience::{Rejected, Retry};
use resilience::{bulkhead, circuit_breaker, timeout, with_retry};

static OWNED: Retry = Retry::new();

#[timeout(10s, name = "refused::quote")]
#[with_retry(max = 2)]
#[timeout(2s)]
async fn quote() -> Result<u32, Rejected> {
    Ok(1)
}

#[timeout(10s, name = "refused::held")]
#[with_retry(max = 2)]
#[timeout(2s)]
async fn held() -> Result<u32, Rejected> {
    Ok(1)
}

#[with_retry(max = 2, name = "refused::apart")]
fn apart() -> Result<u32, Rejected> {
    Ok(1)
}

#[with_retry(instance = OWNED, name = "refused::owned")]
fn owned() -> Result<u32, Rejected> {
    Ok(1)
}

#[circuit_breaker(key = host, name = "refused::by_host")]
#[bulkhead(4)]
fn by_host(host: &str) -> Result<u32, Rejected> {
    let _ = host;
    Ok(1)
}

#[circuit_breaker(name = "refused::plain::deeper::first")]
fn plain() -> Result<u32, Rejected> {
    Ok(1)
}

#[circuit_breaker(name = "refused::plain::other")]
fn plain_too() -> Result<u32, Rejected> {
    Ok(1)
}

#[circuit_breaker(name = "refused::plain::deeper::last")]
fn plainest() -> Result<u32, Rejected> {
    Ok(1)
}

/// The one mistake of a file, whose line is that of the value.
fn mistake(text: &str) -> String {
    let all = mistakes(text);
    assert_eq!(all.len(), 1, "{all:?}");
    all[0].1.clone()
}

#[test]
fn a_file_with_one_bad_value_of_fifty_changes_nothing() {
    let _world = resilience::testing::isolate();
    let _ = (owned(), by_host(""), quote());
    let mut text = "[\"refused::by_host\".circuit_breaker]\nthreshold = 9\n".to_owned();
    for n in 0..48 {
        text += &format!("[\"refused::by_host\".key.host{n}.circuit_breaker]\nrecovery = \"{}s\"\n", n + 1);
    }
    let good = text.clone() + "[\"refused::quote\".with_retry]\nmax = 4\n";
    load(&good).unwrap();
    assert!(shown("refused::quote", "with_retry", "max").starts_with("max = 4 from"));
    Config::new().load().unwrap();
    let bad = text.replace("\"31s\"", "\"-31s\"") + "[\"refused::quote\".with_retry]\nmax = 4\n";
    let mistakes = mistakes(&bad);
    let (line, reason) = &mistakes[0];
    assert_eq!(bad.lines().nth(*line as usize - 1), Some("recovery = \"-31s\""));
    assert_eq!(reason, "`recovery` takes a duration such as \"2s\", and this is \"-31s\"");
    assert_eq!(mistakes.len(), 1);
    assert_eq!(shown("refused::quote", "with_retry", "max"), "max = 2");
    assert_eq!(shown("refused::by_host", "circuit_breaker", "threshold"), "threshold = 5");
}

#[test]
fn every_mistake_is_reported_with_its_line() {
    let _world = resilience::testing::isolate();
    let text = "\
        [with_retry]\n\
        max = \"3\"\n\
        retries = 3\n\
        [circuit_breaker]\n\
        threshold = 0\n\
        rate = 1.5\n\
        [bulkhead]\n\
        enabled = false\n\
        [\"refused::quote\".timeout_1]\n\
        limit = \"0s\"\n\
        strict = 1\n";
    let lines: Vec<_> = mistakes(text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [2, 3, 5, 6, 8, 10, 11], "a wrong name hides no wrong value");
    let text = text.replace("retries = 3\n", "\n").replace("rate = 1.5\n", "\n");
    let lines: Vec<_> = mistakes(&text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [2, 5, 8, 10, 11]);
}

#[test]
fn an_event_has_all_mistakes_in_one_line() {
    let world = resilience::testing::isolate();
    let errors = load("[with_retry]\nmax = \"3\"\nretries = 3\n").unwrap_err();
    let shown = world.events().last().unwrap().to_string();
    let both: Vec<_> = errors.errors().iter().map(ToString::to_string).collect();
    assert_eq!(shown, format!("config: refused: {}", both.join("; ")));
}

#[test]
fn unknown_names_are_rejected_with_a_suggestion() {
    let _world = resilience::testing::isolate();
    for (text, words) in [
        ("[with_retry]\nmxa = 3\n", "`with_retry` has no setting `mxa`: write `max`"),
        ("[bulkhead]\nmax = 3\n", "`bulkhead` has no setting `max`: it has slots, wait, queue"),
        ("[with_rety]\nmax = 3\n", "there is no policy `with_rety`: write `with_retry`"),
        ("[\"refused::quote\".tiemout_1]\nlimit = \"3s\"\n", "there is no policy `tiemout_1`"),
        (
            "[circuit_breaker]\nkey = \"host\"\n",
            "`key` of `circuit_breaker` cannot change while the program runs",
        ),
        (
            "[\"refused::quote\".with_retry]\non = 1\n",
            "`on` of `with_retry` cannot change while the program runs",
        ),
        (
            "[\"refused::quote\".timeout]\nlimit = \"3s\"\n",
            "`refused::quote` has 2 of `timeout`: write `timeout_1` or `timeout_2`, from the top",
        ),
        ("[\"refused::quote\".timeout_3]\nlimit = \"3s\"\n", "`refused::quote` has 2 of `timeout`"),
        ("[\"refused::quote\".bulkhead]\nslots = 3\n", "`refused::quote` has no `bulkhead`"),
        (
            "[\"refused::owned\".with_retry]\nmax = 3\n",
            "`with_retry` of `refused::owned` takes no settings: the program owns it",
        ),
        (
            "[\"refused::quote\".with_retry]\ngive_up_after = \"3s\"\n",
            "at `refused::quote`: `give_up_after` cannot change",
        ),
        (
            "[\"refused::quote\".key.a.with_retry]\nmax = 1\n",
            "`with_retry` of `refused::quote` is the same for all keys",
        ),
        ("[\"refused::quote#2\".with_retry]\nmax = 1\n", "several functions are called `refused::quote`"),
        ("max = 3\n", "`max` is a setting of a policy: write it in `[with_retry]`, or in"),
        (
            "number = 3\n",
            "`number` is neither a policy nor a setting: write settings in a table such as `[with_retry]`, or",
        ),
        ("[refused]\nenabled = false\n", "only one function, or a policy, can be switched off"),
        ("[refused.key.a.circuit_breaker]\nthreshold = 1\n", "only a function has keys"),
        (
            "[\"refused::by_host\".key.a]\nthreshold = 1\n",
            "`threshold` is a setting of a policy: write it in `[\"refused::by_host\".key.\"a\".circuit_breaker]`",
        ),
        (
            "[\"refused::quote\"]\nmax = 1\n",
            "`max` is a setting of a policy: write it in `[\"refused::quote\".with_retry]`",
        ),
        (
            "[\"refused::quote\"]\ntimeout_1 = \"3s\"\n",
            "`timeout_1` is a policy: write `[\"refused::quote\".timeout_1]` above its settings",
        ),
        (
            "[\"refused::quote\"]\nnumber = 3\n",
            "`number` is neither a policy nor a setting: write settings in a table such as `[\"refused::quote\".with_retry]`",
        ),
        ("timeout = \"3s\"\n", "`timeout` is a policy: write `[timeout]` above its settings"),
        ("threshold = 3\n", "`threshold` is a setting of a policy: write it in `[circuit_breaker]`, or in"),
        ("[retry]\nmax = 3\n", "there is no policy `retry`: write `with_retry`"),
        (
            "[\"refused::quote\".breaker]\nthreshold = 3\n",
            "there is no policy `breaker`: write `circuit_breaker`",
        ),
        ("[\"refused::quote\".fuse]\nmax = 3\n", "there is no policy `fuse`: the policies are with_retry, "),
        (
            "[refused.quote.with_retry]\nmax = 3\n",
            "there is no policy `quote`: a name with `::` is one text in quotes, `[\"refused::quote\"..]`",
        ),
        (
            "[refused.plain.deeper.circuit_breaker]\nthreshold = 3\n",
            "there is no policy `plain`: a name with `::` is one text in quotes, `[\"refused::plain\"..]`",
        ),
        ("[\"refused::by_host\".key]\na = 1\n", "a key has policies"),
        ("[\"refused::by_host\".key.a.key.b]\nx = 1\n", "a key has no keys"),
        ("[timeout]\nenabled = false\n", "`timeout` cannot be switched off for many functions at once"),
        ("[with_retry]\nenabled = 0\n", "`enabled` takes true or false, and this is 0"),
        ("\"refused::quote\".enabled = \"no\"\n", "`enabled` takes true or false, and this is \"no\""),
    ] {
        let reason = mistake(text);
        assert!(reason.starts_with(words), "{text} gives {reason}");
    }
}

#[test]
fn a_stack_that_would_not_compile_is_rejected() {
    let _world = resilience::testing::isolate();
    for (text, words) in [
        (
            "[\"refused::quote\".timeout_2]\nlimit = \"10s\"\n",
            "at `refused::quote`: the timeout of one attempt (10s) is not shorter",
        ),
        (
            "[\"refused::quote\".timeout_1]\nlimit = \"1s\"\n",
            "at `refused::quote`: the timeout of one attempt (2s) is not shorter",
        ),
        ("[\"refused::quote\".with_retry]\nmax = 30\n", "at `refused::quote`: the waits between 31 attempts"),
        (
            "[\"refused::quote\".with_retry]\nbase = \"20s\"\n",
            "at `refused::quote`: `base` is longer than `cap`",
        ),
    ] {
        let reason = mistake(text);
        assert!(reason.starts_with(words), "{text} gives {reason}");
    }
    load(
        "[\"refused::quote\".timeout_2]\nlimit = \"10s\"\n[\"refused::quote\".timeout_1]\nlimit = \"40s\"\n",
    )
    .unwrap();
    load(
        "[\"refused::quote\".timeout_2]\nlimit = \"10s\"\n[\"refused::quote\".timeout_1]\nenabled = false\n",
    )
    .unwrap();
}

#[test]
fn an_unknown_function_is_a_warning_unless_strict() {
    let _world = resilience::testing::isolate();
    let report =
        load("[\"refused::qoute\".with_retry]\nmax = 4\n[\"else\\nwhere\".timeout]\nlimit = \"1s\"\n")
            .unwrap();
    let warnings: Vec<_> = report.warnings.iter().map(ToString::to_string).collect();
    assert!(
        warnings.iter().any(|warning| warning
            .ends_with(":2: no function is called `refused::qoute`: did you mean `refused::quote`?")),
        "{warnings:?}"
    );
    assert_eq!(warnings.len(), 2);
    assert!(warnings.iter().all(|warning| !warning.contains('\n')), "{warnings:?}");
    let variables = [("RESILIENCE__REFUSED_QOUTE__WITH_RETRY__MAX", "4")];
    let warnings = Config::new().variables(variables).load().unwrap().warnings;
    let hint = "no function is called `REFUSED_QOUTE`: did you mean `REFUSED_QUOTE`, for `refused::quote`?";
    assert!(warnings.len() == 1 && warnings[0].to_string().ends_with(hint), "{warnings:?}");
    assert!(Config::new().variables(variables).strict_points().load().is_err());
    let warning = |report: resilience::config::Report| report.warnings[0].reason.clone();
    let hint = "no function is called `apart`: did you mean `refused::apart`?";
    assert_eq!(warning(load("[\"apart\".with_retry]\nmax = 1\n").unwrap()), hint);
    let variables = [("RESILIENCE__APART__WITH_RETRY__MAX", "1")];
    let hint = "no function is called `APART`: did you mean `REFUSED_APART`, for `refused::apart`?";
    assert_eq!(warning(Config::new().variables(variables).load().unwrap()), hint);
}

#[test]
fn a_value_is_validated_even_if_no_function_uses_it() {
    let _world = resilience::testing::isolate();
    for text in [
        "[\"no::such::function\".timeout]\nlimit = \"0s\"\n",
        "[\"no::such::function\".with_retry]\nmax = \"many\"\n",
        "[\"no::such::function\".hedge]\nenabled = 1\n",
        "\"no::such::function\".enabled = 1\n",
        "[job]\nlease = \"1us\"\n",
    ] {
        mistake(text);
    }
}

#[test]
fn a_global_setting_skips_functions_that_cannot_take_it() {
    let _world = resilience::testing::isolate();
    let report = load("[circuit_breaker]\nrate = 0.5\nrecovery = \"7s\"\n").unwrap();
    assert!(
        report.warnings.iter().any(|warning| warning.reason.starts_with("`rate` does not change at `")),
        "{report:?}"
    );
    assert!(shown("refused::by_host", "circuit_breaker", "recovery").starts_with("recovery = 7s"));
}

#[test]
fn a_warning_counts_the_functions_that_cannot_take_a_setting() {
    let _world = resilience::testing::isolate();
    let _ = (plain(), plain_too(), plainest());
    let warning = |module| {
        let text = format!("[\"refused::{module}\".circuit_breaker]\nrate = 0.5\n");
        let reason = load(&text).unwrap().warnings.remove(0).reason;
        reason.split_once(": ").expect("a reason").0.to_owned()
    };
    let first = "`rate` does not change at `refused::plain::deeper::first`";
    assert_eq!(warning("plain::deeper"), format!("{first} and 1 other function"));
    assert_eq!(warning("plain"), format!("{first} and 2 other functions"));
}

#[test]
fn any_number_of_names_is_read_in_one_pass() {
    let _world = resilience::testing::isolate();
    // Comparing each of them with all others would take minutes.
    let module = "no_such_module::".repeat(4);
    let table = |n| format!("[\"{module}function_{n:06}\".with_retry]\nmax = 3\n");
    let report = load(&(0..20_000).map(table).collect::<String>()).unwrap();
    assert_eq!((report.settings, report.warnings.len()), (20_000, 20_000));
    let is_of = |n: usize| report.warnings[n].reason.contains(&format!("function_{n:06}`"));
    assert!((0..20_000).all(is_of), "each is reported once, in the order of the file");
    let name = |n| (format!("RESILIENCE__{}_{n:06}__WITH_RETRY__MAX", "NO_SUCH_MODULE_".repeat(4)), "3");
    let report = Config::new().variables((0..20_000).map(name)).load().unwrap();
    assert_eq!((report.settings, report.warnings.len()), (20_000, 20_000));
}

#[test]
fn variables_are_matched_against_the_names_of_the_program() {
    let _world = resilience::testing::isolate();
    for (name, value, words) in [
        (
            "RESILIENCE__WITH_RETRY__MAX",
            "three",
            "`max` takes a whole number such as 3, and this is \"three\"",
        ),
        (
            "RESILIENCE__WITH_RETRY__MAX",
            "4294967296",
            "`max` must be at most 4294967295: how many retries follow a failed call",
        ),
        ("RESILIENCE__WITH_RETRY__MXA", "3", "`with_retry` has no setting `mxa`: write `max`"),
        ("RESILIENCE__WITH_RETYR__MAX", "3", "there is no policy `with_retyr`: write `with_retry`"),
        ("RESILIENCE__REFUSED_QUOTE__TIMEOUT__LIMIT", "3s", "`refused::quote` has 2 of `timeout`"),
        (
            "RESILIENCE__REFUSED_QUOTE__TIMEOUT_1__LIMIT",
            "1s",
            "at `refused::quote`: the timeout of one attempt",
        ),
        ("RESILIENCE__REFUSED_QUOTE__ENABLED", "yes", "`enabled` takes true or false"),
        ("RESILIENCE__REFUSED__ENABLED", "false", "only one function, or a policy, can be switched off"),
        (
            "RESILIENCE__REFUSED_BY_HOST__KEY__A__CIRCUIT_BREAKER__THRESHOLD",
            "3",
            "single keys are in the file only",
        ),
        ("resilience__refused_by_host__key__a__bulkhead__slots", "3", "single keys are in the file only"),
        ("RESILIENCE__", "3", "expected `RESILIENCE__<function>__<policy>__<setting>`"),
        ("RESILIENCE__MAX", "3", "expected `RESILIENCE__<function>__<policy>__<setting>`"),
        (
            "RESILIENCE__REFUSED_QUOTE__TIMEOUT_1",
            "3s",
            "expected `RESILIENCE__<function>__<policy>__<setting>`",
        ),
        ("RESILIENCE__RETRY__MAX", "3", "there is no policy `retry`: write `with_retry`"),
        ("RESILIENCE__WITH_RETRY__", "3", "expected `RESILIENCE__<function>__<policy>__<setting>`"),
    ] {
        let errors = Config::new().variables([(name, value)]).load().unwrap_err();
        let error = &errors.errors()[0];
        assert_eq!((errors.errors().len(), error.source.to_string()), (1, name.to_owned()));
        assert!(error.reason.starts_with(words), "{name} gives {error}");
    }
    let twice = [("RESILIENCE__WITH_RETRY__MAX", "3"), ("resilience__with_retry__max", "4")];
    let errors = Config::new().variables(twice).load().unwrap_err();
    assert_eq!(errors.errors()[0].reason, "another variable has this name in other letters");
}

#[test]
fn extreme_values_and_nesting_are_rejected() {
    let _world = resilience::testing::isolate();
    let before = shown("refused::by_host", "circuit_breaker", "threshold");
    let levels = [
        format!("a = {}", "[".repeat(200_000)),
        format!("a = {}1{}", "{a=".repeat(100_000), "}".repeat(100_000)),
        format!("{} = 1", ["a"; 100_000].join(".")),
        format!("[{}]", ["a"; 100_000].join(".")),
    ];
    let values = [
        ("with_retry", "max", "99999999999999999999"),
        ("with_retry", "max", "9223372036854775807"),
        ("with_retry", "max", "-1"),
        ("with_retry", "base", "\"1e400s\""),
        ("with_retry", "base", "\"99999999999999999999h\""),
        ("with_retry", "base", "[\"1s\"]"),
        ("with_retry", "cap", "\"99999999999999999h\""),
        ("with_retry", "cap", "\"213504d\""),
        ("timeout", "limit", "\"5124095576030432h\""),
        ("timeout", "stack", "\"17179869185GiB\""),
        ("bulkhead", "wait", "\"0.0000000001s\""),
        ("circuit_breaker", "threshold", "nan"),
        ("circuit_breaker", "threshold", "1979-05-27"),
        ("timeout", "limit", "inf"),
        ("bulkhead", "slots", "0"),
    ];
    let values = values.map(|(policy, setting, value)| {
        format!(
            "[circuit_breaker]\nrecovery = \"3s\"\n[\"no::such::function\".{policy}]\n{setting} = {value}\n"
        )
    });
    for text in levels.iter().chain(&values) {
        let all = mistakes(text);
        assert!(!all.is_empty() && all.iter().all(|(line, _)| *line >= 1), "{all:?}");
        assert!(all.iter().all(|(_, reason)| reason.len() < 1_000), "a reason is short: {all:?}");
    }
    assert_eq!(shown("refused::by_host", "circuit_breaker", "threshold"), before);
    assert!(shown("refused::by_host", "circuit_breaker", "recovery").starts_with("recovery = 60s"));
}

#[test]
fn unknown_names_are_reported_in_line_order() {
    let _world = resilience::testing::isolate();
    let text = "[with_retry]\ntries = 3\n[timeout]\nlimits = \"1s\"\n[bulkhead]\nsize = 4\n";
    let lines: Vec<_> = mistakes(text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines, [2, 4, 6]);
}

#[test]
fn an_unreadable_line_hides_no_other_mistake() {
    let _world = resilience::testing::isolate();
    let _ = (held(), apart());
    let by_function = "\
        [\"refused::quote\".timeout_3]\n\
        limit = \"1s\"\n\
        [\"refused::quote\".timeout]\n\
        limit = \"soon\"\n\
        [\"refused::quote\".bulkhead]\n\
        slots = 3\n\
        [\"refused::quote\".with_retry]\n\
        give_up_after = \"3s\"\n\
        [\"refused::by_host\".circuit_breaker]\n\
        rate = 0.5\n\
        [\"refused::held\".timeout_2]\n\
        limit = \"10s\"\n\
        [\"refused::apart\".with_retry]\n\
        base = \"20s\"\n";
    let alone = mistakes(by_function);
    let lines: Vec<_> = alone.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [2, 4, 4, 6, 8, 10, 12, 14], "{alone:?}");
    for unread in [
        "[\"refused::owned\".with_retry]\nbackof = 1\n",
        "[\"refused::owned\".with_rety]\nmax = 1\n",
        "[\"refused::owned\".with_retry]\non = 1\n",
        "[circuit_breaker]\nkey = \"host\"\n",
        "[hedge]\nafer = \"1s\"\n",
    ] {
        let mut both = alone.clone();
        let (line, added) = mistakes(unread).remove(0);
        both.push((by_function.lines().count() as u32 + line, added));
        assert_eq!(mistakes(&format!("{by_function}{unread}")), both);
    }
    // The line that cannot be read stands before the others.
    let lines: Vec<_> = mistakes(&format!("[hedge]\nafer = \"1s\"\n{by_function}"));
    assert_eq!(lines.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [2, 4, 6, 6, 8, 10, 12, 14, 16]);
}

#[test]
fn an_unreadable_line_causes_no_false_conflict() {
    let _world = resilience::testing::isolate();
    let base = "[\"refused::apart\".with_retry]\nbase = \"20s\"\n";
    assert!(mistake(base).starts_with("at `refused::apart`: `base` is longer than `cap`"));
    let attempt = "[\"refused::held\".timeout_2]\nlimit = \"10s\"\n";
    assert!(mistake(attempt).starts_with("at `refused::held`: the timeout of one attempt (10s)"));
    for (text, unread) in [
        // It may be the `cap`.
        (base, "caps = \"40s\"\n"),
        (base, "[with_retry]\ncaps = \"40s\"\n"),
        (base, "[with_rety]\ncap = \"40s\"\n"),
        (base, "[refused]\nenabled = false\n"),
        // It may be the limit of the whole call, or its policy.
        (attempt, "[\"refused::held\".timeout_1]\nlimt = \"40s\"\n"),
        (attempt, "[\"refused::held\".tiemout_1]\nlimit = \"40s\"\n"),
        (attempt, "[\"refused::held\".timeout]\nlimit = \"40s\"\n"),
        (attempt, "[\"refused::held\".timeout_3]\nlimit = \"40s\"\n"),
    ] {
        let text = format!("{text}{unread}");
        let all = mistakes(&text);
        assert!(all.len() == 1 && !all[0].1.starts_with("at `"), "{text} gives {all:?}");
    }
    let text = "[\"refused::quote\".timeout]\nlimit = \"0s\"\n";
    let reasons: Vec<_> = mistakes(text).into_iter().map(|(_, reason)| reason).collect();
    assert_eq!(reasons.len(), 2, "each once: {reasons:?}");
    let unlimited = "[\"refused::apart\".with_retry]\ngive_up_after = \"3s\"\ncaps = \"1s\"\n";
    assert_eq!(mistakes(unlimited).len(), 2);
}

#[test]
fn an_unreadable_variable_hides_no_other_mistake() {
    let _world = resilience::testing::isolate();
    let two = ("RESILIENCE__REFUSED_QUOTE__TIMEOUT__LIMIT", "3s");
    for unread in
        ["RESILIENCE__REFUSED_OWNED__WITH_RETRY__MX", "RESILIENCE__WITH_RETYR__MAX", "RESILIENCE__X"]
    {
        let errors = Config::new().variables([two, (unread, "3")]).load().unwrap_err();
        let places: Vec<_> = errors.errors().iter().map(|error| error.source.to_string()).collect();
        let mut expected = [two.0, unread];
        expected.sort_unstable();
        assert_eq!(places, expected);
    }
    let scratch = crate::support::Scratch::new();
    for text in ["[with_retry]\nmax = \n", "[hedge]\nafer = \"1s\"\n"] {
        let file = scratch.write("shop.toml", text);
        let errors = Config::new().file(file).variables([two]).load().unwrap_err();
        assert_eq!(errors.errors().len(), 2, "{errors}");
        assert_eq!(errors.errors()[1].source.to_string(), two.0);
    }
    let attempt = ("RESILIENCE__REFUSED_HELD__TIMEOUT_2__LIMIT", "10s");
    let total = |name| Config::new().variables([attempt, (name, "40s")]).load().unwrap_err();
    assert_eq!(total("RESILIENCE__REFUSED_HELD__TIMEOUT_1__LIMT").errors().len(), 1);
    assert_eq!(total("RESILIENCE__REFUSED_OWNED__WITH_RETRY__MX").errors().len(), 2);
}
