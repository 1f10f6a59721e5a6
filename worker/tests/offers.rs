//! Tools that are replaced while the worker runs.

mod common;

use std::sync::Arc;

use common::{FakeCoordinator, Gate, Running, Text, attempt, dispatch, echo, registered, worker};
use toolwave_worker::{CallContext, FunctionTool, SharedTool, ToolError};

fn shout() -> SharedTool {
    Arc::new(FunctionTool::new(
        "shout",
        "Returns its text in capitals.",
        |parameters: Text, _: CallContext| async move { Ok::<_, ToolError>(parameters.text.to_uppercase()) },
    ))
}

#[tokio::test]
async fn other_tools_are_told_on_the_session_that_is_open() {
    let mut coordinator = FakeCoordinator::start().await;
    let gate = Gate::new();
    let running = Running::start(worker(&coordinator, &gate));
    let (mut session, _) = coordinator.accept().await;
    session
        .dispatch([dispatch(1, "hold", r#"{"text":"held"}"#)])
        .await;
    gate.wait_begun().await;

    running
        .handle
        .replace_tools([Arc::new(echo()) as SharedTool, shout()])
        .expect("tools that may be offered");
    session.until(|said| !said.offers.is_empty()).await;
    assert_eq!(session.said.offers, [["echo", "shout"]]);

    session
        .dispatch([dispatch(2, "shout", r#"{"text":"new"}"#)])
        .await;
    assert_eq!(session.result(attempt(2)).await, r#""NEW""#);
    session.dispatch([dispatch(3, "hold", "{}")]).await;
    assert_eq!(session.failure(attempt(3)).await.code, "TOOL_GONE");
    gate.let_go.add_permits(1);
    assert_eq!(
        session.result(attempt(1)).await,
        r#""held""#,
        "what ran goes on to its end"
    );
}

#[tokio::test]
async fn tools_that_change_while_the_session_opens_are_told_when_it_is_open() {
    let mut coordinator = FakeCoordinator::start().await;
    let running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut session, register) = coordinator.session().await;
    assert_eq!(register.tools.len(), 3);
    running
        .handle
        .replace_tools([shout()])
        .expect("tools that may be offered");
    session.register(registered()).await;
    session.until(|said| !said.offers.is_empty()).await;
    assert_eq!(session.said.offers, [["shout"]]);
    drop(session);
    let (session, register) = coordinator.accept().await;
    assert_eq!(register.tools.len(), 1, "the next session begins with them");
    assert!(session.said.offers.is_empty());
}

#[tokio::test]
async fn tools_that_may_not_be_offered_change_nothing() {
    let mut coordinator = FakeCoordinator::start().await;
    let running = Running::start(worker(&coordinator, &Gate::new()));
    let (mut session, _) = coordinator.accept().await;
    let nameless = FunctionTool::new(
        "no name",
        "Has a space in its name.",
        |parameters: Text, _: CallContext| async move { Ok::<_, ToolError>(parameters.text) },
    );
    let error = running
        .handle
        .replace_tools([shout(), Arc::new(nameless) as SharedTool])
        .expect_err("a name with a space");
    assert!(error.to_string().contains("tool `no name`"), "{error}");
    let error = running
        .handle
        .replace_tools([shout(), shout()])
        .expect_err("a name twice");
    assert!(error.to_string().contains("`shout` is given twice"), "{error}");
    session
        .dispatch([dispatch(1, "instant", r#"{"text":"old"}"#)])
        .await;
    assert_eq!(session.result(attempt(1)).await, r#""old""#);
    assert!(session.said.offers.is_empty());
}
