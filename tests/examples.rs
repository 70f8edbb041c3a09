//! The examples run and print what they promise.

#[path = "shared/cargo.rs"]
mod cargo;

/// Examples that `.ci/run` and `tests/admin` run.
const ELSEWHERE: [&str; 4] = ["import_job", "operator", "order_saga", "quickstart"];

/// What the example prints.
fn run(example: &str) -> String {
    let mut cargo = cargo::cargo();
    let cargo = cargo.args(["run", "--quiet", "--offline", "--example", example]);
    // What an example keeps, its alerts for instance, is not the user's.
    let state = format!("{}/state of {example} in {}", env!("CARGO_TARGET_TMPDIR"), std::process::id());
    let cargo = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("XDG_STATE_HOME", &state);
    let output = cargo.output().expect("cargo");
    let _ = std::fs::remove_dir_all(state);
    assert!(output.status.success(), "{example}:\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn check(text: &str, lines: &[&str]) {
    let mut rest = text.lines();
    for line in lines {
        assert!(
            rest.any(|printed| printed.contains(line)),
            "`{line}` is missing, or not in its place:\n{text}"
        );
    }
}

#[test]
fn a_step_is_charged_once_and_recorded() {
    let text = run("checkpoint");
    check(
        &text,
        &[
            "attempt 1, may repeat an earlier one: false",
            "charge 1 of 4200 cents",
            "Err(AnswerLost)",
            "attempt 2, may repeat an earlier one: true",
            "charge 1 was made before",
            "Ok(1)",
            "the body does not run: Ok(1)",
            "`cents` differs",
            "recorded: Some(1)",
        ],
    );
    assert_eq!(text.matches("attempt").count(), 2, "{text}");
}

#[test]
fn a_job_whose_call_is_dropped_is_finished_by_recovery() {
    let text = run("job");
    check(
        &text,
        &[
            "step page:3",
            "import:7 is interrupted, begun 1 times, with 3 steps recorded",
            "step page:3",
            "1 interrupted job found",
            "import:7 is done, begun 2 times, with 4 steps recorded",
            "the recorded result: 106",
        ],
    );
    for step in ["rows:7", "page:1", "page:2"] {
        assert_eq!(text.matches(step).count(), 1, "{step}:\n{text}");
    }
}

#[test]
fn a_permanent_failure_is_undone_and_an_outage_is_parked() {
    let text = run("with_recovery");
    check(
        &text,
        &[
            "lamp 1 is free again",
            "order:1 is rolled_back: nobody lives there",
            "order:2 is manual: the carrier is down",
            "order 2 is shipped",
            "order:2 is done: lamp 2 sent to Main Street 5",
        ],
    );
    assert_eq!(text.matches("reserved for order 2").count(), 1, "{text}");
}

#[test]
fn a_deadline_passes_through_two_services() {
    check(
        &run("deadline"),
        &[
            "5000: 200 OK: 3 lamps (the time left was sent along: true)",
            "nonsense: 200 OK: 3 lamps",
            "0: 504 Gateway Timeout: `request` timed out",
            "x-timeout-ms 5: 10 of 10 calls were too late",
            "the breaker is closed",
        ],
    );
}

#[test]
fn a_gateway_fails_over_to_the_next_model() {
    let text = run("llm_gateway");
    check(
        &text,
        &[
            "all models are well",
            "-> large on rain",
            "large is overloaded",
            "large: overloaded_error (unavailable)",
            "-> medium on sun",
            "large: its breaker opens after 2 failures",
            "-> medium on wind",
            "large: not asked (circuit_breaker)",
            "medium: rate_limit_exceeded (rate_limited)",
            "-> small on fog",
            "medium: model_not_found (not_found)",
            "-> small on hail",
            "medium: insufficient_quota (resource)",
            "-> small on snow",
            "a second one is sent",
            "-> large on ice",
            "-> large on ice, requests: 0",
            "an outage: the old answer",
            "-> large on ice",
            "-> server_error (unavailable)",
            "10 iterations with 5 tools at 0.7",
            "3 iterations with 3 tools at 0.3",
            "-> done after 3 iterations",
            "large: not asked (rate_limit)",
            "-> medium on number",
            "stale 1",
            "failover: failed_over",
            "simplified 1, answered 1",
        ],
    );
}

#[test]
fn the_policy_examples_run() {
    let examples = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).expect("the examples");
    let examples = examples.filter_map(|entry| {
        let path = entry.expect("an entry").path();
        path.extension()
            .is_some_and(|end| end == "rs")
            .then(|| path.file_stem().unwrap().display().to_string())
    });
    // Those that a test of this file names are run by it.
    let is_named = |example: &str| include_str!("examples.rs").contains(&format!("run(\"{example}\")"));
    let is_other = |example: &String| !is_named(example) && !ELSEWHERE.contains(&&**example);
    let others: Vec<_> = examples.filter(is_other).map(|example| run(&example)).collect();
    assert!(others.len() >= 11, "{others:?}");
    assert!(others.iter().all(|text| !text.is_empty()));
    check(
        &run("with_lock"),
        &[
            "Ok(\"TASK-123 is complete\")",
            "task:TASK-123: held by process",
            "2 locks are held",
            "Ok(\"the report is being made\")",
            "Ok(\"the report\")",
            "4 locks that are not in use are removed",
        ],
    );
    check(
        &run("transaction"),
        &[
            "an error leaves both: the report could not be sent",
            "status: in progress, open: [\"TASK-122\", \"TASK-123\"]",
            "status: complete, open: [\"TASK-122\"]",
            "what it was is backup 2",
            "status: in progress, open: [\"TASK-122\"]",
        ],
    );
    check(
        &run("hedge"),
        &["30 calls, 33 requests, none slow: true", "load: after 20ms, hedged 3, won by extra 3, denied 0"],
    );
}

