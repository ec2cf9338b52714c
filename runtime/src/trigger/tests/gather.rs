//! Several events that become one run: which of them it sees, when it begins, and what is left of that after a restart.

use std::{collections::BTreeSet, sync::Arc};

use flow_model::{
    expr::{Ambient, Expr},
    plan::{Concurrency, Edge, Gather, Keep, Node, NodeKind, Plan, Trigger},
    schema::EventOrder,
    ty::Type,
    units::Millis,
    value::Value,
};
use reqwest::StatusCode;
use serde_json::{Value as Json, json};

use super::{
    Hands, NOW, Served, fresh,
    plans::{EVENT, dedupe, http, member, on_each_change, plan},
    sent, start,
};
use crate::{
    engine::{RunId, RunState},
    machine::Outcome,
    trigger::Limits,
};

fn flow(keep: Keep, per: Option<&str>) -> Vec<Arc<Plan>> {
    let gather = Some(Gather { keep, per: per.map(|key| member(EVENT, key)) });
    let trigger = Trigger { gather, dedupe: dedupe(member(EVENT, "body.id")), ..http("POST", "/changes", None) };
    let mut flow = plan("changed", vec![trigger], vec![NodeKind::Return(EVENT)]);
    flow.result = Type::Json;
    vec![Arc::new(flow)]
}

fn latest(most: Option<u64>) -> Keep {
    Keep::Latest { quiet: Millis::seconds(30), most: most.map(Millis::seconds) }
}

/// A flow on a webhook whose declaration says that the later of two events is the one with the greater id.
fn ordered(gather: Option<Keep>, concurrency: Option<u32>) -> Vec<Arc<Plan>> {
    let mut flow = Arc::unwrap_or_clone(on_each_change("changed"));
    flow.triggers[0].gather = gather.map(|keep| Gather { keep, per: None });
    flow.triggers[0].concurrency = concurrency.map(|limit| Concurrency { limit, per: None });
    flow.graph.node_weights_mut().for_each(|node| node.kind = NodeKind::Return(EVENT));
    let connector = Arc::make_mut(flow.connectors.get_mut("pay").unwrap());
    let order = Some(EventOrder::By(member(Expr::Ambient(Ambient::Item), "id")));
    connector.triggers.values_mut().for_each(|trigger| trigger.order = order.clone());
    if concurrency.is_some() {
        let sleep = NodeKind::Sleep(Expr::Literal(Value::Duration(Millis::seconds(60))));
        let sleep = flow.graph.add_node(Node { path: "sleep".to_owned(), kind: sleep });
        let first = flow.entry.replace(sleep).unwrap();
        flow.graph.add_edge(sleep, first, Edge::Next);
    }
    vec![Arc::new(flow)]
}

const THREE: Keep = Keep::All { most: 3, within: Millis::seconds(10) };

impl Served {
    async fn change(&self, id: u32, key: &str) -> RunId {
        let body = json!({ "id": id, "key": key }).to_string();
        let (status, answer) = sent(self.post("/changes", body)).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
        answer["run"].as_str().unwrap().parse().unwrap()
    }

    /// Events of a webhook in one delivery.
    async fn take(&self, ids: &[u32]) {
        let events: Vec<_> = ids.iter().map(|id| json!({ "kind": "changed", "id": id, "contact": "c" })).collect();
        let (status, answer) = sent(self.post("/hooks/crm", json!(events).to_string())).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    }

    /// Events of a webhook in one delivery; all are in one run.
    async fn deliver(&self, ids: &[u32]) -> RunId {
        self.take(ids).await;
        let [run] = self.runs().await.try_into().unwrap();
        run.id
    }

    /// The run that is the next to be over after these.
    async fn next_to_end(&self, before: &[RunId]) -> RunId {
        let others = self.runs().await.into_iter().map(|run| run.id).filter(|run| !before.contains(run));
        let engine = &self.engine;
        let ends = others.map(|run| Box::pin(async move { engine.outcome(&run).await.map(|_| run) }));
        futures::future::select_ok(ends).await.unwrap().0
    }

