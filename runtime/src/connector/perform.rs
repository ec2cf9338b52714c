//! The performer: finds the declaration of an operation, builds what it says, carries it out and reads the answer.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use flow_model::{
    boundary::Decoder,
    expr::Ambient,
    failure::{ErrorKind, Failure},
    plan::{Breaker, Connection, Plan},
    schema::{Auth, Call, Connector, ErrorCondition, Operation, Request},
    ty::Type,
    units::Millis,
    value::Value,
};
use futures::FutureExt as _;
use http::HeaderValue;
use indexmap::IndexMap;

use super::{
    Admission, Asking, Attempt, Invocation, NativeCall, NativeFailure, NativeOperation, NativeTable, NoTokens, Parked,
    Pass, Performer, Reached, Terms, Tokens,
    account::{Accounts, Token},
    answer::{Reader, shorten},
    breaker::Sign,
    config,
    credential::goes_again,
    gate::{Gates, Leaving, together},
    http::{Clients, Files, Longest, Lost},
    identity::Seal,
    page::{self, Fetched},
    request::{self, Prepared, Proof},
    template::Scope,
    turn::Hops,
    vault::Vault,
    wait,
};
use crate::{
    blob::{Blobs, Memory},
    egress::{Guard, Networks},
    eval::{Environment, Evaluator, Frame, Library},
    observe::name::TRACEPARENT,
    secret::{SecretText, Secrets},
    timer::{Clock, SystemClock},
};

/// The longest answer that is read, in bytes, when nothing else is said: 16 MiB.
pub const LONGEST_ANSWER: u64 = 16 << 20;

/// The longest answer that is kept as a file, unpacked, in bytes, when nothing else is said: 16 GiB. It keeps a server
/// that does not end, or sends what unpacks to very much, from filling the disk.
pub const LONGEST_FILE: u64 = 16 << 30;

/// Carries out operations over HTTP as their connectors declare them, and native ones by a table.
pub struct Connectors {
    pub(super) library: Library,
    pub(super) env: Arc<dyn Environment>,
    pub(super) secrets: Arc<dyn Secrets>,
    native: NativeTable,
    blobs: Arc<dyn Blobs>,
    pub(super) clients: Arc<Clients>,
    pub(super) accounts: Accounts,
    /// What calls over HTTP carry that would ask for a token.
    pub(super) lent: Option<Token>,
    guard: Guard,
    longest: Longest,
    pub(super) gates: Gates,
    pub(super) seal: Seal,
    pub(super) clock: Arc<dyn Clock>,
}

impl Connectors {
    /// A performer with the standard functions, the environment, the secrets and the native operations that it may use.
    /// Files are kept in memory: see [`Self::with_blobs`].
    pub fn new(library: Library, env: Arc<dyn Environment>, secrets: Arc<dyn Secrets>, native: NativeTable) -> Self {
        let guard = Guard::new(Networks::default());
        let longest = Longest { answer: LONGEST_ANSWER, file: LONGEST_FILE };
        let clients = Arc::new(Clients::new(longest, guard.clone()));
        let (accounts, gates) = (Accounts::new(Arc::new(NoTokens)), Gates::default());
        let (blobs, seal, clock) = (Arc::new(Memory::new()), Seal::drawn(), Arc::new(SystemClock));
        let lent = None;
        Self { library, env, secrets, native, blobs, clients, accounts, lent, guard, longest, gates, seal, clock }
    }

    /// The same performer, which may connect to where the guard lets it. Without one, that is the public internet.
    #[must_use]
    pub fn with_guard(self, guard: Guard) -> Self {
        Self { clients: Arc::new(Clients::new(self.longest, guard.clone())), guard, ..self }
    }

    /// The same performer, which keeps and finds the bytes of files in a place.
    #[must_use]
    pub fn with_blobs(self, blobs: Arc<dyn Blobs>) -> Self {
        Self { blobs, ..self }
    }

    /// The same performer, which reads answers up to so many bytes.
    #[must_use]
    pub fn with_longest_answer(self, bytes: u64) -> Self {
        let longest = Longest { answer: bytes, ..self.longest };
        Self { clients: Arc::new(Clients::new(longest, self.guard.clone())), longest, ..self }
    }

