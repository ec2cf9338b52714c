//! Requests signed by a scheme of the vendor's own: a hash with a shared secret over parts of them.

use flow_model::{
    expr::Expr,
    failure::{ErrorKind, Failure},
    schema::{Carrier, OwnScheme, RequestPart, TimeForm},
    units::Instant,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use url::{Position, Url};

use super::sigv4;
use crate::{
    connector::payload::Payload,
    secret::SecretText,
    trigger::verify::{Means, authenticated, encode, prove},
};

/// A request that is whole but for its signature.
pub(crate) struct Unsigned<'a> {
    pub(crate) method: &'a Method,
    pub(crate) url: &'a mut Url,
    pub(crate) headers: &'a mut HeaderMap,
    pub(crate) body: &'a Payload,
}

/// What makes one signature unlike others.
#[derive(Clone, Copy)]
pub(crate) struct Once<'a> {
    pub(crate) now: Instant,
    /// A text that is used once.
    pub(crate) nonce: &'a str,
}

/// Signs a request: puts the time and what is used once where the scheme has them, and then the signature.
///
/// # Errors
/// `Invalid` where something can't be signed or can't stand where it goes, and what the texts of settings end with.
pub(crate) fn sign(
    scheme: &OwnScheme,
    text: &dyn Fn(&Expr) -> Result<String, Failure>,
    request: Unsigned<'_>,
    once: Once<'_>,
) -> Result<(), Failure> {
    let Unsigned { method, url, headers, body } = request;
    let secret = SecretText::new(text(&scheme.secret)?);
    let time = written(scheme.time, once.now);
    let put = |carrier: &Carrier, value: &str, url: &mut Url, headers: &mut HeaderMap| match carrier {
        Carrier::Query(name) => {
            url.query_pairs_mut().append_pair(name, value);
            Ok(())
        }
        Carrier::Header(name) => {
            let unfit = || invalid(format!("the header `{name}` can't hold what the signature needs"));
            let mut value = HeaderValue::from_str(value).map_err(|_| unfit())?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| unfit())?, value);
            Ok(())
        }
    };
    if let Some(carrier) = &scheme.timestamp {
        put(carrier, &time, url, headers)?;
    }
    if let Some(carrier) = &scheme.nonce {
        put(carrier, once.nonce, url, headers)?;
    }
    let told = Told { scheme, text, method, body, time: &time, once, secret: &secret };
    let message = told.joined(&scheme.signed, "", url, headers)?;
    let signature = told.signature(&message, url, headers)?;
    let value = told.joined(&scheme.value, &signature, url, headers)?;
    put(&scheme.place, &String::from_utf8_lossy(&value), url, headers)
}

/// What texts of a scheme are made of.
struct Told<'a> {
    scheme: &'a OwnScheme,
    text: &'a dyn Fn(&Expr) -> Result<String, Failure>,
    method: &'a Method,
    body: &'a Payload,
    time: &'a str,
    once: Once<'a>,
    secret: &'a SecretText,
}

