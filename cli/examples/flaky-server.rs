//! A small HTTP server that is often busy, for `examples/http.yaml`: std only, one thread for each connection.
//!
//! `GET /items/N` answers JSON after 200 ms. It answers 503 for every fifth item the first time, and with Retry-After for
//! item 25 and for everybody while too many requests are under way. It ends by itself.

use std::{
    collections::HashSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::ExitCode,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

const USAGE: &str = "usage: flaky-server ADDRESS [--max-concurrent N] [--seconds N]";
const WORK: Duration = Duration::from_millis(200);
const RETRY_AFTER: &str = "retry-after: 1\r\n";
const IDLE: Duration = Duration::from_secs(5);
const MAX_REQUEST_BYTES: u64 = 16 * 1024;
/// Connections beyond this are closed unread: a thread each is all that this server has.
const MAX_CONNECTIONS: usize = 256;

struct Options {
    address: String,
    max_concurrent: usize,
    seconds: u64,
}

#[derive(Default)]
struct Shop {
    connections: AtomicUsize,
    under_way: AtomicUsize,
    turned_away: Mutex<HashSet<u64>>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let listener = match TcpListener::bind(&options.address) {
        Ok(listener) => listener,
        Err(error) => {
            eprintln!("cannot listen on {}: {error}", options.address);
            return ExitCode::FAILURE;
        }
    };
    if let Ok(address) = listener.local_addr() {
        println!("listening on http://{address} for {} s", options.seconds);
    }
    thread::spawn(move || {
        thread::sleep(Duration::from_secs(options.seconds));
        std::process::exit(0);
    });
    let shop = Arc::new(Shop::default());
    for stream in listener.incoming().flatten() {
        if shop.connections.fetch_add(1, Ordering::SeqCst) >= MAX_CONNECTIONS {
            shop.connections.fetch_sub(1, Ordering::SeqCst);
            continue;
        }
        let shop = Arc::clone(&shop);
        thread::spawn(move || {
            // A client that goes away in the middle is its own affair.
            let _ = serve(stream, &shop, options.max_concurrent);
            shop.connections.fetch_sub(1, Ordering::SeqCst);
        });
    }
    ExitCode::SUCCESS
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let address = arguments
        .next()
        .ok_or("an address is missing, such as 127.0.0.1:8089")?;
    let mut options = Options {
        address,
        max_concurrent: 10,
        seconds: 600,
    };
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{flag} needs a value"))?;
        let number: u32 = value
            .parse()
            .map_err(|_| format!("{flag} needs a whole number, not {value}"))?;
        match flag.as_str() {
            "--max-concurrent" => options.max_concurrent = number as usize,
            "--seconds" => options.seconds = u64::from(number),
            _ => return Err(format!("{flag} is unknown")),
        }
    }
    Ok(options)
}

/// Answers the requests of one connection, one after another.
fn serve(mut stream: TcpStream, shop: &Shop, max_concurrent: usize) -> std::io::Result<()> {
    stream.set_read_timeout(Some(IDLE))?;
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(path) = request(&mut reader)? {
        let busy = shop.under_way.fetch_add(1, Ordering::SeqCst) >= max_concurrent;
        let answer = answer(&path, shop, busy);
        shop.under_way.fetch_sub(1, Ordering::SeqCst);
        stream.write_all(answer.as_bytes())?;
    }
    Ok(())
}

/// The path of the next request; none when the client is done.
fn request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<String>> {
    let mut head = reader.take(MAX_REQUEST_BYTES);
    let mut first = String::new();
    head.read_line(&mut first)?;
    let mut line = String::new();
    while head.read_line(&mut line)? > 0 && line.trim() != "" {
        line.clear();
    }
    Ok(first.split(' ').nth(1).map(str::to_owned))
}

fn answer(path: &str, shop: &Shop, busy: bool) -> String {
    let Some(item) = path
        .strip_prefix("/items/")
        .and_then(|item| item.parse::<u64>().ok())
    else {
        return response(
            "404 Not Found",
            "",
            "{\"error\":\"there is /items/N and nothing else\"}",
        );
    };
    let first_time = |item| {
        shop.turned_away
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(item)
    };
    if busy || (item.is_multiple_of(5) && first_time(item)) {
        let headers = if busy || item == 25 { RETRY_AFTER } else { "" };
        return response("503 Service Unavailable", headers, "{\"error\":\"busy\"}");
    }
    thread::sleep(WORK);
    let next = item + 1;
    response(
        "200 OK",
        "",
        &format!(
            "{{\"item\":{item},\"square\":{},\"next\":{next}}}",
            item.wrapping_mul(item)
        ),
    )
}

fn response(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    )
}
