//! Calls of declared commands: what the process is given, what its end means, and that it ends.
#![cfg(target_os = "linux")]

mod command_support;

use std::time::Duration;

use command_support::{call, command, declaration, failure, program, report, survivors, tool};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use toolwave_mounted::fault::Severity;
use toolwave_tool::{CallContext, CallIdentity, Parameters, Stopping};

/// What has meaning to a shell, a program's options, a template or a reference.
const INJECTIONS: &[&str] = &[
    "; rm -rf /",
    "$(reboot)",
    "`reboot`",
    "a && b || c",
    "| cat /etc/passwd",
    "> /tmp/x",
    "*",
    "~",
    "$HOME",
    "${PATH}",
    "%PATH%",
    "'",
    "\"",
    "\\",
    "\n",
    "a\nb\r\n",
    "\t",
    " ",
    "",
    "{path}",
    "{{path}}",
    "${a.result}",
    "a b  c",
    "!history",
    "#comment",
    "\u{1b}[2J",
    "\u{202e}gpj.exe",
    "é\u{301}日本語🦀",
    "@file",
    "=",
    "--help",
    "-rf",
    "-",
];

#[tokio::test]
async fn each_value_is_one_argument_byte_by_byte() {
    let tool =
        tool(json!({"argv": [program(), "report", "a", "x={v}y", "--", "{v}", "z"], "output": "json"}));
    for value in INJECTIONS {
        let report = report(&tool, json!({"v": value})).await;
        assert_eq!(
            report["arguments"],
            json!(["a", format!("x={value}y"), "--", value, "z"]),
            "{value:?}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_one_argument_or_refused(value in "[^\0]{0,40}", other in any::<i64>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let tool = tool(json!({"argv": [program(), "report", "{v}", "{w}", "end"], "output": "json"}));
            let parameters = json!({"v": value, "w": other});
            if value.starts_with('-') || other < 0 {
                assert_eq!(failure(&tool, parameters).await.code, "INVALID_PARAMETERS");
            } else {
                let report = report(&tool, parameters).await;
                assert_eq!(report["arguments"], json!([value, other.to_string(), "end"]));
            }
        });
    }
}

#[tokio::test]
async fn input_is_the_parameters_as_they_came_or_a_text_or_nothing() {
    let argv = json!([program(), "report"]);
    let parameters = r#"{"big": 12345678901234567890123, "v": "x"}"#;
    for (extra, stdin) in [
        (json!({}), parameters),
        (json!({"stdin": "json"}), parameters),
        (json!({"stdin": "none"}), ""),
        (json!({"stdin": "<{v}> {w}"}), "<x> "),
    ] {
        let mut table = json!({"argv": argv, "output": "json"});
        table
            .as_object_mut()
            .expect("a table")
            .extend(extra.as_object().expect("a table").clone());
        let tool = tool(table);
        let output = tool
            .call(
                Parameters::from_json(parameters.into()),
                command_support::context(),
            )
            .await;
        let report: Value = serde_json::from_slice(output.expect("a result").as_json()).expect("JSON");
        assert_eq!(report["stdin"], stdin, "{extra}");
    }
    // with a placeholder among the arguments it is nothing, unless it is asked for
    let tool = tool(json!({"argv": [program(), "report", "{v}"], "output": "json"}));
    assert_eq!(report(&tool, json!({"v": "x"})).await["stdin"], "");
}

