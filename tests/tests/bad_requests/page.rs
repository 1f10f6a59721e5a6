//! `docs/errors.md`, generated from the table of reasons and the catalogue, so that it cannot be out of date.

use std::fmt::Write as _;

use toolwave_coordinator::error::{Place, Reason};
use toolwave_tests::{code_word, table_cell};

use crate::rows::Row;

const INTRODUCTION: &str = "\
# Errors

<!-- Generated from coordinator/src/error.rs and tests/data/bad_requests.json by
     `UPDATE_GENERATED=1 cargo test -p toolwave-tests --test bad_requests`. Do not edit. -->

A request that is wrong as a whole is refused before anything of it runs: the RPC fails, and the status carries
`google.rpc.ErrorInfo` with the domain `toolwave` and one of the reasons below. With `INVALID_ARGUMENT` comes
`google.rpc.BadRequest` with every violation and the path of its field (49 of them and 4 KiB at most, since clients
take no more than 8 KiB of trailers; then how many more);
its `description` begins with the violation's own reason. With `RESOURCE_EXHAUSTED` and `UNAVAILABLE`, the only
codes worth trying again, comes `google.rpc.RetryInfo`.

Trouble of one call never fails the RPC. The call's result carries `outcome` and an `error` whose `code` is one of
the reasons below, or the tool's own.

";

/// The page as it should be.
pub(crate) fn page(rows: &[Row]) -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("## Reasons\n\n| reason | where | meaning |\n| --- | --- | --- |\n");
    for reason in Reason::ALL {
        let place = match reason.place() {
            Place::Rpc(code) => format!("RPC `{}`", code_word(code)),
            Place::Call(outcome) => format!("call, {outcome}"),
        };
        let _ = writeln!(
            page,
            "| `{}` | {place} | {} |",
            reason.word(),
            table_cell(reason.meaning())
        );
    }
    page.push_str("\n## What is answered to what\n\nEach row is tested over a real connection.\n\n");
    page.push_str("| row | input | answer |\n| --- | --- | --- |\n");
    for row in rows.iter().filter(|row| row.not_applicable.is_none()) {
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            row.id,
            table_cell(&row.describes),
            answer(row)
        );
    }
    page
}

fn answer(row: &Row) -> String {
    let Some(expected) = &row.expect else {
        return "as the row says".into();
    };
    if let Some(code) = &expected.code {
        let reason = expected
            .reason
            .as_ref()
            .map_or(String::new(), |reason| format!(" `{reason}`"));
        let field = expected
            .field
            .as_ref()
            .map_or(String::new(), |field| format!(" at `{field}`"));
        return format!("`{code}`{reason}{field}");
    }
    let calls = expected.calls.iter().map(|call| match &call.code {
        Some(code) => format!("{} `{code}`", call.outcome),
        None => call.outcome.clone(),
    });
    format!("OK: {}", calls.collect::<Vec<_>>().join(", "))
}
