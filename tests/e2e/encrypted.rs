//! Calls over TLS: HTTP/2 is spoken, packed answers are read, and a server that is not the one that is meant gets nothing.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    extract::Request,
    http::{Version, header},
    response::IntoResponse as _,
    serve::Listener,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
    server::TlsStream,
};

use super::process::{Ended, flowc, output};
use crate::databases::machine::succeed;

const TOKEN: &str = "made-up-token-7f3a";

/// `{"text":"packed"}`, packed.
const PACKED: [(&str, &str); 4] = [
    ("identity", "7b2274657874223a227061636b6564227d"),
    ("gzip", "1f8b0800000000000203ab562a49ad2851b2522a484cce4e4d51aa0500e472beed11000000"),
    // RFC 7932, section 9.2: one block that is stored as it is, and an empty last one.
    ("br", "0001107b2274657874223a227061636b6564227d03"),
    ("zstd", "28b52ffd04588900007b2274657874223a227061636b6564227d6f23ec1e"),
];

/// An authority of the test, which signs a certificate for a name.
fn certificate(folder: &Path, name: &str) {
    let openssl = |args: &[&str]| succeed(Command::new("openssl").args(args).current_dir(folder).stderr(Stdio::null()));
    let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout"];
    if !folder.join("ca.pem").exists() {
        let authority = ["-x509", "-days", "2", "-subj", "/CN=tests", "-out", "ca.pem"];
        openssl(&[["req"].as_slice(), &key, &["ca.key"], &authority].concat());
    }
    let file = |end: &str| format!("{name}.{end}");
    let subject = format!("/CN={name}");
    openssl(&[["req"].as_slice(), &key, &[&file("key"), "-subj", &subject, "-out", &file("csr")]].concat());
    let names = format!("subjectAltName=DNS:{name}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n");
    fs::write(folder.join("names"), names).unwrap();
    let signed = ["x509", "-req", "-days", "2", "-in", &file("csr"), "-CA", "ca.pem", "-CAkey", "ca.key"];
    openssl(&[signed.as_slice(), &["-CAcreateserial", "-extfile", "names", "-out", &file("pem")]].concat());
}

/// The names by which a server was asked for (RFC 6066, section 3).
type Names = Arc<Mutex<Vec<Option<String>>>>;

/// A port of this machine that speaks TLS alone.
struct Secure {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    names: Names,
}

impl Listener for Secure {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, peer)) = self.tcp.accept().await else { continue };
            // Whoever does not trust the certificate hangs up.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                self.names.lock().unwrap().push(stream.get_ref().1.server_name().map(str::to_owned));
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// What has arrived: the version of HTTP, the path, and the credential.
type Seen = Arc<Mutex<Vec<(Version, String, Option<String>)>>>;

/// A server with the certificate for a name; gives its port.
async fn server(folder: &Path, name: &str) -> (u16, Seen) {
    let (port, seen, _) = server_with_names(folder, name).await;
    (port, seen)
}

async fn server_with_names(folder: &Path, name: &str) -> (u16, Seen, Names) {
    let chain = vec![CertificateDer::from_pem_file(folder.join(format!("{name}.pem"))).unwrap()];
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let seen = Seen::default();
    let log = Arc::clone(&seen);
    let router = Router::new().fallback(move |request: Request| {
        let path = request.uri().path().to_owned();
        let credential = request.headers().get(header::AUTHORIZATION);
        let credential = credential.map(|credential| credential.to_str().unwrap().to_owned());
        log.lock().unwrap().push((request.version(), path.clone(), credential));
        let offered = request.headers()[header::ACCEPT_ENCODING].to_str().unwrap().to_owned();
        let (encoding, packed) = PACKED.into_iter().find(|(encoding, _)| path == format!("/{encoding}")).unwrap();
        assert!(encoding == "identity" || offered.contains(encoding), "{offered}");
        let packed = hex::decode(packed).unwrap();
        async move {
            ([(header::CONTENT_TYPE, "application/json"), (header::CONTENT_ENCODING, encoding)], packed).into_response()
        }
    });
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let names = Names::default();
    let secure = Secure { tcp, acceptor, names: Arc::clone(&names) };
    tokio::spawn(async move { axum::serve(secure, router).await });
    (port, seen, names)
}

