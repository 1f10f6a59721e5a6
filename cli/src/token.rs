//! `toolwave token`: a new token, told once on standard error or put in a file, and on standard output the entry by which a coordinator knows it. The
//! entry holds a hash: whoever reads it has no token.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::crypto::ring;
use sha2::{Digest as _, Sha256};

use crate::{
    args::TokenArgs,
    certs,
    failure::{Failure, Verdict},
    output,
};

/// Nobody guesses one of 2^256, so that a plain hash of it is enough.
const BYTES: usize = 32;

pub(crate) fn token(args: &TokenArgs) -> Result<Verdict, Failure> {
    let token = fresh()?;
    let expires = args.expires_in.map(until).transpose()?;
    let mut shown = String::new();
    match &args.file {
        Some(path) => certs::write_new(path, &format!("{token}\n"), 0o600)?,
        // Not on standard output: that often ends in the very file which is to hold no tokens.
        None => output::note(&format!(
            "the token, shown only now, for TOOLWAVE_TOKEN or a file for --token-file:\n{token}"
        )),
    }
    let hash = Sha256::digest(token.as_bytes());
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let tools: Vec<String> = args.tools.iter().map(|tool| format!("\"{tool}\"")).collect();
    let _ = write!(
        shown,
        "# for the file that the coordinator's auth.tokens_file names\n[[token]]\nname = \"{}\"\nsha256 = \"{hex}\"\n\
         tenant = \"{}\"\ntools = [{}]\noperator = {}\n",
        args.name,
        args.tenant,
        tools.join(", "),
        args.operator,
    );
    if let Some(expires) = expires {
        let _ = writeln!(shown, "expires = \"{expires}\"");
    }
    output::write(&shown)?;
    if args.tools.is_empty() {
        output::note("note: it may call no tool; name some with --tools, or all with --tools '*'");
    }
    Ok(Verdict::Success)
}

fn fresh() -> Result<String, Failure> {
    let mut bytes = [0; BYTES];
    ring::default_provider()
        .secure_random
        .fill(&mut bytes)
        .map_err(|_| Failure::Other("the system gives no random bytes".to_owned()))?;
    Ok(format!("tw_{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// As RFC 3339 has it.
fn until(duration: Duration) -> Result<String, Failure> {
    // Beyond the year 9999 there is no way to write it.
    const LONGEST: Duration = Duration::from_secs(1_000 * 366 * 86_400);
    match SystemTime::now().checked_add(duration) {
        Some(end) if duration <= LONGEST => Ok(humantime::format_rfc3339_seconds(end).to_string()),
        _ => Err(Failure::Usage(
            "--expires-in: is longer than 1000 years; leave it out for a token that stays valid".to_owned(),
        )),
    }
}
