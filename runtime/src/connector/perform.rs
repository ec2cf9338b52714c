//! The performer: finds the declaration of an operation, builds what it says, carries it out and reads the answer.

use std::{panic::AssertUnwindSafe, sync::Arc};

use async_trait::async_trait;
use flow_model::{
    boundary::Decoder,
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    plan::Connection,
    schema::{Call, Connector, ErrorCondition, Limit, Operation, Request},
    ty::Type,
    value::Value,
};
use futures::FutureExt as _;
use indexmap::IndexMap;

use super::{
    Attempt, Invocation, NativeCall, NativeFailure, NativeTable, Performer, Reached,
    answer::{Reader, shorten},
    config,
    http::{Clients, Lost},
    limit::Limiters,
    request::{self, Prepared},
    template::Scope,
    vault::Vault,
    wait,
};
use crate::{
    blob::{Blobs, Memory},
    egress::{Guard, Networks},
    eval::{Environment, Evaluator, Frame, Library},
    secret::Secrets,
    timer::{Clock, SystemClock},
};

/// The longest answer that is read, in bytes, when nothing else is said: 16 MiB.
pub const LONGEST_ANSWER: u64 = 16 << 20;

/// Carries out operations over HTTP as their connectors declare them, and native ones by a table.
pub struct Connectors {
    library: Library,
    env: Arc<dyn Environment>,
    secrets: Arc<dyn Secrets>,
    native: NativeTable,
    blobs: Arc<dyn Blobs>,
    clients: Clients,
    guard: Guard,
    longest: u64,
    limiters: Limiters,
    clock: Arc<dyn Clock>,
}

impl Connectors {
    /// A performer with the standard functions, the environment, the secrets and the native operations that it may use.
    /// Files are kept in memory: see [`Self::with_blobs`].
    pub fn new(library: Library, env: Arc<dyn Environment>, secrets: Arc<dyn Secrets>, native: NativeTable) -> Self {
        let guard = Guard::new(Networks::default());
        let (clients, limiters) = (Clients::new(LONGEST_ANSWER, guard.clone()), Limiters::default());
        let (blobs, longest) = (Arc::new(Memory::new()), LONGEST_ANSWER);
        let clock = Arc::new(SystemClock);
        Self { library, env, secrets, native, blobs, clients, guard, longest, limiters, clock }
    }

    /// The same performer, which may connect to where the guard lets it. Without one, that is the public internet.
    #[must_use]
    pub fn with_guard(self, guard: Guard) -> Self {
        Self { clients: Clients::new(self.longest, guard.clone()), guard, ..self }
    }

    /// The same performer, which keeps and finds the bytes of files in a place.
    #[must_use]
    pub fn with_blobs(self, blobs: Arc<dyn Blobs>) -> Self {
        Self { blobs, ..self }
    }

    /// The same performer, which reads answers up to so many bytes.
    #[must_use]
    pub fn with_longest_answer(self, bytes: u64) -> Self {
        Self { clients: Clients::new(bytes, self.guard.clone()), longest: bytes, ..self }
    }

    /// The same performer with another clock, by which the dates that servers send are waited for.
    #[must_use]
    pub fn with_clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }
}

#[async_trait]
impl Performer for Connectors {
    async fn admit(&self, invocation: &Invocation) {
        let Ok(found) = self.find(invocation) else { return };
        let limits = found.connector.http.iter().flat_map(|http| &http.limits);
        for limit in limits {
            if let (Limit::Moving(rate), Call::Http(_)) = (limit, &found.operation.call) {
                self.limiters.pass(&format!("{} {}", found.connector.name, invocation.connection), *rate).await;
            }
        }
    }

    async fn perform(&self, invocation: Invocation) -> Attempt {
        let vault = Vault::new(&*self.secrets);
        let attempt = match self.find(&invocation) {
            Ok(found) => self.attempt(&invocation, found, &vault).await,
            Err(failure) => never(failure),
        };
        let redactor = vault.redactor();
        let clean = |failure: Failure| {
            let failure = redactor.failure(failure);
            Failure { message: shorten(&failure.message), ..failure }
        };
        let outcome = attempt.outcome.map(|value| redactor.value(value)).map_err(clean);
        Attempt { outcome, ..attempt }
    }
}

