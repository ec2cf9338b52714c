//! Files in what is delivered: as the whole body, and as parts of a form.

use flow_model::{
    file::{File, Sha256},
    plan::{NodeKind, TriggerKind},
    ty::{Field, Type},
    value::Value,
};

use super::*;
use crate::{blob, machine::Outcome};
use plans::{EVENT, http, member, plan, prefixed_hmac};

/// A flow that returns the body of its request.
fn returning(body: Type) -> Arc<Plan> {
    let trigger = http("POST", "/up", Some(body));
    Arc::new(plan("up", vec![trigger], vec![NodeKind::Return(member(EVENT, "body"))]))
}

async fn returned(served: &Served, request: RequestBuilder) -> Value {
    let (status, body) = sent(request).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{body}");
    let run = body["run"].as_str().unwrap().parse().unwrap();
    match served.engine.outcome(&run).await.unwrap().outcome {
        Some(Outcome::Completed(value)) => value,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_body_that_is_a_file_is_taken_as_it_comes() {
    let (folder, _, served) = fresh(vec![returning(Type::File)]).await;
    let content: Vec<u8> = (0..100_000u32).map(|index| u8::try_from(index % 251).unwrap()).collect();
    let request = served
        .post("/up", content.clone())
        .header("content-type", "Image/PNG; x=y")
        .header("content-disposition", "attachment; filename=\"C:\\\\scans\\\\a.png\"");
    let Value::File(file) = returned(&served, request).await else { panic!("no file") };
    assert_eq!(*file, File::new(Sha256::of(&content), 100_000, "a.png", "image/png"));
    // The journal holds what is known of it, and the bytes lie with the others.
    assert!(file.content().is_none());
    let blobs = blob::Disk::new(folder.path().join("blobs"));
    assert!(blob::load(&blobs, file.sha256).await.unwrap() == content);

    let Value::File(small) = returned(&served, served.post("/up", "%PDF")).await else { panic!("no file") };
    assert_eq!((small.name.as_str(), small.mime_type.as_str()), ("body", "application/octet-stream"));
    assert_eq!(small.content().map(|content| &**content), Some(b"%PDF".as_slice()));
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_form_brings_texts_and_files() {
    let fields = [("title", Type::String), ("doc", Type::File), ("more", Type::List(Box::new(Type::File)))];
    let fields = fields.into_iter().map(|(name, ty)| (name.to_owned(), Field::of(ty))).collect();
    let (_folder, _, served) = fresh(vec![returning(Type::Record(fields))]).await;
    let part =
        |head: &str, content: &str| format!("--b\r\nContent-Disposition: form-data; {head}\r\n\r\n{content}\r\n");
    let whole = part("name=title", "Bill")
        + &part("name=doc; filename=a.pdf", "%PDF")
        + &part("name=\"more[]\"; filename=b.csv", "a,b")
        + "--b--\r\n";
    let post = |body: String| served.post("/up", body).header("content-type", "multipart/form-data; boundary=b");
    let value = returned(&served, post(whole.clone())).await;
    let file =
        |content: &str, name: &str, ty: &str| Value::File(File::with_content(content.as_bytes(), name, ty).into());
    assert_eq!(value.get("title"), Some(&Value::text("Bill")));
    assert_eq!(value.get("doc"), Some(&file("%PDF", "a.pdf", "application/pdf")));
    assert_eq!(value.get("more"), Some(&Value::List(vec![file("a,b", "b.csv", "text/csv")])));

    let (status, body) = sent(post(whole.replace("name=doc; filename=a.pdf", "name=doc"))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    assert!(body["message"].as_str().unwrap().contains("a file"), "{body}");
    let (status, body) = sent(post(whole.replace("--b--", ""))).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    assert!(body["message"].as_str().unwrap().contains("breaks off"), "{body}");
    served.stop().await.unwrap();
}

/// The same with a limit of its own, verified by an HMAC over the body.
fn returning_large(most: u64) -> Arc<Plan> {
    let mut trigger = http("POST", "/up", Some(Type::Optional(Box::new(Type::File))));
    if let TriggerKind::Http { verify, max_body, .. } = &mut trigger.kind {
        (*verify, *max_body) = (Some(prefixed_hmac("stripe/webhook")), Some(most));
    }
    Arc::new(plan("up", vec![trigger], vec![NodeKind::Return(member(EVENT, "body"))]))
}

#[tokio::test]
async fn a_large_body_is_verified_and_kept_piece_by_piece() {
    const MOST: usize = 5 << 20;
    let (folder, _, served) = fresh(vec![returning_large(MOST as u64)]).await;
    let blobs = blob::Disk::new(folder.path().join("blobs"));
    let content: Vec<u8> = (0..u32::try_from(MOST).unwrap()).map(|index| (index % 251) as u8).collect();
    let signed = |content: &[u8]| format!("sha256={}", hmac(SECRET, &[content]));
    let post = |content: Vec<u8>, signature: String| {
        // Without a length, as proxies send it.
        let pieces: Vec<Result<Vec<u8>, std::io::Error>> =
            content.chunks(60_000).map(|piece| Ok(piece.to_vec())).collect();
        let body = reqwest::Body::wrap_stream(futures::stream::iter(pieces));
        served.post("/up", body).header("x-hub-signature-256", signature).header("content-type", "video/mp4")
    };
    let mut altered = content.clone();
    altered[MOST - 1] ^= 1;
    for (content, signature, status) in [
        (altered, signed(&content), StatusCode::UNAUTHORIZED),
        (content.clone(), signed(b""), StatusCode::UNAUTHORIZED),
        (content.clone(), String::new(), StatusCode::UNAUTHORIZED),
        ([content.as_slice(), b"!"].concat(), signed(&content), StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(sent(post(content, signature)).await.0, status);
        assert_eq!(blob::Blobs::list(&blobs, None, 9).await.unwrap(), [], "what nobody has proved is not kept");
    }
    assert!(served.runs().await.is_empty());
    let Value::File(file) = returned(&served, post(content.clone(), signed(&content))).await else { panic!("no file") };
    assert_eq!(*file, File::new(Sha256::of(&content), MOST as u64, "body", "video/mp4"));
    assert!(blob::load(&blobs, file.sha256).await.unwrap() == content);
    assert_eq!(returned(&served, post(Vec::new(), signed(b""))).await, Value::Null);
    served.stop().await.unwrap();
}
