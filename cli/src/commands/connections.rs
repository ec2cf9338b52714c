//! `flowc connect` and `flowc connections`: credentials that persons agree to, and whether credentials work.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, BufRead as _},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use flow_compiler::facts;
use flow_model::{
    failure::{ErrorKind, Failure},
    plan::Plan,
};
use flow_runtime::{
    connector::{ByCode, Connected, Connecting, Standing},
    timer::{Clock as _, SystemClock},
};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use url::{Host as UrlHost, Url};

use crate::{
    args,
    exit::Exit,
    host::{self, Host, Surroundings},
    interrupt::Interrupts,
    program::{self, Place, needs::Needs},
    suggest::nearest,
    trouble::{Trouble, said},
    ui::{self, CARE, HINT, QUIET, STRONG, WELL, WRONG, plain, styled, table::table, time::day_and_time},
};

/// The connections of programs.
struct Known {
    host: Host,
    accounts: BTreeMap<String, Account>,
}

/// A connection, and what it takes.
struct Account {
    plan: Arc<Plan>,
    /// The scopes that the operations need which the programs call.
    scopes: BTreeSet<String>,
}

impl Account {
    fn connector(&self, name: &str) -> &str {
        self.plan.connections.get(name).map_or("", |connection| connection.connector.as_str())
    }
}

impl Known {
    fn of(path: &Path, data: &args::Data) -> Result<Self, Trouble> {
        let place = Place::of(path, &data.environment)?;
        let surroundings = Surroundings::of(&place, path, data)?;
        let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
        let files = program::served(path)?;
        for file in &files {
            let program = place.load(file)?;
            for (name, plan) in program.accounts {
                accounts.entry(name).or_insert_with(|| Account { plan: Arc::new(plan), scopes: BTreeSet::new() });
            }
            for (flow, plan) in &program.plans {
                let facts = facts::facts(plan, &program.sources.get(flow).cloned().unwrap_or_default());
                for (name, connection) in facts.connections {
                    if let Some(account) = accounts.get_mut(&name) {
                        account.scopes.extend(connection.scopes);
                    }
                }
            }
        }
        Ok(Self { host: Host::new(&surroundings), accounts })
    }

    fn named(&self, name: &str) -> Result<&Account, Trouble> {
        self.accounts.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.accounts.keys().map(String::as_str).collect();
            let help = match (nearest(name, known.iter().copied()), known.is_empty()) {
                (Some(near), _) => format!("did you mean `{near}`?"),
                (None, true) => format!("declare it: `connection {} = connector {{ … }}`", ui::plain(name)),
                (None, false) => format!("there are {}", ui::listed(known)),
            };
            Trouble::new(Exit::Usage, format!("the program has no connection `{}`", ui::plain(name))).help(help)
        })
    }
}

/// Connects a connection with an account.
///
/// # Errors
/// There is no such connection, something is missing, or the person or the vendor refuses.
pub(crate) fn connect(args: &args::Connect) -> Result<Exit, Trouble> {
    let known = Known::of(&args.program, &args.data)?;
    let name = args.connection.as_str();
    let account = known.named(name)?;
    let mut needs = Needs::default();
    needs.add_without_triggers(&account.plan);
    needs.check(&known.host)?;
    let redirect = redirect(args)?;
    host::block_on(async {
        let mut interrupts = Interrupts::new()?;
        let connectors = known.host.connectors();
        let scopes: Vec<String> = account.scopes.iter().cloned().collect();
        let (listener, redirect) = if args.paste { (None, redirect) } else { listen(redirect).await? };
        let connecting = connectors.connecting(&account.plan, name, redirect, &scopes);
        let connected = match interrupts.or(connecting).await?.map_err(|failure| refused(&failure))? {
            Connecting::Alone => {
                ui::say(&format!(
                    "`{name}` needs nobody to agree: its credential is part of its configuration, or is got with it\n{}\n",
                    styled(QUIET, format!("`flowc connections test --only {name}` shows whether it works"))
                ));
                return Ok(Exit::Done);
            }
            Connecting::Code(code) => {
                ui::say(&format!("open this URL, and agree there:\n  {}\n", styled(HINT, code.url())));
                if !args.no_browser {
                    open(code.url().as_str());
                }
                match listener {
                    Some(listener) => interrupts.or(code.listen(listener)).await?,
                    None => interrupts.or(pasted(&code)).await??,
                }
            }
            Connecting::Device(device) => {
                let url = device.whole_url.as_deref().unwrap_or(&device.url);
                ui::say(&format!(
                    "open this URL, and enter the code {} there:\n  {}\n",
                    styled(STRONG, plain(&device.code)),
                    styled(HINT, plain(url))
                ));
                if !args.no_browser && Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https")) {
                    open(url);
                }
                interrupts.or(device.wait()).await?
            }
        };
        ui::say(&told(name, &connected.map_err(|failure| refused(&failure))?));
        Ok(Exit::Done)
    })
}

