//! How is the project served?
//!
//! In: `[serve]`. Out: what `flowc serve` takes where its command line says nothing.

use std::net::SocketAddr;

use url::Url;

use super::{Written, table::Table};

/// `[serve]`
#[derive(Clone, Debug, Default)]
pub struct Serve {
    /// `listen`: address and port.
    pub listen: Option<Written<SocketAddr>>,
    /// `public_url`: how others reach it.
    pub public_url: Option<Written<Url>>,
    /// `token`: the secret whose text those send who call flows.
    pub token: Option<Written<String>>,
}

pub(super) fn read(table: &mut Table<'_, '_>) -> Serve {
    Serve {
        listen: table.parsed("listen", "an address and a port", "\"127.0.0.1:4711\"", |text| text.parse().ok()),
        public_url: table.parsed("public_url", "an address on the web", "\"https://flow.example.com\"", |text| {
            Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host())
        }),
        token: table.text("token"),
    }
}
