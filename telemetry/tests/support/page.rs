//! What tests of the admin ports share, of this crate and of the programs: a client that says exactly what it is
//! told, and a reader of metrics pages that holds each of them to the rules.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "only tests use this")]

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// No answer takes longer.
const PATIENCE: Duration = Duration::from_secs(20);
/// What the names of metrics begin with.
const PREFIXES: [&str; 3] = ["toolwave_", "grpc_server_", "process_"];

/// Status and body.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    ask(address, &format!("GET {path}"), &[], "").await
}

/// The same, said in full.
pub async fn ask(address: SocketAddr, what: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
    let mut text = format!(
        "{what} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n",
        body.len()
    );
    if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
        text.push_str(&format!("Host: {address}\r\n"));
    }
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(body);
    let answered = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let answer = tokio::time::timeout(PATIENCE, answered).await.expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// A page of metrics.
#[derive(Debug, Default)]
pub struct Scrape {
    pub families: Vec<Family>,
    values: BTreeMap<String, f64>,
}

#[derive(Debug)]
pub struct Family {
    pub name: String,
    pub kind: String,
    pub help: String,
    pub labels: BTreeSet<String>,
}

impl Scrape {
    /// The page of a port now; one that breaks a rule fails the test.
    pub async fn of(address: SocketAddr) -> Self {
        let (status, text) = get(address, "/metrics").await;
        assert_eq!(status, 200, "{text}");
        let scrape = Self::parse(&text);
        scrape.check();
        scrape
    }

    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("help");
                scrape.families.push(Family {
                    name: name.into(),
                    kind: String::new(),
                    help: help.into(),
                    labels: BTreeSet::new(),
                });
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a type");
                let family = scrape.families.last_mut().expect("help before type");
                assert_eq!(family.name, name);
                family.kind = kind.into();
            } else {
                scrape.sample(line);
            }
        }
        scrape
    }

    fn sample(&mut self, line: &str) {
        let (name, value) = line.rsplit_once(' ').expect("a value");
        let family = self.families.last_mut().expect("a family before its samples");
        let bare = name.split('{').next().unwrap();
        let suffix = bare
            .strip_prefix(&family.name)
            .unwrap_or_else(|| panic!("{line} in {family:?}"));
        let suffixes: &[&str] = match family.kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        assert!(suffixes.contains(&suffix), "{line} in {family:?}");
        if let Some((_, labels)) = name.split_once('{') {
            let labels = labels.trim_end_matches('}').split("\",");
            let names = labels.map(|label| label.split('=').next().unwrap().to_owned());
            family.labels.extend(names.filter(|label| label != "le"));
        }
        let value = if value == "+Inf" {
            f64::INFINITY
        } else {
            value.parse().expect(line)
        };
        let before = self.values.insert(name.to_owned(), value);
        assert!(before.is_none(), "{name} is there twice");
    }

    /// One that is there, by name and labels as the page writes them.
    #[track_caller]
    pub fn value(&self, sample: &str) -> f64 {
        match self.values.get(sample) {
            Some(value) => *value,
            None => panic!("{sample} is not there"),
        }
    }

    pub fn has(&self, sample: &str) -> bool {
        self.values.contains_key(sample)
    }

    /// The names of samples that begin so.
    pub fn samples<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.values
            .keys()
            .map(String::as_str)
            .filter(move |name| name.starts_with(prefix))
    }

    /// Names, units, types and counts are as they have to be.
    fn check(&self) {
        let mut names = BTreeSet::new();
        for family in &self.families {
            let Family { name, kind, help, .. } = family;
            assert!(names.insert(name), "{name} is there twice");
            assert!(PREFIXES.iter().any(|prefix| name.starts_with(prefix)), "{name}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{name} is a {kind}");
            let bad_units = [
                "_ms",
                "_millis",
                "_milliseconds",
                "_us",
                "_kb",
                "_mb",
                "_minutes",
                "_percent",
            ];
            let bare = name.trim_end_matches("_total");
            assert!(!bad_units.iter().any(|unit| bare.ends_with(unit)), "{name}");
            assert!(help.ends_with('.') && help.len() > 10, "{name}: {help}");
            if kind == "histogram" {
                self.check_histogram(name);
            }
        }
    }

    fn check_histogram(&self, name: &str) {
        let counts = format!("{name}_count");
        for count in self.samples(&counts) {
            let labels = count[counts.len()..]
                .trim_start_matches('{')
                .trim_end_matches('}');
            let inside = if labels.is_empty() {
                String::new()
            } else {
                format!("{labels},")
            };
            let last = self.value(&format!("{name}_bucket{{{inside}le=\"+Inf\"}}"));
            assert_eq!(last, self.value(count), "{count}");
        }
    }

    /// The rows that a table of the page has.
    pub fn table(&self) -> String {
        let mut table = "| name | type | labels | what |\n| --- | --- | --- | --- |\n".to_owned();
        for Family {
            name,
            kind,
            help,
            labels,
        } in &self.families
        {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            table.push_str(&format!(
                "| `{name}` | {kind} | {} | {help} |\n",
                labels.join(", ")
            ));
        }
        table
    }

    /// The table between two marks of a page of the documentation is this one; with `UPDATE_GENERATED` set it is
    /// made so.
    pub fn is_documented(&self, page: &Path, mark: &str) {
        let text = std::fs::read_to_string(page).unwrap();
        let (begin, end) = (
            format!("<!-- {mark}: generated -->\n"),
            format!("<!-- end of {mark} -->"),
        );
        let (before, rest) = text.split_once(&begin).expect("the mark before the table");
        let (table, after) = rest.split_once(&end).expect("the mark after the table");
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            std::fs::write(page, format!("{before}{begin}\n{}\n{end}{after}", self.table())).unwrap();
            return;
        }
        if cfg!(not(target_os = "linux")) {
            // There the system says less of the process.
            return;
        }
        let command = "UPDATE_GENERATED=1 cargo test -p toolwave-coordinator -p toolwave-worker";
        assert_eq!(table.trim(), self.table().trim(), "{}: {command}", page.display());
    }
}