impl Told<'_> {
    /// A text of parts.
    fn joined(
        &self,
        parts: &[RequestPart],
        signature: &str,
        url: &Url,
        headers: &HeaderMap,
    ) -> Result<Vec<u8>, Failure> {
        let mut message = Vec::new();
        for part in parts {
            match part {
                RequestPart::Text(text) => message.extend_from_slice(text.as_bytes()),
                RequestPart::Value(value) => message.extend_from_slice((self.text)(value)?.as_bytes()),
                RequestPart::Timestamp => message.extend_from_slice(self.time.as_bytes()),
                RequestPart::Date => message.extend_from_slice(day(self.scheme.time, self.once.now).as_bytes()),
                RequestPart::Nonce => message.extend_from_slice(self.once.nonce.as_bytes()),
                RequestPart::Method => message.extend_from_slice(self.method.as_str().as_bytes()),
                RequestPart::Url => message.extend_from_slice(url.as_str().as_bytes()),
                RequestPart::Target => message.extend_from_slice(url[Position::BeforePath..].as_bytes()),
                RequestPart::Path => message.extend_from_slice(url.path().as_bytes()),
                RequestPart::Query => message.extend_from_slice(url.query().unwrap_or_default().as_bytes()),
                RequestPart::SortedQuery => message.extend_from_slice(sigv4::query(url).as_bytes()),
                RequestPart::Host => {
                    message.extend_from_slice(url[Position::BeforeHost..Position::AfterPort].as_bytes());
                }
                RequestPart::Body if self.body.files().next().is_some() => {
                    return Err(invalid("a file is too large to be signed as a part of the request: sign its digest"));
                }
                RequestPart::Body => self.body.in_memory().for_each(|bytes| message.extend_from_slice(bytes)),
                RequestPart::BodySha256 => {
                    let digest = self.body.sha256();
                    let digest =
                        digest.ok_or_else(|| invalid("a request that is signed holds one whole file, or none"))?;
                    message.extend_from_slice(digest.as_bytes());
                }
                RequestPart::Sha256(parts) => {
                    let inner = self.joined(parts, signature, url, headers)?;
                    message.extend_from_slice(hex::encode(Sha256::digest(inner)).as_bytes());
                }
                RequestPart::Header(name) => {
                    message.extend_from_slice(headers.get(name).map_or(&[][..], HeaderValue::as_bytes));
                }
                RequestPart::Secret => message.extend_from_slice(self.secret.reveal().as_bytes()),
                RequestPart::Signature => message.extend_from_slice(signature.as_bytes()),
            }
        }
        Ok(message)
    }

    /// The signature of a message, with the key that the secret is or is made of.
    fn signature(&self, message: &[u8], url: &Url, headers: &HeaderMap) -> Result<String, Failure> {
        let scheme = self.scheme;
        let Some((first, rest)) = scheme.derived.split_first() else {
            let means = Means { method: scheme.method, hash: scheme.hash, key: &scheme.key };
            let signature = prove(means, scheme.encoding, self.secret, message);
            return signature.ok_or_else(|| invalid("the secret of the connection does not read as a key"));
        };
        let mut key = self.joined(first, "", url, headers)?;
        for text in rest {
            key = authenticated(scheme.hash, &key, &self.joined(text, "", url, headers)?);
        }
        Ok(encode(scheme.encoding, &authenticated(scheme.hash, &key, message)))
    }
}

/// The day of a time in UTC.
fn day(form: TimeForm, now: Instant) -> String {
    let pattern = if form == TimeForm::Basic { "%Y%m%d" } else { "%Y-%m-%d" };
    in_utc(now, pattern)
}

fn in_utc(now: Instant, pattern: &str) -> String {
    Timestamp::from_millisecond(now.0).map_or_else(|_| now.0.to_string(), |now| now.strftime(pattern).to_string())
}

fn written(form: TimeForm, now: Instant) -> String {
    match form {
        TimeForm::Unix => now.0.div_euclid(1000).to_string(),
        TimeForm::UnixMillis => now.0.to_string(),
        TimeForm::Iso => {
            Timestamp::from_millisecond(now.0).map_or_else(|_| now.0.to_string(), |now| format!("{now:.3}"))
        }
        TimeForm::Basic => in_utc(now, "%Y%m%dT%H%M%SZ"),
    }
}

fn invalid(message: impl Into<String>) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}

#[cfg(test)]
mod tests {
    use flow_model::{
        schema::{DigestEncoding, Hash, KeyForm, Proof},
        value::Value,
    };

    use super::*;

    const SECRET: &str = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j";

    fn fixed(text: &str) -> RequestPart {
        RequestPart::Text(text.to_owned())
    }

    fn header(name: &str) -> Carrier {
        Carrier::Header(name.to_owned())
    }

    fn scheme(place: Carrier, signed: Vec<RequestPart>) -> OwnScheme {
        OwnScheme {
            method: Proof::Hmac,
            hash: Hash::Sha256,
            secret: Expr::Literal(Value::text(SECRET)),
            key: KeyForm::Text,
            derived: Vec::new(),
            encoding: DigestEncoding::Hex,
            place,
            value: vec![RequestPart::Signature],
            signed,
            timestamp: None,
            time: TimeForm::Unix,
            nonce: None,
        }
    }

