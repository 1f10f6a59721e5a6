//! `sql_query`: what it returns, and what statements cannot do.

#![allow(clippy::unwrap_used, reason = "the lint knows no fixtures")]

use std::{fs, path::PathBuf, time::Duration};

use serde_json::json;
use tempfile::TempDir;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toolwave_worker::{
    CallContext, CallIdentity, Effect, Safety,
    tools::{Builtin, BuiltinError, SqlAccess, builtin_tools},
};

mod tools_support;
use tools_support::{Tools, attempt};

struct Place {
    directory: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self {
            directory: tempfile::tempdir().unwrap(),
        };
        rusqlite::Connection::open(place.database())
            .unwrap()
            .execute_batch(
                "CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT UNIQUE, price REAL, picture BLOB);
                 INSERT INTO item VALUES (9223372036854775807, 'pen', 1.5, x'ff00'), (2, 'ink', NULL, NULL);",
            )
            .unwrap();
        place
    }

    fn database(&self) -> PathBuf {
        self.directory.path().join("shop.db")
    }

    fn tools(&self, write: bool) -> Tools {
        Tools::allowed(&self.allowed(write))
    }

    fn allowed(&self, write: bool) -> Builtin {
        Builtin {
            sql: Some(SqlAccess {
                path: self.database(),
                write,
            }),
            ..Builtin::default()
        }
    }
}

#[tokio::test]
async fn rows_come_with_exact_integers_blobs_and_nulls() {
    let place = Place::new();
    let tools = place.tools(false);
    let all = tools
        .call(
            "sql_query",
            json!({"sql": "SELECT * FROM item ORDER BY name DESC"}),
        )
        .await
        .unwrap();
    assert_eq!(
        all,
        json!({
            "columns": ["id", "name", "price", "picture"],
            "rows": [
                {"id": i64::MAX, "name": "pen", "price": 1.5, "picture": {"base64": "/wA="}},
                {"id": 2, "name": "ink", "price": null, "picture": null},
            ],
            "row_count": 2, "truncated": false, "changes": 0,
        })
    );
    let arrays = json!({"sql": "SELECT id, name FROM item ORDER BY id", "rows_as": "arrays", "max_rows": 1});
    let first = tools.call("sql_query", arrays).await.unwrap();
    assert_eq!(
        (&first["rows"], &first["truncated"]),
        (&json!([[2, "ink"]]), &json!(true))
    );
}

#[tokio::test]
async fn values_are_bound_by_position_or_by_name_and_never_become_sql() {
    let place = Place::new();
    let tools = place.tools(false);
    for params in [json!(["pen"]), json!({"name": "pen"})] {
        let sql = if params.is_array() {
            "SELECT id FROM item WHERE name = ?"
        } else {
            "SELECT id FROM item WHERE name = :name"
        };
        let found = tools
            .call("sql_query", json!({"sql": sql, "params": params}))
            .await
            .unwrap();
        assert_eq!(found["rows"], json!([{"id": i64::MAX}]));
    }
    let injection = json!({"sql": "SELECT id FROM item WHERE name = ?", "params": ["' OR 1=1 --"]});
    assert_eq!(tools.call("sql_query", injection).await.unwrap()["row_count"], 0);
    let back = json!({"sql": "SELECT ?, ?, ?, ?", "params": [i64::MIN, true, {"base64": "/wA="}, null], "rows_as": "arrays"});
    assert_eq!(
        tools.call("sql_query", back).await.unwrap()["rows"],
        json!([[i64::MIN, 1, {"base64": "/wA="}, null]])
    );
    for params in [
        json!([]),
        json!([1, 2]),
        json!({"x": 1}),
        json!([[1]]),
        json!([{"a": 1}]),
        json!([u64::MAX]),
    ] {
        let parameters = json!({"sql": "SELECT ?", "params": params});
        assert_eq!(
            tools.code("sql_query", parameters).await,
            "INVALID_PARAMETERS",
            "{params}"
        );
    }
    let unused = json!({"sql": "SELECT :a", "params": {"a": 1, "b": 2}});
    assert_eq!(tools.code("sql_query", unused).await, "INVALID_PARAMETERS");
}

