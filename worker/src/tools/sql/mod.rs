//! `sql_query`: one statement on one SQLite database, with bound parameters.
//!
//! Every call has a connection of its own, opened for reading only unless writing is allowed, with a guard on what
//! statements may do and a clock that interrupts them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, Rows, Statement};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{BuiltinError, SqlAccess, answers, stop::Stop};
use toolwave_tool::{BlockingTool, CallContext, Effect, Safety, Tool, ToolError};

mod guard;
mod refusal;
mod values;

use refusal::{not_allowed, refusal};

const MAX_SQL_BYTES: usize = 100_000;
const DEFAULT_ROWS: usize = 1_000;
const MAX_ROWS: usize = 50_000;
const MAX_RESULT_BYTES: usize = 4 << 20;
const MAX_BUSY_WAIT: Duration = Duration::from_secs(5);

const DESCRIPTION: &str = "Runs one SQL statement on the SQLite database. Give values in `params`, never inside the SQL: \
a list for `?` placeholders, an object for `:name` ones. Blobs are {\"base64\": \"...\"} both ways; integers keep all 64 \
bits. Returns {columns, rows, row_count, truncated, changes}. Tables: SELECT name, sql FROM sqlite_schema.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SqlParameters {
    /// One statement, at most 100,000 bytes.
    sql: String,
    /// Values of the placeholders: a list for `?`, an object for `:name`.
    #[serde(default)]
    params: Bindings,
    /// Each row as an object by column name (default), or as an array in column order.
    #[serde(default)]
    rows_as: RowShape,
    /// The most rows to return; default 1,000, at most 50,000.
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_ROWS))]
    max_rows: Option<usize>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Bindings {
    Positional(Vec<Value>),
    Named(Map<String, Value>),
}

impl Default for Bindings {
    fn default() -> Self {
        Self::Positional(Vec::new())
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum RowShape {
    #[default]
    Objects,
    Arrays,
}

#[derive(Serialize, JsonSchema)]
struct Selected {
    columns: Vec<String>,
    /// Objects or arrays, as asked.
    rows: Vec<Value>,
    row_count: usize,
    /// There are more rows than max_rows, or more than 4 MiB of them.
    truncated: bool,
    /// Rows inserted, updated or deleted.
    changes: u64,
}

/// The database, and what may be done with it.
#[derive(Clone)]
struct Database {
    path: Arc<Path>,
    write: bool,
}

/// The tool.
pub(super) fn tool(access: &SqlAccess) -> Result<impl Tool + use<>, BuiltinError> {
    let database = Database::check(access)?;
    let name = database
        .path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let key: String = "sql:"
        .chars()
        .chain(name.chars().take(60).filter(|letter| !"{}".contains(*letter)))
        .collect();
    let (effect, safety, rule) = if access.write {
        (
            Effect::Writes(key),
            Safety::NotRepeatable,
            "Statements may change the database.",
        )
    } else {
        (Effect::Reads(key), Safety::ReadOnly, "Statements may only read.")
    };
    let mut tool = BlockingTool::new(
        "sql_query",
        format!("{DESCRIPTION} {rule}"),
        move |parameters: SqlParameters, context: CallContext| {
            database.query(&parameters, &Stop::new(context))
        },
    )
    .effect(effect)
    .safety(safety);
    answers::<Selected>(tool.declaration_mut());
    Ok(tool)
}

// === impl Database ===

impl Database {
    /// Finds out at the start whether it is a database that can be used as allowed.
    fn check(access: &SqlAccess) -> Result<Self, BuiltinError> {
        let unusable = |reason: String| BuiltinError::Database {
            path: access.path.clone(),
            reason,
        };
        if access.path.is_dir() {
            return Err(unusable("it is a directory; name the database's file".to_owned()));
        }
        if !access.path.exists() && !access.write {
            return Err(unusable(
                "it does not exist; name one that does, or allow sql-write to make it".to_owned(),
            ));
        }
        let absolute: PathBuf =
            std::path::absolute(&access.path).map_err(|error| unusable(error.to_string()))?;
        let database = Self {
            path: absolute.into(),
            write: access.write,
        };
        let connection = database.open().map_err(|error| unusable(error.to_string()))?;
        connection
            .query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
                row.get::<_, i64>(0)
            })
            .map_err(|error| unusable(format!("{error}; name a file that SQLite made")))?;
        if access.write && connection.is_readonly("main").unwrap_or(true) {
            return Err(unusable(
                "this user may not write it; give it permission, or allow sql".to_owned(),
            ));
        }
        Ok(database)
    }

    fn open(&self) -> rusqlite::Result<Connection> {
        let mode = if self.write {
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
        } else {
            OpenFlags::SQLITE_OPEN_READ_ONLY
        };
        Connection::open_with_flags(&self.path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)
    }

