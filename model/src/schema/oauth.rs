//! Credentials that are more than a text in a header: tokens that a server gives out, logins, and signatures.

use serde::{Deserialize, Serialize};

use super::{DigestEncoding, Hash, Into, KeyForm, OperationCall, Proof};
use crate::{expr::Expr, units::Millis};

/// How a connection comes by the tokens that its requests carry (OAuth 2.0, RFC 6749).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OAuth {
    /// Who agrees to it.
    pub grant: Grant,
    /// The URL where tokens are given out: text that may use `config`.
    pub token: Expr,
    /// The URL where they are renewed, where that is another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh: Option<Expr>,
    /// The id of the client; absent where a signed claim says who asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Expr>,
    /// The secret of the client, or its private key with [`SendClient::Signed`]; absent for public clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Expr>,
    /// How the client proves itself.
    #[serde(default)]
    pub send: SendClient,
    /// What is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// What stands between scopes: a space, as the standard has it, or a comma.
    pub separator: String,
    /// Further parameters of requests for tokens.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<(String, String)>,
    /// Those of them that settings say; a null is left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_params: Vec<(String, Expr)>,
    /// Where the answer has what is needed of it.
    #[serde(default)]
    pub answer: TokenAnswer,
    /// How requests carry the token.
    #[serde(default)]
    pub carry: Carry,
}

/// Who agrees that a connection gets tokens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Grant {
    /// `client_credentials`: nobody is asked (RFC 6749, section 4.4).
    ClientCredentials,
    /// `authorization_code`: a person, once, by `flowc connect` (RFC 6749, section 4.1).
    AuthorizationCode {
        /// The URL where the person agrees.
        authorize: Expr,
        /// Further parameters of that URL.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        params: Vec<(String, String)>,
        /// Those of them that settings say; a null is left out.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        more_params: Vec<(String, Expr)>,
        /// Whether the one who began is the one who ends it.
        #[serde(default)]
        pkce: Pkce,
    },
    /// `device_code`: a person, once, in a browser elsewhere (RFC 8628).
    DeviceCode {
        /// The URL where codes are given out.
        device: Expr,
    },
    /// `jwt_bearer`: a claim that the connection signs (RFC 7523, section 2.1).
    JwtBearer(Box<Assertion>),
}

impl Grant {
    /// Says whether a person has to agree with `flowc connect`.
    pub fn asks_a_person(&self) -> bool {
        matches!(self, Self::AuthorizationCode { .. } | Self::DeviceCode { .. })
    }
}

/// Whether the one who began an authorization proves that it is the one who ends it (RFC 7636).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pkce {
    /// `s256`: by what a digest was sent of.
    #[default]
    S256,
    /// `none`: the server does not know of it.
    None,
}

/// A signed claim: who speaks, for whom, to whom (RFC 7523, section 3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assertion {
    /// `iss`; absent where the key's own file says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Expr>,
    /// `sub`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Expr>,
    /// `aud`; the URL where tokens are given out when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Expr>,
    /// The private key: PEM, the file of a Google service account, or for `hs256` a shared secret.
    pub key: Expr,
    /// `kid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Expr>,
    /// How it is signed; the key says so when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Further claims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<(String, Expr)>,
    /// How long the claim holds.
    pub lasts: Millis,
}

/// How claims are signed (RFC 7518, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Algorithm {
    /// `hs256`: HMAC with SHA-256.
    Hs256,
    /// `rs256`: RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// `es256`: ECDSA with P-256 and SHA-256.
    Es256,
}

/// How a client proves itself where tokens are given out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendClient {
    /// `basic`: in the header `Authorization` (RFC 6749, section 2.3.1).
    #[default]
    Basic,
    /// `body`: as `client_id` and `client_secret` in the body.
    Body,
    /// `private_key_jwt`: by a claim signed with its private key (RFC 7523, section 2.2).
    Signed,
}

