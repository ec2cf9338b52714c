//! A connection to a mail server that is secured and on which the sender is known.

use std::{io, sync::Arc};

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::{NativeCall, NativeFailure};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, Error, RootCertStore, crypto::aws_lc_rs},
};

use crate::smtp::{Session, Stream};

/// A dialogue over SMTP that has begun.
pub(crate) async fn connect(call: &NativeCall<'_>) -> Result<Session, NativeFailure> {
    let stream = reach(call).await?;
    // Without a name of its own, a client gives its address (RFC 5321, section 4.1.3).
    let name = match stream.local_addr() {
        Ok(address) if address.is_ipv6() => format!("[IPv6:{}]", address.ip()),
        Ok(address) => format!("[{}]", address.ip()),
        Err(_) => "localhost".to_owned(),
    };
    let mut session = match call.config("tls").as_str() {
        Some("off") => Session::greeted(Box::new(stream), &name).await?,
        Some("implicit") => Session::greeted(secured(Box::new(stream), call).await?, &name).await?,
        _ => {
            let plain = Session::greeted(Box::new(stream), &name).await?;
            Session::secured(secured(plain.start_tls().await?, call).await?, &name).await?
        }
    };
    if let Some(token) = call.token() {
        let host = call.config("host").as_str().unwrap_or_default();
        session.log_in_by_token(user(call).map_err(NativeFailure::never)?, token.reveal(), host).await?;
    } else if let Some(user) = call.config("user").as_str() {
        let password = call.secret("password").map_err(NativeFailure::never)?;
        session.log_in(user, password.reveal()).await?;
    }
    Ok(session)
}

/// Whose mailbox it is.
pub(crate) fn user<'c>(call: &NativeCall<'c>) -> Result<&'c str, Failure> {
    let user = call.config("user").as_str();
    user.ok_or_else(|| invalid("a token is for a mailbox: set `user` to its address".to_owned()))
}

/// What proves by a token whose mailbox it is, as Gmail and Microsoft 365 want it (Google, "OAuth 2.0 Mechanism", and Microsoft,
/// "Authenticate an IMAP, POP or SMTP connection using OAuth": `XOAUTH2`).
pub(crate) fn xoauth2(user: &str, token: &str) -> String {
    format!("user={user}\x01auth=Bearer {token}\x01\x01")
}

/// Connects to an address of the host that the guard lets us.
pub(crate) async fn reach(call: &NativeCall<'_>) -> Result<TcpStream, NativeFailure> {
    let host = call.config("host").as_str().unwrap_or_default();
    let port = match call.config("port") {
        Value::Int(port) => u16::try_from(*port).ok(),
        _ => None,
    };
    let port = port.ok_or_else(|| NativeFailure::never(invalid("`port` is no port".to_owned())))?;
    let never = |kind, message: String| NativeFailure::never(Failure::new(kind, message));
    let addresses = call.guard().resolve(host, port).await.map_err(|error| match error.kind() {
        io::ErrorKind::PermissionDenied => never(ErrorKind::Forbidden, format!("the connection was not made: {error}")),
        _ => never(ErrorKind::Unavailable, format!("`{host}` is not known: {error}")),
    })?;
    let mut last = never(ErrorKind::Unavailable, format!("`{host}` has no address"));
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = never(ErrorKind::Unavailable, format!("`{host}:{port}` can't be reached: {error}")),
        }
    }
    Err(last)
}

/// The connection, secured for the host.
pub(crate) async fn secured(stream: Box<dyn Stream>, call: &NativeCall<'_>) -> Result<Box<dyn Stream>, NativeFailure> {
    let host = call.config("host").as_str().unwrap_or_default();
    let config = config(call.config("authority").as_str()).map_err(NativeFailure::never)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare)
        .map_err(|_| NativeFailure::never(invalid("`host` is neither a name nor an address".to_owned())))?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let message = format!("the connection to the mail server can't be secured: {error}");
            Err(NativeFailure::never(Failure::new(ErrorKind::Unavailable, message)))
        }
    }
}

/// The server's certificate has to be for its host, and by an authority that is trusted.
fn config(authority: Option<&str>) -> Result<ClientConfig, Failure> {
    let unfit = |error: Error| invalid(format!("TLS can't be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(unfit)?;
    let Some(pem) = authority else {
        return Ok(builder.with_platform_verifier().map_err(unfit)?.with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let added = certificate.ok().map(|certificate| roots.add(certificate));
        if !matches!(added, Some(Ok(()))) {
            return Err(invalid("the setting `authority` has no certificate in PEM".to_owned()));
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
