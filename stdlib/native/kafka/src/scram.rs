//! A login in which the password is never sent, and the broker proves that it knows it: SCRAM (RFC 5802, RFC 7677).
//!
//! In: what the broker says. Out: what is said to it. Passwords are taken as they are, as by brokers, which do not prepare
//! them (Apache Kafka, class `ScramFormatter`); there is no binding to the channel, which brokers do not offer.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use flow_model::failure::{ErrorKind, Failure};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256, Sha512};

/// How often brokers may have the password hashed: the least that RFC 7677 allows, and more than any broker is set up with, so that
/// none that is false keeps a program busy.
const ITERATIONS: std::ops::RangeInclusive<u32> = 4096..=200_000;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Hash {
    Sha256,
    Sha512,
}

/// A key, ready to sign.
enum Key {
    Sha256(Hmac<Sha256>),
    Sha512(Hmac<Sha512>),
}

impl Hash {
    fn digest(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }

    fn key(self, bytes: &[u8]) -> Key {
        const ANY: &str = "HMAC takes keys of any length";
        match self {
            Self::Sha256 => Key::Sha256(Hmac::new_from_slice(bytes).expect(ANY)),
            Self::Sha512 => Key::Sha512(Hmac::new_from_slice(bytes).expect(ANY)),
        }
    }

    /// `Hi` of RFC 5802: the first block of PBKDF2.
    fn salted(self, password: &[u8], salt: &[u8], iterations: u32) -> Vec<u8> {
        let key = self.key(password);
        let mut last = key.sign(&[salt, &[0, 0, 0, 1]].concat());
        let mut all = last.clone();
        for _ in 1..iterations {
            last = key.sign(&last);
            all = xor(&all, &last);
        }
        all
    }
}

impl Key {
    fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256(key) => key.clone().chain_update(bytes).finalize().into_bytes().to_vec(),
            Self::Sha512(key) => key.clone().chain_update(bytes).finalize().into_bytes().to_vec(),
        }
    }
}

fn xor(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

/// A login that has begun.
pub(crate) struct Login<'a> {
    hash: Hash,
    password: &'a str,
    nonce: String,
    /// The first message, without what says that there is no binding.
    first: String,
}

/// What the broker has to prove.
pub(crate) struct Proof(Vec<u8>);

impl<'a> Login<'a> {
    /// `nonce` is random text without commas.
    pub(crate) fn new(hash: Hash, user: &str, password: &'a str, nonce: String) -> Self {
        let user = user.replace('=', "=3D").replace(',', "=2C");
        let first = format!("n={user},r={nonce}");
        Self { hash, password, nonce, first }
    }

    pub(crate) fn first(&self) -> String {
        format!("n,,{}", self.first)
    }

    /// The answer to the broker's first message, and what it has to say to that.
    pub(crate) fn answer(&self, heard: &[u8]) -> Result<(String, Proof), Failure> {
        let heard = std::str::from_utf8(heard).map_err(|_| unproved("sends no text"))?;
        let [nonce, salt, iterations] = ["r=", "s=", "i="].map(|name| field(heard, name));
        let nonce = nonce.filter(|nonce| nonce.len() > self.nonce.len() && nonce.starts_with(&self.nonce));
        let nonce = nonce.ok_or_else(|| unproved("answers another login"))?;
        let salt = salt.and_then(|salt| BASE64_STANDARD.decode(salt).ok()).ok_or_else(|| unproved("sends no salt"))?;
        let iterations = iterations.and_then(|number| number.parse().ok()).filter(|number| ITERATIONS.contains(number));
        let iterations = iterations.ok_or_else(|| {
            unproved(&format!("does not ask for {} to {} iterations", ITERATIONS.start(), ITERATIONS.end()))
        })?;
        let salted = self.hash.key(&self.hash.salted(self.password.as_bytes(), &salt, iterations));
        let without_proof = format!("c=biws,r={nonce}");
        let all = format!("{},{heard},{without_proof}", self.first);
        let client = salted.sign(b"Client Key");
        let signature = self.hash.key(&self.hash.digest(&client)).sign(all.as_bytes());
        let proof = BASE64_STANDARD.encode(xor(&client, &signature));
        let server = self.hash.key(&salted.sign(b"Server Key")).sign(all.as_bytes());
        Ok((format!("{without_proof},p={proof}"), Proof(server)))
    }
}

impl Proof {
    pub(crate) fn check(&self, heard: &[u8]) -> Result<(), Failure> {
        let heard = std::str::from_utf8(heard).ok().and_then(|heard| field(heard, "v="));
        let heard = heard.and_then(|signature| BASE64_STANDARD.decode(signature).ok());
        if heard.is_some_and(|heard| heard == self.0) { Ok(()) } else { Err(unproved("does not know the password")) }
    }
}

fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.split(',').find_map(|part| part.strip_prefix(name))
}

fn unproved(what: &str) -> Failure {
    Failure::new(ErrorKind::Unauthorized, format!("the login was broken off: the broker {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The dialogue of RFC 7677, section 3; and with SHA-512 the one that Python's `hashlib` and `hmac` compute.
    const DIALOGUES: [(Hash, &str, &str, &str, &str); 2] = [
        (
            Hash::Sha256,
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
            "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
        ),
        (
            Hash::Sha512,
            "rOprNGfwEbeRWgbNEkqO",
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
            "p=gMGXRcevScNtxZ6/8lQYpGtnsNAc3mGcmNomv+xnoOMw+3R2xNJdMNnzMlTN8PPC6wdp6dybEmDYXYTxwnYPJQ==",
            "v=ZQnYEgWQMFmmsM8aQMF0nDDCy/AgCzkwk8CmMZYcMg0vSVlKDanekLtifDSeVGT4+5ZxXnJq199RVG2rR7N7Zw==",
        ),
    ];

    #[test]
    fn a_login_goes_as_elsewhere() {
        for (hash, nonce, heard, proof, signature) in DIALOGUES {
            let login = Login::new(hash, "user", "pencil", nonce.to_owned());
            assert_eq!(login.first(), format!("n,,n=user,r={nonce}"));
            let (said, expected) = login.answer(heard.as_bytes()).unwrap();
            assert_eq!(said, format!("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,{proof}"));
            assert_eq!(expected.check(signature.as_bytes()), Ok(()));
            for other in ["v=AAAA", "e=other-error", "", "v=", "\u{1}"] {
                assert_eq!(expected.check(other.as_bytes()).unwrap_err().kind, ErrorKind::Unauthorized, "{other}");
            }
        }
    }

    #[test]
    fn a_broker_that_is_none_is_refused() {
        let login = Login::new(Hash::Sha256, "a=b,c", "pencil", "abc".to_owned());
        assert_eq!(login.first(), "n,,n=a=3Db=2Cc,r=abc");
        for heard in [
            "r=abc,s=W22Z,i=4096",
            "r=abd1,s=W22Z,i=4096",
            "r=abc1,s=!,i=4096",
            "r=abc1,s=W22Z,i=4095",
            "r=abc1,s=W22Z,i=4294967295",
            "r=abc1,s=W22Z",
            "",
        ] {
            assert!(login.answer(heard.as_bytes()).is_err(), "{heard}");
        }
    }
}