/// Where the answer of a server that gives out tokens has them: members apart by dots, `authed_user.access_token`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// The token.
    pub access_token: String,
    /// What the next one is got with.
    pub refresh_token: String,
    /// In how many seconds it ends.
    pub expires_in: String,
    /// When it ends: a point in time.
    pub expires_at: String,
    /// The URL of the account, where the system has one for each: it takes the place of the base's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
}

impl Default for TokenAnswer {
    /// As the standard has it (RFC 6749, section 5.1).
    fn default() -> Self {
        Self {
            access_token: "access_token".to_owned(),
            refresh_token: "refresh_token".to_owned(),
            expires_in: "expires_in".to_owned(),
            expires_at: "expires_at".to_owned(),
            base_url: None,
        }
    }
}

/// How requests carry a token: in a header, or in another part of the request, with what stands before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carry {
    /// The header, where `into` is absent.
    pub header: String,
    /// What stands before the token.
    pub prefix: String,
    /// The part of the request that has it in the place of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub into: Option<Into>,
}

impl Default for Carry {
    /// As the standard has it (RFC 6750, section 2.1).
    fn default() -> Self {
        Self { header: "Authorization".to_owned(), prefix: "Bearer ".to_owned(), into: None }
    }
}

/// `session`: an operation of the connector that logs in, and whose answer has what further requests carry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The operation, which is called without a credential; its arguments see `config`.
    pub login: OperationCall,
    /// What its result has for further requests, over [`Ambient::Item`](crate::expr::Ambient::Item).
    pub token: Expr,
    /// How requests carry it.
    pub carry: Carry,
    /// How long it holds, where the system says so; until it is refused when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lasts: Option<Millis>,
}

/// `oauth1`: requests are signed with two shared secrets (OAuth 1.0a, RFC 5849).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OAuth1 {
    /// The key of the application.
    pub consumer_key: Expr,
    /// Its secret.
    pub consumer_secret: Expr,
    /// The token of the account; absent where the application speaks for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Expr>,
    /// Its secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_secret: Option<Expr>,
    /// How requests are signed.
    #[serde(default)]
    pub signature: Signature,
    /// The realm, which is not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub realm: Option<Expr>,
}

/// How requests are signed with OAuth 1.0a.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signature {
    /// `hmac_sha1` (RFC 5849, section 3.4.2).
    #[default]
    HmacSha1,
    /// `hmac_sha256`, which NetSuite and others ask for.
    HmacSha256,
    /// `plaintext`: the secrets themselves, over `https` (RFC 5849, section 3.4.4).
    Plaintext,
}

/// `sigv4`: requests are signed as Amazon Web Services ask for (Signature Version 4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SigV4 {
    /// The id of the key.
    pub access_key_id: Expr,
    /// The key.
    pub secret_access_key: Expr,
    /// What goes with keys that hold for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Expr>,
    /// The region: `eu-west-1`.
    pub region: Expr,
    /// The service: `execute-api`.
    pub service: String,
}

/// `signed`: requests are signed by a scheme of the vendor's own, a hash with a shared secret over parts of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnScheme {
    /// [`Proof::Hmac`], or [`Proof::Digest`], where the secret is in what is hashed.
    pub method: Proof,
    /// The hash.
    pub hash: Hash,
    /// The secret.
    pub secret: Expr,
    /// How its text becomes the key.
    pub key: KeyForm,
    /// Texts of which the key is made instead: the first is one, and the HMAC of each other with the key before is the next.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derived: Vec<Vec<RequestPart>>,
    /// How the signature is written.
    pub encoding: DigestEncoding,
    /// Where it goes.
    pub place: Carrier,
    /// What stands there, the signature among it.
    pub value: Vec<RequestPart>,
    /// What is signed.
    pub signed: Vec<RequestPart>,
    /// Where the time goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Carrier>,
    /// How the time is written.
    #[serde(default)]
    pub time: TimeForm,
    /// Where a text goes that is used once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Carrier>,
}

