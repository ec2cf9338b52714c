//! Each form of a declaration, written as docs/connectors.md has it, compiled, and carried out against a server: what is sent,
//! and what becomes of the answer. What one request shows is in the recorded pairs of tests/cases/pairs.

mod carried;
mod granted;
mod paced;
mod paged;
mod read;
mod redone;
mod sent;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use flow_model::{
    plan::Plan,
    units::{Instant, Millis},
    value::Value,
};
use flow_runtime::{
    connector::{Attempt, Connectors, Invocation, NativeTable, Performer as _, Tokens},
    egress::{Guard, Networks},
    eval::Library,
    secret::{SecretText, Secrets},
    sim::{disk::Fault, outside::Outside, process::Ended},
    timer::Clock,
};

use crate::{
    composite::life,
    executed::{Server, plan},
};

/// A program with the connector `acme` at a server, its connection `sys`, and a flow that calls what it is to have.
fn program(server: &Server, connector: &str, settings: &str, steps: &str) -> Arc<Plan> {
    let text = format!(
        "connector acme {{\n{connector}\n}}\n\nconnection sys = acme {{ {settings} }}\n\nflow go() {{\n{steps}\n}}\n"
    );
    plan(&text.replace("BASE", &server.url))
}

/// Secrets: those that are told, and of any other its name.
#[derive(Clone, Default)]
struct Vault(BTreeMap<&'static str, &'static str>);

impl Secrets for Vault {
    fn get(&self, name: &str) -> Option<SecretText> {
        Some(SecretText::new(self.0.get(name).copied().unwrap_or(name)))
    }
}

/// What is kept of tokens, for as long as the test runs.
#[derive(Default)]
struct Kept(Mutex<BTreeMap<String, String>>);

#[async_trait]
impl Tokens for Kept {
    fn get(&self, account: &str) -> Result<Option<SecretText>, String> {
        Ok(self.0.lock().unwrap().get(account).map(|text| SecretText::new(text.as_str())))
    }

    fn set(&self, account: &str, text: &SecretText) -> Result<(), String> {
        self.0.lock().unwrap().insert(account.to_owned(), text.reveal().to_owned());
        Ok(())
    }

    async fn alone(&self, _account: &str) -> Result<Box<dyn Send>, String> {
        Ok(Box::new(()))
    }
}

/// A clock that is at once where it is waited for. It begins at 2023-11-14T22:13:20Z.
struct Ahead(Mutex<Instant>);

impl Ahead {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Instant(1_700_000_000_000))))
    }

    fn goes_on(&self, by: Millis) {
        let mut now = self.0.lock().unwrap();
        *now = now.after(by);
    }
}

#[async_trait]
impl Clock for Ahead {
    fn now(&self) -> Instant {
        *self.0.lock().unwrap()
    }

    async fn sleep_until(&self, at: Instant) {
        *self.0.lock().unwrap() = at;
    }
}

/// A process that carries out calls.
fn process(vault: Vault, clock: &Arc<Ahead>) -> Connectors {
    let env = Arc::new(BTreeMap::<String, String>::new());
    Connectors::new(Library::new(flow_stdlib::functions()), env, Arc::new(vault), NativeTable::new())
        .with_guard(Guard::new(Networks::listed(["localhost"]).unwrap()))
        .with_tokens(Arc::new(Kept::default()))
        .with_clock(clock.clone())
}

/// Calls an operation of the connection `sys`.
async fn call(process: &Connectors, plan: &Arc<Plan>, operation: &str, args: Vec<Value>) -> Attempt {
    let invocation = Invocation {
        plan: Arc::clone(plan),
        connection: "sys".to_owned(),
        operation: operation.to_owned(),
        result: None,
        page: None,
        args,
        nulls: Vec::new(),
        key: "key-1".to_owned(),
        timeout: Millis(20_000),
        traceparent: None,
        admitted: None,
    };
    process.perform(invocation).await
}

/// What a run of the flow gives, and how many seconds it takes by a clock that stands still unless it is waited for. It begins
/// with an hour.
fn ran(plan: &Arc<Plan>) -> (Value, u64) {
    let (data, outside) = (tempfile::tempdir().unwrap(), Outside::kind());
    let begins = outside.clock.now();
    assert_eq!(begins.0 % 3_600_000, 0, "{begins:?}");
    let Ended::Well(value) = life(plan, data.path(), &outside, Fault::Never) else { panic!("no crash was asked for") };
    (value, outside.clock.now().since(begins).0 / 1000)
}
