//! Large objects, sent in parts ("Uploading and copying objects using multipart upload", Amazon S3 User Guide).
//!
//! One part at a time is in memory, signed with the digest of its bytes. Nothing is seen of the object before all parts are
//! there and the upload is completed. An upload that fails is aborted, so that no parts are left that nobody sees and
//! somebody pays for; where the process ends or the time is over, a lifecycle rule of the bucket has to clear them away.

use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use flow_model::{failure::Failure, file::File};
use flow_runtime::{
    blob::{self, BlobReader, Blobs},
    connector::NativeFailure,
};

use crate::{
    failure::failure,
    object::{How, Place, stored_as},
};

/// How large a part is, and the largest object that is sent without parts: 8 MiB. S3 takes parts from 5 MiB on.
pub(crate) const PART: u64 = 8 << 20;

/// How many parts there may be ("Amazon S3 multipart upload limits"). What has more than 78 GiB has larger parts.
const MOST_PARTS: u64 = 10_000;

/// Sends an object in parts; gives its tag.
pub(crate) async fn put(
    client: &Client,
    blobs: &dyn Blobs,
    place: Place<'_>,
    body: &File,
    how: &How<'_>,
) -> Result<Option<String>, NativeFailure> {
    let mut reader = blob::open(blobs, body).await.map_err(|error| NativeFailure::never(error.into()))?;
    let begun = client.create_multipart_upload().bucket(place.bucket).key(place.key);
    let begun = begun.content_type(how.content_type).set_metadata(how.metadata.clone());
    let begun = stored_as!(begun, how.kept).send().await.map_err(failure)?;
    let id = begun.upload_id().unwrap_or_default();
    let completed = match send(client, place, id, &mut reader, size_of_parts(body.size)).await {
        Ok(parts) => {
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
            let request = client.complete_multipart_upload().bucket(place.bucket).key(place.key).upload_id(id);
            request.multipart_upload(parts).send().await.map_err(failure)
        }
        Err(failure) => Err(failure),
    };
    match completed {
        Ok(completed) => Ok(completed.e_tag),
        Err(failure) => {
            // Why the upload failed says more than why it could not be taken back.
            let _ = client.abort_multipart_upload().bucket(place.bucket).key(place.key).upload_id(id).send().await;
            Err(failure)
        }
    }
}

/// Sends all parts, one after the other.
async fn send(
    client: &Client,
    place: Place<'_>,
    id: &str,
    reader: &mut BlobReader,
    size: u64,
) -> Result<Vec<CompletedPart>, NativeFailure> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let mut parts = Vec::new();
    let mut rest = Vec::new();
    loop {
        let mut part = Vec::with_capacity(size);
        part.append(&mut rest);
        while part.len() < size
            && let Some(chunk) = reader.next().await.map_err(Failure::from)?
        {
            let (fits, over) = chunk.split_at(chunk.len().min(size - part.len()));
            part.extend_from_slice(fits);
            rest.extend_from_slice(over);
        }
        if part.is_empty() {
            return Ok(parts);
        }
        let number = i32::try_from(parts.len() + 1).unwrap_or(i32::MAX);
        let request = client.upload_part().bucket(place.bucket).key(place.key).upload_id(id).part_number(number);
        let sent = request.body(ByteStream::from(part)).send().await.map_err(failure)?;
        parts.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
    }
}

/// How large the parts of an object are: whole mebibytes, and so that there are not too many.
fn size_of_parts(size: u64) -> u64 {
    const MEBIBYTE: u64 = 1 << 20;
    size.div_ceil(MOST_PARTS).next_multiple_of(MEBIBYTE).max(PART)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_as_large_as_it_takes() {
        assert_eq!(size_of_parts(1), PART);
        assert_eq!(size_of_parts(PART * MOST_PARTS), PART);
        let largest = 5 << 40;
        let size = size_of_parts(largest);
        assert_eq!((size % (1 << 20), largest.div_ceil(size) <= MOST_PARTS), (0, true));
    }
}