/// What of a request carries something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Carrier {
    /// The header of that name.
    Header(String),
    /// The query parameter of that name, after all others.
    Query(String),
}

/// How the time of a signature is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimeForm {
    /// `unix`: seconds since 1970.
    #[default]
    Unix,
    /// `unix_millis`: milliseconds since 1970.
    UnixMillis,
    /// `iso`: `2026-01-31T10:00:00.000Z` (RFC 3339).
    Iso,
    /// `basic`: `20260131T100000Z` (ISO 8601, basic format).
    Basic,
}

/// A part of what is signed of a request, or of what carries the signature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RequestPart {
    /// Fixed text.
    Text(String),
    /// A setting: text over `config`.
    Value(Expr),
    /// The time.
    Timestamp,
    /// The day of that time in UTC: `2026-01-31`, with [`TimeForm::Basic`] `20260131`.
    Date,
    /// A text that is used once.
    Nonce,
    /// The method: `POST`.
    Method,
    /// The whole URL.
    Url,
    /// The path and, where there is one, `?` with the query, as the request line has them.
    Target,
    /// The path.
    Path,
    /// The query without its `?`; empty where there is none.
    Query,
    /// The query with its parameters in order, names and values escaped as RFC 3986 has it.
    SortedQuery,
    /// The host, with its port where that is not the usual one.
    Host,
    /// The body.
    Body,
    /// The SHA-256 of the body in hexadecimal.
    BodySha256,
    /// The SHA-256 in hexadecimal of a text with parts of the request.
    Sha256(Vec<RequestPart>),
    /// A header as it is sent; empty where it is not.
    Header(String),
    /// The secret itself.
    Secret,
    /// The signature.
    Signature,
}

impl OwnScheme {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        fn within<'e>(part: &'e RequestPart, visit: &mut dyn FnMut(&'e Expr)) {
            match part {
                RequestPart::Value(value) => visit(value),
                RequestPart::Sha256(parts) => parts.iter().for_each(|part| within(part, visit)),
                _ => {}
            }
        }
        visit(&self.secret);
        self.value.iter().chain(&self.signed).chain(self.derived.iter().flatten()).for_each(|part| within(part, visit));
    }
}

impl RequestPart {
    /// Says whether some of these is a part, or holds it.
    pub fn is_among(&self, parts: &[Self]) -> bool {
        parts.iter().any(|part| match part {
            Self::Sha256(inner) => self.is_among(inner),
            other => other == self,
        })
    }
}

impl OAuth {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        visit(&self.token);
        self.refresh.iter().chain(&self.id).chain(&self.secret).for_each(&mut *visit);
        self.more_params.iter().for_each(|(_, value)| visit(value));
        match &self.grant {
            Grant::ClientCredentials => {}
            Grant::AuthorizationCode { authorize, more_params, .. } => {
                visit(authorize);
                more_params.iter().for_each(|(_, value)| visit(value));
            }
            Grant::DeviceCode { device } => visit(device),
            Grant::JwtBearer(claim) => {
                let parts = [&claim.issuer, &claim.subject, &claim.audience, &claim.key_id];
                parts.into_iter().flatten().for_each(&mut *visit);
                visit(&claim.key);
                claim.claims.iter().for_each(|(_, value)| visit(value));
            }
        }
    }
}

impl Session {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        self.login.each_expr(visit);
        visit(&self.token);
    }
}

impl OAuth1 {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        visit(&self.consumer_key);
        visit(&self.consumer_secret);
        self.token.iter().chain(&self.token_secret).chain(&self.realm).for_each(visit);
    }
}

impl SigV4 {
    /// Goes over its expressions.
    pub fn each_expr<'e>(&'e self, visit: &mut dyn FnMut(&'e Expr)) {
        visit(&self.access_key_id);
        visit(&self.secret_access_key);
        self.session_token.iter().for_each(&mut *visit);
        visit(&self.region);
    }
}
