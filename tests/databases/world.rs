//! Carries out single operations of a checked program.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use flow_model::{
    failure::{ErrorKind, Failure},
    plan::{NodeKind, Plan, Step},
    schema::Connector,
    units::Millis,
    value::Value,
};
use flow_runtime::{
    blob::{Blobs, Disk},
    connector::{Attempt, Connectors, Invocation, Performer as _, Reached},
    egress::{Guard, Networks},
    eval::Library,
    secret::{SecretText, Secrets},
};
use tempfile::TempDir;

use crate::programs::{checked, errors};

/// What the operations of a connection are carried out in.
pub(crate) struct World {
    connector: &'static str,
    settings: String,
    connectors: Arc<Connectors>,
    timeout: Millis,
    /// What is declared otherwise than Flow declares it.
    declared: Option<Declared>,
    _folder: TempDir,
}

/// Changes what is declared of a connector.
type Declared = Box<dyn Fn(&mut Connector) + Send + Sync>;

/// The secret of the connection.
struct Vault(String);

impl Secrets for Vault {
    fn get(&self, name: &str) -> Option<SecretText> {
        (name == "db/url").then(|| SecretText::new(self.0.as_str()))
    }
}

impl World {
    /// A connection with the secret `db/url` and these settings.
    pub(crate) fn new(connector: &'static str, url: impl Into<String>, settings: &str) -> Self {
        Self::guarded(connector, url, settings, Networks::localhost())
    }

    /// The same, which may only connect to these networks.
    pub(crate) fn guarded(connector: &'static str, url: impl Into<String>, settings: &str, networks: Networks) -> Self {
        let folder = TempDir::new().unwrap();
        let blobs: Arc<dyn Blobs> = Arc::new(Disk::new(folder.path()));
        let env = Arc::new(BTreeMap::new());
        let (secrets, table) = (Arc::new(Vault(url.into())), flow_stdlib::native::native_table(None));
        let connectors = Connectors::new(Library::default(), env, secrets, table);
        let connectors = connectors.with_guard(Guard::new(networks)).with_blobs(blobs);
        Self {
            connector,
            settings: settings.to_owned(),
            connectors: Arc::new(connectors),
            timeout: Millis::seconds(60),
            declared: None,
            _folder: folder,
        }
    }

    /// The same over a connector of which something else is declared: where a server is that stands elsewhere otherwise.
    pub(crate) fn declaring(self, declared: impl Fn(&mut Connector) + Send + Sync + 'static) -> Self {
        Self { declared: Some(Box::new(declared)), ..self }
    }

    pub(crate) fn within(self, timeout: Millis) -> Self {
        Self { timeout, ..self }
    }

    /// The plan of a program with one step, and its step.
    fn plan(&self, types: &str, step: &str) -> (Plan, Step) {
        let (connector, settings) = (self.connector, &self.settings);
        let result =
            if step.starts_with("query<") { "let all = for row in r { row }\n  return all" } else { "return r" };
        let text = format!(
            "use {connector}\n\nconnection db = {connector} {{ {settings} }}\n\n{types}\n\nflow f() {{\n  step r = db.{step}\n  {result}\n}}\n"
        );
        let checked = checked("test.flow", &text);
        assert_eq!(errors(&checked), "", "{text}");
        let mut plan = checked.program.as_ref().unwrap().plans["f"].clone();
        if let Some(declared) = &self.declared {
            plan.connectors.values_mut().for_each(|connector| declared(Arc::make_mut(connector)));
        }
        let step = plan.graph.node_weights().find_map(|node| match &node.kind {
            NodeKind::Step(step) => Some((**step).clone()),
            _ => None,
        });
        (plan, step.unwrap())
    }

    /// Carries out an operation: `query_one<Int>`, `execute`.
    pub(crate) async fn attempt(&self, types: &str, operation: &str, args: Vec<Value>, page: Option<Value>) -> Attempt {
        self.keyed(types, operation, args, page, "k").await
    }

    /// The same, with the key of the step.
    pub(crate) async fn keyed(
        &self,
        types: &str,
        operation: &str,
        args: Vec<Value>,
        page: Option<Value>,
        key: &str,
    ) -> Attempt {
        let takes_many = operation == "transaction" || operation == "once";
        let given = if takes_many { "statements: [\"select 1\"]" } else { "sql: \"select 1\"" };
        self.perform(types, &format!("{operation}({given})"), args, page, key).await
    }

    async fn perform(&self, types: &str, step: &str, args: Vec<Value>, page: Option<Value>, key: &str) -> Attempt {
        let (plan, step) = self.plan(types, step);
        let invocation = Invocation {
            plan: Arc::new(plan),
            connection: step.connection,
            operation: step.operation,
            result: step.result,
            page,
            args,
            nulls: Vec::new(),
            key: key.to_owned(),
            timeout: self.timeout,
            traceparent: None,
            admitted: None,
        };
        self.connectors.perform(invocation).await
    }

    /// Carries out the operation of a step with other arguments, all of them.
    pub(crate) async fn invoke(&self, step: &str, args: Vec<Value>) -> Attempt {
        self.perform("", step, args, None, "k").await
    }

    /// Carries it out until the system answers, which a server does not in its first moments.
    pub(crate) async fn answered(&self, step: &str, args: Vec<Value>) {
        for _ in 0..500 {
            if self.invoke(step, args.clone()).await.reached == Reached::Answered {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{step}: no answer after many calls");
    }

    /// Carries out one statement, and gives its result.
    pub(crate) async fn ask(&self, operation: &str, sql: &str, params: Vec<Value>) -> Result<Value, Failure> {
        self.attempt("", operation, vec![statement(sql, params)], None).await.outcome
    }

    /// Carries out a statement that has to succeed.
    pub(crate) async fn run(&self, sql: &str) {
        self.ask("execute", sql, vec![]).await.unwrap_or_else(|failure| panic!("{sql}: {failure}"));
    }

    /// The one value that a statement gives.
    pub(crate) async fn value(&self, ty: &str, sql: &str, params: Vec<Value>) -> Result<Value, Failure> {
        self.ask(&format!("query_one<{ty}>"), sql, params).await
    }

    /// Looks until a count is as expected.
    pub(crate) async fn until(&self, sql: &str, expected: i64) {
        for _ in 0..1200 {
            if self.value("Int", sql, vec![]).await == Ok(Value::Int(expected)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{sql}: not {expected} after many looks");
    }

    /// How a statement fails.
    pub(crate) async fn refusal(&self, operation: &str, sql: &str, params: Vec<Value>) -> (ErrorKind, String) {
        let failure = self.ask(operation, sql, params).await.unwrap_err();
        (failure.kind, failure.message)
    }
}

/// A statement with its insertions, as a step gives it.
pub(crate) fn statement(text: &str, params: Vec<Value>) -> Value {
    Value::record([("text", Value::text(text)), ("params", Value::List(params))])
}