/// What is said when it is done.
fn told(name: &str, connected: &Connected) -> String {
    let mut text = format!("{} `{name}`\n", styled(WELL, "connected"));
    if let (Some(until), false) = (connected.until, connected.renews) {
        let until = day_and_time(until);
        let why = "the vendor gave nothing to renew it with";
        text.push_str(&format!(
            "{} it ends {until}, and has to be connected again then: {why}\n",
            styled(CARE, "note:")
        ));
    }
    if !connected.missing.is_empty() {
        let missing = connected.missing.iter().map(|scope| plain(scope)).collect::<Vec<_>>().join(", ");
        text.push_str(&format!("{} not agreed to: {missing}\n", styled(CARE, "note:")));
    }
    text
}

/// Why a connection was not connected.
fn refused(failure: &Failure) -> Trouble {
    let exit = match failure.kind {
        ErrorKind::Unauthorized | ErrorKind::Forbidden | ErrorKind::Rejected => Exit::Failed,
        _ => Exit::Environment,
    };
    Trouble::new(exit, plain(&failure.message))
}

/// Where the browser comes back to: somewhere on this machine, unless the URL is pasted.
fn redirect(args: &args::Connect) -> Result<Url, Trouble> {
    let wrong = |why: &str| Trouble::new(Exit::Usage, format!("`--redirect {}`: {why}", plain(&args.redirect)));
    let url = Url::parse(&args.redirect).map_err(|error| wrong(&error.to_string()))?;
    if !args.paste && address(&url).is_none() {
        return Err(wrong("it is not on this machine")
            .help("give one that begins with `http://127.0.0.1:` or `http://localhost:`")
            .help("or paste the URL that the browser ends up at: `--paste`"));
    }
    Ok(url)
}

/// The address of this machine that a URL names.
fn address(url: &Url) -> Option<SocketAddr> {
    let host = match url.host()? {
        UrlHost::Domain("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        UrlHost::Ipv4(host) if host.is_loopback() => IpAddr::V4(host),
        UrlHost::Ipv6(host) if host == Ipv6Addr::LOCALHOST => IpAddr::V6(host),
        _ => return None,
    };
    (url.scheme() == "http").then(|| SocketAddr::new(host, url.port_or_known_default().unwrap_or(80)))
}

/// Listens where the browser comes back; port 0 is any free one.
async fn listen(mut redirect: Url) -> Result<(Option<TcpListener>, Url), Trouble> {
    let address = address(&redirect).unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0));
    let failed = |error: io::Error| {
        Trouble::new(Exit::Environment, format!("the browser can't come back to {address}: {}", said(&error)))
            .help("give another address with `--redirect`, and register it with the vendor")
            .help("or paste the URL that the browser ends up at: `--paste`")
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    if address.port() == 0 {
        let port = listener.local_addr().map_err(failed)?.port();
        // A URL with this scheme takes a port.
        let _: Result<(), ()> = redirect.set_port(Some(port));
    }
    Ok((Some(listener), redirect))
}

/// Asks for the URL that the browser ended up at.
async fn pasted(code: &ByCode<'_>) -> Result<Result<Connected, Failure>, Trouble> {
    ui::say("the browser ends up at a page that it may not find; paste its URL here:\n");
    let line = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map(|_| line)
    });
    let unread = |why: String| Trouble::new(Exit::Usage, format!("the URL can't be read: {why}"));
    let line = line.await.map_err(|error| unread(error.to_string()))?.map_err(|error| unread(said(&error)))?;
    let url = Url::parse(line.trim()).map_err(|error| {
        unread(error.to_string()).help("paste the whole of it, from `http` to the end: it holds the code")
    })?;
    Ok(code.finish(&url).await)
}

/// Opens a URL in the browser, where there is one. It is printed too, so that nobody depends on this.
fn open(url: &str) {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let _: io::Result<_> =
        Command::new(program).arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
}

/// Lists or tests connections.
///
/// # Errors
/// The program has errors, or something can't be read.
pub(crate) fn connections(args: &args::Connections) -> Result<Exit, Trouble> {
    match &args.command {
        args::ConnectionsCommand::List(args) => list(args),
        args::ConnectionsCommand::Test(args) => test(args),
    }
}

fn list(args: &args::ConnectionsList) -> Result<Exit, Trouble> {
    let known = Known::of(&args.of.path, &args.of.data)?;
    let connectors = known.host.connectors();
    let standing = |name: &str, account: &Account| connectors.standing(&account.plan, name);
    match args.of.format {
        args::Format::Human => {
            let rows: Vec<[String; 3]> = known
                .accounts
                .iter()
                .map(|(name, account)| {
                    let state = in_words(name, &standing(name, account));
                    [styled(STRONG, name), account.connector(name).to_owned(), state]
                })
                .collect();
            match rows.is_empty() {
                true => ui::say("the program has no connections\n"),
                false => ui::print(&table(["CONNECTION", "CONNECTOR", "CREDENTIAL"], &rows))?,
            }
        }
        args::Format::Json => {
            let connections: Vec<Json> =
                known.accounts.iter().map(|(name, account)| machine(name, account, &standing(name, account))).collect();
            ui::print(&format!("{:#}\n", json!({ "version": 1, "connections": connections })))?;
        }
    }
    Ok(Exit::Done)
}