    fn query(&self, parameters: &SqlParameters, stop: &Stop) -> Result<Selected, ToolError> {
        let max_rows = parameters.max_rows.unwrap_or(DEFAULT_ROWS);
        if !(1..=MAX_ROWS).contains(&max_rows) {
            return Err(ToolError::new(
                "LIMIT_EXCEEDED",
                format!("max_rows is {max_rows}; it is 1 to {MAX_ROWS}"),
            ));
        }
        let length = parameters.sql.len();
        if length > MAX_SQL_BYTES {
            let message =
                format!("sql has {length} bytes; the limit is {MAX_SQL_BYTES}: give values in params");
            return Err(ToolError::new("LIMIT_EXCEEDED", message));
        }
        let mut connection = self.open().map_err(|error| refusal(&error, stop))?;
        let wait = MAX_BUSY_WAIT.min(stop.context().remaining() / 2);
        let denied = guard::restrict(&mut connection, self.write, wait, stop)
            .map_err(|error| refusal(&error, stop))?;
        let changed_before = connection.total_changes();
        let mut selected = self
            .run(&connection, parameters, max_rows, stop)
            .map_err(|error| if denied.is_set() { not_allowed() } else { error })?;
        selected.changes = connection.total_changes() - changed_before;
        Ok(selected)
    }

    fn run(
        &self,
        connection: &Connection,
        parameters: &SqlParameters,
        max_rows: usize,
        stop: &Stop,
    ) -> Result<Selected, ToolError> {
        let refused = |error: rusqlite::Error| refusal(&error, stop);
        let mut statement = connection.prepare(&parameters.sql).map_err(refused)?;
        if statement.expanded_sql().is_none_or(|sql| sql.trim().is_empty()) {
            return Err(ToolError::new(
                "INVALID_SQL",
                "sql holds no statement; one that works: SELECT 1",
            ));
        }
        if !self.write && !statement.readonly() {
            return Err(not_allowed());
        }
        let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
        if parameters.rows_as == RowShape::Objects {
            values::check_names(&columns)?;
        }
        bind(&mut statement, &parameters.params, stop)?;
        let rows = statement.raw_query();
        collect(rows, columns, parameters.rows_as, max_rows, stop)
    }
}

fn bind(statement: &mut Statement<'_>, bindings: &Bindings, stop: &Stop) -> Result<(), ToolError> {
    let expected = statement.parameter_count();
    let wrong = |message: String| ToolError::new("INVALID_PARAMETERS", message);
    match bindings {
        Bindings::Positional(list) => {
            if list.len() != expected {
                return Err(wrong(format!(
                    "the statement has {expected} placeholders and params {} values",
                    list.len()
                )));
            }
            for (index, value) in list.iter().enumerate() {
                let value =
                    values::to_sql(value).map_err(|reason| wrong(format!("params[{index}] {reason}")))?;
                statement
                    .raw_bind_parameter(index + 1, value)
                    .map_err(|error| refusal(&error, stop))?;
            }
        }
        Bindings::Named(map) => {
            let mut bound = 0;
            for index in 1..=expected {
                let Some(name) = statement.parameter_name(index).map(str::to_owned) else {
                    return Err(wrong(
                        "placeholders `?` take a list in params, not an object".to_owned(),
                    ));
                };
                let plain = &name[1..];
                let value = map
                    .get(plain)
                    .or_else(|| map.get(&name))
                    .ok_or_else(|| wrong(format!("params has no value for {name}")))?;
                let value =
                    values::to_sql(value).map_err(|reason| wrong(format!("params.{plain} {reason}")))?;
                statement
                    .raw_bind_parameter(index, value)
                    .map_err(|error| refusal(&error, stop))?;
                bound += 1;
            }
            if bound < map.len() {
                return Err(wrong(format!(
                    "params has {} values and the statement {bound} names",
                    map.len()
                )));
            }
        }
    }
    Ok(())
}

fn collect(
    mut rows: Rows<'_>,
    columns: Vec<String>,
    shape: RowShape,
    max_rows: usize,
    stop: &Stop,
) -> Result<Selected, ToolError> {
    let mut selected = Selected {
        columns,
        rows: Vec::new(),
        row_count: 0,
        truncated: false,
        changes: 0,
    };
    let mut bytes = 0;
    while let Some(row) = rows.next().map_err(|error| refusal(&error, stop))? {
        let mut cells = Vec::with_capacity(selected.columns.len());
        for index in 0..selected.columns.len() {
            let cell = row.get_ref(index).map_err(|error| refusal(&error, stop))?;
            let cell = values::to_json(cell);
            bytes += values::weight(&cell)
                + if shape == RowShape::Objects {
                    selected.columns[index].len() + 3
                } else {
                    0
                };
            cells.push(cell);
        }
        if selected.rows.len() == max_rows || bytes > MAX_RESULT_BYTES {
            selected.truncated = true;
            break;
        }
        selected.rows.push(match shape {
            RowShape::Arrays => Value::Array(cells),
            RowShape::Objects => Value::Object(selected.columns.iter().cloned().zip(cells).collect()),
        });
    }
    selected.row_count = selected.rows.len();
    Ok(selected)
}