    /// The same performer, which keeps answers as files up to so many bytes, unpacked.
    #[must_use]
    pub fn with_longest_file(self, bytes: u64) -> Self {
        let longest = Longest { file: bytes, ..self.longest };
        Self { clients: Arc::new(Clients::new(longest, self.guard.clone())), longest, ..self }
    }

    /// The same performer, which keeps and finds the tokens of connections in a place.
    #[must_use]
    pub fn with_tokens(self, tokens: Arc<dyn Tokens>) -> Self {
        Self { accounts: Accounts::new(tokens), ..self }
    }

    /// The same performer, whose calls over HTTP carry this token where they would ask a server for one.
    #[must_use]
    pub fn with_token(self, text: SecretText) -> Self {
        Self { lent: Some(Token { text, base: None, is_ours: true }), ..self }
    }

    /// The same performer with another clock, by which the dates that servers send are waited for.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }
}

#[async_trait]
impl Performer for Connectors {
    fn admit(&self, asking: &Asking<'_>) -> Admission {
        let invocation = asking.invocation;
        // What can't be found, or lacks a setting, fails where it is performed.
        let found = self.find(invocation).and_then(|found| Ok((self.account(invocation, found)?, found)));
        let Ok((account, found)) = found else { return Admission::Now(Pass::free()) };
        let limits = found.connector.http.as_ref().map_or(&[][..], |http| http.limits.as_slice());
        let (_, cost) = together(&self.costs(invocation, found), limits);
        let leaving = Leaving {
            connection: &invocation.connection,
            ticket: asking.ticket,
            attempt: asking.attempt,
            limits,
            cost,
            terms: self.terms(found, asking.terms),
        };
        self.gates.ask(&account, leaving, self.clock.now())
    }

    fn withdraw(&self, ticket: &str) {
        self.gates.withdraw_anywhere(ticket);
    }

    fn breakers(&self) -> BTreeMap<String, bool> {
        self.gates.breakers()
    }

    async fn parks(&self, invocation: &Invocation) -> Option<Parked> {
        let found = self.find(invocation).ok()?;
        self.parked(invocation, found).await
    }

    async fn perform(&self, invocation: Invocation) -> Attempt {
        let vault = Vault::new(&*self.secrets);
        let (attempt, pause) = match self.find(&invocation) {
            Ok(found) => {
                let Ended { attempt, pause, sign } = self.attempt(&invocation, found, &vault).await;
                if let Ok(account) = self.account(&invocation, found) {
                    let now = self.clock.now();
                    if let Some(pause) = pause {
                        self.gates.pause(&account, pause, now);
                    }
                    self.gates.ended(&account, ticket(&invocation), sign, now);
                }
                (attempt, pause)
            }
            Err(failure) => (never(failure), None),
        };
        let retry_after = attempt.retry_after.max(pause.filter(|_| attempt.outcome.is_err()));
        let attempt = Attempt { retry_after, ..attempt };
        let redactor = vault.redactor();
        let clean = |failure: Failure| {
            let failure = redactor.failure(failure);
            Failure { message: shorten(&failure.message), ..failure }
        };
        let outcome = attempt.outcome.map(|value| vault.redactor_of_results().value(value)).map_err(clean);
        Attempt { outcome, ..attempt }
    }
}

/// An attempt that has ended, how long the server wants no other, and what its end says of the system.
pub(super) struct Ended {
    pub(super) attempt: Attempt,
    pub(super) pause: Option<Millis>,
    pub(super) sign: Sign,
}

impl From<Attempt> for Ended {
    fn from(attempt: Attempt) -> Self {
        Self { sign: Sign::of(&attempt), attempt, pause: None }
    }
}

impl Ended {
    /// A system that refuses one call for their number refuses all that follow.
    fn of_native(attempt: Attempt) -> Self {
        let refused = matches!(&attempt.outcome, Err(failure) if failure.kind == ErrorKind::RateLimited);
        let asked = attempt.retry_after.filter(|_| refused && attempt.reached == Reached::Answered);
        Self { pause: asked.map(|pause| pause.min(wait::LONGEST_WAIT)), ..attempt.into() }
    }
}

/// The declarations that an invocation names.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) connection: &'a Connection,
    pub(super) connector: &'a Connector,
    pub(super) operation: &'a Operation,
}

