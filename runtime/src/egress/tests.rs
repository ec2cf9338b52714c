//! Every way of writing an address that must not be reached, and those that may be.

use std::net::IpAddr;

use async_trait::async_trait;
use proptest::prelude::*;

use super::*;

fn check(guard: &Guard, url: &str) -> Result<(), String> {
    let url = Url::parse(url).map_err(|error| format!("no URL: {error}"))?;
    guard.url(&url).map_err(|refused| refused.to_string())
}

#[test]
fn what_is_not_the_public_internet_is_denied_in_every_notation() {
    let guard = Guard::new(Networks::default());
    let table = [
        ("http://127.0.0.1/", "loopback"),
        ("http://127.1/", "loopback"),
        ("http://127.255.255.254/", "loopback"),
        ("http://2130706433/", "loopback"),
        ("http://0x7f000001/", "loopback"),
        ("http://0x7f.1/", "loopback"),
        ("http://0177.0.0.1/", "loopback"),
        ("http://017700000001/", "loopback"),
        ("http://0/", "loopback"),
        ("http://0.0.0.0:8080/", "loopback"),
        ("http://127.0.0.1./", "loopback"),
        ("http://%31%32%37.0.0.1/", "loopback"),
        ("http://１２７.0.0.1/", "loopback"),
        ("http://127。0。0。1/", "loopback"),
        ("http://[::1]/", "loopback"),
        ("http://[::]/", "loopback"),
        ("http://[0:0:0:0:0:0:0:1]/", "loopback"),
        ("http://[::ffff:127.0.0.1]/", "loopback"),
        ("http://[::ffff:7f00:1]/", "loopback"),
        ("http://[::127.0.0.1]/", "loopback"),
        ("http://[64:ff9b::127.0.0.1]/", "loopback"),
        ("http://[2002:7f00:1::]/", "loopback"),
        ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ("http://2852039166/", "metadata"),
        ("http://0xa9fea9fe/", "metadata"),
        ("http://0251.0376.0251.0376/", "metadata"),
        ("http://[::ffff:169.254.169.254]/", "metadata"),
        ("http://[fd00:ec2::254]/", "metadata"),
        ("http://168.63.129.16/", "metadata"),
        ("http://100.100.100.200/", "metadata"),
        ("http://169.254.170.2/", "metadata"),
        ("http://169.254.1.1/", "link-local"),
        ("http://[fe80::1]/", "link-local"),
        ("http://10.1.2.3/", "private"),
        ("http://172.16.0.1/", "private"),
        ("http://172.31.255.255/", "private"),
        ("http://192.168.0.1/", "private"),
        ("http://[fd12:3456::1]/", "private"),
        ("http://[fec0::1]/", "private"),
        ("http://100.64.0.1/", "carrier-grade"),
        ("http://100.127.255.255/", "carrier-grade"),
        ("http://224.0.0.1/", "multicast"),
        ("http://[ff02::1]/", "multicast"),
        ("http://255.255.255.255/", "reserved"),
        ("http://240.0.0.1/", "reserved"),
        ("http://192.0.2.1/", "reserved"),
        ("http://198.18.0.1/", "reserved"),
        ("http://[2001:db8::1]/", "reserved"),
        ("file:///etc/passwd", "only `http` and `https`"),
        ("gopher://example.com:70/_x", "only `http` and `https`"),
        ("ftp://example.com/", "only `http` and `https`"),
        ("data:text/plain,x", "only `http` and `https`"),
        ("http://example.com@127.0.0.1/", "before `@`"),
        ("http://user:password@example.com/", "before `@`"),
        ("http://example.com%00@169.254.169.254/", "before `@`"),
    ];
    for (url, rule) in table {
        let refused = check(&guard, url).expect_err(url);
        assert!(refused.contains(rule), "{url}: {refused}");
    }
    for url in [
        "https://api.stripe.com/v1",
        "https://93.184.215.14/",
        "http://172.32.0.1/",
        "http://100.128.0.1/",
        "http://11.0.0.1/",
        "https://[2606:4700::1111]/",
        "http://128.0.0.1/",
    ] {
        assert_eq!(check(&guard, url), Ok(()), "{url}");
    }
}

