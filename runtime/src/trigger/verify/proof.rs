//! Does what a request presents prove that the holder of a secret or key sent it?
//!
//! One function for each way of proving. All answer yes or no in a time that does not depend on how far a guess is right.

use aws_lc_rs::signature::{self, UnparsedPublicKey};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use flow_model::schema::{DigestEncoding, Hash, KeyForm, Proof};
use hmac::{Hmac, KeyInit as _, Mac, digest::block_api::EagerHash};
use rustls_pki_types::{CertificateDer, SubjectPublicKeyInfoDer, pem::PemObject as _};
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};
use subtle::{Choice, ConstantTimeEq as _};

use super::certificate;
use crate::secret::SecretText;

/// Base64 with `-` and `_`. It is written without padding (RFC 7515, section 2), and read with it too, as some send it.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_encode_padding(false).with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How something is proved.
#[derive(Clone, Copy)]
pub(crate) struct Means<'a> {
    pub(crate) method: Proof,
    pub(crate) hash: Hash,
    pub(crate) key: &'a KeyForm,
}

impl Means<'_> {
    /// Says whether the secret is a public key or a certificate: nothing that has to stay unknown.
    pub(super) fn is_signature(self) -> bool {
        matches!(self.method, Proof::Rsa | Proof::Ecdsa | Proof::Ed25519)
    }
}

/// Says whether one of the candidates is a proof over a message by the holder of a secret.
pub(super) fn holds(means: Means<'_>, secret: &SecretText, message: &[&[u8]], candidates: &[Vec<u8>]) -> Choice {
    let mut holds = Choice::from(0);
    let text = secret.reveal();
    match means.method {
        Proof::Hmac | Proof::Digest => {
            let Some(mut running) = begin(means, secret) else { return holds };
            message.iter().for_each(|piece| running.update(piece));
            holds = equal(&running.finish(), candidates);
        }
        Proof::Token => {
            // Of digests, so that the length of the secret stays unknown too.
            let expected = Sha256::digest(text);
            candidates.iter().for_each(|candidate| holds |= expected.ct_eq(&Sha256::digest(candidate)));
        }
        Proof::Rsa | Proof::Ecdsa | Proof::Ed25519 => {
            let message = message.concat();
            let proves = |candidate: &Vec<u8>| signed(means, text, &message, candidate).is_some();
            holds = Choice::from(u8::from(candidates.iter().any(proves)));
        }
    }
    holds
}

/// Says whether one of the candidates is what is expected.
pub(super) fn equal(expected: &[u8], candidates: &[Vec<u8>]) -> Choice {
    candidates.iter().fold(Choice::from(0), |equal, candidate| equal | expected.ct_eq(candidate))
}

/// A hash that takes its message piece by piece.
pub(super) trait Running: Send {
    fn update(&mut self, piece: &[u8]);
    fn finish(self: Box<Self>) -> Vec<u8>;
}

struct Keyed<D: EagerHash>(Hmac<D>);

impl<D: EagerHash> Running for Keyed<D>
where
    Hmac<D>: Mac + Send,
{
    fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().into_bytes().to_vec()
    }
}

struct Plain<D>(D);

impl<D: Digest + Send> Running for Plain<D> {
    fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    fn finish(self: Box<Self>) -> Vec<u8> {
        self.0.finalize().to_vec()
    }
}

/// Begins a hash by the holder of a secret; none where the secret is no key, or the proof is no hash.
pub(super) fn begin(means: Means<'_>, secret: &SecretText) -> Option<Box<dyn Running>> {
    match means.method {
        Proof::Hmac => Some(keyed(means.hash, &key(means.key, secret.reveal())?)),
        Proof::Digest => Some(match means.hash {
            Hash::Sha1 => Box::new(Plain(Sha1::new())),
            Hash::Sha256 => Box::new(Plain(Sha256::new())),
            Hash::Sha512 => Box::new(Plain(Sha512::new())),
        }),
        Proof::Token | Proof::Rsa | Proof::Ecdsa | Proof::Ed25519 => None,
    }
}

/// The length that a proof has in bytes, where it has one (FIPS 180-4, figure 1; RFC 8032, section 5.1.6).
pub(super) fn length(method: Proof, hash: Hash) -> Option<usize> {
    match (method, hash) {
        (Proof::Ed25519, _) => Some(64),
        (Proof::Token | Proof::Rsa | Proof::Ecdsa, _) => None,
        (Proof::Hmac | Proof::Digest, Hash::Sha1) => Some(20),
        (Proof::Hmac | Proof::Digest, Hash::Sha256) => Some(32),
        (Proof::Hmac | Proof::Digest, Hash::Sha512) => Some(64),
    }
}

