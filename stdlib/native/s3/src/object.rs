//! The operations on objects. The bytes of an object go through, and are never held as a whole.

use aws_sdk_s3::{Client, error::DisplayErrorContext, primitives::ByteStream};
use flow_model::{
    failure::{ErrorKind, Failure},
    file::{ANY_MEDIA_TYPE, File, plain_name},
    value::Value,
};
use flow_runtime::{
    blob::{self, Blobs},
    connector::NativeFailure,
};

use crate::{
    failure::{code, failure},
    parts,
};

/// Where an object is.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: &'a str,
}

/// Stores an object: in one request, or in parts where it is large.
pub(crate) async fn put(
    client: &Client,
    blobs: &dyn Blobs,
    place: Place<'_>,
    body: &File,
    content_type: &str,
) -> Result<Value, NativeFailure> {
    let etag = if body.size > parts::PART {
        parts::put(client, blobs, place, body, content_type).await?
    } else {
        let bytes = whole(blobs, body).await.map_err(NativeFailure::never)?;
        let request = client
            .put_object()
            .bucket(place.bucket)
            .key(place.key)
            .body(ByteStream::from(bytes))
            .content_type(content_type);
        request.send().await.map_err(failure)?.e_tag
    };
    let etag = tag(etag.as_deref());
    Ok(Value::record([("bucket", Value::text(place.bucket)), ("key", Value::text(place.key)), ("etag", etag)]))
}

/// HTTP writes the tag in quotes, which are no part of it (RFC 9110, section 8.8.3).
fn tag(etag: Option<&str>) -> Value {
    etag.map_or(Value::Null, |tag| Value::text(tag.trim_matches('"')))
}

/// The bytes of a file that is small.
async fn whole(blobs: &dyn Blobs, file: &File) -> Result<Vec<u8>, Failure> {
    let mut reader = blob::open(blobs, file).await?;
    let mut bytes = Vec::with_capacity(usize::try_from(file.size).unwrap_or(0));
    while let Some(chunk) = reader.next().await? {
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Reads an object into a file.
pub(crate) async fn get(client: &Client, blobs: &dyn Blobs, place: Place<'_>) -> Result<Value, NativeFailure> {
    let mut answer = client.get_object().bucket(place.bucket).key(place.key).send().await.map_err(failure)?;
    let mut writer = blobs.create().await.map_err(Failure::from)?;
    while let Some(chunk) = answer.body.next().await {
        let chunk = chunk.map_err(|error| {
            let key = place.key;
            let message = format!("the connection was lost while `{key}` was read: {}", DisplayErrorContext(error));
            NativeFailure::perhaps(Failure::new(ErrorKind::Unavailable, message))
        })?;
        writer.write(chunk).await.map_err(Failure::from)?;
    }
    let kept = writer.finish().await.map_err(Failure::from)?;
    let media_type = answer.content_type().unwrap_or(ANY_MEDIA_TYPE);
    let file = File::new(kept.sha256, kept.size, plain_name(place.key), media_type);
    let content_type = answer.content_type().map_or(Value::Null, Value::text);
    let etag = tag(answer.e_tag());
    Ok(Value::record([("body", Value::File(file.into())), ("content_type", content_type), ("etag", etag)]))
}

/// Deletes an object.
pub(crate) async fn delete(client: &Client, place: Place<'_>) -> Result<Value, NativeFailure> {
    match client.delete_object().bucket(place.bucket).key(place.key).send().await {
        Ok(_) => Ok(Value::Null),
        Err(error) if code(&error) == Some("NoSuchKey") => Ok(Value::Null),
        Err(error) => Err(failure(error)),
    }
}