/// The declarations that an invocation names.
#[derive(Clone, Copy)]
struct Found<'a> {
    connection: &'a Connection,
    connector: &'a Connector,
    operation: &'a Operation,
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

    async fn attempt(&self, invocation: &Invocation, found: Found<'_>, vault: &Vault<'_>) -> Attempt {
        let eval = |expr: &Expr| self.setting(invocation, found.connector, expr);
        let config = match config::settings(&invocation.connection, found.connection, found.connector, &eval) {
            Ok(config) => config,
            Err(failure) => return never(failure),
        };
        match &found.operation.call {
            Call::Native => self.native(invocation, found, config, vault).await,
            Call::Http(request) => self.http(invocation, found, request, config, vault).await,
        }
    }

    /// The value of an expression of the configuration, which sees nothing but the environment.
    fn setting(&self, invocation: &Invocation, connector: &Connector, expr: &Expr) -> Result<Value, Failure> {
        let nothing = |_: Ambient| None;
        let evaluator = Evaluator {
            library: &self.library,
            functions: &invocation.plan.functions,
            types: &connector.types,
            env: &*self.env,
            ambient: &nothing,
        };
        evaluator.eval(expr, &mut Frame::new())
    }

    async fn http(
        &self,
        invocation: &Invocation,
        found: Found<'_>,
        request: &Request,
        config: IndexMap<String, Value>,
        vault: &Vault<'_>,
    ) -> Attempt {
        let prepared = match self.prepare(invocation, found, request, &config, vault) {
            Ok(prepared) => prepared,
            Err(failure) => return never(failure),
        };
        let repeatable = found.operation.is_repeatable();
        match self.clients.send(prepared, repeatable, invocation.timeout).await {
            Ok(answer) => {
                let reader = Reader {
                    library: &self.library,
                    env: &*self.env,
                    plan: &invocation.plan,
                    connector: found.connector,
                    config: Value::Record(config),
                    args: Frame::of(invocation.args.iter().cloned()),
                };
                let (outcome, reached) = reader.judge(found.operation, request, &answer);
                let retry_after = match &outcome {
                    Ok(_) => None,
                    Err(_) => {
                        let declared = reader.declared(&answer, request.format);
                        wait::asked(answer.status, &answer.headers, &declared, self.clock.now())
                    }
                };
                Attempt { outcome, retry_after, reached }
            }
            Err(Lost { failure, reached }) => {
                let kind = lost_kind(found.connector, failure.kind.clone());
                Attempt { outcome: Err(Failure { kind, ..failure }), retry_after: None, reached }
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
    ) -> Result<Prepared, Failure> {
        let name = &found.connector.name;
        let http = found.connector.http.as_ref().ok_or_else(|| invalid(format!("`{name}` has no section `http`")))?;
        let revealed = invocation.args.iter().map(|arg| vault.reveal(arg.clone())).collect::<Result<Vec<_>, _>>()?;
        let scope = Scope {
            library: &self.library,
            env: &*self.env,
            plan: &invocation.plan,
            connector: found.connector,
            vault,
            config: vault.reveal(Value::Record(config.clone()))?,
            args: Frame::of(revealed),
        };
        request::prepare(&scope, http, found.operation, request, &invocation.key)
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
        let args = match invocation.args.iter().map(|arg| vault.reveal(arg.clone())).collect::<Result<Vec<_>, _>>() {
            Ok(args) => found.operation.params.keys().cloned().zip(args).collect::<IndexMap<_, _>>(),
            Err(failure) => return never(failure),
        };
        let (secrets, timeout) = (vault.found(), invocation.timeout);
        let (blobs, key, guard) = (&*self.blobs, &*invocation.key, &self.guard);
        let call = NativeCall { config: &config, args: &args, secrets: &secrets, blobs, key, timeout, guard };
        let guarded = AssertUnwindSafe(code.call(call)).catch_unwind();
        let result = match tokio::time::timeout(timeout.duration(), guarded).await {
            Ok(Ok(Ok(value))) => typed(found, value).map_err(NativeFailure::from),
            Ok(Ok(Err(failure))) => Err(failure),
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
            Ok(value) => Attempt { outcome: Ok(value), retry_after: None, reached: Reached::Answered },
            Err(NativeFailure { failure, reached, retry_after }) => {
                Attempt { outcome: Err(failure), retry_after: retry_after.map(|wait| wait.min(wait::LONGEST)), reached }
            }
        }
    }
}

/// Reads what native code returned as the declared result.
fn typed(found: Found<'_>, value: Value) -> Result<Value, Failure> {
    let ty = &found.operation.result;
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

fn never(failure: Failure) -> Attempt {
    Attempt { outcome: Err(failure), retry_after: None, reached: Reached::Never }
}

fn invalid(message: String) -> Failure {
    Failure::new(ErrorKind::Invalid, message)
}
