//! The operations on objects. The bytes of an object go through, and are never held as a whole.

use std::collections::HashMap;

use aws_sdk_s3::{
    Client,
    error::DisplayErrorContext,
    primitives::{ByteStream, DateTime},
    types::{ServerSideEncryption, StorageClass},
};
use flow_model::{
    failure::{ErrorKind, Failure},
    file::{ANY_MEDIA_TYPE, File, plain_name},
    value::Value,
};
use flow_runtime::{
    blob::{self, Blobs},
    connector::{NativeCall, NativeFailure},
};
use indexmap::IndexMap;
use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

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

/// How an object is stored.
pub(crate) struct How<'a> {
    pub(crate) content_type: &'a str,
    pub(crate) metadata: Option<HashMap<String, String>>,
    pub(crate) kept: Kept,
}

/// How an object is kept: null is what the bucket says.
#[derive(Default)]
pub(crate) struct Kept {
    pub(crate) class: Option<StorageClass>,
    pub(crate) encryption: Option<ServerSideEncryption>,
    pub(crate) kms_key: Option<String>,
}

/// Three requests of the SDK take these, and have no trait in common.
macro_rules! stored_as {
    ($request:expr, $kept:expr) => {
        $request
            .set_storage_class($kept.class.clone())
            .set_server_side_encryption($kept.encryption.clone())
            .set_ssekms_key_id($kept.kms_key.clone())
    };
}
pub(crate) use stored_as;

impl Kept {
    pub(crate) fn of(call: &NativeCall<'_>) -> Result<Self, Failure> {
        let kms_key = call.arg("kms_key").as_str().map(str::to_owned);
        let encryption = match (call.arg("encryption").as_str(), &kms_key) {
            (Some("AES256"), Some(_)) => {
                let message = "`kms_key` is for the encryption `aws:kms` or `aws:kms:dsse`, not for `AES256`";
                return Err(Failure::new(ErrorKind::Invalid, message));
            }
            (None, Some(_)) => Some(ServerSideEncryption::AwsKms),
            (given, _) => given.map(ServerSideEncryption::from),
        };
        Ok(Self { class: call.arg("storage_class").as_str().map(StorageClass::from), encryption, kms_key })
    }
}

/// How much metadata an object may have ("User-defined object metadata", Amazon S3 User Guide).
const MOST_METADATA: usize = 2 << 10;

/// The metadata of an object, which go in headers.
pub(crate) fn metadata(given: &Value) -> Result<Option<HashMap<String, String>>, Failure> {
    let refused = |name: &str, why: &str| Failure::new(ErrorKind::Invalid, format!("the metadata `{name}` {why}"));
    let Value::Record(fields) = given else { return Ok(None) };
    let (mut all, mut size) = (HashMap::new(), 0);
    for (name, value) in fields {
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        if !is_name {
            return Err(refused(name, "should be named with letters, digits, `-`, `_` and `.`"));
        }
        let text = value.as_str().unwrap_or_default();
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) || text.trim() != text {
            return Err(refused(name, "should be printable ASCII with no space around it; encode other text"));
        }
        size += name.len() + text.len();
        if all.insert(name.to_ascii_lowercase(), text.to_owned()).is_some() {
            return Err(refused(name, "is there twice: their names don't tell case apart"));
        }
    }
    if size > MOST_METADATA {
        let message = format!("the metadata have {size} bytes, and S3 takes {MOST_METADATA} of an object");
        return Err(Failure::new(ErrorKind::Invalid, message));
    }
    Ok(Some(all))
}

/// Stores an object: in one request, or in parts where it is large.
pub(crate) async fn put(
    client: &Client,
    blobs: &dyn Blobs,
    place: Place<'_>,
    body: &File,
    how: &How<'_>,
) -> Result<Value, NativeFailure> {
    let etag = if body.size > parts::PART {
        parts::put(client, blobs, place, body, how).await?
    } else {
        let bytes = whole(blobs, body).await.map_err(NativeFailure::never)?;
        let request = client
            .put_object()
            .bucket(place.bucket)
            .key(place.key)
            .body(ByteStream::from(bytes))
            .content_type(how.content_type)
            .set_metadata(how.metadata.clone());
        stored_as!(request, how.kept).send().await.map_err(failure)?.e_tag
    };
    Ok(object(place, etag.as_deref()))
}

