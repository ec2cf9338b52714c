//! Requests signed with two shared secrets (OAuth 1.0a, RFC 5849, section 3).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::{schema::Signature, units::Instant};
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::Method;
use sha1::Sha1;
use url::{Url, form_urlencoded};

use super::{encoded, hmac_sha256};

/// The secrets of an application and of an account.
pub(crate) struct Keys<'a> {
    pub(crate) consumer_key: &'a str,
    pub(crate) consumer_secret: &'a str,
    /// Empty where the application speaks for itself.
    pub(crate) token: &'a str,
    pub(crate) token_secret: &'a str,
    pub(crate) signature: Signature,
    pub(crate) realm: Option<&'a str>,
}

/// What is signed.
pub(crate) struct Signed<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a Url,
    /// The body, where it is a form.
    pub(crate) form: Option<&'a [u8]>,
}

/// The header `Authorization` of a request.
pub(crate) fn authorization(keys: &Keys<'_>, signed: &Signed<'_>, now: Instant, nonce: &str) -> String {
    let method = match keys.signature {
        Signature::HmacSha1 => "HMAC-SHA1",
        Signature::HmacSha256 => "HMAC-SHA256",
        Signature::Plaintext => "PLAINTEXT",
    };
    let seconds = now.0.div_euclid(1000).to_string();
    let mut params = vec![
        ("oauth_consumer_key", keys.consumer_key),
        ("oauth_nonce", nonce),
        ("oauth_signature_method", method),
        ("oauth_timestamp", &seconds),
        ("oauth_version", "1.0"),
    ];
    if !keys.token.is_empty() {
        params.push(("oauth_token", keys.token));
    }
    let signature = signature(keys, &base_string(signed, &params));
    params.push(("oauth_signature", &signature));
    // The realm is no parameter that is signed (section 3.4.1.3.1).
    let realm = keys.realm.map(|realm| format!("realm=\"{}\"", realm.replace(['"', '\\'], "")));
    let params = params.iter().map(|(name, value)| format!("{name}=\"{}\"", encoded(value)));
    format!("OAuth {}", realm.into_iter().chain(params).collect::<Vec<_>>().join(", "))
}

fn signature(keys: &Keys<'_>, base: &str) -> String {
    let key = format!("{}&{}", encoded(keys.consumer_secret), encoded(keys.token_secret));
    match keys.signature {
        Signature::Plaintext => key,
        Signature::HmacSha256 => STANDARD.encode(hmac_sha256(key.as_bytes(), base.as_bytes())),
        Signature::HmacSha1 => {
            let mut mac = Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
            mac.update(base.as_bytes());
            STANDARD.encode(mac.finalize().into_bytes())
        }
    }
}

