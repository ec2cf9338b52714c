//! Where may calls go besides the public internet?
//!
//! In: `[network]`. Out: the networks that are listed: `10.0.0.0/8`, one address, `localhost`.

use std::net::IpAddr;

use flow_model::diagnostic::{Code, Diagnostic};

use super::{Written, table::Table};

/// `[network]`
#[derive(Clone, Debug, Default)]
pub struct Network {
    /// `allow`: networks that calls may go to although they are not public.
    pub allow: Vec<Written<String>>,
}

pub(super) fn read(table: &mut Table<'_, '_>) -> Network {
    let mut allow = table.texts("allow").unwrap_or_default();
    allow.retain(|network| {
        let known = is_network(&network.value);
        if !known {
            let message = format!("`{}` is no network", network.value);
            let problem = Diagnostic::new(Code::E0803, message, network.span, "not a network");
            table.report(problem.help("write `\"10.0.0.0/8\"`, one address, or `\"localhost\"` for this machine"));
        }
        known
    });
    Network { allow }
}

fn is_network(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return text == "localhost",
    };
    prefix.parse::<u8>().is_ok_and(|prefix| prefix <= most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_addresses_with_or_without_a_prefix_and_localhost() {
        for text in ["10.0.0.0/8", "192.168.1.7", "fd00::/8", "::1", "localhost"] {
            assert!(is_network(text), "{text}");
        }
        for text in ["", "10.0.0.0/33", "10.0.0.0/", "10.0.0", "example.com", "localhost/8", "*", "fd00::/129"] {
            assert!(!is_network(text), "{text}");
        }
    }
}