fn in_words(name: &str, standing: &Result<Standing, Failure>) -> String {
    let connect = styled(QUIET, format!("`flowc connect {name}`"));
    match standing {
        Ok(Standing::Configured("none")) => "none".to_owned(),
        Ok(Standing::Configured("native")) => "of its own kind".to_owned(),
        Ok(Standing::Configured(form)) => format!("{form}, from its configuration"),
        Ok(Standing::NotConnected) => format!("{} {connect}", styled(CARE, "not connected")),
        Ok(Standing::Ended) => format!("{} {connect}", styled(WRONG, "has to be connected again")),
        Ok(Standing::Connected { renews: true, .. }) => format!("{}, renewed by itself", styled(WELL, "connected")),
        Ok(Standing::Connected { until: None, .. }) => format!("{}, without an end", styled(WELL, "connected")),
        Ok(Standing::Connected { until: Some(until), .. }) if *until <= SystemClock.now() => {
            format!("{} {connect}", styled(WRONG, format!("has ended {}", day_and_time(*until))))
        }
        Ok(Standing::Connected { until: Some(until), .. }) => {
            format!("{} until {}", styled(WELL, "connected"), day_and_time(*until))
        }
        Err(failure) => styled(WRONG, plain(&failure.message)),
    }
}

fn machine(name: &str, account: &Account, standing: &Result<Standing, Failure>) -> Json {
    let mut json = json!({ "name": name, "connector": account.connector(name), "scopes": account.scopes });
    let (state, more) = match standing {
        Ok(Standing::Configured(form)) => ("configured", json!({ "form": form })),
        Ok(Standing::NotConnected) => ("not_connected", json!({})),
        Ok(Standing::Ended) => ("ended", json!({})),
        Ok(Standing::Connected { until, renews }) => {
            ("connected", json!({ "until": until.map(|until| until.to_string()), "renews": renews }))
        }
        Err(failure) => ("unknown", json!({ "because": failure.message })),
    };
    json["state"] = state.into();
    if let (Some(fields), Json::Object(more)) = (json.as_object_mut(), more) {
        fields.extend(more);
    }
    json
}

fn test(args: &args::ConnectionsTest) -> Result<Exit, Trouble> {
    let known = Known::of(&args.of.path, &args.of.data)?;
    if let Some(name) = &args.only {
        known.named(name)?;
    }
    let wanted = |name: &str| args.only.as_deref().is_none_or(|only| only == name);
    let connectors = known.host.connectors();
    let tested = host::block_on(async {
        let mut interrupts = Interrupts::new()?;
        let mut tested = Vec::new();
        for (name, account) in known.accounts.iter().filter(|(name, _)| wanted(name)) {
            let outcome = interrupts.or(connectors.test(&account.plan, name)).await?;
            if args.of.format == args::Format::Human {
                ui::print(&line(name, account, outcome.as_ref()))?;
            }
            tested.push((name.clone(), account.connector(name).to_owned(), outcome));
        }
        Ok(tested)
    })?;
    if args.of.format == args::Format::Json {
        let connections: Vec<Json> = tested
            .iter()
            .map(|(name, connector, outcome)| {
                let works = outcome.as_ref().map(Result::is_ok);
                let failure = outcome.as_ref().and_then(|outcome| outcome.as_ref().err());
                let because = failure.map(|failure| failure.message.clone());
                let kind = failure.map(|failure| failure.kind.to_string());
                json!({ "name": name, "connector": connector, "works": works, "error": kind, "because": because })
            })
            .collect();
        ui::print(&format!("{:#}\n", json!({ "version": 1, "connections": connections })))?;
    }
    let fails = tested.iter().any(|(.., outcome)| matches!(outcome, Some(Err(_))));
    Ok(if fails { Exit::Failed } else { Exit::Done })
}

fn line(name: &str, account: &Account, outcome: Option<&Result<(), Failure>>) -> String {
    let name_shown = styled(STRONG, name);
    match outcome {
        Some(Ok(())) => format!("{name_shown}: {}\n", styled(WELL, "works")),
        Some(Err(failure)) => {
            format!("{name_shown}: {} {}: {}\n", styled(WRONG, "does not work:"), failure.kind, plain(&failure.message))
        }
        None => {
            let told = format!("`{}` names no operation that would show it (`probe:`)", account.connector(name));
            format!("{name_shown}: {} {told}\n", styled(CARE, "not tried:"))
        }
    }
}