#[test]
fn settings_are_read_from_a_file() {
    check(
        &run("config"),
        &[
            "  with_retry: max = 5",
            "reloaded",
            "  circuit_breaker: enabled = false",
            "  `with_retry` has no setting `backof`: write `backoff`",
            "  circuit_breaker: enabled = false",
        ],
    );
}

#[test]
fn events_are_written_as_json_lines() {
    let text = run("events");
    check(
        &text,
        &[
            r#""kind":"attempt_failed","point":"price","key":null,"attempt":1,"#,
            r#""kind":"opened","point":"price","#,
            "ACME: Some(0)",
            r#""kind":"rejected","point":"price","key":null,"policy":"circuit_breaker","#,
            "INIT: Some(0)",
            "10 events received, 0 lost",
            "price: opened after 3 failures, connection, medium, for 60s",
            "price: rejected by circuit_breaker",
        ],
    );
    let lines = text.lines().filter_map(|line| Some(line.get(line.find('{')?..)?.to_owned()));
    let records: Vec<serde_json::Value> =
        lines.map(|line| serde_json::from_str(&line).expect("a line of JSON")).collect();
    assert!(records.len() == 5 && records.iter().all(|record| record["at"].is_string()), "{text}");
}

#[test]
fn layers_cover_a_client_and_a_server() {
    let lines = [
        "lamp: 200 OK: 3 lamps, request 3",
        "chair: 200 OK: 3 chairs, request 5",
        "ghost: 404 Not Found",
        "127.0.0.1",
    ];
    check(&run("tower"), &lines);
}

#[test]
fn health_checks_report_each_component() {
    let text = run("health_check");
    check(
        &text,
        &[
            "breakers: warn: 1 breaker is open (payments::ping: forced_open)",
            "model:llama3: pass: loaded (models: 2)",
            "model:mistral: fail: the model mistral is not loaded; ollama pull mistral",
            "payments: warn: not judged: ",
            "queue: warn: 9000 entries wait; start another worker",
            "store: pass: no job and no step has used a store",
            "ready",
        ],
    );
}

#[test]
fn a_job_runner_shuts_down_in_order() {
    let text = run("shutdown");
    check(
        &text,
        &["import of prices", "page 10", "550 rows", "shut down in", "the process is shutting down"],
    );
    assert!(!text.contains("runs on") && !text.contains("not flushed"), "{text}");
}

#[test]
fn a_supervisor_opens_the_breaker_of_a_service_that_fails_often() {
    let text = run("supervisor");
    let lines = [
        "after 0 s: Some(Closed)",
        "Some(Open)",
        "search: 6 errors `connection` in 18 calls, severity high, breaker opened",
        "after the recovery: Some(Closed)",
    ];
    check(&text, &lines);
}

#[test]
fn an_operator_can_inspect_and_change_a_running_service() {
    let text = run("operations");
    check(
        &text,
        &[
            "repaired by a retry: 4",
            "answered by the fallback: 17 17",
            "a circuit breaker opened",
            "\"level\":\"CRITICAL\",\"component\":\"billing\",\"message\":\"an invoice has no address\"",
            "breakers: warn: 1 breaker is open (price: open)",
            "feed: fail: connection refused",
            "calls 3: succeeded 3; 2.00 attempts a call",
            "3 of 4 failures ended well",
            "resilience_breaker_state{name=\"price\",state=\"open\"} 1",
            "up to 1 call",
            "with_retry(max = 0 from ",
            "without a retry: 17",
            "`max` takes a whole number such as 3, and this is \"many\"",
        ],
    );
}

#[test]
fn a_server_has_operator_routes_and_shuts_down_in_time() {
    let text = run("serve");
    check(
        &text,
        &[
            "chat/up: 200 an answer of up",
            "chat/down: 502 connection refused",
            "chat/down: 503 ",
            "breakers: 200 down: open",
            "up: closed",
            "ready: 200 ready",
            "statistics: 200 33 % succeeded, retries wait shortly: true",
            "breakers/down/reset: down: closed",
            "breakers/up/open: up: forced_open",
            "breakers/new/open: no such agent",
            "resilience_breaker_opened_total{name=\"chat\"} 2",
            "requests are left",
        ],
    );
}

#[test]
fn metrics_reach_opentelemetry_once_each() {
    let text = run("opentelemetry");
    // The periodic reader may export in between: what is last has all.
    let last = text.rfind("Name         : resilience_attempts_total").expect("a metric");
    let lines = ["Value        : 4", "handled", "Value        : 4"];
    check(&text[last..], &lines);
    check(&text, &["resilience_call_duration_seconds", "Count        : 4", "0.5 to 1 : "]);
}

#[test]
fn the_log_shows_the_events_of_calls() {
    let text = run("tracing");
    let lines = [
        "DEBUG resilience::retry: attempt failed point=\"quotes::latest\" attempt=1",
        " INFO resilience::retry: succeeded after retries point=\"quotes::latest\" attempt=3",
        "quote: Ok(42)",
        " WARN resilience::breaker: opened point=\"search::hits\" category=\"unavailable\"",
        "DEBUG resilience::breaker: rejected",
        "hits: [0, 0, 0]",
        "DEBUG resilience::timeout: timed out",
        "resized: Err(",
    ];
    check(&text, &lines);
    assert!(!text.contains("does not answer"), "no text of an error:\n{text}");
}
