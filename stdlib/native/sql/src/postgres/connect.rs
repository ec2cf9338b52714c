//! A connection to PostgreSQL: which server, as whom, and secured how.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use flow_model::failure::{ErrorKind, Failure};
use flow_runtime::{
    connector::{NativeCall, NativeFailure},
    egress::Guard,
};
use rustls_pki_types::ServerName;
use sha2::{Digest as _, Sha256, Sha384, Sha512};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_postgres::{
    CancelToken, Client, Config,
    config::{Host, SslMode},
    tls::{self, ChannelBinding},
};
use tokio_rustls::{TlsConnector, client, rustls::ClientConfig};
use url::Url;

use super::failure::{Phase, failure};
use crate::tls::{Mode, config};

/// Where a database is and who asks.
#[derive(Clone)]
pub(super) struct Settings {
    servers: Vec<(String, u16)>,
    config: Config,
    tls: Arc<ClientConfig>,
}

impl Settings {
    pub(super) fn of(call: &NativeCall<'_>) -> Result<Self, Failure> {
        let (mut config, mode) = read(call.secret("url")?.reveal())?;
        let mode = Mode::of(call)?.unwrap_or(mode);
        config.ssl_mode(match mode {
            Mode::Off => SslMode::Disable,
            Mode::Prefer => SslMode::Prefer,
            Mode::Require | Mode::Verify => SslMode::Require,
        });
        if config.get_application_name().is_none() {
            config.application_name("flow");
        }
        let ports = config.get_ports();
        let servers = config.get_hosts().iter().enumerate().map(|(index, host)| match host {
            Host::Tcp(name) => Ok((name.clone(), ports.get(index).or(ports.first()).copied().unwrap_or(5432))),
            Host::Unix(_) => Err(unfit("names a socket of this machine, which is not connected to")),
        });
        let servers: Vec<_> = servers.collect::<Result<_, _>>()?;
        if servers.is_empty() {
            return Err(unfit("names no host"));
        }
        if config.get_user().is_none() {
            return Err(unfit("names no user"));
        }
        let tls = Arc::new(self::config(mode, call.config("authority").as_str())?);
        Ok(Self { servers, config, tls })
    }

    /// Connects to the first server that is there.
    pub(super) async fn connect(&self, guard: &Guard) -> Result<Connected, NativeFailure> {
        let mut last = None;
        for server in &self.servers {
            match self.connect_to(server, guard).await {
                Ok(connected) => return Ok(connected),
                // Others of the same database refuse for the same reason.
                Err(refused) if refused.failure.kind != ErrorKind::Unavailable => return Err(refused),
                Err(unreachable) => last = Some(unreachable),
            }
        }
        Err(last.unwrap_or_else(|| NativeFailure::never(unfit("names no host"))))
    }

    async fn connect_to(&self, server: &(String, u16), guard: &Guard) -> Result<Connected, NativeFailure> {
        let (stream, address) = reach(&server.0, server.1, guard).await?;
        let connecting = |error| failure(&error, Phase::Connecting);
        let tls = self.handshake(&server.0).map_err(NativeFailure::never)?;
        let connected = self.config.connect_raw(stream, tls).await;
        let (client, connection) = connected.map_err(connecting)?;
        // What is wrong with the connection is told to whoever waits for an answer on it.
        let task = tokio::spawn(async move { drop(connection.await) });
        Ok(Connected { client, task, address, host: server.0.clone() })
    }

    /// Asks the server to stop what a connection is at. That it may come too late is in the nature of it.
    pub(super) async fn cancel(&self, token: CancelToken, address: SocketAddr, host: &str) {
        if let (Ok(stream), Ok(tls)) = (TcpStream::connect(address).await, self.handshake(host)) {
            drop(token.cancel_query_raw(stream, tls).await);
        }
    }

    fn handshake(&self, host: &str) -> Result<Handshake, Failure> {
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(bare).map_err(|_| unfit("names a host that is none"));
        Ok(Handshake { connector: TlsConnector::from(Arc::clone(&self.tls)), name: name? })
    }
}

pub(super) struct Connected {
    pub(super) client: Client,
    pub(super) task: JoinHandle<()>,
    pub(super) address: SocketAddr,
    pub(super) host: String,
}

/// Connects to an address of a host that the guard lets us.
async fn reach(host: &str, port: u16, guard: &Guard) -> Result<(TcpStream, SocketAddr), NativeFailure> {
    let unreachable = |message: String| NativeFailure::never(Failure::new(ErrorKind::Unavailable, message));
    let mut last = unreachable(format!("`{host}` has no address"));
    for address in resolve(host, port, guard).await? {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // An answer waits for nothing that was not sent; the option can't fail on a socket that is open.
                let _: io::Result<()> = stream.set_nodelay(true);
                return Ok((stream, address));
            }
            Err(error) => last = unreachable(format!("`{host}:{port}` can't be reached: {error}")),
        }
    }
    Err(last)
}

/// The addresses of a host that the guard lets us connect to.
pub(crate) async fn resolve(host: &str, port: u16, guard: &Guard) -> Result<Vec<SocketAddr>, NativeFailure> {
    guard.resolve(host, port).await.map_err(|error| {
        let (kind, message) = match error.kind() {
            io::ErrorKind::PermissionDenied => (ErrorKind::Forbidden, format!("the connection was not made: {error}")),
            _ => (ErrorKind::Unavailable, format!("`{host}` is not known: {error}")),
        };
        NativeFailure::never(Failure::new(kind, message))
    })
}

