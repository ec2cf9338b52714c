//! How is a webhook set up at the system that sends it, found there again, and taken away?
//!
//! In: a plan whose connector says so (`webhooks { … }`), the URL and the events. Out: what the system says, by the operations
//! that are named there, carried out as those of runs are. Left out on purpose: what is remembered of it, which is the caller's.

use std::sync::Arc;

use flow_model::{
    expr::{Ambient, Expr},
    failure::{ErrorKind, Failure},
    plan::Plan,
    schema::{Connector, KeySource, OperationCall, Webhooks},
    ty::Type,
    units::{Instant, Millis},
    value::Value,
};

use super::{Attempt, Connectors, Invocation, Performer as _, Reached, perform::invalid, vault::Vault};
use crate::{
    eval::{Evaluator, Frame},
    secret::SecretText,
};

/// How long one call may take.
const TIMEOUT: Millis = Millis::seconds(60);
/// Over how many pages a list is read.
const PAGES: usize = 100;

/// A webhook: where events of a connection are sent, and which.
#[derive(Clone, Debug)]
pub struct Hook {
    /// A plan whose connector is whole enough to set it up.
    pub plan: Arc<Plan>,
    /// The connection, as the plan names it.
    pub connection: String,
    /// Where events are sent.
    pub url: String,
    /// What the system calls the events.
    pub events: Vec<String>,
}

/// What the system says of a webhook that it has set up.
#[derive(Clone, Debug)]
pub struct Registered {
    /// Its name for it.
    pub id: Option<String>,
    /// What it signs with.
    pub secret: Option<SecretText>,
    /// When it ends, where the system says it.
    pub expires: Option<Instant>,
}

/// A call that came to nothing.
#[derive(Clone, Debug)]
pub struct Lost {
    /// Why.
    pub failure: Failure,
    /// Whether it can have taken effect all the same.
    pub perhaps: bool,
}

/// Whether calling again with the same key does the same thing once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeats {
    /// The system tells a repetition by its key.
    Once,
    /// A repetition may do it again.
    Again,
}

impl Hook {
    fn declared(&self) -> Result<(&Connector, &Webhooks), Failure> {
        let connection = self.plan.connections.get(&self.connection);
        let connector = connection.and_then(|connection| self.plan.connectors.get(&connection.connector));
        let connector = connector.ok_or_else(|| invalid(format!("there is no connection `{}`", self.connection)))?;
        let webhooks = connector.webhooks.as_ref();
        let webhooks = webhooks.ok_or_else(|| invalid(format!("`{}` sets up no webhooks", connector.name)))?;
        Ok((connector, webhooks))
    }

    /// Whether setting it up twice with one key sets it up once.
    pub fn repeats(&self) -> Repeats {
        let keyed = |(connector, webhooks): (&Connector, &Webhooks)| {
            let operation = connector.operations.get(&webhooks.register.as_ref()?.operation)?;
            operation.key.as_ref().filter(|key| !matches!(key, KeySource::Lookup(_))).map(drop)
        };
        if self.declared().ok().and_then(keyed).is_some() { Repeats::Once } else { Repeats::Again }
    }

    /// Whether the system answers with the secret that it signs with.
    pub fn tells_secret(&self) -> bool {
        self.declared().is_ok_and(|(_, webhooks)| webhooks.secret.is_some())
    }

    /// Whether those that there are can be listed.
    pub fn lists(&self) -> bool {
        self.declared().is_ok_and(|(_, webhooks)| webhooks.list.is_some())
    }

    /// Whether it can be taken away.
    pub fn removes(&self) -> bool {
        self.declared().is_ok_and(|(_, webhooks)| webhooks.remove.is_some())
    }

    /// How often it has to be renewed, where it ends otherwise.
    pub fn renewed_every(&self) -> Option<Millis> {
        let (_, webhooks) = self.declared().ok()?;
        webhooks.every.filter(|_| webhooks.renew.is_some())
    }
}

impl Connectors {
    /// Sets a webhook up.
    ///
    /// # Errors
    /// Why the system has not, or may have without saying so.
    pub async fn register_webhook(&self, hook: &Hook, key: &str) -> Result<Registered, Lost> {
        let known = |failure| Lost { failure, perhaps: false };
        let (connector, webhooks) = hook.declared().map_err(known)?;
        let call = webhooks.register.as_ref().ok_or_else(|| known(invalid("nothing sets webhooks up".to_owned())))?;
        let Attempt { outcome, reached, .. } = self.called(hook, call, "", None, key).await.map_err(known)?;
        let answer = outcome.map_err(|failure| {
            // An answer that is not understood, or one of trouble inside, does not say that nothing was done.
            let unclear = matches!(failure.kind, ErrorKind::Mismatch | ErrorKind::Unavailable | ErrorKind::Timeout);
            Lost { perhaps: reached != Reached::Never && unclear, failure }
        })?;
        let read = |expr: &Option<Expr>| match expr {
            Some(expr) => self.of(hook, connector, expr, &answer),
            None => Ok(None),
        };
        // What was set up and can't be read is there all the same.
        let unread = |failure| Lost { failure, perhaps: true };
        let id = read(&webhooks.id).map_err(unread)?;
        let secret = read(&webhooks.secret).map_err(unread)?.map(SecretText::new);
        let expires = self.end(hook, connector, webhooks, &answer).map_err(unread)?;
        Ok(Registered { id, secret, expires })
    }

