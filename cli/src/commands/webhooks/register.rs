//! `flowc webhooks register` and `flowc webhooks remove`: webhooks are set up at the systems that send them, once, and taken away.
//!
//! What is asked of a system is written down first (see [`super::kept`]). Where an answer was lost, the system's list tells
//! whether the webhook is there, or the same key is sent again; a webhook whose secret was lost with the answer is of no use, and
//! is taken away for another.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flow_model::{
    failure::{ErrorKind, Failure},
    plan::{Plan, TriggerKind},
    units::Instant,
};
use flow_runtime::{
    connector::{Connectors, Hook, LostHook, Repeats},
    timer::{Clock as _, SystemClock},
};
use serde_json::{Value as Json, json};
use url::Url;

use super::kept::{Book, Entry, State};
use crate::{
    args::{self, Format},
    exit::Exit,
    host::{self, Host, Surroundings},
    interrupt::Interrupts,
    program::{self, Place, needs::Needs},
    suggest::nearest,
    trouble::Trouble,
    ui::{self, CARE, HINT, QUIET, STRONG, WELL, plain, styled},
};

/// What programs listen to at one connection.
struct Wanted {
    connector: String,
    events: BTreeSet<String>,
    /// The secrets that deliveries are verified with, the first being the one in use.
    secrets: Vec<String>,
    /// What setting it up takes, where the connector says how.
    plan: Option<Arc<Plan>>,
}

/// What was done.
struct Done {
    connection: String,
    what: &'static str,
    entry: Entry,
    notes: Vec<String>,
}

/// The programs at a path, and where they run.
struct Programs {
    place: Place,
    host: Host,
    book: Book,
    wanted: BTreeMap<String, Wanted>,
}

impl Programs {
    fn of(args: &args::WebhooksAt) -> Result<Self, Trouble> {
        let place = Place::of(&args.of.path, &args.of.data.environment)?;
        let mut wanted: BTreeMap<String, Wanted> = BTreeMap::new();
        for file in program::served(&args.of.path)? {
            let program = place.load(&file)?;
            for plan in program.plans.values() {
                listened_to(plan, &program.hooks, &mut wanted);
            }
        }
        if let Some(only) = &args.only
            && !wanted.contains_key(only)
        {
            let known: Vec<&str> = wanted.keys().map(String::as_str).collect();
            let help = nearest(only, known.iter().copied()).map(|near| format!("did you mean `{near}`?"));
            let message = format!("no flow listens to webhooks of a connection `{}`", plain(only));
            return Err(Trouble::new(Exit::Usage, message).help_if(help));
        }
        wanted.retain(|name, _| args.only.as_ref().is_none_or(|only| only == name));
        let surroundings = Surroundings::of(&place, &args.of.path, &args.of.data)?;
        let book = Book::open(&surroundings.data)?;
        Ok(Self { place, host: Host::new(&surroundings), book, wanted })
    }
}

/// Adds what a flow listens to.
fn listened_to(plan: &Plan, hooks: &BTreeMap<String, Plan>, wanted: &mut BTreeMap<String, Wanted>) {
    for trigger in &plan.triggers {
        let TriggerKind::Webhook { connection, trigger: name, verify } = &trigger.kind else { continue };
        let Some(used) = plan.connections.get(connection) else { continue };
        let found = wanted.entry(connection.clone()).or_insert_with(|| Wanted {
            connector: used.connector.clone(),
            events: BTreeSet::new(),
            secrets: Vec::new(),
            plan: hooks.get(connection).map(|plan| Arc::new(plan.clone())),
        });
        let declared = plan.connectors.get(&used.connector).and_then(|connector| connector.triggers.get(name));
        found.events.extend(super::called_there(name, declared));
        let args = verify.iter().map(|call| serde_json::to_value(&call.args).unwrap_or_default());
        let config = serde_json::to_value(&used.config).unwrap_or_default();
        args.for_each(|args| secrets(&args, &config, &mut found.secrets));
    }
}