    /// The ids of the events that a run has seen, when it is over.
    async fn seen(&self, run: &RunId) -> Vec<u64> {
        let outcome = self.engine.outcome(run).await.unwrap().outcome;
        let Some(Outcome::Completed(value)) = outcome else { panic!("{outcome:?}") };
        let id = |event: &Json| event.get("body").unwrap_or(event)["id"].as_u64().unwrap();
        match value.to_json() {
            Json::Array(events) => events.iter().map(id).collect(),
            event => vec![id(&event)],
        }
    }

    async fn states(&self) -> Vec<RunState> {
        let mut states: Vec<_> = self.runs().await.iter().map(|run| run.state).collect();
        states.sort();
        states
    }
}

#[tokio::test]
async fn debounced_events_become_one_run_of_the_latest_when_none_has_come_for_a_while() {
    let (_folder, clock, served) = fresh(flow(latest(None), Some("body.key"))).await;
    let first = served.change(1, "a").await;
    let other = served.change(2, "b").await;
    clock.set(NOW.after(Millis::seconds(20)));
    assert_eq!(served.change(3, "a").await, first, "the run that waits is the one that sees it");
    clock.set(NOW.after(Millis::seconds(30)));
    assert_eq!(served.seen(&other).await, [2]);
    assert_eq!(served.states().await, [RunState::Waiting, RunState::Completed]);
    clock.set(NOW.after(Millis::seconds(50)));
    assert_eq!(served.seen(&first).await, [3]);
    assert_ne!(served.change(4, "a").await, first, "what comes later is for a later run");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn events_that_never_pause_are_not_put_off_beyond_the_latest_time() {
    let (_folder, clock, served) = fresh(flow(latest(Some(60)), None)).await;
    let run = served.change(0, "a").await;
    for id in 1..3 {
        clock.set(NOW.after(Millis::seconds(u64::from(id) * 25)));
        assert_eq!(served.change(id, "a").await, run);
    }
    clock.set(NOW.after(Millis::seconds(60)));
    assert_eq!(served.seen(&run).await, [2]);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_begins_when_it_is_full_or_its_time_has_come() {
    let (_folder, clock, served) = fresh(flow(THREE, None)).await;
    let full = served.change(1, "a").await;
    for id in 2..4 {
        assert_eq!(served.change(id, "b").await, full);
    }
    assert_eq!(served.seen(&full).await, [1, 2, 3]);
    let part = served.change(4, "a").await;
    assert_ne!(part, full);
    clock.set(NOW.after(Millis::seconds(9)));
    assert_eq!(served.change(5, "a").await, part);
    clock.set(NOW.after(Millis::seconds(10)));
    assert_eq!(served.seen(&part).await, [4, 5]);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn an_event_that_comes_again_is_in_the_batch_once() {
    let (_folder, clock, served) = fresh(flow(THREE, None)).await;
    let run = served.change(1, "a").await;
    assert_eq!(served.change(1, "a").await, run);
    assert_eq!(served.change(2, "a").await, run);
    let (status, _) = sent(served.post("/changes", r#"{"id": 1, "key": "other"}"#)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    clock.set(NOW.after(Millis::seconds(10)));
    assert_eq!(served.seen(&run).await, [1, 2]);
    assert_eq!(served.change(1, "a").await, run, "also when the run is over");
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_is_listed_in_the_order_that_is_declared_and_the_latest_is_so_by_it() {
    let (_folder, _clock, served) =
        fresh(ordered(Some(Keep::All { most: 4, within: Millis::seconds(10) }), None)).await;
    served.deliver(&[7, 3]).await;
    let run = served.deliver(&[9, 5]).await;
    assert_eq!(served.seen(&run).await, [3, 5, 7, 9]);
    served.stop().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let before = start(folder.path(), &clock, ordered(Some(latest(None)), None), Limits::default()).await;
    before.deliver(&[7]).await;
    before.deliver(&[9, 3]).await;
    before.stop().await.unwrap();
    let after = start(folder.path(), &clock, ordered(Some(latest(None)), None), Limits::default()).await;
    clock.set(NOW.after(Millis::seconds(20)));
    let run = after.deliver(&[8]).await;
    clock.set(NOW.after(Millis::seconds(30)));
    assert_eq!(after.states().await, [RunState::Waiting], "one that is late puts the run off like any other");
    clock.set(NOW.after(Millis::seconds(50)));
    assert_eq!(after.seen(&run).await, [9]);
    after.stop().await.unwrap();
}

#[tokio::test]
async fn runs_that_wait_for_their_turn_follow_in_the_order_that_is_declared() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let flow = ordered(None, Some(1));
    let before = start(folder.path(), &clock, flow.clone(), Limits::default()).await;
    before.take(&[7, 9, 3, 5]).await;
    before.stop().await.unwrap();
    let after = start(folder.path(), &clock, flow, Limits::default()).await;
    after.take(&[4]).await;
    let mut ended = Vec::new();
    for minutes in 1..=5 {
        let now = NOW.after(Millis::seconds(60 * minutes));
        clock.slept_until(now).await;
        clock.set(now);
        ended.push(after.next_to_end(&ended).await);
    }
    let mut seen = Vec::new();
    for run in &ended {
        seen.extend(after.seen(run).await);
    }
    assert_eq!(seen, [7, 3, 4, 5, 9], "the first had begun");
    after.stop().await.unwrap();
}

/// Two events before a restart and one after it are one run, which sees some of them.
async fn over_a_restart(keep: Keep, ids: &[u64]) {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let before = start(folder.path(), &clock, flow(keep, None), Limits::default()).await;
    let run = before.change(1, "a").await;
    assert_eq!(before.change(2, "a").await, run);
    before.stop().await.unwrap();
    let after = start(folder.path(), &clock, flow(keep, None), Limits::default()).await;
    assert_eq!(after.change(3, "a").await, run);
    clock.set(NOW.after(Millis::seconds(30)));
    assert_eq!(after.seen(&run).await, ids);
    after.stop().await.unwrap();
}

#[tokio::test]
async fn a_batch_is_there_after_a_restart_and_goes_on_gathering() {
    over_a_restart(THREE, &[1, 2, 3]).await;
}

#[tokio::test]
async fn a_debounced_run_is_there_after_a_restart_and_sees_what_comes_then() {
    over_a_restart(latest(None), &[3]).await;
}

#[tokio::test]
async fn a_run_that_gathers_can_be_cancelled_and_others_gather_after_it() {
    let (_folder, clock, served) = fresh(flow(THREE, None)).await;
    let run = served.change(1, "a").await;
    served.engine.cancel(&run, "not needed").await.unwrap();
    let next = served.change(2, "a").await;
    assert_ne!(next, run);
    clock.set(NOW.after(Millis::seconds(10)));
    assert_eq!(served.seen(&next).await, [2]);
    assert_eq!(served.states().await, [RunState::Completed, RunState::Cancelled]);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn many_at_once_are_each_in_exactly_one_batch() {
    let (_folder, clock, served) = fresh(flow(Keep::All { most: 7, within: Millis::seconds(10) }, None)).await;
    let runs: BTreeSet<RunId> =
        futures::future::join_all((0..100).map(|id| served.change(id, "a"))).await.into_iter().collect();
    clock.set(NOW.after(Millis::seconds(10)));
    let mut all = Vec::new();
    for run in &runs {
        let seen = served.seen(run).await;
        assert!(seen.len() <= 7);
        all.extend(seen);
    }
    all.sort_unstable();
    assert_eq!(all, (0..100).collect::<Vec<_>>());
    assert_eq!(runs.len(), 15);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn limits_hold_for_runs_that_have_gathered() {
    let mut plans = flow(Keep::All { most: 1, within: Millis::seconds(10) }, None);
    let plan = Arc::get_mut(&mut plans[0]).unwrap();
    plan.triggers[0].at_most = Some(flow_model::schema::Rate { count: 1, period: Millis::seconds(60) });
    let (_folder, clock, served) = fresh(plans).await;
    let (first, second) = (served.change(1, "a").await, served.change(2, "a").await);
    assert_eq!(served.seen(&first).await, [1]);
    assert_eq!(served.states().await, [RunState::Waiting, RunState::Completed]);
    clock.set(NOW.after(Millis::seconds(60)));
    assert_eq!(served.seen(&second).await, [2]);
    served.stop().await.unwrap();
}
