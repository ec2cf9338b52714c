//! How are names looked up, and how does the client of HTTP keep to what is allowed?

use std::{net::IpAddr, sync::Arc};

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Guard;

/// Looks names up.
#[async_trait]
pub trait Lookup: Send + Sync {
    /// The addresses of a name.
    ///
    /// # Errors
    /// The name is not known.
    async fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>>;
}

/// Looks names up as the machine does.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The resolver of the client: what it does not return is not connected to.
impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            // The port is the client's matter; zero stands for the one of the URL.
            let found = Guard::resolve(&guard, name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

impl Guard {
    /// The guard as a resolver.
    pub fn resolver(&self) -> Arc<dyn Resolve> {
        Arc::new(self.clone())
    }
}