    /// The URL and the headers of a signed request.
    fn signed(
        scheme: &OwnScheme,
        method: &Method,
        url: &str,
        body: &str,
        now: i64,
    ) -> Result<(String, HeaderMap), Failure> {
        let (mut url, mut headers) = (Url::parse(url).unwrap(), HeaderMap::new());
        headers.insert("date", HeaderValue::from_static("today"));
        let media_type = if body.is_empty() {
            "application/x-www-form-urlencoded; charset=utf-8"
        } else {
            "application/json; charset=utf-8"
        };
        headers.insert("content-type", HeaderValue::from_static(media_type));
        let text = |expr: &Expr| match expr {
            Expr::Literal(Value::String(text)) => Ok(text.to_string()),
            _ => Err(invalid("no text")),
        };
        let body = Payload::from(body.as_bytes().to_vec());
        let request = Unsigned { method, url: &mut url, headers: &mut headers, body: &body };
        sign(scheme, &text, request, Once { now: Instant(now), nonce: "once" })?;
        Ok((url.to_string(), headers))
    }

    /// The example of Binance, "Request Security", "SIGNED Endpoint Examples for POST /api/v3/order", example 1.
    #[test]
    fn a_query_is_signed_with_the_time_in_it() {
        let scheme = OwnScheme {
            timestamp: Some(Carrier::Query("timestamp".to_owned())),
            time: TimeForm::UnixMillis,
            ..scheme(Carrier::Query("signature".to_owned()), vec![RequestPart::Query])
        };
        let url = "https://api.binance.com/api/v3/order?symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1\
                   &price=0.1&recvWindow=5000";
        let (signed, _) = signed(&scheme, &Method::POST, url, "", 1_499_827_319_559).unwrap();
        let signature = "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71";
        assert_eq!(signed, format!("{url}&timestamp=1499827319559&signature={signature}"));
    }

    /// A request as AWS and those after it write it down, with what follows the host.
    fn canonical(after_host: impl IntoIterator<Item = RequestPart>) -> Vec<RequestPart> {
        let before = [
            RequestPart::Method,
            fixed("\n"),
            RequestPart::Path,
            fixed("\n"),
            RequestPart::SortedQuery,
            fixed("\ncontent-type:"),
            RequestPart::Header("content-type".to_owned()),
            fixed("\nhost:"),
            RequestPart::Host,
        ];
        before.into_iter().chain(after_host).chain([RequestPart::BodySha256]).collect()
    }

    /// The example of Tencent Cloud, "Signature Algorithm v3": a key made of the secret, the day and the service, over a text that
    /// holds the hash of another.
    #[test]
    fn a_key_is_made_of_the_secret_step_by_step_and_a_hash_stands_within_what_is_signed() {
        let canonical = canonical([fixed("\n\ncontent-type;host\n")]);
        let parts = vec![
            fixed("TC3-HMAC-SHA256\n"),
            RequestPart::Timestamp,
            fixed("\n"),
            RequestPart::Date,
            fixed("/cvm/tc3_request\n"),
            RequestPart::Sha256(canonical),
        ];
        let scheme = OwnScheme {
            secret: Expr::Literal(Value::text("Gu5t9xGARNpq86cd98joQYCN3EXAMPLE")),
            derived: vec![
                vec![fixed("TC3"), RequestPart::Secret],
                vec![RequestPart::Date],
                vec![fixed("cvm")],
                vec![fixed("tc3_request")],
            ],
            timestamp: Some(header("X-TC-Timestamp")),
            value: vec![RequestPart::Date, fixed(" "), RequestPart::Signature],
            ..scheme(header("Authorization"), parts)
        };
        let body = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        let (_, headers) =
            signed(&scheme, &Method::POST, "https://cvm.tencentcloudapi.com/", body, 1_551_113_065_000).unwrap();
        let signature = "72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168";
        assert_eq!(headers["authorization"], format!("2019-02-25 {signature}"));
        assert_eq!(headers["x-tc-timestamp"], "1551113065");
    }