/// An object that was stored.
fn object(place: Place<'_>, etag: Option<&str>) -> Value {
    Value::record([("bucket", Value::text(place.bucket)), ("key", Value::text(place.key)), ("etag", tag(etag))])
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
    Ok(Value::record([
        ("body", Value::File(file.into())),
        ("content_type", content_type),
        ("etag", tag(answer.e_tag())),
        ("metadata", named(answer.metadata())),
    ]))
}

/// Says what is known of an object.
pub(crate) async fn head(client: &Client, place: Place<'_>) -> Result<Value, NativeFailure> {
    let known = client.head_object().bucket(place.bucket).key(place.key).send().await.map_err(failure)?;
    let class = known.storage_class().map_or("STANDARD", StorageClass::as_str);
    Ok(Value::record([
        ("key", Value::text(place.key)),
        ("size", size(known.content_length())),
        ("etag", tag(known.e_tag())),
        ("modified", time(known.last_modified())),
        ("content_type", text(known.content_type())),
        ("metadata", named(known.metadata())),
        ("storage_class", Value::text(class)),
        ("encryption", text(known.server_side_encryption().map(ServerSideEncryption::as_str))),
        ("kms_key", text(known.ssekms_key_id())),
    ]))
}

/// Lists objects: the page that the cursor names.
pub(crate) async fn list(
    client: &Client,
    bucket: &str,
    prefix: &str,
    after: Option<&str>,
    cursor: Option<&str>,
) -> Result<Value, NativeFailure> {
    let request = client.list_objects_v2().bucket(bucket).prefix(prefix);
    let request = match cursor {
        Some(token) => request.continuation_token(token),
        None => request.set_start_after(after.map(str::to_owned)),
    };
    let page = request.send().await.map_err(failure)?;
    let entry = |object: &aws_sdk_s3::types::Object| {
        Value::record([
            ("key", text(object.key())),
            ("size", size(object.size())),
            ("etag", tag(object.e_tag())),
            ("modified", time(object.last_modified())),
            ("storage_class", text(object.storage_class().map(|class| class.as_str()))),
        ])
    };
    let more = page.is_truncated() == Some(true);
    let next = text(page.next_continuation_token().filter(|_| more));
    if more && next == Value::Null {
        let message = "s3 says that there are more objects, and not where they begin";
        return Err(Failure::new(ErrorKind::Mismatch, message).into());
    }
    Ok(NativeCall::page_of(page.contents().iter().map(entry).collect(), next))
}

/// What stands as it is in the name of an object that is copied: the unreserved characters and the slash.
const KEY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Copies an object.
pub(crate) async fn copy(client: &Client, from: Place<'_>, to: Place<'_>, kept: &Kept) -> Result<Value, NativeFailure> {
    if from.bucket.is_empty() || from.key.is_empty() {
        let message = "the bucket and the key of what is copied should not be empty";
        return Err(NativeFailure::never(Failure::new(ErrorKind::Invalid, message)));
    }
    let source = format!("{}/{}", from.bucket, utf8_percent_encode(from.key, KEY));
    let request = client.copy_object().copy_source(source).bucket(to.bucket).key(to.key);
    let copied = stored_as!(request, kept).send().await.map_err(failure)?;
    Ok(object(to, copied.copy_object_result().and_then(|result| result.e_tag())))
}

fn text(given: Option<&str>) -> Value {
    given.map_or(Value::Null, Value::text)
}

fn size(given: Option<i64>) -> Value {
    Value::Size(given.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0))
}

fn time(given: Option<&DateTime>) -> Value {
    let exact = |time: &DateTime| Timestamp::new(time.secs(), time.subsec_nanos().try_into().ok()?).ok();
    given.and_then(exact).map_or(Value::Null, Value::Timestamp)
}

/// Metadata in the order of their names.
fn named(metadata: Option<&HashMap<String, String>>) -> Value {
    let mut fields: IndexMap<String, Value> = IndexMap::new();
    for (name, value) in metadata.into_iter().flatten() {
        fields.insert(name.clone(), Value::text(value.as_str()));
    }
    fields.sort_keys();
    Value::Record(fields)
}

/// Deletes an object.
pub(crate) async fn delete(client: &Client, place: Place<'_>) -> Result<Value, NativeFailure> {
    match client.delete_object().bucket(place.bucket).key(place.key).send().await {
        Ok(_) => Ok(Value::Null),
        Err(error) if code(&error) == Some("NoSuchKey") => Ok(Value::Null),
        Err(error) => Err(failure(error)),
    }
}
