//! Credentials that a connection has by itself: where requests carry them, and how requests are signed with them.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use flow_model::value::Value;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::{Digest as _, Sha256, Sha512};
use url::form_urlencoded::byte_serialize;

use super::{Ahead, Vault, call, process, program};
use crate::executed::{Seen, Server, answer};

const CONFIG: &str = "  config {
    key:   Secret<String> = secret(\"a key\")
    other: Secret<String>? = null
    user:  String = \"me\"
    named: String = \"X-Own\"
  }";

/// The request of an operation that is called with a credential.
async fn sent(auth: &str, operation: &str) -> (Seen, String) {
    let server = Server::start(|_| answer(200, &json!({})));
    let connector = format!(
        "{CONFIG}\n\n  http {{ base: \"BASE/v1\", auth: {auth} }}\n\n  operation do(text: String) -> Json {{ {operation} }}"
    );
    let plan = program(&server, &connector, "", "  step sys.do(text: \"a\")");
    let process = process(Vault::default(), &Ahead::new());
    let attempt = call(&process, &plan, "do", vec![Value::text("a b/ü")]).await;
    assert!(attempt.outcome.is_ok(), "{auth}: {:?}", attempt.outcome);
    (server.seen().remove(0), server.url)
}

const READS: &str = "effect: read, request: GET \"/do\" { query: { text } }";

