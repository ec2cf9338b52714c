//! Where may outgoing connections go?
//!
//! In: a URL, or the addresses that a name has. Out: leave to connect, or the rule that denies it. A request may go to
//! the hosts that the checked program names, over `http` or `https`, and to addresses of the public internet or of
//! networks that the project lists. The address is checked where the connection is made, in the resolver of the client,
//! so that a name which answers differently the second time gains nothing; addresses written in the URL, which no
//! resolver sees, are checked before.

mod network;
mod resolve;
#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use url::{Host, Url};

pub use self::{
    network::{Networks, NotANetwork, Rule, rule},
    resolve::{Lookup, SystemLookup},
};

/// Decides about outgoing connections. A clone is the same guard.
#[derive(Clone)]
pub struct Guard {
    networks: Arc<Networks>,
    lookup: Arc<dyn Lookup>,
}

/// Why a connection may not be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Not `http` or `https`.
    #[error("`{0}:` is no way to reach a server: only `http` and `https` are")]
    Scheme(String),
    /// `user@host`.
    #[error("a URL with a user or password in it is not called: what stands before `@` is often taken for the host")]
    User,
    /// No host at all.
    #[error("the URL has no host")]
    NoHost,
    /// The program does not name the host.
    #[error("the program does not name the host `{0}`: calls go only to the hosts of their connection")]
    Host(String),
    /// The address is in a network that is denied.
    #[error("`{host}` is {rule}, where calls may not go: list {} under `[network] allow` in flow.toml if they should",
        wanted(*address, *rule))]
    Network {
        /// As the URL names it.
        host: String,
        /// Its address.
        address: IpAddr,
        /// What denies it.
        rule: Rule,
    },
}

/// What a project would have to list.
fn wanted(address: IpAddr, rule: Rule) -> String {
    match rule {
        Rule::Loopback => "`localhost`".to_owned(),
        _ => format!("`{address}` or its network"),
    }
}

impl Guard {
    /// A guard that denies all but the public internet and these networks.
    pub fn new(networks: Networks) -> Self {
        Self::with_lookup(networks, Arc::new(SystemLookup))
    }

    /// The same, with names looked up in another way.
    pub fn with_lookup(networks: Networks, lookup: Arc<dyn Lookup>) -> Self {
        Self { networks: Arc::new(networks), lookup }
    }

    /// Checks what can be seen of a URL before its name is looked up: the scheme, and an address written as the host, in
    /// whatever notation (the URL standard reads `0x7f.1`, `2130706433` and `0177.0.0.1` as one address).
    ///
    /// # Errors
    /// Why it may not be called.
    pub fn url(&self, url: &Url) -> Result<(), Refused> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refused::Scheme(url.scheme().to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::User);
        }
        match url.host() {
            None | Some(Host::Domain("")) => Err(Refused::NoHost),
            Some(Host::Domain(name)) => match name.trim_end_matches('.').parse::<IpAddr>() {
                Ok(address) => self.address(name, address),
                Err(_) => Ok(()),
            },
            Some(Host::Ipv4(address)) => self.address(&address.to_string(), address.into()),
            Some(Host::Ipv6(address)) => self.address(&format!("[{address}]"), address.into()),
        }
    }

    /// Checks an address that a host has.
    ///
    /// # Errors
    /// The rule that denies it.
    pub fn address(&self, host: &str, address: IpAddr) -> Result<(), Refused> {
        let host = host.to_owned();
        self.networks.check(address).map_err(|rule| Refused::Network { host, address, rule })
    }

    /// Looks a name up, and keeps the addresses that may be connected to. For code that makes connections of its own
    /// (databases, mail): it has to connect to one of these, and not to the name.
    ///
    /// # Errors
    /// The name is not known, or none of its addresses may be connected to.
    pub async fn resolve(&self, host: &str, port: u16) -> std::io::Result<Vec<SocketAddr>> {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let found = match bare.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => self.lookup.lookup(bare).await?,
        };
        let mut refused = None;
        let mut kept = Vec::new();
        for address in found {
            match self.address(host, address) {
                Ok(()) => kept.push(SocketAddr::new(address, port)),
                Err(why) => refused = Some(why),
            }
        }
        match (kept.is_empty(), refused) {
            (false, _) => Ok(kept),
            (true, Some(why)) => Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why)),
            (true, None) => Err(std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address")),
        }
    }
}

/// Says whether a host is one of those that are named: by its name, or by `*.example.com` for any name below it. Names
/// are compared in the form that goes into the request, so that letters which only look alike differ.
pub fn is_named(host: &str, named: &[String]) -> bool {
    let host = host.trim_end_matches('.');
    named.iter().any(|name| match name.strip_prefix("*.") {
        Some(above) => host
            .strip_suffix(above)
            .and_then(|below| below.strip_suffix('.'))
            .is_some_and(|below| !below.is_empty() && !above.is_empty()),
        None => host.eq_ignore_ascii_case(name),
    })
}
