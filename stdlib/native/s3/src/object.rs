//! The operations on objects.

use aws_sdk_s3::{Client, error::DisplayErrorContext, primitives::ByteStream};
use flow_model::{
    failure::{ErrorKind, Failure},
    value::Value,
};
use flow_runtime::connector::NativeFailure;

use crate::failure::{code, failure};

/// How large an object may be to be read into a value.
pub(crate) const MOST_BYTES: usize = 5 << 20;

pub(crate) async fn put(
    client: &Client,
    bucket: &str,
    key: &str,
    body: Vec<u8>,
    content_type: Option<&str>,
) -> Result<Value, NativeFailure> {
    let request = client
        .put_object()
        .bucket(bucket)
        .key(key)
        .body(ByteStream::from(body))
        .set_content_type(content_type.map(str::to_owned));
    let answer = request.send().await.map_err(failure)?;
    // HTTP writes the tag in quotes, which are no part of it (RFC 9110, section 8.8.3).
    let etag = answer.e_tag().map_or(Value::Null, |tag| Value::text(tag.trim_matches('"')));
    Ok(Value::record([("bucket", Value::text(bucket)), ("key", Value::text(key)), ("etag", etag)]))
}

pub(crate) async fn get(client: &Client, bucket: &str, key: &str) -> Result<Value, NativeFailure> {
    let mut answer = client.get_object().bucket(bucket).key(key).send().await.map_err(failure)?;
    let announced = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if announced > MOST_BYTES {
        return Err(too_large(key, &format!("{announced} bytes")));
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = answer.body.next().await {
        let chunk = chunk.map_err(|error| {
            let message = format!("the connection was lost while `{key}` was read: {}", DisplayErrorContext(error));
            NativeFailure::perhaps(Failure::new(ErrorKind::Unavailable, message))
        })?;
        body.extend_from_slice(&chunk);
        if body.len() > MOST_BYTES {
            return Err(too_large(key, "larger"));
        }
    }
    let content_type = answer.content_type().map_or(Value::Null, Value::text);
    Ok(Value::record([("body", Value::Bytes(body.into())), ("content_type", content_type)]))
}

pub(crate) async fn delete(client: &Client, bucket: &str, key: &str) -> Result<Value, NativeFailure> {
    match client.delete_object().bucket(bucket).key(key).send().await {
        Ok(_) => Ok(Value::Null),
        Err(error) if code(&error) == Some("NoSuchKey") => Ok(Value::Null),
        Err(error) => Err(failure(error)),
    }
}

fn too_large(key: &str, size: &str) -> NativeFailure {
    let message = format!("`{key}` can't be read: an object may have 5 MiB at most, and this one is {size}");
    Failure::new(ErrorKind::Invalid, message).into()
}
