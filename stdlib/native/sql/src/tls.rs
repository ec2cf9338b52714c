//! TLS to a database.

use std::sync::Arc;

use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::NativeCall;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_rustls::rustls::{
    ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
};

/// How a connection is secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Not at all.
    Off,
    /// With TLS where the server offers it.
    Prefer,
    /// With TLS, whoever the server says it is.
    Require,
    /// With TLS, and a certificate for its host by an authority that is trusted.
    Verify,
}

impl Mode {
    /// The setting `tls` of a connection, if it is set.
    pub(crate) fn of(call: &NativeCall<'_>) -> Result<Option<Self>, Failure> {
        Ok(Some(match call.config("tls") {
            Value::Null => return Ok(None),
            Value::String(text) if &**text == "off" => Self::Off,
            Value::String(text) if &**text == "prefer" => Self::Prefer,
            Value::String(text) if &**text == "require" => Self::Require,
            Value::String(text) if &**text == "verify" => Self::Verify,
            other => {
                let message = format!("the setting `tls` is {}, and not how connections are secured", other.kind());
                return Err(Failure::new(ErrorKind::Invalid, message));
            }
        }))
    }
}

/// What a handshake needs. `authority` has certificates in PEM that are trusted in the place of the machine's own.
pub(crate) fn config(mode: Mode, authority: Option<&str>) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let unfit = |error: Error| Failure::new(ErrorKind::Invalid, format!("TLS can't be set up: {error}"));
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(unfit)?;
    Ok(match (mode, authority) {
        (Mode::Verify, None) => builder.with_platform_verifier().map_err(unfit)?.with_no_client_auth(),
        (Mode::Verify, Some(pem)) => builder.with_root_certificates(roots(pem)?).with_no_client_auth(),
        _ => {
            let anyone = Arc::new(Anyone(provider));
            builder.dangerous().with_custom_certificate_verifier(anyone).with_no_client_auth()
        }
    })
}

fn roots(pem: &str) -> Result<RootCertStore, Failure> {
    let unfit = |why: &str| Failure::new(ErrorKind::Invalid, format!("the setting `authority` {why}"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate.map_err(|_| unfit("holds no certificate in PEM"))?;
        roots.add(certificate).map_err(|_| unfit("holds a certificate that can't be read"))?;
    }
    if roots.is_empty() { Err(unfit("holds no certificate in PEM")) } else { Ok(roots) }
}

/// Takes any certificate whose key the server has: the connection can't be listened to, but by who answers it.
#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