#[tokio::test]
async fn the_environment_is_what_is_named_and_which_call_it_is() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "from a file\n").expect("written");
    let tool = tool(json!({
        "argv": [program(), "report"], "output": "json",
        "environment": {"PLAIN": "text", "KEY": {"file": file.path()}, "OTHER": {"env": "PATH"}},
        "inherit": ["PATH"],
    }));
    let identity = CallIdentity {
        execution_id: "execution-1".into(),
        call_id: "call-1".into(),
        attempt: 2,
        idempotency_key: "key-1".into(),
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let context = CallContext::new(identity, deadline, CancellationToken::new(), None);
    let output = tool
        .call(Parameters::from_json("{}".into()), context)
        .await
        .expect("a result");
    let report: Value = serde_json::from_slice(output.as_json()).expect("JSON");
    let mut environment = report["environment"].as_object().expect("an object").clone();
    let deadline: f64 = environment["TOOLWAVE_DEADLINE"]
        .as_str()
        .and_then(|text| text.parse().ok())
        .expect("seconds");
    assert!(deadline > 1.7e9);
    let path = std::env::var("PATH").expect("PATH");
    for volatile in ["TOOLWAVE_DEADLINE", "TOOLWAVE_KEPT"] {
        assert!(environment.remove(volatile).is_some(), "{volatile}");
    }
    assert_eq!(
        Value::Object(environment),
        json!({
            "KEY": "from a file",
            "OTHER": path,
            "PATH": path,
            "PLAIN": "text",
            "TOOLWAVE_ATTEMPT": "2",
            "TOOLWAVE_CALL_ID": "call-1",
            "TOOLWAVE_EXECUTION_ID": "execution-1",
            "TOOLWAVE_IDEMPOTENCY_KEY": "key-1",
        })
    );
    assert_eq!(report["directory"], "/");
    // a secret that changes is read anew
    std::fs::write(file.path(), "changed\n").expect("written");
    let report = command_support::report(&tool, json!({})).await;
    assert_eq!(report["environment"]["KEY"], "changed");
    let plain = command_support::tool(json!({"argv": [program(), "report"], "output": "json"}));
    let report = command_support::report(&plain, json!({})).await;
    let fixed = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(report["environment"]["PATH"], fixed);
}

#[tokio::test]
async fn output_is_text_or_json_and_said_to_be_broken_where_it_is_not() {
    let with = |argv: Value, output: &str| tool(json!({"argv": argv, "output": output}));
    let print = json!([program(), "print", "{v}"]);
    assert_eq!(
        call(&with(print.clone(), "text"), json!({"v": "a \"b\"\n\n"})).await,
        json!("a \"b\"\n")
    );
    assert_eq!(
        call(&with(print.clone(), "text"), json!({"v": ""})).await,
        json!("")
    );
    assert_eq!(
        call(&with(print.clone(), "json"), json!({"v": " {\"a\": [1]}\n"})).await,
        json!({"a": [1]})
    );
    for (argv, output, value, message) in [
        (&print, "json", "plain", "the result is no JSON"),
        (&print, "json", " \n", "wrote nothing to its standard output"),
        (&print, "json", "{} {}", "the result is no JSON"),
        (
            &json!([program(), "print-latin"]),
            "text",
            "",
            "not UTF-8 at byte 3",
        ),
    ] {
        let error = failure(&with(argv.clone(), output), json!({"v": value})).await;
        assert_eq!(error.code, "BROKEN_OUTPUT");
        assert!(error.message.contains(message), "{error}");
    }
}

#[tokio::test]
async fn text_is_the_default_and_json_with_an_output_schema() {
    let table = command(json!({"argv": [program(), "print", "{v}"]}));
    let mut declaration = declaration();
    let as_text = table
        .clone()
        .tool(declaration.clone(), &command_support::keeper())
        .expect("a tool");
    assert_eq!(call(&as_text, json!({"v": "7"})).await, json!("7"));
    declaration.output_schema = Some(json!({"type": "integer"}));
    let as_json = table
        .tool(declaration, &command_support::keeper())
        .expect("a tool");
    assert_eq!(call(&as_json, json!({"v": "7"})).await, json!(7));
}

#[tokio::test]
async fn exit_codes_mean_what_is_declared() {
    let tool = tool(json!({
        "argv": [program(), "complain", "{code}", "{v}"],
        "success_codes": [0, 1],
        "exit_codes": {
            "75": {"code": "BUSY", "retry_after": "1s"},
            "2": {"code": "NOT_FOUND", "message": "there is no such thing"},
            "3": {"code": "LATER", "retryable": true},
        },
    }));
    let failure = async |code: u8| failure(&tool, json!({"code": code, "v": "first\nlast"})).await;
    assert_eq!(call(&tool, json!({"code": 1, "v": "no matter"})).await, json!(""));
    let busy = failure(75).await;
    assert_eq!(
        (busy.code.as_str(), busy.retryable, busy.retry_after),
        ("BUSY", true, Some(Duration::from_secs(1)))
    );
    assert_eq!(busy.message, "the command ended with exit code 75: last");
    assert_eq!(
        busy.details.map(|details| *details),
        Some(json!({"exit_code": 75, "stderr": "first\nlast"}))
    );
    let missing = failure(2).await;
    assert_eq!((missing.code.as_str(), missing.retryable), ("NOT_FOUND", false));
    assert_eq!(missing.message, "there is no such thing: last");
    assert!(failure(3).await.retryable);
    let unknown = failure(4).await;
    assert_eq!((unknown.code.as_str(), unknown.retryable), ("EXIT_CODE_4", false));
}

