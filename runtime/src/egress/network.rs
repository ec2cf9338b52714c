//! Which networks may calls go to?
//!
//! Everything that is not the public internet is denied unless the project lists it: a program that can be made to call
//! an address of the machine's own network reaches what nobody meant to show it. The table follows the IANA registries of
//! special-purpose addresses (RFC 6890), with the addresses under which clouds hand out credentials.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// Why an address is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// The network of one link.
    LinkLocal,
    /// The network of a provider behind its address translation.
    Shared,
    /// An address under which a cloud hands out credentials.
    Metadata,
    /// Many receivers at once.
    Multicast,
    /// Addresses that nobody can have.
    Reserved,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loopback => "this machine (loopback)",
            Self::Private => "a private network",
            Self::LinkLocal => "a link-local network",
            Self::Shared => "a provider's shared network (carrier-grade NAT)",
            Self::Metadata => "a cloud's metadata service",
            Self::Multicast => "a multicast network",
            Self::Reserved => "a reserved network",
        })
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The most particular first.
const V4: [(Ipv4Net, Rule); 17] = [
    // The same address at AWS, Google, Azure, DigitalOcean, Oracle and others; then AWS ECS, Azure's host, Alibaba.
    (v4(169, 254, 169, 254, 32), Rule::Metadata),
    (v4(169, 254, 170, 2, 32), Rule::Metadata),
    (v4(168, 63, 129, 16, 32), Rule::Metadata),
    (v4(100, 100, 100, 200, 32), Rule::Metadata),
    (v4(0, 0, 0, 0, 8), Rule::Loopback),
    (v4(127, 0, 0, 0, 8), Rule::Loopback),
    (v4(10, 0, 0, 0, 8), Rule::Private),
    (v4(172, 16, 0, 0, 12), Rule::Private),
    (v4(192, 168, 0, 0, 16), Rule::Private),
    (v4(169, 254, 0, 0, 16), Rule::LinkLocal),
    (v4(100, 64, 0, 0, 10), Rule::Shared),
    (v4(224, 0, 0, 0, 4), Rule::Multicast),
    (v4(192, 0, 0, 0, 24), Rule::Reserved),
    (v4(192, 0, 2, 0, 24), Rule::Reserved),
    (v4(198, 18, 0, 0, 15), Rule::Reserved),
    (v4(198, 51, 100, 0, 24), Rule::Reserved),
    (v4(203, 0, 113, 0, 24), Rule::Reserved),
];

/// The most particular first.
const V6: [(Ipv6Net, Rule); 10] = [
    // AWS on IPv6.
    (Ipv6Net::new_assert(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), 128), Rule::Metadata),
    (Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128), Rule::Loopback),
    (Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 128), Rule::Loopback),
    (v6(0xfc00, 0, 0, 7), Rule::Private),
    (v6(0xfec0, 0, 0, 10), Rule::Private),
    (v6(0xfe80, 0, 0, 10), Rule::LinkLocal),
    (v6(0xff00, 0, 0, 8), Rule::Multicast),
    (v6(0x2001, 0xdb8, 0, 32), Rule::Reserved),
    // Teredo hides an address of IPv4 in a form of its own, and nobody serves anything there.
    (v6(0x2001, 0, 0, 32), Rule::Reserved),
    (v6(0x100, 0, 0, 64), Rule::Reserved),
];

/// Why an address is denied when nothing is listed; none when it is public.
pub fn rule(address: IpAddr) -> Option<Rule> {
    match plain(address) {
        // 240.0.0.0/4 has the broadcast address in it.
        IpAddr::V4(v4) if v4.octets()[0] >= 240 => Some(Rule::Reserved),
        IpAddr::V4(v4) => V4.iter().find(|(net, _)| net.contains(&v4)).map(|(_, rule)| *rule),
        IpAddr::V6(v6) => V6.iter().find(|(net, _)| net.contains(&v6)).map(|(_, rule)| *rule),
    }
}

/// The address that is really reached: IPv4 that is written within IPv6 is IPv4 (mapped, compatible, NAT64, 6to4).
fn plain(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let inner = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => inner(high, low),
        [0x64, 0xff9b, _, _, _, _, high, low] => inner(high, low),
        [0x2002, high, low, ..] => inner(high, low),
        _ => address,
    }
}

/// The networks that a project lists: `["10.0.0.0/8", "localhost"]`. Nothing by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// A line that is no network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no network: write `10.0.0.0/8`, one address, or `localhost`")]
pub struct NotANetwork(String);

impl Networks {
    /// Reads networks as a project lists them.
    ///
    /// # Errors
    /// The first that does not read.
    pub fn listed<'a>(listed: impl IntoIterator<Item = &'a str>) -> Result<Self, NotANetwork> {
        let mut networks = Vec::new();
        for written in listed {
            let text = written.trim();
            if text == "localhost" {
                networks.extend(Self::localhost().0);
            } else if let Ok(net) = text.parse::<IpNet>() {
                networks.push(net.trunc());
            } else if let Ok(address) = text.parse::<IpAddr>() {
                networks.push(IpNet::from(address));
            } else {
                return Err(NotANetwork(written.to_owned()));
            }
        }
        Ok(Self(networks))
    }

    /// This machine alone, as developers and tests need it.
    pub fn localhost() -> Self {
        Self(vec![
            IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(127, 0, 0, 0), 8)),
            IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::LOCALHOST, 128)),
        ])
    }

    /// Checks an address.
    ///
    /// # Errors
    /// The rule that denies it.
    pub fn check(&self, address: IpAddr) -> Result<(), Rule> {
        match rule(address) {
            Some(_) if self.0.iter().any(|net| net.contains(&plain(address))) => Ok(()),
            Some(rule) => Err(rule),
            None => Ok(()),
        }
    }
}
