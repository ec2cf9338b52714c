//! More comes than can be carried out: what was accepted keeps its place, the rest is told when to come again.

use flow_model::{
    expr::Expr,
    plan::{Concurrency, NodeKind, Trigger},
    units::Millis,
    value::Value,
};
use serde_json::json;

use super::*;
use plans::{EVENT, http, member, plan};

/// `on http POST "/work" as req { concurrency: 1 per req.body.tenant }`, which sleeps for a minute.
fn slow() -> Arc<Plan> {
    let concurrency = Some(Concurrency { limit: 1, per: Some(member(EVENT, "body.tenant")) });
    let trigger = Trigger { concurrency, ..http("POST", "/work", None) };
    let sleep = NodeKind::Sleep(Expr::Literal(Value::Duration(Millis::seconds(60))));
    Arc::new(plan("work", vec![trigger], vec![sleep]))
}

#[tokio::test]
async fn case_25_one_tenant_that_floods_is_turned_away_and_the_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let world = World::new(&clock);
    let limits = engine::Limits { waiting: 3, ..engine::Limits::default() };
    let engine = Engine::open(engine::Settings { limits, ..world.engine(folder.path()) }).unwrap();
    let served = world.serve(engine, vec![slow()], Limits::default()).await;
    let of = |tenant: &str| served.post("/work", json!({ "tenant": tenant }).to_string());
    let mut accepted = Vec::new();
    for _ in 0..4 {
        let (status, body) = sent(of("busy")).await;
        assert_eq!(status, StatusCode::ACCEPTED);
        accepted.push(body["run"].as_str().unwrap().to_owned());
    }
    for _ in 0..20 {
        let answer = of("busy").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()["retry-after"], "30");
    }
    assert_eq!(sent(of("calm")).await.0, StatusCode::ACCEPTED);
    assert_eq!(served.counters.counts().unavailable, 20);

    // What was accepted is carried out, one after the other, and then there is room again.
    let mut now = NOW;
    for run in &accepted {
        now = now.after(Millis::seconds(60));
        clock.slept_until(now).await;
        clock.set(now);
        served.engine.outcome(&run.parse().unwrap()).await.unwrap();
    }
    assert_eq!(sent(of("busy")).await.0, StatusCode::ACCEPTED);
    served.stop().await.unwrap();
}

#[tokio::test]
async fn case_25_more_runs_than_memory_is_for_are_turned_away_until_one_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Hands::at(NOW);
    let world = World::new(&clock);
    let limits = engine::Limits { runs: 2, ..engine::Limits::default() };
    let engine = Engine::open(engine::Settings { limits, ..world.engine(folder.path()) }).unwrap();
    // Short enough to be waited for in memory.
    let nap = NodeKind::Sleep(Expr::Literal(Value::Duration(Millis::seconds(20))));
    let naps = Arc::new(plan("work", vec![http("POST", "/work", None)], vec![nap]));
    let served = world.serve(engine, vec![naps], Limits::default()).await;
    let (_, first) = sent(served.post("/work", "1")).await;
    sent(served.post("/work", "2")).await;
    let refused = served.post("/work", "3").send().await.unwrap();
    assert_eq!(
        (refused.status(), &refused.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"10".parse().unwrap())
    );
    let told: serde_json::Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
    assert_eq!(
        told,
        json!({ "error": "unavailable", "message": "more comes than the server can carry out: send it again later" })
    );
    clock.slept_until(NOW.after(Millis::seconds(20))).await;
    clock.set(NOW.after(Millis::seconds(20)));
    served.engine.outcome(&first["run"].as_str().unwrap().parse().unwrap()).await.unwrap();
    assert_eq!(sent(served.post("/work", "4")).await.0, StatusCode::ACCEPTED);
    served.stop().await.unwrap();
}
