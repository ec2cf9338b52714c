//! Do connectors agree with a system that reads the vendor's own description?
//!
//! Programs that answer as vendors do, by their descriptions, are no part of the project: where they lie beside it, they are
//! started, and every operation goes to one. A parameter that the vendor does not know, that is missing or of another type,
//! is refused there, and what is answered are the vendor's examples.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use flow_model::{failure::ErrorKind, value::Value};
use flow_runtime::connector::Reached;

use crate::{
    connectors::description,
    databases::{machine::Port, world::World},
};

struct Counterpart {
    process: Child,
    port: Port,
}

impl Counterpart {
    /// Nothing where the descriptions are not there.
    fn stripe() -> Option<Self> {
        let program = description("tools/stripe_mock.py")?;
        let files = [description("stripe/spec3-2024-04-10.json.gz")?, description("stripe/fixtures3.json")?];
        let port = Port::free();
        let mut python = Command::new("/usr/bin/python3");
        python.arg(program).args(["--port", &port.number().to_string()]).args(files);
        let mut process = python.stdout(Stdio::piped()).spawn().expect("`./test` installs Python and jsonschema");
        let mut lines = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        let counterpart = Self { process, port };
        assert!(line.starts_with("listening"), "the counterpart of Stripe did not start: {line:?}");
        Some(counterpart)
    }

    fn world(&self, key: &str) -> World {
        let port = self.port.number();
        let settings = format!("base_url: \"http://127.0.0.1:{port}\", api_key: secret(\"db/url\")");
        World::new("stripe", key, &settings)
    }
}

impl Drop for Counterpart {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn every_operation_of_stripe_is_taken_by_its_counterpart() {
    let Some(stripe) = Counterpart::stripe() else { return };
    let world = stripe.world("sk_test_1");
    let text = Value::text;
    let events = || Value::List(vec![text("payment_intent.succeeded"), text("payment_intent.payment_failed")]);
    let metadata = Value::record([("crm", text("c-17")), ("a key", text("ü & =?[]"))]);
    // The process says that it listens right before it does.
    world.answered("payment_intents.get(id: \"pi_1\")", vec![text("pi_1")]).await;
    let mut done = BTreeSet::new();
    for (step, args, field, expected) in [
        ("customers.create()", vec![text("jenny@example.com"), text("Jenny Rosen"), metadata], "email", Value::Null),
        (
            "customers.create()",
            vec![Value::Null, Value::Null, Value::Null],
            "metadata",
            Value::Record(Default::default()),
        ),
        ("payment_intents.get(id: \"a\")", vec![text("pi_3")], "id", text("pi_3")),
        (
            "refunds.create(payment_intent: \"a\")",
            vec![text("pi_1"), Value::Int(50), text("duplicate")],
            "amount",
            Value::Int(100),
        ),
        (
            "refunds.create(payment_intent: \"a\")",
            vec![text("pi_1"), Value::Null, Value::Null],
            "currency",
            text("usd"),
        ),
        (
            "webhook_endpoints.create(url: \"https://a.example\", enabled_events: [])",
            vec![text("https://flow.example.com/hooks/stripe"), events()],
            "status",
            text("enabled"),
        ),
    ] {
        let answer = world.invoke(step, args).await;
        let value = answer.outcome.unwrap_or_else(|failure| panic!("{step}: {failure}"));
        assert_eq!(value.get(field), Some(&expected), "{step}: {value:?}");
        done.insert(step.split('(').next().unwrap());
    }
    let listed = world.invoke("webhook_endpoints.list()", vec![]).await.outcome.unwrap();
    let Value::List(endpoints) = listed else { panic!("{listed:?}") };
    assert!(endpoints.iter().all(|endpoint| endpoint.get("id").is_some()), "{endpoints:?}");
    let gone = world.invoke("webhook_endpoints.delete(id: \"a\")", vec![text("we_1")]).await;
    assert!(gone.outcome.is_ok(), "{:?}", gone.outcome);
    done.extend(["webhook_endpoints.list", "webhook_endpoints.delete"]);
    let catalog = flow_stdlib::catalog();
    let declared = catalog["stripe"].text.matches("\n  operation ").count();
    assert_eq!(done.len(), declared, "an operation of the connector is not among them: {done:?}");
}

#[tokio::test]
async fn what_stripe_does_not_take_is_refused_by_its_counterpart() {
    let Some(stripe) = Counterpart::stripe() else { return };
    let refund = "refunds.create(payment_intent: \"a\")";
    let args = |amount, reason| vec![Value::text("pi_1"), amount, Value::text(reason)];
    for (key, args, kind, part) in [
        ("sk_test_1", args(Value::Int(5), "because"), ErrorKind::Invalid, "because"),
        ("sk_test_1", args(Value::text("five"), "duplicate"), ErrorKind::Invalid, "five"),
        ("sk_live_1", args(Value::Int(5), "duplicate"), ErrorKind::Unauthorized, "Invalid API Key"),
    ] {
        let world = stripe.world(key);
        world.answered(refund, args.clone()).await;
        let attempt = world.invoke(refund, args).await;
        let failure = attempt.outcome.unwrap_err();
        assert_eq!((failure.kind.clone(), attempt.reached), (kind, Reached::Answered), "{failure}");
        assert!(failure.message.contains(part), "{failure}");
    }
}
