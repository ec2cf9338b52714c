//! What a program does with objects, against a real S3 server.

use std::fs;

use serde_json::{Value as Json, json};
use tempfile::TempDir;

use super::{
    process::{Ended, flowc, output},
    s3::{ACCESS_KEY_ID, S3, SECRET_ACCESS_KEY},
};

fn ended(server: &S3, flow: &str, input: &str) -> Ended {
    let folder = TempDir::new().unwrap();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/e2e/programs/keep_invoice.flow");
    let mut command = flowc();
    command.current_dir(folder.path()).args(["run", program, "--flow", flow, "--input", input, "--data", "data"]);
    command.env("S3_ENDPOINT", &server.endpoint);
    command.env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID).env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY);
    output(&mut command).says(0, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_looked_at_copied_and_given_to_others() {
    let server = S3::start("invoices").await;
    let told = ended(&server, "keep", r#"{"number": 7}"#).json();
    assert_eq!(told["size"], json!(4));
    assert_eq!(told["content_type"], json!("text/plain"));
    let metadata = json!({ "customer": "C-7", "region": "eu" });
    assert_eq!(told["metadata"], metadata);
    assert_eq!(told["copy"], json!({ "key": "2026/7.txt", "same": true, "metadata": metadata }));
    assert_eq!(server.keys("invoices"), ["2026/7.txt"]);

    assert!(!told.to_string().contains(SECRET_ACCESS_KEY), "{told}");
    // Somebody who has the links and no credential.
    let client = reqwest::Client::new();
    let link = told["link"].as_str().unwrap();
    let read = client.get(link).send().await.unwrap();
    assert_eq!((read.status().as_u16(), read.text().await.unwrap().as_str()), (200, "paid"));
    // What the server would make of it; this one does not.
    let asked = url::Url::parse(link).unwrap();
    let (_, saved) = asked.query_pairs().find(|(name, _)| name == "response-content-disposition").unwrap();
    assert_eq!(saved, "attachment; filename*=UTF-8''Rechnung%20f%C3%BCr%207%2Etxt");
    assert_eq!(client.get(link.replace("2026", "2025")).send().await.unwrap().status(), 403);
    assert_eq!(client.put(link).body("x").send().await.unwrap().status(), 403);

    let url = told["door"]["url"].as_str().unwrap();
    assert_eq!(told["door"]["headers"], json!({ "content-length": "5", "content-type": "text/csv" }));
    let store = |ty: &str, body: &'static str| client.put(url).header("content-type", ty).body(body).send();
    assert_eq!(store("text/html", "a,b,c").await.unwrap().status(), 403);
    assert_eq!(store("text/csv", "a,b,c,d").await.unwrap().status(), 403);
    assert_eq!(server.object("invoices", "in/7.txt"), None);
    assert_eq!(store("text/csv", "a,b,c").await.unwrap().status(), 200);
    assert_eq!(server.object("invoices", "in/7.txt").as_deref(), Some("a,b,c"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_objects_goes_on_from_page_to_page() {
    let server = S3::start("invoices").await;
    fs::create_dir(server.path("invoices", "many")).unwrap();
    for number in 0..2100 {
        fs::write(server.path("invoices", &format!("many/{number:04}")), "12345").unwrap();
    }
    fs::write(server.path("invoices", "other"), "no").unwrap();
    let count = |input: &str| -> Json { ended(&server, "count", input).json() };
    assert_eq!(count("{}"), json!({ "count": 2100, "bytes": 10500 }));
    assert_eq!(count(r#"{"after": "many/0099"}"#), json!({ "count": 2000, "bytes": 10000 }));
    assert_eq!(count(r#"{"after": "many/9999"}"#), json!({ "count": 0, "bytes": null }));
}