#[test]
fn listed_networks_are_reached_and_no_others() {
    let guard = Guard::new(Networks::listed(["10.0.0.0/8", "localhost", "192.168.7.9"]).unwrap());
    for url in ["http://10.9.8.7/", "http://127.0.0.1:8080/", "http://[::1]/", "http://[::ffff:10.0.0.1]/"] {
        assert_eq!(check(&guard, url), Ok(()), "{url}");
    }
    assert_eq!(check(&guard, "http://192.168.7.9/"), Ok(()));
    for url in ["http://192.168.7.8/", "http://169.254.169.254/", "http://172.16.0.1/", "http://0.0.0.0/"] {
        assert!(check(&guard, url).is_err(), "{url}");
    }
    assert_eq!(
        Networks::listed(["10.0.0.0/40"]).unwrap_err().to_string(),
        "`10.0.0.0/40` is no network: write `10.0.0.0/8`, one address, or `localhost`"
    );
}

/// A name server of the test.
struct Names(Vec<(&'static str, Vec<&'static str>)>);

#[async_trait]
impl Lookup for Names {
    async fn lookup(&self, name: &str) -> std::io::Result<Vec<IpAddr>> {
        let found = self.0.iter().find(|(known, _)| *known == name);
        let (_, addresses) = found.ok_or_else(|| std::io::Error::other("no such name"))?;
        Ok(addresses.iter().map(|address| address.parse().unwrap()).collect())
    }
}

#[tokio::test]
async fn a_name_is_as_good_as_the_addresses_that_it_has() {
    let names = Names(vec![
        ("metadata.google.internal", vec!["169.254.169.254"]),
        ("rebinds.example", vec!["93.184.215.14", "127.0.0.1", "::1"]),
        ("inside.example", vec!["10.0.0.7", "fd00::7"]),
        ("localhost", vec!["::1", "127.0.0.1"]),
    ]);
    let guard = Guard::with_lookup(Networks::default(), Arc::new(names));
    for (name, rule) in [
        ("metadata.google.internal", "metadata"),
        ("inside.example", "private"),
        ("localhost", "list `localhost` under `[network] allow`"),
        ("[::1]", "loopback"),
        ("127.0.0.1", "loopback"),
    ] {
        let refused = Guard::resolve(&guard, name, 80).await.unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
        assert!(refused.to_string().contains(rule) && refused.to_string().contains(name), "{refused}");
    }
    // Of several addresses only those that are allowed are connected to.
    let kept = Guard::resolve(&guard, "rebinds.example", 443).await.unwrap();
    assert_eq!(kept, ["93.184.215.14:443".parse().unwrap()]);
}

#[test]
fn hosts_are_named_whole_or_by_what_is_below_a_name() {
    let named = ["api.example.com", "*.my.salesforce.com"].map(str::to_owned);
    for host in
        ["api.example.com", "API.example.com", "api.example.com.", "acme.my.salesforce.com", "a.b.my.salesforce.com"]
    {
        assert!(is_named(host, &named), "{host}");
    }
    // The third has a Cyrillic letter: in the form that is sent it is another name.
    let alike = Url::parse("https://аpi.example.com/").unwrap();
    for host in
        ["example.com", "xapi.example.com", alike.host_str().unwrap(), "my.salesforce.com", "evil-my.salesforce.com"]
    {
        assert!(!is_named(host, &named), "{host}");
    }
}

proptest! {
    #[test]
    fn an_address_within_an_address_is_judged_as_what_it_is(bits in any::<u32>()) {
        let v4 = std::net::Ipv4Addr::from_bits(bits);
        let [a, b, c, d] = v4.octets();
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        prop_assume!(high != 0);
        let plain = rule(v4.into());
        for within in [
            std::net::Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low),
            std::net::Ipv6Addr::new(0, 0, 0, 0, 0, 0, high, low),
            std::net::Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            std::net::Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        ] {
            prop_assert_eq!(rule(within.into()), plain, "{}", within);
        }
    }
}