fn program(port: u16) -> String {
    format!(
        r#"connector safe {{
  config {{ token: Secret<String> = secret("safe/token") }}
  http {{ base: "https://localhost:{port}", auth: bearer(config.token) }}

  operation read(how: String) -> {{ text: String }} {{
    effect:  read
    request: GET "/{{how}}"
  }}
}}

flow read {{
  let texts = for how in ["identity", "gzip", "br", "zstd"] {{
    step one = safe.read(how) with {{ retry: none }}
    one.text
  }}
  return texts
}}
"#
    )
}

/// A program whose connection replaces the base of its connector.
const ELSEWHERE: &str = r#"connector safe {
  config { token: Secret<String> = secret("safe/token") }
  http { base: "https://api.vendor.example", auth: bearer(config.token) }

  operation read() -> { text: String } {
    effect:  read
    request: GET "/identity"
  }
}

connection own = safe { base_url: env("SAFE_URL") }

flow read {
  step one = own.read() with { retry: none }
  return one.text
}
"#;

/// Runs the program with an authority that is believed, or with those of the machine.
async fn run(folder: &Path, port: u16, authority: Option<&str>) -> Ended {
    fs::write(folder.join("main.flow"), program(port)).unwrap();
    let mut command = flowc();
    command.current_dir(folder).args(["run", "main.flow"]).env("SAFE_TOKEN", TOKEN);
    if let Some(authority) = authority {
        command.env("SSL_CERT_FILE", folder.join(authority));
    }
    tokio::task::spawn_blocking(move || output(&mut command)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn http_2_is_spoken_over_tls_and_packed_answers_are_read() {
    let folder = TempDir::new().unwrap();
    certificate(folder.path(), "localhost");
    let (port, seen) = server(folder.path(), "localhost").await;
    let ended = run(folder.path(), port, Some("ca.pem")).await.says(0, &["completed"]);
    assert_eq!(ended.json(), json!(["packed", "packed", "packed", "packed"]));
    let credential = Some(format!("Bearer {TOKEN}"));
    let expected = PACKED.map(|(how, _)| (Version::HTTP_2, format!("/{how}"), credential.clone()));
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_certificate_is_refused_before_the_credential_leaves() {
    let folder = TempDir::new().unwrap();
    certificate(folder.path(), "localhost");
    certificate(folder.path(), "other.example");
    // For another name; by an authority that the machine does not know.
    let (elsewhere, seen) = server(folder.path(), "other.example").await;
    let (unknown, unseen) = server(folder.path(), "localhost").await;
    for (port, authority, why) in
        [(elsewhere, Some("ca.pem"), "certificate not valid for name"), (unknown, None, "UnknownIssuer")]
    {
        let ended = run(folder.path(), port, authority).await;
        let ended = ended.says(3, &["Unavailable", &format!("`localhost:{port}` can't be reached"), why]);
        assert!(!ended.stderr.contains(TOKEN), "{ended:?}");
    }
    assert!(seen.lock().unwrap().is_empty() && unseen.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn case_13_a_server_is_asked_for_by_the_name_in_the_base_url_and_has_to_be_it() {
    let folder = TempDir::new().unwrap();
    certificate(folder.path(), "localhost");
    certificate(folder.path(), "api.vendor.example");
    fs::write(folder.path().join("main.flow"), ELSEWHERE).unwrap();
    let (own, seen, names) = server_with_names(folder.path(), "localhost").await;
    let (other, unseen, _) = server_with_names(folder.path(), "api.vendor.example").await;
    let run = |port: u16| {
        let mut command = flowc();
        command.current_dir(folder.path()).args(["run", "main.flow"]).env("SAFE_TOKEN", TOKEN);
        command.env("SAFE_URL", format!("https://localhost:{port}"));
        command.env("SSL_CERT_FILE", folder.path().join("ca.pem"));
        tokio::task::spawn_blocking(move || output(&mut command))
    };
    let ended = run(own).await.unwrap().says(0, &["completed"]);
    assert_eq!(ended.json(), json!("packed"));
    assert_eq!(seen.lock().unwrap().len(), 1);
    assert_eq!(*names.lock().unwrap(), [Some("localhost".to_owned())]);
    // The certificate of the vendor's own server is none for that name.
    run(other).await.unwrap().says(3, &["certificate not valid for name"]);
    assert!(unseen.lock().unwrap().is_empty());
}