impl Connectors {
    fn find<'a>(&self, invocation: &'a Invocation) -> Result<Found<'a>, Failure> {
        let Invocation { plan, connection: name, operation, .. } = invocation;
        let connection =
            plan.connections.get(name).ok_or_else(|| invalid(format!("there is no connection `{name}`")))?;
        let connector = plan
            .connectors
            .get(&connection.connector)
            .ok_or_else(|| invalid(format!("there is no connector `{}`", connection.connector)))?;
        let operation = connector
            .operations
            .get(operation)
            .ok_or_else(|| invalid(format!("`{}` has no operation `{operation}`", connection.connector)))?;
        Ok(Found { connection, connector, operation })
    }

    /// What holds for a call: what works on this machine alone has a breaker only where a policy names one.
    fn terms(&self, found: Found<'_>, terms: Terms) -> Terms {
        let is_local = self.native.is_local(&found.connector.name);
        Terms { breaker: terms.breaker.or(is_local.then(Breaker::none)), ..terms }
    }

    /// Counts a request that leaves now against the limits of its connection.
    ///
    /// # Errors
    /// It can't leave yet: the attempt that asks again.
    pub(super) async fn departs(&self, invocation: &Invocation, found: Found<'_>) -> Result<(), Attempt> {
        // What nobody was asked about waits for no breaker.
        let unlimited = Terms { breaker: Some(Breaker::none()), budget: None };
        let admitted = invocation.admitted.as_ref();
        let terms = admitted.map_or(unlimited, |admitted| admitted.terms);
        let leaving = Leaving {
            connection: &invocation.connection,
            ticket: ticket(invocation),
            attempt: admitted.map_or(1, |admitted| admitted.attempt),
            limits: found.connector.http.as_ref().map_or(&[], |http| &http.limits),
            cost: self.cost(invocation, found, &invocation.args),
            terms: self.terms(found, terms),
        };
        let account = self.account(invocation, found).map_err(never)?;
        let departed = self.gates.depart(&account, leaving, &*self.clock).await;
        departed.map_err(|Parked { because, again, waits }| {
            let message = format!("{because}: nothing leaves before {again} have gone by");
            let failure = Failure::new(ErrorKind::RateLimited, message);
            Attempt { retry_after: Some(again), parked: Some(Parked { because, again, waits }), ..never(failure) }
        })
    }

    /// How much of the limits a request with these arguments uses up.
    pub(super) fn cost(&self, invocation: &Invocation, found: Found<'_>, args: &[Value]) -> u32 {
        let Some(cost) = &found.operation.cost else { return 1 };
        let nothing = |_: Ambient| None;
        let evaluator = Evaluator {
            library: &self.library,
            functions: &invocation.plan.functions,
            types: &found.connector.types,
            env: &*self.env,
            ambient: &nothing,
        };
        match evaluator.eval(cost, &mut Frame::of(args.iter().cloned())) {
            Ok(Value::Int(cost)) => u32::try_from(cost).unwrap_or(if cost < 0 { 0 } else { u32::MAX }),
            _ => 1,
        }
    }

    async fn attempt(&self, invocation: &Invocation, found: Found<'_>, vault: &Vault<'_>) -> Ended {
        let config = match self.config(&invocation.plan, &invocation.connection, found.connection, found.connector) {
            Ok(config) => config,
            Err(failure) => return never(failure).into(),
        };
        // The caller's types are in the plan, beside those of its connectors.
        let given = invocation.result.as_ref().map(|result| {
            let connector = Connector { types: invocation.plan.types.clone(), ..found.connector.clone() };
            (connector, Operation { result: result.clone(), ..found.operation.clone() })
        });
        let found = match &given {
            Some((connector, operation)) => Found { connector, operation, ..found },
            None => found,
        };
        if let (Some(page), Type::Stream(item)) = (&found.operation.page, &found.operation.result) {
            let operation = Operation { result: Type::List(item.clone()), ..found.operation.clone() };
            let found = Found { operation: &operation, ..found };
            return match &found.operation.call {
                Call::Native => Ended::of_native(self.native(invocation, found, config, vault).await),
                Call::Body => never(no_call(invocation)).into(),
                Call::Http(request) => {
                    let request = Request { answer: page.items.clone(), ..(**request).clone() };
                    self.http(invocation, found, &request, config, vault).await
                }
            };
        }
        match (&found.operation.call, &found.operation.bulk) {
            (Call::Native, _) => Ended::of_native(self.native(invocation, found, config, vault).await),
            (Call::Body, _) => never(no_call(invocation)).into(),
            (Call::Http(request), None) => self.http(invocation, found, request, config, vault).await,
            (Call::Http(request), Some(bulk)) => self.bulk(invocation, found, request, bulk, config, vault).await,
        }
    }

    /// The configuration of a connection; its expressions see nothing but the environment.
    pub(super) fn config(
        &self,
        plan: &Plan,
        name: &str,
        connection: &Connection,
        connector: &Connector,
    ) -> Result<IndexMap<String, Value>, Failure> {
        let nothing = |_: Ambient| None;
        let evaluator = Evaluator {
            library: &self.library,
            functions: &plan.functions,
            types: &connector.types,
            env: &*self.env,
            ambient: &nothing,
        };
        config::settings(name, connection, connector, &|expr| evaluator.eval(expr, &mut Frame::new()))
    }

    /// Sends a request, with the token where there is one, and judges the answer.
    pub(super) async fn sent(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        request: &Request,
        config: IndexMap<String, Value>,
        vault: &Vault<'_>,
        token: Option<&Token>,
    ) -> Ended {
        let mut prepared = match self.prepare(invocation, found, request, &config, vault, token) {
            Ok(prepared) => prepared,
            Err(failure) => return never(failure).into(),
        };
        let traceparent = invocation.traceparent.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        if let Some(traceparent) = traceparent {
            prepared.headers.entry(TRACEPARENT).or_insert(traceparent);
        }
        if let Err(attempt) = self.departs(invocation, found).await {
            return attempt.into();
        }
        let repeatable = found.operation.is_repeatable();
        let url = prepared.url.clone();
        let keeps = *found.operation.result.non_null() == Type::File && request.answer.is_none();
        let files = Files { blobs: &*self.blobs, keeps };
        let until = self.clock.now().after(invocation.timeout);
        let hops = Hops { connectors: self, invocation, found, until };
        let secrets = vault.redactor();
        match self.clients.send(prepared, repeatable, invocation.timeout, &secrets, files, Some(&hops)).await {
            Ok(answer) => {
                let reader = Reader {
                    library: &self.library,
                    env: &*self.env,
                    plan: &invocation.plan,
                    connector: found.connector,
                    config: Value::Record(config),
                    args: Frame::of(invocation.args.iter().cloned()),
                };
                let (mut outcome, reached) = reader.judge(found.operation, request, &answer);
                if let (Some(page), Some(begins), Ok(Value::List(items))) =
                    (&found.operation.page, &invocation.page, &outcome)
                {
                    let fetched = Fetched { page, begins, items, url: &url, format: request.format };
                    outcome = page::whole(&reader, &answer, &fetched);
                }
                let (declared, now) = (reader.declared(&answer, request.format), self.clock.now());
                let asked = || wait::asked(answer.status, &answer.headers, &declared, now);
                let retry_after = if outcome.is_err() { asked() } else { None };
                // A server that refuses one call for their number refuses all that follow.
                let refused = matches!(&outcome, Err(failure) if failure.kind == ErrorKind::RateLimited);
                let pause = wait::pause(&answer.headers, &declared, now).max(retry_after.filter(|_| refused));
                let pause = pause.map(|pause| pause.min(wait::LONGEST_WAIT));
                Ended { pause, ..Attempt { outcome, retry_after, reached, parked: None }.into() }
            }
            Err(Lost { failure, reached }) => {
                let kind = lost_kind(found.connector, failure.kind.clone());
                let ended: Ended = Attempt { outcome: Err(failure), retry_after: None, reached, parked: None }.into();
                let outcome = ended.attempt.outcome.map_err(|failure| Failure { kind, ..failure });
                Ended { attempt: Attempt { outcome, ..ended.attempt }, ..ended }
            }
        }
    }

    fn prepare(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        request: &Request,
        config: &IndexMap<String, Value>,
        vault: &Vault<'_>,
        token: Option<&Token>,
    ) -> Result<Prepared, Failure> {
        let name = &found.connector.name;
        let http = found.connector.http.as_ref().ok_or_else(|| invalid(format!("`{name}` has no section `http`")))?;
        let scope = self.scope(&invocation.plan, found.connector, &invocation.args, config, vault)?;
        let scope = Scope { nulls: invocation.nulls.clone(), ..scope };
        let auth = if http.auth.logs_in_with(&invocation.operation) { &Auth::None } else { &http.auth };
        let proof = Proof { auth, token, now: self.clock.now() };
        let turn = found.operation.page.as_ref().zip(invocation.page.as_ref());
        request::prepare(&scope, http, found.operation, request, turn, &invocation.key, proof)
    }

    pub(super) fn scope<'a>(
        &'a self,
        plan: &'a Plan,
        connector: &'a Connector,
        args: &[Value],
        config: &IndexMap<String, Value>,
        vault: &'a Vault<'a>,
    ) -> Result<Scope<'a>, Failure> {
        let revealed = args.iter().map(|arg| vault.reveal(arg.clone())).collect::<Result<Vec<_>, _>>()?;
        Ok(Scope {
            library: &self.library,
            env: &*self.env,
            plan,
            connector,
            vault,
            config: vault.reveal(Value::Record(config.clone()))?,
            args: Frame::of(revealed),
            nulls: Vec::new(),
        })
    }

    async fn native(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        config: IndexMap<String, Value>,
        vault: &Vault<'_>,
    ) -> Attempt {
        let (connector, operation) = (&found.connector.name, &invocation.operation);
        let Some(code) = self.native.get(connector, operation) else {
            return never(invalid(format!(
                "this build of Flow has no code for the native operation `{connector}.{operation}`"
            )));
        };
        for setting in config.values() {
            if let Value::Secret(name) = setting
                && let Err(failure) = vault.text(name)
            {
                return never(failure);
            }
        }
        for name in shown(code.shows(), &config) {
            vault.show(name);
        }
        let args = match invocation.args.iter().map(|arg| vault.reveal(arg.clone())).collect::<Result<Vec<_>, _>>() {
            Ok(args) => found.operation.params.keys().cloned().zip(args).collect::<IndexMap<_, _>>(),
            Err(failure) => return never(failure),
        };
        let holder = match self.given_out(invocation, found, &config, vault) {
            Ok(true) => self.holder(found.connector, &invocation.connection, &config, vault).map(Some),
            Ok(false) => Ok(None),
            Err(failure) => Err(failure),
        };
        let holder = match holder {
            Ok(holder) => holder,
            Err(failure) => return never(failure),
        };
        let mut refused: Option<SecretText> = None;
        let mut sent = 0;
        loop {
            let token = match &holder {
                Some(holder) => {
                    self.token(invocation, found, holder, &config, vault, refused.as_ref()).await.0.map(Some)
                }
                None => Ok(None),
            };
            let token = match token {
                Ok(token) => token,
                Err(trouble) => return trouble.attempt(),
            };
            let text = token.as_ref().map(|token| &token.text);
            if let Some(text) = text {
                vault.add(&format!("{}/token", invocation.connection), text);
            }
            let attempt = self.native_once(invocation, found, code, (&config, &args), vault, text).await;
            let expired = matches!(&attempt.outcome, Err(failure) if failure.kind == ErrorKind::Unauthorized);
            sent += 1;
            // Nothing was done.
            match token {
                Some(token) if expired && attempt.reached != Reached::Perhaps && goes_again(sent, &token) => {
                    refused = Some(token.text);
                }
                _ => return attempt,
            }
        }
    }

    async fn native_once(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        code: &Arc<dyn NativeOperation>,
        (config, args): (&IndexMap<String, Value>, &IndexMap<String, Value>),
        vault: &Vault<'_>,
        token: Option<&SecretText>,
    ) -> Attempt {
        let (connector, operation) = (&found.connector.name, &invocation.operation);
        let (secrets, timeout) = (vault.found(), invocation.timeout);
        let (blobs, key, guard) = (&*self.blobs, &*invocation.key, &self.guard);
        let page = invocation.page.as_ref();
        let (result, types) = (&found.operation.result, &found.connector.types);
        let secrets = &secrets;
        let call = NativeCall { config, args, secrets, token, blobs, page, key, timeout, guard, result, types };
        if let Err(attempt) = self.departs(invocation, found).await {
            return attempt;
        }
        let guarded = AssertUnwindSafe(code.call(call)).catch_unwind();
        let result = match tokio::time::timeout(timeout.duration(), guarded).await {
            Ok(Ok(Ok(value))) => typed(found, value).map_err(NativeFailure::from),
            Ok(Ok(Err(failed))) => Err(declared(found, failed)),
            Ok(Err(_)) => {
                let message = format!("the code of `{connector}.{operation}` has a mistake and stopped");
                Err(NativeFailure::perhaps(Failure::new(ErrorKind::Unavailable, message)))
            }
            Err(_) => {
                let message = format!("`{connector}.{operation}` did not end within {timeout}");
                Err(NativeFailure::perhaps(Failure::new(ErrorKind::Timeout, message)))
            }
        };
        match result {
            Ok(value) => Attempt { outcome: Ok(value), retry_after: None, reached: Reached::Answered, parked: None },
            Err(NativeFailure { failure, reached, retry_after }) => {
                Attempt { outcome: Err(failure), retry_after, reached, parked: None }
            }
        }
    }
}

