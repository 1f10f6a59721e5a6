//! What a statement may do, and for how long: limits, the authorizer and the clock of one connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use rusqlite::{
    Connection,
    config::DbConfig,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
};

use super::Stop;

/// A value or a row is no larger.
const MAX_VALUE_BYTES: i32 = 16 << 20;
/// Steps of SQLite's machine between two looks at the clock: well below a millisecond.
const STEPS_BETWEEN_CHECKS: i32 = 4_000;

/// Pragmas that tell of the schema and change nothing.
const HARMLESS_PRAGMAS: [&str; 9] = [
    "table_info",
    "table_xinfo",
    "table_list",
    "index_list",
    "index_info",
    "index_xinfo",
    "foreign_key_list",
    "database_list",
    "collation_list",
];

/// Whether something was refused. SQLite does not say so of every refusal.
#[derive(Clone, Default)]
pub(super) struct Denied(Arc<AtomicBool>);

impl Denied {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Restricts all that the connection runs from now on.
pub(super) fn restrict(
    connection: &mut Connection,
    write: bool,
    busy_wait: Duration,
    stop: &Stop,
) -> rusqlite::Result<Denied> {
    connection.busy_timeout(busy_wait)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    for (limit, value) in [
        (Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES),
        (Limit::SQLITE_LIMIT_ATTACHED, 0),
        (Limit::SQLITE_LIMIT_COLUMN, 1_000),
        (Limit::SQLITE_LIMIT_EXPR_DEPTH, 200),
        (Limit::SQLITE_LIMIT_COMPOUND_SELECT, 100),
        (Limit::SQLITE_LIMIT_VARIABLE_NUMBER, 10_000),
    ] {
        connection.set_limit(limit, value)?;
    }
    let denied = Denied::default();
    let noted = denied.clone();
    let authorizer = move |context: AuthContext<'_>| match allowed(context.action, write) {
        true => Authorization::Allow,
        false => {
            noted.0.store(true, Ordering::Relaxed);
            Authorization::Deny
        }
    };
    connection.authorizer(Some(authorizer))?;
    let stop = stop.clone();
    connection.progress_handler(STEPS_BETWEEN_CHECKS, Some(move || stop.is_set()))?;
    Ok(denied)
}

fn allowed(action: AuthAction<'_>, write: bool) -> bool {
    match action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => !["load_extension", "fts3_tokenizer"]
            .iter()
            .any(|name| function_name.eq_ignore_ascii_case(name)),
        AuthAction::Pragma { pragma_name, .. } => HARMLESS_PRAGMAS
            .iter()
            .any(|name| pragma_name.eq_ignore_ascii_case(name)),
        AuthAction::Insert { .. }
        | AuthAction::Update { .. }
        | AuthAction::Delete { .. }
        | AuthAction::CreateTable { .. }
        | AuthAction::CreateIndex { .. }
        | AuthAction::CreateView { .. }
        | AuthAction::CreateTrigger { .. }
        | AuthAction::CreateVtable { .. }
        | AuthAction::DropTable { .. }
        | AuthAction::DropIndex { .. }
        | AuthAction::DropView { .. }
        | AuthAction::DropTrigger { .. }
        | AuthAction::DropVtable { .. }
        | AuthAction::AlterTable { .. }
        | AuthAction::Reindex { .. }
        | AuthAction::Analyze { .. } => write,
        // Attaching reaches other files (VACUUM attaches, too), a transaction or a temporary table outlives no call.
        _ => false,
    }
}