fn unfit(why: &str) -> Failure {
    Failure::new(ErrorKind::Invalid, format!("the setting `url` {why}"))
}

/// Reads a URL as PostgreSQL writes them (its documentation, section 34.1.1.2). What it says of certificates is in
/// settings of their own, but for `sslmode`.
fn read(url: &str) -> Result<(Config, Mode), Failure> {
    const FORM: &str = "is not of the form `postgres://user:password@host:5432/database`";
    let is_url = url.starts_with("postgres://") || url.starts_with("postgresql://");
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    let mut mode = Mode::Prefer;
    let mut others = Vec::new();
    // The query is read alone, since the URL standard refuses lists of hosts.
    let pairs = Url::parse(&format!("x:?{query}")).map_err(|_| unfit(FORM))?;
    for (name, value) in pairs.query_pairs() {
        match (&*name, &*value) {
            ("sslmode", "disable") => mode = Mode::Off,
            ("sslmode", "allow" | "prefer") => mode = Mode::Prefer,
            ("sslmode", "require") => mode = Mode::Require,
            ("sslmode", "verify-ca" | "verify-full") => mode = Mode::Verify,
            ("sslmode", _) => return Err(unfit("has an `sslmode` that is not known")),
            ("sslrootcert" | "sslcert" | "sslkey", _) => {
                return Err(unfit("names a file with certificates: give them in the setting `authority`"));
            }
            _ => others.push(format!("{name}={}", percent(&value))),
        }
    }
    let whole = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
    // The error may repeat parts of the URL.
    let config = if is_url { whole.parse::<Config>().ok() } else { None };
    Ok((config.ok_or_else(|| unfit(FORM))?, mode))
}

fn percent(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect::<String>().replace('+', "%20")
}

/// TLS on a connection that is made.
struct Handshake {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl tls::TlsConnect<TcpStream> for Handshake {
    type Stream = Secured;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Secured>> + Send>>;

    fn connect(self, stream: TcpStream) -> Self::Future {
        Box::pin(async move { Ok(Secured(Box::new(self.connector.connect(self.name, stream).await?))) })
    }
}

/// A connection with TLS.
struct Secured(Box<client::TlsStream<TcpStream>>);

impl tls::TlsStream for Secured {
    /// The hash of the server's certificate (RFC 5929, section 4.1), which binds the password's proof to it.
    fn channel_binding(&self) -> ChannelBinding {
        let (_, session) = self.0.get_ref();
        let certificate = session.peer_certificates().and_then(<[_]>::first);
        let hash = certificate.and_then(|certificate| match signature_hash(certificate)? {
            256 => Some(Sha256::digest(certificate).to_vec()),
            384 => Some(Sha384::digest(certificate).to_vec()),
            _ => Some(Sha512::digest(certificate).to_vec()),
        });
        hash.map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// The hash of a certificate's signature: the second of its three parts names it (RFC 5280, section 4.1). MD5 and SHA-1
/// stand for SHA-256 here; algorithms that have no hash have no binding.
fn signature_hash(certificate: &[u8]) -> Option<u16> {
    let (whole, _) = element(certificate)?;
    let (_, after) = element(whole)?;
    let (algorithm, _) = element(after)?;
    let (id, _) = element(algorithm)?;
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
    match (id.strip_prefix(RSA), id.strip_prefix(ECDSA)) {
        (Some([4 | 5 | 11]), _) | (_, Some([2])) => Some(256),
        (Some([12]), _) | (_, Some([3])) => Some(384),
        (Some([13]), _) | (_, Some([4])) => Some(512),
        _ => None,
    }
}

/// The content of the first element of DER, and what follows it.
fn element(der: &[u8]) -> Option<(&[u8], &[u8])> {
    let [_, length, rest @ ..] = der else { return None };
    let (length, rest) = match *length {
        short @ 0..0x80 => (usize::from(short), rest),
        long => {
            let (bytes, rest) = rest.split_at_checked(usize::from(long & 0x7f))?;
            if bytes.len() > 4 {
                return None;
            }
            (bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest)
        }
    };
    rest.split_at_checked(length)
}

impl AsyncRead for Secured {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Secured {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.get_mut().0).poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.get_mut().0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_how_connections_are_secured() {
        for (url, expected) in [
            ("postgres://u:p@h/d", Mode::Prefer),
            ("postgres://u:p@h/d?sslmode=disable", Mode::Off),
            ("postgresql://u:p@h:1,i:2/d?sslmode=require&channel_binding=require", Mode::Require),
            ("postgres://u@h/d?application_name=a%20b&sslmode=verify-full", Mode::Verify),
        ] {
            let (config, mode) = read(url).unwrap();
            assert_eq!(mode, expected, "{url}");
            assert_eq!(config.get_user(), Some("u"));
        }
        assert_eq!(read("postgres://u@h/d?application_name=a%20b").unwrap().0.get_application_name(), Some("a b"));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for url in [
            "host=h password=hunter2",
            "postgres://u:hunter2@h:hunter2/d",
            "postgres://u:hunter2@h/d?hunter2=1",
            "postgres://u:hunter2@h/d?sslmode=hunter2",
            "hunter2",
        ] {
            let refused = read(url).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Invalid);
            assert!(!refused.message.contains("hunter2"), "{refused}");
        }
    }
}