/// A failure of native code, as programs were checked against what its declaration says.
fn declared(found: Found<'_>, failed: NativeFailure) -> NativeFailure {
    if found.connector.kinds_of(found.operation).contains(&failed.failure.kind) {
        return failed;
    }
    let Failure { kind, message, fields } = failed.failure;
    let message = format!("`{}` ended with `{kind}`, which it does not declare: {message}", found.connector.name);
    NativeFailure { failure: Failure { kind: ErrorKind::Mismatch, message, fields }, ..failed }
}

/// The names of the secrets in these settings, but for those that another setting holds too: there it may be a credential.
fn shown<'a>(settings: &[&str], config: &'a IndexMap<String, Value>) -> Vec<&'a str> {
    let secrets = || {
        config.iter().filter_map(|(setting, value)| match value {
            Value::Secret(name) => Some((setting.as_str(), &**name)),
            _ => None,
        })
    };
    let is_elsewhere = |name: &str| secrets().any(|(setting, other)| other == name && !settings.contains(&setting));
    secrets()
        .filter(|(setting, name)| settings.contains(setting) && !is_elsewhere(name))
        .map(|(_, name)| name)
        .collect()
}

/// Reads what native code returned as the declared result.
pub(super) fn typed(found: Found<'_>, value: Value) -> Result<Value, Failure> {
    let ty = &found.operation.result;
    if found.operation.page.is_some() {
        let items = value.get("items").cloned().unwrap_or(Value::Null);
        let next = value.get("next").cloned().unwrap_or(Value::Null);
        let alone = Operation { page: None, ..found.operation.clone() };
        let items = typed(Found { operation: &alone, ..found }, items)?;
        return Ok(Value::record([("items", items), ("next", next)]));
    }
    if *ty == Type::Null {
        return Ok(Value::Null);
    }
    Decoder::new(&found.connector.types).value(&value, ty).map_err(|mismatch| {
        Failure::new(ErrorKind::Mismatch, format!("the answer of `{}` does not fit: {mismatch}", found.connector.name))
    })
}

/// The kind that a connector declares for a lost connection; a timeout stays one.
fn lost_kind(connector: &Connector, kind: ErrorKind) -> ErrorKind {
    let declared = connector.errors.rules.iter().find(|(condition, _)| *condition == ErrorCondition::Connection);
    match declared {
        Some((_, declared)) if kind == ErrorKind::Unavailable => declared.clone(),
        _ => kind,
    }
}

/// What tells a call from all others; empty for one that nobody was asked about.
fn ticket(invocation: &Invocation) -> &str {
    invocation.admitted.as_ref().map_or("", |admitted| &admitted.ticket)
}

/// What has a body is carried out step by step, and never called as a whole.
fn no_call(invocation: &Invocation) -> Failure {
    invalid(format!("`{}` has a body, which the plan lacks", invocation.operation))
}

pub(super) fn never(failure: Failure) -> Attempt {
    Attempt { outcome: Err(failure), retry_after: None, reached: Reached::Never, parked: None }
}

pub(super) fn invalid(message: String) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