    /// The example of AWS, "Signature Version 4": days and times without signs between, and a sorted query.
    #[test]
    fn times_and_queries_are_written_as_amazon_has_them() {
        let signed_headers = fixed("\n\ncontent-type;host;x-amz-date\n");
        let canonical = canonical([fixed("\nx-amz-date:"), RequestPart::Timestamp, signed_headers]);
        let scope = || [RequestPart::Date, fixed("/us-east-1/iam/aws4_request")];
        let mut parts = vec![fixed("AWS4-HMAC-SHA256\n"), RequestPart::Timestamp, fixed("\n")];
        parts.extend(scope().into_iter().chain([fixed("\n"), RequestPart::Sha256(canonical)]));
        let scheme = OwnScheme {
            secret: Expr::Literal(Value::text("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")),
            derived: vec![
                vec![fixed("AWS4"), RequestPart::Secret],
                vec![RequestPart::Date],
                vec![fixed("us-east-1")],
                vec![fixed("iam")],
                vec![fixed("aws4_request")],
            ],
            time: TimeForm::Basic,
            timestamp: Some(header("X-Amz-Date")),
            ..scheme(header("Authorization"), parts)
        };
        let url = "https://iam.amazonaws.com/?Version=2010-05-08&Action=ListUsers";
        let (_, headers) = signed(&scheme, &Method::GET, url, "", 1_440_938_160_000).unwrap();
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        assert_eq!(headers["authorization"], "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7");
    }

    #[test]
    fn each_part_is_what_the_request_has() {
        let parts = [
            RequestPart::Timestamp,
            RequestPart::Nonce,
            RequestPart::Method,
            RequestPart::Url,
            RequestPart::Target,
            RequestPart::Path,
            RequestPart::Query,
            RequestPart::Host,
            RequestPart::Body,
            RequestPart::BodySha256,
            RequestPart::Header("date".to_owned()),
            RequestPart::Header("absent".to_owned()),
            RequestPart::Value(Expr::Literal(Value::text("setting"))),
            RequestPart::Secret,
        ];
        let signed_parts = parts.into_iter().flat_map(|part| [part, fixed("|")]).collect();
        let scheme = OwnScheme {
            method: Proof::Digest,
            time: TimeForm::Iso,
            timestamp: Some(header("X-Time")),
            nonce: Some(header("X-Nonce")),
            value: vec![fixed("key:"), RequestPart::Nonce, fixed(":"), RequestPart::Signature],
            ..scheme(header("Authorization"), signed_parts)
        };
        let (url, headers) =
            signed(&scheme, &Method::PUT, "https://a.example:8443/b%20c?d=e%26f", "{}", 1_769_853_600_500).unwrap();
        assert_eq!(url, "https://a.example:8443/b%20c?d=e%26f");
        assert_eq!(headers["x-time"], "2026-01-31T10:00:00.500Z");
        assert_eq!(headers["x-nonce"], "once");
        let sha256 = |text: &str| hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text));
        let expected = format!(
            "2026-01-31T10:00:00.500Z|once|PUT|https://a.example:8443/b%20c?d=e%26f|/b%20c?d=e%26f|/b%20c|d=e%26f|\
             a.example:8443|{{}}|{}|today||setting|{SECRET}|",
            sha256("{}")
        );
        assert_eq!(headers["authorization"], format!("key:once:{}", sha256(&expected)));
        assert!(headers["authorization"].is_sensitive());
    }

    #[test]
    fn what_can_t_be_signed_or_carried_is_told() {
        let told = |scheme: &OwnScheme| signed(scheme, &Method::GET, "https://a.example/", "", 0).unwrap_err().message;
        let body = || vec![RequestPart::Body];
        let no_key = OwnScheme { key: KeyForm::Hex, ..scheme(header("X-Sign"), body()) };
        assert_eq!(told(&no_key), "the secret of the connection does not read as a key");
        let broken = OwnScheme { value: vec![fixed("a\nb")], ..scheme(header("X-Sign"), body()) };
        assert_eq!(told(&broken), "the header `X-Sign` can't hold what the signature needs");
    }
}
