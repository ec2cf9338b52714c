//! The same is asked of every place for bytes.

use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use tokio::io::AsyncReadExt as _;

use super::*;

/// A place on disk and one in memory.
fn places() -> (tempfile::TempDir, [Box<dyn Blobs>; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path().join("blobs"));
    (folder, [Box::new(disk), Box::new(Memory::new())])
}

/// Bytes of which no two parts of a chunk are alike.
fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|index| u8::try_from((index * 31 + index / 251) % 256).unwrap()).collect()
}

async fn write(blobs: &dyn Blobs, content: &[u8]) -> Blob {
    let mut writer = blobs.create().await.unwrap();
    for chunk in content.chunks(70_001) {
        writer.write(chunk.to_vec().into()).await.unwrap();
    }
    writer.finish().await.unwrap()
}

#[tokio::test]
async fn bytes_read_back_as_chunks_as_a_stream_and_as_a_reader() {
    let (_folder, places) = places();
    for blobs in places {
        for count in [0, 1, 1000, 1_000_003] {
            let content = bytes(count);
            let blob = write(&*blobs, &content).await;
            assert_eq!(blob, Blob { sha256: Sha256::of(&content), size: count as u64 });
            assert_eq!(load(&*blobs, blob.sha256).await.unwrap(), content);
            let stream = blobs.open(blob.sha256, Part::ALL).await.unwrap();
            let chunks: Vec<_> = stream.map(|chunk| chunk.unwrap().to_vec()).collect().await;
            assert_eq!(chunks.concat(), content);
            let mut read = Vec::new();
            blobs.open(blob.sha256, Part::ALL).await.unwrap().read_to_end(&mut read).await.unwrap();
            assert_eq!(read, content);
        }
    }
}

#[tokio::test]
async fn large_files_of_a_value_are_kept_and_small_ones_stay_with_it() {
    let (_folder, places) = places();
    for blobs in places {
        let (small, large) = (bytes(100), bytes(100_000));
        let file = |content: &[u8]| File::with_content(content, "a.bin", "application/octet-stream");
        let value = Value::record([
            ("small", Value::File(file(&small).into())),
            ("large", Value::List(vec![Value::record([("file", Value::File(file(&large).into()))])])),
        ]);
        let settled = settle(&*blobs, value.clone()).await.unwrap();
        assert_eq!(settled, value);
        assert!(serde_json::to_vec(&settled).unwrap().len() < 1000);
        assert_eq!(blobs.list(None, 10).await.unwrap(), [Sha256::of(&large)]);
        for (whole, content) in [(file(&small), &small), (file(&large).without_content(), &large)] {
            let chunks: Vec<_> =
                open(&*blobs, &whole).await.unwrap().map(|chunk| chunk.unwrap().to_vec()).collect().await;
            assert!(chunks.concat() == *content);
            let part: Vec<_> =
                open(&*blobs, &whole.part(10, 50)).await.unwrap().map(|chunk| chunk.unwrap().to_vec()).collect().await;
            assert_eq!(part.concat(), content[10..60]);
        }
    }
}

#[tokio::test]
async fn a_part_is_read_alone() {
    let (_folder, places) = places();
    for blobs in places {
        let content = bytes(500_000);
        let digest = write(&*blobs, &content).await.sha256;
        for (from, most, expected) in [
            (0, Some(10), 0..10),
            (123_456, Some(200_000), 123_456..323_456),
            (499_990, Some(100), 499_990..500_000),
            (499_990, None, 499_990..500_000),
            (500_000, None, 0..0),
            (u64::MAX, Some(u64::MAX), 0..0),
        ] {
            let mut reader = blobs.open(digest, Part { from, most }).await.unwrap();
            assert_eq!(reader.left(), expected.len() as u64);
            let mut read = Vec::new();
            while let Some(chunk) = reader.next().await.unwrap() {
                read.extend_from_slice(&chunk);
            }
            assert_eq!(read, content[expected]);
        }
    }
}

#[tokio::test]
async fn what_is_not_finished_leaves_nothing() {
    let (folder, places) = places();
    for blobs in places {
        let mut writer = blobs.create().await.unwrap();
        writer.write(bytes(10).into()).await.unwrap();
        drop(writer);
        assert_eq!(blobs.list(None, 10).await.unwrap(), []);
        let missing = Sha256::of(&bytes(10));
        assert!(matches!(blobs.open(missing, Part::ALL).await, Err(Error::Missing(digest)) if digest == missing));
        assert!(matches!(blobs.path(missing), Err(Error::Missing(_))));
    }
    let left = std::fs::read_dir(folder.path().join("blobs/unfinished")).unwrap().count();
    assert_eq!(left, 0, "the file is gone with its writer");
}

#[tokio::test]
async fn all_that_is_kept_is_listed_in_steps() {
    let (_folder, places) = places();
    for blobs in places {
        let mut kept = Vec::new();
        for count in 1..=20 {
            kept.push(write(&*blobs, &bytes(count)).await.sha256);
            write(&*blobs, &bytes(count)).await;
        }
        kept.sort_unstable();
        let mut listed = Vec::new();
        loop {
            let step = blobs.list(listed.last().copied(), 7).await.unwrap();
            assert!(step.len() <= 7);
            if step.is_empty() {
                break;
            }
            listed.extend(step);
        }
        assert_eq!(listed, kept);
    }
}

#[tokio::test]
async fn only_what_was_written_long_ago_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Disk::new(folder.path());
    let blob = write(&blobs, b"abc").await;
    let path = blobs.path(blob.sha256).unwrap().unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(blobs.remove(blob.sha256, long_ago).await.unwrap(), 0);
    // Written again, it counts as new.
    write(&blobs, b"abc").await;
    assert_eq!(blobs.remove(blob.sha256, long_ago + Duration::from_secs(1)).await.unwrap(), 0);
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(long_ago).unwrap();
    assert_eq!(blobs.remove(blob.sha256, long_ago + Duration::from_secs(1)).await.unwrap(), 3);
    assert!(!path.exists());
    assert_eq!(blobs.remove(blob.sha256, long_ago).await.unwrap(), 0, "what is gone is gone");
}

#[tokio::test]
async fn changed_bytes_are_not_passed_on_as_if_they_were_whole() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Disk::new(folder.path());
    for damage in [|bytes: &mut Vec<u8>| bytes[200_000] ^= 1, |bytes: &mut Vec<u8>| bytes.truncate(299_999)] {
        let blob = write(&blobs, &bytes(300_000)).await;
        let path = blobs.path(blob.sha256).unwrap().unwrap();
        let mut content = std::fs::read(&path).unwrap();
        damage(&mut content);
        std::fs::write(&path, content).unwrap();
        assert!(matches!(load(&blobs, blob.sha256).await, Err(Error::Damaged(_))));
        let stream = blobs.open(blob.sha256, Part::ALL).await.unwrap();
        let chunks: Vec<_> = stream.collect().await;
        assert!(chunks.last().unwrap().is_err());
    }
}

#[tokio::test]
async fn what_processes_left_unfinished_is_cleared_away() {
    let folder = tempfile::tempdir().unwrap();
    let blobs = Disk::new(folder.path().join("blobs"));
    blobs.clear_unfinished().unwrap();
    let blob = write(&blobs, b"abc").await;
    let left = folder.path().join("blobs/unfinished/1-1");
    std::fs::write(&left, "half").unwrap();
    blobs.clear_unfinished().unwrap();
    assert!(!left.exists());
    assert_eq!(load(&blobs, blob.sha256).await.unwrap(), b"abc");
    write(&blobs, b"abcd").await;
}
