//! Whether a file may be a command's program: whoever can change it decides what the worker does.

use std::path::Path;

use crate::fault::Fault;

/// What is wrong with the program that `key` names.
pub(super) fn check(key: &str, program: &str) -> Option<Fault> {
    let path = Path::new(program);
    let wrong = |what: &str, expected: &str| Some(Fault::error(key, what, expected));
    if program.is_empty() {
        return wrong("there is no program", "an absolute path such as /usr/bin/du");
    }
    if !path.is_absolute() {
        return wrong(
            &format!("`{program}` is no absolute path"),
            "an absolute path such as /usr/bin/du: what it names depends on no directory and no PATH",
        );
    }
    let real = match path.canonicalize() {
        Ok(real) => real,
        Err(error) => {
            return wrong(
                &format!("{program} cannot be found: {error}"),
                "a program that is installed here",
            );
        }
    };
    if !real.is_file() {
        return wrong(&format!("{program} is no file"), "a program");
    }
    permissions::check(key, program, &real)
}

/// What is wrong with a file that an argument names, such as a script: only who may change it.
pub(super) fn check_argument(key: &str, argument: &str) -> Option<Fault> {
    let path = Path::new(argument);
    let real = path.is_absolute().then(|| path.canonicalize().ok()).flatten()?;
    permissions::changeable(&real)
        .filter(|_| real.is_file())
        .map(|what| Fault::warning(key, what, "a file that only its owner or a group may change"))
}

#[cfg(unix)]
mod permissions {
    use std::{os::unix::fs::PermissionsExt as _, path::Path};

    use crate::fault::Fault;

    const EXECUTE: u32 = 0o111;
    const OTHERS_WRITE: u32 = 0o002;
    const STICKY: u32 = 0o1000;

    pub(super) fn check(key: &str, program: &str, real: &Path) -> Option<Fault> {
        if mode(real).is_some_and(|mode| mode & EXECUTE == 0) {
            return Some(Fault::error(
                key,
                format!("{program} is not executable"),
                "a program; a script needs `chmod +x`, or its interpreter before it",
            ));
        }
        let what = changeable(real)?;
        Some(Fault::error(
            key,
            what,
            "a program that only its owner or a group may change",
        ))
    }

    /// Who is no owner and of no group could put something else in its place.
    pub(super) fn changeable(real: &Path) -> Option<String> {
        if mode(real).is_some_and(|mode| mode & OTHERS_WRITE != 0) {
            return Some(format!("{} can be changed by everyone", real.display()));
        }
        let is_open = |directory: &&Path| {
            mode(directory).is_some_and(|mode| mode & OTHERS_WRITE != 0 && mode & STICKY == 0)
        };
        let directory = real.ancestors().skip(1).find(is_open)?;
        Some(format!(
            "{} can be replaced by everyone: {} is open to all",
            real.display(),
            directory.display()
        ))
    }

    fn mode(path: &Path) -> Option<u32> {
        path.metadata().ok().map(|metadata| metadata.permissions().mode())
    }
}

#[cfg(not(unix))]
mod permissions {
    use std::path::Path;

    use crate::fault::Fault;

    pub(super) fn check(_: &str, _: &str, _: &Path) -> Option<Fault> {
        None
    }

    pub(super) fn changeable(_: &Path) -> Option<String> {
        None
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::{
        fs::{self, Permissions},
        os::unix::fs::PermissionsExt as _,
    };

    use super::*;

    #[test]
    fn a_program_that_others_could_change_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        let file = inner.join("program");
        fs::write(&file, "").expect("a file");
        for (file_mode, inner_mode, what) in [
            (0o755, 0o755, None),
            (0o775, 0o1777, None),
            (0o644, 0o755, Some("is not executable")),
            (0o757, 0o755, Some("can be changed by everyone")),
            (0o755, 0o777, Some("is open to all")),
        ] {
            fs::set_permissions(&file, Permissions::from_mode(file_mode)).expect("permissions");
            fs::set_permissions(&inner, Permissions::from_mode(inner_mode)).expect("permissions");
            let fault = check("argv[0]", file.to_str().expect("UTF-8"));
            match (what, fault) {
                (None, None) => {}
                (Some(what), Some(fault)) => assert!(fault.what.contains(what), "{fault:?}"),
                (what, fault) => panic!("{file_mode:o} {inner_mode:o}: expected {what:?}, found {fault:?}"),
            }
        }
    }

    #[test]
    fn a_program_is_an_absolute_path_of_a_file() {
        for (program, what) in [
            ("", "there is no program"),
            ("du", "no absolute path"),
            ("./du", "no absolute path"),
            ("/no/such/program", "cannot be found"),
            ("/usr", "is no file"),
        ] {
            let fault = check("argv[0]", program).expect(program);
            assert!(fault.what.contains(what), "{fault:?}");
        }
        assert_eq!(check("argv[0]", "/bin/sh"), None);
    }
}
