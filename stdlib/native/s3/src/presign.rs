//! Requests that somebody else makes with no credential of their own: signed here, for a while.

use std::time::Duration;

use aws_sdk_s3::{
    Client,
    config::http::HttpResponse,
    error::{DisplayErrorContext, ProvideErrorMetadata, SdkError},
    presigning::{PresignedRequest, PresigningConfig},
};
use flow_model::{
    failure::{ErrorKind, Failure},
    units::Millis,
    value::Value,
};
use indexmap::IndexMap;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::object::Place;

/// The longest life of such a request: 7 days.
const LONGEST: u64 = 7 * 24 * 60 * 60;

/// A URL that reads an object.
pub(crate) async fn get(
    client: &Client,
    place: Place<'_>,
    expires: Millis,
    file_name: Option<&str>,
    content_type: Option<&str>,
) -> Result<Value, Failure> {
    let disposition = file_name.map(|name| {
        // RFC 8187: what is in no plain text of a header is written in percent signs.
        format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
    });
    let request = client
        .get_object()
        .bucket(place.bucket)
        .key(place.key)
        .set_response_content_disposition(disposition)
        .set_response_content_type(content_type.map(str::to_owned));
    let signed = request.presigned(config(expires)?).await.map_err(unsigned)?;
    Ok(Value::text(signed.uri()))
}

/// A URL to which an object is stored, and the headers that go with it.
pub(crate) async fn put(
    client: &Client,
    place: Place<'_>,
    expires: Millis,
    content_type: Option<&str>,
    size: Option<u64>,
) -> Result<Value, Failure> {
    let request = client
        .put_object()
        .bucket(place.bucket)
        .key(place.key)
        .set_content_type(content_type.map(str::to_owned))
        .set_content_length(size.and_then(|bytes| bytes.try_into().ok()));
    let signed = request.presigned(config(expires)?).await.map_err(unsigned)?;
    Ok(Value::record([("url", Value::text(signed.uri())), ("headers", headers(&signed))]))
}

fn headers(signed: &PresignedRequest) -> Value {
    let mut headers: IndexMap<String, Value> =
        signed.headers().map(|(name, value)| (name.to_owned(), Value::text(value))).collect();
    headers.sort_keys();
    Value::Record(headers)
}

fn config(expires: Millis) -> Result<PresigningConfig, Failure> {
    let refused = || Failure::new(ErrorKind::Invalid, "`expires` should be from 1s to 7d");
    let seconds = expires.0 / 1000;
    if !(1..=LONGEST).contains(&seconds) {
        return Err(refused());
    }
    PresigningConfig::expires_in(Duration::from_secs(seconds)).map_err(|_| refused())
}

/// Nothing was sent: the request could not be made of what was given.
fn unsigned<E>(error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    Failure::new(ErrorKind::Invalid, format!("the request can't be made: {}", DisplayErrorContext(error)))
}
