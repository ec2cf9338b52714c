//! Other plans while the server runs.

use flow_model::{
    plan::{NodeKind, TriggerKind},
    ty::Type,
    units::Millis,
};

use super::*;
use plans::{EVENT, http, member, plan, text, trigger};

/// A flow that answers with a text.
fn says(flow: &str, path: &str, said: &str) -> Arc<Plan> {
    let status = flow_model::expr::Expr::Literal(flow_model::value::Value::Int(200));
    let respond = NodeKind::Respond { status, body: Some(text(said)) };
    Arc::new(plan(flow, vec![http("POST", path, None)], vec![respond]))
}

/// Hands other plans over as `flowc serve` does, and waits until they hold.
async fn take_up(served: &Served, plans: Vec<Arc<Plan>>, path: &str) {
    served.engine.deploy_only(&plans).await.unwrap();
    served.plans.send(plans).unwrap();
    while served.post(path, "{}").send().await.unwrap().status() == StatusCode::NOT_FOUND {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn other_plans_hold_for_the_requests_that_come_then() {
    let (_folder, _, served) = fresh(vec![says("a", "/a", "old"), says("b", "/b", "old")]).await;
    assert_eq!(sent(served.post("/a", "{}")).await, (StatusCode::OK, "old".into()));
    take_up(&served, vec![says("a", "/a", "new"), says("c", "/c", "new")], "/c").await;
    assert_eq!(sent(served.post("/a", "{}")).await, (StatusCode::OK, "new".into()));
    assert_eq!(sent(served.post("/b", "{}")).await.0, StatusCode::NOT_FOUND);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_schedule_that_stays_as_it_is_written_goes_on_where_it_was() {
    let every = |flow: &str| {
        let every = trigger(TriggerKind::Every(Millis::seconds(900)), Type::Json);
        Arc::new(plan(flow, vec![every], vec![NodeKind::Return(member(EVENT, "scheduled_at"))]))
    };
    let (_folder, clock, served) = fresh(vec![every("tidy")]).await;
    // 2023-11-14T22:15:00Z
    let quarter = |number: i64| Instant(1_700_000_100_000 + number * 900_000);
    clock.slept_until(quarter(0)).await;
    take_up(&served, vec![every("tidy"), every("sweep"), says("c", "/c", "new")], "/c").await;
    for (number, runs) in [(0, 2), (1, 4)] {
        clock.slept_until(quarter(number)).await;
        clock.set(quarter(number));
        clock.slept_until(quarter(number + 1)).await;
        while served.runs().await.iter().filter(|run| run.flow != "c").count() < runs {
            tokio::task::yield_now().await;
        }
    }
    let mut flows: Vec<_> = served.runs().await.into_iter().map(|run| run.flow).filter(|flow| flow != "c").collect();
    flows.sort();
    assert_eq!(flows, ["sweep", "sweep", "tidy", "tidy"]);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn a_payload_that_was_read_by_the_version_before_starts_that_version() {
    let (_folder, _, served) = fresh(vec![says("a", "/a", "old")]).await;
    let before = Arc::clone(served.plans.borrow().first().unwrap());
    // The same flow without a trigger: index 0 would mean nothing in it.
    let other = Arc::new(plan("a", Vec::new(), vec![NodeKind::Return(text("new"))]));
    served.engine.deploy_only(&[other]).await.unwrap();
    let submission = engine::Submission {
        plan: Some(Arc::clone(&before)),
        trigger: Some(0),
        ..engine::Submission::with_params("a", flow_model::value::Value::Null)
    };
    let run = served.engine.submit(submission).await.unwrap().run;
    let summary = served.engine.outcome(&run).await.unwrap();
    assert_eq!(summary.plan, before.digest());
    served.stop().await.unwrap();
}
