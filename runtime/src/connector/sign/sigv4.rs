//! Requests signed as Amazon Web Services ask for ("AWS Signature Version 4 for API requests", in the IAM user guide).

use flow_model::units::Instant;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::{encoded, hmac_sha256};

/// The key of an account, and what it is asked for.
pub(crate) struct Key<'a> {
    pub(crate) access_key_id: &'a str,
    pub(crate) secret_access_key: &'a str,
    pub(crate) session_token: Option<&'a str>,
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// Signs a request: all headers that it has by now, the query, which is put in order, and the SHA-256 of the body. Says when a value can't
/// stand in a header.
pub(crate) fn sign(
    key: &Key<'_>,
    method: &Method,
    url: &mut Url,
    headers: &mut HeaderMap,
    digest: &str,
    now: Instant,
) -> Result<(), http::header::InvalidHeaderValue> {
    let time = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = time.get(..8).unwrap_or_default();
    headers.insert(HeaderName::from_static("x-amz-date"), HeaderValue::from_str(&time)?);
    if let Some(token) = key.session_token {
        let mut token = HeaderValue::from_str(token)?;
        token.set_sensitive(true);
        headers.insert(HeaderName::from_static("x-amz-security-token"), token);
    }
    if key.service == "s3" {
        headers.insert(HeaderName::from_static("x-amz-content-sha256"), HeaderValue::from_str(digest)?);
    }
    // Sent as it is signed: a space is `%20` in both, and never `+`.
    let query = query(url);
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    let (listed, named) = canonical_headers(url, headers);
    let path = path(url, key.service);
    let request = format!("{method}\n{path}\n{query}\n{listed}\n{named}\n{digest}");
    let scope = format!("{day}/{}/{}/aws4_request", key.region, key.service);
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(request)));
    let secret = format!("AWS4{}", key.secret_access_key);
    let signing = [day, key.region, key.service, "aws4_request"]
        .iter()
        .fold(secret.into_bytes(), |key, part| hmac_sha256(&key, part.as_bytes()));
    let signature = hex::encode(hmac_sha256(&signing, text.as_bytes()));
    let id = key.access_key_id;
    let header = format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={named}, Signature={signature}");
    let mut header = HeaderValue::from_str(&header)?;
    header.set_sensitive(true);
    headers.insert(AUTHORIZATION, header);
    Ok(())
}