#[tokio::test]
async fn reading_only_means_that_nothing_changes() {
    let place = Place::new();
    let tools = place.tools(false);
    let before = fs::read(place.database()).unwrap();
    for sql in [
        "INSERT INTO item (name) VALUES ('x')",
        "UPDATE item SET name = 'x'",
        "DELETE FROM item",
        "CREATE TABLE t (a)",
        "DROP TABLE item",
        "PRAGMA journal_mode = WAL",
        "PRAGMA user_version = 7",
        "WITH x AS (SELECT 1) DELETE FROM item",
        "DELETE FROM item RETURNING id",
        "CREATE TEMP TABLE t (a)",
        "BEGIN IMMEDIATE",
    ] {
        assert_eq!(
            tools.code("sql_query", json!({"sql": sql})).await,
            "NOT_ALLOWED",
            "{sql}"
        );
    }
    assert_eq!(fs::read(place.database()).unwrap(), before);
}

#[tokio::test]
async fn no_statement_reaches_another_file_or_code_even_where_writing_is_allowed() {
    let place = Place::new();
    let other = place.directory.path().join("other.db");
    for write in [false, true] {
        let tools = place.tools(write);
        for sql in [
            format!("ATTACH '{}' AS other", other.display()),
            format!("VACUUM INTO '{}'", other.display()),
            "SELECT load_extension('/tmp/x.so')".to_owned(),
            "PRAGMA writable_schema = ON".to_owned(),
            "PRAGMA temp_store_directory = '/tmp'".to_owned(),
            "SELECT * FROM pragma_compile_options".to_owned(),
            "SAVEPOINT a".to_owned(),
        ] {
            assert_eq!(
                tools.code("sql_query", json!({"sql": sql})).await,
                "NOT_ALLOWED",
                "{sql}"
            );
        }
        assert!(!other.exists());
        let schema = tools
            .call("sql_query", json!({"sql": "PRAGMA table_info(item)"}))
            .await
            .unwrap();
        assert_eq!(schema["row_count"], 4);
    }
}

#[tokio::test]
async fn one_call_is_one_statement() {
    let place = Place::new();
    let tools = place.tools(true);
    for (sql, code) in [
        ("SELECT 1; DELETE FROM item", "MULTIPLE_STATEMENTS"),
        ("", "INVALID_SQL"),
        ("-- nothing", "INVALID_SQL"),
        ("SELEC 1", "INVALID_SQL"),
        ("SELECT a FROM nowhere", "INVALID_SQL"),
        ("SELECT 1 AS a, 2 AS a", "DUPLICATE_COLUMN"),
        ("SELECT zeroblob(20000000)", "LIMIT_EXCEEDED"),
    ] {
        assert_eq!(tools.code("sql_query", json!({"sql": sql})).await, code, "{sql}");
    }
    assert_eq!(
        tools
            .call("sql_query", json!({"sql": "SELECT 1 AS one;"}))
            .await
            .unwrap()["rows"],
        json!([{"one": 1}])
    );
    let count = json!({"sql": "SELECT count(*) AS n FROM item"});
    assert_eq!(tools.call("sql_query", count).await.unwrap()["rows"][0]["n"], 2);
    let long = json!({"sql": format!("SELECT '{}'", "x".repeat(100_000))});
    assert_eq!(tools.code("sql_query", long).await, "LIMIT_EXCEEDED");
    assert_eq!(
        tools
            .code("sql_query", json!({"sql": "SELECT 1", "max_rows": 50_001}))
            .await,
        "LIMIT_EXCEEDED"
    );
}

