//! Signatures by which requests and claims prove who makes them.
//!
//! Each is a function of what is signed, the keys, the time and a number used once, so that the vectors that were published
//! for it show what it does.

pub(super) mod jwt;
pub(super) mod oauth1;
pub(super) mod own;
pub(super) mod sigv4;

use hmac::{Hmac, KeyInit as _, Mac as _};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::Sha256;

/// What stays as it is: the unreserved characters of RFC 3986, section 2.3. OAuth 1.0a and SigV4 ask for the same.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}
