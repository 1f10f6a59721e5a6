//! A server that says what it was sent and how often it was connected to, and tools declared by JSON.

use std::{
    io,
    net::{SocketAddr, TcpListener as Canary},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader},
    net::TcpListener,
    sync::Notify,
    task::{AbortHandle, JoinSet},
    time::Instant,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    },
};
use tokio_util::sync::CancellationToken;
use toolwave_egress::Lookup;
use toolwave_mounted::{
    fault::Fault,
    http::{Http, Network},
};
use toolwave_tool::{CallContext, CallIdentity, Declaration, Parameters, Safety, SharedTool, ToolError};

/// One request, as it came.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Received {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(own, _)| own == name)?;
        Some(value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What a server does with a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Status line, headers, body; the connection stays.
    Whole(String, Vec<(String, String)>, Vec<u8>),
    /// As it is, and the connection ends.
    Raw(Vec<u8>),
    /// A body without end.
    Endless,
    /// None: tells when the request has come, and when its sender has hung up.
    Silence(Arc<Notify>, Arc<Notify>),
}

pub(crate) fn ok(json: Value) -> Answer {
    status("200 OK", json)
}

pub(crate) fn status(status: &str, json: Value) -> Answer {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Answer::Whole(status.to_owned(), headers, json.to_string().into_bytes())
}

pub(crate) fn with_header(answer: Answer, name: &str, value: &str) -> Answer {
    match answer {
        Answer::Whole(status, mut headers, body) => {
            headers.push((name.to_owned(), value.to_owned()));
            Answer::Whole(status, headers, body)
        }
        other => other,
    }
}

type Handler = Arc<dyn Fn(&Received) -> Answer + Send + Sync>;