/// The path, escaped once more than it is sent; S3 alone wants it as it is sent.
fn path(url: &Url, service: &str) -> String {
    let segments = url.path().split('/').map(|segment| match service {
        "s3" => encoded(&percent_decode_str(segment).decode_utf8_lossy()),
        _ => encoded(segment),
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The query with its parameters in order, escaped as RFC 3986 has it.
pub(super) fn query(url: &Url) -> String {
    let mut pairs: Vec<(String, String)> =
        url.query_pairs().map(|(name, value)| (encoded(&name), encoded(&value))).collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

/// The headers as lines, and their names.
fn canonical_headers(url: &Url, headers: &HeaderMap) -> (String, String) {
    let host = match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (host, _) => host.unwrap_or_default().to_owned(),
    };
    let mut lines = vec![("host".to_owned(), host)];
    for name in headers.keys().filter(|name| **name != AUTHORIZATION) {
        let values = headers.get_all(name).iter().map(|value| trimmed(&String::from_utf8_lossy(value.as_bytes())));
        lines.push((name.as_str().to_owned(), values.collect::<Vec<_>>().join(",")));
    }
    lines.sort();
    let named = lines.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(";");
    (lines.iter().map(|(name, value)| format!("{name}:{value}\n")).collect(), named)
}

/// Without spaces at the ends, and with one where there are several.
fn trimmed(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2015-08-30T12:36:00Z
    const NOW: Instant = Instant(1_440_938_160_000);
    const KEY: Key<'_> = Key {
        access_key_id: "AKIDEXAMPLE",
        secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token: None,
        region: "us-east-1",
        service: "service",
    };

    fn signed(
        key: &Key<'_>,
        method: Method,
        url: &str,
        headers: &[(&'static str, &str)],
        body: &str,
    ) -> (Url, HeaderMap) {
        let mut url = Url::parse(url).unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        sign(key, &method, &mut url, &mut map, &hex::encode(Sha256::digest(body)), NOW).unwrap();
        (url, map)
    }

    fn signature(headers: &HeaderMap) -> String {
        headers[AUTHORIZATION].to_str().unwrap().rsplit_once("Signature=").unwrap().1.to_owned()
    }

    /// The vendor's test suite for the algorithm (aws-c-auth, tests/aws-signing-test-suite/v4): by the names of its cases.
    #[test]
    fn the_vectors_of_the_vendor_come_out() {
        let form = "application/x-www-form-urlencoded";
        let unreserved = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        type Case<'a> = (&'a str, Method, String, &'a [(&'static str, &'a str)], &'a str, &'a str);
        let cases: &[Case<'_>] = &[
            (
                "get-vanilla",
                Method::GET,
                "/".to_owned(),
                &[],
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-unreserved",
                Method::GET,
                format!("/{unreserved}"),
                &[],
                "",
                "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            ),
            (
                "get-vanilla-query-order-encoded",
                Method::GET,
                "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1".to_owned(),
                &[],
                "",
                "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
            ),
            (
                "post-header-key-sort",
                Method::POST,
                "/".to_owned(),
                &[("my-header1", "value1")],
                "",
                "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
            ),
            (
                "get-header-value-order",
                Method::GET,
                "/".to_owned(),
                &[
                    ("my-header1", "value4"),
                    ("my-header1", "value1"),
                    ("my-header1", "value3"),
                    ("my-header1", "value2"),
                ],
                "",
                "08c7e5a9acfcfeb3ab6b2185e75ce8b1deb5e634ec47601a50643f830c755c01",
            ),
            (
                "post-x-www-form-urlencoded",
                Method::POST,
                "/".to_owned(),
                &[
                    ("content-type", form),
                    ("content-length", "13"),
                    ("x-amz-content-sha256", "9095672bbd1f56dfc5b65f3e153adc8731a4a654192329106275f4c7b24d0b6e"),
                ],
                "Param1=value1",
                "d3875051da38690788ef43de4db0d8f280229d82040bfac253562e56c3f20e0b",
            ),
        ];
        for (name, method, path, headers, body, expected) in cases {
            let url = format!("https://example.amazonaws.com{path}");
            let (_, headers) = signed(&KEY, method.clone(), &url, headers, body);
            assert_eq!(signature(&headers), *expected, "{name}");
        }
    }

    #[test]
    fn a_key_that_holds_for_a_while_goes_with_its_token() {
        let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
        let key = Key { session_token: Some(token), ..KEY };
        let (_, headers) = signed(&key, Method::GET, "https://example.amazonaws.com/", &[], "");
        assert_eq!(headers["x-amz-security-token"], token);
        assert_eq!(
            signature(&headers),
            "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8",
            "get-vanilla-with-session-token"
        );
    }

    /// The case `double-encode-path` of the test suite, by its canonical path; S3 does not escape again.
    #[test]
    fn a_path_is_escaped_once_more_but_for_one_service() {
        let url = Url::parse("https://x.example/test/@connections/JBDvjfGEIAMCERw%3D").unwrap();
        assert_eq!(path(&url, "execute-api"), "/test/%40connections/JBDvjfGEIAMCERw%253D");
        assert_eq!(path(&url, "s3"), "/test/%40connections/JBDvjfGEIAMCERw%3D");
    }

    #[test]
    fn the_query_is_sent_as_it_is_signed() {
        let (url, _) = signed(&KEY, Method::GET, "https://x.example/?b=2&a=x+y&a=1%2F2", &[], "");
        assert_eq!(url.query(), Some("a=1%2F2&a=x%20y&b=2"));
        let (_, headers) = signed(&Key { service: "s3", ..KEY }, Method::PUT, "https://x.example/k", &[], "abc");
        let named = headers[AUTHORIZATION].to_str().unwrap();
        assert!(named.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date"), "{named}");
        assert_eq!(headers["x-amz-content-sha256"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