#[tokio::test]
async fn where_writing_is_allowed_statements_change_rows_and_constraints_hold() {
    let place = Place::new();
    let tools = place.tools(true);
    let insert = json!({"sql": "INSERT INTO item (name, picture) VALUES (?, ?) RETURNING name", "params": ["nib", {"base64": "AQI="}]});
    let inserted = tools.call("sql_query", insert.clone()).await.unwrap();
    assert_eq!(
        (&inserted["changes"], &inserted["rows"]),
        (&json!(1), &json!([{"name": "nib"}]))
    );
    assert_eq!(tools.code("sql_query", insert).await, "CONSTRAINT_VIOLATED");
    let blob = json!({"sql": "SELECT hex(picture) AS h FROM item WHERE name = 'nib'"});
    assert_eq!(
        tools.call("sql_query", blob).await.unwrap()["rows"][0]["h"],
        "0102"
    );
    let all = json!({"sql": "UPDATE item SET price = 1 RETURNING id", "max_rows": 1});
    let updated = tools.call("sql_query", all).await.unwrap();
    assert_eq!(
        (&updated["changes"], &updated["truncated"]),
        (&json!(3), &json!(true)),
        "a cut answer is a whole change"
    );
    let count = json!({"sql": "SELECT count(*) AS n FROM item WHERE price = 1"});
    assert_eq!(tools.call("sql_query", count).await.unwrap()["rows"][0]["n"], 3);
}

#[tokio::test]
async fn a_statement_without_end_stops_at_the_deadline_and_when_cancelled() {
    let place = Place::new();
    let tools = place.tools(true);
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) ";
    let deadline = Instant::now() + Duration::from_millis(50);
    let context = CallContext::new(CallIdentity::default(), deadline, CancellationToken::new(), None);
    let select = json!({"sql": format!("{endless} SELECT count(*) FROM n")});
    assert_eq!(
        tools
            .call_in("sql_query", select, context)
            .await
            .expect_err("it is stopped")
            .code,
        "CANCELLED"
    );
    let cancelled = CancellationToken::new();
    let insert = json!({"sql": format!("{endless} INSERT INTO item (price) SELECT x FROM n")});
    let call = tools.call_in("sql_query", insert, attempt(1, cancelled.clone()));
    let (ended, ()) = tokio::join!(call, async { cancelled.cancel() });
    assert_eq!(ended.expect_err("it is stopped").code, "CANCELLED");
    let count = json!({"sql": "SELECT count(*) AS n FROM item"});
    assert_eq!(
        tools.call("sql_query", count).await.unwrap()["rows"][0]["n"],
        2,
        "nothing of it stays"
    );
}

#[tokio::test]
async fn a_busy_database_may_be_tried_again() {
    let place = Place::new();
    let tools = place.tools(true);
    let holder = rusqlite::Connection::open(place.database()).unwrap();
    holder.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let deadline = Instant::now() + Duration::from_millis(400);
    let context = CallContext::new(CallIdentity::default(), deadline, CancellationToken::new(), None);
    let error = tools
        .call_in("sql_query", json!({"sql": "DELETE FROM item"}), context)
        .await
        .expect_err("it is locked");
    assert_eq!((error.code.as_str(), error.retryable), ("DATABASE_BUSY", true));
}

#[test]
fn what_it_touches_is_declared_and_the_database_must_be_one() {
    let place = Place::new();
    let declared = |write| {
        let declaration = place.tools(write).declaration("sql_query");
        (declaration.effects, declaration.safety)
    };
    assert_eq!(
        declared(false),
        (vec![Effect::Reads("sql:shop.db".to_owned())], Safety::ReadOnly)
    );
    assert_eq!(
        declared(true),
        (
            vec![Effect::Writes("sql:shop.db".to_owned())],
            Safety::NotRepeatable
        )
    );
    let text = place.directory.path().join("text");
    fs::write(
        &text,
        "no database at all, but long enough to be looked at".repeat(40),
    )
    .unwrap();
    for path in [
        text,
        place.directory.path().join("none.db"),
        place.directory.path().to_owned(),
    ] {
        let allow = Builtin {
            sql: Some(SqlAccess {
                path: path.clone(),
                write: false,
            }),
            ..Builtin::default()
        };
        let refused = builtin_tools(&allow).map(|_| ()).expect_err("refused");
        assert!(
            matches!(refused, BuiltinError::Database { .. }),
            "{path:?}: {refused}"
        );
    }
}