/// The bytes that a presented text stands for. A token stands for itself unless it is base64 or base64url.
pub(super) fn decode(method: Proof, text: &str, encoding: DigestEncoding) -> Option<Vec<u8>> {
    match (method, encoding) {
        (Proof::Token, DigestEncoding::Hex) => Some(text.as_bytes().to_vec()),
        (_, DigestEncoding::Hex) => hex::decode(text).ok(),
        (_, DigestEncoding::Base64) => STANDARD.decode(text).ok(),
        (_, DigestEncoding::Base64Url) => URL_SAFE.decode(text).ok(),
    }
}

/// Writes a keyed hash of a text.
pub(crate) fn sign(hash: Hash, encoding: DigestEncoding, secret: &SecretText, text: &str) -> String {
    let mut running = keyed(hash, secret.reveal().as_bytes());
    running.update(text.as_bytes());
    encode(encoding, &running.finish())
}

/// Writes what proves a message, as it is sent; none where the secret is no key, or the proof is no hash.
pub(crate) fn prove(means: Means<'_>, encoding: DigestEncoding, secret: &SecretText, message: &[u8]) -> Option<String> {
    let mut running = begin(means, secret)?;
    running.update(message);
    Some(encode(encoding, &running.finish()))
}

/// The HMAC of a message.
pub(crate) fn authenticated(hash: Hash, key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut running = keyed(hash, key);
    running.update(message);
    running.finish()
}

/// Writes a digest as it is sent.
pub(crate) fn encode(encoding: DigestEncoding, digest: &[u8]) -> String {
    match encoding {
        DigestEncoding::Hex => hex::encode(digest),
        DigestEncoding::Base64 => STANDARD.encode(digest),
        DigestEncoding::Base64Url => URL_SAFE.encode(digest),
    }
}

fn key(form: &KeyForm, text: &str) -> Option<Vec<u8>> {
    match form {
        KeyForm::Text => Some(text.as_bytes().to_vec()),
        KeyForm::Hex => hex::decode(text).ok(),
        KeyForm::Base64(prefix) => STANDARD.decode(text.strip_prefix(prefix.as_str()).unwrap_or(text)).ok(),
        KeyForm::Sha256 => Some(Sha256::digest(text).to_vec()),
    }
}

/// Begins a keyed hash.
pub(super) fn keyed(hash: Hash, key: &[u8]) -> Box<dyn Running> {
    const ANY: &str = "an HMAC takes a key of any length";
    match hash {
        Hash::Sha1 => Box::new(Keyed(Hmac::<Sha1>::new_from_slice(key).expect(ANY))),
        Hash::Sha256 => Box::new(Keyed(Hmac::<Sha256>::new_from_slice(key).expect(ANY))),
        Hash::Sha512 => Box::new(Keyed(Hmac::<Sha512>::new_from_slice(key).expect(ANY))),
    }
}

/// Verifies a signature with a public key: a certificate or a key in PEM, or the bytes of a key by its form. SHA-1 is
/// taken for signatures by nobody any more.
fn signed(means: Means<'_>, text: &str, message: &[u8], signature: &[u8]) -> Option<()> {
    if certificate::is_one(text) {
        let certificate = CertificateDer::from_pem_slice(text.as_bytes()).ok()?;
        let end = webpki::EndEntityCert::try_from(&certificate).ok()?;
        let algorithm = match (means.method, means.hash) {
            (Proof::Rsa, Hash::Sha256) => webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA256,
            (Proof::Rsa, Hash::Sha512) => webpki::aws_lc_rs::RSA_PKCS1_2048_8192_SHA512,
            (Proof::Ecdsa, Hash::Sha256) => webpki::aws_lc_rs::ECDSA_P256_SHA256,
            (Proof::Ed25519, _) => webpki::aws_lc_rs::ED25519,
            _ => return None,
        };
        return end.verify_signature(algorithm, message, signature).ok();
    }
    let key = if text.contains("-----BEGIN PUBLIC KEY-----") {
        SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes()).ok()?.to_vec()
    } else {
        key(means.key, text)?
    };
    let verified = match (means.method, means.hash) {
        (Proof::Rsa, Hash::Sha256) => {
            UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA256, &key).verify(message, signature)
        }
        (Proof::Rsa, Hash::Sha512) => {
            UnparsedPublicKey::new(&signature::RSA_PKCS1_2048_8192_SHA512, &key).verify(message, signature)
        }
        (Proof::Ecdsa, Hash::Sha256) => {
            UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_ASN1, &key).verify(message, signature)
        }
        (Proof::Ed25519, _) => UnparsedPublicKey::new(&signature::ED25519, &key).verify(message, signature),
        _ => return None,
    };
    verified.ok()
}
