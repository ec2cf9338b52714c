//! A real S3 server: it verifies signatures (SigV4) and keeps objects as files. Each request that it answers is counted.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Body, extract::Request, http::StatusCode, response::Response};
use s3s::{auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

/// The credentials that it accepts: those of the AWS documentation.
pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// The server; it lives as long as the test's runtime.
pub(crate) struct S3 {
    /// `http://127.0.0.1:41234`
    pub(crate) endpoint: String,
    folder: TempDir,
    answered: Answered,
}

/// Method and status of each request.
type Answered = Arc<Mutex<Vec<(String, StatusCode)>>>;

impl S3 {
    /// Starts it with an empty bucket.
    pub(crate) async fn start(bucket: &str) -> Self {
        let folder = TempDir::new().unwrap();
        std::fs::create_dir(folder.path().join(bucket)).unwrap();
        let mut builder = S3ServiceBuilder::new(FileSystem::new(folder.path()).expect("the folder exists"));
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        let service = builder.build();
        let answered = Answered::default();
        let counted = Arc::clone(&answered);
        let router = Router::new().fallback(move |request: Request| async move {
            let method = request.method().to_string();
            let answer = service.call(request.map(s3s::Body::http_body_unsync)).await.expect("s3s answers");
            counted.lock().unwrap().push((method, answer.status()));
            let answer: Response = answer.map(Body::new);
            answer
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { endpoint, folder, answered }
    }

    /// The text of an object, if there is one.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join(bucket).join(key)).ok()
    }

    /// The file that holds an object.
    pub(crate) fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.folder.path().join(bucket).join(key)
    }

    /// The keys of the objects in a bucket, sorted.
    pub(crate) fn keys(&self, bucket: &str) -> Vec<String> {
        let root = self.folder.path().join(bucket);
        let mut keys = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() { folders.push(path) } else { keys.push(below(&root, &path)) }
            }
        }
        keys.sort();
        keys
    }

    /// How many objects were stored, repetitions counted.
    pub(crate) fn puts(&self) -> usize {
        self.answered.lock().unwrap().iter().filter(|(method, status)| method == "PUT" && status.is_success()).count()
    }

    /// How many requests were refused.
    pub(crate) fn refusals(&self) -> usize {
        self.answered.lock().unwrap().iter().filter(|(_, status)| status.is_client_error()).count()
    }
}

fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().into_owned()
}