/// The secrets that are named in expressions, or in the settings that they read.
fn secrets(expr: &Json, config: &Json, found: &mut Vec<String>) {
    match expr {
        Json::Array(items) => items.iter().for_each(|item| secrets(item, config, found)),
        Json::Object(fields) => {
            if let Some(Json::String(name)) = fields.get("$secret")
                && !found.contains(name)
            {
                found.push(name.clone());
            }
            if let Some(member) = fields.get("Member")
                && member["of"]["Ambient"] == "Config"
                && let Some(name) = member["name"].as_str()
            {
                secrets(&config[name], &Json::Null, found);
            }
            fields.values().for_each(|field| secrets(field, config, found));
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// Sets webhooks up.
///
/// # Errors
/// A program has errors, something is missing, or a system refuses.
pub(super) fn register(args: &args::WebhooksRegister) -> Result<Exit, Trouble> {
    let mut programs = Programs::of(&args.at)?;
    let base = base(args, &programs.place)?;
    let secret = args.secret.as_deref();
    if secret.is_some() && programs.wanted.len() > 1 {
        let help = "say of which connection: `--only NAME`";
        return Err(Trouble::new(Exit::Usage, "`--secret` names the secret of one connection").help(help));
    }
    each(&mut programs, args.at.of.format, async |host, connectors, book, name, wanted| {
        let Some(plan) = &wanted.plan else { return Ok(None) };
        let url = format!("{base}/hooks/{name}");
        let events: Vec<String> = wanted.events.iter().cloned().collect();
        let hook = Hook { plan: Arc::clone(plan), connection: name.to_owned(), url, events };
        let secret = secret.or(wanted.secrets.first().map(String::as_str));
        Setting { host, connectors, book, hook: &hook, secret }.set_up().await.map(Some)
    })
}

/// Takes webhooks away.
///
/// # Errors
/// A program has errors, something is missing, or a system refuses.
pub(super) fn remove(args: &args::WebhooksRemove) -> Result<Exit, Trouble> {
    let mut programs = Programs::of(&args.at)?;
    each(&mut programs, args.at.of.format, async |host, connectors, book, name, wanted| {
        let (Some(plan), Some(entry)) = (&wanted.plan, book.get(name).cloned()) else { return Ok(None) };
        let Entry { url, events, .. } = entry.clone();
        let hook = Hook { plan: Arc::clone(plan), connection: name.to_owned(), url, events };
        Setting { host, connectors, book, hook: &hook, secret: None }.take_away(entry).await.map(Some)
    })
}

/// The URL under which others reach the server.
fn base(args: &args::WebhooksRegister, place: &Place) -> Result<String, Trouble> {
    let usage = |message: String| Trouble::new(Exit::Usage, message);
    let url = match (&args.url, &place.project().serve.public_url) {
        (Some(text), _) => {
            Url::parse(text).map_err(|error| usage(format!("`--url {}`: {error}", plain(text))))?.to_string()
        }
        (None, Some(url)) => url.value.to_string(),
        (None, None) => {
            return Err(usage("nothing says under which URL others reach the server".to_owned())
                .help("set `public_url` in `[serve]` of flow.toml, or give `--url https://flow.example.com`"));
        }
    };
    if !url.starts_with("https://") && !url.starts_with("http://") {
        return Err(usage(format!("`{}` is no URL that begins with `https://`", plain(&url))));
    }
    Ok(url.trim_end_matches('/').to_owned())
}

/// Does something for each connection, and tells it. One that fails does not keep the others from it.
fn each(
    programs: &mut Programs,
    format: Format,
    mut work: impl AsyncFnMut(&Host, &Connectors, &mut Book, &str, &Wanted) -> Result<Option<Done>, Trouble>,
) -> Result<Exit, Trouble> {
    let Programs { host, book, wanted, .. } = programs;
    for plan in wanted.values().filter_map(|wanted| wanted.plan.as_ref()) {
        let mut needs = Needs::default();
        needs.add_without_triggers(plan);
        needs.check(host)?;
        if let Some(why) = host.unconnected(std::slice::from_ref(plan)).into_values().next() {
            return Err(Trouble::new(Exit::Environment, why));
        }
    }
    let connectors = host.connectors();
    let (done, failed) = host::block_on(async {
        let mut interrupts = Interrupts::new()?;
        let (mut done, mut failed) = (Vec::new(), None);
        for (name, wanted) in wanted.iter() {
            match interrupts.or(work(host, &connectors, book, name, wanted)).await? {
                Ok(Some(one)) => {
                    if format == Format::Human {
                        ui::print(&one.in_words())?;
                    }
                    done.push(one);
                }
                Ok(None) => {
                    if format == Format::Human {
                        ui::say(&by_hand(name, wanted));
                    }
                }
                Err(trouble) => {
                    ui::say_trouble(&trouble);
                    failed = Some(trouble.exit());
                }
            }
        }
        Ok((done, failed))
    })?;
    if format == Format::Json {
        let webhooks: Vec<Json> = done.iter().map(Done::machine).collect();
        ui::print(&format!("{:#}\n", json!({ "version": 1, "webhooks": webhooks })))?;
    } else if wanted.is_empty() {
        ui::say("no flow listens to webhooks of a connection\n");
    }
    Ok(failed.unwrap_or(Exit::Done))
}

fn by_hand(name: &str, wanted: &Wanted) -> String {
    match &wanted.plan {
        Some(_) => format!("{}: nothing was set up from here\n", styled(STRONG, name)),
        None => format!(
            "{}: {} `{}` does not say how its webhooks are set up: do it there, by `flowc webhooks list`\n",
            styled(STRONG, name),
            styled(CARE, "by hand:"),
            wanted.connector
        ),
    }
}

impl Done {
    fn in_words(&self) -> String {
        let id = self.entry.id().map(|id| format!(" as {}", plain(id))).unwrap_or_default();
        let mut text =
            format!("{}: {}{id}\n", styled(STRONG, &self.connection), styled(WELL, self.what.replace('_', " ")));
        text.push_str(&format!("  {}  {}\n", styled(HINT, plain(&self.entry.url)), self.entry.events.join(", ")));
        if let Some(end) = self.entry.expires {
            text.push_str(&format!(
                "  {}\n",
                styled(QUIET, format!("ends at {end}, and is renewed before while it is served"))
            ));
        }
        self.notes.iter().for_each(|note| text.push_str(&format!("  {}\n", styled(QUIET, note))));
        text
    }

    fn machine(&self) -> Json {
        let Entry { url, events, expires, .. } = &self.entry;
        json!({
            "connection": self.connection, "did": self.what, "url": url, "events": events, "id": self.entry.id(),
            "expires": expires.map(|end| end.to_string()), "notes": self.notes,
        })
    }
}

/// One webhook that is set up or taken away.
struct Setting<'a> {
    host: &'a Host,
    connectors: &'a Connectors,
    book: &'a mut Book,
    hook: &'a Hook,
    /// Under which name its secret is kept.
    secret: Option<&'a str>,
}

impl Setting<'_> {
    async fn set_up(mut self) -> Result<Done, Trouble> {
        let hook = self.hook;
        let name = &hook.connection;
        if hook.tells_secret() && self.secret.is_none() {
            let message = format!("`{name}` answers with the secret that it signs with, and no flow verifies by one");
            return Err(Trouble::new(Exit::Usage, message).help("say under which name to keep it: `--secret NAME`"));
        }
        match self.book.get(name).cloned() {
            Some(entry) if entry.url != hook.url || entry.events != hook.events => Err(Trouble::new(
                Exit::Failed,
                format!("`{name}` is registered for other events, or at another URL: {}", plain(&entry.url)),
            )
            .help(format!("take that away first: `flowc webhooks remove --only {name}`"))),
            Some(entry @ Entry { state: State::Registered { .. }, .. }) => self.again(entry).await,
            Some(Entry { state: State::Asked { key }, .. }) => self.settle(key).await,
            None => {
                let found = self.found().await?;
                match found.as_slice() {
                    [] => self.ask(new_key(), "registered", Vec::new()).await,
                    [id] => self.adopt(id.clone()),
                    more => Err(Trouble::new(
                        Exit::Failed,
                        format!("{} go to `{}` already", ui::count(more.len(), "webhook"), plain(&hook.url)),
                    )
                    .help("leave one of them there, or none")),
                }
            }
        }
    }

    /// It was set up from here before.
    async fn again(mut self, entry: Entry) -> Result<Done, Trouble> {
        let hook = self.hook;
        if let (Some(id), Some(_)) = (entry.id(), hook.renewed_every()) {
            return match self.connectors.renew_webhook(hook, id, &new_key()).await {
                Ok(renewed) => {
                    let entry = self.keep(renewed.id, renewed.expires)?;
                    Ok(self.done("renewed", entry, Vec::new()))
                }
                Err(failure) if failure.kind == ErrorKind::NotFound => self.gone().await,
                Err(failure) => Err(refused(hook, "was not renewed", &failure)),
            };
        }
        if hook.lists() && !self.found().await?.iter().any(|id| Some(id.as_str()) == entry.id()) {
            return self.gone().await;
        }
        Ok(self.done("already_registered", entry, Vec::new()))
    }

    async fn gone(&mut self) -> Result<Done, Trouble> {
        let note = "the one from before is there no longer".to_owned();
        self.ask(new_key(), "registered", vec![note]).await
    }

    /// The system was asked before, and what it did is not known.
    async fn settle(mut self, key: String) -> Result<Done, Trouble> {
        let hook = self.hook;
        let found = self.found().await?;
        if found.is_empty() {
            return match hook.repeats() {
                Repeats::Once => self.ask(key, "registered", Vec::new()).await,
                Repeats::Again if hook.lists() => self.ask(new_key(), "registered", Vec::new()).await,
                Repeats::Again => {
                    let name = &hook.connection;
                    let message = format!("`{name}` may be registered already: the answer to an earlier call was lost");
                    Err(Trouble::new(Exit::Failed, message)
                        .help(format!("look at the system whether it is, and take it away there if so; then `flowc webhooks remove --only {name}` forgets the call")))
                }
            };
        }
        if !hook.tells_secret() {
            let entry = self.keep(found.into_iter().next(), None)?;
            return Ok(self.done("found", entry, vec!["an earlier call had set it up".to_owned()]));
        }
        if !hook.removes() {
            let ids = ui::listed(found.iter().map(String::as_str));
            let message = format!("an earlier call has registered {ids}, and its secret was lost with the answer");
            return Err(Trouble::new(Exit::Failed, message).help("take it away at the system, and try again"));
        }
        for id in &found {
            let removed = self.connectors.remove_webhook(hook, id, &new_key()).await;
            removed.map_err(|failure| refused(hook, "was not taken away", &failure))?;
        }
        let note = "one that an earlier call had set up was taken away: its secret was lost with the answer".to_owned();
        self.ask(new_key(), "registered", vec![note]).await
    }

    /// Somebody else has set it up.
    fn adopt(mut self, id: String) -> Result<Done, Trouble> {
        let hook = self.hook;
        if let (true, Some(secret)) = (hook.tells_secret(), self.secret)
            && self.host.keyring.find(secret)?.is_none()
        {
            let message =
                format!("`{}` goes to `{}` already, and its secret is not known here", plain(&id), plain(&hook.url));
            return Err(Trouble::new(Exit::Failed, message).help(format!(
                "set its secret: `flowc secrets set {secret}`; or take it away at the system, and try again"
            )));
        }
        let entry = self.keep(Some(id), None)?;
        Ok(self.done("found", entry, vec!["somebody else had set it up".to_owned()]))
    }

    /// Asks the system to set it up.
    async fn ask(&mut self, key: String, what: &'static str, mut notes: Vec<String>) -> Result<Done, Trouble> {
        let hook = self.hook;
        let Hook { connection, url, events, .. } = hook;
        let state = State::Asked { key: key.clone() };
        let asked = Entry { url: url.clone(), events: events.clone(), expires: None, state };
        self.book.set(connection, Some(asked))?;
        let registered = match self.connectors.register_webhook(hook, &key).await {
            Ok(registered) => registered,
            Err(LostHook { failure, perhaps: false }) => {
                self.book.set(connection, None)?;
                return Err(refused(hook, "was not registered", &failure));
            }
            Err(LostHook { failure, .. }) => {
                return Err(refused(hook, "may have been registered", &failure)
                    .help("try again: what the system did is found out first"));
            }
        };
        match (registered.secret, self.secret) {
            (Some(text), Some(name)) => {
                // Kept before it counts as registered: a secret is told once.
                self.host.keyring.store().set(name, text.reveal())?;
                let seen = self.host.keyring.find(name)?;
                notes.push(if seen.is_some_and(|seen| seen.reveal() == text.reveal()) {
                    format!("its secret is kept as `{name}`")
                } else {
                    format!(
                        "its secret is in the store as `{name}`, but another provider says another text: take that away"
                    )
                });
            }
            (None, Some(name)) if hook.tells_secret() => {
                notes.push(format!("the system told no secret: set `{name}` by hand"));
            }
            _ => {}
        }
        let entry = self.keep(registered.id, registered.expires)?;
        Ok(self.done(what, entry, notes))
    }

    async fn take_away(mut self, entry: Entry) -> Result<Done, Trouble> {
        let hook = self.hook;
        let ids = match &entry.state {
            State::Registered { id } => id.iter().cloned().collect(),
            State::Asked { .. } => self.found().await?,
        };
        if !ids.is_empty() && !hook.removes() {
            let message = format!("the connector of `{}` does not say how webhooks are taken away", hook.connection);
            return Err(Trouble::new(Exit::Failed, message)
                .help(format!("take {} away at the system", ui::listed(ids.iter().map(String::as_str)))));
        }
        for id in &ids {
            let removed = self.connectors.remove_webhook(hook, id, &new_key()).await;
            removed.map_err(|failure| refused(hook, "was not taken away", &failure))?;
        }
        self.book.set(&hook.connection, None)?;
        let notes = if ids.is_empty() { vec!["the system has none, or does not say".to_owned()] } else { Vec::new() };
        Ok(self.done("removed", entry, notes))
    }

    async fn found(&mut self) -> Result<Vec<String>, Trouble> {
        let found = self.connectors.find_webhooks(self.hook).await;
        found.map_err(|failure| refused(self.hook, "can't be looked for", &failure))
    }

    fn keep(&mut self, id: Option<String>, expires: Option<Instant>) -> Result<Entry, Trouble> {
        let Hook { connection, url, events, .. } = self.hook;
        let entry = Entry { url: url.clone(), events: events.clone(), expires, state: State::Registered { id } };
        self.book.set(connection, Some(entry.clone()))?;
        Ok(entry)
    }

    fn done(&self, what: &'static str, entry: Entry, notes: Vec<String>) -> Done {
        Done { connection: self.hook.connection.clone(), what, entry, notes }
    }
}

/// A key that no other call has.
pub(super) fn new_key() -> String {
    format!("flowc-webhooks-{}-{}", SystemClock.now().0, std::process::id())
}

fn refused(hook: &Hook, what: &str, failure: &Failure) -> Trouble {
    let message = format!("the webhook of `{}` {what}: {}: {}", hook.connection, failure.kind, plain(&failure.message));
    Trouble::new(Exit::Failed, message)
}
