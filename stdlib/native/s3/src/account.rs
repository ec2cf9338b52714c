//! Where objects are and who asks: what of a connection makes a client.

use std::sync::{Mutex, PoisonError};

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
        retry::RetryConfig,
    },
};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::dns::{DnsFuture, ResolveDns, ResolveDnsError};
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::{connector::NativeCall, egress::Guard, secret::SecretText};
use url::Url;

/// How many clients are kept. A program has a handful of connections; past this, the oldest goes.
const MOST_CLIENTS: usize = 64;

/// What of a connection makes a client.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) region: String,
    pub(crate) access_key_id: SecretText,
    pub(crate) secret_access_key: SecretText,
    pub(crate) endpoint: Option<String>,
    pub(crate) addressing: Addressing,
}

/// How the URL names the bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Addressing {
    /// `https://bucket.host/key`
    Host,
    /// `https://host/bucket/key`
    Path,
}

impl Account {
    pub(crate) fn of(call: &NativeCall<'_>) -> Result<Self, Failure> {
        let unfit = |name: &str, expected: &str| {
            let message = format!("the setting `{name}` should be {expected} and is {}", call.config(name).kind());
            Failure::new(ErrorKind::Invalid, message)
        };
        Ok(Self {
            region: call.config("region").as_str().ok_or_else(|| unfit("region", "a string"))?.to_owned(),
            access_key_id: call.secret("access_key_id")?.clone(),
            secret_access_key: call.secret("secret_access_key")?.clone(),
            endpoint: match call.config("endpoint") {
                Value::Null => None,
                Value::String(url) => {
                    let invalid = |error| Failure::new(ErrorKind::Invalid, format!("the setting `endpoint`: {error}"));
                    let parsed = Url::parse(url).map_err(invalid)?;
                    let denied =
                        |refused| Failure::new(ErrorKind::Forbidden, format!("the call was not made: {refused}"));
                    call.guard().url(&parsed).map_err(denied)?;
                    Some(url.to_string())
                }
                _ => return Err(unfit("endpoint", "a URL")),
            },
            addressing: match call.config("path_style") {
                Value::Bool(true) => Addressing::Path,
                Value::Bool(false) | Value::Null => Addressing::Host,
                _ => return Err(unfit("path_style", "a boolean")),
            },
        })
    }

    fn is(&self, other: &Self) -> bool {
        self.region == other.region
            && self.access_key_id.reveal() == other.access_key_id.reveal()
            && self.secret_access_key.reveal() == other.secret_access_key.reveal()
            && self.endpoint == other.endpoint
            && self.addressing == other.addressing
    }

    pub(crate) fn client(&self, guard: &Guard) -> Client {
        let https = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        let credentials = Credentials::new(
            self.access_key_id.reveal(),
            self.secret_access_key.reveal(),
            None,
            None,
            "the connection's secrets",
        );
        let mut config = Config::builder();
        config.set_endpoint_url(self.endpoint.clone());
        let config = config
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(https.build_with_resolver(Guarded(guard.clone())))
            .region(Region::new(self.region.clone()))
            .credentials_provider(credentials)
            .force_path_style(self.addressing == Addressing::Path)
            .retry_config(RetryConfig::disabled())
            // Session credentials of directory buckets are the one thing that S3's client would look up in the
            // environment.
            .disable_s3_express_session_auth(true)
            // Servers other than Amazon's do not know all the newer checksums; the signature covers the body anyway.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .build();
        Client::from_conf(config)
    }
}

/// Looks names up, and keeps the addresses that may be connected to.
#[derive(Clone)]
struct Guarded(Guard);

impl std::fmt::Debug for Guarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Guarded(…)")
    }
}

impl ResolveDns for Guarded {
    fn resolve_dns<'a>(&'a self, name: &'a str) -> DnsFuture<'a> {
        DnsFuture::new(async move {
            let found = self.0.resolve(name, 0).await.map_err(ResolveDnsError::new)?;
            Ok(found.into_iter().map(|address| address.ip()).collect())
        })
    }
}

/// Clients by account, so that connections to the server are used again.
#[derive(Default)]
pub(crate) struct Clients(Mutex<Vec<(Account, Client)>>);

impl Clients {
    pub(crate) fn of(&self, account: Account, guard: &Guard) -> Client {
        // A panic elsewhere leaves the list whole: it is changed by single pushes and removals.
        let mut clients = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, client)) = clients.iter().find(|(known, _)| known.is(&account)) {
            return client.clone();
        }
        if clients.len() >= MOST_CLIENTS {
            clients.remove(0);
        }
        let client = account.client(guard);
        clients.push((account, client.clone()));
        client
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}
