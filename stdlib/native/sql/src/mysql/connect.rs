//! A connection to MySQL: which server, as whom, and secured how.

use flow_model::failure::{ErrorKind, Failure};
use flow_runtime::connector::{NativeCall, NativeFailure};
use mysql_async::{Conn, DriverError, Error, Opts, OptsBuilder, SslOpts};
use url::Url;

use super::failure::{Phase, failure};
use crate::{postgres::resolve, tls::Mode};

/// What every session begins with.
const SETUP: &str =
    "set time_zone = '+00:00', sql_mode = concat(@@sql_mode, ',STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION')";

/// Connects, and says how it was done.
pub(super) async fn connect(call: &NativeCall<'_>) -> Result<(Conn, Opts), NativeFailure> {
    let url = call.secret("url").map_err(NativeFailure::never)?;
    let (opts, mode) = read(url.reveal()).map_err(NativeFailure::never)?;
    let mode = Mode::of(call).map_err(NativeFailure::never)?.unwrap_or(mode);
    let (host, port) = (opts.ip_or_hostname().to_owned(), opts.tcp_port());
    let addresses = resolve(&host, port, call.guard()).await?;
    let ips: Vec<_> = addresses.iter().map(|address| address.ip()).collect();
    let base = OptsBuilder::from_opts(opts)
        .ip_or_hostname(host.trim_start_matches('[').trim_end_matches(']'))
        .tcp_port(port)
        .resolved_ips(Some(ips))
        .prefer_socket(false)
        .client_found_rows(true)
        .setup(vec![SETUP]);
    let secured = |mode| OptsBuilder::ssl_opts(base.clone(), ssl(mode, call.config("authority").as_str()));
    let opts = Opts::from(secured(mode));
    match Conn::new(opts.clone()).await {
        Ok(conn) => Ok((conn, opts)),
        Err(Error::Driver(DriverError::NoClientSslFlagFromServer)) if mode == Mode::Prefer => {
            let opts = Opts::from(secured(Mode::Off));
            let conn = Conn::new(opts.clone()).await.map_err(|error| failure(&error, Phase::Connecting))?;
            Ok((conn, opts))
        }
        Err(error) => Err(failure(&error, Phase::Connecting)),
    }
}

fn ssl(mode: Mode, authority: Option<&str>) -> Option<SslOpts> {
    let anyone = || SslOpts::default().with_danger_accept_invalid_certs(true).with_danger_skip_domain_validation(true);
    match (mode, authority) {
        (Mode::Off, _) => None,
        (Mode::Prefer | Mode::Require, _) => Some(anyone()),
        (Mode::Verify, None) => Some(SslOpts::default()),
        (Mode::Verify, Some(pem)) => {
            let roots = vec![pem.as_bytes().to_vec().into()];
            Some(SslOpts::default().with_root_certs(roots).with_disable_built_in_roots(true))
        }
    }
}

/// Reads a URL (MySQL reference manual, "Connecting to the Server Using URI-Like Strings"). How it is secured is said by
/// `ssl-mode`.
fn read(text: &str) -> Result<(Opts, Mode), Failure> {
    let unfit = |why: &str| Failure::new(ErrorKind::Invalid, format!("the setting `url` {why}"));
    let form = || unfit("is not of the form `mysql://user:password@host:3306/database`");
    let mut url = Url::parse(text).map_err(|_| form())?;
    if url.scheme() == "mariadb" {
        url.set_scheme("mysql").map_err(|()| form())?;
    }
    if url.scheme() != "mysql" || url.host_str().is_none_or(str::is_empty) || url.username().is_empty() {
        return Err(form());
    }
    let mut mode = Mode::Prefer;
    for (name, value) in url.query_pairs() {
        let name = name.to_ascii_lowercase().replace(['-', '_'], "");
        if name != "sslmode" {
            return Err(unfit("has a parameter besides `ssl-mode`"));
        }
        mode = match value.to_ascii_lowercase().replace('-', "_").as_str() {
            "disabled" => Mode::Off,
            "preferred" => Mode::Prefer,
            "required" => Mode::Require,
            "verify_ca" | "verify_identity" => Mode::Verify,
            _ => return Err(unfit("has an `ssl-mode` that is not known")),
        };
    }
    url.set_query(None);
    // The error may repeat parts of the URL.
    let opts = Opts::from_url(url.as_str()).map_err(|_| form())?;
    Ok((opts, mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_say_how_connections_are_secured() {
        for (url, expected) in [
            ("mysql://u:p@h/d", Mode::Prefer),
            ("mariadb://u@h:33/d?ssl-mode=REQUIRED", Mode::Require),
            ("mysql://u:p%40@h/d?sslmode=verify_identity", Mode::Verify),
        ] {
            let (opts, mode) = read(url).unwrap();
            assert_eq!((opts.user(), mode), (Some("u"), expected), "{url}");
        }
        assert_eq!(read("mysql://u:p%40@h/d").unwrap().0.pass(), Some("p@"));
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said_without_it() {
        for url in [
            "hunter2",
            "postgres://u:hunter2@h/d",
            "mysql://u:hunter2@h:hunter2/d",
            "mysql://:hunter2@h/d",
            "mysql://u:hunter2@h/d?socket=/hunter2",
            "mysql://u:hunter2@h/d?ssl-mode=hunter2",
        ] {
            let refused = read(url).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::Invalid);
            assert!(!refused.message.contains("hunter2"), "{refused}");
        }
    }
}
