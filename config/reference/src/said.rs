//! How a key is said on the command line and in the environment, by what clap knows of both.

use clap::Command;

use crate::Key;

/// How a key is said elsewhere than in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// Such as `--listen`.
    pub flag: Option<String>,
    /// Such as `TOOLWAVE_WORKER_NAME`.
    pub variable: Option<String>,
}

/// The argument of this id: the words of a key with `_` between all of them, unless it is named otherwise.
#[must_use]
pub fn said(command: &Command, id: &str) -> Said {
    let found = command.get_arguments().find(|argument| argument.get_id() == id);
    Said {
        flag: found
            .and_then(|flag| flag.get_long())
            .map(|long| format!("--{long}")),
        variable: found
            .and_then(|flag| flag.get_env())
            .map(|name| name.to_string_lossy().into_owned()),
    }
}

/// Every argument but `asides` can be said by the variable `{prefix}{ID}`, and is a key's or one of `others`.
///
/// # Panics
/// One is not.
pub fn variables_are_named_after_keys(
    command: &Command,
    prefix: &str,
    keys: &[Key],
    asides: &[&str],
    others: &[&str],
) {
    let ids: Vec<String> = keys.iter().map(|key| key.key.replace('.', "_")).collect();
    let arguments = command.get_arguments().map(|argument| argument.get_id().as_str());
    let of_keys: Vec<&str> = arguments.filter(|id| !asides.contains(id)).collect();
    assert!(of_keys.len() > others.len(), "{of_keys:?}");
    for id in of_keys {
        let variable = said(command, id).variable;
        assert_eq!(variable, Some(format!("{prefix}{}", id.to_uppercase())), "{id}");
        assert!(
            others.contains(&id) || ids.iter().any(|key| key == id),
            "`{id}` is no key"
        );
    }
}