#[tokio::test]
async fn a_signal_and_a_limit_are_told_by_number() {
    let tool = tool(json!({"argv": ["/bin/sh", "-c", "kill -SEGV $$"]}));
    let error = failure(&tool, json!({})).await;
    assert_eq!(error.code, "SIGNAL_11");
    assert_eq!(error.details.map(|details| *details), Some(json!({"signal": 11})));
    let tool = command_support::tool(json!({
        "argv": [program(), "print", "{v}"], "limits": {"memory": "100kB"},
    }));
    let error = failure(&tool, json!({"v": "x"})).await;
    assert!(
        ["SIGNAL_9", "SIGNAL_11", "EXIT_CODE_127"].contains(&error.code.as_str()),
        "{error}"
    );
}

#[tokio::test]
async fn secrets_are_blotted_out_of_errors_and_stderr_can_be_kept_out() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "swordfish").expect("written");
    let table = |stderr| {
        json!({
            "argv": [program(), "leak"], "environment": {"KEY": {"file": file.path()}}, "stderr": stderr,
        })
    };
    let error = failure(&tool(table("errors")), json!({})).await;
    assert_eq!(
        error.message,
        "the command ended with exit code 1: key is *********"
    );
    assert!(!format!("{error:?}").contains("swordfish"));
    let error = failure(&tool(table("none")), json!({})).await;
    assert_eq!(error.message, "the command ended with exit code 1");
    let tool = tool(table("errors"));
    std::fs::remove_file(file.path()).expect("removed");
    let error = failure(&tool, json!({})).await;
    assert_eq!(
        (error.code.as_str(), error.retryable),
        ("SECRET_UNAVAILABLE", true)
    );
}

#[tokio::test]
async fn a_command_that_writes_too_much_is_ended() {
    let mark = command_support::mark();
    let tool = tool(json!({"argv": [program(), "flood", mark], "max_output": "64KiB"}));
    let error = failure(&tool, json!({})).await;
    assert_eq!(error.code, "OUTPUT_TOO_LARGE");
    assert!(error.message.contains("65536 bytes (`max_output`)"), "{error}");
    assert_eq!(survivors(&mark), 0);
    let exactly = command_support::tool(json!({"argv": [program(), "print", "{v}"], "max_output": 5}));
    assert_eq!(call(&exactly, json!({"v": "12345"})).await, json!("12345"));
    assert_eq!(
        failure(&exactly, json!({"v": "123456"})).await.code,
        "OUTPUT_TOO_LARGE"
    );
}

#[tokio::test]
async fn cancelling_ends_the_command_and_what_it_started_before_the_call_ends() {
    let mark = command_support::mark();
    let tool = tool(json!({"argv": [program(), "hang", mark], "grace": "30s"}));
    assert_eq!(tool.stopping(), Stopping::Wait);
    let cancelled = CancellationToken::new();
    // one line of progress
    let (progress, mut told) = mpsc::channel(1);
    let deadline = Instant::now() + Duration::from_secs(60);
    let context = CallContext::new(
        CallIdentity::default(),
        deadline,
        cancelled.clone(),
        Some(progress),
    );
    let call = tool.call(Parameters::from_json("{}".into()), context);
    let cancel = async {
        assert_eq!(told.recv().await.expect("progress").message, "running");
        command_support::until_there_are(3, &mark).await;
        cancelled.cancel();
    };
    let (result, ()) = tokio::join!(call, cancel);
    assert_eq!(result.expect_err("no result").code, "CANCELLED");
    assert_eq!(survivors(&mark), 0);
}

