//! A connection to a broker that is secured and on which the program is known.
//!
//! Brokers say where the others are. Each address is asked of the guard before it is connected to, also theirs.

use std::{io, sync::Arc};

use bytes::Bytes;
use flow_model::failure::{ErrorKind, Failure};
use flow_runtime::connector::{NativeCall, NativeFailure};
use kafka_protocol::{
    messages::{SaslAuthenticateRequest, SaslHandshakeRequest},
    protocol::StrBytes,
};
use rustls_pki_types::{CertificateDer, ServerName, pem::PemObject as _};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, Error, RootCertStore, crypto::aws_lc_rs},
};

use crate::{
    failure::{invalid, of_code, unavailable},
    scram::{Hash, Login},
    wire::{Connection, Stream},
};

pub(crate) async fn connect(host: &str, port: u16, call: &NativeCall<'_>) -> Result<Connection, NativeFailure> {
    let stream: Box<dyn Stream> = Box::new(reach(host, port, call).await?);
    let is_plain = call.config("tls").as_str() == Some("off");
    let mut connection = Connection::new(if is_plain { stream } else { secured(host, stream, call).await? });
    if let Some(user) = call.config("user").as_str() {
        let password = call.secret("password").map_err(NativeFailure::never)?;
        let mechanism = call.config("mechanism").as_str().unwrap_or("PLAIN");
        log_in(&mut connection, mechanism, user, password.reveal()).await.map_err(NativeFailure::never)?;
    }
    Ok(connection)
}

/// Says who sends, in the frames of Kafka (KIP-152).
async fn log_in(connection: &mut Connection, mechanism: &str, user: &str, password: &str) -> Result<(), Failure> {
    let handshake = SaslHandshakeRequest::default().with_mechanism(StrBytes::from_string(mechanism.to_owned()));
    let answer = connection.ask(&handshake, 1).await.map_err(|lost| unavailable(lost.why()))?;
    if answer.error_code != 0 {
        let offered: Vec<&str> = answer.mechanisms.iter().map(StrBytes::as_str).collect();
        let message = format!("the broker does not take `{mechanism}`, only: {}", offered.join(", "));
        return Err(Failure::new(ErrorKind::Unauthorized, message));
    }
    let hash = match mechanism {
        "SCRAM-SHA-256" => Hash::Sha256,
        "SCRAM-SHA-512" => Hash::Sha512,
        // RFC 4616.
        _ => return say(connection, format!("\0{user}\0{password}")).await.map(drop),
    };
    let login = Login::new(hash, user, password, hex::encode(rand::random::<[u8; 16]>()));
    let heard = say(connection, login.first()).await?;
    let (answer, proof) = login.answer(&heard)?;
    proof.check(&say(connection, answer).await?)
}

/// One message of a login, and the broker's to it.
async fn say(connection: &mut Connection, message: String) -> Result<Bytes, Failure> {
    let request = SaslAuthenticateRequest::default().with_auth_bytes(message.into());
    let answer = connection.ask(&request, 0).await.map_err(|lost| unavailable(lost.why()))?;
    if answer.error_code == 0 { Ok(answer.auth_bytes) } else { Err(of_code(answer.error_code)) }
}

/// Connects to an address of a host that the guard lets us.
async fn reach(host: &str, port: u16, call: &NativeCall<'_>) -> Result<TcpStream, NativeFailure> {
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

async fn secured(host: &str, stream: Box<dyn Stream>, call: &NativeCall<'_>) -> Result<Box<dyn Stream>, NativeFailure> {
    let config = config(call.config("authority").as_str()).map_err(NativeFailure::never)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare)
        .map_err(|_| NativeFailure::never(invalid("the name of a broker is no name of a host")))?;
    match TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Ok(stream) => Ok(Box::new(stream)),
        Err(error) => {
            let message = format!("the connection to the broker can't be secured: {error}");
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
            return Err(invalid("the setting `authority` has no certificate in PEM"));
        }
    }
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
