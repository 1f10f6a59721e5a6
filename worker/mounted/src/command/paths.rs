//! Parameters that name files: each must lie below the root, whatever it is spelled like, and the command gets the
//! path that was found, without links and without `..`.
//!
//! The check and the command's own opening are two moments: who may rename directories below the root while a call
//! runs can come between. Descriptors would not help: commands take paths.

use std::path::{Component, Path, PathBuf};

use serde_json::Value;

/// Why a path is refused. It names the parameter, and never tells the path.
#[derive(Debug, thiserror::Error)]
pub(super) enum PathError {
    #[error("parameter {0} leads out of the tool's root; expected a path below it")]
    Outside(String),
    #[error("parameter {name} cannot be looked up below the tool's root: {source}")]
    Lookup { name: String, source: std::io::Error },
    #[error("parameter {0} leads to a name that is not UTF-8; expected one that is")]
    NotText(String),
}

/// Where the schema says `format: path`: in properties of objects and items of lists.
pub(super) fn has_paths(schema: &Value) -> bool {
    is_path(schema) || children(schema).any(|(_, child)| has_paths(child))
}

/// The number of times that the schema says it, wherever.
pub(super) fn mentions(schema: &Value) -> usize {
    match schema {
        Value::Object(members) => {
            usize::from(is_path(schema)) + members.values().map(mentions).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(mentions).sum(),
        _ => 0,
    }
}

/// The number of times that it is said where it is heeded.
pub(super) fn heeded(schema: &Value) -> usize {
    usize::from(is_path(schema)) + children(schema).map(|(_, child)| heeded(child)).sum::<usize>()
}

fn is_path(schema: &Value) -> bool {
    schema.get("format").is_some_and(|format| format == "path")
}

/// Schemas below: of a property, by its name, or of all items.
fn children(schema: &Value) -> impl Iterator<Item = (Option<&str>, &Value)> {
    let properties = schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let items = schema.get("items").filter(|items| items.is_object());
    properties
        .map(|(name, child)| (Some(name.as_str()), child))
        .chain(items.map(|items| (None, items)))
}

/// Puts in place of each path the one that it leads to.
pub(super) fn confine(root: &Path, schema: &Value, value: &mut Value, name: &str) -> Result<(), PathError> {
    if is_path(schema)
        && let Value::String(text) = value
    {
        let found = resolve(root, Path::new(text.as_str()), name)?;
        *text = found
            .into_os_string()
            .into_string()
            .map_err(|_| PathError::NotText(name.to_owned()))?;
        return Ok(());
    }
    for (property, child) in children(schema) {
        match (property, &mut *value) {
            (Some(property), Value::Object(members)) => {
                if let Some(member) = members.get_mut(property) {
                    let dot = if name.is_empty() { "" } else { "." };
                    confine(root, child, member, &format!("{name}{dot}{property}"))?;
                }
            }
            (None, Value::Array(items)) => {
                for (index, item) in items.iter_mut().enumerate() {
                    confine(root, child, item, &format!("{name}[{index}]"))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// What is there, or what would be made there: the directory must exist then.
fn resolve(root: &Path, path: &Path, name: &str) -> Result<PathBuf, PathError> {
    let refused = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::CrossesDevices => PathError::Outside(name.to_owned()),
        _ => PathError::Lookup {
            name: name.to_owned(),
            source: error,
        },
    };
    // the root itself may be spelled out
    let path = path.strip_prefix(root).unwrap_or(path);
    if path.is_absolute() {
        return Err(PathError::Outside(name.to_owned()));
    }
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    match beneath::find(root, path, true) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        found => return found.map_err(refused),
    }
    let (Some(Component::Normal(last)), Some(parent)) = (path.components().next_back(), path.parent()) else {
        return Err(refused(std::io::ErrorKind::NotFound.into()));
    };
    let parent = if parent.as_os_str().is_empty() {
        Path::new(".")
    } else {
        parent
    };
    let parent = beneath::find(root, parent, true).map_err(refused)?;
    match beneath::find(&parent, Path::new(last), false) {
        // a link that leads nowhere yet could be made to lead anywhere
        Ok(_) => Err(PathError::Outside(name.to_owned())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(parent.join(last)),
        Err(error) => Err(refused(error)),
    }
}

/// Looks a path up so that no step of it leaves the root: the kernel does it.
#[cfg(target_os = "linux")]
mod beneath {
    use std::{
        fs, io,
        os::fd::AsRawFd as _,
        path::{Path, PathBuf},
    };

    use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};

    /// Of something that exists, its own path; `CrossesDevices` for what leads out.
    pub(super) fn find(root: &Path, path: &Path, follow: bool) -> io::Result<PathBuf> {
        let directory = fs::File::open(root)?;
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if !follow {
            flags |= OFlags::NOFOLLOW;
        }
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let mut tries = 0;
        let found = loop {
            match openat2(&directory, path, flags, Mode::empty(), resolve) {
                // something was renamed meanwhile
                Err(rustix::io::Errno::AGAIN) if tries < 100 => tries += 1,
                found => break found?,
            }
        };
        let path = fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd()))?;
        Ok(path)
    }
}

/// The same by resolving all links first.
#[cfg(not(target_os = "linux"))]
mod beneath {
    use std::{
        io,
        path::{Path, PathBuf},
    };

    pub(super) fn find(root: &Path, path: &Path, follow: bool) -> io::Result<PathBuf> {
        let root = root.canonicalize()?;
        let joined = root.join(path);
        if !follow {
            return joined.symlink_metadata().map(|_| joined);
        }
        let found = joined.canonicalize()?;
        if found.starts_with(&root) {
            Ok(found)
        } else {
            Err(io::ErrorKind::CrossesDevices.into())
        }
    }
}

// elsewhere a path may leave the root and come back, and letter case may not count
#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{fs, os::unix::fs::symlink};

    use super::*;

    #[test]
    fn a_path_leads_below_the_root_or_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let base = folder.path().canonicalize().expect("a folder");
        let root = base.join("root");
        fs::create_dir_all(root.join("inner/deep")).expect("folders");
        fs::create_dir(base.join("root_sibling")).expect("a folder");
        fs::write(base.join("root_sibling/secret"), "").expect("a file");
        fs::write(root.join("inner/file"), "").expect("a file");
        fs::write(root.join("-dash"), "").expect("a file");
        symlink("../root_sibling", root.join("out")).expect("a link");
        symlink("/etc", root.join("absolute")).expect("a link");
        symlink("inner/file", root.join("link")).expect("a link");
        symlink("../nothing", root.join("dangling")).expect("a link");
        symlink("loop", root.join("loop")).expect("a link");
        let spelled_out = root.join("inner/file");
        for (path, expected) in [
            ("inner/file", Some("inner/file")),
            ("./inner//deep/../file", Some("inner/file")),
            ("link", Some("inner/file")),
            ("", Some("")),
            (".", Some("")),
            ("-dash", Some("-dash")),
            ("inner/new", Some("inner/new")),
            ("Inner/file", None),
            (spelled_out.to_str().expect("UTF-8"), Some("inner/file")),
            ("..", None),
            ("../root_sibling/secret", None),
            ("../root/inner/file", None),
            ("inner/../../root_sibling/secret", None),
            ("/etc/passwd", None),
            ("/proc/self/root/etc/passwd", None),
            ("out", None),
            ("out/secret", None),
            ("absolute/passwd", None),
            ("dangling", None),
            ("loop", None),
            ("inner/missing/new", None),
            ("inner/missing/..", None),
            ("inner/file/new", None),
            ("a\0b", None),
        ] {
            let found = resolve(&root, Path::new(path), "path");
            match (expected, found) {
                (Some(expected), Ok(found)) => assert_eq!(found, root.join(expected), "{path}"),
                (None, Err(error)) => assert!(
                    error.to_string().starts_with("parameter path "),
                    "{path}: {error}"
                ),
                (expected, found) => panic!("{path}: expected {expected:?}, found {found:?}"),
            }
        }
        let sibling = format!("{}_sibling/secret", root.display());
        assert!(resolve(&root, Path::new(&sibling), "path").is_err());
    }

    #[test]
    fn paths_are_confined_wherever_the_schema_has_them() {
        let root = tempfile::tempdir().expect("a folder");
        let path = serde_json::json!({"type": "string", "format": "path"});
        let schema = serde_json::json!({"properties": {
            "one": path, "many": {"items": path}, "nested": {"properties": {"inner": path}}, "text": {"type": "string"},
        }});
        assert_eq!((heeded(&schema), mentions(&schema)), (3, 3));
        let hidden = serde_json::json!({"anyOf": [{"properties": {"one": path}}]});
        assert_eq!((heeded(&hidden), mentions(&hidden)), (0, 1));
        let confined = |mut value: Value| confine(root.path(), &schema, &mut value, "").map(|()| value);
        for (value, name) in [
            (serde_json::json!({"one": "../x"}), "parameter one "),
            (serde_json::json!({"many": ["x", "../x"]}), "parameter many[1] "),
            (
                serde_json::json!({"nested": {"inner": "/x"}}),
                "parameter nested.inner ",
            ),
        ] {
            let error = confined(value).expect_err(name).to_string();
            assert!(error.starts_with(name), "{error}");
        }
        let value = confined(serde_json::json!({"one": "x", "text": "../x", "other": 1})).expect("confined");
        let below = root.path().canonicalize().expect("a folder").join("x");
        assert_eq!(
            value,
            serde_json::json!({"one": below, "text": "../x", "other": 1})
        );
    }
}