/// What is signed, as one text (section 3.4.1).
fn base_string(signed: &Signed<'_>, oauth: &[(&str, &str)]) -> String {
    let mut params: Vec<(String, String)> = oauth.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    let form = form_urlencoded::parse(signed.form.unwrap_or_default());
    params.extend(signed.url.query_pairs().chain(form).map(|(name, value)| (encoded(&name), encoded(&value))));
    params.sort();
    let params: Vec<String> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    // Ports that belong to the scheme are left out, as `Url` does (section 3.4.1.2).
    let mut url = signed.url.clone();
    url.set_query(None);
    url.set_fragment(None);
    format!("{}&{}&{}", signed.method, encoded(url.as_str()), encoded(&params.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(signature: Signature) -> Keys<'static> {
        Keys {
            consumer_key: "9djdj82h48djs9d2",
            consumer_secret: "j49sk3j29djd",
            token: "kkk9d7dh3k39sjv7",
            token_secret: "dh893hdasih9",
            signature,
            realm: None,
        }
    }

    /// The request of RFC 5849, section 3.4.1.1, whose base string stands there whole.
    #[test]
    fn the_base_string_is_that_of_the_standard() {
        let url = Url::parse("http://example.com/request?b5=%3D%253D&a3=a&c%40=&a2=r%20b").unwrap();
        let signed = Signed { method: &Method::POST, url: &url, form: Some(b"c2&a3=2+q") };
        let oauth = [
            ("oauth_consumer_key", "9djdj82h48djs9d2"),
            ("oauth_token", "kkk9d7dh3k39sjv7"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131201"),
            ("oauth_nonce", "7d8f3e4a"),
        ];
        assert_eq!(
            base_string(&signed, &oauth),
            "POST&http%3A%2F%2Fexample.com%2Frequest&a2%3Dr%2520b%26a3%3D2%2520q%26a3%3Da%26b5%3D%253D%25253D%26c%2540%3D%\
             26c2%3D%26oauth_consumer_key%3D9djdj82h48djs9d2%26oauth_nonce%3D7d8f3e4a%26oauth_signature_method%3DHMAC-SHA1\
             %26oauth_timestamp%3D137131201%26oauth_token%3Dkkk9d7dh3k39sjv7"
        );
    }

    /// The request for photos of RFC 5849, section 1.2.
    #[test]
    fn the_signature_is_that_of_the_standard() {
        let url = Url::parse("http://photos.example.net/photos?file=vacation.jpg&size=original").unwrap();
        let signed = Signed { method: &Method::GET, url: &url, form: None };
        let oauth = [
            ("oauth_consumer_key", "dpf43f3p2l4k3l03"),
            ("oauth_token", "nnch734d00sl2jdk"),
            ("oauth_signature_method", "HMAC-SHA1"),
            ("oauth_timestamp", "137131202"),
            ("oauth_nonce", "chapoH"),
        ];
        let keys = Keys {
            consumer_key: "dpf43f3p2l4k3l03",
            consumer_secret: "kd94hf93k423kf44",
            token: "nnch734d00sl2jdk",
            token_secret: "pfkkdhi9sl3r4s00",
            ..keys(Signature::HmacSha1)
        };
        assert_eq!(signature(&keys, &base_string(&signed, &oauth)), "MdpQcU8iPSUjWoN/UDMsK2sui9I=");
    }

    /// The example of X's page "Creating a signature".
    #[test]
    fn the_header_is_that_of_the_vendor_who_uses_it_most() {
        let url = Url::parse("https://api.twitter.com/1.1/statuses/update.json?include_entities=true").unwrap();
        let form = b"status=Hello%20Ladies%20%2b%20Gentlemen%2c%20a%20signed%20OAuth%20request%21";
        let signed = Signed { method: &Method::POST, url: &url, form: Some(form) };
        let keys = Keys {
            consumer_key: "xvz1evFS4wEEPTGEFPHBog",
            consumer_secret: "kAcSOqF21Fu85e7zjz7ZN2U4ZRhfV3WpwPAoE3Z7kBw",
            token: "370773112-GmHxMAgYyLbNEtIKZeRNFsMKPR9EyMZeS9weJAEb",
            token_secret: "LswwdoUaIvS8ltyTt5jkRh4J50vUPVVHtR2YPi5kE",
            ..keys(Signature::HmacSha1)
        };
        let nonce = "kYjzVBB8Y0ZFabxSWbWovY3uYSQ2pTgmZeNu2VS4cg";
        let header = authorization(&keys, &signed, Instant(1_318_622_958_999), nonce);
        assert!(header.contains("oauth_signature=\"hCtSmYh%2BiHYCEqBWrE7C7hYmtUk%3D\""), "{header}");
        assert!(header.contains("oauth_timestamp=\"1318622958\""), "{header}");
        assert!(header.starts_with("OAuth oauth_consumer_key=\"xvz1evFS4wEEPTGEFPHBog\", oauth_nonce="), "{header}");
    }

    #[test]
    fn plain_secrets_and_a_realm_are_as_the_standard_writes_them() {
        let url = Url::parse("https://photos.example.net/initiate").unwrap();
        let signed = Signed { method: &Method::POST, url: &url, form: None };
        let keys = Keys { realm: Some("Photos"), token: "", token_secret: "", ..keys(Signature::Plaintext) };
        let header = authorization(&keys, &signed, Instant(0), "n");
        assert!(header.starts_with("OAuth realm=\"Photos\", "), "{header}");
        assert!(header.contains("oauth_signature=\"j49sk3j29djd%26\"") && !header.contains("oauth_token"), "{header}");
    }
}
