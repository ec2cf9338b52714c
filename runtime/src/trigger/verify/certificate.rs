//! Is the certificate, with whose key a request was signed, to be believed?
//!
//! In: the text of a secret, the authorities that are believed, and the time. Out: nothing, or the [`Refusal`]. A secret in PEM
//! holds the certificate of the sender first, and those that lead from it to an authority after it. What is no certificate, as
//! a public key, was given by hand, and has neither issuer nor expiry.
//!
//! Left out on purpose: revocation, for which the lists of the authorities would have to be fetched.

use std::{sync::OnceLock, time::Duration};

use flow_model::units::Instant;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject as _};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, KeyUsage, anchor_from_trusted_cert};

use super::Refusal;

/// How the text of a certificate begins (RFC 7468, section 5).
const BEGINS: &str = "-----BEGIN CERTIFICATE-----";

/// The authorities that the certificates of senders may come from.
#[derive(Debug, Default)]
pub struct Roots(OnceLock<Vec<TrustAnchor<'static>>>);

impl Roots {
    /// Those that this machine believes where it calls other systems. They are read when the first certificate is looked at.
    pub fn of_the_machine() -> Self {
        Self::default()
    }

    /// Those of a text in PEM, and no others.
    pub fn only(pem: &str) -> Self {
        Self(OnceLock::from(anchors(chain(pem))))
    }

    fn anchors(&self) -> &[TrustAnchor<'static>] {
        self.0.get_or_init(|| {
            let found = rustls_native_certs::load_native_certs();
            for error in &found.errors {
                tracing::warn!(%error, "certificates of authorities can't be read");
            }
            anchors(found.certs)
        })
    }
}

/// Says whether a text is a certificate.
pub(super) fn is_one(text: &str) -> bool {
    text.contains(BEGINS)
}

/// Checks the certificate of a secret, if it is one: that it holds now, and that an authority has issued it.
pub(super) fn trusted(text: &str, roots: &Roots, now: Instant) -> Result<(), Refusal> {
    if !is_one(text) {
        return Ok(());
    }
    let chain = chain(text);
    let Some((first, between)) = chain.split_first() else { return Err(Refusal::Distrusted) };
    let end = EndEntityCert::try_from(first).map_err(|_| Refusal::Distrusted)?;
    let time = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)));
    let leads = |usage: KeyUsage| {
        end.verify_for_usage(ALL_VERIFICATION_ALGS, roots.anchors(), between, time, usage, None, None).map(drop)
    };
    // Authorities issue them for servers or for clients; for what signs webhooks alone there is no usage.
    leads(KeyUsage::server_auth()).or_else(|_| leads(KeyUsage::client_auth())).map_err(|error| match error {
        Error::CertExpired { .. } => Refusal::Expired,
        Error::CertNotValidYet { .. } => Refusal::NotYetValid,
        _ => Refusal::Distrusted,
    })
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_slice_iter(pem.as_bytes()).filter_map(Result::ok).collect()
}

fn anchors(certificates: Vec<CertificateDer<'static>>) -> Vec<TrustAnchor<'static>> {
    certificates.iter().filter_map(|one| Some(anchor_from_trusted_cert(one).ok()?.to_owned())).collect()
}