#[tokio::test]
async fn a_credential_stands_where_its_form_says() {
    let basic = format!("Basic {}", STANDARD.encode("me:a key"));
    for (auth, header, value) in [
        ("none", "authorization", None),
        ("bearer(config.key)", "authorization", Some("Bearer a key")),
        ("basic(config.user, config.key)", "authorization", Some(basic.as_str())),
        ("header(\"X-Api-Key\", config.key)", "x-api-key", Some("a key")),
        ("header(\"Authorization\", config.key, prefix: \"Token \")", "authorization", Some("Token a key")),
        ("header(config.named, config.key)", "x-own", Some("a key")),
        ("first(bearer(config.other), header(\"X-Key\", config.key))", "x-key", Some("a key")),
        ("first(bearer(config.other), none)", "authorization", None),
    ] {
        let (seen, _) = sent(auth, READS).await;
        assert_eq!(seen.header(header), value, "{auth}");
        assert_eq!(seen.uri, "/v1/do?text=a+b%2F%C3%BC", "{auth}");
    }
    assert_eq!(sent("query(\"api_key\", config.key)", READS).await.0.uri, "/v1/do?text=a+b%2F%C3%BC&api_key=a+key");
    let prefixed = sent("query(\"auth\", config.key, prefix: \"Token \")", READS).await.0.uri;
    assert_eq!(prefixed, "/v1/do?text=a+b%2F%C3%BC&auth=Token+a+key");
    let posts = |body: &str| format!("effect: create, request: POST \"/do\" {{ {body} }}");
    for (auth, body, expected) in [
        ("field(\"key\", config.key)", "body: { text }", r#"{"text":"a b/ü","key":"a key"}"#),
        ("field(\"key\", config.key)", "form: { text }", "text=a+b%2F%C3%BC&key=a+key"),
        ("field(\"key\", config.key, prefix: \"k:\")", "form: { text }", "text=a+b%2F%C3%BC&key=k%3Aa+key"),
        ("field(body.auth.key, config.key)", "body: { text }", r#"{"text":"a b/ü","auth":{"key":"a key"}}"#),
        (
            "field(body[\"s:Envelope\"][\"s:Header\"].Key, config.key)",
            "xml: { \"s:Envelope\": { \"s:Header\": { Key: null }, Text: text } }",
            "<s:Envelope><s:Header><Key>a key</Key></s:Header><Text>a b/ü</Text></s:Envelope>",
        ),
    ] {
        let body = sent(auth, &posts(body)).await.0.body;
        assert_eq!(body.split_once("?>").map_or(body.as_str(), |(_, root)| root), expected, "{auth}");
    }
    let (seen, _) = sent("field(\"key\", config.key)", &posts("multipart: { text, key: \"none\" }")).await;
    let boundary = seen.header("content-type").unwrap().strip_prefix("multipart/form-data; boundary=").unwrap();
    let part = |name: &str, text: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    assert_eq!(seen.body, format!("{}{}--{boundary}--\r\n", part("text", "a b/ü"), part("key", "a key")));
}

fn escaped(text: &str) -> String {
    byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20").replace("%7E", "~").replace('*', "%2A")
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

/// RFC 5849, sections 3.4 and 3.5.1.
#[tokio::test]
async fn oauth_1_signs_with_two_secrets_by_each_of_its_methods() {
    for (method, named) in [("hmac_sha1", "HMAC-SHA1"), ("hmac_sha256", "HMAC-SHA256"), ("plaintext", "PLAINTEXT")] {
        let auth = format!(
            "oauth1(consumer_key: config.user, consumer_secret: config.key, token: config.named, \
             token_secret: config.key, signature: {method}, realm: \"4711\")"
        );
        let (seen, url) = sent(&auth, "effect: create, request: POST \"/do\" { form: { text } }").await;
        let header = seen.header("authorization").unwrap().strip_prefix("OAuth ").unwrap();
        let unescaped = |text: &str| percent_decoded(text.trim_matches('"'));
        let mut pairs: BTreeMap<String, String> = header
            .split(", ")
            .map(|pair| pair.split_once('=').map(|(name, value)| (name.to_owned(), unescaped(value))).unwrap())
            .collect();
        assert_eq!(pairs.remove("realm").as_deref(), Some("4711"));
        let signature = pairs.remove("oauth_signature").unwrap();
        assert_eq!((&*pairs["oauth_consumer_key"], &*pairs["oauth_token"]), ("me", "X-Own"));
        assert_eq!((&*pairs["oauth_signature_method"], &*pairs["oauth_timestamp"]), (named, "1700000000"));
        pairs.insert("text".to_owned(), "a b/ü".to_owned());
        let mut params: Vec<_> =
            pairs.iter().map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
        params.sort();
        let base = format!("POST&{}&{}", escaped(&format!("{url}/v1/do")), escaped(&params.join("&")));
        match method {
            "plaintext" => assert_eq!(signature, "a%20key&a%20key"),
            "hmac_sha256" => assert_eq!(signature, STANDARD.encode(hmac(b"a%20key&a%20key", &base))),
            _ => assert_eq!(STANDARD.decode(signature).unwrap().len(), 20),
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let pair = format!("x={}", text.replace('+', "%2B"));
    url::form_urlencoded::parse(pair.as_bytes()).next().unwrap().1.into_owned()
}

/// "Create a signed AWS API request" in the documentation of AWS Identity and Access Management.
#[tokio::test]
async fn amazon_gets_what_it_asks_for() {
    let auth = "sigv4(access_key_id: config.user, secret_access_key: config.key, session_token: config.key, region: \
                config.named, service: \"execute-api\")";
    let (seen, url) = sent(auth, "effect: create, request: POST \"/do\" { body: { text } }").await;
    assert_eq!(
        (seen.header("x-amz-date"), seen.header("x-amz-security-token")),
        (Some("20231114T221320Z"), Some("a key"))
    );
    let told = seen.header("authorization").unwrap();
    let (start, rest) = told.split_once(", SignedHeaders=").unwrap();
    assert_eq!(start, "AWS4-HMAC-SHA256 Credential=me/20231114/X-Own/execute-api/aws4_request");
    let (names, signature) = rest.split_once(", Signature=").unwrap();
    let host = url.strip_prefix("http://").unwrap();
    let header = |name: &str| if name == "host" { host } else { seen.header(name).unwrap() };
    let headers: String = names.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let digest = |text: &str| hex::encode(Sha256::digest(text));
    let request = format!("POST\n/v1/do\n\n{headers}\n{names}\n{}", digest(&seen.body));
    let scope = "20231114/X-Own/execute-api/aws4_request";
    let signed = format!("AWS4-HMAC-SHA256\n20231114T221320Z\n{scope}\n{}", digest(&request));
    let key = scope.split('/').fold(b"AWS4a key".to_vec(), |key, part| hmac(&key, part));
    assert_eq!(signature, hex::encode(hmac(&key, &signed)));
}

/// Schemes of vendors' own, with each part that can be signed.
#[tokio::test]
async fn a_scheme_of_the_vendors_own_signs_what_it_says() {
    let posts = "effect: create, request: POST \"/do\" { query: { z: \"1 2\", text }, headers: { \"X-Mode\": \"fast\" }, body: { text } }";
    let auth = r#"signed(
      secret: config.key,
      header: "Authorization",
      value: "Own {config.user}:{nonce}:{signature}",
      signed: "{timestamp}|{nonce}|{method}|{url}|{target}|{path}|{query}|{sorted_query}|{host}|{sha256(body)}|{date}|{header("X-Mode")}|{config.user}|{body}",
      timestamp: header("X-Time"),
      nonce: header("X-Nonce"),
      time: iso,
      hash: sha512,
      encoding: base64,
    )"#;
    let (seen, url) = sent(auth, posts).await;
    let (time, nonce) = (seen.header("x-time").unwrap(), seen.header("x-nonce").unwrap());
    assert_eq!(time, "2023-11-14T22:13:20.000Z");
    let host = url.strip_prefix("http://").unwrap();
    let (query, body) = ("z=1+2&text=a+b%2F%C3%BC", seen.body.as_str());
    let digest = hex::encode(Sha256::digest(body));
    let signed = format!(
        "{time}|{nonce}|POST|{url}/v1/do?{query}|/v1/do?{query}|/v1/do|{query}|text=a%20b%2F%C3%BC&z=1%202|{host}|{digest}|2023-11-14|fast|me|{body}"
    );
    let signature = Hmac::<Sha512>::new_from_slice(b"a key").unwrap().chain_update(signed).finalize().into_bytes();
    assert_eq!(seen.header("authorization"), Some(format!("Own me:{nonce}:{}", STANDARD.encode(signature)).as_str()));

    // A hash with the secret in it, in the query, by a time in seconds that is there too.
    let auth = "signed(secret: config.key, query: \"sign\", signed: \"{secret}{query}\", timestamp: query(\"at\"), method: digest)";
    let uri = sent(auth, READS).await.0.uri;
    let signed = "text=a+b%2F%C3%BC&at=1700000000";
    assert_eq!(uri, format!("/v1/do?{signed}&sign={}", hex::encode(Sha256::digest(format!("a key{signed}")))));

    // A key that is made in steps, and the digest in its own alphabet.
    let auth = "signed(secret: config.key, header: \"X-Sign\", signed: \"{timestamp}{body}\", timestamp: header(\"X-Time\"), \
                time: unix_millis, key: derived(\"TC3{secret}\", \"{date}\", config.named), encoding: base64url)";
    let (seen, _) = sent(auth, "effect: create, request: POST \"/do\" { body: { text } }").await;
    let key = hmac(&hmac(b"TC3a key", "2023-11-14"), "X-Own");
    let signature = hmac(&key, &format!("1700000000000{}", seen.body));
    let told = seen.header("x-sign").unwrap().trim_end_matches('=');
    assert_eq!(told, base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature));
}