/// HTTP/1.1 on loopback.
pub(crate) struct Server {
    pub(crate) port: u16,
    received: Arc<Mutex<Vec<Received>>>,
    connections: Arc<AtomicUsize>,
    serving: AbortHandle,
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve(Arc::new(handler), None).await
    }

    pub(crate) async fn answering(answer: Answer) -> Self {
        Self::start(move |_| answer.clone()).await
    }

    pub(crate) async fn start_tls(
        tls: ServerConfig,
        handler: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        Self::serve(Arc::new(handler), Some(TlsAcceptor::from(Arc::new(tls)))).await
    }

    async fn serve(handler: Handler, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let received = Arc::new(Mutex::new(Vec::new()));
        let connections = Arc::new(AtomicUsize::new(0));
        let (kept, accepted) = (received.clone(), connections.clone());
        let serving = tokio::spawn(async move {
            let mut serving = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (tls, handler, kept) = (tls.clone(), handler.clone(), kept.clone());
                serving.spawn(async move {
                    match tls {
                        None => talk(stream, handler, kept).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => talk(stream, handler, kept).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self {
            port,
            received,
            connections,
            serving: serving.abort_handle(),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    pub(crate) fn requests(&self) -> usize {
        self.received.lock().unwrap().len()
    }

    pub(crate) fn last(&self) -> Received {
        self.received
            .lock()
            .unwrap()
            .last()
            .expect("a request has come")
            .clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    handler: Handler,
    kept: Arc<Mutex<Vec<Received>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let received = read(&mut stream).await?;
        kept.lock().unwrap().push(received.clone());
        match handler(&received) {
            Answer::Whole(status, headers, body) => {
                let mut head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    head.push_str(&format!("{name}: {value}\r\n"));
                }
                let whole = [head.as_bytes(), b"\r\n", &body].concat();
                stream.get_mut().write_all(&whole).await.ok()?;
            }
            Answer::Raw(bytes) => {
                stream.get_mut().write_all(&bytes).await.ok()?;
                stream.get_mut().shutdown().await.ok()?;
                return None;
            }
            Answer::Silence(come, gone) => {
                come.notify_one();
                let _ = stream.read(&mut [0]).await;
                gone.notify_one();
                return None;
            }
            Answer::Endless => {
                stream
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\n\r\n")
                    .await
                    .ok()?;
                while stream.get_mut().write_all(&[b'x'; 4096]).await.is_ok() {}
                return None;
            }
        }
    }
}

async fn read<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> Option<Received> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.split_whitespace();
    let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            break;
        };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.map_or(0, |(_, value)| value.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Received {
        method,
        target,
        headers,
        body,
    })
}

/// A listener that nothing may connect to.
pub(crate) struct Silent(Canary);

impl Silent {
    pub(crate) fn listen() -> Self {
        let canary = Canary::bind("127.0.0.1:0").unwrap();
        canary.set_nonblocking(true).unwrap();
        Self(canary)
    }

    pub(crate) fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// A connection is in the queue of the listener before its maker goes on: an empty queue shows that there was none.
    pub(crate) fn assert_nobody_came(&self) {
        let accepted = self.0.accept().map(|(_, from)| from);
        assert_eq!(
            accepted.expect_err("nobody connects").kind(),
            io::ErrorKind::WouldBlock
        );
    }
}

/// Answers every name with the next of some answers, the last one for ever.
pub(crate) fn resolving(answers: &[&[&str]]) -> (Lookup, Arc<AtomicUsize>) {
    let answers: Vec<Vec<SocketAddr>> = answers
        .iter()
        .map(|answer| {
            answer
                .iter()
                .map(|address| SocketAddr::new(address.parse().unwrap(), 0))
                .collect()
        })
        .collect();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let lookup: Lookup = Arc::new(move |_| {
        let at = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        let answer = answers[at].clone();
        Box::pin(async move { Ok(answer) })
    });
    (lookup, asked)
}

/// Whom a client may trust.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    pub(crate) fn server(&self, name: &str) -> ServerConfig {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
        ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap()
    }
}

/// A tool that takes any parameters called a to f, of which none is required.
pub(crate) fn declared(safety: Safety) -> Declaration {
    let mut declaration = Declaration::new("service", "a service");
    declaration.safety = safety;
    declaration.input_schema = json!({
        "type": "object",
        "properties": {"a": {}, "b": {}, "c": {}, "d": {"properties": {"e": {}}}, "p": {}, "q": {}},
        "required": ["p", "q"],
    });
    declaration
}

/// As the file says it, for a server on loopback.
pub(crate) fn local(http: Value) -> Http {
    let mut http = http;
    http["allow_http"] = true.into();
    http["allow_private"] = json!(["127.0.0.1"]);
    read_http(http)
}

pub(crate) fn read_http(http: Value) -> Http {
    serde_json::from_value(http).expect("a table of the right shape")
}

/// Each tool has connections of its own: a pool outlives no test's runtime.
pub(crate) fn tool_of(http: Http, declaration: Declaration) -> SharedTool {
    let network = Network::resolving(toolwave_egress::system_lookup());
    http.tool_on(declaration, &network).expect("a sound declaration")
}

pub(crate) fn tool(http: Value) -> SharedTool {
    tool_of(local(http), declared(Safety::NotRepeatable))
}

pub(crate) async fn call(tool: &SharedTool, parameters: Value) -> Result<Value, ToolError> {
    let text = call_text(tool, parameters).await?;
    Ok(serde_json::from_slice(&text).unwrap())
}

/// The result as it is written.
pub(crate) async fn call_text(tool: &SharedTool, parameters: Value) -> Result<Bytes, ToolError> {
    let call = CallIdentity {
        attempt: 1,
        idempotency_key: "key-1".to_owned(),
        ..CallIdentity::default()
    };
    let limit = Duration::from_secs(30);
    let deadline = Instant::now() + limit;
    let context = CallContext::new(call, deadline, CancellationToken::new(), None);
    let parameters = Parameters::from_json(Bytes::from(parameters.to_string()));
    // What a worker does at the deadline.
    let output = tokio::time::timeout(limit, tool.call(parameters, context)).await;
    Ok(output.expect("the call ends in time")?.into_json())
}

/// Keys at which something is wrong, and what.
pub(crate) fn told(faults: &[Fault]) -> Vec<(String, String)> {
    let told = |fault: &Fault| (fault.key.clone(), format!("{}; {}", fault.what, fault.expected));
    faults.iter().map(told).collect()
}
