//! Keeps commands, and is one, for tests: `commanded ROLE ARGUMENT…`.

use std::{
    collections::BTreeMap,
    env,
    io::{self, Read as _, Write as _},
    process::{Command, Stdio, exit},
    thread,
    time::Duration,
};

fn main() -> io::Result<()> {
    toolwave_keeper::keep_if_asked();
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (role, rest) = match arguments.split_first() {
        Some((role, rest)) => (role.as_str(), rest),
        None => ("", &[][..]),
    };
    let text = |index: usize| rest.get(index).map_or("", String::as_str);
    match role {
        "report" => report(rest)?,
        "print" => io::stdout().write_all(text(0).as_bytes())?,
        "print-latin" => io::stdout().write_all(b"caf\xe9\n")?,
        "complain" => {
            eprintln!("{}", text(1));
            exit(text(0).parse().unwrap_or(1));
        }
        "leak" => {
            eprintln!("key is {}", env::var("KEY").unwrap_or_default());
            exit(1);
        }
        "flood" => loop {
            io::stdout().write_all(&[b'x'; 4096])?;
        },
        "progress" => {
            eprintln!("toolwave:progress 0.25 a quarter");
            print!("done");
        }
        "hang" => hang(text(0))?,
        "wait" => loop {
            thread::sleep(Duration::from_secs(3600));
        },
        _ => exit(64),
    }
    Ok(())
}

/// What the command found.
fn report(arguments: &[String]) -> io::Result<()> {
    let mut stdin = String::new();
    io::stdin().read_to_string(&mut stdin)?;
    let report = serde_json::json!({
        "arguments": arguments,
        "stdin": stdin,
        "environment": env::vars().collect::<BTreeMap<_, _>>(),
        "directory": env::current_dir()?,
    });
    println!("{report}");
    Ok(())
}

/// Starts two more, says by progress that all run, and waits.
fn hang(mark: &str) -> io::Result<()> {
    for _ in 0..2 {
        Command::new(env::current_exe()?)
            .args(["wait", mark])
            .stdin(Stdio::null())
            .spawn()?;
    }
    eprintln!("toolwave:progress 0 running");
    loop {
        thread::sleep(Duration::from_secs(3600));
    }
}