#[tokio::test]
async fn a_command_that_is_asked_to_end_may_write_and_tidy_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let done = folder.path().join("done");
    // what it writes would kill it, if nobody read it
    let script = "trap 'echo bye; echo bye >&2; : > \"$1\"; exit 0' TERM
        echo 'toolwave:progress 0 running' >&2
        while :; do sleep 0.01; done";
    let tool = tool(json!({"argv": ["/bin/sh", "-c", script, "sh", done], "grace": "30s"}));
    let cancelled = CancellationToken::new();
    // one line of progress
    let (progress, mut told) = mpsc::channel(1);
    let deadline = Instant::now() + Duration::from_secs(60);
    let context = CallContext::new(
        CallIdentity::default(),
        deadline,
        cancelled.clone(),
        Some(progress),
    );
    let call = tool.call(Parameters::from_json("{}".into()), context);
    let cancel = async {
        told.recv().await.expect("progress");
        cancelled.cancel();
    };
    let (result, ()) = tokio::join!(call, cancel);
    assert_eq!(result.expect_err("no result").code, "CANCELLED");
    assert!(done.exists());
}

#[tokio::test]
async fn progress_reaches_the_call_and_stays_out_of_errors() {
    let tool = tool(json!({"argv": [program(), "progress"]}));
    // one line of progress
    let (progress, mut told) = mpsc::channel(1);
    let deadline = Instant::now() + Duration::from_secs(60);
    let context = CallContext::new(
        CallIdentity::default(),
        deadline,
        CancellationToken::new(),
        Some(progress),
    );
    let output = tool
        .call(Parameters::from_json("{}".into()), context)
        .await
        .expect("a result");
    assert_eq!(output.as_json().as_ref(), b"\"done\"");
    let progress = told.recv().await.expect("progress");
    assert_eq!(
        (progress.fraction, progress.message.as_str()),
        (Some(0.25), "a quarter")
    );
}

#[tokio::test]
async fn paths_reach_the_command_resolved_below_the_root_by_argument_and_by_input() {
    let root = tempfile::tempdir().expect("a folder");
    let below = root.path().canonicalize().expect("a folder").join("file");
    std::fs::write(&below, "").expect("a file");
    std::os::unix::fs::symlink("/etc/passwd", root.path().join("link")).expect("a link");
    for (argv, stdin, shown) in [
        (json!([program(), "report", "{path}"]), "none", "arguments"),
        (json!([program(), "report"]), "json", "stdin"),
    ] {
        let tool = tool(json!({"argv": argv, "stdin": stdin, "root": root.path(), "output": "json"}));
        let report = report(&tool, json!({"path": "./file"})).await;
        let expected = match shown {
            "arguments" => json!([below]),
            _ => json!(json!({"path": below}).to_string()),
        };
        assert_eq!(report[shown], expected);
        assert_eq!(
            report["directory"],
            json!(root.path().canonicalize().expect("a folder"))
        );
        for path in [
            "../file",
            "/etc/passwd",
            "link",
            "/proc/self/root/etc/passwd",
            "a\0b",
        ] {
            let error = failure(&tool, json!({"path": path})).await;
            assert!(error.code.starts_with("PATH_"), "{path:?}: {error}");
        }
    }
}

#[tokio::test]
async fn a_program_that_is_gone_fails_the_call_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("program");
    std::fs::copy("/bin/true", &copy).expect("copied");
    let tool = tool(json!({"argv": [copy]}));
    assert_eq!(call(&tool, json!({})).await, json!(""));
    std::fs::remove_file(&copy).expect("removed");
    let error = failure(&tool, json!({})).await;
    assert_eq!(error.code, "COMMAND_NOT_STARTED");
    assert!(
        error
            .message
            .contains("the program cannot be executed: No such file"),
        "{error}"
    );
}

#[test]
fn a_declaration_with_an_error_makes_no_tool() {
    let faults = command(json!({"argv": ["du"]}))
        .tool(declaration(), &command_support::keeper())
        .err()
        .expect("faults");
    assert!(faults.iter().any(|fault| fault.severity == Severity::Error));
}