    /// The ids of the webhooks at the system that go to the same URL.
    ///
    /// # Errors
    /// The system does not list them.
    pub async fn find_webhooks(&self, hook: &Hook) -> Result<Vec<String>, Failure> {
        let (connector, webhooks) = hook.declared()?;
        let (Some(call), Some(id), Some(url)) = (&webhooks.list, &webhooks.id, &webhooks.url) else {
            return Ok(Vec::new());
        };
        let streams = matches!(connector.operations.get(&call.operation).map(|of| &of.result), Some(Type::Stream(_)));
        let mut found = Vec::new();
        let mut page = streams.then_some(Value::Null);
        for _ in 0..PAGES {
            let answer = self.called(hook, call, "", page.take(), "").await?.outcome?;
            let (items, next) = match answer {
                Value::List(items) => (items, Value::Null),
                Value::Record(fields) => match (fields.get("items"), fields.get("next")) {
                    (Some(Value::List(items)), Some(next)) => (items.clone(), next.clone()),
                    _ => return Err(invalid(format!("`{}` lists nothing", call.operation))),
                },
                _ => return Err(invalid(format!("`{}` lists nothing", call.operation))),
            };
            for item in &items {
                if self.of(hook, connector, url, item)?.as_deref() == Some(hook.url.as_str()) {
                    found.extend(self.of(hook, connector, id, item)?);
                }
            }
            if next == Value::Null {
                return Ok(found);
            }
            page = Some(next);
        }
        Err(invalid(format!("`{}` lists more than {PAGES} pages", call.operation)))
    }

    /// Renews a webhook, so that it goes on. Where that gives the same as setting it up, it has the id that it is given.
    ///
    /// # Errors
    /// Why the system has not.
    pub async fn renew_webhook(&self, hook: &Hook, id: &str, key: &str) -> Result<Registered, Failure> {
        let (connector, webhooks) = hook.declared()?;
        let mut renewed = Registered { id: Some(id.to_owned()), secret: None, expires: None };
        let Some(call) = &webhooks.renew else { return Ok(renewed) };
        let answer = self.called(hook, call, id, None, key).await?.outcome?;
        let gives = |call: &OperationCall| connector.operations.get(&call.operation).map(|of| &of.result);
        let is_set_up_anew = webhooks.register.as_ref().is_some_and(|register| gives(register) == gives(call));
        if let (Some(id), true) = (&webhooks.id, is_set_up_anew) {
            renewed.id = self.of(hook, connector, id, &answer)?.or(renewed.id);
        }
        renewed.expires = self.end(hook, connector, webhooks, &answer)?;
        Ok(renewed)
    }

    /// Takes a webhook away; one that is gone already is fine.
    ///
    /// # Errors
    /// Why the system has not.
    pub async fn remove_webhook(&self, hook: &Hook, id: &str, key: &str) -> Result<(), Failure> {
        let (connector, webhooks) = hook.declared()?;
        let call = webhooks.remove.as_ref();
        let call = call.ok_or_else(|| invalid(format!("`{}` takes no webhooks away", connector.name)))?;
        match self.called(hook, call, id, None, key).await?.outcome {
            Err(failure) if failure.kind != ErrorKind::NotFound => Err(failure),
            _ => Ok(()),
        }
    }

    async fn called(
        &self,
        hook: &Hook,
        call: &OperationCall,
        id: &str,
        page: Option<Value>,
        key: &str,
    ) -> Result<Attempt, Failure> {
        let (connector, _) = hook.declared()?;
        let (config, _) = self.configured(&hook.plan, &hook.connection)?;
        let vault = Vault::new(&*self.secrets);
        let events = hook.events.iter().map(|event| Value::text(event.as_str())).collect();
        let sees = [Value::text(hook.url.as_str()), Value::List(events), Value::text(id)];
        let args = {
            let scope = self.scope(&hook.plan, connector, &sees, &config, &vault)?;
            call.args.iter().map(|arg| scope.value(arg)).collect::<Result<Vec<_>, _>>()?
        };
        let invocation = Invocation {
            plan: Arc::clone(&hook.plan),
            connection: hook.connection.clone(),
            operation: call.operation.clone(),
            result: None,
            page,
            args,
            nulls: Vec::new(),
            key: key.to_owned(),
            timeout: TIMEOUT,
            traceparent: None,
            admitted: None,
        };
        Ok(self.perform(invocation).await)
    }

    /// A text out of what the system says of a webhook.
    fn of(&self, hook: &Hook, connector: &Connector, expr: &Expr, item: &Value) -> Result<Option<String>, Failure> {
        Ok(match self.out_of(hook, connector, expr, item)? {
            Value::Null => None,
            value => Some(value.to_string()),
        })
    }

    /// When it ends by what the system says of it.
    fn end(
        &self,
        hook: &Hook,
        connector: &Connector,
        webhooks: &Webhooks,
        item: &Value,
    ) -> Result<Option<Instant>, Failure> {
        let Some(expires) = &webhooks.expires else { return Ok(None) };
        Ok(match self.out_of(hook, connector, expires, item)? {
            Value::Timestamp(end) => Some(Instant(end.as_millisecond())),
            _ => None,
        })
    }

    fn out_of(&self, hook: &Hook, connector: &Connector, expr: &Expr, item: &Value) -> Result<Value, Failure> {
        let ambient = |which: Ambient| (which == Ambient::Item).then(|| item.clone());
        let evaluator = Evaluator {
            library: &self.library,
            functions: &hook.plan.functions,
            types: &connector.types,
            env: &*self.env,
            ambient: &ambient,
        };
        evaluator.eval(expr, &mut Frame::new())
    }
}
